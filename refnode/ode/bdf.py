"""Backward differentiation formulas of variable order, on equal steps whose size changes now and then. For stiff equations.

The method of Shampine and Reichelt 1997 (The MATLAB ODE Suite): the numerical differentiation formulas of Klopfenstein, with backward
differences D_j = nabla^j z that are carried over to another step size by interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.ode.control import MAX_FACTOR, MIN_FACTOR, SAFETY, Control, Norm
from refnode.ode.jacobian import Jacobian, Singular, Solve, factorise, shifted
from refnode.ode.multistep import MultistepSteps
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats

MAX_ORDER = 5
NEWTON_ITERATIONS = 4
KAPPA = np.array([0, -0.1850, -1 / 9, -0.0823, -0.0415, 0])  # for each order k; 0 is the classic formula
GAMMA = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, MAX_ORDER + 1))])  # gamma_k = 1 + 1/2 + ... + 1/k
ALPHA = (1 - KAPPA) * GAMMA
ERROR_CONSTANT = KAPPA * GAMMA + 1 / np.arange(1, MAX_ORDER + 2)  # the local error is this times h^(k+1) z^(k+1)


def with_step(D: np.ndarray, factor: float) -> np.ndarray:
    """The backward differences for the step size factor h, of the polynomial of degree k whose differences for h are D. D: (k + 1, n).

        z(t1 - j factor h) = sum_i prod_{m<i} (m - j factor) / (m + 1) D_i,   D_j = sum_i (-1)^i binomial(j, i) z(t1 - i factor h)
    """
    return _newton(len(D), 1.0).T @ (_newton(len(D), factor).T @ D)


def _newton(size: int, factor: float) -> np.ndarray:
    """prod_{m<i} (m - j factor) / (m + 1), in row i and column j. With the factor 1: (-1)^i binomial(j, i)."""
    m = np.arange(size - 1)[:, None]
    return np.cumprod(np.concatenate([np.ones((1, size)), (m - np.arange(size) * factor) / (m + 1)]), axis=0)


@dataclass(slots=True)
class BdfStep:
    """An accepted step from (t, z) to (t1, z1), flat; D: (k + 1, n), backward differences at t1 for steps of size h (signed)."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    h: float
    D: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The states at times (m,) inside the step, as (m, n): the polynomial of degree k, sum_j prod_{i<j} (t - t1 + i h) / ((i + 1) h) D_j."""
        i = np.arange(len(self.D) - 1)
        products = np.cumprod((np.subtract.outer(times, self.t1) [:, None] + i * self.h) / ((i + 1) * self.h), axis=1)
        z = self.D[0] + products.astype(self.z.dtype) @ self.D[1:]
        z[times == self.t], z[times == self.t1] = self.z, self.z1
        return z

    def keep(self) -> None:
        """No later step touches these arrays."""


def newton(f: Evaluate, z: np.ndarray, t1: float, c: float, psi: np.ndarray, solve: Solve, scale: np.ndarray, norm: Norm,
           tolerance: float) -> tuple[float, int, np.ndarray, np.ndarray]:
    """d with d + psi = c f(z + d, t1) by the simplified Newton method: (I - c J) delta = c f(z + d) - psi - d, d += delta.

    It is over when the remaining error, rate / (1 - rate) |delta|, is below the tolerance, and given up when it will not be so in time.
    Returns (ratio, iterations, z + d, d). ratio: 0: it converged; infinity: it did not; NaN: f was not finite. HNW: IV.8 (8.10), (8.11)
    """
    d, k1, before = np.zeros_like(z), np.empty_like(z), 0.0
    z1 = z.copy()
    for m in range(NEWTON_ITERATIONS):
        f(z1, t1, k1)
        if not np.all(np.isfinite(k1)):
            return math.nan, m + 1, z1, d
        delta = solve(c * k1 - psi - d)
        size = norm(delta / scale)
        rate = size / before if m else None
        if rate is not None and not (rate < 1 and rate ** (NEWTON_ITERATIONS - m) / (1 - rate) * size <= tolerance):
            break
        z1 += delta
        d += delta
        if size == 0 or (rate is not None and rate / (1 - rate) * size < tolerance):
            return 0.0, m + 1, z1, d
        before = size
    return math.inf, m + 1, z1, d


class BdfSteps(MultistepSteps):
    """Steps of the numerical differentiation formulas of the orders k = 1, ..., 5.

        sum_{j=1..k} nabla^j z1 / j - kappa_k gamma_k d = h f(z1, t1),   d = z1 - p = nabla^(k+1) z1,   p = sum_{j<=k} D_j

    J is evaluated only when Newton's method does not converge, I - c J factorised when h or k changes. A step that Newton's method could not
    find is tried again with half its size. h and k change after k + 1 steps of equal size, to what promises the largest step.
    """

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, jac: Jacobian, max_order: int = MAX_ORDER):
        self.D = np.zeros((MAX_ORDER + 3, z.size), z.dtype)
        self.memory = [self.D, *jac.memory]
        eps = float(np.finfo(z.dtype).eps)
        smallest = max(float(np.min(control.rtol)), 100 * eps)
        self.newton_tolerance = max(10 * eps / smallest, min(0.03, smallest**0.5))
        super().__init__(f, z, t, t_end, jumps, stats, max_steps, control, jac, max_order)
