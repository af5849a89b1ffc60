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
    """z(t_i) as traced functions of z0 and theta, the steps being those of the recording; cut where f jumps.

    states: at the nodes.
    """

    def __init__(self, recording: Recording, z0: Tree, theta: Tree, stats: SolveStats):
        if not recording.is_explicit:
            raise TraceError("gradient='discrete' of an implicit method gives first derivatives only; use gradient='adjoint' or an explicit method "
                             "where a gradient is differentiated again (grad of grad, hvp, jvp).")
        self.recording, self.theta, self.f = recording, theta, counted(recording.f, stats)
        z = conform(z0, recording.way.tree)
        self.states, self.pieces = [z] * recording.at_start, []
        jumps = [n for n in range(1, len(recording)) if recording.ends[n] in recording.jumps]
        for first, end in pairwise([0, *jumps, len(recording)]):
            (seen, z), back = pullback(lambda z, theta, first=first, end=end: self._steps(first, end, z, theta), z, theta)
            self.states += seen
            self.pieces.append((len(seen), back))

    def _steps(self, first: int, end: int, z: Tree, theta: Tree) -> tuple[list[Tree], Tree]:
        """The states at the nodes of these steps, and at their end, from z."""
        recording, method, seen, shared = self.recording, self.recording.method, [], None
        for n in range(first, end):
            inside, at_end, behind = recording.nodes(n)
            times, h = recording.stage_times(n), recording.ends[n + 1] - recording.ends[n]
            K = [self.f(z, times[0], theta) if shared is None else shared]
            for i in range(1, len(method.b) if inside == at_end else len(method.A)):
                K.append(self.f(along(z, h, method.A[i], K), times[i], theta))
            seen += [along(z, h, w, K) for w in recording.weights(n)]
            z = along(z, h, method.b, K)
            seen += [z] * (behind - at_end)
            shared = K[len(method.b) - 1] if method.fsal else None
        return seen, z

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


def along(z: Tree, h: float, weights: np.ndarray, K: list[Tree]) -> Tree:
    """z + h sum_j weights_j k_j."""
    used = [(float(w), k) for w, k in zip(weights, K, strict=False) if w]
    return tree_map(lambda z, *k: z + h * sum(w * x for (w, _), x in zip(used, k, strict=True)), z, *(k for _, k in used))


def counted(f: Callable[..., Any], stats: SolveStats) -> Callable[..., Any]:
    """f as one differentiable operation, whose evaluations and pullbacks are counted."""
    def value(z: Tree, t: float, theta: Tree) -> Tree:
        stats.nfe += 1
        return conform(f(z, t, theta), z)

    def own_pullback(z: Tree, t: float, theta: Tree) -> tuple[Tree, Callable[[Tree], tuple[Tree, None, Tree]]]:
        stats.nfe += 1
        dzdt, vjp = pullback(f, z, t, theta, argnums=(0, 2), like=z)

        def back(k_bar: Tree) -> tuple[Tree, None, Tree]:
            stats.nvjp += 1
            z_bar, _, theta_bar = vjp(k_bar)
            return z_bar, None, theta_bar
        return dzdt, back

    return differentiable(value, own_pullback)
