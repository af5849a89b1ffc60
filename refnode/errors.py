"""What can go wrong, by name. Wrong arguments raise ValueError or TypeError instead."""

from __future__ import annotations

import functools
import sys
from types import FrameType
from typing import Any


class TraceError(TypeError):
    """A NumPy or Python idiom that cannot be differentiated as it is written; the message names the remedy."""


class SolverError(RuntimeError):
    """A solve that could not be finished.

    t, h:     where it stopped, and the step that was tried there (floats, in the units of time of f)
    z:        the last accepted state, a tree like z0
    stats:    `SolveStats`: evaluations and steps up to there
    partial:  (ts, zs) with the observations that were reached, as accurate as those of a finished solve; the rest was never computed
    """

    def __init__(self, message: str, *, t: float, h: float, z: Any = None, stats: Any = None, partial: Any = None):
        super().__init__(message)
        self.t, self.h, self.z, self.stats, self.partial = t, h, z, stats, partial

    def __reduce__(self) -> Any:  # pickle, as multiprocessing needs it, would otherwise call __init__ with the message alone
        return functools.partial(type(self), str(self), t=self.t, h=self.h, z=self.z, stats=self.stats, partial=self.partial), ()


class StepSizeUnderflow(SolverError):
    """The error test asks for steps that the floating-point time axis (or min_step) does not allow."""


class MaxStepsReached(SolverError):
    """max_steps attempts were made; the cap is on the whole solve, so nothing loops for ever."""


class NonFiniteDynamics(SolverError):
    """f returned NaN or infinity: at the start, or wherever smaller steps did not help."""


class EventError(SolverError):
    """An event that cannot be located or gone on from: g or reset gave NaN, or the occurrences accumulate."""


class ReconstructionError(SolverError):
    """The adjoint's backward solve could not find its way back to the stored states: no digit of z is left."""


class ReconstructionWarning(UserWarning):
    """The adjoint's backward solve came back more than 100 tolerances away from the stored states."""


def here() -> str:
    """ (file.py:12): the innermost line of the user's; empty where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame):
        frame = frame.f_back
    return f" ({frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno})" if frame is not None else ""


def is_users(frame: FrameType) -> bool:
    package, _, rest = frame.f_globals.get("__name__", "").partition(".")
    if package == "refnode":
        return not rest.startswith(("autodiff", "flows", "gradients", "ode", "tree"))
    return package not in ("numpy", "scipy") and package not in sys.stdlib_module_names
