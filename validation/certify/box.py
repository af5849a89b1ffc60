"""The a-priori box: where the solution stays for complex times near t, for all starts and parameters near the given ones.

Let m (D,) be the middle of the state at t, and let radii grow in levels, 0 = R_0 < R_1 < ... < R_J = R and rho = r^0 < ... < r^J = r, with

    B_j     the polydisc |z_i - m_i| <= r^j_i,
    starts  |x_i - m_i| <= rho_i,    Theta  |theta'_k - theta_k| <= sigma_k,    times  |s - t| <= R_j.

If f is analytic on B_j x times x Theta and, for all j and i,

    r^{j-1}_i + (R_j - R_{j-1}) max |f_i| < r^j_i,      the maximum over B_j x times x Theta,

then Picard's iteration z <- x + int f maps the functions that are analytic in (s, x, theta') and within y(|s - t|) of m, y the broken line
through (R_j, r^j), to themselves, for |f| is at most the slope of y. Its limit is the solution, analytic for |s - t| < R, with
|z_i - m_i| < r_i. Cauchy's estimates bound its Taylor coefficients c_k in s - t: for |s - t| <= h and q = h/R,

    tail of z_i                  sum_{k >= K} |c_k| h^k <= r_i q^K/(1 - q)
    tail of dz_i/dx_j            the same times 1/rho_j
    tail of dz_i/dtheta_j        the same times 1/sigma_j
    |d2z_i/dx_j dx_l|            <= 8 r_i/(rho_j rho_l)     for starts within rho/2
    |d2z_i/dtheta_j dx_l|        <= 2 r_i/(sigma_j rho_l)   for starts within rho/2

So a few evaluations of f over complex balls prove existence and bound every remainder, those of the sensitivities included. Levels make R
several times larger than a single box would: for z' = z^2 nearly the distance to the pole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb, fmpq

from ..ir.dynamics import Dynamics, evaluate
from .numbers import COMPLEX, exact, number, square, working

BITS = 64  # for the box alone: the condition is a proof at any precision
LEVELS = 8
SHARE = 64.0  # |f(m)| R/rho, about
ROUNDS = 6  # of widening, on one level
HUGE = 2.0**400  # what f may reach on a box: radii and their quotients stay within the range of floats
SMALLEST = 2.0**-30  # of R, relative to max(1, |t|)


@dataclass(frozen=True)
class Box:
    """t, the middle m (D,), rho (D,), sigma (P,), and for each level (R_j, r^j), r^j (D,); all exact numbers."""

    t: fmpq
    middle: tuple[arb, ...]
    rho: tuple[arb, ...]
    sigma: tuple[arb, ...]
    levels: tuple[tuple[fmpq, tuple[arb, ...]], ...]

    @property
    def R(self) -> fmpq:
        """How far in time."""
        return self.levels[-1][0]

    @property
    def radii(self) -> tuple[arb, ...]:
        """How far the solution goes from m, (D,)."""
        return self.levels[-1][1]


class NoBox(ArithmeticError):
    """No box can be proved: the solution blows up, leaves the domain of f, or meets a kink."""


def find(dynamics: Dynamics, middle: Sequence[arb], t: fmpq, theta: Sequence[arb], R: float) -> Box:
    """A box around the middle of the state at t, for the first of R, 0.8 R, 0.64 R, ... that has one; NoBox if none has."""
    reason = ""
    while SMALLEST * max(1.0, abs(number(t))) <= R:
        try:
            return _at(dynamics, middle, t, theta, R)
        except ArithmeticError as error:
            reason, R = str(error), 0.8 * R
    raise NoBox(
        f"no box found at t = {number(t):.6g}: the solution could not be shown to exist beyond it ({reason}); it may blow up, leave the "
        "domain of f, or meet a kink"
    )


def holds(dynamics: Dynamics, box: Box, theta: Sequence[arb], bits: int = BITS) -> bool:
    """Whether the box satisfies its condition, and f is analytic over it. This is the proof."""
    R, radii = fmpq(0), box.rho
    with working(bits):
        for R_j, wider in box.levels:
            try:
                speeds = _speeds(dynamics, box.middle, box.t, R_j, wider, box.sigma, theta)
            except ArithmeticError:
                return False
            if not (R_j > R and all(r + (R_j - R) * speed < w for r, speed, w in zip(radii, speeds, wider, strict=True))):
                return False
            R, radii = R_j, wider
    return bool(box.levels) and all(x > 0 for x in (*box.rho, *box.sigma))


def _at(dynamics: Dynamics, middle: Sequence[arb], t: fmpq, theta: Sequence[arb], R: float) -> Box:
    """The box for R in equal levels; ArithmeticError if their radii do not settle."""
    with working(BITS):
        sigma = tuple(_size(x, 2.0**-12) for x in theta)
        still = [arb(0)] * len(middle)
        speeds = _speeds(dynamics, middle, t, fmpq(0), still, [arb(0)] * len(theta), theta)
        radii = rho = _floored([arb(R) / SHARE * speed for speed in speeds], middle)
        levels: list[tuple[fmpq, tuple[arb, ...]]] = []
        for j in range(1, LEVELS + 1):
            before, after = levels[-1][0] if levels else fmpq(0), exact(R / LEVELS * j)
            radii, speeds = _level(dynamics, middle, t, theta, sigma, before, after, radii, speeds)
            levels.append((after, radii))
    return Box(t, tuple(middle), rho, sigma, tuple(levels))


def _level(dynamics, middle, t, theta, sigma, before: fmpq, after: fmpq, radii, speeds):
    """The radii of the next level, wide enough for the speeds within them, and these speeds; from those of the level before."""
    wider = [1.125 * (r + (after - before) * speed) for r, speed in zip(radii, speeds, strict=True)]
    for _ in range(ROUNDS):
        wider = [arb(float(w)) for w in wider]
        speeds = _speeds(dynamics, middle, t, after, wider, sigma, theta)
        needed = [r + (after - before) * speed for r, speed in zip(radii, speeds, strict=True)]
        if all(n < w for n, w in zip(needed, wider, strict=True)):
            return tuple(wider), speeds
        wider = [w if n < w else 1.125 * n for n, w in zip(needed, wider, strict=True)]
    raise ArithmeticError("the box grows without end")


def _speeds(dynamics, middle, t, R, radii, sigma, theta) -> list[arb]:
    """max |f_i| over a box, (D,)."""
    z = [square(m, r) for m, r in zip(middle, radii, strict=True)]
    values = evaluate(dynamics, COMPLEX, z, square(arb(t), arb(R)), [square(x, s) for x, s in zip(theta, sigma, strict=True)])
    speeds = [value.abs_upper() for value in values]
    if not all(speed < HUGE for speed in speeds):
        raise ArithmeticError("f is not bounded there")
    return speeds


def _floored(radii: list[arb], middle: Sequence[arb]) -> tuple[arb, ...]:
    """Radii, none tiny against the others (r_i/rho_j enters the tails) or the state."""
    largest = max(float(r) for r in radii)
    return tuple(arb(max(float(r), largest / 2**16, 2.0**-40 * abs(float(m)), 2.0**-70)) for r, m in zip(radii, middle, strict=True))


def _size(x: arb, share: float) -> arb:
    """About share times |x|, a power of two; share where x may be 0. Small, for it costs R; not tiny, for its inverse enters the tails."""
    return arb(share) if x.contains(0) else arb(share) * arb(2) ** math.floor(math.log2(abs(float(x))))
