"""What a conformance vector expects, proved: values, sensitivities, gradients and condition numbers as balls.

    certificate = certify(dynamics, ["0.5", "-0.25"], ["0", "1"], theta, [["0", "0"], ["1", "0.5"]])
    printed(certificate.dL_dz0[0], "dL_dz0[0]")                  ["0.361...", "1e-25"]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, arb_mat, fmpq

from ..ir.dynamics import Dynamics
from .balls import DIGITS, sharp
from .enclosure import Rung, TooWide
from .numbers import exact, working
from .trajectory import Trajectory, largest, norm, trajectory

Number = str | int | float | Fraction | fmpq
RUNGS = (Rung(208, 165), Rung(320, 270), Rung(640, 570))  # tried in turn until every component is sharp


@dataclass(frozen=True)
class Question:
    """Exactly what is asked: z' = f(z, t, theta), z(ts[0]) = z0, and the loss L = sum_i cotangents[i] . z(ts[i]); rational numbers."""

    dynamics: Dynamics
    z0: tuple[fmpq, ...]
    ts: tuple[fmpq, ...]
    theta: tuple[fmpq, ...]
    cotangents: tuple[tuple[fmpq, ...], ...]


@dataclass(frozen=True)
class Gradients:
    """Of the loss: dz0 (D,), dtheta (P,), dts (N,).

    dL/dt_i = g_i . f(z_i, t_i, theta) for i >= 1; dL/dt_0 = -a(t_0) . f(z_0, t_0, theta), a without g_0.
    """

    dz0: tuple[arb, ...]
    dtheta: tuple[arb, ...]
    dts: tuple[arb, ...]


@dataclass(frozen=True)
class Certificate:
    """Balls that contain the answers to the question; the trajectory is the proof, which verify() reads.

    value_gamma, gradient_gamma, reconstruction_gamma: the condition numbers of verdicts, as in problems.exact.
    """

    question: Question
    trajectory: Trajectory
    gradients: Gradients
    value_gamma: arb
    gradient_gamma: arb
    reconstruction_gamma: arb

    @classmethod
    def conclude(cls, question: Question, way: Trajectory) -> Certificate:
        """What follows from a trajectory, at its own precision."""
        with working(way.rung.bits):
            g = [[arb(x) for x in row] for row in question.cotangents]
            size = largest([abs(x) for row in g for x in row])
            value, adjoint, back = growth(way)
            return cls(question, way, gradients(way, g), value, adjoint * size, back)

    @property
    def z(self) -> tuple[tuple[arb, ...], ...]:
        """z(ts[i]), (N, D)."""
        return self.trajectory.z

    @property
    def dz_dz0(self) -> tuple[arb_mat, ...]:
        """dz(ts[i])/dz0, N matrices (D, D)."""
        return self.trajectory.dz0

    @property
    def dz_dtheta(self) -> tuple[arb_mat, ...]:
        """dz(ts[i])/dtheta, N matrices (D, P)."""
        return self.trajectory.dtheta

    @property
    def provenance(self) -> dict[str, Any]:
        """How it was proved."""
        return self.trajectory.provenance

    def components(self) -> Iterator[tuple[str, arb]]:
        """Every ball with its name."""
        yield from trajectory_components(self.trajectory)
        for name in ("dz0", "dtheta", "dts"):
            yield from ((f"dL_{name}[{j}]", x) for j, x in enumerate(getattr(self.gradients, name)))


def certify(
    dynamics: Dynamics,
    z0: Sequence[Number],
    ts: Sequence[Number],
    theta: Sequence[Number],
    cotangents: Sequence[Sequence[Number]],
    digits: int = DIGITS,
) -> Certificate:
    """Proved enclosures, sharp enough for that many digits in print.

    z0 (D,), ts (N,) increasing or decreasing (repeated times allowed), theta (P,), cotangents (N, D): exact numbers, best as decimal
    strings.
    ValueError for shapes and orders that do not fit; NoBox where the solution cannot be shown to exist; ValueError, naming the component,
    if no rung is sharp enough. Statement: S13, S14, S78, S79, S81
    """
    question = ask(dynamics, z0, ts, theta, cotangents)
    return climb(lambda rung: answer(question, rung), digits)


def answer(question: Question, rung: Rung) -> Certificate:
    """The certificate at one precision, however sharp. TooWide where that is not enough to come to the end."""
    return Certificate.conclude(question, solve(question, rung))


