"""The numerical side of a backward pass: its tolerances, its step sizes, and the check of what z came back to."""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced, plain
from refnode.autodiff.transforms import conform
from refnode.errors import ReconstructionError, ReconstructionWarning, SolverError
from refnode.gradients.algebra import at
from refnode.ode.arguments import is_implicit, method_named, observation_times, spread
from refnode.ode.control import Norm, error_ratio, norm_over
from refnode.ode.solution import Stats
from refnode.tree import Raveler, Tree, is_container, leaves, tree_map

WARN_ABOVE = 100.0  # tolerances
REFUSE_ABOVE = 1e-2  # of max |z|
FIXED_STEP_RTOL = 1e-5  # fixed steps are asked for no tolerance: this takes its place in the check
REMEDY = ("the dynamics contract too fast to be solved backwards; use gradient='discrete', 'checkpointed' or 'interpolating', or add observation "
          "times (with weight zero in the loss, if you like), at which the state is restored")
FIXED_STEP_REMEDY = "the steps are too long, or the dynamics contract too fast, to be solved backwards; take more steps or add observation times"
INSTEAD = {"leapfrog": "rk4", "kvaerno5": "radau5"}  # backwards: (z, a, dL/dtheta) is no (q, p); kvaerno5 asks beyond the end of a step
LARGEST_IMPLICIT = 500  # unknowns of a linear system
OWN = ("backward_method", "backward_rtol", "backward_atol", "backward_norm")


