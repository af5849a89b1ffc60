"""f.smooth: jumps and kinks of f, in t with z held, and along the solution; found on a grid and run down by halving."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .finding import Finding
from .form import Leaf
from .subject import Subject, Trajectory

GRID = 201
MOST = 12  # places that are run down
HALVINGS = 30
JUMP = 1e-6  # of the size of f: smaller ones are the business of f.precision
KINK = 1e-3  # of the largest slope

Curve = Callable[[float], np.ndarray]


@dataclass(frozen=True)
class Place:
    """Where a curve jumps or has a kink: the parameter, the component, the size of the jump of the value or of the slope."""

    s: float
    component: int
    size: float


@dataclass(frozen=True)
class Roughness:
    """What was found: the times at which f jumps as a function of t; does it have kinks, or jumps in z, on the way?"""

    jumps: list[float]
    kinks: bool
    jumps_in_z: bool
    constant: bool = True  # in t, with z held, at all the times that were asked
    asked: int = 0


def smooth(f: Subject, path: Trajectory, noise: float) -> tuple[Finding, Roughness]:
    """f is smooth where it is looked at; and how it is not.

    An explicit step across a jump or a kink has no order: the step-size control gets through, by many small steps.
    noise: of f, relative: jumps and kinks that do not stand out of it are not looked for.
    Statement: S20
    """
    n = int(np.clip(1.0 / max(f.cost, 1e-6) / 4, 41, GRID))
    start, end = path.times[0], path.times[-1]
    middle = path(0.5 * (start + end))
    constant, asked = True, 0

    def held(z: np.ndarray) -> Curve:
        first = f(z, start)

        def curve(t: float) -> np.ndarray:
            nonlocal constant, asked
            value = f(z, t)
            constant, asked = constant and np.array_equal(value, first), asked + 1
            return value
        return curve

    in_t = [_scan(held(z), start, end, n, noise) for z in (f.z.vector, middle)]
    jumps, kinks = _merged([found[0] for found in in_t]), _merged([found[1] for found in in_t])
    along_jumps, along_kinks = _scan(lambda t: f(path(t), t), start, end, n, noise)
    known = [place.s for place in jumps + kinks]
    along_kinks = [place for place in along_kinks if _is_confirmed(f, path, place, noise, abs(end - start))]
    z_jumps, z_kinks = ([p for p in places if not _near(p.s, known, f.span)] for places in (along_jumps, along_kinks))
    knots = _knots(f)
    times = sorted({round(place.s, 12) for place in jumps}, reverse=f.span < 0)
    rough = Roughness(times, bool(kinks or z_kinks), bool(z_jumps), constant, asked)

    if jumps and all(_near(place.s, knots, f.span) for place in jumps):
        text = f"jumps at the {len(jumps)} knots of an input in theta, where refnode's steps end by themselves"
        return Finding("f.smooth", "note", text), rough
    if jumps:
        held = _is_held(f, path, jumps)
        shown = _times([place.s for place in jumps])
        text = f"jumps in t at {shown}: by {jumps[0].size:.3g} in {f.z.place(jumps[0].component)}"
        between = " and is constant in t between (a rounded time, a table?)" if held else ""
        return Finding("f.smooth", "warn", text + (", constant in t between" if held else ""), f"f jumps at t = {shown}{between}: "
                       f"steps across it lose their order. Give jump_ts=[{_times([place.s for place in jumps], 4)}] to the solve."), rough
    if z_jumps:
        shown = _times([place.s for place in z_jumps])
        return Finding("f.smooth", "warn", f"jumps on the way, as z crosses a boundary at t = {shown}, by {z_jumps[0].size:.3g}",
                       f"f jumps where the solution crosses a boundary (first at t = {z_jumps[0].s:.6g}): steps across it lose their "
                       "order, and gradients do not see that the moment of crossing moves: they are wrong, at every tolerance. "
                       "Solve up to an rn.Event there, and go on from it."), rough
    if kinks or z_kinks:
        words = []
        if kinks:
            words.append(f"kinks in t at {_times([p.s for p in kinks])} (jump_ts helps)")
        if z_kinks:
            number = f"{'at least ' * (len(z_kinks) >= MOST)}{len(z_kinks)} kink{'s' * (len(z_kinks) > 1)}"
            words.append(f"{number} in z on the way (relu, abs, max?): steps across them are of order 2")
        return Finding("f.smooth", "note", "; ".join(words)), rough
    return Finding("f.smooth", "ok", f"no jump or kink among {n} places in t, and {n} along the solution"), rough


def _scan(curve: Curve, start: float, end: float, n: int, noise: float) -> tuple[list[Place], list[Place]]:
    """(jumps, kinks) of a curve."""
    s = np.linspace(start, end, n)
    values = np.stack([curve(x) for x in s])
    scale = np.max(np.abs(values), axis=0) + 1e-3 * np.max(np.abs(values), initial=0.0) + 1e-300
    if not np.all(np.isfinite(values)):
        return [], []
    width = (end - start) / (n - 1)
    change = np.max(np.abs(np.diff(values, axis=0)) / scale, axis=1)
    smallest = max(JUMP, 1e3 * noise)
    jumps = []
    for i in np.argsort(-change)[:MOST]:
        if change[i] > smallest:
            place = _jump(curve, s[i], s[i + 1], values[i], values[i + 1], scale, smallest)
            jumps += [place] if place else []
    bent = np.max(np.abs(np.diff(values, 2, axis=0)) / scale, axis=1)
    steepest = float(np.max(change, initial=0.0)) / abs(width)
    kinks = []
    for i in np.argsort(-bent)[:MOST]:
        if bent[i] > max(1e-9, 1e3 * noise) and not _near(s[i + 1], [p.s for p in jumps], 200 * width):
            place = _kink(curve, s[i], s[i + 2], scale, steepest, noise)
            kinks += [place] if place else []
    return _distinct(jumps, width), _distinct(kinks, width)


def _jump(curve: Curve, a: float, b: float, at_a: np.ndarray, at_b: np.ndarray, scale: np.ndarray, smallest: float) -> Place | None:
    """Halve towards the larger change: across a jump it stays, else it shrinks with the interval."""
    for _ in range(HALVINGS):
        m = 0.5 * (a + b)
        if m in (a, b):
            break
        at_m = curve(m)
        left, right = (np.max(np.abs(d) / scale) for d in (at_m - at_a, at_b - at_m))
        if max(left, right) < smallest:
            return None
        a, b, at_a, at_b = (a, m, at_a, at_m) if left >= right else (m, b, at_m, at_b)
    change = np.abs(at_b - at_a)
    i = int(np.argmax(change / scale))
    return Place(b, i, float(change[i]))


def _kink(curve: Curve, a: float, b: float, scale: np.ndarray, steepest: float, noise: float) -> Place | None:
    """Halve towards the largest second difference: across a kink it is proportional to the width, else to its square.

    So the difference of the two one-sided slopes stays (half of it at least: the kink need not be at the middle), or falls with the width.
    """
    slopes_of: list[float] = []
    for _ in range(12):
        x = np.linspace(a, b, 5)
        v = np.stack([curve(s) for s in x])
        second = [np.max(np.abs(v[k] - 2 * v[k + 1] + v[k + 2]) / scale) for k in range(3)]
        k = int(np.argmax(second))
        a, b = x[k], x[k + 2]
        if second[k] < max(1e-13, 1e3 * noise):
            return None
        slopes_of.append(second[k] / abs(x[1] - x[0]))
    if slopes_of[-1] < 0.25 * slopes_of[-5]:
        return None
    slopes = np.abs(v[k] - 2 * v[k + 1] + v[k + 2]) / abs(x[1] - x[0])
    i = int(np.argmax(slopes / scale))
    return Place(float(x[k + 1]), i, float(slopes[i])) if slopes[i] / scale[i] > KINK * steepest else None


def _is_confirmed(f: Subject, path: Trajectory, place: Place, noise: float, span: float) -> bool:
    """Is a kink found along the solution one of f, not of the solution's interpolant? Then the straight line through z has it, too."""
    t, w = place.s, 1e-5 * span
    z, velocity = path(t), f(path(t), t)
    curve = lambda s: f(z + s * velocity, t)
    values = np.stack([curve(s) for s in (-w, 0.0, w)])
    scale = np.max(np.abs(values), axis=0) + 1e-3 * np.max(np.abs(values), initial=0.0) + 1e-300
    return _kink(curve, -w, w, scale, float(np.max(np.abs(np.diff(values, axis=0)) / scale)) / w, noise) is not None


