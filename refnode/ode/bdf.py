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
from scipy.sparse import csc_array, issparse

from refnode.ode.control import MAX_FACTOR, MIN_FACTOR, SAFETY, Control, Norm
from refnode.ode.jacobian import Jacobian, Singular, Solve, factorise, shifted
from refnode.ode.multistep import MultistepSteps
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats

MAX_ORDER = 5
NEWTON_ITERATIONS = 4
KAPPA = np.array([0, -0.1850, -1 / 9, -0.0823, -0.0415, 0])  # for each order k; 0 is the classic formula
GAMMA = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, MAX_ORDER + 1))])  # gamma_k = 1 + 1/2 + ... + 1/k
ALPHA = ((1 - KAPPA) * GAMMA).tolist()  # Python's numbers, so that float32 stays
ERROR_CONSTANT = (KAPPA * GAMMA + 1 / np.arange(1, MAX_ORDER + 2)).tolist()  # the local error is this times h^(k+1) times the derivative k + 1


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
        products = np.cumprod(((times - self.t1)[:, None] + i * self.h) / ((i + 1) * self.h), axis=1)
        z = self.D[0] + products.astype(self.z.dtype) @ self.D[1:]
        z[times == self.t], z[times == self.t1] = self.z, self.z1
        return z

    def keep(self) -> None:
        """No later step touches these arrays."""


def newton(f: Evaluate, p: np.ndarray, t1: float, f_p: np.ndarray, c: float, psi: np.ndarray, solve: Solve, scale: np.ndarray, norm: Norm,
           tolerance: float) -> tuple[float, int, np.ndarray, np.ndarray]:
    """d with d + psi = c f(p + d, t1) by the simplified Newton method: (I - c J) delta = c f(p + d) - psi - d, d += delta. f_p: f(p, t1).

    It is over when the remaining error, rate / (1 - rate) |delta|, is below the tolerance, and given up when it will not be so in time.
    Returns (ratio, iterations, p + d, d). ratio: 0: it converged; infinity: it did not; NaN: f was not finite. HNW: IV.8 (8.10), (8.11)
    """
    z1, d, k1, before = p.copy(), np.zeros_like(p), f_p.copy(), math.inf
    for m in range(NEWTON_ITERATIONS):
        if m > 0:
            f(z1, t1, k1)
        if not np.all(np.isfinite(k1)):
            return math.nan, m + 1, z1, d
        delta = solve(c * k1 - psi - d)
        size = norm(delta / scale)
        rate = size / before
        if m > 0 and not (rate < 1 and rate ** (NEWTON_ITERATIONS - m) / (1 - rate) * size <= tolerance):
            break
        z1 += delta
        d += delta
        if size == 0 or (m > 0 and rate / (1 - rate) * size < tolerance):
            return 0.0, m + 1, z1, d
        before = size
    return math.inf, m + 1, z1, d


