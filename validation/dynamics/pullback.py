"""f.pullback: the vector-Jacobian product that gradients will use - f's own, or the one an implementation makes by tracing f."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .finding import Finding
from .form import Leaf
from .precision import inside
from .smooth import is_knots
from .subject import Malformed, Point, Raised, Subject, Trajectory, line_of

STEPS = (1e-4, 1e-5, 1e-6)  # relative to the argument; central differences are of order 2
AGREE = 1e-6  # of the slope: what differences must agree to before anything is judged by them, in float64
Back = Callable[[Any], Any]


@dataclass(frozen=True)
class Slope:
    """g . df along one direction: by the pullback, by differences, and how far the differences agree among themselves."""

    leaf: str
    got: float
    expected: float
    spread: float
    scale: float
    agree: float  # the spread up to which it is judged
    settles: bool  # do the differences converge as their step falls? Then the steps are long for f, and nothing is wrong with it

    @property
    def error(self) -> float:
        """Relative to the slopes of the components with their signs taken away."""
        return abs(self.got - self.expected) / self.scale


def pullback(f: Subject, path: Trajectory, points: list[Point], rng: np.random.Generator, noise: float, tracer: Any = None) -> Finding:
    """back(g) = (g df/dz, g df/dt, g df/dtheta), against central differences at three step sizes; and back is linear in g.

    A slope is judged only where the three differences agree. noise: of f, relative. tracer: (name, pullback(f, *args)) of an
    implementation, for an f that brings none.
    Statement: S8, S9, S10
    """
    own = getattr(f.f, "pullback", None)
    who = "its own pullback" if own is not None else f"the pullback by tracing ({tracer[0]})" if tracer else ""
    if any(leaf.value.dtype.kind == "c" for leaf in f.z.leaves):
        return Finding("f.pullback", "note", "not judged: complex states can be solved, but not differentiated")
    if not who:
        return Finding("f.pullback", "note", "f brings no pullback, and there is nothing here to trace it with")
    make = own if own is not None else lambda *args: tracer[1](f.f, *args)
    slopes: list[Slope] = []
    wrong = ""
    for z, t in points[:3]:
        try:
            value, back = _made(f, make, z, t)
        except Exception as error:  # the user's code or what traces it
            what = f"{type(error).__name__}: {str(error)[:300]}{'' if '(' in str(error)[-25:] else line_of(error)}"
            if own is None:
                return Finding("f.pullback", "warn", f"{who} fails: {type(error).__name__}",
                               f"f can be solved, but refnode cannot trace it, which limits its gradients only: {what}")
            return Finding("f.pullback", "FAIL", f"{who} fails: {type(error).__name__}",
                           f"f can be solved, but not differentiated: {who} fails. {what}")
        wrong = wrong or _value(f, value, z, t, noise) or _linear(f, back, rng, noise)
        if wrong:
            break
        for _ in range(2):
            g = rng.standard_normal(f.z.size)
            try:
                cotangents = _cotangents(f, back, g)
            except ValueError as error:
                wrong = str(error)
                break
            slopes += [slope for way in _ways(f, path, z, t, cotangents, rng) for slope in _slope(way, g)]
    if wrong:
        return Finding("f.pullback", "FAIL", f"{who}: {wrong}", f"{who[0].upper() + who[1:]} is wrong: {wrong}.")
    return _verdict(f, who, slopes, points, make, rng)


def _verdict(f: Subject, who: str, slopes: list[Slope], points: list[Point], make: Back, rng: np.random.Generator) -> Finding:
    judged = [slope for slope in slopes if slope.spread <= slope.agree]
    wrong: dict[str, list[Slope]] = {}
    for slope in judged:
        if slope.error > 30 * max(slope.spread, 1e-3 * slope.agree):
            wrong.setdefault(slope.leaf, []).append(slope)
    worst = max((slope.error for slope in judged), default=0.0)
    if wrong:
        leaf, found = max(wrong.items(), key=lambda item: max(slope.error for slope in item[1]))
        slope = max(found, key=lambda slope: slope.error)
        how = _how(f, leaf, [slope for slope in judged if slope.leaf == leaf], points, make, rng)
        names = ", ".join(sorted(wrong))
        text = f"{who}: wrong in {names}, by up to {worst:.1e} of the slope in {len(judged)} directions"
        right = sorted({slope.leaf for slope in judged} - set(wrong))
        rest = f" Those of {', '.join(right[:4])} are right." if right else ""
        return Finding("f.pullback", "FAIL", text, f"{who[0].upper() + who[1:]} gives a wrong cotangent of {names}: "
                       f"{slope.got:.6g}, differences say {slope.expected:.6g}{how}.{rest}", worst / 1e-6)
    if not judged:
        text = f"not judged: differences of f at three step sizes disagree in all of {len(slopes)} directions"
        return Finding("f.pullback", "note", text)
    skipped = f"; {len(slopes) - len(judged)} directions not judged, where differences disagree" if len(judged) < len(slopes) else ""
    text = f"{who} agrees with differences to {max(worst, 1e-16):.0e} in {len(judged)} directions, and is linear{skipped}"
    if 3 * sum(not slope.settles for slope in slopes if slope.spread > slope.agree) >= len(slopes):
        return Finding("f.pullback", "warn", text, f"The pullback could be judged in {len(judged)} of {len(slopes)} directions only: in "
                       "others differences of f do not settle as their step falls, as where f is rounded, noisy or not smooth.")
    return Finding("f.pullback", "ok", text)


def _made(f: Subject, make: Any, z: np.ndarray, t: float) -> tuple[Any, Back]:
    with np.errstate(all="ignore"):
        return make(f.z.tree(np.array(z)), float(t), f.theta.tree(np.array(f.theta.vector)))


def _value(f: Subject, value: Any, z: np.ndarray, t: float, noise: float) -> str:
    """Is the value that comes with the pullback that of f?"""
    try:
        got = f.z.value(value)
    except ValueError as error:
        return f"its value is no value of f: {error}"
    expected = f(z, t)
    i = int(np.argmax(np.abs(got - expected)))
    allowed = 1e3 * max(noise, *(leaf.eps for leaf in f.z.leaves)) * (float(np.max(np.abs(expected))) + 1e-300)
    if abs(got[i] - expected[i]) <= allowed:
        return ""
    return f"its value at t = {t:.4g} is {got[i]:.6g} in {f.z.place(i)}, that of f {expected[i]:.6g}"


def _linear(f: Subject, back: Back, rng: np.random.Generator, noise: float) -> str:
    """back(2 g) = 2 back(g), back(g + h) = back(g) + back(h), and the same again at a second call."""
    g, h = rng.standard_normal((2, f.z.size))
    try:
        of_g, of_h, of_both, of_twice, again = (_cotangents(f, back, x) for x in (g, h, g + h, 2 * g, g))
    except ValueError as error:
        return str(error)
    size = float(np.nanmax(np.abs([of_g, of_h]), initial=0.0)) or 1.0
    allowed = 1e4 * max(noise, *(leaf.eps for leaf in (*f.z.leaves, *f.theta.leaves))) * size
    for what, difference in (("back(g) called again gives another cotangent", again - of_g),
                             ("back is not linear: back(2g) is not 2 back(g)", of_twice - 2 * of_g),
                             ("back is not linear: back(g + h) is not back(g) + back(h)", of_both - of_g - of_h)):
        error = np.delete(np.abs(difference), f.z.size) if np.isnan(difference[f.z.size]) else np.abs(difference)
        if not np.all(error <= allowed):
            return f"{what}, off by {np.max(error) / size:.1e} of its size"
    return ""


def _cotangents(f: Subject, back: Back, g: np.ndarray) -> np.ndarray:
    """The cotangents of z, t and theta, one after the other. ValueError, in one sentence, if they have not the arguments' forms."""
    with np.errstate(all="ignore"):
        found = back(f.z.tree(g))
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        what = f"{len(found)} entries" if isinstance(found, (tuple, list)) else f"a {type(found).__name__}"
        raise ValueError(f"back(g) must return a tuple of three cotangents, of z, t and theta, but returned {what}")
    dz, dt, dtheta = found
    if dt is None and getattr(f.f, "pullback", None) is None:
        dt = np.nan  # tracing leaves t out
    if dt is None or np.shape(dt) != ():
        raise ValueError(f"the cotangent of t must be one number, not {'None' if dt is None else f'of shape {np.shape(dt)}'}")
    return np.concatenate([f.z.cotangent(dz, "the cotangent of z"), [float(dt)], f.theta.cotangent(dtheta, "the cotangent of theta")])


