"""The pictures of the experiments, in the manner of the paper's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refnode.experiments.paper import targets
from refnode.plots import DATA, FIT, TRUTH

STYLE: dict[str, Any] = {"font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555", "axes.linewidth": 0.8,
                         "axes.titlesize": 10, "axes.axisbelow": True, "grid.color": "#e4e4e4", "mathtext.fontset": "cm"}
SHADES = "magma_r"


def pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def bare(axes: Any, edge: float, title: str = "") -> None:
    axes.set(xlim=(-edge, edge), ylim=(-edge, edge), aspect="equal", xticks=(), yticks=(), title=title)
    axes.spines[["top", "right"]].set_visible(True)


def square(edge: float, n: int) -> np.ndarray:
    """The centres of n x n cells of [-edge, edge]^2, (n, n, 2), the first axis z_2."""
    axis = np.linspace(-edge, edge, 2 * n + 1)[1::2]
    return np.stack(np.meshgrid(axis, axis), axis=-1)


def shade(axes: Any, p: np.ndarray, edge: float, highest: float | None = None) -> None:
    axes.imshow(p, origin="lower", extent=(-edge, edge, -edge, edge), cmap=SHADES, vmin=0, vmax=highest, interpolation="bilinear", rasterized=True)


def draw_x3(KL: Callable[[str, str, int], np.ndarray], samples: Callable[[str, str, int, int], np.ndarray], sizes: Sequence[int], path: Path) -> None:
    """Rows: targets; columns: the target, the continuous flows, the planar layers, and KL(target, kind, size), all seeds, against size.

    samples(target, kind, size, n): n points of a trained flow.
    """
    plt, edge = pyplot(), 4.6
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(len(targets.TARGETS), 2 + 2 * len(sizes), figsize=(1.55 * (3.3 + 2 * len(sizes)), 1.7 * len(targets.TARGETS)),
                                    width_ratios=[1] * (1 + 2 * len(sizes)) + [1.5], layout="constrained")
        for row, (target, U) in zip(axes, targets.TARGETS.items(), strict=True):
            first = target == next(iter(targets.TARGETS))
            p = np.exp(-U(square(edge, 160)) - targets.log_Z(U))
            shade(row[0], p, edge)
            bare(row[0], edge, "target" if first else "")
            row[0].set_ylabel(target)
            panels = iter(row[1:-1])
            for kind in ("CNF", "NF"):
                for size in sizes:
                    panel = next(panels)
                    x = samples(target, kind, size, 40_000)
                    counts, _, _ = np.histogram2d(x[:, 1], x[:, 0], bins=72, range=[[-edge, edge]] * 2)
                    shade(panel, counts, edge, 40_000 * p.max() * (2 * edge / 72) ** 2)
                    bare(panel, edge, (f"CNF, M = {size}" if kind == "CNF" else f"NF, K = {size}") if first else "")
            for kind, color, marker in (("CNF", TRUTH, "o"), ("NF", FIT, "s")):
                values = np.array([KL(target, kind, size) for size in sizes])
                row[-1].plot(sizes, values, marker, color=color, markersize=3, alpha=0.5)
                row[-1].plot(sizes, values.mean(axis=1), color=color, label=kind)
            row[-1].set(xscale="log", yscale="log", xticks=sizes, xticklabels=sizes, title="KL(q || p)" if first else "")
            row[-1].minorticks_off()
            row[-1].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            row[-1].yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            row[-1].grid(True)
        axes[0, -1].legend(frameon=False)
        axes[-1, -1].set_xlabel("M = K")
        figure.savefig(path, dpi=90)
        plt.close(figure)


def draw_flow(rows: Sequence[tuple[str, Any, Any, np.ndarray]], times: Sequence[float], path: Path, others: Any = None) -> None:
    """Figure 5: for each (title, flow, theta, data) a row of densities and a row of samples at fractions of the time, and the data; at the end
    of the first row the density of `others[title]`, a function of points."""
    plt, edge = pyplot(), 2.7
    grid = square(edge, 110)
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2 * len(rows), len(times) + 1, figsize=(1.5 * (len(times) + 1), 3.1 * len(rows)), layout="constrained")
        for k, (title, flow, theta, data) in enumerate(rows):
            upper, lower = axes[2 * k], axes[2 * k + 1]
            for column, fraction in enumerate(times):
                t = flow.t0 + fraction * (flow.t1 - flow.t0)
                density = np.exp(flow.log_prob(theta, grid.reshape(-1, 2), t1=t)).reshape(grid.shape[:2])
                shade(upper[column], density, edge)
                bare(upper[column], edge, f"{100 * fraction:.0f} %" if k == 0 else "")
                x = flow.sample(theta, np.random.default_rng(6), 1500, t1=t)
                lower[column].plot(*x.T, ".", color=TRUTH, markersize=1, rasterized=True)
                bare(lower[column], edge)
            upper[0].set_ylabel(f"{title}: density")
            lower[0].set_ylabel("samples")
            lower[-1].plot(*data[:1500].T, ".", color=DATA, markersize=1, rasterized=True)
            bare(lower[-1], edge, "data")
            if others and title in others:
                shade(upper[-1], np.exp(others[title](grid.reshape(-1, 2))).reshape(grid.shape[:2]), edge)
                bare(upper[-1], edge, "planar layers")
            else:
                upper[-1].set_visible(False)
        figure.savefig(path, dpi=80)
        plt.close(figure)


def draw_x7(curves: dict[str, tuple[Sequence[float], Sequence[float]]], trained: dict[str, float], bound: float, path: Path) -> None:
    """The largest error of the round trip against the number of stacked flows."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
        for (label, (counts, errors)), color in zip(curves.items(), (TRUTH, FIT, "#009e73"), strict=False):
            axes.loglog(counts, errors, "o-", color=color, markersize=4, label=label)
        for rank, (label, error) in enumerate(sorted(trained.items(), key=lambda item: item[1])):
            axes.loglog([1], [error], "x", color="black", markersize=7)
            axes.annotate(label, (1, error), xytext=(8, 3 if rank % 2 else -9), textcoords="offset points", fontsize=8)
        axes.axhline(bound, color=DATA, linestyle=":", linewidth=1)
        axes.set(xlabel="flows, one after the other", ylabel="largest error of the round trip", title=f"There and back; dotted: {bound:g}",
                 xticks=counts, xticklabels=counts)
        axes.minorticks_off()
        axes.grid(True)
        axes.legend(frameon=False, fontsize=8.5)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def draw_x1(errors: dict[str, list[list[float]]], memory: dict[str, Any], path: Path, unit: str = "epoch") -> None:
    """Table 1 as curves: test error against epochs, the mean over seeds and their range; memory of a gradient against evaluations of f."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.7), layout="constrained")
        for (model, curves), color in zip(errors.items(), (DATA, "black", "#009e73", FIT, TRUTH), strict=True):
            rows, epochs = np.array(curves), np.arange(len(curves[0]))
            left.semilogy(epochs, rows.mean(axis=0), color=color, linewidth=1.3, label=model)
            left.fill_between(epochs, rows.min(axis=0), rows.max(axis=0), color=color, alpha=0.12, linewidth=0)
        left.set(xlabel=unit, ylabel="test error, %", title="Mean and range over the seeds")
        left.legend(frameon=False, fontsize=8.5, ncols=2)
        for gradient, color, label in (("discrete", FIT, "through the integrator"), ("adjoint", TRUTH, "adjoint")):
            right.plot(memory["evaluations"], np.array(memory[gradient]) / 2**20, "o-", color=color, markersize=4, label=label)
        right.set(xlabel="evaluations of f in the forward solve", ylabel="peak memory, MB", title="Memory of a gradient", ylim=(0, None))
        right.legend(frameon=False, fontsize=8.5)
        for axes in (left, right):
            axes.grid(True)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def draw_x2(dopri5: list[dict[str, Any]], adams: list[dict[str, Any]], depths: list[list[list[int]]], path: Path) -> None:
    """Figure 3: error, time and backward evaluations against forward evaluations, for each seed; evaluations against epochs."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 4, figsize=(14, 3.5), layout="constrained")
        for parts, color, label in ((dopri5, TRUTH, "dopri5"), (adams, FIT, "Adams")):
            for k, part in enumerate(parts):
                line = {"color": color, "markersize": 3.5, "linewidth": 1, "label": label if k == 0 else None}
                axes[0].semilogy(part["forward"], part["error"], "o-", **line)
                axes[1].plot(part["forward"], 1e3 * np.array(part["seconds"]), "o", **line)
                axes[2].plot(part["forward"], part["backward"], "o", **line)
        most = max(max(part["forward"]) for part in dopri5 + adams)
        for slope, style, label in ((1, "--", "as many"), (0.5, ":", "half")):
            axes[2].plot([0, most], [0, slope * most], style, color=DATA, linewidth=1, label=label)
        for tolerance, color, label in ((0, "#009e73", "at 1e-3"), (1, "#555555", "at 1e-5")):
            for k, curve in enumerate(np.array(depths)[:, :, tolerance]):
                axes[3].step(np.arange(len(curve)), curve, where="post", color=color, linewidth=1, label=label if k == 0 else None)
        axes[0].set(xlabel="evaluations forwards", ylabel="largest error of h(1)", title="a: error")
        axes[1].set(xlabel="evaluations forwards", ylabel="milliseconds", title="b: time", ylim=(0, None))
        axes[2].set(xlabel="evaluations forwards", ylabel="evaluations backwards", title="c: backwards", ylim=(0, None))
        axes[3].set(xlabel="epoch", ylabel="evaluations forwards", title="d: in training", ylim=(0, None))
        for panel in axes:
            panel.grid(True)
            panel.legend(frameon=False, fontsize=8.5)
        figure.savefig(path, dpi=95)
        plt.close(figure)


