"""The matrix of statements and implementations as a picture, readable in grey."""

from __future__ import annotations

import re
from pathlib import Path

from ..statements import statements
from .cells import Cell, Row, by_statement, cell, names, twins

# From far below the allowed error to far above it: lightness falls all the way, so grey prints keep the order.
SHADES = ("#f1f7f9", "#dcecf1", "#c0dee6", "#9ccad4", "#e9a04e", "#bf5530", "#6d1207")
MARKS = {
    "ok": "", "unexpected": "\u2717 ", "noted": "\u25b2 ", "expected": "\u25c7 ",
    "unsupported": "\u2013", "skipped": "not installed", "empty": "",
}
LIMITS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 1000.0)
LONG = 18  # letters that a column is wide
EXPECTED = 4  # the darkest shade of an expected failure


def draw(header: Row, rows: list[Row], path: Path) -> None:
    """Draw the report into a file whose ending says the format."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    twin, lines = twins(rows), by_statement(rows)
    columns = [name for name in names(rows) if name not in twin]
    left, top, width, height = 2.5, 0.75, 0.92, 0.2  # inches
    figure = Figure(figsize=(left + max(width * len(columns), 4.2) + 0.1, top + height * len(lines) + 0.55), layout=None)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, figure.get_figwidth()), ylim=(figure.get_figheight(), 0))
    axes.axis("off")
    for j, name in enumerate(columns):
        axes.text(left + width * (j + 0.5), top - 0.08, _head(name), ha="center", va="bottom", fontsize=7.5, rotation=0)
    for i, (id, of) in enumerate(lines.items()):
        y = top + height * i
        axes.text(0.08, y + height / 2, id, va="center", fontsize=7.5, weight="bold")
        axes.text(0.5, y + height / 2, statements()[id]["title"], va="center", fontsize=7.5)
        for j, name in enumerate(columns):
            _draw_cell(axes, left + width * j, y, width, height, cell(of.get(name, [])))
    axes.text(0.08, 0.12, f"Statements of {header.get('spec', 'the paper')}, and who keeps them", va="top", fontsize=10, weight="bold")
    _draw_scale(axes, left, top + height * len(lines) + 0.15, width, height)
    if twin:
        same = f"The same results as another column, and left out: {', '.join(twin)}"
        axes.text(0.08, top + height * len(lines) + 0.47, same, va="center", fontsize=5.5)
    figure.savefig(path, dpi=160)


def _head(name: str) -> str:
    """The name on several lines: at its dots, and a long part of it also where a new word begins."""
    parts = name.replace(".", "\n.").split("\n")
    return "\n".join(re.sub("(?<=[a-z])(?=[A-Z])", "\n", part) if len(part) > LONG else part for part in parts)


def _draw_cell(axes, x: float, y: float, width: float, height: float, cell: Cell) -> None:
    from matplotlib.patches import Rectangle

    quiet = cell.kind in ("unsupported", "skipped", "empty")
    shade = sum(cell.ratio > limit for limit in LIMITS) if cell.ratio is not None else len(LIMITS)
    shade = min(shade, EXPECTED) if cell.kind == "expected" else shade
    face = "white" if quiet else SHADES[shade]
    edge = "#dddddd" if quiet else "none"
    axes.add_patch(Rectangle((x + 0.01, y + 0.01), width - 0.02, height - 0.02, facecolor=face, edgecolor=edge, linewidth=0.5))
    words = MARKS[cell.kind] + ("" if quiet else cell.text if cell.kind != "ok" else cell.text.removeprefix("ok "))
    ink = "#777777" if quiet else "white" if shade > 4 else "black"
    weight = "bold" if cell.kind == "unexpected" else "normal"
    axes.text(x + width / 2, y + height / 2, words, ha="center", va="center", fontsize=6.5, color=ink, weight=weight)


def _draw_scale(axes, x: float, y: float, width: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    axes.text(0.08, y + height / 2, "error / allowed error, at most 1 passes", va="center", fontsize=7)
    words = ("< 0.001", "< 0.01", "< 0.1", "to 1", "> 1", "> 10", "> 1000")
    for k, (shade, word) in enumerate(zip(SHADES, words, strict=True)):
        axes.add_patch(Rectangle((x + 0.6 * k, y), 0.6, height, facecolor=shade, edgecolor="none"))
        axes.text(x + 0.6 * (k + 0.5), y + height / 2, word, ha="center", va="center", fontsize=6.5, color="white" if k > 4 else "black")
