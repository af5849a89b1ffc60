"""gradient="discrete": the derivative of what the solver did, by the exact reverse of its accepted steps.

The step sizes count as constants, and rejected trials as never made. What is differentiated is the map that the solver computes, so that nothing has
to be found again backwards: a contracting flow, which the adjoint cannot follow, is as good as any other. The price is memory for the stages of all
steps (`checkpointed` does with less). And nothing controls the error of the derivative: where z rests, the steps grow as far as they can, and the
derivative of such a step is not that of the flow.

`reverse_step` is the formula. What surrounds it knows where the observations lie, and which stages two steps share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced, plain
from refnode.autodiff.transforms import differentiable, pullback
from refnode.gradients.algebra import add, add_into, at, dot, like_argument, negative, zeros_like
from refnode.gradients.backward import OWN
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.jacobians import with_jacobian
from refnode.gradients.recording import AllSteps, Linearisations, Memory, Recording
from refnode.gradients.retraced import Retraced, counted
from refnode.ode import arguments
from refnode.ode.runge_kutta import RungeKuttaStep, stage_state
from refnode.ode.solution import SolveStats, Stats
from refnode.ode.solve import solve
from refnode.ode.stepping import quiet
from refnode.ode.tableau import Coefficients, Tableau
from refnode.tree import Tree, leaves, tree_map

Dynamics = Callable[[Any, Any, Any], Any]
Pull = Callable[[slice, np.ndarray, np.ndarray, np.ndarray], None]  # (stages, right, hA, Y_bar): see `Reverse.pull`
Back = Callable[[Tree], tuple[Any, ...]]
AtJump = Callable[[int, Tree], Tree]  # (node, a behind it) -> what the jump adds to dL/dtheta


def _odeint(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]): the solve itself."""
    refuse_backward("discrete", solver)
    return solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **with_jacobian(f, solver)).zs


def odeint_pullback(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Any:
    """zs, and the way back: see `pullback_through`, with all steps in memory; and with all linearisations of f, if f brings its own pullback.

    Statement: E2, E4
    """
    refuse_backward("discrete", solver)
    explicit = isinstance(arguments.method_named(solver.get("method", "dopri5")), Tableau)
    linearise = explicit and hasattr(f, "pullback") and not is_traced((z0, ts, theta))
    return pullback_through(Linearisations() if linearise else AllSteps(), f, z0, ts, theta, Stats() if stats is None else stats, solver)


odeint = differentiable(_odeint, odeint_pullback)


def pullback_through(memory: Memory, f: Dynamics, z0: Tree, ts: Any, theta: Tree, stats: Stats, solver: dict[str, Any]) -> Any:
    """zs, and the way from dL/dz(t_i) to dL/dz0, dL/dt_i and dL/dtheta through the recorded steps, from the last to the first.

    Where it is differentiated again (z0, ts, theta or dL/dz(t_i) are traced), the recorded steps are taken once more with traced stages, and the
    memory holds all that these are made of.
    Deviation: dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta) for i >= 1 and dL/dt_0 = -a(t_0)^T f(z(t_0), t_0, theta), as in every method, and not the
    derivative of the discrete map: that of an interpolant is a worse number.
    """
    t, observed, sides = nodes(ts, theta, solver.get("jump_ts", ()))
    times = arguments.observation_times(plain(t))
    recording = Recording(f, tree_map(plain, z0), times, tree_map(plain, theta), memory, stats.forward, **with_jacobian(f, solver))
    t = [t[i] for i in range(len(times))] if is_traced(t) else times
    f_counted = counted(f, stats.backward)
    again = Retraced(recording, f_counted, z0, t, theta) if is_traced((z0, t, theta)) else None
    zs = again.stacked(list(observed)) if again else recording.way.unstack(recording.states[list(observed)], (len(observed),))

    def evaluate(f: Dynamics, z: Tree, t: Any, theta: Tree) -> Tree:
        return f_counted(z, t, theta)

    def back(dLdzs: Tree) -> tuple[None, Tree, Any, Tree]:
        way = again or (Retraced(recording, f_counted, z0, t, theta) if is_traced(dLdzs) else Reverse(recording, stats.backward))
        z = way.states
        at_nodes = [at(dLdzs, observed[node]) if node in observed else None for node in range(len(times))]
        a, dLdtheta = way.back(at_nodes, lambda node, a: knots_cotangent(evaluate, f, z[node], t, node, a, theta))
        g = [negative(a), *(at(dLdzs, i) for i in range(1, len(observed)))]
        dLdt = [dot(g[i], f_counted(z[node], sides.get(node, t[node]), theta)) for node, i in observed.items()]
        return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), dLdtheta

    return zs, back


