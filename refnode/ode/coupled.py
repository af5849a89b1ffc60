"""Any explicit Runge-Kutta method made reversible: two states that take turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from refnode.ode.runge_kutta import Evaluate, RungeKuttaStep, fill_stages, rk_step
from refnode.ode.tableau import Tableau


class Coupled:
    """The coupling of McCallum and Foster: the pair (z, w), where w starts as z, and Phi_h(w, t) is a step of the explicit method from w, t to t + h.

        z1 = Phi_h(w, t) + lam (z - w),   w1 = w + z1 - Phi_{-h}(z1, t1);    back: w = w1 - z1 + Phi_{-h}(z1, t1),  z = w + (z1 - Phi_h(w, t)) / lam

    Of the method's order p. On z' = mu z a step multiplies a solution near e^{mu t} (1, 1) by e^{mu h}, and a parasitic one, which is z - w, by
    lam e^{-mu h}, both up to O(h^{p+1}): where f contracts, the pair comes apart as fast. lam in (0, 1] damps that, and multiplies rounding errors by
    1 / lam where the step is taken back. Here lam = e^{-rate |h|}: both are then bound to time and not to the number of steps.
    error: twice that of Phi_h(w, t), since the other half of the step makes one as large; NaN where w1 is not finite. It does not see z - w.
    A step evaluates f as often as two of the method. McCallum, Foster 2024 (arXiv 2410.11648)
    Deviation: their lam is one number for all steps; with one, n steps damp by lam^n.
    Statement: E7
    """

    def __init__(self, tableau: Tableau, z: np.ndarray, rate: float):
        self.p, self.error_order, self.rate = tableau.p, tableau.error_order, rate
        self.method = tableau.cast(z.dtype)
        needed = max(i for i, b in enumerate(tableau.b) if b) + 1  # dopri5's last stage serves its estimate and its interpolant alone
        self.K, self.K_back = np.empty((len(tableau.b), z.size), z.dtype), np.empty((needed, z.size), z.dtype)
        self.w, self.w1 = np.empty_like(z), np.empty_like(z)
        self.memory = [self.w1]

    def lam(self, h: float) -> float:
        return math.exp(-self.rate * abs(h))

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        self.w[:] = z
        f(z, t, self.K[0])
        return self.K[0]

    def try_step(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray | None]:
        z1, error = rk_step(f, self.w, t, t1, self.K, self.method)
        z1 += self.lam(t1 - t) * (z - self.w)
        h, K = np.array(t - t1, z.dtype), self.K_back
        f(z1, t1, K[0])
        fill_stages(f, z1, t1, t, h, K, self.method, 1)
        self.w1[:] = self.w - h * self.method.b[:len(K)].dot(K)
        return z1, None if error is None else 2 * error + 0 * self.w1

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> CoupledStep:
        return CoupledStep(t, t1, z, z1, RungeKuttaStep(t, t1, self.w, z1, self.K, self.method, f), self.lam(t1 - t))

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        self.w[:] = self.w1
        f(self.w, t, self.K[0])


@dataclass(slots=True)
class CoupledStep:
    """An accepted step from (t, z) to (t1, z1): the method's interpolant from w on, and what is left of z - w, which is lam (z - w) at its end."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    partner: RungeKuttaStep
    lam: float

    def __call__(self, times: np.ndarray) -> np.ndarray:
        x = ((times - self.t) / (self.t1 - self.t))[:, None]
        found = self.partner(times) + (1 - (1 - self.lam) * x) * (self.z - self.partner.z)
        found[times == self.t1] = self.z1
        return found.astype(self.z.dtype, copy=False)
