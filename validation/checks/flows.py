"""Checks of continuous normalizing flows: flow.*"""

from __future__ import annotations

from ..verdicts import Comparison, compare
from .registry import Answer, Check, check
from .values import BOTH


def log_prob(answer: Answer) -> list[Comparison]:
    """log p(x) equals the closed form: the base density at the other end, and the trace of df/dz integrated along the way, with its sign.

    Statement: S32, S35, S38, S39, S40, S43, S47, S49, S52, S53
    """
    return [compare("log p", answer.arrays["log p"], answer.task.density.log_p, answer.allowed_log_p())]


def grad_x(answer: Answer) -> list[Comparison]:
    """The gradient of log p(x) in x, the score.

    Statement: S35, S38, S40, S43, S49, S53
    """
    return _compare(answer, "dlogp/dx")


def grad_theta(answer: Answer) -> list[Comparison]:
    """The gradient of log p(x) in every parameter: what maximum likelihood follows.

    Statement: S35, S38, S40, S43, S47, S49, S53
    """
    return _compare(answer, "dlogp/dtheta")


def grad_t(answer: Answer) -> list[Comparison]:
    """The gradients of log p(x) in the time of x and in that of the base density.

    The first of them is dp/dt at a fixed point in space, which is Liouville's equation.

    Statement: S35, S38, S40, S43, S49, S50, S53
    """
    return _compare(answer, "dlogp/dt")


def _compare(answer: Answer, key: str) -> list[Comparison]:
    expected = answer.task.density.gradients[key]
    return [compare(key, answer.arrays[key], expected, answer.allowed_log_p_gradient(expected))]


def _check(id: str, judge, statements: str, want: str) -> Check:
    return check(id, judge, statements, part="flow", directions=BOTH, wants=(want,), needs=("time:backward",))


CHECKS = [
    _check("flow.log_prob", log_prob, "S32 S35 S38 S39 S40 S43 S47 S49 S52 S53", "log p"),
    _check("flow.grad_x", grad_x, "S35 S38 S40 S43 S49 S53", "dlogp/dx"),
    _check("flow.grad_theta", grad_theta, "S35 S38 S40 S43 S47 S49 S53", "dlogp/dtheta"),
    _check("flow.grad_t", grad_t, "S35 S38 S40 S43 S49 S50 S53", "dlogp/dt"),
]
