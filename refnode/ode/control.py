"""How large an error is, and what the next step should be: numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

SAFETY, MIN_FACTOR, MAX_FACTOR = 0.9, 0.2, 10.0
SMALLEST_RATIO = 1e-4  # of an earlier step, as the PI and PID controllers see it
CONTROLLERS = {"I": (1.0,), "PI": (0.85, -0.2), "PID": (0.58, -0.21, 0.1)}  # the exponents of `next_step`
Norm = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Control:
    """What the caller asks of the steps: rtol and atol with one axis or none, norm of the scaled error, exponents of the controller."""

    rtol: np.ndarray
    atol: np.ndarray
    norm: Norm
    first_step: float | None
    min_step: float
    max_step: float
    exponents: tuple[float, ...] = CONTROLLERS["I"]

    def __post_init__(self) -> None:
        """Where z stays 0 and atol is 0, an error of 0 is none."""
        atol = np.asarray(self.atol)
        object.__setattr__(self, "atol", np.maximum(atol, np.finfo(atol.dtype).tiny))


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


def error_ratio(error: np.ndarray, z: np.ndarray, z1: np.ndarray, rtol: float | np.ndarray, atol: float | np.ndarray, norm: Norm) -> float:
    """r = norm(error / (atol + rtol max(|z|, |z1|))): a step is accepted when this is below 1. HNW: II.4 (4.10)

    Two rows of error, e_hat and e_check of a lower order, are weighed as r = r_hat^2 / sqrt(r_hat^2 + r_check^2 / 100). HNW: II.10 (10.17)
    """
    scale = atol + rtol * np.maximum(np.abs(z), np.abs(z1))
    if error.ndim == 1:
        return norm(error / scale)
    r_hat, r_check = norm(error[0] / scale), norm(error[1] / scale)
    return 0.0 if r_hat == 0 else r_hat * (r_hat / math.hypot(r_hat, 0.1 * r_check))


def next_step(h: float, ratio: float, k: int, rejected_before: bool, exponents: Sequence[float] = CONTROLLERS["I"],
              earlier: Sequence[float] = ()) -> tuple[bool, float]:
    """Whether the step is accepted, and the size of the next try: h min(10, max(0.2, 0.9 r_n^(-b_1/k) r_{n-1}^(-b_2/k) r_{n-2}^(-b_3/k))).

    r_n: the error ratio of this step, which is O(h^k); r_{n-1}, r_{n-2}: those of the accepted steps before, the last one first (1 at the
    start). The exponents b of "I": 1, SciPy's controller constant by constant. "PI" (Gustafsson 1991): 0.85, -0.2, which for k = 5 are
    Hairer's 0.17 and -0.04; it damps the sequence of step sizes where stability limits them, HNW II.4 and IV.2. "PID": 0.58, -0.21, 0.1, of
    Kennedy and Carpenter 2003; Soederlind 2003 treats such controllers as digital filters.
    After a rejection the step does not grow, and a rejected step shrinks by the first factor alone. A ratio that is not a number rejects, and
    shrinks as far as allowed: NaN is an answer to a step that was too long. Statement: S20. HNW: II.4 (4.13)
    """
    if not ratio < 1:
        return False, h * (max(MIN_FACTOR, SAFETY * ratio ** (-1 / k)) if math.isfinite(ratio) else MIN_FACTOR)
    factor = math.inf if ratio == 0 else SAFETY * ratio ** (-exponents[0] / k)
    for b, r in zip(exponents[1:], earlier, strict=False):
        factor *= max(r, SMALLEST_RATIO) ** (-b / k)
    factor = min(MAX_FACTOR, max(MIN_FACTOR, factor))
    return True, h * (min(1.0, factor) if rejected_before else factor)


def first_guess(z: np.ndarray, f0: np.ndarray, scale: np.ndarray, length: float, norm: Norm) -> tuple[float, float]:
    """A size h0 for an explicit Euler step that changes z by about 1 %, and d1 = |f0| in units of the tolerance.

    HNW: II.4, "starting step size", a) to b)
    """
    d0, d1 = norm(z / scale), norm(f0 / scale)
    h0 = 1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1
    return min(h0, length), d1


def starting_step(h0: float, d1: float, d2: float, k: int, length: float) -> float:
    """The starting step from d2, the size of the second derivative that the Euler step h0 found. HNW: II.4, e) to f)"""
    largest = max(d1, d2)
    h1 = max(1e-6, h0 * 1e-3) if largest <= 1e-15 else (0.01 / largest) ** (1 / k)
    return min(100 * h0, h1, length)
