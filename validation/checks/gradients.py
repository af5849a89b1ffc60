"""Checks of gradients: grad.*"""

from __future__ import annotations

import numpy as np

from ..verdicts import Comparison, compare
from .parts import OBSERVED
from .registry import GRADIENTS, Answer, check
from .values import BOTH, falls


def grad_z0(answer: Answer) -> list[Comparison]:
    """dL/dz0 with observations at four times, the first included.

    Statement: S6, S7, S8, S12, S14
    """
    return _compare(answer, "dL/dz0")


def grad_theta(answer: Answer) -> list[Comparison]:
    """dL/dtheta = int a^T df/dtheta dt, every parameter.

    Statement: S9, S11, S12
    """
    return _compare(answer, "dL/dtheta")


def grad_t(answer: Answer) -> list[Comparison]:
    """dL/dt_i for every output time, in the order of the times: g_i . f(z_i, t_i, theta), and -a(t0+) . f at the first.

    Statement: S14, S78, S79, S80, S81, S82, S84
    """
    return _compare(answer, "dL/dt")


def grad_reversed(answer: Answer) -> list[Comparison]:
    """All gradients on a decreasing grid.

    Statement: S8, S9, S12, S80
    """
    return _compare(answer, *_offered(answer))


def grad_observations(answer: Answer) -> list[Comparison]:
    """The loss reads t_i alone: the gradients are those of the problem cut at t_i, and later times do not matter.

    The adjoint is 0 until it jumps by g_i at t_i.

    Statement: S13, S84
    """
    task = answer.task
    cut = type(task)(task.problem, task.z0, task.ts[: OBSERVED + 1], task.weights[: OBSERVED + 1]).gradients
    later = len(task.ts) - OBSERVED - 1
    expected = {**cut, "dL/dt": np.concatenate([cut["dL/dt"], np.zeros(later)])}
    return [compare(key, answer.arrays[key], expected[key], answer.allowed_gradient(expected[key])) for key in _offered(answer)]


def grad_split(answer: Answer) -> list[Comparison]:
    """Ten observation times with zero weight change nothing; with the state put back at each, backward growth is that of one short piece.

    Statement: S15, S83
    """
    return _compare(answer, *_offered(answer))


def grad_shift_sum(answer: Answer) -> list[Comparison]:
    """For autonomous dynamics the time gradients add up to zero: shifting all times changes nothing.

    The errors of N numbers add up, hence the factor N.

    Statement: S81
    """
    exact = answer.task.gradients["dL/dt"]
    allowed = len(exact) * answer.allowed_gradient(exact)
    return [compare("sum of dL/dt", np.sum(answer.arrays["dL/dt"]), 0.0, allowed)]


def grad_tolerance(answers: list[Answer]) -> list[Comparison]:
    """The error of the gradients falls with the tolerance that was asked for, so the tolerance reaches the backward solve.

    Statement: S20, S86
    """
    results = []
    for key in _offered(answers[-1]):
        expected = [answer.task.gradients[key] for answer in answers]
        results += falls(answers, key, expected, answers[-1].allowed_gradient(expected[-1]))
    return results


def grad_second(answer: Answer) -> list[Comparison]:
    """A Hessian-vector product in (z0, theta).

    One more differentiation lets an error pass through the flow once more, hence one more factor Gamma.

    Statement: S21
    """
    exact = answer.task.second_derivatives
    gamma = answer.task.value_gamma
    return [compare(key, answer.arrays[key], exact[key], gamma * answer.allowed_gradient(exact[key])) for key in exact]


def _compare(answer: Answer, *keys: str) -> list[Comparison]:
    exact = answer.task.gradients
    return [compare(key, answer.arrays[key], exact[key], answer.allowed_gradient(exact[key])) for key in keys]


def _offered(answer: Answer) -> list[str]:
    """The gradients that were asked for and answered: all that the implementation has."""
    return [key for key in GRADIENTS if key in answer.arrays]


Z0, THETA, T = ("dL/dz0",), ("dL/dtheta",), ("dL/dt",)

CHECKS = [
    check("grad.z0", grad_z0, "S6 S7 S8 S12 S14", wants=Z0),
    check("grad.theta", grad_theta, "S9 S11 S12", wants=THETA),
    check("grad.t", grad_t, "S14 S78 S79 S80 S81 S82 S84", wants=T),
    check("grad.reversed", grad_reversed, "S8 S9 S12 S80", directions=("reversed",), wants=Z0, also=THETA + T),
    check("grad.observations", grad_observations, "S13 S84", part="alone", wants=Z0, also=THETA + T),
    check("grad.split", grad_split, "S15 S83", part="split", wants=Z0, also=THETA + T),
    check("grad.shift_sum", grad_shift_sum, "S81", directions=BOTH, wants=T),
    check("grad.tolerance", grad_tolerance, "S20 S86", level="recommended", wants=Z0, also=THETA + T, every_rtol=True),
    check("grad.second", grad_second, "S21", level="recommended", part="second", wants=("d2L/dz0", "d2L/dtheta")),
]
