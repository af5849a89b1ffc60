"""What multistep methods of variable order share: each begins at order 1 with a small step, raises both, and must begin so again behind a jump.

`AdamsSteps` and `BdfSteps` choose the size of a step together with its order: the controllers of `control` have no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refnode.errors import NonFiniteDynamics, StepSizeUnderflow
from refnode.ode.control import Control
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import MAX_NOT_FINITE, Failure, Steps, initial_step, spacing, towards, underflow


class MultistepSteps(Steps):
    """Steps of size h (without sign) and order k, the last `equal_steps` of which had this size.

    A subclass has start(f, z, t), which returns f there, and `memory`, the arrays that its steps leave behind: it is its own method at work.
    """

    error_order = 2  # of Euler's methods, with which every solve begins
    memory: list[np.ndarray]

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, max_order: int):
        self.control, self.max_order, self.not_finite = control, max_order, 0
        super().__init__(f, self, z, t, t_end, jumps, stats, max_steps)

    def restart(self, t: float, z: np.ndarray) -> None:
        """Go on from (t, z) as if the solve began there. The step size that was reached is one of a higher order: it is not kept."""
        super().restart(t, z)
        self.h = self.control.first_step if t == self.t_start and self.control.first_step is not None else math.nan
        self.k, self.equal_steps = 1, 0

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        """The memory is all that the next step needs."""

    def _first_size(self, f0: np.ndarray) -> None:
        if math.isnan(self.h):
            self.h = initial_step(self.f_here, self.z, self.t, self.stop, f0, self.error_order, self.control)

    def _smallest(self) -> float:
        return max(spacing(self.t), self.control.min_step)

    def _allowed(self, h: float) -> float:
        return min(max(h, self._smallest()), self.control.max_step)

    def _end_of_try(self, h: float, ratio: float) -> float:
        """t1 of a trial step of size h; ratio is that of the try before."""
        if not self.left:
            raise self._too_many(self.sign * h)
        if h < self._smallest():
            if ratio == math.inf:
                raise Failure(StepSizeUnderflow, f"Newton's method does not converge at t = {self.t} (on the way to {self.t_end}), not even for a "
                              f"step of {h:.1e}; f may be discontinuous there, or jac wrong.", self.sign * h)
            raise underflow(self.t, self.sign * h, ratio, self.t_end)
        self.left -= 1
        return towards(self.stop, self.t, self.sign * h)

    def _accepts(self, t1: float, ratio: float) -> bool:
        """Whether the error ratio of the trial step to t1 is below 1, noted where it must be. NaN: so was f; infinity: Newton did not converge."""
        accepted = ratio < 1
        if self.attempts is not None:
            self.attempts.append((self.t, t1 - self.t, ratio, accepted, self.k))
        self.stats.accepted += accepted
        self.stats.rejected += not accepted
        self.not_finite += math.isnan(ratio)
        if self.not_finite > MAX_NOT_FINITE:
            raise Failure(NonFiniteDynamics, f"{self.not_finite} trial steps up to t = {self.t} (of {self.t_end}) ended in NaN or infinity: "
                          "the solution runs along the border of the domain of f.", t1 - self.t)
        if accepted:
            self.stats.next_h = None  # a size of order k is no start for a solve that begins at order 1
        return accepted

    def progress(self) -> dict[str, Any]:
        return super().progress() | {"h": self.h, "k": self.k, "equal_steps": self.equal_steps, "not_finite": self.not_finite,
                                     "njev": self.stats.njev, "nlu": self.stats.nlu}

    def resume(self, progress: Any) -> None:
        super().resume(progress)
        self.not_finite, self.stats.njev, self.stats.nlu = (int(progress[name]) for name in ("not_finite", "njev", "nlu"))
        if self.begun:
            self.h, self.k, self.equal_steps = float(progress["h"]), int(progress["k"]), int(progress["equal_steps"])
