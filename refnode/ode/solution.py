"""What a solve returns, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnode.ode.runge_kutta import Step
from refnode.tree import Raveler, Tree, tree_map


@dataclass
class SolveStats:
    """nfe: calls of f (each pullback of f calls it once, too). nvjp: cotangents carried back through f. accepted, rejected: steps.

    next_h: the size that the controller proposed last, a warm start for a solve that goes on from there.
    """

    nfe: int = 0
    nvjp: int = 0
    accepted: int = 0
    rejected: int = 0
    next_h: float | None = None


@dataclass
class Stats:
    """What a solve and its gradient cost; each solve that is given this object adds to it.

    reconstruction_error: the largest distance between the states found again by the adjoint's backward solve and the stored ones, in
    units of the tolerance; NaN before the first backward solve.
    """

    forward: SolveStats = field(default_factory=SolveStats)
    backward: SolveStats = field(default_factory=SolveStats)
    reconstruction_error: float = math.nan


@dataclass(repr=False)
class Solution:
    """What `solve` returns.

    ts, zs:   the observation times and the states there; each leaf of zs has one axis more in front
    stats:    `SolveStats`
    status:   0, or -1 if the solve failed with throw=False; then message says why, and the rows of zs that were not reached are NaN
    t_steps:  the ends of the accepted steps, from ts[0] on
    """

    ts: np.ndarray
    zs: Tree
    stats: SolveStats
    status: int
    message: str
    t_steps: np.ndarray
    _way: Raveler
    _steps: list[Step] | None

    def __repr__(self) -> str:
        return (f"Solution(status={self.status}, {len(self.ts)} observations on [{self.ts[0]:.6g}, {self.ts[-1]:.6g}], "
                f"{len(self.t_steps) - 1} steps, nfe={self.stats.nfe}: {self.message})")

    def __call__(self, t: Any) -> Tree:
        """z(t) from the interpolant of the step that t lies in: t a number or an array of times that the steps cover. Needs dense=True."""
        if self._steps is None:
            raise ValueError("this solution keeps no interpolant; solve with dense=True.")
        times = np.asarray(t, float)
        low, high = sorted((self.t_steps[0], self.t_steps[-1]))
        if not np.all((times >= low) & (times <= high)):
            raise ValueError(f"t must lie in [{low}, {high}], where the equation was solved.")
        if not self._steps:
            return tree_map(lambda z: np.broadcast_to(z[0], times.shape + z.shape[1:]).copy(), self.zs)
        flat = times.reshape(-1)
        sign = 1.0 if self.t_steps[-1] > self.t_steps[0] else -1.0
        inside = np.searchsorted(sign * self.t_steps[1:], sign * flat)  # the first step that ends at t or later
        rows = np.empty((flat.size, self._way.size), self._way.dtype)
        for i in np.unique(inside):
            rows[inside == i] = self._steps[i](flat[inside == i])
        return self._way.unstack(rows, times.shape)
