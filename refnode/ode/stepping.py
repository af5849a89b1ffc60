"""The loop: accepted steps from (t, z) to t_end, one by one. The state is one flat vector, and time runs by a signed step.

`AdaptiveSteps` and `FixedSteps` are iterators over accepted steps. A method at work (`runge_kutta.RungeKutta`, the classes of `reversible`)
offers start(f, z, t), try_step(f, z, t, t1) -> (z1, error), step(...) with the interpolant, go_on(f, z, t), and its `memory`: the arrays
that it carries from the end of one step to the start of the next. A step that was too long may overflow: whoever iterates silences NumPy's
warnings (`quiet`), and the step is rejected.

Jumps are times at which f may be discontinuous: steps end on them exactly, and the method starts anew behind them. f is asked on the side
that the step lies on: at a jump it receives the floating-point number next to it inside the step.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np

from refnode.errors import MaxStepsReached, NonFiniteDynamics, SolverError, StepSizeUnderflow
from refnode.ode.control import Control, error_ratio, first_guess, next_step, starting_step
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats

MAX_NOT_FINITE = 500  # trial steps that may end in NaN or infinity, in one solve


def quiet() -> np.errstate:
    return np.errstate(over="ignore", invalid="ignore")


class Failure(Exception):
    """Why the steps cannot go on. Of its own kind, so that an error of a solve inside f is not taken for one of this solve."""

    def __init__(self, kind: type[SolverError], message: str, h: float):
        self.kind, self.message, self.h = kind, message, h


class Step(Protocol):
    """An accepted step from (t, z) to (t1, z1), flat; step(times) gives the states inside. It lasts until the next step, or once it is kept."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray: ...

    def keep(self) -> None: ...


class Steps:
    """What adaptive and fixed steps share: where the solve is, where it must stop, and how it goes on from elsewhere."""

    def __init__(self, f: Evaluate, method: Any, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats,
                 max_steps: int):
        self.f, self.method, self.stats, self.jumps = f, method, stats, jumps
        self.max_steps = self.left = max_steps
        self.t_start, self.t_end, self.sign = t, t_end, math.copysign(1.0, t_end - t)
        self.attempts: list[tuple[float, float, float, bool, int]] | None = None  # a list, if a record is wanted: (t, h, ratio, accepted, order)
        self.restart(t, z)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        """The next accepted step."""
        if self.t == self.t_end:
            raise StopIteration
        try:
            return self._step()
        except StopIteration as error:  # f's own would end the solve without a word
            raise RuntimeError("f raised StopIteration.") from error

    def _step(self) -> Step:
        raise NotImplementedError

    def restart(self, t: float, z: np.ndarray) -> None:
        """Go on from (t, z) as if the solve began there, but with the step size that was reached."""
        self.t, self.z, self.begun = t, z, False
        self.earlier: tuple[float, ...] = (1.0, 1.0)
        self.stop = next((jump for jump in self.jumps if self.sign * (jump - t) > 0 and self.sign * (self.t_end - jump) > 0), self.t_end)
        self.f_here = self._between(t, self.stop)

    def stop_within(self, reach: float) -> None:
        """The next stop is not farther away than `reach`; behind it the solve goes on by itself."""
        if abs(self.stop - self.t) > reach:
            self.stop = self.t + self.sign * reach
            self.f_here = self._between(self.t, self.stop)

    def _between(self, start: float, stop: float) -> Evaluate:
        """f as it is asked between two jumps: never on them."""
        if start not in self.jumps and stop not in self.jumps:
            return self.f
        first = math.nextafter(start, stop) if start in self.jumps else -self.sign * math.inf
        last = math.nextafter(stop, start) if stop in self.jumps else self.sign * math.inf
        low, high = min(first, last), max(first, last)
        return lambda z, t, out: self.f(z, min(max(t, low), high), out)

    def _begin_step(self) -> None:
        """What the method needs at the start of a step; behind a jump, and after a restart, everything anew."""
        if self.t == self.stop:
            self.restart(self.t, self.z)
        if self.begun:
            self.method.go_on(self.f_here, self.z, self.t)
            return
        f0 = self.method.start(self.f_here, self.z, self.t)
        if not np.all(np.isfinite(f0)):
            where = f"at the start, t = {self.t}; check f and z0" if self.t == self.t_start else f"at t = {self.t}, behind a jump or an event"
            raise Failure(NonFiniteDynamics, f"f returned NaN or infinity {where}.", 0.0)
        self._first_size(f0)
        self.begun = True

    def _first_size(self, f0: np.ndarray) -> None:
        """The size of the step to begin with, where it is not given."""

    def _too_many(self, h: float) -> Failure:
        return Failure(MaxStepsReached, f"max_steps = {self.max_steps} steps were tried and t = {self.t} of {self.t_end} was reached; "
                       "raise max_steps or the tolerances, or use a method for stiff problems.", h)

    def progress(self) -> dict[str, Any]:
        """All that the solve needs to go on from here to the same bits, as numbers and arrays."""
        found = {"t": self.t, "z": self.z, "begun": self.begun, "earlier": self.earlier, "nfe": self.stats.nfe, "accepted": self.stats.accepted,
                 "rejected": self.stats.rejected, "njev": self.stats.njev, "nlu": self.stats.nlu, "left": self.left}
        return found | {f"memory_{i}": array for i, array in enumerate(self.method.memory)}

    def resume(self, progress: Any) -> None:
        """To where `progress` was taken."""
        if self.sign * (float(progress["t"]) - self.t_end) > 0:
            raise ValueError(f"it was taken at t = {float(progress['t'])}, beyond the end {self.t_end}")
        self.restart(float(progress["t"]), np.array(progress["z"], self.z.dtype))
        if self.t not in self.jumps:  # behind a jump everything begins anew
            self.begun, self.earlier = bool(progress["begun"]), tuple(map(float, progress["earlier"]))
        for name in ("nfe", "accepted", "rejected", "njev", "nlu"):
            setattr(self.stats, name, int(progress[name]))
        self.left = int(progress["left"])
        for i, array in enumerate(self.method.memory):
            array[...] = progress[f"memory_{i}"]


