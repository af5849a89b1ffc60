"""One step of an explicit Runge-Kutta method, and its continuation to the inside of the step.

The stages are the rows of K, so that each formula is one product of a row of coefficients with K.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refnode.ode.tableau import Coefficients, Tableau

Evaluate = Callable[[np.ndarray, float, np.ndarray], None]  # f(z, t, out) writes dz/dt into out; all of them flat


def rk_step(f: Evaluate, z: np.ndarray, t: float, t1: float, K: np.ndarray, method: Coefficients) -> tuple[np.ndarray, np.ndarray | None]:
    """z(t1), and the estimate of its error (None without an embedded formula, two rows with two of them).

        Y_i = z + h sum_{j<i} A[i, j] k_j,   k_i = f(Y_i, t + c_i h),   h = t1 - t
        z1 = z + h sum_i b_i k_i,            error = h sum_i (b_i - b_hat_i) k_i

    z: (n,). K: (s, n), whose row 0 holds f(z, t) on entry and whose other rows are filled. Where the last stage is the first of the next step, its Y
    is z1.
    Statement: S2. HNW: II.1 (1.8), II.4 (4.4)
    """
    h = np.array(t1 - t, method.b.dtype)  # NumPy multiplies by an array without axes twice as fast as by a float
    Y = fill_stages(f, z, t, t1, h, K, method, 1)
    z1 = Y if method.fsal else z + h * method.b.dot(K)
    return z1, None if method.e is None else h * method.e.dot(K)


def fill_stages(f: Evaluate, z: np.ndarray, t: float, t1: float, h: np.ndarray, K: np.ndarray, method: Coefficients, first: int) -> np.ndarray:
    """The stages from number `first` on, from those before them. Returns the last one's Y."""
    Y = z
    for i in range(first, len(K)):
        c = method.c[i]
        Y = stage_state(z, h, K, method, i)
        f(Y, t1 if c == 1 else t + c * (t1 - t), K[i])  # t + h may miss t1 by a rounding error
    return Y


def stage_state(z: np.ndarray, h: np.ndarray, K: np.ndarray, method: Coefficients, i: int) -> np.ndarray:
    """Y_i = z + h sum_{j<i} A[i, j] k_j, where f is asked. h: without axes."""
    Y = method.A[i].dot(K[:i])
    Y *= h
    Y += z
    return Y


def interpolate(z: np.ndarray, h: float, K: np.ndarray, method: Coefficients, theta: np.ndarray) -> np.ndarray:
    """z(t + theta h) = z + h sum_i b_i(theta) k_i for 0 <= theta <= 1. theta: (m,). Returns (m, n).

    HNW: II.6 (6.1)
    """
    exponents = np.arange(1, method.P.shape[1] + 1, dtype=method.P.dtype)
    b = np.power.outer(theta.astype(method.P.dtype, copy=False), exponents).dot(method.P.T)
    return z + h * b.dot(K)


@dataclass(slots=True)
class RungeKuttaStep:
    """An accepted step from (t, z) to (t1, z1), flat, with its stages K: all that the interpolant needs."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    K: np.ndarray
    method: Coefficients
    f: Evaluate

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The states at times (m,) inside the step, as (m, n); at its ends the states themselves."""
        at_end = times == self.t1
        if np.all(at_end):  # the interpolant may cost evaluations of its own
            return np.tile(self.z1, (len(times), 1))
        h = self.t1 - self.t
        self.complete()
        z = interpolate(self.z, h, self.K, self.method, (times - self.t) / h)
        z[at_end] = self.z1
        return z

    def complete(self) -> None:
        """The stages that only the interpolant needs, where the method has such."""
        s, wanted = len(self.K), len(self.method.A)
        if s < wanted:
            K = np.empty((wanted, self.z.size), self.z.dtype)
            K[:s] = self.K
            fill_stages(self.f, self.z, self.t, self.t1, np.array(self.t1 - self.t, self.method.b.dtype), K, self.method, s)
            self.K = K

    def keep(self) -> None:
        """What the next step would overwrite is copied, and the interpolant completed: f is let go, so that the step can be pickled."""
        stages = self.K
        self.complete()
        if self.K is stages:
            self.K = stages.copy()
        self.f = let_go


def let_go(z: np.ndarray, t: float, out: np.ndarray) -> None:
    """Stands for f in a step that needs it no more."""
    raise AssertionError("a kept step has all its stages.")


class RungeKutta:
    """A method at work: each step overwrites K. What a step takes over from the one before, if anything, is K's last row."""

    def __init__(self, tableau: Tableau, z: np.ndarray):
        self.p, self.error_order = tableau.p, tableau.error_order
        self.method = tableau.cast(z.dtype)
        self.K = np.empty((len(self.method.b), z.size), z.dtype)
        self.memory = [self.K[-1]] if self.method.fsal else []

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        f(z, t, self.K[0])
        return self.K[0]

    def try_step(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray | None]:
        return rk_step(f, z, t, t1, self.K, self.method)

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> RungeKuttaStep:
        return RungeKuttaStep(t, t1, z, z1, self.K, self.method, f)

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        """The first stage of the next step, which goes on where this one ended."""
        if self.method.fsal:
            self.K[0] = self.K[-1]
        else:
            f(z, t, self.K[0])
