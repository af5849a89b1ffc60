"""ESDIRK methods at work: one implicit equation after the other, all with the same matrix. Their data: `esdirk_tableaus`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from refnode.ode.control import Control
from refnode.ode.esdirk_tableaus import EsdirkTableau, implicit_euler, kvaerno3, kvaerno5
from refnode.ode.implicit import ImplicitMethod, ImplicitSteps
from refnode.ode.jacobian import Jacobian, Solve, factorise, shifted
from refnode.ode.runge_kutta import Evaluate, RungeKuttaStep
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import Step


class Esdirk(ImplicitMethod):
    """An ESDIRK method at work: one equation for each stage, Y = base + w with w = h gamma k, base = z + h sum_{j<i} A[i, j] k_j:

        (I / (h gamma) - J) dw = f(base + w) - w / (h gamma)

    k is then w / (h gamma), which has not the error of w multiplied by a large J, as f(Y) would have it. K: (s, n), as in `rk_step`.
    """

    def __init__(self, tableau: EsdirkTableau, z: np.ndarray, jac: Jacobian, control: Control | None):
        super().__init__(z, jac, control)
        self.p, self.error_order, self.gamma = tableau.p, tableau.error_order, float(tableau.gamma)
        self.method = tableau.cast(z.dtype)
        self.e = np.asarray(self.method.e)
        self.predictor = [np.array([float(x) for x in row], self.method.b.dtype) for row in tableau.predictor]
        self.K = np.empty((len(self.method.b), z.size), z.dtype)
        self.memory.append(self.K[-1])

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        self.forget()
        f(z, t, self.K[0])
        return self.K[0]

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        super().go_on(f, z, t)
        self.K[0] = self.K[-1]

    def slope(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        """Evaluated anew, where differences are taken: they are smaller than the error that Newton's method left in K."""
        if not self.jac.memory:
            return self.K[0]
        slope = np.empty_like(z)
        f(z, t, slope)
        return slope

    def factorised(self, h: float, stats: SolveStats) -> tuple[Solve, ...]:
        return (factorise(shifted(self.J, 1 / (h * self.gamma)), stats),)

    def solved(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        A, c, K, (solve,) = self.method.A, self.method.c, self.K, self.factors
        h = t1 - t
        x = 1 / (h * self.gamma)
        size = self.size(z, h, K[0])
        slope = np.empty_like(z)
        self.iterations, self.rate = 0, 0.0
        for i in range(1, len(K)):
            base = z + h * A[i][:-1].dot(K[:i])
            time = t1 if c[i] == 1 else t + c[i] * h

            def increment(w: np.ndarray, base: np.ndarray = base, time: float = time) -> np.ndarray:
                f(base + w, time, slope)
                return solve(slope - x * w)

            w = self.predictor[i].dot(K[:i]) / x
            iterations, rate = self.solve_for(increment, w, z, size)
            self.iterations, self.rate = max(self.iterations, iterations), max(self.rate, rate)
            K[i] = x * w
        return base + w, h * self.e.dot(K)

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> Step:
        return RungeKuttaStep(t, t1, z, z1, self.K, self.method, f)


class EsdirkSteps(ImplicitSteps):
    """Adaptive steps of an ESDIRK method."""

    tableau: ClassVar[EsdirkTableau]

    @classmethod
    def at_work(cls, z: np.ndarray, jac: Jacobian, control: Control | None) -> Esdirk:
        return Esdirk(cls.tableau, z, jac, control)


class ImplicitEulerSteps(EsdirkSteps):
    tableau = implicit_euler
    p, error_order = implicit_euler.p, implicit_euler.error_order


class Kvaerno3Steps(EsdirkSteps):
    tableau = kvaerno3
    p, error_order = kvaerno3.p, kvaerno3.error_order


class Kvaerno5Steps(EsdirkSteps):
    tableau = kvaerno5
    p, error_order = kvaerno5.p, kvaerno5.error_order
