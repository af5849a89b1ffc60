"""Questions without an answer: solve.negative, solve.max_steps

A refusal or an exception is right, and so are values that are not finite. A finite number is a failure, plausible or not; so is a solve
that does not end before the budget of calls.
"""

from __future__ import annotations

import math

import numpy as np

from ..case import Reply
from ..vectors import tasks as vectors
from ..verdicts import Comparison
from .posed import Posed, posed
from .relation import Ask, NoAnswer, Relation


def negative(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """What has no solution is refused: z0 NaN, times that turn back, the far side of a pole, dynamics that turn NaN.

    Statement: S37
    """
    return _refusal(ask.reply(task, rtol), WHY[task.id])


def max_steps(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """A cap on the number of steps that is met is an error, and not an end.

    Statement: S3
    """
    return _refusal(ask.reply(task, rtol, max_steps=LIMITS[task.id]), WHY[task.id])


def _refusal(reply: Reply, why: str) -> list[Comparison]:
    if reply.state in ("refused", "error"):
        return [Comparison(reply.message, 0.0, (), math.nan, math.nan)]
    if reply.state != "answered":
        raise NoAnswer(reply)
    end = float(reply.arrays["z"][-1, 0])
    last = (len(reply.arrays["z"]) - 1, 0)
    return [Comparison(f"an answer where there is none ({why}): z", math.inf if math.isfinite(end) else 0.0, last, end, math.nan)]


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
WHY_CASES = {
    "nan_start": "z0 is not a number",
    "turning_back": "the times 0, 0.5, 0.25 turn back; they must increase, or decrease, throughout",
    "past_the_pole": "z(t) = 1/(1 - t) does not exist from t = 1 on",
    "turns_nan": "z falls to 0 before the end, and f has a root of z",
}

NEGATIVE = {id: vector["negative"] for id, vector in vectors.vectors().items() if vector["negative"]}
WHY = WHY_CASES | {id: question["why"] for id, question in NEGATIVE.items()}
LIMITS = {id: question["max_steps"] for id, question in NEGATIVE.items() if question["kind"] == "max-steps"}
WITHOUT_ANSWER = (*(case.id for case in CASES), *(id for id in NEGATIVE if id not in LIMITS))
TASKS = (*CASES, *(posed(vectors.problem(id)) for id in NEGATIVE))

RELATIONS = [
    Relation("solve.negative", ("S37",), "required", (), negative, on=WITHOUT_ANSWER, applies=lambda task: task.id in WITHOUT_ANSWER),
    Relation("solve.max_steps", ("S3",), "required", ("max_steps",), max_steps, on=tuple(LIMITS), applies=lambda task: task.id in LIMITS),
]
