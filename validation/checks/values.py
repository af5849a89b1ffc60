"""Checks of solutions: solve.*"""

from __future__ import annotations

from ..verdicts import Comparison, compare
from .registry import Answer, check


def value(answer: Answer) -> list[Comparison]:
    """The solution equals the closed form at every output time.

    Statement: S3, S6
    """
    expected = answer.task.values
    return [compare("z", answer.arrays["z"], expected, answer.allowed_value(expected))]


def output_times(answer: Answer) -> list[Comparison]:
    """More output times, at random places, leave the solution as accurate as it was.

    Statement: S16
    """
    return value(answer)


def restart(answer: Answer) -> list[Comparison]:
    """Going on from the computed state at an interior time gives the same end: Phi(t2, t0) = Phi(t2, t1) Phi(t1, t0).

    Compared with the implementation's own uninterrupted solve; both are allowed their error, hence the factor 2.

    Statement: S3, S15
    """
    assert answer.main is not None
    uninterrupted = answer.main.arrays["z"][-1]
    allowed = 2 * answer.main.allowed_value(answer.main.task.values)
    return [compare("z", answer.arrays["z"][-1], uninterrupted, allowed)]


def tolerance(answers: list[Answer]) -> list[Comparison]:
    """The error falls with the tolerance.

    From the loosest tolerance to the tightest, the error must fall at least like the square root of the tolerance (an order-p method with
    error per step control falls like the power 1, S23), or be below a tenth of what the tightest tolerance allows: an error that is
    already small need not fall further.

    Statement: S3
    """
    return falls(answers, "z", [answer.task.values for answer in answers], answers[-1].allowed_value(answers[-1].task.values))


def calls(answer: Answer) -> list[Comparison]:
    """The number of evaluations that is reported is the number of calls that were made.

    Statement: S5
    """
    return [compare("nfe", answer.stats.get("nfe", float("nan")), answer.calls, 1.0)]


def falls(answers: list[Answer], key: str, expected: list, allowed: float) -> list[Comparison]:
    """The error of arrays[key] at the tightest tolerance against the larger of error(loosest) sqrt(rtol ratio) and allowed/10."""
    loose, tight = answers[0], answers[-1]
    error = compare(key, loose.arrays[key], expected[0], 1.0).ratio
    limit = max(error * (tight.rtol / loose.rtol) ** 0.5, allowed / 10)
    return [compare(key, tight.arrays[key], expected[-1], limit)]


BOTH = ("forward", "reversed")

CHECKS = [
    check("solve.value", value, "S3 S6"),
    check("solve.reversed", value, "S3", directions=("reversed",)),
    check("solve.tolerance", tolerance, "S3", level="recommended", directions=BOTH, every_rtol=True),
    check("solve.output_times", output_times, "S16", part="dense", directions=BOTH),
    check("solve.flow", restart, "S3 S15", part="restart", directions=BOTH),
    check("solve.calls", calls, "S5", level="recommended", part="dense", directions=BOTH, needs=("stats:nfe",)),
]
