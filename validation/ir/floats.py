"""The algebra of floats: Python's numbers with math, and NumPy arrays, element by element.

    evaluate(dynamics, FLOATS, z, t, theta)      floats; math raises where there is no finite value, as for exp(1000) or log(0)
    evaluate(dynamics, ARRAYS, z, t, theta)      z[i], t, theta[j] numbers or arrays that broadcast; inf and nan as in NumPy
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .dynamics import Algebra


def softplus(x: float) -> float:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|): the exponential never overflows, and nothing cancels."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    """1/(1 + e^-x), for negative x as e^x/(1 + e^x)."""
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def complex_softplus(x: Any) -> Any:
    """log(1 + e^x) of complex numbers or arrays, analytic near the real axis: for Re x > 0 as x + log(1 + e^-x).

    log(1 + w) is log1p(|1 + w|^2 - 1)/2 + i arg(1 + w), since the real part of NumPy's complex log1p has not the digits of a small w.
    """
    right = np.real(x) > 0
    w = np.exp(np.where(right, -x, x))
    return np.where(right, x, 0) + np.log1p(w.real * (2 + w.real) + w.imag**2) / 2 + 1j * np.arctan2(w.imag, 1 + w.real)


FLOATS: Algebra = {
    "constant": float,
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "relu": lambda x: max(x, 0.0),
}

ARRAYS: Algebra = {
    "constant": float,
    "div": np.divide,  # Python's division of two constants would raise at 0
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "softplus": lambda x: np.logaddexp(x, 0.0),
    "sigmoid": lambda x: np.exp(-np.logaddexp(-x, 0.0)),
    "relu": lambda x: np.maximum(x, 0.0),
}
