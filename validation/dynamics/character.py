"""f.time, f.parameters, f.rows, f.stiffness: properties of f that decide which checks, methods and gradients fit it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from .finding import Finding
from .precision import inside
from .smooth import Roughness, is_knots
from .subject import RTOL, Malformed, Point, Raised, Subject, Trajectory, irregular

DENSE = 40  # components up to which the whole Jacobian is looked at
STIFF_SHARE = 0.5  # of the steps of RK45 at the limit of stability
LIMIT = 3.3  # |h lambda| on the negative axis where Dormand-Prince turns unstable


def time(f: Subject, points: list[Point], rough: Roughness) -> tuple[Finding, bool]:
    """Does f depend on t? If not, all gradients by the times add up to zero.

    Statement: S77, S81
    """
    times = irregular(f, 41)  # on an equispaced grid a period may hide
    autonomous = rough.constant and all(np.array_equal(f(z, times[0]), f(z, t)) for z, _ in points[:3] for t in times[1:])
    seen = f"no dependence on t seen at {rough.asked + 3 * len(times)} times: then sum_i dL/dt_i = 0"
    text = seen if autonomous else "f depends on t"
    return Finding("f.time", "note" if autonomous else "ok", text), autonomous


def parameters(f: Subject, points: list[Point], rng: np.random.Generator) -> Finding:
    """Which leaves of theta have an influence at all?

    Statement: S9
    """
    idle = []
    for leaf in f.theta.leaves:
        moved = f.theta.vector.copy()
        x = moved[leaf.part]
        x += 1e-3 * (np.abs(x) + np.max(np.abs(x), initial=0.0) + (0 if np.any(x) else 1)) * rng.uniform(0.5, 1, x.size)
        if not is_knots(leaf) and not any(_differs(f, z, t, moved) for z, t in points):
            idle.append(leaf.path)
    if not f.theta.leaves:
        return Finding("f.parameters", "note", "theta holds no floating-point numbers: there is nothing to train")
    if idle:
        text = f"without influence at the {len(points)} points looked at: {', '.join(idle[:5])}; the gradient there is zero"
        return Finding("f.parameters", "note", text)
    n = len(f.theta.leaves)
    who = f"all {n} leaves of theta have" if n > 1 else "theta has"
    return Finding("f.parameters", "ok", f"{who} an influence ({f.theta.size} numbers)")


def _differs(f: Subject, z: np.ndarray, t: float, theta: np.ndarray) -> bool:
    try:
        return not np.array_equal(f(z, t, theta), f(z, t))
    except (Raised, Malformed):
        return True


def rows(f: Subject, point: Point) -> Finding | None:
    """For states with two axes or more: is the first one a batch, whose entries do not influence each other?

    Statement: S3
    """
    shapes = [leaf.value.shape for leaf in f.z.leaves]
    if not shapes or any(len(shape) < 2 or shape[0] < 2 or shape[0] != shapes[0][0] for shape in shapes):
        return None
    z, t = point
    n = shapes[0][0]
    parts = [(leaf.value.size // n, 2 if leaf.value.dtype.kind == "c" else 1) for leaf in f.z.leaves]
    row = np.concatenate([np.tile(np.repeat(np.arange(n), width), times) for width, times in parts])
    size = float(np.max(np.abs(z), initial=0.0)) or 1.0
    change = np.abs(f(z + 1e-3 * size * (row == 0), t) - f(z, t))
    seen = float(np.max(change[row != 0], initial=0.0))
    if seen <= 1e3 * max(leaf.eps for leaf in f.z.leaves) * (float(np.max(change)) + size):
        return Finding("f.rows", "ok", f"the {n} rows of z do not influence each other: a batch (one step size for all)")
    share = seen / float(np.max(change))
    return Finding("f.rows", "note", f"the rows of z influence each other, by {share:.1e} of a row's own change: no batch")


@dataclass(frozen=True)
class Growth:
    """Logarithms of what errors of z grow by when z is solved backwards: at most between two observations, and over all of ts."""

    between: float
    whole: float
    at_least: bool = False  # the steps were too long for these rates: it is more

    def __str__(self) -> str:
        number = f"{math.exp(self.between):.2g}" if self.between < 30 else f"1e{self.between / math.log(10):.0f}"
        return f"more than {number}" if self.at_least else number


def stiffness(f: Subject, path: Trajectory) -> tuple[Finding, Growth]:
    """How fast f contracts: is it stiff, and how many digits does a solve backwards in time lose?

    |lambda|: spectral radius of df/dz. Growth: delta' = df/dz delta solved backwards, from a random delta at ts[-1], is what an error of
    the reconstructed z becomes; the largest factor between two observations counts, for there the stored state is put back.
    Statement: S83, E2
    """
    places = [path.times[0] + share * (path.times[-1] - path.times[0]) for share in (0.02, 0.25, 0.5, 0.75, 0.98)]
    radius = max(_radius(f, path, t) for t in places)
    growth = _growth(f, path, radius)
    digits = growth.between / math.log(10)
    cost = f"RK45 takes {path.rk45_calls} evaluations" + ("" if path.rk45_share == 1 else f" for {100 * path.rk45_share:.2g} % of ts")
    text = f"|lambda| up to {radius:.3g}; back in time errors grow by {growth} between observations; {cost} at rtol {RTOL:.0e}"
    advice = []
    stiff = _why_stiff(f, path)
    if stiff:
        advice.append(f'f is stiff: {cost}, {stiff}. Use method="radau5", "bdf" or "lsoda".')
    if digits > 2:
        advice.append(f"Solved backwards between two observations, errors of z grow by {growth}: "
                      f"the adjoint method loses {_digits(digits)}. "
                      'Use gradient="checkpointed" or "discrete", or more observations.')
    return Finding("f.stiffness", "warn" if advice else "ok", text, " ".join(advice)), growth


def _why_stiff(f: Subject, path: Trajectory) -> str:
    """What shows that f is stiff: LSODA arrives where RK45 does not, or most of RK45's many steps are as long as stability allows."""
    if path.rk45_share < 1:
        return f"LSODA {path.calls} for all of it" if path.complete else ""
    if len(path.pieces) < 40:
        return ""
    middle = np.linspace(1, len(path.pieces) - 1, 12).astype(int)
    products = [abs(path.times[i + 1] - path.times[i]) * _contraction(f, path.states[i], path.times[i]) for i in middle]
    if np.mean(np.array(products) > 0.6 * LIMIT) <= STIFF_SHARE:
        return ""
    return f"its steps are held at |h lambda| = {np.median(products):.2g} by stability alone"


