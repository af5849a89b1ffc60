"""Adams methods of variable order and step size, which predict, evaluate, correct and evaluate (PECE). For equations that are not stiff.

Krogh's modified divided differences, after Hairer, Norsett and Wanner III.5; the choice of order and step size is that of Shampine and Gordon
1975 (their code STEP, which ODE and DEABM share), with three differences: a step never reaches beyond the end of the interval, the error norm
is the house's, and rounding errors are not carried along for tolerances near eps.
Phi_j(n) = prod_{i<j} (t_n - t_{n-1-i}) f[t_n, ..., t_{n-j}] is the j-th backward difference of f where steps are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from refnode.ode.control import Control
from refnode.ode.multistep import MultistepSteps
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats

MAX_ORDER = 12  # of the predictor; the corrector's is higher by 1
GAUSS = np.polynomial.legendre.leggauss(7)  # exact up to degree 13: more than the products that are integrated have


def adams_moulton(count: int) -> np.ndarray:
    """gamma*_0, gamma*_1, ...: sum_{i<=m} gamma*_i / (m + 1 - i) = 0 for m > 0, gamma*_0 = 1. HNW: III.1 (1.12)"""
    gamma = [Fraction(1)]
    for m in range(1, count):
        gamma.append(-sum((g / (m + 1 - i) for i, g in enumerate(gamma)), Fraction(0)))
    return np.array(gamma, float)


GAMMA_STAR = np.abs(adams_moulton(MAX_ORDER + 2))


def integrals(times: np.ndarray, t1: float, theta: np.ndarray) -> np.ndarray:
    """g_j(theta) = int_0^theta prod_{i<j} (t_n + s h - t_{n-i}) / (t1 - t_{n-i}) ds, j = 0, ..., k, h = t1 - t_n.

    times: (k,), t_n and those before. theta: (m,). Returns (m, k + 1). HNW: III.5
    """
    x, weights = GAUSS
    t = times[0] + np.multiply.outer(theta, (1 + x) / 2)[..., None] * (t1 - times[0])
    products = np.ones((len(theta), len(x), len(times) + 1))
    np.cumprod((t - times) / (t1 - times), axis=-1, out=products[..., 1:])
    return theta[:, None] / 2 * (weights @ products)


def growth(times: np.ndarray, t1: float) -> np.ndarray:
    """beta_j = prod_{i<j} (t1 - t_{n-i}) / (t_n - t_{n-1-i}), j = 0, ..., k: by it differences grow when the step does.

    times: (k + 1,), t_n and those before. Returns (k + 1,). HNW: III.5
    """
    return np.concatenate([[1.0], np.cumprod((t1 - times[:-1]) / (times[0] - times[1:]))])


def as_if_equal(times: np.ndarray, t1: float) -> np.ndarray:
    """|gamma*_j| sigma_j, j = 0, ..., k. By it |h Phi_j(n+1)| is the error of order j, had all steps the size of the last; sigma_j brings Phi_j to
    such steps: sigma_j = prod_{i<j} (i + 1) h / (t1 - t_{n-i}), h = t1 - t_n. times: (k,), t_n and those before."""
    k = len(times)
    return GAMMA_STAR[:k + 1] * np.concatenate([[1.0], np.cumprod(np.arange(1, k + 1) * (t1 - times[0]) / (t1 - times))])


@dataclass(slots=True)
class AdamsStep:
    """An accepted step from (t, z) to (t1, z1), flat, of order k.

    times: (k,), t and those before. Phi: (k + 1, n), Phi*_j(n) for j < k and Phi_k(n+1) with f at the predicted state.
    change: (n,), f at z1 minus f at the predicted state.
    """

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    times: np.ndarray
    Phi: np.ndarray
    change: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The states at times (m,) inside the step, as (m, n): z + h sum_j g_j(theta) Phi_j + h theta^2 (theta - 1) change.

        The sum is the integral that the corrector took up to theta = 1. The last term moves neither end; it gives the right slope at t1, where the
        sum has that of the predicted state. So the solution has a continuous derivative.
        """
        h, dtype = self.t1 - self.t, self.z.dtype
        theta = (times - self.t) / h
        z = self.z + h * (integrals(self.times, self.t1, theta).astype(dtype) @ self.Phi
                          + np.multiply.outer((theta**2 * (theta - 1)).astype(dtype), self.change))
        z[times == self.t1] = self.z1
        return z

    def keep(self) -> None:
        """No later step touches these arrays."""


