"""How far an error can grow: the largest transition matrix of a problem between two points of the grid."""

from __future__ import annotations

import functools

import numpy as np
from scipy.integrate import solve_ivp

from .catalog import PROBLEMS, solution
from .problem import TS, Array, Problem

STEP = 1e-30


def jacobian(problem: Problem, z: Array, t: float) -> Array:
    """df/dz at (z, t), (D, D), by complex steps: every f of DETEST is analytic, so this is exact to rounding."""
    columns = [problem.f(z + 1j * STEP * e, t, ()).imag / STEP for e in np.eye(z.size)]
    return np.stack(columns, axis=1)


@functools.cache
def gamma(name: str) -> float:
    """Gamma, the condition number: max over s <= t of |S(t)^-1 Phi(t, s) S(s)|_inf, with S = diag(1 + |z|).

    With rtol = atol = tol an error of tol S(s) made at s is one of at most Gamma tol S(t) at t. Two digits of it are right.
    """
    z, scale = solution(name), 1 + np.abs(solution(name))
    steps = [_transition(PROBLEMS[name], z[i], TS[i], TS[i + 1]) for i in range(len(TS) - 1)]
    worst = 1.0
    for s in range(len(steps)):
        phi = np.diag(scale[s])
        for t in range(s, len(steps)):
            phi = steps[t] @ phi
            worst = max(worst, float(np.max(np.sum(np.abs(phi), axis=1) / scale[t + 1])))
    return worst


def _transition(problem: Problem, z: Array, s: float, t: float) -> Array:
    """Phi(t, s): the variational equation Phi' = df/dz Phi, Phi = 1 at s, along the solution from z."""
    D = z.size

    def rhs(t, y):
        return np.concatenate([problem.f(y[:D], t, ()), (jacobian(problem, y[:D], t) @ y[D:].reshape(D, D)).reshape(-1)])

    return solve_ivp(rhs, (s, t), np.concatenate([z, np.eye(D).reshape(-1)]), method="DOP853", rtol=1e-6, atol=1e-8).y[D:, -1].reshape(D, D)
