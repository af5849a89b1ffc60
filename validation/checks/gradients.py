"""Checks of gradients: grad.*"""

from __future__ import annotations

import numpy as np

from ..verdicts import Comparison, compare
from .registry import Answer, check
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
    """dL/dz0 and dL/dtheta on a decreasing grid.

    Statement: S8, S9, S12
    """
    return _compare(answer, *_without_time(answer))


def grad_reversed_t(answer: Answer) -> list[Comparison]:
    """dL/dt_i on a decreasing grid.

    Statement: S78, S79, S80, S81
    """
    return _compare(answer, "dL/dt")


def grad_observations(answer: Answer) -> list[Comparison]:
    """The loss reads t_i alone: dL/dz0 and dL/dtheta are those of the problem cut at t_i.

    The adjoint is 0 until it jumps by g_i at t_i.

    Statement: S13, S84
    """
    return _compare(answer, *_without_time(answer))


def grad_observations_t(answer: Answer) -> list[Comparison]:
    """The loss reads t_i alone: dL/dt is that of the problem cut at t_i, and zero for all later times.

    Statement: S81, S84
    """
    return _compare(answer, "dL/dt")


def grad_split(answer: Answer) -> list[Comparison]:
    """Ten observation times with zero weight change neither dL/dz0 nor dL/dtheta.

    Statement: S15
    """
    return _compare(answer, *_without_time(answer))


def grad_split_t(answer: Answer) -> list[Comparison]:
    """Ten observation times with zero weight change no time gradient, and have none themselves.

    Statement: S15
    """
    return _compare(answer, "dL/dt")


def grad_reset(answer: Answer) -> list[Comparison]:
    """dL/dtheta where z cannot be solved backwards over the whole span, but well from each observation to the one before.

    An implementation that goes on from the state that it has reconstructed fails here: its errors have grown by e^18 = 6.6e7 at t0.

    Statement: S83
    """
    return _compare(answer, "dL/dtheta")


def grad_shift_sum(answer: Answer) -> list[Comparison]:
    """For autonomous dynamics the time gradients add up to zero: shifting all times changes nothing.

    The errors of N numbers add up, hence the factor N.

    Statement: S81
    """
    exact = answer.task.gradients["dL/dt"]
    allowed = len(exact) * answer.allowed_gradient(exact)
    return [compare("sum of dL/dt", np.sum(answer.arrays["dL/dt"]), 0.0, allowed)]


def grad_tolerance(answers: list[Answer]) -> list[Comparison]:
    """The error of dL/dz0 and dL/dtheta falls with the tolerance that was asked for, so the tolerance reaches the backward solve.

    Statement: S20, S86
    """
    results = []
    for key in _without_time(answers[-1]):
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


def _without_time(answer: Answer) -> list[str]:
    """dL/dz0, and dL/dtheta where the implementation has it."""
    return [key for key in ("dL/dz0", "dL/dtheta") if key in answer.arrays]


Z0, THETA, T = ("dL/dz0",), ("dL/dtheta",), ("dL/dt",)

CHECKS = [
    check("grad.z0", grad_z0, "S6 S7 S8 S12 S14", wants=Z0),
    check("grad.theta", grad_theta, "S9 S11 S12", wants=THETA),
    check("grad.t", grad_t, "S14 S78 S79 S80 S81 S82 S84", wants=T),
    check("grad.reversed", grad_reversed, "S8 S9 S12", directions=("reversed",), wants=Z0, also=THETA),
    check("grad.reversed_t", grad_reversed_t, "S78 S79 S80 S81", directions=("reversed",), wants=T),
    check("grad.observations", grad_observations, "S13 S84", part="alone", wants=Z0, also=THETA),
    check("grad.observations_t", grad_observations_t, "S81 S84", part="alone", wants=T),
    check("grad.split", grad_split, "S15", part="split", wants=Z0, also=THETA),
    check("grad.split_t", grad_split_t, "S15", part="split", wants=T),
    check("grad.reset", grad_reset, "S83", part="reset", wants=THETA),
    check("grad.shift_sum", grad_shift_sum, "S81", directions=BOTH, wants=T),
    check("grad.tolerance", grad_tolerance, "S20 S86", level="recommended", wants=Z0, also=THETA, every_rtol=True),
    check("grad.second", grad_second, "S21", level="recommended", part="second", wants=("d2L/dz0", "d2L/dtheta")),
]