class AdaptiveSteps(Steps):
    """Steps whose size the error estimate controls: stages -> candidate -> error -> control."""

    def __init__(self, f: Evaluate, method: Any, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats,
                 max_steps: int, control: Control):
        self.control, self.h, self.not_finite = control, control.first_step, 0
        super().__init__(f, method, z, t, t_end, jumps, stats, max_steps)

    def _step(self) -> Step:
        self._begin_step()
        t, z, stop, sign, method, f, stats = self.t, self.z, self.stop, self.sign, self.method, self.f_here, self.stats
        control, k = self.control, self.method.error_order
        rtol, atol, norm = control.rtol, control.atol, control.norm
        smallest = max(spacing(t), control.min_step)
        assert self.h is not None
        h = min(max(self.h, smallest), control.max_step)
        rejected, ratio = False, 0.0
        while self.left:
            self.left -= 1
            if h < smallest:
                raise underflow(t, sign * h, ratio, self.t_end)
            t1 = towards(stop, t, sign * h)
            z1, error = method.try_step(f, z, t, t1)
            ratio = error_ratio(error, z, z1, rtol, atol, norm)
            tried = h
            accept, h = next_step(abs(t1 - t), ratio, k, rejected, control.exponents, self.earlier)
            if self.attempts is not None:
                self.attempts.append((t, t1 - t, ratio, accept, method.p))
            if accept:
                stats.accepted += 1
                stats.next_h = self.h = max(h, tried) if t1 == stop else h  # a step that was cut short says nothing against the size that was cut
                self.t, self.z, self.earlier = t1, z1, (ratio, self.earlier[0])
                return method.step(f, z, t, z1, t1)
            rejected = True
            stats.rejected += 1
            self.not_finite += not math.isfinite(ratio)
            if self.not_finite > MAX_NOT_FINITE:
                raise Failure(NonFiniteDynamics, f"{self.not_finite} trial steps up to t = {t} (of {self.t_end}) ended in NaN or infinity: "
                              "the solution runs along the border of the domain of f.", sign * h)
        raise self._too_many(sign * h)

    def _first_size(self, f0: np.ndarray) -> None:
        if self.h is None:
            self.h = initial_step(self.f_here, self.z, self.t, self.stop, f0, self.method.error_order, self.control)

    def progress(self) -> dict[str, Any]:
        return super().progress() | {"h": math.nan if self.h is None else self.h, "not_finite": self.not_finite}

    def resume(self, progress: Any) -> None:
        super().resume(progress)
        self.h = None if math.isnan(progress["h"]) else float(progress["h"])
        self.not_finite = int(progress["not_finite"])