class BdfSteps(MultistepSteps):
    """Steps of the numerical differentiation formulas of the orders k = 1, ..., 5.

        sum_{j=1..k} nabla^j z1 / j - kappa_k gamma_k d = h f(z1, t1),   d = z1 - p = nabla^(k+1) z1,   p = sum_{j<=k} D_j

    J is evaluated only when Newton's method does not converge, I - c J factorised when h or k changes. A step that Newton's method could not
    find is tried again with half its size. h and k change after k + 1 steps of equal size, to what promises the largest step. The same steps as
    SciPy's BDF, with two evaluations less for each J.
    HNW: III.1
    """

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, jac: Jacobian, max_order: int = MAX_ORDER):
        self.jac = jac
        self.solve: Solve | None = None  # x with (I - c J) x = b, where it is known
        self.D = np.zeros((MAX_ORDER + 3, z.size), z.dtype)
        self.memory = [self.D, *jac.memory]
        eps = float(np.finfo(z.dtype).eps)
        smallest = max(float(np.min(control.rtol)), 100 * eps)
        self.newton_tolerance = max(10 * eps / smallest, min(0.03, smallest**0.5))
        super().__init__(f, z, t, t_end, jumps, stats, max_steps, control, max_order)

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        self.D[:] = 0
        self.D[0] = z
        f(z, t, self.D[1])
        return self.D[1].copy()

    def _first_size(self, f0: np.ndarray) -> None:
        super()._first_size(f0)
        self.D[1] *= self.sign * self.h
        self.J = self.jac(self.z, self._off_jumps(self.t, self.stop), f0)
        self.solve = None

    def _off_jumps(self, t: float, inside: float) -> float:
        """J is asked where f is: on this side of a jump."""
        return math.nextafter(t, inside) if t in self.jumps else t

    def _step(self) -> BdfStep:
        self._begin_step()
        t, z, k, D, control = self.t, self.z, self.k, self.D, self.control
        rtol, atol, norm = control.rtol, control.atol, control.norm
        if self.h != (allowed := self._allowed(self.h)):
            self._resize(allowed / self.h)
        self.fresh, ratio = self.jac.constant, 0.0
        while True:
            t1 = self._end_of_try(self.h, ratio)
            if self.sign * (t + self.sign * self.h - t1) > 0:
                self._resize(abs(t1 - t) / self.h)
                self.solve = None
            h = t1 - t
            self.h = abs(h)
            p = D[:k + 1].sum(axis=0)
            psi = GAMMA[1:k + 1].astype(z.dtype) @ D[1:k + 1] / ALPHA[k]
            ratio, iterations, z1, d = self._correct(t1, p, h / ALPHA[k], psi, atol + rtol * np.abs(p))
            if ratio > 0 or math.isnan(ratio):
                self._accepts(t1, ratio)
                self._resize(0.5)
                self.solve = None
                continue
            scale = atol + rtol * np.abs(z1)
            ratio = norm(ERROR_CONSTANT[k] * d / scale)
            safety = SAFETY * (2 * NEWTON_ITERATIONS + 1) / (2 * NEWTON_ITERATIONS + iterations)
            if self._accepts(t1, ratio):
                break
            self._resize(max(MIN_FACTOR, safety * ratio ** (-1 / (k + 1))))  # the old factors may still do: Newton's method converged with them

        self.t, self.z, self.equal_steps = t1, z1, self.equal_steps + 1
        D[k + 2] = d - D[k + 1]
        D[k + 1] = d
        for i in reversed(range(k + 1)):
            D[i] += D[i + 1]
        if self.equal_steps > k:
            self._choose(ratio, safety, scale)
        return BdfStep(t, t1, z, z1, self.sign * self.h, D[:self.k + 1].copy())

    def _correct(self, t1: float, p: np.ndarray, c: float, psi: np.ndarray, scale: np.ndarray) -> tuple[float, int, np.ndarray, np.ndarray]:
        """What `newton` returns; where it does not converge with an old J, it gets a new one."""
        f_p = np.empty_like(p)
        self.f_here(p, t1, f_p)
        while True:
            try:
                solve = self.solve or self._factorise(c)
                found = newton(self.f_here, p, t1, f_p, c, psi, solve, scale, self.control.norm, self.newton_tolerance)
            except Singular:
                found = math.inf, 0, p, p
                if self.fresh:
                    self.fresh = self.jac.constant  # J itself may be bad, and the next try is closer by
                    return found
            if found[0] != math.inf or self.fresh:
                return found
            self.J = self.jac(p, self._off_jumps(t1, self.t), f_p)
            self.solve, self.fresh = None, True

    def _factorise(self, c: float) -> Solve:
        lu = factorise(shifted(self.J, 1 / c), self.jac.stats)
        self.c, self.solve = c, lambda b: lu(b / c)
        return self.solve

    def _resize(self, factor: float) -> None:
        """Go on with steps of factor h; `solve` stays that of the steps before."""
        self.D[:self.k + 1] = with_step(self.D[:self.k + 1], factor)
        self.h *= factor
        self.equal_steps = 0

    def _choose(self, ratio: float, safety: float, scale: np.ndarray) -> None:
        """The order k - 1, k or k + 1 that promises the largest next step, and its size. ratio: of the error of this step, which has order k."""
        k, D, norm = self.k, self.D, self.control.norm
        lower = norm(ERROR_CONSTANT[k - 1] * D[k] / scale) if k > 1 else math.inf
        higher = norm(ERROR_CONSTANT[k + 1] * D[k + 2] / scale) if k < self.max_order else math.inf
        factors = [r ** (-1 / q) if r > 0 else math.inf for r, q in ((lower, k), (ratio, k + 1), (higher, k + 2))]
        best = max(range(3), key=factors.__getitem__)
        self.k = k + best - 1
        self._resize(min(MAX_FACTOR, safety * factors[best]))
        self.solve = None

    def progress(self) -> dict[str, Any]:
        found = super().progress() | {"c": math.nan}
        if not self.begun:
            return found
        if self.solve is not None:
            found["c"] = self.c
        if not issparse(self.J):
            return found | {"J": self.J}
        return found | {"J_data": self.J.data, "J_indices": self.J.indices, "J_indptr": self.J.indptr}

    def resume(self, progress: Any) -> None:
        super().resume(progress)
        if not self.begun:
            return
        n = self.z.size
        if "J" in progress:
            self.J = np.array(progress["J"])
        else:
            self.J = csc_array(tuple(np.array(progress[f"J_{part}"]) for part in ("data", "indices", "indptr")), (n, n))
        self.solve = None
        if not math.isnan(progress["c"]):
            self._factorise(float(progress["c"]))
            self.jac.stats.nlu -= 1  # it was counted when it was needed