@dataclass(frozen=True)
class Way:
    """A random direction in one leaf: its cotangent along it, and f at a distance h. eps: of the leaf's precision."""

    leaf: str
    eps: float
    got: float
    at: Callable[[float], np.ndarray]


def _ways(f: Subject, path: Trajectory, z: np.ndarray, t: float, cotangents: np.ndarray, rng: np.random.Generator) -> Iterator[Way]:
    """One in each leaf of z, in t, and in each leaf of theta that may be moved."""
    D = f.z.size
    for leaf, start in [*((leaf, 0) for leaf in f.z.leaves), *((leaf, D + 1) for leaf in f.theta.leaves if not is_knots(leaf))]:
        size = path.scale[leaf.part] if start == 0 else _size(f.theta.vector[leaf.part])
        direction = rng.uniform(0.5, 1.0, size.size) * rng.choice([-1, 1], size.size) * size
        its = cotangents[start + leaf.part.start:start + leaf.part.stop]

        def at(h: float, part: slice = leaf.part, direction: np.ndarray = direction, of_z: bool = start == 0) -> np.ndarray:
            return _at(f, z, t, part, h * direction, of_z)

        yield Way(leaf.path, leaf.eps, float(its @ direction), at)
    if min(abs(t - f.ts[0]), abs(t - f.ts[-1])) >= STEPS[0] * abs(f.span):
        yield Way("t", 2.0**-52, float(cotangents[D]) * f.span, lambda h: f(z, inside(f, t + h * f.span)))


