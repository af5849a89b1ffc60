"""Relations between solutions: solve.*"""

from __future__ import annotations

import numpy as np

from ..verdicts import Comparison, compare
from . import transforms
from .posed import Posed
from .relation import Ask, Relation


def restart(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """Going on from the computed state at an interior time gives the same end.

    Statement: S3, S15
    """
    middle = len(task.ts) // 2
    whole = ask(task, rtol).arrays["z"]
    rest = task.changed(z0=whole[middle], ts=task.ts[middle:], weights=task.weights[middle:])
    return [compare("z", ask(rest, rtol).arrays["z"][-1], whole[-1], 2 * ask.allowed_value(task, rtol))]


def autonomise(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The time as one more state, with derivative 1, gives the same solution.

    The clock is solved without error, but takes part in the mean of the error norm: D errors of (D + 1)/D the size may pass.

    Statement: S77
    """
    D = task.z0.size
    plain, clocked = ask(task, rtol).arrays["z"], ask(transforms.with_clock(task), rtol).arrays["z"]
    allowed = (1 + ((D + 1) / D) ** 0.5) * ask.allowed_value(task, rtol)
    return [compare("z", clocked[:, :D], plain, allowed), compare("clock", clocked[:, D], task.ts, 1e-9 * (1 + np.abs(task.ts).max()))]


def reverse(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """There and back: from the computed end, the solution over the decreasing grid ends where the first began.

    The error of the way there grows by |Phi(t0, t1)| on the way back, which adds its own.

    Statement: S37, S72
    """
    end = ask(task, rtol).arrays["z"][-1]
    back = ask(transforms.reversed_from(task, end), rtol).arrays["z"][-1]
    there = ask.allowed_value(task, rtol)
    return [compare("z0", back, task.z0, there * task.condition.back * (1 + 1 / task.condition.values))]


RELATIONS = [
    Relation("solve.restart", ("S3", "S15"), "required", (), restart, on=("P30",)),
    Relation("solve.autonomise", ("S77",), "required", (), autonomise, on=("P10", "P30")),
    Relation("solve.reverse", ("S37", "S72"), "required", ("time:backward",), reverse, on=("P30", "P28")),
]
