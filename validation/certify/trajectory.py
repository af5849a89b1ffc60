"""A solution enclosed at all the times of a grid, with its sensitivities, and what errors grow by between these times."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flint import arb, arb_mat, fmpq

from ..ir.dynamics import Dynamics, evaluate
from .enclosure import Rung, Step, steps
from .numbers import BALLS, working


@dataclass(frozen=True)
class Trajectory:
    """Balls at the N times ts: z[i] (D,), and its derivatives dz0[i] (D, D) and dtheta[i] (D, P).

    intervals[i] are the steps from ts[i] to ts[i+1].
    """

    dynamics: Dynamics
    ts: tuple[fmpq, ...]
    theta: tuple[arb, ...]
    rung: Rung
    z: tuple[tuple[arb, ...], ...]
    dz0: tuple[arb_mat, ...]
    dtheta: tuple[arb_mat, ...]
    intervals: tuple[tuple[Step, ...], ...]

    @property
    def provenance(self) -> dict[str, Any]:
        """Method, trust, bits, order (the most terms of a step) and the number of steps."""
        steps = [step for interval in self.intervals for step in interval]
        order = max((step.terms for step in steps), default=0)
        return {"method": "ball Taylor series", "trust": "proved", "bits": self.rung.bits, "order": order, "steps": len(steps)}

    def velocity(self, i: int) -> list[arb]:
        """f(z[i], ts[i], theta), (D,)."""
        return evaluate(self.dynamics, BALLS, self.z[i], arb(self.ts[i]), self.theta)

    def transitions(self) -> Iterator[arb_mat]:
        """Phi(t_i, t_s) = dz(t_i)/dz(t_s), (D, D), for all s <= i. Products of the steps' own, so nothing is inverted."""
        for s in range(len(self.ts)):
            phi = identity(self.dynamics.dim)
            yield phi
            for interval in self.intervals[s:]:
                phi = _product([step.dz0 for step in interval], phi)
                yield phi

    def backward_transitions(self) -> Iterator[arb_mat]:
        """Phi(t_{i-1}, t_i), (D, D), for i >= 1: products of the inverses of single steps."""
        for interval in self.intervals:
            yield _product([step.dz0.inv() for step in reversed(interval)], identity(self.dynamics.dim))


def trajectory(dynamics: Dynamics, z0: Sequence[arb], ts: Sequence[fmpq], theta: Sequence[arb], rung: Rung) -> Trajectory:
    """The solution through z0 at ts[0], enclosed at ts, which increase or decrease; repeated times are allowed. NoBox if there is none."""
    intervals: list[Sequence[Step]] = []
    z = z0
    for t, t1 in itertools.pairwise(ts):
        intervals.append(steps(dynamics, z, t, t1, theta, rung))
        z = intervals[-1][-1].z if intervals[-1] else z
    return assembled(dynamics, z0, ts, theta, rung, intervals)


def assembled(
    dynamics: Dynamics, z0: Sequence[arb], ts: Sequence[fmpq], theta: Sequence[arb], rung: Rung, intervals: Sequence[Sequence[Step]]
) -> Trajectory:
    """The trajectory that the steps make: S <- A S and T <- A T + B, step by step."""
    with working(rung.bits):
        z, S, T = [tuple(z0)], [identity(dynamics.dim)], [arb_mat(dynamics.dim, dynamics.params)]
        for interval in intervals:
            z.append(interval[-1].z if interval else z[-1])
            S.append(_product([step.dz0 for step in interval], S[-1]))
            T.append(_accumulated(interval, T[-1]))
    return Trajectory(dynamics, tuple(ts), tuple(theta), rung, tuple(z), tuple(S), tuple(T), tuple(map(tuple, intervals)))


def identity(D: int) -> arb_mat:
    """The unit matrix (D, D)."""
    return arb_mat(D, D, [int(i == j) for i in range(D) for j in range(D)])


def norm(matrix: arb_mat) -> arb:
    """|matrix|_inf: the largest row sum of absolute values, as a ball."""
    return largest([sum((abs(x) for x in row), arb(0)) for row in matrix.tolist()])


def largest(balls: Sequence[arb]) -> arb:
    """The ball of the maximum."""
    top = balls[0]
    for x in balls[1:]:
        top = top.max(x)
    return top


def _product(factors: Sequence[arb_mat], right: arb_mat) -> arb_mat:
    """factors[-1] ... factors[0] right."""
    for factor in factors:
        right = factor * right
    return right


def _accumulated(interval: Sequence[Step], T: arb_mat) -> arb_mat:
    """dz/dtheta carried through the steps: T <- A T + B."""
    for step in interval:
        T = step.dz0 * T + step.dtheta
    return T
