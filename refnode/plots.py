"""Pictures. Matplotlib is imported when a picture is asked for, not before."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from refnode.tree import leaves

DATA, FIT, TRUTH, BACKWARD = "#7f7f7f", "#d55e00", "#0072b2", "#009e73"  # colours that colour-blind readers can tell apart
METHODS = (BACKWARD, TRUTH, FIT, "#cc79a7", "#e69f00", "#56b4e9", DATA)


def draw_demo(result: Any, path: str) -> None:
    """The samples, the fitted trajectory in the learned vector field, both over time, and the course of training, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(12, 6.2), layout="constrained")
    halves: Any = figure.subfigures(1, 2, width_ratios=(1.05, 1))
    left, right = halves
    plane = left.subplots()
    edge = 1.15 * float(np.abs(result.samples).max())
    grid = np.linspace(-edge, edge, 60)
    points = np.stack(np.meshgrid(grid, grid), axis=-1)
    arrows = result.field(points)
    speed = np.linalg.norm(arrows, axis=-1)
    plane.streamplot(grid, grid, arrows[..., 0], arrows[..., 1], color=np.log10(speed + 1e-3), cmap="Greys", density=1.3, linewidth=0.6,
                     arrowsize=0.7)
    plane.plot(*result.samples.T, ".", color=DATA, markersize=3.5, alpha=0.8, label="noisy samples")
    plane.plot(*result.true.T, color=TRUTH, linewidth=2.2, alpha=0.75, label="truth")
    plane.plot(*result.fitted.T, color=FIT, linewidth=1.5, linestyle="--", label="fit, from the same start")
    plane.set(xlabel="$z_1$", ylabel="$z_2$", title="dz/dt = mlp(z³): the learned field, and one solve through it", aspect="equal",
              xlim=(-edge, edge), ylim=(-edge, edge))
    left.legend(loc="outside lower center", ncols=3, frameon=False)

    over_time, course = right.subplots(2, 1)
    over_time.plot(result.ts, result.samples[:, 0], ".", color=DATA, markersize=3, alpha=0.7)
    over_time.plot(result.fine, result.true[:, 0], color=TRUTH, linewidth=2.2, alpha=0.75)
    over_time.plot(result.fine, result.fitted[:, 0], color=FIT, linewidth=1.5, linestyle="--")
    over_time.set(xlabel="t", ylabel="$z_1$", title=f"Over time: mean distance of the fit from the truth {result.error():.3f}",
                  xlim=(-0.3, result.ts[-1] + 0.3))

    steps = np.array([p.iteration for p in result.history])
    losses, forward, backward = np.array([(p.loss, p.forward, p.backward) for p in result.history], float).T
    course.semilogy(steps, losses, color=FIT, linewidth=0.5, alpha=0.35)
    course.semilogy(steps, _running_mean(losses), color=FIT, linewidth=1.8)
    course.set(xlabel="gradient step", title="Training, averaged over 25 steps", xlim=(0, len(steps)))
    course.set_ylabel("mean absolute error", color=FIT)
    evaluations = course.twinx()
    for values, color, label in ((forward, TRUTH, "forward"), (backward, BACKWARD, "backward")):
        evaluations.plot(steps, _running_mean(values), color=color, linewidth=1.5)
        evaluations.annotate(label, (steps[-1], _running_mean(values)[-1]), xytext=(-4, 12), textcoords="offset points", ha="right", color=color)
    evaluations.set_ylabel("evaluations of f in a gradient")
    evaluations.set_ylim(0, 1.35 * _running_mean(backward).max())
    figure.savefig(path, dpi=130)
    plt.close(figure)