def _radius(f: Subject, path: Trajectory, t: float) -> float:
    z = path(t)
    if z.size <= DENSE:
        return float(np.max(np.abs(np.linalg.eigvals(jacobian(f, z, t))), initial=0.0))
    return _power(f, z, t)


def _contraction(f: Subject, z: np.ndarray, t: float) -> float:
    """The largest -Re lambda."""
    if z.size <= DENSE:
        return float(np.max(-np.linalg.eigvals(jacobian(f, z, t)).real, initial=0.0))
    return _power(f, z, t)


def jacobian(f: Subject, z: np.ndarray, t: float) -> np.ndarray:
    """df/dz (D, D) by central differences; not finite entries count as 0."""
    columns = [_slope(f, z, t, e) for e in np.eye(z.size)]
    return np.nan_to_num(np.stack(columns, axis=1), posinf=0.0, neginf=0.0) if columns else np.zeros((0, 0))


def _power(f: Subject, z: np.ndarray, t: float) -> float:
    """|lambda| by twenty steps of the power method."""
    v, size = np.random.default_rng(3).standard_normal(z.size), 0.0
    for _ in range(20):
        v = np.nan_to_num(_slope(f, z, t, v / np.linalg.norm(v)))
        size = float(np.linalg.norm(v))
        if size == 0:
            break
    return size


def _slope(f: Subject, z: np.ndarray, t: float, v: np.ndarray) -> np.ndarray:
    """df/dz v."""
    largest = max((leaf.eps for leaf in f.z.leaves), default=2.0**-52)
    h = largest ** (1 / 3) * (float(np.max(np.abs(z), initial=0.0)) or 1.0) / max(float(np.max(np.abs(v))), 1e-300)
    return (f(z + h * v, t) - f(z - h * v, t)) / (2 * h)


def _growth(f: Subject, path: Trajectory, radius: float) -> Growth:
    """delta from ts[-1] back to ts[0], by RK4 with steps of |h lambda| at most 1/2 where that is affordable."""
    delta = np.random.default_rng(4).standard_normal(f.z.size)
    delta /= np.linalg.norm(delta) or 1.0
    reached = [t for t in f.ts if abs(t - f.ts[0]) <= abs(path.times[-1] - path.times[0]) * (1 + 1e-12)]
    affordable = max(2, int(np.clip(0.5 / (8 * max(f.cost, 1e-6)), 20, 300)) // max(1, len(reached) - 1))
    logarithms, at_least = [0.0], False
    for t0, t1 in reversed(list(itertools.pairwise(reached))):
        wanted = math.ceil(2 * radius * abs(t1 - t0)) + 2
        n, at_least = min(wanted, affordable), at_least or wanted > 4 * affordable
        logarithm, h = 0.0, (t0 - t1) / n
        for k in range(n):
            t, end = t1 + k * h, t1 + (k + 1) * h if k < n - 1 else t0
            half = 0.5 * (t + end)
            k1 = _slope(f, path(t), inside(f, t), delta)
            k2 = _slope(f, path(half), half, delta + 0.5 * h * k1)
            k3 = _slope(f, path(half), half, delta + 0.5 * h * k2)
            k4 = _slope(f, path(end), inside(f, end), delta + h * k3)
            delta = delta + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            size = float(np.linalg.norm(delta))
            if not 0 < size < math.inf:
                return Growth(max(logarithms), sum(logarithms), at_least)
            delta, logarithm = delta / size, logarithm + math.log(size)
        logarithms.append(logarithm)
    return Growth(max(logarithms), sum(logarithms), at_least)


def _digits(digits: float) -> str:
    return f"{digits:.0f} digits" if digits < 15 else "all digits"
