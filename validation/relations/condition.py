"""How errors grow along a solution, estimated from the dynamics alone: the Gamma of verdicts where no exact flow is known.

    Phi' = df/dz Phi,   Phi(t_{i-1}, t_{i-1}) = 1,   over each interval of the grid, along the solution

by SciPy's DOP853 at rtol 1e-8, with df/dz by complex steps where the dynamics take complex numbers, else by central differences. Two
digits of Gamma would be enough.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
RTOL, ATOL = 1e-8, 1e-11
STEP = 1e-30
DIFFERENCE = np.finfo(float).eps ** (1 / 3)


@dataclass(frozen=True)
class Condition:
    """Growth factors over the pairs s <= i of the grid, each at least 1; the norm is the largest row sum.

    values: max |Phi(t_i, t_s)|. adjoint: max |Phi(t_i, t_s)^T|. back: max |Phi(t_s, t_i)|, of solves from the end to the start.
    reconstruction: the largest |Phi(t_{i-1}, t_i)| from one grid time to the one before. largest: max |z| over the grid.
    end: z at the last time, for what depends on where the solution ends.
    """

    values: float
    adjoint: float
    back: float
    reconstruction: float
    largest: float
    end: Array


def condition(rhs: Callable, theta: Array, z0: Array, ts: Array) -> Condition:
    """The Condition of z' = rhs(numpy, z, t, theta), z(ts[0]) = z0, on the grid ts. ValueError if it cannot be solved."""
    steps, states = transitions(rhs, theta, z0, ts)
    pairs = []
    for s in range(len(ts)):
        product = np.eye(z0.size)
        pairs.append(product)
        for step in steps[s:]:
            product = step @ product
            pairs.append(product)
    return Condition(
        values=max(_norm(phi) for phi in pairs),
        adjoint=max(_norm(phi.T) for phi in pairs),
        back=max(_norm(np.linalg.inv(phi)) for phi in pairs),
        reconstruction=max([1.0] + [_norm(np.linalg.inv(step)) for step in steps]),
        largest=float(np.max(np.abs(states))),
        end=states[-1],
    )


def transitions(rhs: Callable, theta: Array, z0: Array, ts: Array) -> tuple[list[Array], Array]:
    """Phi(t_i, t_{i-1}) for each interval, and z at the times of the grid (N, D)."""
    from scipy.integrate import solve_ivp

    D = z0.size
    slope = _slope(rhs, theta, z0, float(ts[0]))

    def variational(t, s):
        z = s[:D]
        return np.concatenate([np.asarray(rhs(np, z, t, theta), float), (slope(z, t) @ s[D:].reshape(D, D)).ravel()])

    steps, states = [], [np.asarray(z0, float)]
    for t0, t1 in itertools.pairwise(map(float, ts)):
        start = np.concatenate([states[-1], np.eye(D).ravel()])
        solution = solve_ivp(variational, (t0, t1), start, method="DOP853", rtol=RTOL, atol=ATOL)
        if not solution.success:
            raise ValueError(f"the condition of the dynamics cannot be estimated: {solution.message}")
        end = solution.y[:, -1]
        states.append(end[:D])
        steps.append(end[D:].reshape(D, D))
    return steps, np.stack(states)


def _slope(rhs: Callable, theta: Array, z0: Array, t0: float) -> Callable[[Array, float], Array]:
    """df/dz (D, D) as a function of z and t. The complex step is taken where it agrees with the difference at the start."""

    def by_complex_steps(z, t):
        return np.stack([np.imag(rhs(np, z + 1j * STEP * e, t, theta)) / STEP for e in np.eye(z.size)], axis=1)

    def by_differences(z, t):
        h = DIFFERENCE * max(1.0, float(np.max(np.abs(z))))
        columns = [np.subtract(rhs(np, z + h * e, t, theta), rhs(np, z - h * e, t, theta)) / (2 * h) for e in np.eye(z.size)]
        return np.stack(columns, axis=1)

    expected = by_differences(z0, t0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a function that throws the imaginary part away warns
        try:
            agrees = np.allclose(by_complex_steps(z0, t0), expected, rtol=1e-6, atol=1e-6 * (1 + np.max(np.abs(expected))))
        except Exception:  # a user's function may dislike complex numbers in its own way
            agrees = False
    return by_complex_steps if agrees else by_differences


def _norm(matrix: Any) -> float:
    return float(np.max(np.sum(np.abs(matrix), axis=1)))