class AdamsSteps(MultistepSteps):
    """Steps of the PECE method: predicted with order k, corrected with order k + 1, two evaluations each.

        p = z + h sum_{j<k} g_j Phi*_j(n),   z1 = p + h g_k Phi_k(n+1),   Phi*_j(n) = beta_j Phi_j(n)
        Phi_0(n+1) = f,   Phi_{j+1}(n+1) = Phi_j(n+1) - Phi*_j(n),   with f at p; and with f at z1 for the next step
        error = h (g_{k-1} - g_k) Phi_k(n+1): that of the corrector of order k, and z1 is better by one order

    At first each step is twice as long as the one before, and its order higher by 1. Later the size is doubled only where the estimate says that
    half the tolerance is kept, and otherwise left as it is: differences of equal steps are what orders are compared by. jac is not used.
    HNW: III.5, III.7
    """

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, jac: Any = None, max_order: int = MAX_ORDER):
        self.Phi, self.times = np.zeros((max_order + 2, z.size), z.dtype), np.zeros(max_order + 1)
        self.memory = [self.Phi, self.times]
        super().__init__(f, z, t, t_end, jumps, stats, max_steps, control, max_order)

    def restart(self, t: float, z: np.ndarray) -> None:
        super().restart(t, z)
        self.starting = True

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        self.Phi[:] = 0
        f(z, t, self.Phi[0])
        return self.Phi[0]

    def _first_size(self, f0: np.ndarray) -> None:
        super()._first_size(f0)
        self.times[:] = self.t - self.sign * self.h * np.arange(len(self.times))  # times before the first, where f counts as constant

    def _step(self) -> AdamsStep:
        self._begin_step()
        t, z, f, control = self.t, self.z, self.f_here, self.control
        self.h, ratio, failures = self._allowed(self.h), 0.0, 0
        f_p, f1 = np.empty_like(z), np.empty_like(z)
        while True:
            t1 = self._end_of_try(self.h, ratio)
            h, k, times = t1 - t, self.k, self.times[:self.k + 1].copy()
            g = integrals(times[:k], t1, np.ones(1))[0].astype(z.dtype)
            Phi = growth(times, t1).astype(z.dtype)[:, None] * self.Phi[:k + 1]  # Phi*_0(n), ..., Phi*_k(n)
            p = z + h * (g[:k] @ Phi[:k])
            summed = np.cumsum(Phi[k - 1::-1], axis=0)[::-1]  # Phi_j(n+1) - Phi_k(n+1), j < k; the smallest terms are added first
            f(p, t1, f_p)
            difference = f_p - summed[0]  # Phi_k(n+1)
            z1 = p + h * g[k] * difference

            scale = control.atol + control.rtol * np.maximum(np.abs(z), np.abs(z1))
            differences = [difference, *(difference + summed[j] for j in range(k - 1, max(k - 3, 0), -1))]  # of the orders k, k - 1, k - 2
            sizes = [abs(h) * control.norm(Phi_j / scale) for Phi_j in differences]
            errors = [weight * size for weight, size in zip(as_if_equal(times[:k], t1)[::-1].tolist(), sizes, strict=False)]
            ratio = float((g[k - 1] - g[k]).real) * sizes[0]
            if ratio < 1:
                f(z1, t1, f1)
            if not math.isfinite(ratio) or (ratio < 1 and not np.all(np.isfinite(f1))):
                ratio = math.nan
            if self._accepts(t1, ratio):
                break
            failures += 1
            self.k, factor = after_rejection(k, errors, failures)
            self.h, self.equal_steps, self.starting = factor * self.h, 0, False

        change = f1 - f_p
        last = difference + change
        self.Phi[k + 1] = last - Phi[k]
        self.Phi[k] = last
        self.Phi[:k] = summed + last
        self.times[1:], self.times[0] = self.times[:-1].copy(), t1
        self.t, self.z = t1, z1
        self.h, self.equal_steps = (abs(h) if t1 == self.stop else self.h), self.equal_steps + 1
        self.starting = self.starting and k < self.max_order and not falls(k, errors)
        if self.starting:
            self.k, factor = k + 1, 2.0
        else:
            known = self.equal_steps > k
            higher = float(GAMMA_STAR[k + 1]) * abs(h) * control.norm(self.Phi[k + 1] / scale) if known else math.nan
            self.k, factor = after_success(k, errors, higher, self.max_order)
        size = self._allowed(factor * self.h)
        self.h, self.equal_steps = size, self.equal_steps if size == self.h else 0
        Phi[k] = difference
        return AdamsStep(t, t1, z, z1, times[:k], Phi, change)

    def progress(self) -> dict[str, Any]:
        return super().progress() | {"starting": self.starting}

    def resume(self, progress: Any) -> None:
        super().resume(progress)
        if self.begun:
            self.starting = bool(progress["starting"])


def falls(k: int, errors: list[float]) -> bool:
    """Whether the orders below k would have done no worse. errors: in units of the tolerance, with the orders k, k - 1 and k - 2, where there are."""
    return max(errors[1:], default=math.inf) <= errors[0] * (0.5 if k == 2 else 1.0)


def after_rejection(k: int, errors: list[float], failures: int) -> tuple[int, float]:
    """The order of the next try, and the factor of its size: half of it, perhaps with a lower order; from the third rejection on order 1, and
    then the size that suits it."""
    if failures < 3:
        return k - falls(k, errors), 0.5
    return 1, math.sqrt(0.5 / errors[0]) if failures > 3 and errors[0] > 2 else 0.5


def after_success(k: int, errors: list[float], higher: float, max_order: int) -> tuple[int, float]:
    """The order of the next step, and the factor of its size.

    higher: the error with the order k + 1; NaN where steps were not equal, and it is not known.
    """
    error = errors[0]
    if falls(k, errors) or (k > 1 and errors[1] <= error and errors[1] <= higher):
        k, error = k - 1, errors[1]
    elif k < max_order and higher < error * (0.5 if k == 1 else 1.0):
        k, error = k + 1, higher
    if error * 2 ** (k + 1) <= 0.5:
        return k, 2.0
    return k, 1.0 if error <= 0.5 else max(0.5, min(0.9, (0.5 / error) ** (1 / (k + 1))))