def draw_steps(solution: Any) -> Any:
    """The course of a solve, made with dense=True: the solution and the ends of its steps; each trial step, as a line from where it began, at the
    height of its size, with a dot if it was accepted and a cross if not; its error ratio, which is below 1 if it was; the order, if it varies.

    Ratios beyond 1e-4 and 1e4 are drawn there, and NaN is drawn at 1e4; fixed steps have none. Real and imaginary parts are components of their
    own. Returns the figure: plt.show() shows it, figure.savefig(path) stores it, and figure.axes are its panels.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    tried, ends = solution.attempts, solution.t_steps
    if not len(tried):
        raise ValueError("this solve tried no step; there is nothing to draw.")
    t, h, accepted, orders = tried["t"], tried["h"], tried["accepted"], tried["order"]
    ratios = np.clip(np.nan_to_num(tried["ratio"], nan=np.inf), 1e-4, 1e4)
    estimated, varies = not np.all(np.isnan(tried["ratio"][accepted])), bool(np.ptp(orders))
    heights = [1.5, 1.0] + [0.8] * estimated + [0.5] * varies
    figure, (state, sizes, *others) = plt.subplots(len(heights), 1, sharex=True, figsize=(9, 1.6 * sum(heights)), height_ratios=heights,
                                                   layout="constrained")
    inside = np.linspace(1e-9, 1, 2 + 600 // len(ends))  # from just behind the start, where an event may have changed the state
    fine = np.append(ends[0], ends[:-1, None] + np.diff(ends)[:, None] * inside)
    lines = state.plot(fine, _components(solution(np.clip(fine, ends.min(), ends.max()))), linewidth=1.4)
    for line, z in zip(lines, _components(solution(ends)).T, strict=True):
        state.plot(ends, z, "o", color=line.get_color(), markersize=3)
    if 1 < len(lines) < 8:
        state.legend(lines, [f"$z_{i + 1}$" for i in range(len(lines))], loc="center left", bbox_to_anchor=(1, 0.5))
    state.set(ylabel="state", title=f"{np.sum(accepted)} steps (dots), {np.sum(~accepted)} rejected tries (crosses)")
    for these, color, marker in ((accepted, TRUTH, "o"), (~accepted, FIT, "x")):
        style: Any = {"color": color, "marker": marker, "linestyle": "", "markersize": 3 if marker == "o" else 4.5}
        sizes.hlines(abs(h[these]), t[these], t[these] + h[these], color=color, linewidth=1.2 if marker == "o" else 0.6)
        sizes.plot(t[these], abs(h[these]), **style)
        if estimated:
            others[0].plot(t[these], ratios[these], **style)
    sizes.set(ylabel="step size", yscale="log", ylim=(abs(h).min() / 2, 2 * abs(h).max()))
    if np.ptp(np.log10(abs(h))) < 3:
        sizes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        sizes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    sizes.yaxis.set_minor_locator(NullLocator())
    if estimated:
        others[0].axhline(1, color=DATA, linewidth=0.8)
        others[0].set(ylabel="error ratio", yscale="log", ylim=(ratios.min() / 3, 3 * max(1.0, ratios.max())))
    if varies:
        others[-1].plot(t, orders, drawstyle="steps-post", color=BACKWARD)
        others[-1].set(ylabel="order")
    for panel in (sizes, *others):
        panel.grid(True, axis="y")
    margin = 0.03 * np.ptp(ends) or 1.0
    figure.axes[-1].set(xlabel="time $t$", xlim=(ends.min() - margin, ends.max() + margin))
    return figure


def draw_work_precision(diagrams: Sequence[Any], path: str) -> None:
    """For each problem the error against the evaluations of f and against the time, as a PNG; a colour for each method.

    refnode is solid with dots, SciPy dashed with rings: where the two take the same steps, the dots lie in the rings.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    colors = dict(zip(dict.fromkeys(method for diagram in diagrams for method, _ in diagram.curves), METHODS, strict=False))
    looks: dict[str, dict[str, Any]] = {
        "refnode": {"linestyle": "-", "linewidth": 1.6, "marker": "o", "markersize": 3.2},
        "SciPy": {"linestyle": (0, (3, 2)), "linewidth": 1.1, "marker": "o", "markersize": 7.5, "markerfacecolor": "none", "markeredgewidth": 0.9}}
    style: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#555555", "axes.linewidth": 0.8,
             "axes.titlesize": 10.5, "axes.titlelocation": "left", "xtick.color": "#555555", "ytick.color": "#555555",
             "xtick.labelcolor": "#222222", "ytick.labelcolor": "#222222", "grid.color": "#e4e4e4", "grid.linewidth": 0.7,
             "axes.axisbelow": True, "mathtext.fontset": "cm"}
    with plt.rc_context(style):
        figure, axes = plt.subplots(2, len(diagrams), figsize=(1.6 + 3.1 * len(diagrams), 7.2), sharey="col", squeeze=False, layout="constrained")
        for column, diagram in zip(axes.T, diagrams, strict=True):
            for (method, who), works in diagram.curves.items():
                errors = [work.error for work in works]
                column[0].loglog([work.nfe for work in works], errors, color=colors[method], **looks[who])
                column[1].loglog([1e3 * work.seconds for work in works], errors, color=colors[method], **looks[who])
            column[0].set(title=f"{diagram.name}: {diagram.title}", xlabel="evaluations of f")
            column[1].set(xlabel="processor time of a solve, ms")
            for axis in column:
                axis.grid(True)
                axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
                axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axis.xaxis.set_minor_locator(NullLocator())
                axis.yaxis.set_minor_locator(NullLocator())
        for row in axes:
            row[0].set_ylabel("largest error / (1 + |z|)")
        entries = [Line2D([], [], color=color, linewidth=3, label=method) for method, color in colors.items()]
        entries += [Line2D([], [], color="#222222", label=who, **look) for who, look in looks.items()]
        figure.legend(handles=entries, loc="outside lower center", ncols=min(len(entries), 2 + 2 * len(diagrams)), frameon=False)
        title = "Work and precision at tolerances from 1e-3 to 1e-9: dots in rings are the same steps (above); what they cost in time (below)"
        figure.suptitle(textwrap.fill(title, 30 * len(diagrams) + 15), x=0.005, ha="left", fontsize=12)
        figure.savefig(path, dpi=130)
        plt.close(figure)


