"""Exact values and gradients of L = sum_i weights[i] . z(ts[i]) on a grid, and the condition numbers Gamma that verdicts use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .density import Density
from .problem import Array, Problem


@dataclass(frozen=True)
class Task:
    """A problem posed once: where it starts, on which grid, with which loss weights, and all that is exactly known about it.

    z0 is (D,), ts is (N,) and increases or decreases, weights is (N, D).
    """

    problem: Problem
    z0: Array
    ts: Array
    weights: Array

    @cached_property
    def values(self) -> Array:
        """z(ts[i]), (N, D)."""
        return np.stack([self.problem.flow(self.z0, self.ts[0], t, self.problem.theta) for t in self.ts])

    @cached_property
    def gradients(self) -> dict[str, Array]:
        """The exact gradients of the loss (problem P24).

        dL/dz0    = sum_i Phi_i^T g_i
        dL/dtheta = sum_i (dz(t_i)/dtheta)^T g_i
        dL/dt_i   = g_i . f(z_i, t_i, theta)         for i >= 1
        dL/dt_0   = sum_{i>=1} g_i . dz(t_i)/dt_0,   without g_0: z(t_0) = z0 whatever t_0 is

        Statement: S13, S14, S78, S79, S81
        """
        dz0, dtheta, dt = _gradients(self, self.z0, self.problem.theta)
        return {"dL/dz0": dz0, "dL/dtheta": dtheta, "dL/dt": dt}

    @cached_property
    def direction(self) -> Array:
        """The direction v, (D + P,), of the second derivatives: 1, -1/2, 1/3, -1/4, ..."""
        n = np.arange(1, self.z0.size + self.problem.theta.size + 1)
        return (-1.0) ** (n + 1) / n

    @cached_property
    def second_derivatives(self) -> dict[str, Array]:
        """H v for the Hessian H of the loss in (z0, theta) and v = direction, split into its two blocks.

        A complex step through the exact gradient, Im grad(x + i h v)/h: the formulas are analytic, so this is exact to rounding.

        Statement: S21
        """
        h, v, D = 1e-30, self.direction, self.z0.size
        dz0, dtheta, _ = _gradients(self, self.z0 + 1j * h * v[:D], self.problem.theta + 1j * h * v[D:])
        return {"d2L/dz0": dz0.imag / h, "d2L/dtheta": dtheta.imag / h}

    @cached_property
    def density(self) -> Density:
        """What is known about log p(z0), for a task with two times."""
        return Density(self)

    @cached_property
    def value_gamma(self) -> float:
        """Gamma for values: max over grid pairs s <= i of |Phi(t_i, t_s)|_inf, at least 1.

        An error made at t_s has grown by at most this factor when it is seen at t_i.
        """
        return max(1.0, max(_norm(phi) for phi in _transitions(self)))

    @cached_property
    def gradient_gamma(self) -> float:
        """Gamma for gradients: the same of the adjoint flow, max |Phi(t_i, t_s)^T|_inf, at least 1, times max |g|."""
        return max(1.0, max(_norm(phi.T) for phi in _transitions(self))) * float(np.max(np.abs(self.weights)))

    @cached_property
    def reconstruction_gamma(self) -> float:
        """Growth of z's own equation solved backwards between two observations: max_i |Phi(t_{i-1}, t_i)|_inf, at least 1.

        Only implementations that solve z backwards (mode "adjoint") are allowed this factor, and only from one observation to the one
        before, because there the stored state is put back.

        Statement: S83
        """
        z, exact, theta = self.values, self.problem.exact, self.problem.theta
        return max([1.0] + [_norm(exact(z[i], self.ts[i], self.ts[i - 1], theta).dz0) for i in range(1, len(self.ts))])


def forward(problem: Problem) -> Task:
    """From z0 at t0 to t1 over the problem's own grid."""
    return Task(problem, problem.z0, problem.ts, problem.weights)


def backward(problem: Problem) -> Task:
    """From the exact z(t1) back to t0: the grid reversed, the weights unchanged."""
    z1 = problem.flow(problem.z0, problem.ts[0], problem.ts[-1], problem.theta)
    return Task(problem, z1, problem.ts[::-1].copy(), problem.weights)


def _gradients(task: Task, z0: Array, theta: Array) -> tuple[Array, Array, Array]:
    problem, ts, g = task.problem, task.ts, task.weights
    flows = [problem.exact(z0, ts[0], t, theta) for t in ts]
    everywhere, later = range(len(ts)), range(1, len(ts))
    dz0 = np.sum([flows[i].dz0.T @ g[i] for i in everywhere], axis=0)
    dtheta = np.sum([flows[i].dtheta.T @ g[i] for i in everywhere], axis=0)
    dt0 = np.sum([g[i] @ flows[i].dt0 for i in later])
    dt = np.array([dt0] + [g[i] @ problem.rhs(np, flows[i].z1, ts[i], theta) for i in later])
    return dz0, dtheta, dt


def _transitions(task: Task) -> Iterator[Array]:
    """Phi(t_i, t_s) for all s <= i."""
    z, exact, theta = task.values, task.problem.exact, task.problem.theta
    for s in range(len(task.ts)):
        for i in range(s, len(task.ts)):
            yield exact(z[s], task.ts[s], task.ts[i], theta).dz0


def _norm(matrix: Array) -> float:
    return float(np.max(np.sum(np.abs(matrix), axis=1)))
