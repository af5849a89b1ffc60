"""The a-priori box: where the solution stays for complex times near t, for all starts and parameters near the given ones.

Let m be the middle of the state at t. For radii r (D,), rho = r/256, R, sigma (P,) let

    B      the polydisc |z_i - m_i| <= r_i,
    starts |x_i - m_i| <= rho_i,    Theta  |theta'_j - theta_j| <= sigma_j,    times |s - t| <= R.

If f is analytic on B x times x Theta and rho_i + R max |f_i| < r_i there, then Picard's iteration z <- x + int f maps the analytic functions
of (s, x, theta') with values in B to themselves. Its limit is the solution, analytic in (s, x, theta') and bounded by |z_i - m_i| < r_i.
Cauchy's estimates then bound the Taylor coefficients of the solution in (s - t), for |s - t| <= h and q = h/R:

    tail of z_i                  sum_{k >= K} |c_k| h^k <= r_i q^K/(1 - q)
    tail of dz_i/dx_j            the same times 1/rho_j
    tail of dz_i/dtheta_j        the same times 1/sigma_j
    |d2z_i/dx_j dx_l|            <= 8 r_i/(rho_j rho_l)     for starts within rho/2
    |d2z_i/dtheta_j dx_l|        <= 2 r_i/(sigma_j rho_l)   for starts within rho/2

So one evaluation of f over complex balls proves existence and bounds every remainder; the remainders of the sensitivities need no box of
their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb, fmpq

from ..ir.dynamics import Dynamics, evaluate
from .numbers import COMPLEX, exact, number, square, working

BITS = 64  # for the box alone: any precision proves it
SHARE = 256  # r/rho
ROUNDS = 14  # of Picard's iteration, for one R
SMALLEST = 2.0**-40  # of R, relative to max(1, |t|)


@dataclass(frozen=True)
class Box:
    """t, R, middle m (D,), radii r (D,) and sigma (P,), all exact numbers; rho = r/SHARE."""

    t: fmpq
    R: fmpq
    middle: tuple[arb, ...]
    radii: tuple[arb, ...]
    sigma: tuple[arb, ...]

    @property
    def rho(self) -> list[arb]:
        """(D,), exact."""
        return [r / SHARE for r in self.radii]


class NoBox(ArithmeticError):
    """No box can be proved: the solution blows up, leaves the domain of f, or meets a kink."""


def find(dynamics: Dynamics, middle: Sequence[arb], t: fmpq, theta: Sequence[arb], guess: float, enough: float) -> Box:
    """A box around the middle of the state at t, with R as large as is easily found but not above enough; guess is the R to begin with.

    NoBox if there is none for R down to SMALLEST.
    """
    best, R, reason = None, min(guess, enough), ""
    while True:
        try:
            best = _at(dynamics, middle, t, theta, exact(R))
            if enough <= R:
                return best
            R = min(1.25 * R, enough)
        except ArithmeticError as error:
            if best is not None:
                return best
            reason, R = str(error), 0.75 * R
        if SMALLEST * max(1.0, abs(number(t))) > R:
            raise NoBox(
                f"no box found at t = {number(t):.6g}: the solution could not be shown to exist beyond it ({reason}); it may "
                "blow up, leave the domain of f, or meet a kink"
            )


def holds(dynamics: Dynamics, box: Box, theta: Sequence[arb], bits: int = BITS) -> bool:
    """Whether the box satisfies its condition, rho_i + R max |f_i| < r_i, and f is analytic over it. This is the proof."""
    with working(bits):
        try:
            speeds = _speeds(dynamics, box.middle, box.t, box.R, box.radii, box.sigma, theta)
        except ArithmeticError:
            return False
        return all(rho + box.R * speed < r for rho, speed, r in zip(box.rho, speeds, box.radii, strict=True))


def parameter_radii(theta: Sequence[arb]) -> tuple[arb, ...]:
    """sigma, (P,): small against theta, for it costs R, and far above all rounding, for its inverse enters the tails."""
    return tuple(arb(2) ** (-12) if x.contains(0) else arb(2) ** (int(x.abs_upper().log().mid().floor().unique_fmpz()) - 12) for x in theta)


def _at(dynamics: Dynamics, middle: Sequence[arb], t: fmpq, theta: Sequence[arb], R: fmpq) -> Box:
    """Picard's iteration on radii, from those that the speed at the middle says; ArithmeticError if they do not settle."""
    with working(BITS):
        sigma = parameter_radii(theta)
        zero = [arb(0)] * len(middle)
        radii = _rounded([R * s for s in _speeds(dynamics, middle, t, fmpq(0), zero, [arb(0)] * len(theta), theta)], middle)
        for _ in range(ROUNDS):
            speeds = _speeds(dynamics, middle, t, R, radii, sigma, theta)
            needed = [R * speed + r / SHARE for speed, r in zip(speeds, radii, strict=True)]
            if all(n < r for n, r in zip(needed, radii, strict=True)):
                return Box(t, R, tuple(middle), tuple(radii), sigma)
            radii = _rounded([max(n, r, key=float) for n, r in zip(needed, radii, strict=True)], middle)
        raise ArithmeticError("the box grows without end")


def _speeds(dynamics, middle, t, R, radii, sigma, theta) -> list[arb]:
    """max |f_i| over the box, (D,)."""
    z = [square(m, r) for m, r in zip(middle, radii, strict=True)]
    values = evaluate(dynamics, COMPLEX, z, square(arb(t), arb(R)), [square(x, s) for x, s in zip(theta, sigma, strict=True)])
    if not all(value.is_finite() for value in values):
        raise ArithmeticError("f is not bounded there")
    return [value.abs_upper() for value in values]


def _rounded(radii: list[arb], middle: Sequence[arb]) -> list[arb]:
    """Exact radii a little larger than the given ones, none tiny against the others (r_i/rho_j enters the tails) or the state."""
    largest = max(float(r) for r in radii)
    floors = [max(largest / 2**16, 2.0**-30 * abs(float(m)), 2.0**-60) for m in middle]
    return [arb(max(1.125 * float(r), floor)) for r, floor in zip(radii, floors, strict=True)]
