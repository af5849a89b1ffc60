"""A solve that remembers how it went: what "discrete" and "checkpointed" go back through."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from refnode.ode import arguments
from refnode.ode.runge_kutta import RungeKutta, RungeKuttaStep, interpolate
from refnode.ode.solution import SolveStats
from refnode.ode.solve import start
from refnode.ode.stepping import Failure, Steps, quiet
from refnode.tree import Tree


class Memory(Protocol):
    """What is kept of the steps themselves."""

    def keep(self, step: RungeKuttaStep) -> None:
        """Called with each accepted step; the next one overwrites its stages."""

    def backwards(self, stats: SolveStats) -> Iterable[RungeKuttaStep]:
        """The steps from the last to the first; each is used before the next is asked for. stats: of what has to be evaluated again."""


class AllSteps:
    """The memory of "discrete": every step with its stages."""

    def __init__(self, recording: Recording):
        self.steps: list[RungeKuttaStep] = []

    def keep(self, step: RungeKuttaStep) -> None:
        step.K = step.K.copy()
        self.steps.append(step)

    def backwards(self, stats: SolveStats) -> Iterable[RungeKuttaStep]:
        return reversed(self.steps)


class Recording:
    """A solve on numbers and its accepted steps, numbered from 0.

    times: the nodes, which are the observations and the jumps between them; states: z there, flat, (nodes, n). ends: the steps begin and end at
    ends[0], ends[1], ... memory: the steps.
    """

    def __init__(self, f: Callable[..., Any], z0: Tree, times: list[float], theta: Tree, memory: Callable[[Recording], Memory], stats: SolveStats,
                 **solver: Any):
        self.f, self.theta, self.times = f, arguments.read_only(theta), times
        self.way, self.steps = start(f, z0, times[0], times[-1], theta, stats, **solver)
        if not isinstance(self.steps.method, RungeKutta):
            raise ValueError(f"this gradient reverses the steps of explicit Runge-Kutta methods, and {solver.get('method')!r} is none; take another "
                             "method, or gradient='adjoint'.")
        self.method, self.jumps, self.sign = self.steps.method.method, frozenset(self.steps.jumps), self.steps.sign
        self.order = [self.sign * t for t in times]
        self.at_start = times.count(times[0])
        self.ends = [times[0]]
        self.states = np.empty((len(times), self.way.size), self.way.dtype)
        self.states[:self.at_start] = self.steps.z
        self.memory = memory(self)
        self._run(self.steps, stats)

    def _run(self, steps: Steps, stats: SolveStats) -> None:
        reached, z = self.at_start, steps.z
        try:
            with quiet():
                for n, step in enumerate(steps):
                    self.ends.append(step.t1)
                    first, _, reached = self.nodes(n)
                    if reached > first:
                        self.states[first:reached] = step(np.array(self.times[first:reached]))
                    self.memory.keep(step)  # type: ignore[arg-type]
                    z = step.z1
        except Failure as failure:
            partial = (np.array(self.times[:reached]), self.way.unstack(self.states[:reached], (reached,)))
            raise failure.kind(failure.message, t=self.ends[-1], h=failure.h, z=self.way.unravel(z), stats=stats, partial=partial) from None

    def __len__(self) -> int:
        return len(self.ends) - 1

    def nodes(self, n: int) -> tuple[int, int, int]:
        """first, end, behind: the nodes inside of step n are first ... end - 1, those at its end are end ... behind - 1."""
        t, t1 = self.sign * self.ends[n], self.sign * self.ends[n + 1]
        first = bisect.bisect_right(self.order, t)
        end = bisect.bisect_left(self.order, t1, first)
        return first, end, bisect.bisect_right(self.order, t1, end)

    def shares(self, n: int) -> bool:
        """Whether the first stage of step n is the last stage of the step before."""
        return self.method.fsal and n > 0 and self.ends[n] not in self.jumps

    def asked(self, n: int) -> tuple[float, float]:
        """The first and the last time at which f is asked in step n: its ends, or the number next to one that is a jump."""
        t, t1 = self.ends[n], self.ends[n + 1]
        return math.nextafter(t, t1) if t in self.jumps else t, math.nextafter(t1, t) if t1 in self.jumps else t1

    def stage_times(self, n: int) -> list[float]:
        """t + c_i h for all stages, those of the interpolant too."""
        t, t1, (first, last) = self.ends[n], self.ends[n + 1], self.asked(n)
        low, high = min(first, last), max(first, last)
        return [min(max(t1 if c == 1 else t + c * (t1 - t), low), high) for c in self.method.c]

    def weights(self, n: int) -> np.ndarray:
        """(m, s): b_i(theta) at the m nodes inside of step n. They are what the interpolant makes of the unit vectors."""
        first, end, _ = self.nodes(n)
        s, dtype = len(self.method.A), self.method.b.dtype
        if first == end:
            return np.empty((0, s), dtype)
        t, t1 = self.ends[n], self.ends[n + 1]
        return interpolate(np.zeros(s, dtype), 1.0, np.eye(s, dtype=dtype), self.method, (np.array(self.times[first:end]) - t) / (t1 - t))
