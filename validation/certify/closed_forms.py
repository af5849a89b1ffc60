"""Closed forms as certificates: the formula evaluated in balls, and linted.

A closed form is a function exact(z0, t0, t1, theta) -> Flow, as in validation/problems: z1 and its derivatives in z0, theta, t0, t1. Those
formulas are used as they stand (formulas.py); linear systems have their own here, with the exponential of a matrix of balls.

    certificate = certify_closed_form(scalar.p06, dynamics, z0, ts, theta, cotangents)

lint() proves nothing but catches every wrong formula that was ever seen: at random balls z1' - f(z1, t1, theta) must be zero as a power
series in t1, and so must be the equations of dz1/dz0 and dz1/dtheta, and their values at t1 = t0.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat, arb_series, fmpq

from ..ir.duals import duals, parts, variables
from ..ir.dynamics import Dynamics, evaluate
from ..problems.problem import Flow
from . import formulas
from .balls import DIGITS
from .certificate import Certificate, Number, Question, ask, climb
from .enclosure import Rung
from .formulas import array, objects, plain
from .numbers import BALLS, working

Exact = Callable[..., Flow]
BITS, TERMS = 256, 12  # of lint
NEAR = 2.0**-100  # relative radius of its balls
SMALL = 2.0**-40  # what is zero there, in units of what it is the difference of


@dataclass(frozen=True)
class ClosedTrajectory:
    """The same as a Trajectory, from a formula."""

    exact: Exact
    dynamics: Dynamics
    ts: tuple[fmpq, ...]
    theta: tuple[arb, ...]
    rung: Rung
    z: tuple[tuple[arb, ...], ...]
    dz0: tuple[arb_mat, ...]
    dtheta: tuple[arb_mat, ...]

    @property
    def provenance(self) -> dict[str, Any]:
        """Method, trust and bits."""
        return {"method": "formula in balls", "trust": "closed-form", "bits": self.rung.bits}

    def velocity(self, i: int) -> list[arb]:
        """f(z[i], ts[i], theta), (D,)."""
        return evaluate(self.dynamics, BALLS, self.z[i], arb(self.ts[i]), self.theta)

    def transitions(self) -> Iterator[arb_mat]:
        """Phi(t_i, t_s) for all s <= i."""
        for s in range(len(self.ts)):
            yield from (self._transition(s, i) for i in range(s, len(self.ts)))

    def backward_transitions(self) -> Iterator[arb_mat]:
        """Phi(t_{i-1}, t_i) for i >= 1."""
        yield from (self._transition(i, i - 1) for i in range(1, len(self.ts)))

    def _transition(self, s: int, i: int) -> arb_mat:
        return flow(self.exact, self.z[s], arb(self.ts[s]), arb(self.ts[i]), self.theta)[1]


def certify_closed_form(
    exact: Exact,
    dynamics: Dynamics,
    z0: Sequence[Number],
    ts: Sequence[Number],
    theta: Sequence[Number],
    cotangents: Sequence[Sequence[Number]],
    digits: int = DIGITS,
) -> Certificate:
    """As certify(), from a formula, which is linted near the numbers of the question first; ValueError if that finds something."""
    question = ask(dynamics, z0, ts, theta, cotangents)
    return climb(lambda rung: Certificate.conclude(question, evaluated(exact, question, rung)), digits)


def evaluated(exact: Exact, question: Question, rung: Rung) -> ClosedTrajectory:
    """The formula, linted and evaluated at the times of a question."""
    if exact is not linear:
        lint(exact, question)
    with working(rung.bits):
        z0, theta, t0 = [arb(x) for x in question.z0], tuple(arb(x) for x in question.theta), arb(question.ts[0])
        flows = [flow(exact, z0, t0, arb(t), theta) for t in question.ts]
        z, dz0, dtheta = zip(*flows, strict=True)
        return ClosedTrajectory(exact, question.dynamics, question.ts, theta, rung, tuple(map(tuple, z)), dz0, dtheta)


def flow(exact: Exact, z0: Sequence[arb], t0: arb, t1: arb, theta: Sequence[arb]) -> tuple[list[arb], arb_mat, arb_mat]:
    """z1 (D,), dz1/dz0 (D, D), dz1/dtheta (D, P), in balls."""
    D, P = len(z0), len(theta)
    values = exact(z0, t0, t1, theta) if exact is linear else exact(array(z0), formulas.Number(t0), formulas.Number(t1), array(theta))
    return list(plain(values.z1)), arb_mat(D, D, list(plain(values.dz0).ravel())), arb_mat(D, P, list(plain(values.dtheta).ravel()))


def linear(z0: Sequence[arb], t0: arb, t1: arb, theta: Sequence[arb]) -> Flow:
    """z' = A z, theta = A row by row, or z' = A z + b, theta = (A, b): (z1, 1) = e^{M delta} (z0, 1), M = [[A, b], [0, 0]].

    The derivative in direction E is L(M delta, E delta) (z0, 1), L the upper right block of exp [[M, E], [0, M]] delta. Balls only.
    """
    D, delta = len(z0), t1 - t0
    state = arb_mat(D + 1, 1, [*z0, 1])

    def matrix(entries: Sequence[Any]) -> np.ndarray:
        M = np.full((D + 1, D + 1), arb(0), dtype=object)
        M[:D, :D] = objects(entries[: D * D], (D, D))
        if len(entries) > D * D:
            M[:D, D] = entries[D * D :]
        return M

    def exponential(M: np.ndarray) -> arb_mat:
        return arb_mat(len(M), len(M), [x * delta for x in M.ravel()]).exp()

    M = matrix(theta)
    phi = exponential(M)
    columns = []
    for j in range(len(theta)):
        E = matrix([arb(int(k == j)) for k in range(len(theta))])
        whole = exponential(np.block([[M, E], [0 * M, M]]))
        L = arb_mat(D + 1, D + 1, [whole[i, D + 1 + k] for i in range(D + 1) for k in range(D + 1)])
        columns.append((L * state).entries()[:D])
    dz0 = [[phi[i, k] for k in range(D)] for i in range(D)]
    z1, A = (phi * state).entries()[:D], np.array(dz0, dtype=object)
    velocity = (M[:D, :D] @ np.array(z1, dtype=object)) + M[:D, D]
    return Flow(np.array(z1, dtype=object), A, np.array(columns, dtype=object).T, -velocity, velocity)


def lint(exact: Exact, question: Question, seed: int = 1, points: int = 3) -> None:
    """ValueError, in one sentence, if the formula does not solve the equation at random balls within 1/16 of what is asked."""
    rng = random.Random(seed)

    def near(x: fmpq) -> arb:
        middle = arb(x) + arb(max(abs(float(arb(x))), 1.0) * rng.uniform(-1, 1) / 16)
        return arb(middle.mid(), NEAR)

    with working(BITS, TERMS):
        for _ in range(points):
            z0, theta = [near(x) for x in question.z0], [near(x) for x in question.theta]
            t0, t1 = near(question.ts[0]), near(question.ts[-1])
            _lint_at(exact, question.dynamics, z0, t0, t1, theta)


def _lint_at(exact: Exact, dynamics: Dynamics, z0: list[arb], t0: arb, t1: arb, theta: list[arb]) -> None:
    D, P = dynamics.dim, dynamics.params
    start = exact(array(z0), formulas.Number(t0), formulas.Number(t0), array(theta))
    for name, got, wanted in (("z1", start.z1, z0), ("dz1/dz0", start.dz0, np.eye(D)), ("dz1/dtheta", start.dtheta, np.zeros((D, P)))):
        _zero(plain(got) - plain(wanted), f"{name} at t1 = t0 is not what it must be")
    s = arb_series([t1, 1])
    at = exact(array(z0), formulas.Number(t0), formulas.Number(s), array(theta))
    z1, S, T, dt0, dt1 = (plain(x) for x in at)
    slopes = [parts(x) for x in evaluate(dynamics, duals(BALLS), variables(z1), s, variables(theta, first=D))]
    f = objects([value for value, _ in slopes], (D,))
    J, F = (objects([d.get(j, arb(0)) for _, d in slopes for j in range(first, first + n)], (D, n)) for first, n in ((0, D), (D, P)))
    f0 = np.array(evaluate(dynamics, BALLS, z0, t0, theta), dtype=object)
    _zero(_derivative(z1) - f, "z1 does not solve z' = f(z, t, theta)")
    _zero(_derivative(S) - J @ S, "dz1/dz0 does not solve S' = (df/dz) S")
    _zero(_derivative(T) - (J @ T + F), "dz1/dtheta does not solve T' = (df/dz) T + df/dtheta")
    _zero(dt1 - f, "dz1/dt1 is not f(z1, t1, theta)")
    _zero(dt0 + S @ f0, "dz1/dt0 is not -(dz1/dz0) f(z0, t0, theta)")


def _derivative(x: np.ndarray) -> np.ndarray:
    return objects([y.derivative() if isinstance(y, arb_series) else arb(0) for y in x.ravel()], x.shape)


def _zero(difference: np.ndarray, complaint: str) -> None:
    """Every coefficient that both sides know, all but the last, contains zero and is small."""
    for x in difference.ravel():
        for c in (x.coeffs()[: flint.ctx.cap - 1] if isinstance(x, arb_series) else [x]):
            if not (c.is_finite() and c.contains(0) and abs(c) < SMALL):
                raise ValueError(f"the closed form is wrong: {complaint} (a difference of {c.str(3)})")