def _slope(way: Way, g: np.ndarray) -> Iterator[Slope]:
    """g . df along a direction; nothing where f cannot be asked there."""
    coarser = (way.eps / 2.0**-52) ** (1 / 3)
    steps = [h * coarser for h in STEPS]
    try:
        values = [(way.at(h), way.at(-h)) for h in steps]
    except (Raised, Malformed):
        return
    if not all(np.all(np.isfinite(side)) for pair in values for side in pair) or not np.isfinite(way.got):
        return
    first, second, third = (float(g @ (up - down)) / (2 * h) for h, (up, down) in zip(steps, values, strict=True))
    size = max(float(np.abs(g) @ np.abs(up - down)) / (2 * h) for h, (up, down) in zip(steps, values, strict=True))
    scale = max(size, abs(way.got), 1e-300)
    rounding = 4 * way.eps * float(np.abs(g) @ np.abs(values[0][0])) / steps[1] if size else 0.0
    spread = (max(abs(second - third), abs(first - second) / 100) + rounding) / scale
    yield Slope(way.leaf, way.got + 0.0, second, spread, scale, AGREE * coarser, abs(second - third) < abs(first - second) / 5)


def _at(f: Subject, z: np.ndarray, t: float, part: slice, move: np.ndarray, of_z: bool) -> np.ndarray:
    if of_z:
        moved = z.copy()
        moved[part] += move
        return f(moved, t)
    theta = f.theta.vector.copy()
    theta[part] += move
    return f(z, t, theta)


def _size(x: np.ndarray) -> np.ndarray:
    largest = float(np.max(np.abs(x), initial=0.0)) or 1.0
    return np.maximum(np.abs(x), 0.1 * largest)


def _how(f: Subject, name: str, slopes: list[Slope], points: list[Point], make: Any, rng: np.random.Generator) -> str:
    """What the wrong cotangent is, where it can be told: a multiple of the right one, zero, or that of the transposed matrix."""
    ratios = [slope.got / slope.expected for slope in slopes if abs(slope.expected) > 1e-3 * slope.scale]
    if all(slope.got == 0 for slope in slopes):
        return ", it is 0 throughout: the term is missing"
    if len(ratios) >= 2 and np.ptp(ratios) < 1e-4 * abs(ratios[0]):
        ratio = float(np.mean(ratios))
        return ", the sign is wrong" if abs(ratio + 1) < 1e-4 else f", it is {ratio:.4g} times the right one"
    leaf = next((leaf for leaf in f.theta.leaves if leaf.path == name), None)
    if leaf and leaf.value.ndim == 2 and leaf.value.shape[0] == leaf.value.shape[1] <= 20 and _is_transposed(f, leaf, points[1], make, rng):
        return ", it is the transpose of the right one"
    return ""


def _is_transposed(f: Subject, leaf: Leaf, point: Point, make: Any, rng: np.random.Generator) -> bool:
    z, t = point
    g = rng.standard_normal(f.z.size)
    got = _cotangents(f, _made(f, make, z, t)[1], g)[f.z.size + 1 + leaf.part.start:f.z.size + 1 + leaf.part.stop].reshape(leaf.value.shape)
    h = 1e-5 * float(np.max(np.abs(leaf.value)) or 1.0)
    changes = [_at(f, z, t, leaf.part, e, False) - _at(f, z, t, leaf.part, -e, False) for e in h * np.eye(leaf.value.size)]
    right = (np.stack(changes) @ g / (2 * h)).reshape(leaf.value.shape)
    return bool(np.allclose(got, right.T, rtol=1e-4, atol=1e-4 * np.max(np.abs(right))))


