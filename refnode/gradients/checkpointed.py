"""gradient="checkpointed": the bits of "discrete" from a few stored states; the steps between them are taken again.

Memory for `checkpoints` states, the initial one among them, whatever the number of steps; beyond that, the ends of the steps as numbers, and the
stages of the one step that is being reversed. With c states, C(c + r, c) steps are taken again at most r times each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff.transforms import differentiable
from refnode.gradients.binomial import dropped, placed, split
from refnode.gradients.discrete import pullback_through, refuse_backward
from refnode.gradients.jacobians import with_jacobian
from refnode.gradients.recording import Recording
from refnode.ode import arguments
from refnode.ode.runge_kutta import RungeKuttaStep, rk_step
from refnode.ode.solution import SolveStats, Stats
from refnode.ode.solve import solve
from refnode.ode.stepping import FixedSteps
from refnode.tree import Tree

AUTO = 32  # 561 steps are taken again at most twice, 6,545 at most three times, 58,905 four times


def _odeint(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, checkpoints: Any = "auto", stats: Stats | None = None,
            **solver: Any) -> Tree:
    """zs[i] = z(ts[i]): the solve itself."""
    _number(checkpoints)
    refuse_backward("checkpointed", solver)
    return solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **with_jacobian(f, solver)).zs


def odeint_pullback(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, checkpoints: Any = "auto", stats: Stats | None = None,
                    **solver: Any) -> Any:
    """zs, and the way back: see `discrete.pullback_through`. checkpoints: how many states are kept, 1 or more, or "auto" for 32.

    The steps of a fixed grid are known in number, and the fewest possible are taken again. Adaptive steps are not: which states to keep is then
    decided on the way (`binomial.dropped`). The way back uses up the stored states; to go back once more, it begins at the initial one.
    Deviation: a gradient that is differentiated again keeps all stages, like "discrete".
    Statement: E3, S71
    """
    refuse_backward("checkpointed", solver)
    return pullback_through(Checkpoints(_number(checkpoints)), f, z0, ts, theta, Stats() if stats is None else stats, solver)


odeint = differentiable(_odeint, odeint_pullback)


def _number(checkpoints: Any) -> int:
    return AUTO if isinstance(checkpoints, str) and checkpoints == "auto" else arguments.whole_number("checkpoints", checkpoints)


class Checkpoints:
    """A stack of kept states: (n, z in front of step n). And the last step as it is."""

    def __init__(self, number: int):
        self.number = number
        self.kept: list[tuple[int, np.ndarray]] = []
        self.last: RungeKuttaStep | None = None
        self.planned: frozenset[int] | None = None

    def watched(self, f: Callable[..., Any]) -> Callable[..., Any]:
        return f

    def keep(self, recording: Recording, step: RungeKuttaStep) -> None:
        """The state at the end of the step is the one in front of the next, if there is one."""
        n, kept, steps = len(recording), self.kept, recording.steps
        if n == 1:
            if not recording.is_explicit:
                raise ValueError("gradient='checkpointed' takes steps again, as explicit methods can; take gradient='discrete' for an implicit one.")
            kept.append((0, step.z))
            self.planned = frozenset(placed(len(steps.grid), self.number)) if isinstance(steps, FixedSteps) else None
        self.last = step
        if step.t1 == steps.t_end:
            return
        if self.planned is None and len(kept) == self.number:
            place = dropped([state[0] for state in kept], n, self.number)
            if place is None:
                return
            del kept[place]
        elif self.planned is not None and n not in self.planned:
            return
        kept.append((n, step.z1))

    def backwards(self, recording: Recording, stats: SolveStats) -> Iterator[RungeKuttaStep]:
        """Towards each step from the nearest state before it; where there is room for more states, they are kept on the way."""
        kept, last = self.kept or [(0, recording.states[0])], self.last
        self.kept, self.last = [], None
        again = Again(recording, stats)
        for n in range(len(recording) - 1, -1, -1):
            while kept[-1][0] > n:
                kept.pop()
            if last is not None:
                yield last
                last = None
                continue
            m, z = kept[-1]
            while m < n:
                free = self.number - len(kept)
                target = m + split(n + 1 - m, free + 1)
                z = again.advance(m, target, z)
                m = target
                if free:
                    kept.append((m, z))
            step = again.step(n, z)
            first, end, _ = recording.nodes(n)
            if first < end:
                step.complete()
            yield step


class Again:
    """The steps of a recording, taken again to the same bits."""

    def __init__(self, recording: Recording, stats: SolveStats):
        self.recording, self.stats = recording, stats
        self.K = np.empty((len(recording.method.b), recording.way.size), recording.way.dtype)
        self.done = -1  # the number of the step whose stages K holds

    def advance(self, n: int, end: int, z: np.ndarray) -> np.ndarray:
        """From in front of step n to in front of step number `end`."""
        for m in range(n, end):
            z = self.step(m, z).z1
        return z

    def step(self, n: int, z: np.ndarray) -> RungeKuttaStep:
        """Step n from z."""
        recording, way = self.recording, self.recording.way
        t, t1, (low, high) = recording.ends[n], recording.ends[n + 1], recording.asked(n)

        def f(z: np.ndarray, t: float, out: np.ndarray) -> None:
            self.stats.nfe += 1
            way.write(recording.f(way.unravel(z), min(max(t, low), high), recording.theta), out)

        if recording.shares(n) and self.done == n - 1:
            self.K[0] = self.K[-1]
        else:
            f(z, t, self.K[0])  # where steps share it, the same bits: it was f at z1
        z1, _ = rk_step(f, z, t, t1, self.K, recording.method)
        self.done = n
        self.stats.accepted += 1
        return RungeKuttaStep(t, t1, z, z1, self.K, recording.method, f)
