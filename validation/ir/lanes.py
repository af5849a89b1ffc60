"""Equal expressions side by side: v0 = tanh(theta[0] * z[0] + theta[3]), v1 = tanh(theta[1] * z[0] + theta[4]) are two lanes of one array
expression, tanh(theta[0:2] * z[0] + theta[3:5]).

Array libraries charge by the operation, so that this makes wide nets several times cheaper to differentiate; each number is computed by the
same operations in the same order as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .dynamics import Dynamics, Expression


class Line(NamedTuple):
    """name = expression, of `size` lanes, or a number where size is 0.

    In the expression ("part", array, text) stands for entries of an array: of z, theta or an earlier line.
    """

    name: str
    size: int
    expression: Expression


def in_lanes(dynamics: Dynamics) -> tuple[list[Line], list[tuple[str, str]]]:
    """The dynamics as lines, operands first, and where the D components are: for each the line's name and how it is written."""
    lines: list[Line] = []
    places: dict[int, Place] = {}
    levels: list[int] = []
    for e in dynamics.let:
        levels.append(1 + max((levels[k] for k in _references(e)), default=-1))
    for level in range(max(levels, default=-1) + 1):
        at_level = [k for k, other in enumerate(levels) if other == level]
        places.update(zip(at_level, _lines([dynamics.let[k] for k in at_level], places, lines), strict=True))
    return lines, [(place.array, _text(place.array, [place.index])) for place in _lines(list(dynamics.rhs), places, lines)]


class Place(NamedTuple):
    """Entry `index` of an array; a number that is no part of an array has the index -1."""

    array: str
    index: int


def _lines(entries: list[Expression], places: dict[int, Place], lines: list[Line]) -> list[Place]:
    """Lines for the entries, which do not refer to one another, and the place of each."""
    alike: dict[Expression, list[tuple[int, list[int]]]] = {}
    for position, e in enumerate(entries):
        indices: list[int] = []
        alike.setdefault(_shape(e, places, indices), []).append((position, indices))
    found: dict[int, Place] = {}
    for shape, members in alike.items():
        for run in _runs(members):
            name, columns = f"v{len(lines)}", list(zip(*(indices for _, indices in run), strict=True))
            size = len(run) if len(run) > 1 else 0
            lines.append(Line(name, size, _filled(shape, iter(columns))))
            found.update({position: Place(name, lane if size else -1) for lane, (position, _) in enumerate(run)})
    return [found[position] for position in range(len(entries))]


def _shape(e: Expression, places: dict[int, Place], indices: list[int]) -> Expression:
    """The expression with its indices left out, which are added to `indices`."""
    if isinstance(e, str) or e[0] == "t":
        return e
    if e[0] in ("z", "theta", "let"):
        place = places[e[1]] if e[0] == "let" else Place(*e)
        indices.append(place.index)
        return ("part", place.array)
    return (e[0], *(operand if isinstance(operand, int) else _shape(operand, places, indices) for operand in e[1:]))


def _runs(members: list[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
    """The members cut into stretches in which each index stays or grows by equal steps, and not all of them stay."""
    run: list[tuple[int, list[int]]] = []
    for member in members:
        steps = [b - a for a, b in zip(run[-1][1], member[1], strict=True)] if run else []
        before = [b - a for a, b in zip(run[0][1], run[1][1], strict=True)] if len(run) > 1 else steps
        if run and (steps != before or min(steps, default=0) < 0 or not any(steps)):
            yield run
            run = []
        run.append(member)
    yield run


def _filled(shape: Expression, columns: Iterator[tuple[int, ...]]) -> Expression:
    """The shape with its parts written out: for each the indices that it has in the lanes."""
    if isinstance(shape, (str, int)) or shape[0] == "t":
        return shape
    if shape[0] == "part":
        return (*shape, _text(shape[1], next(columns)))
    return (shape[0], *(_filled(operand, columns) for operand in shape[1:]))


def _text(array: str, indices: tuple[int, ...] | list[int]) -> str:
    """array[3], array[0:9:3], or the name alone of what is no array."""
    first, last = indices[0], indices[-1]
    if first < 0:
        return array
    if first == last:
        return f"{array}[{first}]"
    step = indices[1] - first
    return f"{array}[{first}:{last + 1}{f':{step}' if step > 1 else ''}]"


def _references(e: Expression) -> Iterator[int]:
    if isinstance(e, tuple):
        if e[0] == "let":
            yield e[1]
        elif e[0] not in ("z", "theta"):
            for operand in e[1:]:
                yield from _references(operand)
