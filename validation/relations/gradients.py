"""Relations between gradients: grad.*"""

from __future__ import annotations

import numpy as np

from ..verdicts import Comparison, compare
from . import transforms
from .posed import Posed
from .relation import Ask, Relation, exactly
from .solutions import SHIFT


def dual(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """dL/dz0 . v = sum_i g_i . w(t_i), where w is the solution of the variational equation w' = df/dz w, w(t0) = v.

    w is solved by the same implementation, along with z. Each side is allowed its own error.

    Statement: S7, S8, E9
    """
    D, v = task.z0.size, task.direction[: task.z0.size]
    gradient = ask(task, rtol, ("dL/dz0",)).arrays["dL/dz0"]
    sensitivity = transforms.with_sensitivity(task)
    w = ask(sensitivity, rtol).arrays["z"][:, D:]
    allowed = ask.allowed_gradient(task, rtol, gradient) * np.abs(v).sum()
    allowed += ask.allowed_value(sensitivity, rtol) * np.abs(task.weights).sum()
    return [compare("dL/dz0 . v", gradient @ v, np.sum(task.weights * w), allowed)]


def theta_state(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """dL/dtheta is the gradient by the initial values of the parameters as further, constant states.

    P exact components in the root mean square of the error norm: the others may be sqrt((D + P)/D) as large.

    Statement: S9, S77
    """
    D, P = task.z0.size, task.theta.size
    dtheta = ask(task, rtol, ("dL/dtheta",)).arrays["dL/dtheta"]
    as_states = ask(transforms.with_theta(task), rtol, ("dL/dz0",)).arrays["dL/dz0"]
    allowed = ask.allowed_gradient(task, rtol, as_states)
    return [compare("dL/dtheta", dtheta, as_states[D:], allowed * (1 + ((D + P) / D) ** 0.5))]


def time_state(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The sum of all dL/dt_i is the gradient by the initial value of the time as a further state: both move all times together.

    For autonomous dynamics both are zero. N errors add up on the left.

    Statement: S77, S79, S81
    """
    D, N = task.z0.size, len(task.ts)
    dt = ask(task, rtol, ("dL/dt",)).arrays["dL/dt"]
    clocked = ask(transforms.with_clock(task), rtol, ("dL/dz0",)).arrays["dL/dz0"]
    allowed = N * ask.allowed_gradient(task, rtol, dt) + ((D + 1) / D) ** 0.5 * ask.allowed_gradient(task, rtol, clocked)
    return [compare("sum of dL/dt", dt.sum(), clocked[D], allowed)]


def cut(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The loss reads t_i alone: all gradients are those of the problem cut at t_i, and dL/dt is zero after it.

    Statement: S13, S81, S84
    """
    keys, i = ask.gradients("dL/dz0", "dL/dtheta", "dL/dt"), len(task.ts) // 2
    alone = task.changed(weights=np.where(np.arange(len(task.ts)) == i, 1.0, 0.0)[:, None] * np.ones(task.z0.size))
    short = alone.changed(ts=task.ts[: i + 1], weights=alone.weights[: i + 1])
    got, expected = (ask(question, rtol, keys).arrays for question in (alone, short))
    if "dL/dt" in keys:
        expected["dL/dt"] = np.append(expected["dL/dt"], np.zeros(len(task.ts) - i - 1))
    return [compare(key, got[key], expected[key], 2 * ask.allowed_gradient(alone, rtol, expected[key])) for key in keys]


def clock_shift(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """f(z, t - s, theta) on the grid ts + s has the gradients of f(z, t, theta) on ts.

    Statement: S8, S79
    """
    keys = ask.gradients("dL/dz0", "dL/dtheta", "dL/dt")
    plain, later = (ask(question, rtol, keys).arrays for question in (task, transforms.shifted(task, SHIFT)))
    return [compare(key, later[key], plain[key], 2 * ask.allowed_gradient(task, rtol, plain[key])) for key in keys]


def linearity(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The gradient is linear in the loss: those of two losses add up to that of their sum.

    Statement: S7, S12
    """
    keys = ask.gradients("dL/dz0", "dL/dtheta", "dL/dt")
    other = np.cos(np.arange(task.weights.size)).reshape(task.weights.shape)
    questions = [task.changed(weights=g) for g in (task.weights, other, task.weights + other)]
    first, second, both = (ask(question, rtol, keys).arrays for question in questions)
    results = []
    for key in keys:
        allowed = sum(ask.allowed_gradient(q, rtol, g[key]) for q, g in zip(questions, (first, second, both), strict=True))
        results.append(compare(key, both[key], first[key] + second[key], allowed))
    return results


def scaling(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """Twice the loss has twice the gradient, to the bit.

    The steps of the backward solve then do not depend on the scale of the loss; where atol is an absolute number there too, they do.

    Statement: S12
    """
    keys = ask.gradients("dL/dz0", "dL/dtheta", "dL/dt")
    once, twice = (ask(task.changed(weights=c * task.weights), rtol, keys).arrays for c in (1.0, 2.0))
    return [exactly(key, twice[key], 2 * once[key]) for key in keys]


Z0, THETA, T = ("grad:z0",), ("grad:theta",), ("grad:t",)

RELATIONS = [
    Relation("grad.dual", ("S7", "S8", "E9"), "required", Z0, dual, on=("P30", "P28")),
    Relation("grad.theta_state", ("S9", "S77"), "required", Z0 + THETA, theta_state, on=("P28", "P18b")),
    Relation("grad.time_state", ("S77", "S79", "S81"), "required", Z0 + T, time_state, on=("P30", "P28")),
    Relation("grad.cut", ("S13", "S81", "S84"), "required", Z0, cut, on=("P28", "P20")),
    Relation("grad.clock_shift", ("S8", "S79"), "required", Z0, clock_shift, on=("P30",)),
    Relation("grad.linearity", ("S7", "S12"), "required", Z0, linearity, on=("P28",)),
    Relation("grad.scaling", ("S12",), "recommended", Z0, scaling, on=("P30",)),
]