def _is_held(f: Subject, path: Trajectory, jumps: list[Place]) -> bool:
    """Is f constant in t between the jumps?"""
    edges = sorted([path.times[0], *(place.s for place in jumps), path.times[-1]])
    inner = [(a + 0.3 * (b - a), a + 0.6 * (b - a)) for a, b in itertools.pairwise(edges) if b - a > 1e-6 * abs(f.span)]
    return all(np.array_equal(f(f.z.vector, a), f(f.z.vector, b)) for a, b in inner)


def _knots(f: Subject) -> list[float]:
    """The times in theta at which an input that varies with time is known to change its piece: what is called knots there."""
    return [float(t) for leaf in f.theta.leaves if is_knots(leaf) for t in np.ravel(leaf.value)]


def is_knots(leaf: Leaf) -> bool:
    """Are these the times at which an input changes its piece, and not parameters to be moved?"""
    return leaf.path.endswith((".knots", "['knots']"))


def _merged(lists: list[list[Place]]) -> list[Place]:
    places: list[Place] = []
    for place in (place for found in lists for place in found):
        if not any(abs(place.s - other.s) < 1e-9 * (1 + abs(place.s)) for other in places):
            places.append(place)
    return sorted(places, key=lambda place: place.s)


def _distinct(places: list[Place], width: float) -> list[Place]:
    found: list[Place] = []
    for place in places:
        if not any(abs(place.s - other.s) < 1e-3 * abs(width) for other in found):
            found.append(place)
    return sorted(found, key=lambda place: place.s)


def _near(s: float, others: list[float], span: float) -> bool:
    return any(abs(s - other) < 1e-3 * abs(span) for other in others)


def _times(times: list[float], most: int = 3) -> str:
    return ", ".join(f"{t:.6g}" for t in times[:most]) + (", ..." if len(times) > most else "")


