"""gradient="discrete": the derivative of what the solver did, by the exact reverse of its accepted steps.

The step sizes count as constants, and rejected trials as never made. What is differentiated is the map that the solver computes, so that nothing has
to be found again backwards: a contracting flow, which the adjoint cannot follow, is as good as any other. The price is memory for the stages of all
steps (`checkpointed` does with less).

`reverse_step` is the formula. What surrounds it knows where the observations lie, and which stages two steps share.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced, plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.gradients.algebra import add, at, dot, like_argument, negative, zeros_like
from refnode.gradients.backward import OWN
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.recording import AllSteps, Memory, Recording
from refnode.gradients.retraced import Retraced
from refnode.ode import arguments
from refnode.ode.runge_kutta import RungeKuttaStep
from refnode.ode.solution import SolveStats, Stats
from refnode.ode.solve import solve
from refnode.ode.stepping import quiet
from refnode.ode.tableau import Coefficients
from refnode.tree import Tree, leaves, tree_map

Dynamics = Callable[[Any, Any, Any], Any]
Pull = Callable[[np.ndarray, float, np.ndarray], np.ndarray]  # (Y, t, k_bar) -> k_bar^T df/dz(Y, t); what it finds for theta, it adds up itself
AtJump = Callable[[int, Tree], Tree]  # (node, a behind it) -> what the jump adds to dL/dtheta


def _odeint(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]): the solve itself."""
    refuse_backward("discrete", solver)
    return solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **solver).zs


def odeint_pullback(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Any:
    """zs, and the way back: see `pullback_through`, with all steps in memory."""
    refuse_backward("discrete", solver)
    return pullback_through(AllSteps, f, z0, ts, theta, Stats() if stats is None else stats, solver)


odeint = differentiable(_odeint, odeint_pullback)


def pullback_through(memory: Callable[[Recording], Memory], f: Dynamics, z0: Tree, ts: Any, theta: Tree, stats: Stats, solver: dict[str, Any]) -> Any:
    """zs, and the way from dL/dz(t_i) to dL/dz0, dL/dt_i and dL/dtheta through the recorded steps, from the last to the first.

    Where it is differentiated again (z0, theta or dL/dz(t_i) are traced), the recorded steps are taken once more with traced stages, and the memory
    holds all that these are made of.
    Deviation: dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta) for i >= 1 and dL/dt_0 = -a(t_0)^T f(z(t_0), t_0, theta), as in every method, and not the
    derivative of the discrete map: that of an interpolant is a worse number.
    """
    t, observed, sides = nodes(ts, theta, solver.get("jump_ts", ()))
    times = arguments.observation_times(plain(t))
    recording = Recording(f, tree_map(plain, z0), times, tree_map(plain, theta), memory, stats.forward, **solver)
    t = t if is_traced(ts) else times
    again = Retraced(recording, z0, theta, stats.backward) if is_traced((z0, theta)) else None
    zs = again.stacked(list(observed)) if again else recording.way.unstack(recording.states[list(observed)], (len(observed),))

    def evaluate(f: Dynamics, z: Tree, t: Any, theta: Tree) -> Tree:
        stats.backward.nfe += 1
        return conform(f(z, t, theta), z)

    def back(dLdzs: Tree) -> tuple[None, Tree, Any, Tree]:
        way = again or (Retraced(recording, z0, theta, stats.backward) if is_traced(dLdzs) else Reverse(recording, stats.backward))
        z = way.states
        at_nodes = [at(dLdzs, observed[node]) if node in observed else None for node in range(len(times))]
        a, dLdtheta = way.back(at_nodes, lambda node, a: knots_cotangent(evaluate, f, z[node], t, node, a, theta))
        g = [negative(a), *(at(dLdzs, i) for i in range(1, len(observed)))]
        dLdt = [dot(g[i], evaluate(f, z[node], sides.get(node, t[node]), theta)) for node, i in observed.items()]
        return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), dLdtheta

    return zs, back


