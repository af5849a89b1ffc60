"""What a relation is asked about: dynamics, a grid and a loss, and nothing that is known about the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .condition import Condition, condition

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Posed:
    """z' = rhs(xp, z, t, theta) from z0 (D,) at ts[0] over the grid ts (N,), which increases or decreases; weights (N, D) of the loss.

    rhs is written for every array namespace xp (numpy, autograd.numpy, torch, jax.numpy), or ignores xp and is NumPy: then only
    implementations that call it with NumPy can be asked. base, if there is one, is the density that a flow starts from, with
    log_prob(xp, z).
    """

    id: str
    rhs: Callable[[Any, Any, Any, Any], Any]
    theta: Array
    z0: Array
    ts: Array
    weights: Array
    base: Any = None

    @property
    def problem(self) -> Posed:
        """Itself: a Case reads rhs, theta and base from task.problem."""
        return self

    @property
    def direction(self) -> Array:
        """A direction (D + P,) for directional derivatives: 1, -1/2, 1/3, -1/4, ..."""
        n = np.arange(1, self.z0.size + self.theta.size + 1)
        return (-1.0) ** (n + 1) / n

    @cached_property
    def condition(self) -> Condition:
        """How errors grow, estimated from the dynamics (condition.py)."""
        return condition(self.rhs, self.theta, self.z0, self.ts)

    def changed(self, **fields: Any) -> Posed:
        """The same with other fields."""
        return replace(self, **fields)


def posed(problem: Any) -> Posed:
    """From a problem of the catalog, a vector or a task: whatever has rhs and theta, itself or in its attribute `problem`."""
    if isinstance(problem, Posed):
        return problem
    dynamics = getattr(problem, "problem", problem)
    return Posed(dynamics.id, dynamics.rhs, dynamics.theta, problem.z0, problem.ts, problem.weights, getattr(dynamics, "base", None))