class BackwardSolver:
    """How the augmented system is solved from observation to observation.

    Each backward value defaults to the forward one (but with leapfrog the method is rk4, with kvaerno5 radau5). backward_atol is in units of
    max |dL/dz(t_i)|, so that the gradient of c L is c times the gradient of L (S26); z itself keeps the forward atol. A forward norm that is a
    function cannot measure the augmented state: "rms" takes its place. Without max_steps from the caller an interval is given up after 10,000
    steps or 20 times the forward ones. Each solve starts with the step size that the one before ended with.
    """

    @staticmethod
    def split(solver: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keyword arguments of the forward solve, and the backward ones, which are checked here."""
        for name in ("backward_rtol", "backward_atol"):
            if solver.get(name) is not None and not all(isinstance(x, (int, float, np.number, np.ndarray)) and np.all(np.asarray(x) > 0)
                                                        for x in leaves(solver[name])):
                raise ValueError(f"{name} must be a positive number or a tree of them, not {solver[name]!r}.")
        norm = solver.get("backward_norm")
        if not (norm is None or callable(norm) or norm in ("rms", "max", "seminorm")):
            raise ValueError(f"backward_norm must be 'rms', 'max', 'seminorm' or a function of the flat error, not {norm!r}.")
        if solver.get("backward_method") is not None:
            method = method_named(solver["backward_method"])
            if method.error_order is None and solver.get("steps") is None and solver.get("step_size") is None:
                raise ValueError(f"backward_method: {solver['backward_method']} has no error estimate, and the forward solve gives no steps or "
                                 "step_size.")
        return {k: v for k, v in solver.items() if k not in OWN}, {k: v for k, v in solver.items() if k in OWN and v is not None}

    def __init__(self, zs: Tree, dLdzs: Tree, ts: Any, forward: dict[str, Any], settings: dict[str, Any], stats: Stats):
        traced = any(isinstance(t, Traced) for t in (ts if is_container(ts) else [ts]))
        self.times = [ts[i] for i in range(len(ts))] if traced else observation_times(ts)
        self.stored = tree_map(plain, zs)
        self.way = Raveler(at(self.stored, 0))
        self.largest = max((float(np.abs(leaf).max(initial=0.0)) for leaf in leaves(self.stored)), default=0.0)
        self.rtol, self.atol = (spread(forward.get(name, default), self.way) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
        self.stats = stats
        self.worst = (0.0, 0)
        stats.backward.next_h = None

        unit = max((float(np.abs(plain(g)).max(initial=0.0)) for g in leaves(dLdzs)), default=0.0) or 1.0
        rtol, atol = (settings.get(f"backward_{name}", forward.get(name, default)) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
        fixed = forward.get("steps") is not None or forward.get("step_size") is not None
        self.remedy, self.state = FIXED_STEP_REMEDY if fixed else REMEDY, "the augmented state (z, a, dL/dtheta)"
        self.rtol = np.maximum(self.rtol, max(_smallest(rtol), FIXED_STEP_RTOL if fixed else 0.0))  # z cannot come back closer than asked for
        method = forward.get("method", "dopri5")
        norm = settings.get("backward_norm", forward.get("norm") if forward.get("norm") == "max" else "rms")
        self.keywords = {key: value for key, value in forward.items() if key not in ("steps", "first_step", "jac", "jac_sparsity")} | {
            "method": settings.get("backward_method", INSTEAD.get(method, method)),
            "rtol": _smallest(rtol),
            "atol": (forward.get("atol", 1e-8), tree_map(lambda x: x * unit, atol), _smallest(atol) * unit),
            "norm": seminorm(self.way) if norm == "seminorm" else norm,
        }
        if "max_steps" not in forward:
            self.keywords["max_steps"] = max(10_000, 20 * (stats.forward.accepted + stats.forward.rejected))
        if forward.get("steps") is not None:
            length = abs(plain(self.times[-1]) - plain(self.times[0]))
            self.keywords["step_size"] = length / forward["steps"] if length else 1.0

    def refuse_large_systems(self, state: Tree, what: str) -> None:
        """An implicit method solves linear systems as large as the state of the backward solve."""
        size = sum(np.size(plain(leaf)) for leaf in leaves(state))
        if is_implicit(self.keywords["method"]) and size > LARGEST_IMPLICIT:
            raise ValueError(f"the backward solve of {what} by {self.keywords['method']} would take linear systems of {size} unknowns; above "
                             f"{LARGEST_IMPLICIT} use gradient='quadrature', which solves for a alone, or an explicit backward_method.")

    @contextlib.contextmanager
    def interval(self, i: int) -> Iterator[dict[str, Any]]:
        """The keyword arguments of the solve from times[i] to times[i - 1]; a failure inside says that it happened there."""
        before = self.stats.backward.nfe
        try:
            yield {**self.keywords, "first_step": self.stats.backward.next_h, "stats": Stats(self.stats.backward, self.stats.backward)}
        except SolverError as error:
            self.stats.backward.nvjp += self.stats.backward.nfe - before
            error.add_note(f"This happened in the backward solve from ts[{i}] = {plain(self.times[i]):.6g} to ts[{i - 1}] = "
                           f"{plain(self.times[i - 1]):.6g}; t, h, z and partial are those of {self.state}. "
                           f"If the forward solve was easy, {self.remedy}.")
            raise
        self.stats.backward.nvjp += self.stats.backward.nfe - before

    def evaluate(self, f: Callable[..., Any], z: Tree, t: Any, theta: Tree) -> Tree:
        self.stats.backward.nfe += 1
        return conform(f(z, t, theta), z)

    def check_reconstruction(self, z_back: Tree, i: int) -> None:
        """What z came back to, against the stored state, in units of the tolerance (S71); an error where it is far away."""
        stored = self.way.ravel(at(self.stored, i))
        found = self.way.ravel(tree_map(lambda x: np.asarray(plain(x)), z_back))
        norm = norm_over(self.way.parts)
        ratio = error_ratio(found - stored, stored, stored, self.rtol, self.atol, norm)
        self.worst = max(self.worst, (ratio, i), key=lambda pair: math.inf if math.isnan(pair[0]) else pair[0])
        self.stats.reconstruction_error = float(np.fmax(self.stats.reconstruction_error, ratio))
        if not norm(found - stored) <= REFUSE_ABOVE * self.largest:
            message = f"{self._found(ratio, i)}, more than {REFUSE_ABOVE:.0%} of max |z|, and the gradient cannot be trusted: {self.remedy}."
            raise ReconstructionError(message, t=plain(self.times[i]), h=0.0, z=at(self.stored, i), stats=self.stats)

    def warn(self) -> None:
        """One warning for the whole backward pass, at the worst of its observations."""
        ratio, i = self.worst
        if ratio > WARN_ABOVE:
            warnings.warn(f"{self._found(ratio, i)}: {self.remedy}.", ReconstructionWarning, stacklevel=users_stacklevel())

    def _found(self, ratio: float, i: int) -> str:
        return f"the state at ts[{i}] = {plain(self.times[i]):.6g} came back {ratio:.3g} tolerances away from the stored one"


def users_stacklevel() -> int:
    """How far up the first frame outside refnode is, as `warnings.warn` counts in the function that calls this one."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("refnode."):
        level, frame = level + 1, frame.f_back
    return level


def seminorm(way: Raveler) -> Norm:
    """The error norm of (z, a, dL/dtheta) without dL/dtheta, which does not feed back into the solve. (Kidger, Chen, Lyons 2021)

    Statement: E10
    """
    return norm_over([*way.parts, *(slice(way.size + part.start, way.size + part.stop) for part in way.parts)])


def _smallest(tolerance: Any) -> float:
    """One number for blocks that do not have z's structure."""
    return min((float(np.min(leaf, initial=math.inf)) for leaf in leaves(tolerance)), default=math.inf)