class FixedSteps(Steps):
    """Steps to each time of a grid, and to the jumps."""

    def __init__(self, f: Evaluate, method: Any, z: np.ndarray, t: float, grid: Sequence[float], jumps: Sequence[float], stats: SolveStats,
                 max_steps: int):
        t_end, sign = grid[-1], math.copysign(1.0, grid[-1] - t)
        inside = [jump for jump in jumps if sign * (jump - t) > 0 and sign * (t_end - jump) > 0]
        apart = [g for g in grid[:-1] if all(abs(g - jump) > spacing(jump) for jump in inside)]
        self.grid = sorted({*apart, *inside, t_end}, key=lambda g: sign * g)
        super().__init__(f, method, z, t, t_end, jumps, stats, max_steps)

    def restart(self, t: float, z: np.ndarray) -> None:
        super().restart(t, z)
        self.next = bisect.bisect_right(self.grid, self.sign * t, key=lambda g: self.sign * g)

    def _step(self) -> Step:
        t, z = self.t, self.z
        self._begin_step()
        on_grid = self.sign * (self.stop - self.grid[self.next]) >= 0
        t1 = self.grid[self.next] if on_grid else self.stop
        if not self.left:
            raise self._too_many(t1 - t)
        self.left -= 1
        z1, _ = self.method.try_step(self.f_here, z, t, t1)
        if self.attempts is not None:
            self.attempts.append((t, t1 - t, math.nan, True, self.method.p))
        if not all(np.all(np.isfinite(x)) for x in (z1, *self.method.memory)):  # every stage counts, the one that only the next step needs too
            raise Failure(NonFiniteDynamics, f"the step from t = {t} to {t1} ended in NaN or infinity; take smaller steps.", t1 - t)
        self.stats.accepted += 1
        self.stats.next_h = abs(t1 - t)
        self.t, self.z, self.next = t1, z1, self.next + on_grid
        return self.method.step(self.f_here, z, t, z1, t1)


def initial_step(f: Evaluate, z: np.ndarray, t: float, t_end: float, f0: np.ndarray, k: int, control: Control) -> float:
    """One explicit Euler step to see how fast f changes. HNW: II.4, "starting step size" """
    length = abs(t_end - t)
    scale = control.atol + control.rtol * np.abs(z)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        h0, d1 = first_guess(z, f0, scale, length, control.norm)
        h0 = max(h0, min(spacing(t), length))
        h = math.copysign(h0, t_end - t)
        f1 = np.empty_like(f0)
        f(z + h * f0, towards(t_end, t, h), f1)
        d2 = control.norm((f1 - f0) / scale) / h0
    return starting_step(h0, d1, d2, k, length) if math.isfinite(d2) else h0 / 100


def towards(t_end: float, t: float, h: float) -> float:
    """t + h, or t_end where that lies beyond."""
    return min(t + h, t_end) if h > 0 else max(t + h, t_end)


def spacing(t: float) -> float:
    """Ten units in the last place of t: the time axis is too coarse for smaller steps."""
    return 10 * math.ulp(t)


def underflow(t: float, h: float, ratio: float, t_end: float) -> Failure:
    if not math.isfinite(ratio):
        return Failure(NonFiniteDynamics, f"f returned NaN or infinity just after t = {t}, however small the step (on the way to {t_end}); "
                       "the solution leaves the domain of f there.", h)
    return Failure(StepSizeUnderflow, f"at t = {t} (on the way to {t_end}) a step of {abs(h):.1e} is asked for, too small for the time axis or "
                   "min_step; the solution may blow up there, f may be discontinuous, or the tolerance too tight.", h)
