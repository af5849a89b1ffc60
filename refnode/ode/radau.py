"""Radau IIA of order 5: collocation at three points of the step, the last one its end. HW (Hairer and Wanner II) IV.5, IV.8

    Z_i = h sum_j a_ij f(z + Z_j, t + c_j h),   z(t + h) = z + Z_3

A^-1 = T diag(mu, [[alpha, beta], [-beta, alpha]]) T^-1, so that with W = T^-1 Z the 3n equations become n real and n complex ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.ode.control import Control
from refnode.ode.implicit import ImplicitMethod, ImplicitSteps
from refnode.ode.jacobian import Jacobian, Solve, factorise, shifted
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats

R = math.sqrt(6)
C = ((4 - R) / 10, (4 + R) / 10, 1.0)
MU = 3 + 3 ** (2 / 3) - 3 ** (1 / 3)  # the eigenvalues of A^-1: this one,
MU_PAIR = 3 + (3 ** (1 / 3) - 3 ** (2 / 3)) / 2 - 0.5j * (3 ** (5 / 6) + 3 ** (7 / 6))  # this one, alpha - i beta, and its conjugate
T = np.array([[0.09443876248897524, -0.1412552950209542, 0.030029194105147424],  # the real eigenvector; the pair's real and imaginary part
              [0.2502131229653333, 0.20412935229379994, -0.3829421127572619],
              [1.0, 1.0, 0.0]])
T_INVERSE = np.array([[4.178718591551905, 0.32768282076106237, 0.5233764454994495],
                      [-4.178718591551905, -0.32768282076106237, 0.47662355450055044],
                      [0.5028726349457868, -2.571926949855605, 0.5960392048282249]])
E = np.array([-13 - 7 * R, -13 + 7 * R, -1]) / 3  # of the error estimate: in units of 1 / mu
P = np.array([[(13 + 7 * R) / 3, -(23 + 22 * R) / 3, 10 / 3 + 5 * R],  # Lagrange's polynomials that are 0 at 0 and at two of c, and 1 at the third,
              [(13 - 7 * R) / 3, -(23 - 22 * R) / 3, 10 / 3 - 5 * R],  # as coefficients of theta, theta^2, theta^3
              [1 / 3, -8 / 3, 10 / 3]])


@dataclass(slots=True)
class RadauStep:
    """An accepted step from (t, z) to (t1, z1), flat, with its collocation polynomial z + sum_i Z_i l_i(theta): order 3 inside the step."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    Z: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The states at times (m,), as (m, n); at the end the state itself. Beyond it the guess for the next step."""
        theta = ((times - self.t) / (self.t1 - self.t)).astype(self.Z.dtype)
        z = self.z + np.power.outer(theta, np.arange(1, 4, dtype=self.Z.dtype)) @ P.astype(self.Z.dtype).T @ self.Z
        z[times == self.t1] = self.z1
        return z

    def keep(self) -> None:
        """No later step touches these arrays."""


class Radau5(ImplicitMethod):
    """Radau IIA at work. Newton's method for W, with F = T^-1 f(z + T W, t + c h):

        (mu/h I - J) dW_1 = F_1 - mu/h W_1,   (mu'/h I - J) (dW_2 + i dW_3) = F_2 + i F_3 - mu'/h (W_2 + i W_3),   mu' = alpha - i beta

    Its starting values are those of the step before, extrapolated. error: (mu/h I - J)^-1 (f(z, t) + sum_i e_i Z_i / h), which is O(h^4): the
    difference to an embedded formula of order 3, filtered so that stiff components do not count in it. HW: IV.8 (8.19)
    """

    p, error_order = 5, 4

    def __init__(self, z: np.ndarray, jac: Jacobian, control: Control | None):
        if z.dtype.kind == "c":
            raise TypeError(f"radau5 is for real states, not {z.dtype}: its complex equations stand for real ones. Take kvaerno5 or bdf, or write z "
                            "as its real and imaginary parts.")
        super().__init__(z, jac, control)
        self.f0 = np.empty_like(z)
        self.T, self.T_inverse, self.e = (matrix.astype(z.dtype) for matrix in (T, T_INVERSE, E))

    def forget(self) -> None:
        super().forget()
        self.last: RadauStep | None = None

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        self.forget()
        f(z, t, self.f0)
        return self.f0

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        super().go_on(f, z, t)
        f(z, t, self.f0)

    def slope(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        return self.f0

    def factorised(self, h: float, stats: SolveStats) -> tuple[Solve, ...]:
        return factorise(shifted(self.J, MU / h), stats), factorise(shifted(self.J, MU_PAIR / h), stats)

    def solved(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        h = t1 - t
        times = (t + C[0] * h, t + C[1] * h, t1)
        mu, mu_pair, (solve, solve_pair) = MU / h, MU_PAIR / h, self.factors
        F, dW = np.empty((3, z.size), z.dtype), np.empty((3, z.size), z.dtype)

        def increment(W: np.ndarray) -> np.ndarray:
            for Y, time, slope in zip(z + self.T.dot(W), times, F, strict=True):
                f(Y, time, slope)
            right = self.T_inverse.dot(F)
            dW[0] = solve(right[0] - mu * W[0])
            pair = solve_pair(right[1] + 1j * right[2] - mu_pair * (W[1] + 1j * W[2]))
            dW[1], dW[2] = pair.real, pair.imag
            return dW

        W = np.zeros_like(F) if self.last is None or self.control is None else self.T_inverse.dot(self.last(np.array(times)) - z)
        self.iterations, self.rate = self.solve_for(increment, W, z, self.size(z, h, self.f0))
        self.Z = self.T.dot(W)
        return z + self.Z[2], solve(self.f0 + self.e.dot(self.Z) / h)

    def second_look(self, f: Evaluate, z: np.ndarray, t: float, t1: float, error: np.ndarray) -> np.ndarray:
        """The estimate with f(z + error, t) for f(z, t): filtered twice. HW: IV.8 (8.20)"""
        slope = np.empty_like(z)
        f(z + error, t, slope)
        return self.factors[0](slope + self.e.dot(self.Z) / (t1 - t))

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> RadauStep:
        self.last = RadauStep(t, t1, z, z1, self.Z)
        return self.last

    def progress(self) -> dict[str, Any]:
        last = self.last
        return super().progress() | ({} if last is None else {"last": [last.t, last.t1], "last_z": last.z, "last_Z": last.Z})

    def resume(self, progress: Any) -> None:
        super().resume(progress)
        if "last" in progress:
            t, t1 = map(float, progress["last"])
            z, Z = np.array(progress["last_z"]), np.array(progress["last_Z"])
            self.last = RadauStep(t, t1, z, z + Z[2], Z)


class RadauSteps(ImplicitSteps):
    """Adaptive steps of Radau IIA."""

    p, error_order = Radau5.p, Radau5.error_order

    @classmethod
    def at_work(cls, z: np.ndarray, jac: Jacobian, control: Control | None) -> Radau5:
        return Radau5(z, jac, control)
