"""The recorded steps once more, in traceable NumPy: for a gradient that is differentiated again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.errors import TraceError
from refnode.gradients.algebra import add, zeros_like
from refnode.gradients.recording import Recording
from refnode.ode.solution import SolveStats
from refnode.tree import Tree, tree_map


class Retraced:
    """z(t_i) as traced functions of z0, t_i and theta, the steps being those of the recording; cut where f jumps.

    f: see `counted`. t: the nodes, in which ts and the jumps may be traced. states: at the nodes.
    """

    def __init__(self, recording: Recording, f: Callable[..., Any], z0: Tree, t: Any, theta: Tree):
        if not recording.is_explicit:
            raise TraceError("gradient='discrete' of an implicit method gives first derivatives only; use gradient='adjoint' or an explicit method "
                             "where a gradient is differentiated again (grad of grad, hvp, jvp).")
        self.recording, self.f, self.t, self.theta = recording, f, t, theta
        z = conform(z0, recording.way.tree)
        start = recording.stage_times(0)[0] if len(recording) else recording.times[0]
        self.states = [z, *(self._moved(z, start, t[0], t[node], theta) for node in range(1, recording.at_start))]
        self.pieces, node = [], 0
        jumps = [n for n in range(1, len(recording)) if recording.ends[n] in recording.jumps]
        for first, end in pairwise([0, *jumps, len(recording)]):
            def piece(z: Tree, theta: Tree, first: int = first, end: int = end, node: int = node) -> tuple[list[Tree], Tree]:
                return self._steps(first, end, z, node, theta)
            (seen, z), back = pullback(piece, z, theta)
            self.states += seen
            self.pieces.append((len(seen), back))
            node = len(self.states) - 1

    def _steps(self, first: int, end: int, z: Tree, node: int, theta: Tree) -> tuple[list[Tree], Tree]:
        """The states at the nodes of these steps, and at their end, from z at a node."""
        recording, method, seen, shared = self.recording, self.recording.method, [], None
        for n in range(first, end):
            inside, at_end, behind = recording.nodes(n)
            times, t, t1 = recording.stage_times(n), recording.ends[n], recording.ends[n + 1]
            if n == first:
                z = self._moved(z, times[0], self.t[node], t, theta)
            K = [self.f(z, times[0], theta) if shared is None else shared]
            for i in range(1, len(method.b) if inside == at_end else len(method.A)):
                K.append(self.f(along(z, t1 - t, method.A[i], K), times[i], theta))
            for i, w in zip(range(inside, at_end), recording.weights(n), strict=True):
                seen.append(self._moved(along(z, t1 - t, w, K), recording.times[i], recording.times[i], self.t[i], theta))
            z = along(z, t1 - t, method.b, K)
            low, high = recording.asked(n)
            seen += [self._moved(z, min(max(t1, low), high), t1, self.t[i], theta) for i in range(at_end, behind)]
            shared = K[len(method.b) - 1] if method.fsal else None
        return seen, seen[-1] if seen else z

    def _moved(self, z: Tree, asked: float, t: Any, t1: Any, theta: Tree) -> Tree:
        """z, as it depends on a node that is traced: t and t1 are the same number, one of them traced. f is asked at `asked`, on the side of a jump.

        A step of length zero: its first four derivatives by t1 - t, and those of them by z and theta, are the derivatives of the solution.
        """
        h = t1 - t
        if plain(h) is h:
            return z
        at = asked + (t - plain(t))
        k1 = self.f(z, at, theta)
        k2 = self.f(along(z, h, [0.5], [k1]), at + h / 2, theta)
        k3 = self.f(along(z, h, [0.5], [k2]), at + h / 2, theta)
        k4 = self.f(along(z, h, [1.0], [k3]), at + h, theta)
        return conform(along(z, h, [1 / 6, 1 / 3, 1 / 3, 1 / 6], [k1, k2, k3, k4]), z)

    def stacked(self, nodes: list[int]) -> Tree:
        return tree_map(lambda *leaves: np.stack(leaves), *(self.states[node] for node in nodes))

    def back(self, dLdz: list[Tree], at_jump: Callable[[int, Tree], Tree]) -> tuple[Tree, Tree]:
        """As `discrete.Reverse.back`."""
        zero = tree_map(lambda x: np.zeros_like(plain(x)), self.states[0])
        g = [zero if x is None else x for x in dLdz]
        a, dLdtheta, behind = zero, zeros_like(self.theta), len(g)
        for length, back in reversed(self.pieces):
            if length and self.recording.times[behind - 1] in self.recording.jumps:
                dLdtheta = add(dLdtheta, at_jump(behind - 1, a))
            a, change = back((g[behind - length:behind], a))
            dLdtheta, behind = add(dLdtheta, change), behind - length
        for x in g[1:self.recording.at_start]:
            a = add(a, x)
        return a, dLdtheta


def along(z: Tree, h: Any, weights: Any, K: list[Tree]) -> Tree:
    """z + h sum_j weights_j k_j."""
    used = [(float(w), k) for w, k in zip(weights, K, strict=False) if w]
    return tree_map(lambda z, *k: z + h * sum(w * x for (w, _), x in zip(used, k, strict=True)), z, *(k for _, k in used))


def counted(f: Callable[..., Any], stats: SolveStats) -> Callable[..., Any]:
    """f as one differentiable operation, with its own pullback if it has one; its evaluations and pullbacks are counted."""
    def value(z: Tree, t: Any, theta: Tree) -> Tree:
        stats.nfe += 1
        return conform(f(z, t, theta), z)

    def own_pullback(z: Tree, t: Any, theta: Tree) -> tuple[Tree, Callable[[Tree], tuple[Any, ...]]]:
        stats.nfe += 1
        dzdt, vjp = pullback(f, z, t, theta, like=z)

        def back(k_bar: Tree) -> tuple[Any, ...]:
            stats.nvjp += 1
            return vjp(k_bar)
        return dzdt, back

    return differentiable(value, own_pullback)
