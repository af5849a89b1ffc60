"""The forward solve of a hand-written gradient: dopri5 with its observations."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..workloads import Workload
from .dopri5 import Buffers, Stage, Steps, weights


class Taken(NamedTuple):
    """An accepted step: its size, the observations inside of it, zs[first:end], and their weights (None if there are none)."""

    h: float
    first: int
    end: int
    weights: np.ndarray | None


class Forward:
    """zs (N, n): the states at the observation times. equation: see discrete.py."""

    def __init__(self, workload: Workload, equation: Any):
        n = workload.z0.size
        self.z0, self.times, self.ts = equation.ravel(workload.z0), workload.ts, workload.ts.tolist()
        self.equation = equation
        self.steps = Steps(n, workload.rtol, workload.atol, [(slice(0, n), n)])
        self.zs = np.empty((len(self.ts), n))
        self.start: Stage = equation.first_stage(self.steps.z, self.steps.K[0])

    def solve(self, buffers: Callable[[int], Buffers]) -> list[Taken]:
        """buffers(n): where step n computes its stages."""
        steps, ts, zs = self.steps, self.ts, self.zs
        steps.constant[:] = self.equation.constant
        steps.z[:] = zs[0] = self.z0
        self.start()
        Y, f = buffers(0)
        steps.first_size(ts[-1] - ts[0], Y[0], f[0])
        taken, first = [], 1
        for t, h in steps.march(ts[0], ts[-1], buffers):
            end = len(ts) if t + h >= ts[-1] else bisect.bisect_right(ts, t + h, first)
            w = None
            if first < end:
                w = weights((self.times[first:end] - t) / h, h)
                w.dot(steps.S, out=zs[first:end])
            taken.append(Taken(h, first, end, w))
            first = end
        return taken
