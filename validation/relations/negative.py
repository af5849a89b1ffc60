"""Questions without an answer: solve.negative

A refusal or an exception is right, and so are values that are not finite. A finite number is a failure, plausible or not; so is a solve
that does not end before the budget of calls.
"""

from __future__ import annotations

import math

import numpy as np

from ..verdicts import Comparison
from .posed import Posed
from .relation import Ask, NoAnswer, Relation


def negative(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """What has no solution is refused: z0 NaN, times that turn back, the far side of a pole, dynamics that turn NaN.

    Statement: S37
    """
    reply = ask.reply(task, rtol)
    if reply.state in ("refused", "error"):
        return [Comparison(reply.message, 0.0, (), math.nan, math.nan)]
    if reply.state != "answered":
        raise NoAnswer(reply)
    end = float(reply.arrays["z"][-1, 0])
    return [Comparison("a solution that does not exist: z", math.inf if math.isfinite(end) else 0.0, (1, 0), end, math.nan)]


def _square(xp, z, t, theta):
    """z' = theta z^2: from z0 = 1 at 0 to infinity at 1/theta."""
    return theta * z * z


def _root(xp, z, t, theta):
    """z' = -theta sqrt(z) - 1: z falls to 0 before the end, and the root of a negative number is NaN."""
    return -theta * xp.sqrt(z) - 1


def _case(id: str, rhs, z0: float, ts: list[float]) -> Posed:
    return Posed(id, rhs, np.array([1.0]), np.array([z0]), np.array(ts), np.ones((len(ts), 1)))


CASES = (
    _case("nan_start", _square, math.nan, [0.0, 0.5]),
    _case("turning_back", _square, 1.0, [0.0, 0.5, 0.25]),
    _case("past_the_pole", _square, 1.0, [0.0, 1.5]),
    _case("turns_nan", _root, 1.0, [0.0, 2.0]),
)

IDS = tuple(case.id for case in CASES)

RELATIONS = [Relation("solve.negative", ("S37",), "required", (), negative, on=IDS, applies=lambda task: task in CASES)]