class Square:
    """A tableau for the way back: A as one matrix, b with zeros for the stages of the interpolant, the number of b's last stage.

    blocks: stages that depend on each other belong together, explicit: whether none do. idle: the stages on which z1 does not depend.
    """

    def __init__(self, method: Coefficients):
        s = len(method.A)
        self.A, self.b, self.last = np.zeros((s, s), method.b.dtype), np.zeros(s, method.b.dtype), len(method.b) - 1
        self.b[:len(method.b)] = method.b
        for i, row in enumerate(method.A):
            self.A[i, :len(row)] = row
        self.explicit = not np.triu(self.A).any()
        self.blocks = [slice(i, i + 1) for i in range(s)] if not np.triu(self.A, 1).any() else [slice(0, s)]
        leads = self.b != 0
        for _ in range(s):
            leads = leads | ((self.A != 0).T @ leads)
        self.idle = frozenset(np.flatnonzero(~leads).tolist())


def reverse_step(step: RungeKuttaStep, a1: np.ndarray, k_bar_last: Any, weights: np.ndarray, dLdz: np.ndarray, shared: bool, method: Square,
                 pull: Pull) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a = dL/dz(t) from a1 = dL/dz(t1), and the cotangents of the stages: (a, k_bar (s, n), Y_bar (s, n)).

        forward:  Y_i = z + h sum_j a_ij k_j,   k_i = f(Y_i, t + c_i h, theta),   z1 = z + h sum_i b_i k_i
        reverse:  k_bar_i = h b_i a1 + h sum_j a_ji Y_bar_j,   Y_bar_i = k_bar_i^T df/dz(Y_i),   dL/dtheta += k_bar_i^T df/dtheta(Y_i)
                  a = a1 + sum_i Y_bar_i

    from the last stage to the first. k_bar_i needs the later stages alone, where A is lower triangular; its own Y_bar, too, if the stage is implicit
    (the row of k_bar that is returned then lacks that part); and stages that depend on each other are solved for at once. An observation inside the
    step, z + h sum_i w_i k_i with the cotangent g, adds h w_i g to k_bar_i and g to a: weights (m, s), dLdz (m, n).
    The stage that two steps share is pulled back once, by the earlier one, with the sum of both cotangents: k_bar_last is what the later step has
    left. If the first stage is `shared` with the step before, it is left in turn, as row 0 of k_bar. Stages on which nothing depends, and steps
    behind the last observation that counts, are not pulled back.
    Source: Gholami, Keutzer, Biros 2019 (arXiv 1902.10298)
    Statement: E1
    """
    h, K = step.t1 - step.t, step.K
    s = len(K)
    A = h * method.A[:s, :s]
    k_bar = np.multiply.outer(h * method.b[:s], a1)
    if len(weights):
        k_bar += h * (weights.T @ dLdz)
    k_bar[method.last] += k_bar_last
    Y_bar = np.zeros_like(k_bar)
    if not k_bar.any():
        return a1, k_bar, Y_bar
    idle = method.idle if np.ndim(k_bar_last) == 0 and not len(weights) else ()
    for i in reversed(method.blocks):
        if i.start >= s:
            continue
        if i.stop < s:
            k_bar[i] += A[i.stop:, i].T.dot(Y_bar[i.stop:])
        if not (shared and i.start == 0) and i.start not in idle:
            pull(i, k_bar[i], A[i, i], Y_bar[i])
    return a1 + np.add.reduce(dLdz, 0) + np.add.reduce(Y_bar, 0), k_bar, Y_bar


class Reverse:
    """The way back through a recording, in numbers. dL/dtheta adds up in theta_bar."""

    argnums: tuple[int, ...] = (0, 2)

    def __init__(self, recording: Recording, stats: SolveStats):
        self.recording, self.stats, self.square = recording, stats, Square(recording.method)
        self.states = [recording.way.unravel(row) for row in recording.states]
        self.theta_bar = zeros_like(recording.theta)

    def back(self, dLdz: list[Tree], at_jump: AtJump) -> tuple[Tree, Tree]:
        """a(t_0), without dL/dz(t_0), and dL/dtheta. dLdz: at the nodes, None where nothing is observed."""
        recording, way = self.recording, self.recording.way
        rows = np.zeros((len(dLdz), way.size), way.dtype)
        for row, g in zip(rows, dLdz, strict=True):
            if g is not None:
                way.ravel(g, row)
        a, k_bar_last = np.zeros(way.size, way.dtype), np.float64(0.0)
        with quiet():  # f is asked where it was asked before
            for n, step in zip(range(len(recording) - 1, -1, -1), recording.memory.backwards(recording, self.stats), strict=True):
                first, end, behind = recording.nodes(n)
                for node in range(behind - 1, end - 1, -1):
                    if recording.times[node] in recording.jumps:
                        add_into(self.theta_bar, at_jump(node, way.unravel(a)))
                    a = a + rows[node]
                a, k_bar_last = self.step(n, step, a, k_bar_last, rows[first:end])
        a = a + rows[1:recording.at_start].sum(0)
        return tree_map(lambda x: x[()], (way.unstack(a[None], ()), self.theta_bar))

    def step(self, n: int, step: RungeKuttaStep, a1: np.ndarray, k_bar_last: Any, dLdz: np.ndarray) -> tuple[np.ndarray, Any]:
        """From behind step n to before it: a, and the cotangent of the stage that it shares with the step before."""
        self.n, self.at, self.times = n, step, self.recording.stage_times(n)
        shared, weights = self.recording.shares(n), self.recording.weights(n)
        a, k_bar, self.Y_bar = reverse_step(step, a1, k_bar_last, weights, dLdz, shared, self.square, self.pull)
        return a, k_bar[0] if shared else np.float64(0.0)

    def pull(self, stages: slice, right: np.ndarray, hA: np.ndarray, Y_bar: np.ndarray) -> None:
        """Y_bar_i = J_i^T k_bar_i of stages with k_bar_i - sum_j hA_ji J_j^T k_bar_j = right_i, J_i = df/dz(Y_i). Rows: stages; hA = 0: explicit."""
        memory, first = self.recording.memory, stages.start
        if isinstance(memory, Linearisations):
            backs = memory.backs[self.n][stages]
        else:
            backs = [self.linearised(self.state(i), self.times[i]) for i in range(first, stages.stop)]
        k_bar = right if self.square.explicit or not hA.any() else self.solved([self.jacobian(back) for back in backs], right, hA)
        for i, back in enumerate(backs):
            self.carried(back, self.times[first + i], k_bar[i], Y_bar[i])

    def state(self, i: int) -> np.ndarray:
        """Y_i: where f was asked, to the bit, if the method is explicit."""
        step, h = self.at, np.array(self.at.t1 - self.at.t, self.square.b.dtype)
        if self.square.explicit:
            return stage_state(step.z, h, step.K, self.recording.method, i)
        return step.z + h * self.square.A[i, :len(step.K)].dot(step.K)

    def solved(self, J: list[np.ndarray], right: np.ndarray, hA: np.ndarray) -> np.ndarray:
        """By the implicit function theorem: the transposed linear system of Newton's method, at the stages as they are, dense."""
        s, n = right.shape
        matrix = np.eye(s * n, dtype=right.dtype)
        for i in range(s):
            for j in range(s):
                matrix[i * n:(i + 1) * n, j * n:(j + 1) * n] -= hA[j, i] * J[j].T
        self.stats.nlu += 1
        return np.linalg.solve(matrix, right.reshape(-1)).reshape(s, n)

    def linearised(self, Y: np.ndarray, t: float) -> Back:
        """f at a stage, and the way back from there, on trees."""
        recording = self.recording
        self.stats.nfe += 1
        return pullback(recording.f, recording.way.unravel(Y), t, recording.theta, argnums=self.argnums, like=recording.way.tree)[1]

    def jacobian(self, back: Back) -> np.ndarray:
        way = self.recording.way
        self.stats.njev += 1
        self.stats.nvjp += way.size
        return np.array([way.ravel(back(way.unravel(row))[0]) for row in np.eye(way.size, dtype=way.dtype)])

    def carried(self, back: Back, t: float, k_bar: np.ndarray, Y_bar: np.ndarray) -> None:
        """Y_bar from k_bar; the share of theta is added up."""
        way = self.recording.way
        self.stats.nvjp += 1
        z_bar, t_bar, theta_bar = back(way.unravel(k_bar))
        add_into(self.theta_bar, theta_bar)
        self.time_bar(t, t_bar)
        way.ravel(z_bar, Y_bar)

    def time_bar(self, t: float, t_bar: Any) -> None:
        """k_bar^T df/dt at a stage, for `StepSizes`."""