def _components(zs: Any) -> np.ndarray:
    """A tree of states at m times as (m, n) real numbers."""
    return np.hstack([leaf.reshape(len(leaf), -1).view(leaf.real.dtype) for leaf in leaves(zs)])


def _running_mean(values: np.ndarray, width: int = 25) -> np.ndarray:
    """The mean of the last `width` values, of fewer at the start."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    upto = np.arange(1, len(values) + 1)
    since = np.maximum(upto - width, 0)
    return (sums[upto] - sums[since]) / (upto - since)


def draw_gradient_report(report: Any) -> Any:
    """A `GradientReport`: each method's distance from the reference against its work, and what a backward solve does along t.

    Methods that warn have the other colour, those that failed are named in the title. Distances below 1e-3 are drawn there. Returns the figure.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    done = [m for m in report.methods if m.gradient is not None]
    failed = [m.name for m in report.methods if m.gradient is None]
    for rank, m in enumerate(sorted(done, key=lambda m: m.work)):
        height = max(m.off, 1e-3)
        left.loglog(m.work, height, "o", color=FIT if m.note else TRUTH, markersize=8)
        left.annotate(m.name, (m.work, height), xytext=(0, -16 if rank % 2 else 9), textcoords="offset points", ha="center", fontsize=9)
    left.axhline(100, color=DATA, linewidth=1, linestyle=":")
    left.margins(0.25, 0.2)
    left.set(xlabel="work: evaluations of f, a cotangent counted as two", ylabel="distance from the reference, in tolerances",
             title="Gradient methods" + (f" (not drawn, failed: {', '.join(failed)})" if failed else ""))

    both = np.stack([report.reconstruction, report.growth])
    both = np.where(np.isfinite(both), np.maximum(both, 1e-3), np.nan)
    for values, color, marker, label in ((both[0], FIT, "o-", "distance of z from the stored one, in tolerances"),
                                         (both[1], TRUTH, "s--", "growth of a change of z")):
        right.semilogy(report.ts, values, marker, color=color, markersize=4, linewidth=1.2, label=label)
    for t in report.ts[~np.isfinite(report.reconstruction)]:
        right.axvline(t, color=FIT, linewidth=1, alpha=0.4)
    right.axhline(100, color=DATA, linewidth=1, linestyle=":", label="100 tolerances: the adjoint warns")
    right.legend(frameon=False, fontsize=9)
    right.set(xlabel="t", title="Solved back to t from the next observation")
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_locator(NullLocator())
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(which="major", color="#e5e5e5")
        axes.set_axisbelow(True)
    return figure