def draw_x8(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Evaluations of a batch over those of its most demanding member, against K: trained ODE-Nets, and the oscillators with either norm."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
        most = max(part["K"] for parts in found.values() for part in parts)
        axes.loglog([1, most], [1, most], ":", color=DATA, linewidth=1, label="K times as many")
        axes.loglog([1, most], [1, 1], "--", color=DATA, linewidth=1, label="as many")
        for (name, parts), color in zip(found.items(), (TRUTH, FIT, "#009e73"), strict=False):
            label = "trained ODE-Nets" if name == "digits" else f"oscillators, {name} norm"
            axes.loglog([part["K"] for part in parts], [part["batch"] / max(part["alone"]) for part in parts],
                        "o" if name == "digits" else "o-", color=color, markersize=4, linewidth=1, alpha=0.8, label=label)
        axes.set(xlabel="K, members of the batch", ylabel="evaluations, over the\nmost demanding member's", title="A batch against its members")
        ticks = sorted({part["K"] for parts in found.values() for part in parts} | {1})
        axes.set_xticks(ticks, [str(K) for K in ticks])
        values = [value for value in (1, 2, 4, 8, 16, 32, 64, 128) if value <= most]
        axes.set_yticks(values, [str(value) for value in values])
        axes.minorticks_off()
        axes.grid(True)
        axes.legend(frameon=False, fontsize=8.5)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def draw_x10(units: Sequence[int], trace: Sequence[int], determinant: Sequence[int], path: Path) -> None:
    """Multiplications against M; the determinant of one number, which takes none, is left out."""
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
        axes.loglog(units[1:], determinant[1:], "s-", color=FIT, markersize=4, label="determinant of a layer, about $M^3/3$")
        axes.loglog(units, trace, "o-", color=TRUTH, markersize=4, label="trace of the units, $4 M$")
        axes.set(xlabel="M, units", ylabel="multiplications and divisions", title="The change of a density at one point, D = 2")
        axes.set_xticks(units, [str(M) for M in units])
        axes.minorticks_off()
        axes.grid(True)
        axes.legend(frameon=False, fontsize=8.5)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def draw_e14(lines: dict[str, np.ndarray], ends: dict[str, np.ndarray], rings: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Left: g(x) = -x, targets and outputs of the models of one number. Right: for each model the scores w^T h(1) + b of ball and shell.

    lines: {model: outputs at x}; ends: {"x": x, "target": -x}; rings: {model: (scores of the ball, scores of the shell)}.
    """
    plt = pyplot()
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 1 + len(rings), figsize=(3.6 * (1 + len(rings)), 3.5), layout="constrained")
        axes[0].plot(ends["x"], ends["target"], "--", color=DATA, linewidth=2, label="g(x) = -x")
        for (model, values), color in zip(lines.items(), (FIT, TRUTH), strict=True):
            axes[0].plot(ends["x"], values, color=color, label=model)
        axes[0].set(xlabel="x", ylabel="h(1)", title="What a flow of the line can be")
        axes[0].legend(frameon=False, fontsize=8.5)
        for panel, (model, (ball, shell)) in zip(axes[1:], rings.items(), strict=True):
            low, high = min(ball.min(), shell.min()), max(ball.max(), shell.max())
            bins = np.linspace(low, high, 50)
            panel.hist(ball, bins, color=FIT, alpha=0.7, label="ball")
            panel.hist(shell, bins, color=TRUTH, alpha=0.7, label="shell")
            panel.axvline(0, color="black", linewidth=0.8)
            panel.set(xlabel="score", title=f"Ball and shell, {model}", yscale="log")
            panel.legend(frameon=False, fontsize=8.5)
        for panel in axes:
            panel.grid(True)
        figure.savefig(path, dpi=100)
        plt.close(figure)
