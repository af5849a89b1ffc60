"""Relations between densities of continuous normalizing flows: flow.*

The task is a flow: it starts at ts[0] from the base density, and log p is asked for at its end.
"""

from __future__ import annotations

import functools

import numpy as np

from ..verdicts import Comparison, compare
from . import transforms
from .posed import Posed
from .relation import Ask, Relation
from .solutions import is_flow


def logdet(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """log p(x) is the base density at the other end plus log |det dz/dx|, the Jacobian from D gradients of solves.

    An error E of the Jacobian J changes log |det J| by tr(J^-1 E), at most D |J^-1|_inf max |E|.

    Statement: S32, S35
    """
    back = _way_back(task)
    at_x = back.changed(z0=ask(task, rtol).arrays["z"][-1])
    z = ask(at_x, rtol).arrays["z"][-1]
    losses = [np.stack([0 * e, e]) for e in np.eye(z.size)]
    J = np.stack([ask(at_x.changed(weights=g), rtol, ("dL/dz0",)).arrays["dL/dz0"] for g in losses])
    expected = task.base.log_prob(np, z) + np.linalg.slogdet(J)[1]
    allowed = _allowed(ask, back, rtol) + np.abs(_score(task.base, z)).sum() * ask.allowed_value(back, rtol)
    allowed += z.size * back.condition.back * ask.allowed_gradient(back, rtol, J)
    return [compare("log p", _log_p(ask, at_x, rtol), expected, allowed)]


def roundtrip(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The change of log p on the way there is taken back on the way back.

    With the base at t0, log p(x1) = base(x0) + log |det dx0/dx1|; with the base at t1, log p(x0) = base(x1) + log |det dx1/dx0|: in the
    sum of both the determinants cancel.

    Statement: S32, S37
    """
    back, there = _way_back(task), _two_times(task)
    x = ask(task, rtol).arrays["z"][-1]
    total = _log_p(ask, back.changed(z0=x), rtol) + _log_p(ask, there, rtol)
    expected = task.base.log_prob(np, task.z0) + task.base.log_prob(np, x)
    allowed = _allowed(ask, back, rtol) + _allowed(ask, there, rtol)
    allowed += np.abs(_score(task.base, x)).sum() * ask.allowed_value(task, rtol) * 2 * there.condition.back
    return [compare("log p(x0) + log p(x1)", total, expected, allowed)]


def mass(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The density integrates to 1: by the trapezoidal rule, between the images of the points six deviations from the base's mean.

    For a Gaussian the error of the rule with spacing h is 2 exp(-2 pi^2/h^2), in deviations: 13 points over twelve deviations give 5e-9.
    1e-6 is allowed for it.

    Statement: S32, S35
    """
    mean, deviation = float(task.base.mean[0]), float(task.base.covariance[0, 0]) ** 0.5
    ends = [task.changed(z0=np.array([mean + side * 6 * deviation])) for side in (-1, 1)]
    low, high = (float(ask(end, rtol).arrays["z"][-1, 0]) for end in ends)
    xs, back = np.linspace(low, high, 13), _way_back(task)
    p = np.exp([_log_p(ask, back.changed(z0=np.array([x])), rtol) for x in xs])
    return [compare("integral of p", np.trapezoid(p, xs), 1.0, _allowed(ask, back, rtol) + 1e-6)]


@functools.lru_cache
def _two_times(task: Posed) -> Posed:
    """From the start to the end, the first component of the end being the loss."""
    return task.changed(ts=task.ts[[0, -1]], weights=np.stack([0 * task.z0, np.eye(task.z0.size)[0]]))


@functools.lru_cache
def _way_back(task: Posed) -> Posed:
    """From the end of the flow to the base: x is the estimated one, for the condition, and is replaced by what was computed."""
    two = _two_times(task)
    return two.changed(z0=task.condition.end, ts=two.ts[::-1].copy())


def _log_p(ask: Ask, task: Posed, rtol: float) -> float:
    return float(ask(task, rtol, ("log p",)).arrays["log p"])


def _allowed(ask: Ask, task: Posed, rtol: float) -> float:
    """What log p may be off: that of the pair (z, l), l' = -tr df/dz, read with the weights (score, 1)."""
    pair = transforms.with_log_det(task)
    return ask.allowed_value(pair, rtol) * (1 + np.abs(_score(task.base, pair.condition.end[:-1])).sum())


def _score(base, z: np.ndarray) -> np.ndarray:
    """d log p_base/dz: a complex step, exact to rounding."""
    return np.array([np.imag(base.log_prob(np, z + 1e-30j * e)) / 1e-30 for e in np.eye(z.size)])


def _is_flow_of_one_dimension(task: Posed) -> bool:
    return is_flow(task) and task.z0.size == 1


NEEDS = ("flow:log_prob", "time:backward")

RELATIONS = [
    Relation("flow.logdet", ("S32", "S35"), "required", (*NEEDS, "grad:z0"), logdet, on=("P18b",), applies=is_flow),
    Relation("flow.roundtrip", ("S32", "S37"), "required", NEEDS, roundtrip, on=("P28",), applies=is_flow),
    Relation("flow.mass", ("S32", "S35"), "recommended", NEEDS, mass, on=("P20",), applies=_is_flow_of_one_dimension),
]