class Lower:
    """A tableau for the way back: A as one lower triangular matrix, b with zeros for the stages of the interpolant, the number of b's last stage."""

    def __init__(self, method: Coefficients):
        s = len(method.A)
        self.A, self.b, self.last = np.zeros((s, s), method.b.dtype), np.zeros(s, method.b.dtype), len(method.b) - 1
        self.b[:len(method.b)] = method.b
        for i, row in enumerate(method.A):
            self.A[i, :i] = row


def reverse_step(step: RungeKuttaStep, times: list[float], a1: np.ndarray, k_bar_last: Any, weights: np.ndarray, dLdz: np.ndarray, shared: bool,
                 method: Lower, pull: Pull) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a = dL/dz(t) from a1 = dL/dz(t1), and the cotangents of the stages: (a, k_bar (s, n), Y_bar (s, n)).

        forward:  Y_i = z + h sum_{j<i} a_ij k_j,   k_i = f(Y_i, t + c_i h, theta),   z1 = z + h sum_i b_i k_i
        reverse:  k_bar_i = h b_i a1 + h sum_{j>i} a_ji Y_bar_j,   Y_bar_i = k_bar_i^T df/dz(Y_i),   dL/dtheta += k_bar_i^T df/dtheta(Y_i)
                  a = a1 + sum_i Y_bar_i

    from the last stage to the first. An observation inside the step, z + h sum_i w_i k_i with the cotangent g, adds h w_i g to k_bar_i and g to a:
    weights (m, s), dLdz (m, n). The stage that two steps share is pulled back once, by the earlier one, with the sum of both cotangents: k_bar_last is
    what the later step has left; if the first stage is `shared` with the step before, it is left in turn: its k_bar is complete, its Y_bar zero.
    Cotangents that are zero are not pulled back. times: where f was asked.
    Source: paper.md E1; Gholami, Keutzer, Biros 2019 (arXiv 1902.10298)
    """
    h, K = step.t1 - step.t, step.K
    s = len(K)
    A = h * method.A[:s, :s]
    Y = step.z + A @ K
    k_bar = np.multiply.outer(h * method.b[:s], a1)
    if len(weights):
        k_bar += h * (weights.T @ dLdz)
    k_bar[method.last] += k_bar_last
    Y_bar = np.zeros_like(k_bar)
    for i in range(s - 1, -1, -1):
        k_bar[i] += A[i + 1:, i] @ Y_bar[i + 1:]
        if not (shared and i == 0) and k_bar[i].any():
            Y_bar[i] = pull(Y[i], times[i], k_bar[i])
    return a1 + dLdz.sum(0) + Y_bar.sum(0), k_bar, Y_bar


class Reverse:
    """The way back through a recording, in numbers. dL/dtheta adds up in theta_bar."""

    def __init__(self, recording: Recording, stats: SolveStats):
        self.recording, self.stats, self.lower = recording, stats, Lower(recording.method)
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
            for n, step in zip(range(len(recording) - 1, -1, -1), recording.memory.backwards(self.stats), strict=True):
                first, end, behind = recording.nodes(n)
                for node in range(behind - 1, end - 1, -1):
                    if recording.times[node] in recording.jumps:
                        self.theta_bar = add(self.theta_bar, at_jump(node, way.unravel(a)))
                    a = a + rows[node]
                a, k_bar_last = self.step(n, step, a, k_bar_last, rows[first:end])
        a = a + rows[1:recording.at_start].sum(0)
        return tree_map(lambda x: x[()], (way.unstack(a[None], ()), self.theta_bar))  # type: ignore[no-any-return]

    def step(self, n: int, step: RungeKuttaStep, a1: np.ndarray, k_bar_last: Any, dLdz: np.ndarray) -> tuple[np.ndarray, Any]:
        """From behind step n to before it: a, and the cotangent of the stage that it shares with the step before."""
        shared = self.recording.shares(n)
        a, k_bar, _ = reverse_step(step, self.recording.stage_times(n), a1, k_bar_last, self.recording.weights(n), dLdz, shared, self.lower, self.pull)
        return a, k_bar[0] if shared else np.float64(0.0)

    def pull(self, Y: np.ndarray, t: float, k_bar: np.ndarray) -> np.ndarray:
        return self.pull_also_t(Y, t, k_bar, (0, 2))[0]

    def pull_also_t(self, Y: np.ndarray, t: float, k_bar: np.ndarray, argnums: tuple[int, ...] = (0, 1, 2)) -> tuple[np.ndarray, Any]:
        way = self.recording.way
        self.stats.nfe += 1
        self.stats.nvjp += 1
        _, back = pullback(self.recording.f, way.unravel(Y), t, self.recording.theta, argnums=argnums, like=way.tree)
        z_bar, t_bar, theta_bar = back(way.unravel(k_bar))
        self.theta_bar = tree_map(operator.iadd, self.theta_bar, theta_bar)
        return way.ravel(z_bar), t_bar


def step_size_cotangents(f: Dynamics, z0: Tree, ts: Any, theta: Tree, dLdzs: Tree, **solver: Any) -> tuple[np.ndarray, np.ndarray]:
    """(h, dL/dh) for each accepted step, from dL/dz(t_i): what the gradient leaves out, because it counts the step sizes as constants.

        dL/dh_n = a1^T sum_i b_i k_i + sum_i Y_bar_i^T sum_j a_ij k_j + sum_i c_i k_bar_i^T df/dt + sum over later steps, all i, of k_bar_i^T df/dt

    A longer step moves all later ones; an observation inside of a step stays at its fraction of it, and adds g^T sum_i w_i k_i.
    Source: paper.md E1
    """
    recording = Recording(f, z0, arguments.observation_times(ts), theta, AllSteps, SolveStats(), **solver)
    reverse = StepSizes(recording, SolveStats())
    reverse.back([at(dLdzs, i) for i in range(len(ts))], lambda node, a: zeros_like(theta))
    return np.diff(recording.ends), np.array(reverse.h_bar[::-1])


class StepSizes(Reverse):
    def __init__(self, recording: Recording, stats: SolveStats):
        super().__init__(recording, stats)
        self.h_bar: list[float] = []
        self.later = 0.0

    def step(self, n: int, step: RungeKuttaStep, a1: np.ndarray, k_bar_last: Any, dLdz: np.ndarray) -> tuple[np.ndarray, Any]:
        h, K, s, t_bar = step.t1 - step.t, step.K, len(step.K), {}

        def pull(Y: np.ndarray, t: float, k_bar: np.ndarray) -> np.ndarray:
            Y_bar, here = self.pull_also_t(Y, t, k_bar)
            t_bar[t] = t_bar.get(t, 0.0) + float(here)
            return Y_bar

        shared, weights = self.recording.shares(n), self.recording.weights(n)
        a, k_bar, Y_bar = reverse_step(step, self.recording.stage_times(n), a1, k_bar_last, weights, dLdz, shared, self.lower, pull)
        h_bar = a1 @ (self.lower.b[:s] @ K) + np.sum(Y_bar * (self.lower.A[:s, :s] @ K)) + sum((t - step.t) / h * x for t, x in t_bar.items())
        self.h_bar.append(h_bar + (np.sum(dLdz * (weights @ K)) if len(weights) else 0.0) + self.later)
        self.later += sum(t_bar.values())
        return a, k_bar[0] if shared else np.float64(0.0)


def refuse_backward(name: str, solver: dict[str, Any]) -> None:
    for key in OWN:
        if solver.pop(key, None) is not None:
            raise ValueError(f"{key} is for a backward solve, and gradient={name!r} makes none: leave it out.")


def is_traced(tree: Tree) -> bool:
    return any(isinstance(leaf, Traced) for leaf in leaves(tree))
