"""Exact log-densities of normalizing flows and their gradients, and the condition numbers that verdicts about them use.

A task asks for log p(x) at x = task.z0: x is where the flow is at ts[0], the base density holds at ts[-1].

    log p(x) = log p_base(z) + log |det dz/dx|,   z the state at ts[-1] of the solution through x
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .problem import Array, Problem

STEP = 1e-30


@dataclass(frozen=True)
class Density:
    """What is exactly known about log p(x) of a task (exact.Task) with two times."""

    task: Any

    @cached_property
    def log_p(self) -> float:
        """log p(x). Statement: S35, S47"""
        task = self.task
        return float(_log_p(task.problem, task.z0, *task.ts, task.problem.theta))

    @cached_property
    def gradients(self) -> dict[str, Array]:
        """The gradients of log p(x) in x, theta, and the times in the order of task.ts: complex steps, exact to rounding."""
        problem, x, ts, theta = self.task.problem, self.task.z0, self.task.ts, self.task.problem.theta

        def along(moved, size: int) -> Array:
            return np.array([moved(1j * STEP * e).imag / STEP for e in np.eye(size)])

        return {
            "dlogp/dx": along(lambda e: _log_p(problem, x + e, *ts, theta), x.size),
            "dlogp/dtheta": along(lambda e: _log_p(problem, x, *ts, theta + e), theta.size),
            "dlogp/dt": along(lambda e: _log_p(problem, x, *(ts + e), theta), 2),
        }

    @cached_property
    def value_condition(self) -> tuple[float, float]:
        """Gamma and max |x| for log p(x): the allowed error is kappa Gamma (atol + rtol max |x|).

        What is solved is (z, l), l = log |det|, and log p is read off its end with the weights w = (d log p_base/dz, 1): an error of (z, l)
        enters by |w|_1, and has grown by |Phi(t_i, t_s)|_inf of the pair until then.
        """
        states = [np.append(z, change) for z, change in _trajectory(self.task)]
        gamma = max(1.0, max(_norm(phi) for phi in _transitions(self.task)))
        return gamma * float(np.abs(_weights(self.task)).sum()), float(np.abs(states).max())

    @cached_property
    def gradient_gamma(self) -> float:
        """Gamma for the gradients: as for those of a solve, max |Phi^T|_inf of the pair (z, l), at least 1, times max |w|."""
        return max(1.0, max(_norm(phi.T) for phi in _transitions(self.task))) * float(np.abs(_weights(self.task)).max())

    @cached_property
    def reconstruction_gamma(self) -> float:
        """Growth of the equation of (z, l) solved backwards, from ts[-1] to ts[0], for implementations that do this."""
        task = self.task
        (z, _), *_ = reversed(list(_trajectory(task)))
        return max(1.0, _norm(_transition(task.problem, z, task.ts[-1], task.ts[0])))


def _log_p(problem: Problem, x, t1, t0, theta):
    assert problem.log_det is not None
    assert problem.base is not None
    return problem.base.log_prob(np, problem.exact(x, t1, t0, theta).z1) + problem.log_det(x, t1, t0, theta)


def _weights(task: Any) -> Array:
    """(d log p_base/dz, 1) at ts[-1]."""
    base, z = task.problem.base, task.values[-1]
    assert base is not None
    return np.append(-np.linalg.solve(base.covariance, z - base.mean), 1.0)


def _times(task: Any) -> Array:
    """The problem's grid, from ts[0] to ts[-1]."""
    grid = np.sort(task.problem.ts)
    return grid if task.ts[-1] > task.ts[0] else grid[::-1]


def _trajectory(task: Any) -> Iterator[tuple[Array, float]]:
    """z and l at the times of the grid."""
    problem, theta = task.problem, task.problem.theta
    assert problem.log_det is not None
    for t in _times(task):
        yield problem.flow(task.z0, task.ts[0], t, theta), float(problem.log_det(task.z0, task.ts[0], t, theta))


def _transitions(task: Any) -> Iterator[Array]:
    times = _times(task)
    for s, (z, _) in enumerate(_trajectory(task)):
        for t in times[s:]:
            yield _transition(task.problem, z, times[s], t)


def _transition(problem: Problem, z: Array, t: float, t1: float) -> Array:
    """Phi of the pair (z, l) from t to t1: [[dz1/dz, 0], [d log |det dz1/dz| / dz, 1]]."""
    D, theta, log_det = z.size, problem.theta, problem.log_det
    assert log_det is not None
    phi = np.eye(D + 1)
    phi[:D, :D] = problem.exact(z, t, t1, theta).dz0
    phi[D, :D] = [np.imag(log_det(z + 1j * STEP * e, t, t1, theta)) / STEP for e in np.eye(D)]
    return phi


def _norm(matrix: Array) -> float:
    return float(np.max(np.sum(np.abs(matrix), axis=1)))
