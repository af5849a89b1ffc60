"""The pictures of section 5: intensities (Figure 7), series and latent trajectories (Figures 8 to 10), the demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refnode.experiments.paper.pictures import STYLE, pyplot
from refnode.plots import DATA, FIT, TRUTH


def draw_x5(rows: Sequence[tuple[int, np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]], T: float, path: Path) -> None:
    """Figure 7: for each (seed, ts, true rate, fitted rate, events) both rates, the histogram of all events as a rate, and some of the sequences."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, len(rows), figsize=(4.2 * len(rows), 4.6), sharex=True, squeeze=False, height_ratios=(2.2, 1),
                                    layout="constrained")
        for (above, below), (seed, ts, true, fitted, events) in zip(axes.T, rows, strict=True):
            counts, edges = np.histogram(np.concatenate(events), bins=40, range=(0, T))
            above.stairs(counts / (len(events) * T / 40), edges, fill=True, color="#dddddd", label=f"events in {len(events)} sequences, counted")
            above.plot(ts, true, color=TRUTH, linewidth=2.2, alpha=0.75, label="true rate")
            above.plot(ts, fitted, color=FIT, linewidth=1.5, linestyle="--", label="fitted rate")
            above.set(title=f"seed {seed}", ylim=(0, 1.15 * max(true.max(), (counts / (len(events) * T / 40)).max())))
            below.eventplot(events[:12], colors=DATA, linewidths=0.9)
            below.set(xlabel="t", yticks=(), xlim=(0, T))
        axes[0, 0].set_ylabel(r"$\lambda(t)$")
        axes[1, 0].set_ylabel("12 of them")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(rows)), frameon=False)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def draw_x6(path: Path, counts: Sequence[int], errors: dict[str, np.ndarray], whole: Any, x: Any, window: int, fitted: np.ndarray,
            continued: np.ndarray, latent: np.ndarray) -> None:
    """Figure 8: eight test series, truth, observations, the latent ODE's reconstruction and continuation (m, B, 2), and the RNN's continuation.
    Below: latent trajectories (m, B, L) along their principal axes, coloured by direction, as in Figures 9 and 10; errors (counts, seeds)."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(12, 9.2), layout="constrained")
        halves: Any = figure.subfigures(2, 1, height_ratios=(1.55, 1))
        upper, lower = halves
        for b, axes in enumerate(upper.subplots(2, 4).ravel()):
            axes.plot(*whole.x[:, b].T, color=TRUTH, linewidth=2.4, alpha=0.55, label="truth")
            axes.plot(*x.values[x.mask[:, b], b].T, "o", color=DATA, markersize=3.5, label="observed")
            axes.plot(*fitted[:window, b].T, color=FIT, linewidth=1.5, label="latent ODE, within the window")
            axes.plot(*fitted[window - 1:, b].T, color=FIT, linewidth=1.5, linestyle="--", label="latent ODE, beyond it")
            axes.plot(*continued[:, b].T, color="#009e73", linewidth=1.1, linestyle=":", label="RNN with time differences, beyond it")
            axes.plot(*whole.x[0, b], "*", color=TRUTH, markersize=9)
            axes.set(aspect="equal", xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), xticks=(), yticks=(),
                     title="anticlockwise" if whole.direction[b] > 0 else "clockwise")
        handles, labels = axes.get_legend_handles_labels()
        upper.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        upper.suptitle(f"{len(x.times)} of {window} observations; the star is t = 0")
        left, middle, right = lower.subplots(1, 3)
        flat = latent.reshape(-1, latent.shape[-1])
        principal = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2]
        for panel, first in ((left, 0), (middle, 2)):
            for b in range(latent.shape[1]):
                way, color = latent[:, b] @ principal[first:first + 2].T, TRUTH if whole.direction[b] > 0 else FIT
                panel.plot(*way[:window].T, color=color, linewidth=0.8, alpha=0.6)
                panel.plot(*way[0], "*", color=color, markersize=5)
            panel.set(title=f"latent trajectories, principal axes {first + 1} and {first + 2}", xticks=(), yticks=(), aspect="equal")
        for (kind, values), color, marker in zip(errors.items(), (FIT, DATA, "#009e73"), "os^", strict=True):
            right.plot(counts, values, marker, color=color, markersize=4, alpha=0.6)
            right.plot(counts, values.mean(axis=1), color=color, label=kind)
        right.set(title="error beyond the window", xlabel=f"observations of {window}", xticks=counts, ylim=(0, None))
        right.legend(frameon=False, fontsize=8)
        right.grid(True)
        figure.savefig(path, dpi=90)
        plt.close(figure)


def draw_x9(rows: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]], path: Path) -> None:
    """For each (name, ts, truth, fit, losses) the two trajectories in the plane and over time, and the course of the loss."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(rows), 3, figsize=(12, 3.6 * len(rows)), squeeze=False, layout="constrained", width_ratios=(1, 1.4, 1.2))
        for (plane, over, course), (name, ts, true, fitted, losses) in zip(axes, rows, strict=True):
            plane.plot(*true.T, color=TRUTH, linewidth=2.2, alpha=0.7)
            plane.plot(*fitted.T, color=FIT, linewidth=1.3, linestyle="--")
            plane.set(title=name, xlabel="$y_1$", ylabel="$y_2$", aspect="equal", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4))
            for k in range(2):
                over.plot(ts, true[:, k], color=TRUTH, linewidth=2.2, alpha=0.7, label=None if k else "truth")
                over.plot(ts, fitted[:, k], color=FIT, linewidth=1.3, linestyle="--", label=None if k else "learned, from the same start")
            over.set(xlabel="t", title="both components", ylim=(-2.4, 2.9))
            over.legend(frameon=False, ncols=2, loc="upper right", fontsize=8.5)
            course.semilogy(losses, color=FIT, linewidth=0.8)
            course.set(xlabel="step", title="mean absolute error of a batch" if name == "ode_demo" else "mean absolute error")
            course.grid(True)
        figure.savefig(path, dpi=100)
        plt.close(figure)
