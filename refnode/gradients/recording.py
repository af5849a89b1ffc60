"""A solve that remembers how it went: what "discrete" and "checkpointed" go back through."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from refnode.autodiff.transforms import pullback
from refnode.errors import NonFiniteDynamics
from refnode.ode import arguments
from refnode.ode.runge_kutta import RungeKuttaStep, interpolate, let_go
from refnode.ode.solution import SolveStats
from refnode.ode.solve import start
from refnode.ode.stepping import Failure, Steps, quiet
from refnode.ode.tableau import Coefficients
from refnode.tree import Tree


class Memory(Protocol):
    """What is kept of the steps themselves."""

    def watched(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """f as the solver is to ask it."""

    def keep(self, recording: Recording, step: Any) -> None:
        """Called with each accepted step; the next one overwrites its stages."""

    def backwards(self, recording: Recording, stats: SolveStats) -> Iterable[RungeKuttaStep]:
        """The steps from the last to the first; each is used before the next is asked for. stats: of what has to be evaluated again."""


class AllSteps:
    """The memory of "discrete": every step with its stages."""

    def __init__(self) -> None:
        self.steps: list[RungeKuttaStep] = []

    def watched(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return f

    def keep(self, recording: Recording, step: Any) -> None:
        """The steps of radau5 have Z = h A K for K."""
        if hasattr(step, "Z"):
            K = np.linalg.solve((step.t1 - step.t) * np.stack(recording.method.A), step.Z)
            step = RungeKuttaStep(step.t, step.t1, step.z, step.z1, K, recording.method, let_go)
        else:
            step.K, step.f = step.K.copy(), let_go
        self.steps.append(step)

    def backwards(self, recording: Recording, stats: SolveStats) -> Iterable[RungeKuttaStep]:
        return reversed(self.steps)


class Linearisations(AllSteps):
    """All steps with the way back through f at each of their stages, so that f is not asked again: for an f that brings its own pullback, and
    explicit methods. It takes the memory of all that these pullbacks keep: of a compiled network, the hidden layers at all stages.

    backs[n][i]: of stage i of step n; None where the step before has it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backs: list[list[Any]] = []
        self._asked: list[Any] = []  # since the last accepted step

    def watched(self, f: Callable[..., Any]) -> Callable[..., Any]:
        def linearised(z: Tree, t: float, theta: Tree) -> Tree:
            value, back = pullback(f, z, t, theta, argnums=(0, 2), like=z)
            self._asked.append(back)
            return value
        return linearised

    def keep(self, recording: Recording, step: Any) -> None:
        """The last of those that were asked are the stages from the second on; the first, if it is not shared, was the first that was asked."""
        super().keep(recording, step)
        first = None if recording.shares(len(recording) - 1) else self._asked[0]
        self.backs.append([first, *self._asked[len(self._asked) - (len(step.K) - 1):]])
        self._asked.clear()


class Recording:
    """A solve on numbers and its accepted steps, numbered from 0.

    times: the nodes, which are the observations and the jumps between them; states: z there, flat, (nodes, n). ends: the steps begin and end at
    ends[0], ends[1], ... memory: the steps.
    """

    def __init__(self, f: Callable[..., Any], z0: Tree, times: list[float], theta: Tree, memory: Memory, stats: SolveStats,
                 **solver: Any):
        self.f, self.theta, self.times = f, arguments.read_only(theta), times
        self.way, self.steps = start(memory.watched(f), z0, times[0], times[-1], theta, stats, **solver)
        self.method, self.sign = coefficients(self.steps.method, solver.get("method"), self.way.dtype), self.steps.sign
        self.jumps = frozenset(self.steps.jumps)
        self.cuts = [t for t in self.steps.jumps if min(times[0], times[-1]) < t < max(times[0], times[-1])]
        self.order = [self.sign * t for t in times]
        self.at_start = times.count(times[0])
        self.ends = [times[0]]
        self.states = np.empty((len(times), self.way.size), self.way.dtype)
        self.states[:self.at_start] = self.steps.z
        self.memory = memory
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
                        if not np.all(np.isfinite(self.states[first:reached])):
                            reached = first
                            raise Failure(NonFiniteDynamics, f"f returned NaN or infinity inside of the step from t = {step.t} to {step.t1}, "
                                          "where the interpolant asks it; take smaller steps.", step.t1 - step.t)
                    self.memory.keep(self, step)
                    z = step.z1
        except Failure as failure:
            partial = (np.array(self.times[:reached]), self.way.unstack(self.states[:reached], (reached,)))
            raise failure.kind(failure.message, t=self.ends[-1], h=failure.h, z=self.way.unravel(z), stats=stats, partial=partial) from None

    @property
    def is_explicit(self) -> bool:
        return all(len(row) == i for i, row in enumerate(self.method.A))

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
        """The earliest and the latest time at which f may be asked in step n: next to the jumps before and behind it, as in `Steps`."""
        t = self.ends[n]
        i = bisect.bisect_right(self.cuts, self.sign * t, key=lambda cut: self.sign * cut)
        start, stop = self.cuts[i - 1] if i else self.times[0], self.cuts[i] if i < len(self.cuts) else self.times[-1]
        first = math.nextafter(start, stop) if start in self.jumps else -self.sign * math.inf
        last = math.nextafter(stop, start) if stop in self.jumps else self.sign * math.inf
        return min(first, last), max(first, last)

    def stage_times(self, n: int) -> list[float]:
        """t + c_i h for all stages, those of the interpolant too."""
        t, t1, (low, high) = self.ends[n], self.ends[n + 1], self.asked(n)
        return [min(max(t1 if c == 1 else t + c * (t1 - t), low), high) for c in self.method.c]

    def weights(self, n: int) -> np.ndarray:
        """(m, s): b_i(theta) at the m nodes inside of step n. They are what the interpolant makes of the unit vectors."""
        first, end, _ = self.nodes(n)
        s, dtype = len(self.method.A), self.method.b.dtype
        if first == end:
            return np.empty((0, s), dtype)
        t, t1 = self.ends[n], self.ends[n + 1]
        return interpolate(np.zeros(s, dtype), 1.0, np.eye(s, dtype=dtype), self.method, (np.array(self.times[first:end]) - t) / (t1 - t))


def coefficients(at_work: Any, name: Any, dtype: np.dtype) -> Coefficients:
    """A Runge-Kutta method as one, explicit or not. ValueError for a method of another kind."""
    if isinstance(getattr(at_work, "method", None), Coefficients):
        return at_work.method
    if name == "radau5":
        from refnode.ode.radau import C

        return collocation(C, dtype)
    raise ValueError(f"this gradient reverses the steps of Runge-Kutta methods, and {name!r} is none; take another method, or gradient='adjoint'.")


def collocation(c: Sequence[float], dtype: Any) -> Coefficients:
    """The Runge-Kutta method whose polynomial satisfies the equation at the points c, the last of them 1. HNW: II.7 (7.13)

        sum_j b_j(theta) c_j^m = theta^(m+1) / (m+1),  m < s;     a_ij = b_j(c_i),   b_j = b_j(1)
    """
    powers = np.arange(1, len(c) + 1)
    P = np.linalg.inv(np.power.outer(c, powers - 1)).T / powers
    A = np.power.outer(c, powers) @ P.T
    return Coefficients(tuple(A.astype(dtype)), A[-1].astype(dtype), None, tuple(c), P.astype(dtype), False)
