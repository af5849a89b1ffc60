"""How an answer is judged: the ratio of its error to the error that it is allowed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

STATES = {
    "pass": "within the allowed error",
    "fail": "outside it, or not finite",
    "error": "an exception, or an answer of the wrong form",
    "crash": "the implementation ended its process, or tried to",
    "timeout": "no answer within the limit of time, or more evaluations of the dynamics than the budget",
    "refused": "the implementation declined to answer",
    "unsupported": "not among its capabilities; never counted as a pass",
    "skipped": "its package is not installed",
    "not-run": "the run ended before, or its process did so too often",
    "harness-broken": "the probe failed: the contract is not kept, or an easy problem is missed by far; nothing more was asked",
}
KAPPA_STEP_END = 10.0
KAPPA_INTERPOLATED = 40.0


@dataclass(frozen=True)
class Comparison:
    """One quantity against its expected value: ratio = error / allowed, and the component where the error is largest."""

    quantity: str
    ratio: float
    index: tuple[int, ...]
    got: float
    expected: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check on one case. ratio is that of the worst comparison, None where nothing was compared."""

    state: str
    ratio: float | None = None
    message: str = ""
    worst: Comparison | None = None


def judge(comparisons: list[Comparison]) -> Verdict:
    """pass iff every ratio is at most 1 (a ratio that is not finite is not)."""
    worst = max(comparisons, key=lambda c: math.inf if math.isnan(c.ratio) else c.ratio)
    state = "pass" if worst.ratio <= 1 else "fail"
    return Verdict(state, worst.ratio, "" if math.isfinite(worst.got) else f"{worst.quantity} is not finite", worst)


def compare(quantity: str, got, expected, allowed: float) -> Comparison:
    """max |got - expected| / allowed over the components; infinite if a component of got is not finite."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    if not got.size:  # no parameters, say: nothing is wrong
        return Comparison(quantity, 0.0, (), 0.0, 0.0)
    error = np.where(np.isfinite(got), np.abs(got - expected), np.inf)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(error), error.shape))
    return Comparison(quantity, float(error[index]) / allowed, index, float(got[index]), float(expected[index]))


def allowed_error(expected, rtol: float, atol: float, gamma: float, kappa: float) -> float:
    """kappa Gamma (atol + rtol max |x|), x the expected values.

    kappa allows for the constant of the method (local errors add up over the steps; interpolants are less accurate than step ends),
    Gamma for the condition of the problem: it is computed from the exact flow, so a problem is never excused by an implementation.
    """
    return kappa * gamma * (atol + rtol * float(np.max(np.abs(expected), initial=0.0)))


def kappa(interpolates: bool) -> float:
    """10 for a method whose answers are step ends, 40 for one that reads an interpolant."""
    return KAPPA_INTERPOLATED if interpolates else KAPPA_STEP_END
