"""The plots of the page, as SVG: ratios against rtol for each problem, ratios by problem, and all ratios of an implementation on one line.

Nothing depends on colour alone: failures are crosses and thick lines with the name of the problem, the allowed error is a dashed line at 1.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from ..runner import rtol_text
from .cells import Row, badness
from .page import esc

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 96, 14, 34
LOWEST, HIGHEST = -8, 12  # decades; what lies outside is drawn at the edge
NAMED = 6  # lines with the name of their problem


def cell_plot(rows: Iterable[Row], label: str) -> str:
    """The ratios of one cell: lines over rtol where some problem has two tolerances, else a dot for each problem; empty without ratios."""
    rows = [row for row in rows if row["ratio"] is not None]
    if not rows:
        return ""
    low, high = _decades(rows)
    series: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        series[row["problem"], row["direction"]].append(row)
    draw = _by_rtol if any(len(mine) > 1 for mine in series.values()) else _by_problem
    body = _axis(low, high, WIDTH - RIGHT) + draw(series, low, high)
    return f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{esc(label)}">{body}</svg>'


def strip_plot(rows: Iterable[Row], low: int, high: int, label: str, ticks: bool) -> str:
    """All the ratios of one implementation on a logarithmic line from 10^low to 10^high; with ticks, there are numbers below it."""
    width, height = WIDTH, 44 if ticks else 30
    dots: dict[bool, list[str]] = {True: [], False: []}
    for i, row in enumerate(row for row in rows if row["ratio"] is not None):
        x = _between(_log(row), low, high, 8, width - 8)
        dots[_fails(row)].append(f"M{x} {4 + (i * 7) % 21}")
    one = _between(0, low, high, 8, width - 8)
    numbers = ""
    for k in range(low, high + 1, max(1, (high - low) // 6)):
        anchor = "start" if k == low else "end" if k == high else "middle"
        numbers += f'<text x="{_between(k, low, high, 8, width - 8)}" y="42" text-anchor="{anchor}">{_power(k)}</text>' if k else ""
    passed = f'<path class="dots" d="{"".join(dot + "h0" for dot in dots[False])}"/>' if dots[False] else ""
    failed = "".join(f'<path class="cross" d="{dot}m-3-3l6 6m0-6l-6 6"/>' for dot in dots[True])
    numbers = f'<text x="{one}" y="42" text-anchor="middle" class="strong">1</text>{numbers}' if ticks else ""
    line = f'<path class="one" d="M{one} 0V30"/>'
    head = f'<svg class="strip" viewBox="0 0 {width} {height}" role="img" aria-label="{esc(label)}">'
    return f"{head}{passed}{failed}{line}{numbers}</svg>"


def decades(rows: Iterable[Row]) -> tuple[int, int]:
    """The decades between which all ratios lie, 1 among them."""
    return _decades([row for row in rows if row["ratio"] is not None])


def _by_rtol(series: dict[tuple[str, str], list[Row]], low: int, high: int) -> str:
    rtols = sorted({row["rtol"] for mine in series.values() for row in mine if row["rtol"] is not None}, reverse=True)
    xs = {rtol: LEFT + 20 + (WIDTH - LEFT - RIGHT - 40) * i // max(1, len(rtols) - 1) for i, rtol in enumerate(rtols)}
    parts = [f'<text x="{xs[rtol]}" y="{HEIGHT - 18}" text-anchor="middle">{rtol_text(rtol)}</text>' for rtol in rtols]
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) // 2}" y="{HEIGHT - 3}" text-anchor="middle">rtol (dashed lines: time reversed)</text>')
    worst = sorted(series.items(), key=lambda item: -max(map(badness, item[1])))
    labels: list[int] = []
    for n, ((problem, direction), mine) in enumerate(worst):
        mine = sorted((row for row in mine if row["rtol"] is not None), key=lambda row: -row["rtol"])
        points = [(xs[row["rtol"]], _y(row, low, high)) for row in mine]
        kind = ("bad" if any(map(_fails, mine)) else "good") + ("" if direction == "forward" else " back")
        parts.append(f'<path class="{kind}" d="M{"L".join(f"{x} {y}" for x, y in points)}{"h0" if len(points) == 1 else ""}"/>')
        parts += [f'<path class="cross" d="M{x} {y}m-4-4l8 8m0-8l-8 8"/>' for (x, y), row in zip(points, mine, strict=True) if _fails(row)]
        if points and (n == 0 or ("bad" in kind and n < NAMED)):
            y = points[-1][1] + 4
            while any(abs(y - other) < 11 for other in labels):
                y += 11
            labels.append(y)
            parts.append(f'<text x="{WIDTH - RIGHT + 4}" y="{y}">{esc(problem)}{"" if direction == "forward" else " reversed"}</text>')
    return "".join(parts)


def _by_problem(series: dict[tuple[str, str], list[Row]], low: int, high: int) -> str:
    problems = list(dict.fromkeys(problem for problem, _ in series))
    xs = {name: LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * i // max(1, len(problems) - 1) for i, name in enumerate(problems)}
    parts = [
        f'<text x="{xs[name]}" y="{HEIGHT - 22}" text-anchor="end" transform="rotate(-45 {xs[name]} {HEIGHT - 22})">{esc(name)}</text>'
        for name in problems
    ]
    for (problem, direction), mine in series.items():
        x, y = xs[problem] + (4 if direction != "forward" else 0), _y(mine[0], low, high)
        fails = _fails(mine[0])
        parts.append(f'<path class="cross" d="M{x} {y}m-4-4l8 8m0-8l-8 8"/>' if fails else f'<path class="dots big" d="M{x} {y}h0"/>')
    return "".join(parts)


def _axis(low: int, high: int, right: int) -> str:
    step = max(1, math.ceil((high - low) / 7))
    parts = []
    for k in range(low, high + 1):
        y = _between(k, low, high, HEIGHT - BOTTOM, TOP)
        if k % step == 0:  # 0 among them
            line, words = ("one", "strong") if k == 0 else ("grid", "dim")
            parts.append(f'<path class="{line}" d="M{LEFT} {y}H{right}"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{y + 4}" text-anchor="end" class="{words}">{_power(k)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) // 2
    parts.append(f'<text x="11" y="{middle}" text-anchor="middle" transform="rotate(-90 11 {middle})">error / allowed</text>')
    return "".join(parts)


def _decades(rows: list[Row]) -> tuple[int, int]:
    logs = [_log(row) for row in rows] or [0.0]
    return min(-1, max(LOWEST, math.floor(min(logs)))), max(1, min(HIGHEST, math.ceil(max(logs))))


def _log(row: Row) -> float:
    """log10 of the ratio, within [LOWEST, HIGHEST]."""
    ratio = badness(row)
    return HIGHEST if math.isinf(ratio) else max(LOWEST, min(HIGHEST, math.log10(ratio))) if ratio > 0 else LOWEST


def _y(row: Row, low: int, high: int) -> int:
    return _between(_log(row), low, high, HEIGHT - BOTTOM, TOP)


def _between(value: float, low: int, high: int, start: int, end: int) -> int:
    """value from [low, high] to [start, end], at the edge where it lies outside."""
    share = (min(high, max(low, value)) - low) / (high - low)
    return round(start + share * (end - start))


def _fails(row: Row) -> bool:
    return row["state"] != "pass"


def _power(k: int) -> str:
    return f"1e{k}" if k else "1"
