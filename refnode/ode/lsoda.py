"""Adams methods where the equation is not stiff, BDF where it is, and the way from one to the other. After Petzold 1983 (LSODA): what counts is
the size of the steps that each of them could take.

Adams' steps become short where stability limits them. Whether that is so is seen in the solution itself: BDF has no such limit, and one of its
formulas with steps RATIO times as long either fits the states of the last steps within the tolerance, or it does not. Back again it goes where
BDF's steps have become so short, h rho(J) < STABLE, that Adams' methods are stable with them; at equal steps and orders they are more accurate.
(LSODA asks for the advantage from its scaled derivatives, and for ||J|| in place of rho(J).)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refnode.ode.adams import AdamsStep, AdamsSteps
from refnode.ode.bdf import ERROR_CONSTANT, MAX_ORDER, BdfStep, BdfSteps
from refnode.ode.control import SAFETY, Control
from refnode.ode.jacobian import Jacobian, Matrix
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import Steps

RATIO = 3  # BDF's step over Adams' for which it is worth while to switch
STABLE = 0.5  # h rho(J) with which PECE methods are stable
LOOK = 5  # Adams' steps between two looks at the past
PAST = RATIO * (MAX_ORDER + 1) + 1  # states that are kept
STAY = 20  # BDF steps before the way back is thought of
POWERS = 30


def formula(times: np.ndarray, z: np.ndarray, H: float, scale: np.ndarray, norm: Any) -> tuple[float, int, np.ndarray]:
    """The BDF formula whose error at the last of the states would have been the smallest, with steps of at least H: (factor, order, D).

    times: (m,), z: (m, n). factor: by which H could be larger still. D: (order + 1, n), the backward differences of the polynomial through
    the states that were used, for steps H. Order 0: no formula, the states do not reach back so far.
    """
    distance = np.abs(times - times[-1])
    best = (0.0, 0, z[-1:])
    chosen = [len(times) - 1]
    for q in range(1, MAX_ORDER + 1):
        for j in range(len(chosen), q + 2):
            at = np.flatnonzero(distance[:chosen[-1]] >= j * H * (1 - 1e-6))
            if not len(at):
                return best
            chosen.append(int(at[-1]))
        d = z[-1] - lagrange(times[chosen[1:]], times[-1:])[0] @ z[chosen[1:]]
        ratio = ERROR_CONSTANT[q] * norm(d / scale)
        factor = SAFETY * ratio ** (-1 / (q + 1)) if ratio > 0 else math.inf
        if factor > best[0]:
            sign = np.sign(times[-1] - times[0])
            at = lagrange(times[chosen[:-1]], times[-1] - sign * H * np.arange(q + 1)) @ z[chosen[:-1]]
            best = factor, q, differences(at)
    return best


def lagrange(nodes: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The polynomials that are 1 at one node and 0 at the others, at the times t: (times, nodes)."""
    others = ~np.eye(len(nodes), dtype=bool)
    quotients = (t[:, None, None] - nodes) / np.where(others, nodes[:, None] - nodes, 1.0)
    return np.prod(quotients, axis=2, where=others)


def differences(x: np.ndarray) -> np.ndarray:
    """x_0, nabla x_0, nabla^2 x_0, ... of x_0, x_-1, x_-2, ..."""
    D = x.copy()
    for j in range(1, len(D)):
        D[j:] = D[j - 1:-1] - D[j:]
    return D


def spectral_radius(J: Matrix) -> float:
    """|J^m v|^(1/m) for large m."""
    v = np.cos(np.arange(J.shape[0])).astype(J.dtype)
    log = 0.0
    for _ in range(POWERS):
        size = float(np.linalg.norm(v))
        if size == 0:
            return 0.0
        v = J @ (v / size)
        log += math.log(size)
    return float(np.linalg.norm(v))


class LsodaSteps(Steps):
    error_order = AdamsSteps.error_order
    memory: list[np.ndarray] = []

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, jac: Jacobian):
        self.adams = AdamsSteps(f, z, t, t_end, jumps, stats, max_steps, control)
        self.bdf = BdfSteps(f, z, t, t_end, jumps, stats, max_steps, control, jac)
        self.now: AdamsSteps | BdfSteps = self.adams
        self.control = control
        self.switches = [(t, "adams")]
        super().__init__(f, self, z, t, t_end, jumps, stats, max_steps)

    def restart(self, t, z):
        self.now.restart(t, z)
        self.t, self.z = t, z
        self.forget()

    def forget(self):
        self.past, self.count = [(self.t, self.z)], 0

    def _step(self):
        now = self.now
        now.attempts, now.left = self.attempts, self.left
        try:
            step = next(now)
        finally:
            self.left = now.left
        self.t, self.z = now.t, now.z
        if self.t == now.stop:
            self.forget()
            return step
        self.count += 1
        if now is self.adams:
            self.past = [*self.past[1 - PAST:], (self.t, self.z)]
            if self.count % LOOK == 0:
                self._is_stiff()
        elif self.count >= STAY:
            self._is_not_stiff()
        return step

    def _is_stiff(self):
        H = RATIO * self.adams.h
        if H > self.control.max_step:
            return
        times, z = np.array([t for t, _ in self.past]), np.array([z for _, z in self.past])
        scale = self.control.atol + self.control.rtol * np.abs(self.z)
        factor, q, D = formula(times, z, H, scale, self.control.norm)
        if factor < 1:
            return
        bdf = self.bdf
        bdf.left = self.left
        bdf.restart(self.t, self.z)
        bdf.h = H
        bdf._begin_step()
        bdf.D[:q + 1], bdf.k = D, q
        bdf.D[0] = self.z
        self._to(bdf, "bdf")

    def _is_not_stiff(self):
        bdf, adams = self.bdf, self.adams
        h, rho = bdf.h, spectral_radius(bdf.J)
        if h * rho > STABLE:
            return
        k = bdf.k
        adams.left = self.left
        adams.restart(self.t, self.z)
        adams.h = h
        adams._begin_step()
        i = np.arange(k)
        step = BdfStep(self.t - self.sign * h, self.t, self.z, self.z, self.sign * h, bdf.D[:k + 1])
        # p'(t - i h) h
        slopes = np.zeros((k, self.z.size), self.z.dtype)
        # nabla^j z -> derivative via Newton's backward form
        for m in range(k):
            for j in range(1, k + 1):
                # d/ds prod_{i<j} (s+i)/(i+1) at s=-m
                poly = np.poly(-np.arange(j)) / math.factorial(j)
                slopes[m] += np.polyval(np.polyder(poly), -m) * bdf.D[j]
        slopes *= self.sign / h
        slopes[0] = adams.Phi[0]
        adams.Phi[:k] = differences(slopes)
        adams.k, adams.starting = k, False
        self._to(adams, "adams")

    def _to(self, method, name):
        self.now = method
        self.switches.append((self.t, name))
        self.forget()
