"""Events: times at which a function g(z(t), t, theta) of the solution changes its sign.

g is looked at on the ends of accepted steps; where its sign has changed, the time is found on the step's interpolant, to rounding errors.
Two changes within one step are not seen: max_step is the remedy. A zero of g where the solve starts, or where it goes on after a reset,
is no event: what counts is the sign just behind it. A g that is exactly zero at the end of a step has its event there. Bounces that accumulate
(a ball that comes to rest) end in `EventError`; but a ball that does not rebound at all falls through the floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.errors import EventError, TraceError
from refnode.ode.stepping import Failure, Step
from refnode.tree import Raveler, Tree, is_traced

JUST_BEHIND = 2.0**-26  # sqrt(eps), in units of the step: where g has left a zero, and its sign is more than a rounding error
TOO_SOON = 1000  # units in the last place of t: events of one kind that follow each other so closely accumulate
REACH = 2  # in units of the time since its last reset: how far a step behind a reset may look for the next one


@dataclass(frozen=True)
class Event:
    """A sign change of g(z, t, theta), a number.

    terminal:  False: it is noted. True: the solve ends there, with status 1. A whole number n: it ends at the n-th one.
    direction: 0: every change of sign; positive: only from negative to positive, as t runs; negative: only from positive to negative.
    reset:     z_new = reset(z, t, theta): from there the solve goes on with z_new (a bouncing ball; a dose that is given). The solution
               has two values at that time; observations and sol(t) give the one before.
    """

    g: Callable[..., Any]
    terminal: bool | int = False
    direction: float = 0
    reset: Callable[..., Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.g):
            raise TypeError(f"an event needs a function g(z, t, theta), not {self.g!r}.")
        if isinstance(self.terminal, float) or self.terminal != int(self.terminal) or self.terminal < 0:
            raise ValueError(f"terminal must be False, True, or the number of occurrences that end the solve, not {self.terminal!r}.")
        if isinstance(self.direction, bool) or not isinstance(self.direction, (int, float)) or math.isnan(self.direction):
            raise ValueError(f"direction must be a number whose sign counts (0: both), not {self.direction!r}.")
        if self.reset is not None and not callable(self.reset):
            raise TypeError(f"reset must be a function reset(z, t, theta) that returns the new state, not {self.reset!r}.")


@dataclass(frozen=True)
class Occurrences:
    """When one event happened: ts (m,), and the states zs there, a tree like z0 with an axis of length m in front (before a reset)."""

    ts: np.ndarray
    zs: Tree

    def __len__(self) -> int:
        return len(self.ts)


class Watch:
    """The events of one solve."""

    def __init__(self, events: Sequence[Event], way: Raveler, theta: Tree, z: np.ndarray, t: float):
        self.events, self.way, self.theta = events, way, theta
        self.found: list[list[tuple[float, np.ndarray]]] = [[] for _ in events]
        self.just_reset: set[int] = set()
        self.last_reset, self.came_from = [t for _ in events], [0.0 for _ in events]
        self.bounces: set[int] = set()  # events after whose reset g went back to where it came from
        self.before = [self.value(i, z, t) for i in range(len(events))]

    def value(self, i: int, z: np.ndarray, t: float) -> float:
        g = self.events[i].g(self.way.unravel(z), t, self.theta)
        if is_traced(g):
            raise TraceError(f"events[{i}] uses a value that is being differentiated by an enclosing function; pass it in theta.")
        value = np.asarray(g)
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise TypeError(f"events[{i}] must return one real number that changes its sign, such as z[0] - 0.5, not {g!r}.")
        if math.isnan(value.item()):
            raise Failure(EventError, f"events[{i}] returned NaN at t = {t}; g must be a number wherever the solution goes.", 0.0)
        return float(value.item())

    def look(self, step: Step) -> tuple[float, list[int]]:
        """Notes what happened in a step. Returns where the step ends, and the events that end it there (none: at its own end)."""
        crossed, behind = [], [self.value(i, step.z1, step.t1) for i in range(len(self.events))]
        for i, event in enumerate(self.events):
            first, before = self._start(i, step)
            rises, falls = before < 0 <= behind[i], before > 0 >= behind[i]
            if (rises and event.direction >= 0) or (falls and event.direction <= 0):
                crossed.append((self._locate(i, step, first, behind[i]), i, before))
        crossed.sort(key=lambda hit: abs(hit[0] - step.t))
        end, ending = step.t1, list[int]()
        for t, i, before in crossed:
            if ending and abs(t - end) > 4 * math.ulp(end):
                break
            self.found[i].append((t, step(np.array([t]))[0]))
            self.came_from[i] = before
            if self.events[i].reset is not None or self.is_over([i]):
                end = t if not ending else end
                ending.append(i)
        self.before, self.just_reset = behind, set()
        return end, ending

    def is_over(self, ending: list[int]) -> bool:
        """Whether a terminal event is among them."""
        return any(self.events[i].terminal and len(self.found[i]) >= self.events[i].terminal for i in ending)

    def reset(self, ending: list[int], z: np.ndarray, t: float) -> tuple[np.ndarray, float]:
        """The state with which the solve goes on, and how far the next step may reach: a ball that bounces ever faster must not outrun the steps."""
        reach = math.inf
        for i in ending:
            reset = self.events[i].reset
            if reset is not None:
                new = reset(self.way.unravel(z), t, self.theta)
                z = np.empty_like(z)
                self.way.write(new, z, f"the reset of events[{i}]")
                if not np.all(np.isfinite(z)):
                    raise Failure(EventError, f"the reset of events[{i}] returned NaN or infinity at t = {t}.", 0.0)
                since = abs(t - self.last_reset[i])
                if since < TOO_SOON * math.ulp(t):
                    raise self._accumulates(i, t)
                reach, self.last_reset[i] = min(reach, REACH * since), t
        self.before = [self.value(i, z, t) for i in range(len(self.events))]
        self.just_reset = set(ending)
        return z, reach

    def occurrences(self) -> list[Occurrences]:
        return [Occurrences(np.array([t for t, _ in found]), self.way.unstack(
            np.array([z for _, z in found], self.way.dtype).reshape(len(found), self.way.size), (len(found),))) for found in self.found]

    def _start(self, i: int, step: Step) -> tuple[float, float]:
        """Where in the step the sign of g can first be told, in units of the step, and g there."""
        if self.before[i] != 0 and i not in self.just_reset:
            return 0.0, self.before[i]
        first = min(0.5, max(JUST_BEHIND, 4 * math.ulp(step.t) / abs(step.t1 - step.t)))
        g = self._inside(i, step, first)
        if i in self.just_reset and self.events[i].reset is not None:
            if g * self.came_from[i] > 0:
                self.bounces.add(i)
            elif i in self.bounces:
                raise self._accumulates(i, step.t)
        return first, g

    def _locate(self, i: int, step: Step, first: float, behind: float) -> float:
        """The time of the sign change; where g ends at zero, the first time at which it is zero."""
        if behind == 0:
            before = self._inside(i, step, first)
            x = first_time(lambda x: self._inside(i, step, x) * before <= 0, first)
            return step.t1 if x == 1 else step.t + x * (step.t1 - step.t)
        x = root(lambda x: behind if x == 1 else self._inside(i, step, x), first)
        return step.t1 if x == 1 else step.t + x * (step.t1 - step.t)

    def _inside(self, i: int, step: Step, x: float) -> float:
        t = step.t + x * (step.t1 - step.t)
        return self.value(i, step(np.array([t]))[0], t)

    def _accumulates(self, i: int, t: float) -> Failure:
        return Failure(EventError, f"events[{i}] happens again and again at t = {t}: its occurrences accumulate there, and no solution goes on from "
                       "them; end the solve with terminal=n.", 0.0)


def first_time(happened: Callable[[float], bool], first: float) -> float:
    """The x in (first, 1] from which on something has happened, by bisection, to rounding errors."""
    last = 1.0
    while first < (middle := (first + last) / 2) < last:
        first, last = (first, middle) if happened(middle) else (middle, last)
    return last


def root(g: Callable[[float], float], first: float) -> float:
    """The x in [first, 1] at which g changes its sign, by Brent's method, to rounding errors."""
    from scipy.optimize import brentq

    return float(brentq(g, first, 1.0, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=200))