def ask(
    dynamics: Dynamics, z0: Sequence[Number], ts: Sequence[Number], theta: Sequence[Number], cotangents: Sequence[Sequence[Number]]
) -> Question:
    """The question in rational numbers, its shapes checked."""
    numbers = [tuple(exact(x) for x in row) for row in (z0, ts, theta)]
    rows = tuple(tuple(exact(x) for x in row) for row in cotangents)
    for name, got, wanted in (("z0", len(z0), dynamics.dim), ("theta", len(theta), dynamics.params), ("cotangents", len(rows), len(ts))):
        if got != wanted:
            raise ValueError(f"{name} has {got} entries, {wanted} are needed")
    if any(len(row) != dynamics.dim for row in rows):
        raise ValueError(f"every cotangent needs {dynamics.dim} entries")
    steps = [b - a for a, b in itertools.pairwise(numbers[1])]
    if not ts or (any(h < 0 for h in steps) and any(h > 0 for h in steps)):
        raise ValueError("ts must be at least one time, and increase or decrease")
    return Question(dynamics, *numbers, rows)


def solve(question: Question, rung: Rung) -> Trajectory:
    """The trajectory of a question."""
    with working(rung.bits):
        return trajectory(question.dynamics, [arb(x) for x in question.z0], question.ts, [arb(x) for x in question.theta], rung)


def climb(attempt: Callable[[Rung], Any], digits: int) -> Any:
    """What the first rung gives that makes every component sharp."""
    failure = ""
    for rung in RUNGS:
        try:
            certificate = attempt(rung)
        except TooWide as error:
            failure = str(error)
            continue
        wide = [(name, ball) for name, ball in certificate.components() if not sharp(ball, digits)]
        if not wide:
            return certificate
        failure = f"{wide[0][0]} = {wide[0][1].str(5)} is too wide for {digits} digits"
    raise ValueError(f"{failure}, even with {RUNGS[-1].bits} bits: shorten the interval")


def gradients(way: Trajectory, g: Sequence[Sequence[arb]]) -> Gradients:
    """The gradients of sum_i g[i] . z(ts[i])."""
    N, D, P = len(way.ts), way.dynamics.dim, way.dynamics.params
    later = [_pulled(g[i], way.dz0[i]) for i in range(1, N)]
    a = [sum(row, arb(0)) for row in zip(*later, strict=True)] if later else [arb(0)] * D  # a(t_0) without g_0
    dtheta = [_pulled(g[i], way.dtheta[i]) for i in range(1, N)]
    dt = [-_dot(a, way.velocity(0)), *(_dot(g[i], way.velocity(i)) for i in range(1, N))]
    return Gradients(
        tuple(x + y for x, y in zip(a, g[0], strict=True)),
        tuple(sum(column, arb(0)) for column in zip(*dtheta, strict=True)) if later else (arb(0),) * P,
        tuple(dt),
    )


def growth(way: Trajectory) -> tuple[arb, arb, arb]:
    """Largest |Phi(t_i, t_s)|_inf over s <= i, largest of the transposed, and largest |Phi(t_{i-1}, t_i)|_inf; each at least 1."""
    phis = list(way.transitions())
    return (
        largest([arb(1), *(norm(phi) for phi in phis)]),
        largest([arb(1), *(norm(phi.transpose()) for phi in phis)]),
        largest([arb(1), *(norm(phi) for phi in way.backward_transitions())]),
    )


def trajectory_components(way: Trajectory) -> Iterator[tuple[str, arb]]:
    """The balls of a trajectory by name."""
    D, P = way.dynamics.dim, way.dynamics.params
    for i, z in enumerate(way.z):
        yield from ((f"z[{i}][{k}]", x) for k, x in enumerate(z))
        yield from ((f"dz_dz0[{i}][{k}][{j}]", way.dz0[i][k, j]) for k in range(D) for j in range(D))
        yield from ((f"dz_dtheta[{i}][{k}][{j}]", way.dtheta[i][k, j]) for k in range(D) for j in range(P))


def _pulled(g: Sequence[arb], matrix: arb_mat) -> list[arb]:
    """g^T matrix."""
    return (arb_mat(1, len(g), list(g)) * matrix).entries()


def _dot(a: Sequence[arb], b: Sequence[arb]) -> arb:
    return sum((x * y for x, y in zip(a, b, strict=True)), arb(0))
