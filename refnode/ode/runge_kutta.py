"""One step of an explicit Runge-Kutta method, and its continuation to the inside of the step.

The stages are the rows of K, so that each formula is one product of a row of coefficients with K.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refnode.ode.tableaus import Coefficients


def rk_step(f: Callable[[np.ndarray, float, np.ndarray], None], z: np.ndarray, t: float, t1: float, K: np.ndarray,
            method: Coefficients) -> tuple[np.ndarray, np.ndarray | None]:
    """z(t1), and the estimate of its error (None without an embedded formula).

        Y_i = z + h sum_{j<i} A[i, j] k_j,   k_i = f(Y_i, t + c_i h),   h = t1 - t
        z1 = z + h sum_i b_i k_i,            error = h sum_i (b_i - b_hat_i) k_i

    z: (n,). K: (s, n), whose row 0 holds f(z, t) on entry and whose other rows are filled. f writes its value into its third argument.
    HNW: II.1 (1.8), II.4 (4.4)
    """
    h = t1 - t
    for i in range(1, len(K)):
        c = method.c[i]
        f(z + h * (method.A[i] @ K[:i]), t1 if c == 1 else t + c * h, K[i])  # t + h may miss t1 by a rounding error
    z1 = z + h * (method.b @ K)
    return z1, None if method.e is None else h * (method.e @ K)


def interpolate(z: np.ndarray, h: float, K: np.ndarray, method: Coefficients, theta: float | np.ndarray) -> np.ndarray:
    """z(t + theta h) for 0 <= theta <= 1: z + h sum_i b_i(theta) k_i. theta a number: (n,); of shape (m,): (m, n).

    HNW: II.6 (6.1)
    """
    powers = np.multiply.outer(np.asarray(theta, method.P.dtype), np.ones(method.P.shape[1], method.P.dtype)).cumprod(axis=-1)
    return z + h * (powers @ method.P.T @ K)
