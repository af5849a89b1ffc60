"""One step of an explicit Runge-Kutta method, and its continuation to the inside of the step.

The stages are the rows of K, so that each formula is one product of a row of coefficients with K.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refnode.ode.tableaus import Coefficients


def rk_step(f: Callable[[np.ndarray, float, np.ndarray], None], z: np.ndarray, t: float, t1: float, K: np.ndarray,
            method: Coefficients) -> tuple[np.ndarray, np.ndarray | None]:
    """z(t1), and the estimate of its error (None without an embedded formula).

        Y_i = z + h sum_{j<i} A[i, j] k_j,   k_i = f(Y_i, t + c_i h),   h = t1 - t
        z1 = z + h sum_i b_i k_i,            error = h sum_i (b_i - b_hat_i) k_i

    z: (n,). K: (s, n), whose row 0 holds f(z, t) on entry and whose other rows are filled. f writes its value into its third argument.
    Statement: S2. HNW: II.1 (1.8), II.4 (4.4)
    """
    length = t1 - t
    h = np.array(length, method.b.dtype)  # NumPy multiplies by an array without axes twice as fast as by a float
    for i in range(1, len(K)):
        c = method.c[i]
        f(z + h * method.A[i].dot(K[:i]), t1 if c == 1 else t + c * length, K[i])  # t + h may miss t1 by a rounding error
    z1 = z + h * method.b.dot(K)
    return z1, None if method.e is None else h * method.e.dot(K)


def interpolate(z: np.ndarray, h: float, K: np.ndarray, method: Coefficients, theta: np.ndarray) -> np.ndarray:
    """z(t + theta h) = z + h sum_i b_i(theta) k_i for 0 <= theta <= 1. theta: (m,). Returns (m, n).

    HNW: II.6 (6.1)
    """
    exponents = np.arange(1, method.P.shape[1] + 1, dtype=method.P.dtype)
    b = np.power.outer(theta.astype(method.P.dtype), exponents) @ method.P.T
    return z + h * (b @ K)


@dataclass(slots=True)
class Step:
    """An accepted step from (t, z) to (t1, z1), flat, with its stages K: all that the interpolant needs."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    K: np.ndarray
    method: Coefficients

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The states at times (m,) inside the step, as (m, n); at its ends the states themselves."""
        h = self.t1 - self.t
        z = interpolate(self.z, h, self.K, self.method, (times - self.t) / h)
        z[times == self.t1] = self.z1
        return z
