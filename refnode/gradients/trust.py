"""Whether a reversible solve, forward and back, can be believed: judged from numbers that it has anyway, without an evaluation of f."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.errors import ReconstructionError, ReconstructionWarning
from refnode.gradients.backward import REFUSE_ABOVE, WARN_ABOVE, users_stacklevel
from refnode.ode import arguments
from refnode.ode.control import error_ratio, norm_over
from refnode.ode.coupled import Coupled
from refnode.ode.reversible import Alf
from refnode.ode.solution import Stats
from refnode.tree import Raveler, Tree, tree_map

FIXED_STEP_RTOL, FIXED_APART = 1e-4, 1e-1  # fixed steps are asked for no tolerance; methods of low order are apart by their own error
GROWTH = 10.0
REMEDY = ("the dynamics contract or expand too fast for a reversible method: use gradient='discrete' or 'checkpointed', or give jump_ts, at which it "
          "begins anew")


class Trust:
    """Four numbers, in units of the tolerance with the largest |z_i| so far. The worst one warns above 100; above 1 % of max |z|, too, it is refused.

    forward:  how far the parasitic solution has grown. Coupled: d = z - w itself. reversible_heun, d = z - w, and alf, d its error estimate: the
              part that alternates from step to step, (d_n - 2 d_{n-1} + d_{n-2}) / 4. Refused above 10 % where the steps are fixed
    backward: by how much d is larger than it ever was on the way forward
    returned: z as found at the start of a solve, and behind a jump, against the stored one
    growth:   max |a - b| / max |a + b| of the coupled cotangents. So many times do local errors enter the gradient: refused where that is above 10,
              and above 1 % with errors of rtol
    """

    def __init__(self, way: Raveler, solver: dict[str, Any], stats: Stats):
        fixed = solver.get("steps") is not None or solver.get("step_size") is not None
        self.way, self.stats, self.norm = way, stats, norm_over(way.parts)
        self.rtol, self.atol = (arguments.spread(solver.get(name, default), way) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
        self.rtol = np.maximum(self.rtol, FIXED_STEP_RTOL if fixed else 0.0)
        self.refuse_apart = FIXED_APART if fixed else REFUSE_ABOVE
        self.size = np.zeros(way.size, np.zeros(0, way.dtype).real.dtype)
        self.farthest = 0.0
        self.worst = (0.0, "")
        self.begin()

    def begin(self) -> None:
        """Behind a jump the method begins anew."""
        self.recent: list[np.ndarray] = []
        self.natural = 0.0

    def forward(self, method: Any, h: float, z1: np.ndarray, t1: float) -> None:
        self.size = np.maximum(self.size, np.abs(z1))
        gap = parasitic = method.error(h) if isinstance(method, Alf) else z1 - method.w1
        if not isinstance(method, Coupled):
            self.recent = [*self.recent[-2:], gap]
            parasitic = (self.recent[2] - 2 * self.recent[1] + self.recent[0]) / 4 if len(self.recent) == 3 else np.zeros_like(gap)
        self._judge(parasitic, z1, t1, "the two parts of the state were {:.3g} tolerances apart", self.refuse_apart)
        self.farthest = max(self.farthest, self.norm(gap))

    def backward(self, gap: Tree, z: Tree, t: float) -> None:
        gap = self._flat(gap)
        size = self.norm(gap)
        self._count(gap * (1 - self.farthest / size) if size > self.farthest else 0 * gap, z, t)

    def returned(self, found: list[Tree], z: Tree, t: float) -> None:
        for state in found:
            self._count(self._flat(state) - self._flat(z), z, t)

    def given(self, *cotangents: Tree) -> None:
        self.natural = max(self.natural, *(float(np.abs(self._flat(a)).max(initial=0.0)) for a in cotangents))

    def growth(self, a: Tree, b: Tree, t: float) -> None:
        a, b = self._flat(a), self._flat(b)
        self.natural = max(self.natural, float(np.abs(a + b).max(initial=0.0)))
        growth = float(np.abs(a - b).max(initial=0.0)) / self.natural if self.natural else 0.0
        found = f"at t = {t:.6g} local errors enter the gradient {growth:.3g} times"
        if growth > GROWTH and not growth * float(np.max(self.rtol)) <= REFUSE_ABOVE:
            raise ReconstructionError(f"{found}: {REMEDY}.", t=t, h=0.0, stats=self.stats)
        self.worst = max(self.worst, (growth, found))

    def warn(self) -> None:
        """One warning for a whole pass, at its worst place."""
        (ratio, found), self.worst = self.worst, (0.0, "")
        if ratio > WARN_ABOVE:
            warnings.warn(f"{found}: {REMEDY}.", ReconstructionWarning, stacklevel=users_stacklevel())

    def _count(self, difference: np.ndarray, z: Tree, t: float) -> None:
        ratio = self._judge(difference, self._flat(z), t, "the state came back {:.3g} tolerances away", REFUSE_ABOVE)
        self.stats.reconstruction_error = float(np.fmax(self.stats.reconstruction_error, ratio))

    def _judge(self, difference: np.ndarray, z: np.ndarray, t: float, what: str, refuse_above: float) -> float:
        ratio = error_ratio(difference, self.size, self.size, self.rtol, self.atol, self.norm)
        found = f"at t = {t:.6g} {what.format(ratio)}"
        if not ratio <= WARN_ABOVE and not self.norm(difference) <= refuse_above * self.size.max(initial=0.0):
            message = f"{found}, more than {refuse_above:.0%} of max |z|: {REMEDY}."
            raise ReconstructionError(message, t=t, h=0.0, z=self.way.unravel(z), stats=self.stats)
        self.worst = max(self.worst, (ratio, found))
        return ratio

    def _flat(self, tree: Tree) -> np.ndarray:
        return self.way.ravel(tree_map(lambda x: np.asarray(plain(x)), tree))
