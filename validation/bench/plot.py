"""The picture: error of the gradient against time, one panel for each workload."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .measure import Row
from .workloads import workloads

FAMILIES = {  # Okabe and Ito's colours, which colour-blind readers can tell apart, and a marker each
    "refnode": ("#d55e00", "o"),
    "by hand": ("#222222", "*"),
    "torchdiffeq": ("#0072b2", "s"),
    "torchode": ("#56b4e9", "D"),
    "JAX": ("#009e73", "^"),
    "diffrax": ("#e69f00", "v"),
    "autograd": ("#cc79a7", "P"),
    "yours": ("#7f7f7f", "X"),
}
STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
}


def plot(rows: Sequence[Row], path: Path) -> None:
    """Write the picture of all rows that count."""
    rows = [row for row in rows if row.counts and row.error]
    names = [name for name in workloads() if any(row.workload == name for row in rows)]
    columns = min(3, max(1, len(names)))
    lines = max(1, math.ceil(len(names) / columns))
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(lines, columns, figsize=(4.2 * columns, 3.3 * lines + 0.9), squeeze=False, layout="constrained")
        for ax, name in zip(axes.flat, names, strict=False):
            _panel(ax, workloads()[name].title, [row for row in rows if row.workload == name])
        for ax in axes.flat[max(0, len(names) - columns):len(names)]:
            ax.set_xlabel("processor time of one gradient in ms")
        for ax in axes[:, 0]:
            ax.set_ylabel("relative error of the gradient")
        for ax in axes.flat[len(names):]:
            ax.remove()
        figure.legend(handles=_legend(rows), loc="outside lower center", ncols=min(6, 2 * columns), columnspacing=1.4, handletextpad=0.3)
        figure.savefig(path, dpi=130)
        pyplot.close(figure)


def _panel(ax: Any, title: str, rows: Sequence[Row]) -> None:
    """Filled: the derivative of the steps. Open: the adjoint method. Faint: refnode without compiled."""
    ax.set_title(title)
    ax.set_xscale("log")
    ax.set_yscale("log")
    for row in rows:
        colour, marker = FAMILIES[row.implementation.family]
        size = 11 if marker == "*" else 7
        ax.plot(
            1e3 * (row.processor or 0.0), row.error, marker, color=colour, markersize=size, markeredgewidth=1.4, linestyle="none",
            markerfacecolor=colour if row.implementation.method == "steps" else "white", alpha=0.35 if _is_plain(row) else 1.0,
            zorder=3 if row.implementation.family == "refnode" else 2,
        )
    ax.margins(0.08)
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,), numticks=12))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_locator(LogLocator(numticks=12))


def _legend(rows: Sequence[Row]) -> list[Line2D]:
    present = {row.implementation.family for row in rows}
    handles = [_handle(family, colour, marker, colour) for family, (colour, marker) in FAMILIES.items() if family in present]
    grey = "#555555"
    handles += [_handle("filled: derivative of the steps", grey, "o", grey), _handle("open: adjoint method", grey, "o", "white")]
    if any(_is_plain(row) for row in rows):
        handles.append(_handle("faint: refnode without compiled", FAMILIES["refnode"][0], "o", FAMILIES["refnode"][0], 0.35))
    return handles


def _handle(label: str, colour: str, marker: str, face: str, alpha: float = 1.0) -> Line2D:
    size = 11 if marker == "*" else 7
    return Line2D([], [], marker=marker, color=colour, markerfacecolor=face, markersize=size, linestyle="none", label=label, alpha=alpha)


def _is_plain(row: Row) -> bool:
    return row.implementation.family == "refnode" and "compiled" not in row.implementation.name
