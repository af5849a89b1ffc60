"""A solve step by step: to look at each, to stop where one likes, to save it, and to go on later to the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from refnode.ode import arguments
from refnode.ode.solution import SolveStats
from refnode.ode.solve import start
from refnode.ode.stepping import Failure, Step, quiet
from refnode.tree import Raveler, Tree


class Stepper:
    """The accepted steps of dz/dt = f(z, t, theta) from (t0, z0) to t1, one by one.

        stepper = rn.Stepper(f, z0, t0, t1, theta)
        for step in stepper:                      # or stepper.step()
            step.t, step.t1, step.z1              # step(t) is the solution at times inside
        np.savez("run.npz", **stepper.state())    # at any time between two steps
        stepper = rn.Stepper(f, z0, t0, t1, theta, state=np.load("run.npz"))

    t, z: where the solve is; stats: `SolveStats`. Keywords: those of `solve` that concern the steps (method, rtol, jump_ts, ...). A stepper made
    by the same call with `state` goes on as if it had never stopped, bit for bit; a t1 farther away is allowed, and for the reversible methods one in
    the other direction, which takes their steps back (t0 and z0 are then not looked at). A failure raises a
    `SolverError`, with z the last accepted state; the stepper stays where it was.
    """

    def __init__(self, f: Callable[..., Any], z0: Tree, t0: float, t1: float, theta: Tree = (), *, state: Any = None, **solver: Any):
        self.stats = SolveStats()
        for name, t in (("t0", t0), ("t1", t1)):
            if not (arguments.is_number(t) and math.isfinite(t)):
                raise ValueError(f"{name} must be a finite number, not {t!r}.")
        t0, t1 = float(t0), float(t1)
        self._method = solver.get("method", "dopri5")
        self._way, self._steps = start(f, z0, t0, t1, theta, self.stats, **solver)
        if state is not None:
            try:
                if str(state["method"]) != str(self._method):
                    raise ValueError(f"it is one of method {str(state['method'])!r}")
                self._steps.resume(state)
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise ValueError(f"state does not belong to this call ({error}): give what Stepper.state() returned, and the same f, z0, method "
                                 "and steps.") from None

    @property
    def t(self) -> float:
        return self._steps.t

    @property
    def z(self) -> Tree:
        return self._way.unravel(self._steps.z)

    @property
    def is_done(self) -> bool:
        return self._steps.t == self._steps.t_end

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StepTaken:
        try:
            with quiet():
                step = next(self._steps)
                step.keep()
        except Failure as failure:
            partial = (np.array([self.t]), self._way.unstack(self._steps.z[None], (1,)))
            raise failure.kind(failure.message, t=self.t, h=failure.h, z=self.z, stats=self.stats, partial=partial) from None
        return StepTaken(step.t, step.t1, self._way.unravel(step.z), self._way.unravel(step.z1), step, self._way)

    def step(self) -> StepTaken:
        """The next accepted step. StopIteration at t1."""
        return next(self)

    def state(self) -> dict[str, Any]:
        """All that the solve needs to go on from here: a dict of numbers and arrays, for np.savez or pickle."""
        return {name: np.array(value) for name, value in (self._steps.progress() | {"method": str(self._method)}).items()}


@dataclass(frozen=True, repr=False)
class StepTaken:
    """An accepted step from (t, z) to (t1, z1)."""

    t: float
    t1: float
    z: Tree
    z1: Tree
    _step: Step
    _way: Raveler

    def __repr__(self) -> str:
        return f"StepTaken(t={self.t:.6g}, t1={self.t1:.6g})"

    def __call__(self, t: Any) -> Tree:
        """z(t) inside the step: t a number or an array of times."""
        times = np.asarray(t, float)
        low, high = sorted((self.t, self.t1))
        if not np.all((times >= low) & (times <= high)):
            raise ValueError(f"t must lie in the step, [{low}, {high}].")
        return self._way.unstack(self._step(times.reshape(-1)), times.shape)