def step_size_cotangents(f: Dynamics, z0: Tree, ts: Any, theta: Tree, dLdzs: Tree, **solver: Any) -> tuple[np.ndarray, np.ndarray]:
    """(h, dL/dh) for each accepted step, from dL/dz(t_i): what the gradient leaves out, because it counts the step sizes as constants.

        dL/dh_n = a1^T sum_i b_i k_i + sum_i Y_bar_i^T sum_j a_ij k_j + sum_i c_i k_bar_i^T df/dt + sum over later steps, all i, of k_bar_i^T df/dt

    A longer step moves all later ones; an observation inside of a step stays at its fraction of it, and adds g^T sum_i w_i k_i.
    Source: Gholami, Keutzer, Biros 2019 (arXiv 1902.10298)
    """
    recording = Recording(f, z0, arguments.observation_times(ts), theta, AllSteps(), SolveStats(), **with_jacobian(f, solver))
    reverse = StepSizes(recording, SolveStats())
    reverse.back([at(dLdzs, i) for i in range(len(ts))], lambda node, a: zeros_like(theta))
    return np.diff(recording.ends), np.array(reverse.h_bar[::-1])


class StepSizes(Reverse):
    """h_bar: dL/dh of the steps, the last one first."""

    argnums = (0, 1, 2)

    def __init__(self, recording: Recording, stats: SolveStats):
        super().__init__(recording, stats)
        self.h_bar: list[float] = []
        self.t_bars: list[tuple[float, float]] = []
        self.later = 0.0

    def step(self, n: int, step: RungeKuttaStep, a1: np.ndarray, k_bar_last: Any, dLdz: np.ndarray) -> tuple[np.ndarray, Any]:
        self.t_bars.clear()
        a, k_bar_first = super().step(n, step, a1, k_bar_last, dLdz)
        h, K, s, weights = step.t1 - step.t, step.K, len(step.K), self.recording.weights(n)
        by_length = a1 @ (self.square.b[:s] @ K) + np.sum(self.Y_bar * (self.square.A[:s, :s] @ K)) + np.sum(dLdz * (weights[:, :s] @ K))
        self.h_bar.append(by_length + sum((t - step.t) / h * t_bar for t, t_bar in self.t_bars) + self.later)
        self.later += sum(t_bar for _, t_bar in self.t_bars)
        return a, k_bar_first

    def time_bar(self, t: float, t_bar: Any) -> None:
        self.t_bars.append((t, float(t_bar)))


def refuse_backward(name: str, solver: dict[str, Any]) -> None:
    for key in OWN:
        if solver.pop(key, None) is not None:
            raise ValueError(f"{key} is for a backward solve, and gradient={name!r} makes none: leave it out.")


def is_traced(tree: Tree) -> bool:
    return any(isinstance(leaf, Traced) for leaf in leaves(tree))
