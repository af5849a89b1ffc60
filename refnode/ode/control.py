"""How large an error is, and what the next step should be: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

SAFETY, MIN_FACTOR, MAX_FACTOR = 0.9, 0.2, 10.0
Norm = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Control:
    """What the caller asks of the steps: rtol and atol with one axis or none, norm of the scaled error."""

    rtol: np.ndarray
    atol: np.ndarray
    norm: Norm
    first_step: float | None
    min_step: float
    max_step: float


def rms(x: np.ndarray) -> float:
    """sqrt(mean |x_i|^2). HNW: II.4 (4.11)"""
    return math.sqrt(np.vdot(x, x).real) / math.sqrt(x.size) if x.size else 0.0


def norm_over(parts: Sequence[slice]) -> Norm:
    """The root mean square within each leaf of the state, the maximum over the leaves."""
    if len(parts) == 1:
        return rms
    return lambda x: float(np.max([rms(x[part]) for part in parts], initial=0.0))  # Python's max would lose a NaN


def max_norm(x: np.ndarray) -> float:
    return float(np.abs(x).max(initial=0.0))


def error_ratio(error: np.ndarray | None, z: np.ndarray, z1: np.ndarray, rtol: float | np.ndarray, atol: float | np.ndarray, norm: Norm) -> float:
    """norm(error / (atol + rtol max(|z|, |z1|))): a step is accepted when this is below 1. HNW: II.4 (4.10)"""
    return norm(error / (atol + rtol * np.maximum(np.abs(z), np.abs(z1))))


def next_step(h: float, ratio: float, q_hat: int, rejected_before: bool) -> tuple[bool, float]:
    """Whether the step is accepted, and the size of the next try: h min(10, max(0.2, 0.9 ratio^(-1/(q_hat + 1)))).

    After a rejection the step does not grow. A ratio that is not a number rejects, and shrinks as far as allowed: NaN is an answer to
    a step that was too long. This is SciPy's controller, constant by constant. Statement: S20. HNW: II.4 (4.13)
    """
    if not ratio < 1:
        return False, h * (max(MIN_FACTOR, SAFETY * ratio ** (-1 / (q_hat + 1))) if math.isfinite(ratio) else MIN_FACTOR)
    factor = MAX_FACTOR if ratio == 0 else min(MAX_FACTOR, SAFETY * ratio ** (-1 / (q_hat + 1)))
    return True, h * (min(1.0, factor) if rejected_before else factor)


def first_guess(z: np.ndarray, f0: np.ndarray, scale: np.ndarray, length: float, norm: Norm) -> tuple[float, float]:
    """A size h0 for an explicit Euler step that changes z by about 1 %, and d1 = |f0| in units of the tolerance.

    HNW: II.4, "starting step size", a) to b)
    """
    d0, d1 = norm(z / scale), norm(f0 / scale)
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    return min(h0, length), d1


def starting_step(h0: float, d1: float, d2: float, q_hat: int, length: float) -> float:
    """The starting step from d2, the size of the second derivative that the Euler step h0 found. HNW: II.4, e) to f)"""
    largest = max(d1, d2)
    h1 = max(1e-6, h0 * 1e-3) if largest <= 1e-15 else (0.01 / largest) ** (1 / (q_hat + 1))
    return min(100 * h0, h1, length)
