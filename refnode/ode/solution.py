"""What a solve returns, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnode.tree import Raveler, Tree, tree_map

ATTEMPT = np.dtype([("t", float), ("h", float), ("ratio", float), ("accepted", bool), ("order", int)])


@dataclass
class SolveStats:
    """nfe: calls of f (each pullback of f calls it once, too). nvjp: cotangents carried back through f. accepted, rejected: steps.
    njev: Jacobians of f; nlu: factorisations of matrices made of them (implicit methods; calls of f for differences count in nfe).

    next_h: the size that the controller proposed last, a warm start for a solve that goes on from there.
    """

    nfe: int = 0
    nvjp: int = 0
    accepted: int = 0
    rejected: int = 0
    njev: int = 0
    nlu: int = 0
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
    status:   0: done; 1: a terminal event ended the solve; -1: it failed, with throw=False. message says why; rows of zs that were not reached
              are NaN
    t_steps:  the ends of the accepted steps, from ts[0] on
    events:   for each event its `Occurrences`: the times .ts and the states .zs
    attempts: with dense=True, the trial steps as a NumPy array with the fields t, h, ratio, accepted, order: h is signed, and an error ratio
              below 1 was accepted (NaN for fixed steps)
    """

    ts: np.ndarray
    zs: Tree
    stats: SolveStats
    status: int
    message: str
    t_steps: np.ndarray
    _way: Raveler
    events: list[Any] = field(default_factory=list)
    _steps: list[Any] | None = None
    _attempts: list[Any] | None = None

    def __repr__(self) -> str:
        return (f"Solution(status={self.status}, {len(self.ts)} observations on [{self.ts[0]:.6g}, {self.ts[-1]:.6g}], "
                f"{len(self.t_steps) - 1} steps, nfe={self.stats.nfe}: {self.message})")

    @property
    def attempts(self) -> np.ndarray:
        self._needs_dense("record of attempts")
        return np.array(self._attempts, ATTEMPT)

    def __call__(self, t: Any) -> Tree:
        """z(t) from the interpolant of the step that t lies in: t a number or an array of times that the steps cover. Needs dense=True."""
        self._needs_dense("interpolant")
        times = np.asarray(t, float)
        low, high = sorted((self.t_steps[0], self.t_steps[-1]))
        if not np.all((times >= low) & (times <= high)):
            raise ValueError(f"t must lie in [{low}, {high}], where the equation was solved.")
        if not self._steps:
            return tree_map(lambda z: np.broadcast_to(z[0], times.shape + z.shape[1:]).copy(), self.zs)
        flat = times.reshape(-1)
        sign = 1.0 if self.t_steps[-1] > self.t_steps[0] else -1.0
        inside = np.searchsorted(sign * self.t_steps[1:], sign * flat)  # the first step that ends at t or later
        if flat.size == 1:
            return self._way.unstack(self._steps[inside[0]](flat), times.shape)
        rows = np.empty((flat.size, self._way.size), self._way.dtype)
        for i in np.unique(inside):
            rows[inside == i] = self._steps[i](flat[inside == i])
        return self._way.unstack(rows, times.shape)

    def _needs_dense(self, what: str) -> None:
        if self._steps is None:
            raise ValueError(f"this solution keeps no {what}; solve with dense=True.")
