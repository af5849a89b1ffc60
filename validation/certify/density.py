"""The log-density of a flow, proved: value, gradients and condition numbers, with the definitions of problems.density.

x is where the flow is at ts[0]; at ts[-1] the density is standard normal. With l' = -tr df/dz and l(ts[0]) = 0:

    log p(x) = log N(z(ts[-1])) - l(ts[-1])

so log p is a loss of (z, l) at the last time, with the cotangent w = (-z, -1).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flint import arb

from ..ir.calculus import with_trace
from ..ir.dynamics import Dynamics
from .balls import DIGITS
from .certificate import Number, Question, ask, climb, gradients, growth, solve, trajectory_components
from .enclosure import Rung
from .numbers import working
from .trajectory import Trajectory, identity, largest, norm


@dataclass(frozen=True)
class DensityCertificate:
    """log_p, dlogp_dx (D,), dlogp_dtheta (P,), dlogp_dts (2,): by the time of x and by that of the base; int_minus_trace (N,).

    The trajectory is that of (z, l), l = int_minus_trace. value_scale is max |(z, l)| over the grid.
    """

    question: Question
    trajectory: Trajectory
    log_p: arb
    dlogp_dx: tuple[arb, ...]
    dlogp_dtheta: tuple[arb, ...]
    dlogp_dts: tuple[arb, arb]
    value_gamma: arb
    value_scale: arb
    gradient_gamma: arb
    reconstruction_gamma: arb

    @classmethod
    def conclude(cls, question: Question, way: Trajectory) -> DensityCertificate:
        """What follows from a trajectory, at its own precision."""
        with working(way.rung.bits):
            N, D = len(way.ts), way.dynamics.dim - 1
            *z, log_change = way.z[-1]
            w = [*(-x for x in z), arb(-1)]
            gradient = gradients(way, [[arb(0)] * (D + 1)] * (N - 1) + [w])
            value, adjoint, _ = growth(way)
            back = functools.reduce(lambda whole, phi: phi * whole, reversed(list(way.backward_transitions())), identity(D + 1))
            return cls(
                question,
                way,
                log_p=-sum((x * x for x in z), arb(0)) / 2 - D * (2 * arb.pi()).log() / 2 - log_change,
                dlogp_dx=gradient.dz0[:D],
                dlogp_dtheta=gradient.dtheta,
                dlogp_dts=(gradient.dts[0], gradient.dts[-1]),
                value_gamma=value * sum((abs(x) for x in w), arb(0)),
                value_scale=largest([abs(x) for state in way.z for x in state]),
                gradient_gamma=adjoint * largest([abs(x) for x in w]),
                reconstruction_gamma=largest([arb(1), norm(back)]),
            )

    @property
    def int_minus_trace(self) -> tuple[arb, ...]:
        """int -tr df/dz dt from ts[0] to ts[i], (N,)."""
        return tuple(z[-1] for z in self.trajectory.z)

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was proved."""
        return self.trajectory.provenance

    def components(self) -> Iterator[tuple[str, arb]]:
        """Every ball with its name."""
        yield from trajectory_components(self.trajectory)
        yield "log_p", self.log_p
        for name in ("dlogp_dx", "dlogp_dtheta", "dlogp_dts"):
            yield from ((f"{name}[{j}]", x) for j, x in enumerate(getattr(self, name)))


def certify_density(
    dynamics: Dynamics, x: Sequence[Number], ts: Sequence[Number], theta: Sequence[Number], digits: int = DIGITS
) -> DensityCertificate:
    """Proved enclosures for the flow z' = f(z, t, theta) through x at ts[0], with a standard normal base at ts[-1].

    x (D,), ts (N,), theta (P,) are exact numbers, best as decimal strings; errors as in certify(). Statement: S35, S47, S52
    """
    zero = [["0"] * (dynamics.dim + 1) for _ in ts]
    question = ask(with_trace(dynamics), [*x, "0"], ts, theta, zero)
    return climb(lambda rung: answer(question, rung), digits)


def answer(question: Question, rung: Rung) -> DensityCertificate:
    """The certificate at one precision; the question is about the dynamics with their trace."""
    return DensityCertificate.conclude(question, solve(question, rung))
