"""f.precision: how many digits does f carry? The noise of f along lines, and the search for what was rounded to float32.

Noise: nine values of f at equal spacing h along a line. Where f is smooth on that scale, its k-th differences are those of the rounding
errors alone, and sigma_k^2 = (k!)^2/(2k)! mean (D^k f)^2 estimates their variance for every k (J. J. More and S. M. Wild, Estimating
computational noise, SIAM J. Sci. Comput. 33, 2011). Allowed is what rounding alone makes of f: eps (|f| + sum_j |df/dx_j| |x_j|).

Rounded arguments: an argument that f casts to float32 can be cast before the call, and f does not notice, to the last bit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from .finding import Finding
from .form import Leaf
from .subject import Malformed, Point, Raised, Subject, Trajectory

ORDERS = (4, 5, 6, 7)
SPACINGS = (1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)  # relative to the numbers that are moved
SINGLE = (1e-6, 1e-5, 1e-4)  # the same where the state itself is float32
FEWEST_DIGITS = 10.0  # below, float32 or a cancellation as bad
SINGLES, LEAVES = 6, 20  # numbers of a leaf, and leaves, that are looked at one by one
ALLOWED = 1e3  # times the rounding of one operation: long sums, and functions such as exp, need it


def precision(f: Subject, path: Trajectory, points: list[Point], rng: np.random.Generator) -> tuple[Finding, float]:
    """f carries the digits of its arguments: float64 in, float64 throughout.

    A tolerance can only be met down to the noise of f, which is returned too, relative to |f|. Statement: S20
    """
    eps = max((leaf.eps / 2 for leaf in f.z.leaves), default=2.0**-53)
    single = _rounded_value(f, points) if eps < 1e-12 else ""
    rounded = _rounded_arguments(f, path, points, rng) if eps < 1e-12 else []
    noise, component = _noise(f, path, points, rng, eps)
    digits = -math.log10(max(noise, 1e-17))
    grids = {leaf.path: _grid(f, points[1], leaf, path) for leaf in f.z.leaves if leaf.path in rounded}
    grids = {name: grid for name, grid in grids.items() if grid}
    if grids:
        name, grid = next(iter(grids.items()))
        text = f"{name} is rounded to a grid of about {grid:.0e} inside f"
        return Finding("f.precision", "FAIL", text, f"{text}: f is a staircase in z. Tolerances below {grid:.0e} cannot be met; "
                       "remove the rounding.", max(noise / (ALLOWED * eps), 2.0)), noise
    most = -math.log10(eps)
    text = f"{min(digits, most):.1f} digits of {most:.1f}, by the noise of f along lines through three points"
    ratio = noise / (ALLOWED * eps)
    if eps < 1e-12 and ratio <= 1 and not rounded and not single:  # otherwise the influence of one number may be lost in the noise
        rounded = _rounded_numbers(f, points, rng)
    if rounded or single:
        where = f"{_joined(rounded)} {'is' if len(rounded) == 1 else 'are'} rounded to float32 inside f" if rounded else single
        also = f", and {single}" if rounded and single else ""
        about = f"; noise {noise:.0e} of |f| in {component}" if noise > 1e-12 else ""
        diagnosis = f"f computes in float32: {_remedy(rounded, single)}"
        return Finding("f.precision", "FAIL", f"{where}{also}{about}", diagnosis, max(ratio, 2.0)), noise
    if ratio <= 1:
        return Finding("f.precision", "ok", text, ratio=ratio), noise
    text = f"f carries {digits:.1f} digits, worst in {component}, of {most:.1f}"
    about = f"f carries about {digits:.0f} digits (worst in {component})"
    if digits < FEWEST_DIGITS:
        return Finding("f.precision", "FAIL", text, f"{about}, as if part of it were computed in float32: look for a cast, "
                       "a float32 table, an inner iteration, or a difference of large terms. "
                       f"Tolerances below {noise:.0e} cannot be met.", ratio), noise
    return Finding("f.precision", "warn", text, f"{about}: an inner iteration or a cancellation? "
                   f"Tolerances below {noise:.0e} cannot be met.", ratio), noise


def _grid(f: Subject, point: Point, leaf: Leaf, path: Trajectory) -> float:
    """The width of the steps that f makes in one number of z, where it is coarser than float32; else 0.

    Of 400 equal moves over 1e-4 (then 1e-2) of the number, float32 shows nearly all: its numbers are at 1.2e-7 of it or less.
    """
    start, g = _along_z(f, point, leaf, path)
    i = int(np.argmax(np.abs(start)))
    for share in (1e-4, 1e-2):
        span = share * abs(start[i])
        values = [g(np.where(np.arange(start.size) == i, start + k / 400 * span, start)) for k in range(401)]
        changes = sum(not np.array_equal(a, b) for a, b in itertools.pairwise(values))
        if 5 <= changes <= 200:
            return float(span / changes)
    return 0.0


def _remedy(rounded: list[str], single: str) -> str:
    if not rounded:
        return (f"{single}, which leaves 7 digits: by a cast, or by a difference of terms 1e7 times as large. "
                "Tolerances below 1e-6 cannot be met.")
    if not single and all(path.startswith("theta") for path in rounded):
        verb = "loses" if len(rounded) == 1 else "lose"
        return (f"{_joined(rounded)} {verb} all digits after the 7th. z(t) is off by about 1e-7, and small updates of theta are lost; "
                "cast once, outside f, or not at all.")
    return f"of {_joined(rounded)} it sees 7 digits only. Tolerances below 1e-6 cannot be met; remove the cast, keep float64 throughout."


def _noise(f: Subject, path: Trajectory, points: list[Point], rng: np.random.Generator, eps: float) -> tuple[float, str]:
    """The noise of the worst component relative to |f| and its condition, the median over three points: a jump of f is seen at one only."""
    if f.z.size == 0:
        return 0.0, ""
    estimates = []
    for z, t in points[1:4]:
        direction = rng.uniform(0.5, 1.0, z.size) * np.where(rng.random(z.size) < 0.5, -1, 1)
        size = np.maximum(np.abs(z), 1e-3 * path.scale)
        spacings = SPACINGS if eps < 1e-12 else SINGLE
        values = [np.stack([f(z + i * h * size * direction, t) for i in range(9)]) for h in spacings]
        estimates.append(_noise_on(values) / (np.abs(values[0][0]) + _condition(f, z, t, size) + 1e-300))
    usual = np.median(estimates, axis=0)
    worst = int(np.argmax(usual))
    return float(usual[worst]), f.z.place(worst)


def _noise_on(tables: list[np.ndarray]) -> np.ndarray:
    """The noise of each component, from the same line at growing spacings: it does not depend on them, so two neighbours must show it."""
    found = [sigma(table) for table in tables]
    return np.max([np.minimum(one, next_one) for one, next_one in itertools.pairwise(found)], axis=0)


def sigma(table: np.ndarray) -> np.ndarray:
    """The estimate of More and Wild for each column of equally spaced values: the least over the orders, which agree on noise alone."""
    found = []
    for k in ORDERS:
        gamma = math.factorial(k) ** 2 / math.factorial(2 * k)
        found.append(np.sqrt(gamma * np.mean(np.diff(table, k, axis=0) ** 2, axis=0)))
    return np.min(found, axis=0)


def _condition(f: Subject, z: np.ndarray, t: float, size: np.ndarray) -> np.ndarray:
    """About sum_j |df_i/dx_j| |x_j| over z, t and theta: from three moves of all numbers by a random 1e-6."""
    rng, base, largest = np.random.default_rng(2), f(z, t), np.zeros(z.size)
    for _ in range(3):
        theta = f.theta.vector * (1 + 1e-6 * rng.choice([-1, 1], f.theta.size))
        moved = f(z + 1e-6 * size * rng.choice([-1, 1], z.size), t, theta)
        largest = np.maximum(largest, np.abs(moved - base) / 1e-6)
    return largest + np.abs(f(z, inside(f, t + 1e-6 * abs(t))) - base) / 1e-6


def _rounded_value(f: Subject, points: list[Point]) -> str:
    """Components that vary and are yet always float32 numbers."""
    values = np.stack([f(*point) for point in points[1:]])
    moved = np.stack([f(z * (1 + 1e-4) + 1e-9 * np.max(np.abs(z), initial=1e-300), t) for z, t in points[1:]])
    varies = np.all(values != moved, axis=0) & np.all(np.abs(values) > 0, axis=0)
    both = np.concatenate([values, moved])
    with np.errstate(all="ignore"):
        single = varies & np.all(both == both.astype(np.float32), axis=0)
    if np.all(single):
        return "all values of f are float32 numbers" if single.size else ""
    return f"the values of f in {f.z.place(int(np.argmax(single)))} are float32 numbers" if np.any(single) else ""


def _rounded_arguments(f: Subject, path: Trajectory, points: list[Point], rng: np.random.Generator) -> list[str]:
    """The leaves of z and theta, and t, that f sees in float32 only."""
    found = []
    for leaf in f.z.leaves:
        if leaf.value.dtype.itemsize >= 8 and leaf.eps < 1e-12:
            found += [leaf.path] if all(_blind(_along_z(f, point, leaf, path), rng) for point in points[1:4]) else []
    if all(_blind(_along_t(f, point), rng) for point in points[1:4]):
        found.append("t")
    for leaf in f.theta.leaves:
        if leaf.eps < 1e-12:
            found += [leaf.path] if all(_blind(_along_theta(f, point, leaf.part), rng) for point in points[1:4]) else []
    return found


def _rounded_numbers(f: Subject, points: list[Point], rng: np.random.Generator) -> list[str]:
    """Single numbers of theta that f sees in float32 only."""
    numbers = [i for leaf in f.theta.leaves[:LEAVES] if leaf.eps < 1e-12 for i in _some(leaf)]
    return [f.theta.place(i) for i in numbers if all(_blind(_along_theta(f, point, slice(i, i + 1)), rng) for point in points[1:4])]


def _some(leaf: Leaf) -> list[int]:
    """Up to SINGLES numbers of a leaf of several: a cast may meet a part of it only."""
    n = leaf.part.stop - leaf.part.start
    return sorted({leaf.part.start + int(i) for i in np.linspace(0, n - 1, SINGLES)}) if n > 1 else []


Line = tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]


def _along_z(f: Subject, point: Point, leaf: Leaf, path: Trajectory) -> Line:
    z, t = point

    def g(x: np.ndarray) -> np.ndarray:
        moved = z.copy()
        moved[leaf.part] = x
        return f(moved, t)

    return z[leaf.part], g


def _along_t(f: Subject, point: Point) -> Line:
    z, t = point
    return np.array([t]), lambda x: f(z, inside(f, float(x[0])))


def _along_theta(f: Subject, point: Point, part: slice) -> Line:
    z, t = point

    def g(x: np.ndarray) -> np.ndarray:
        moved = f.theta.vector.copy()
        moved[part] = x
        return f(z, t, moved)

    return f.theta.vector[part], g


def _blind(line: Line, rng: np.random.Generator) -> bool:
    """Does g see x only in float32? That is: g(x) = g(float32(x)) to the bit, although a change 3000 times as large shows."""
    start, g = line
    return all(_is_blind_at(start * (1 + 1e-4 * rng.uniform(-1, 1, start.size)), g, rng) for _ in range(3))


def _is_blind_at(x: np.ndarray, g: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> bool:
    single = x.astype(np.float32).astype(np.float64)
    if not np.any(x) or np.array_equal(x, single):
        return False
    try:
        here = g(x)
        shown = np.abs(g(x * (1 + 1e-4 * rng.uniform(0.5, 1, x.size))) - here)
        if not np.any(shown > 1e6 * 2.0**-53 * np.abs(here)) or not np.all(np.isfinite(here)):
            return False
        return np.array_equal(here, g(single)) and np.array_equal(here, g(single * (1 + 2.0**-27)))
    except (Raised, Malformed):
        return False


def inside(f: Subject, t: float) -> float:
    """t, or the end of ts that it lies beyond."""
    low, high = min(f.ts[0], f.ts[-1]), max(f.ts[0], f.ts[-1])
    return float(min(max(t, low), high))


def _joined(words: list[str]) -> str:
    return ", ".join(words[:4]) + (" and more" if len(words) > 4 else "")
