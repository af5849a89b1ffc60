"""Enclosing a solution: from one time to the next by Taylor series whose remainder is proved.

One step from the ball X around the middle m, with the expansion and the box of m (box.py; delta_l the radius of X_l, at most rho_l/2):

    dz1/dz0     in A = Phi_K +- tail_i/rho_j   +- sum_l 8 r_i delta_l/(rho_j rho_l)      for all starts in X
    dz1/dtheta  in B = T_K   +- tail_i/sigma_j +- sum_l 2 r_i delta_l/(sigma_j rho_l)
    z1          in z_K +- tail_i + A (X - m)                                             by the mean value theorem

So radii grow like the flow itself, not like the naive evaluation of a polynomial on a ball. They are widened by a millionth, so that the
same proof in other roundings (verify.py) lies inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flint import arb, arb_mat, fmpq

from ..ir.dynamics import Dynamics
from . import box as boxes
from .box import Box, NoBox
from .numbers import exact, number, working
from .taylor import expand

RATIO = 8  # R/h: the tail falls by three bits with each term
MAX_STEPS = 5000
WIDER = 2.0**-20


class TooWide(ArithmeticError):
    """More bits are needed: an enclosure is wider than the box allows, or than was asked for."""


class Rung(NamedTuple):
    """What a run works with: bits of the middles, and the bound 2^-tail for every tail."""

    bits: int
    tail: int


@dataclass(frozen=True)
class Step:
    """One step from t to t + h: its box, the number of terms, what it proved for the tail of z_i (D,), and the result.

    z (D,) encloses the state at t + h, dz0 (D, D) and dtheta (D, P) the derivatives of this step alone.
    """

    t: fmpq
    h: fmpq
    box: Box
    terms: int
    tail: tuple[arb, ...]
    z: tuple[arb, ...]
    dz0: arb_mat
    dtheta: arb_mat


def steps(dynamics: Dynamics, z: Sequence[arb], t0: fmpq, t1: fmpq, theta: Sequence[arb], rung: Rung) -> list[Step]:
    """Steps that lead from the ball z at t0 to t1, on either side of t0; no step if t1 = t0.

    NoBox, in one sentence, where the solution cannot be shown to go on.
    """
    done: list[Step] = []
    t, R = t0, math.inf
    with working(rung.bits):
        while t != t1:
            if len(done) == MAX_STEPS:
                raise NoBox(f"{MAX_STEPS} steps were not enough to get beyond t = {number(t):.6g}")
            left = t1 - t
            box = boxes.find(dynamics, [x.mid() for x in z], t, theta, min(R, RATIO * abs(number(left))))
            R = 1.25 * number(box.R)
            # Equal steps to the end, if it is near.
            count = math.ceil(number(abs(left) * RATIO / box.R))
            h = left if count <= 1 else exact(number(left / count))
            done.append(step(dynamics, z, box, h, theta, rung))
            z, t = done[-1].z, t + h
    return done


def step(dynamics: Dynamics, z: Sequence[arb], box: Box, h: fmpq, theta: Sequence[arb], rung: Rung) -> Step:
    """One step of length h from the ball z, whose middle is that of a box that holds."""
    D, P = dynamics.dim, dynamics.params
    delta = [x.rad() for x in z]
    if not all(2 * d <= rho for d, rho in zip(delta, box.rho, strict=True)):
        raise TooWide(f"the enclosure at t = {number(box.t):.6g} has become as wide as its box")
    terms, tail = remainder(box, h, rung.tail)
    z1, dz0, dtheta = expand(dynamics, box.middle, box.t, h, theta, terms)
    spread = sum((d / rho for d, rho in zip(delta, box.rho, strict=True)), arb(0))
    A = arb_mat(D, D, [_ball(dz0[i, j], (tail[i] + 8 * box.radii[i] * spread) / box.rho[j]) for i in range(D) for j in range(D)])
    B = arb_mat(D, P, [_ball(dtheta[i, j], (tail[i] + 2 * box.radii[i] * spread) / box.sigma[j]) for i in range(D) for j in range(P)])
    shift = (A * arb_mat(D, 1, [x - m for x, m in zip(z, box.middle, strict=True)])).entries()
    end = tuple(_ball(z1[i] + shift[i], tail[i]) for i in range(D))
    if not all(x.is_finite() for x in end):
        raise TooWide(f"the Taylor series at t = {number(box.t):.6g} has no finite sum")
    return Step(box.t, h, box, terms, tuple(tail), end, A, B)


def remainder(box: Box, h: fmpq, bits: int) -> tuple[int, list[arb]]:
    """The number of terms K for which all tails are at most 2^-bits, and the tails of z_i, r_i q^K/(1 - q)."""
    q = abs(h) / box.R
    if not q < 1:
        raise NoBox(f"the step at t = {number(box.t):.6g} leaves the box")
    largest = max(map(float, box.radii)) / min(1.0, *map(float, (*box.rho, *box.sigma))) / (1 - number(q))
    terms = max(2, math.ceil((math.log2(largest) + bits) / -math.log2(number(q))))
    return terms, tails(box, h, terms)


def tails(box: Box, h: fmpq, terms: int) -> list[arb]:
    """r_i q^K/(1 - q), (D,), with q = |h|/R and K terms."""
    q = arb(abs(h) / box.R)
    return [r * q**terms / (1 - q) for r in box.radii]


def _ball(x: arb, radius: arb) -> arb:
    """The ball widened by the radius, and by a millionth."""
    return arb(x, radius.abs_upper() + (x.rad() + radius.abs_upper()) * WIDER)
