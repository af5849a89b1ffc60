"""Steps of reversible methods taken back, with the cotangents of the states: algebra on trees, traceable.

Each class holds the state that its method carries and the cotangent of it. `back` goes from the end of a step to its start: it finds the state there
by the inverse of the step, which evaluates f where the step did, and each evaluation is linearised, so that the cotangent goes back with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced
from refnode.autodiff.transforms import conform, pullback
from refnode.gradients.algebra import add, negative, zeros_like
from refnode.ode.coupled import Coupled
from refnode.ode.reversible import Alf, ReversibleHeun
from refnode.ode.runge_kutta import interpolate
from refnode.ode.solution import SolveStats
from refnode.tree import Tree, tree_map

Carry = Callable[[Tree], Tree]
Seen = list[tuple[float, Tree]]  # the observations in a step: x = (t_i - t) / h, and the cotangent g


class Linearised:
    """f with its pullbacks; what they carry to theta adds up in dLdtheta. low, high: where f may be asked, between two jumps."""

    def __init__(self, f: Callable[..., Any], theta: Tree, stats: SolveStats):
        self.f, self.theta, self.stats, self.dLdtheta = f, theta, stats, zeros_like(theta)
        self.low, self.high = -math.inf, math.inf

    def __call__(self, z: Tree, t: Any) -> tuple[Tree, Carry]:
        """f(z, t, theta), and the function that carries a cotangent of it back to z."""
        self.stats.nfe += 1
        t = t if isinstance(t, Traced) else min(max(float(t), self.low), self.high)
        k, vjp = pullback(self.f, z, t, self.theta, argnums=(0, 2), like=z)

        def carry(k_bar: Tree) -> Tree:
            self.stats.nvjp += 1
            z_bar, _, theta_bar = vjp(k_bar)
            self.dLdtheta = add(self.dLdtheta, theta_bar)
            return z_bar

        return k, carry

    def value(self, f: Callable[..., Any], z: Tree, t: Any, theta: Tree) -> Tree:
        self.stats.nfe += 1
        return conform(f(z, t, theta), z)


class CoupledBack:
    """(z, w) from (z1, w1), and the cotangents (a, b) of (z, w) from (a1, b1). With psi = h sum_i b_i k_i, the increment of the method:

        w = w1 + psi_{-h}(z1, t1),                  z = w + (z1 - w - psi_h(w, t)) / lam
        a1 += (d psi_{-h} / dz1)^T (-b1),            b = b1 + (1 - lam) a1 + (d psi_h / dw)^T a1,   a = lam a1

    An observation is w + h sum_i b_i(x) k_i + (1 - (1 - lam) x) (z - w). Source: McCallum, Foster 2024 (arXiv 2410.11648)
    """

    def __init__(self, method: Coupled, f: Linearised, state: tuple[Tree, Tree], cotangent: tuple[Tree, Tree]):
        self.lam, self.method, self.needed, self.f = method.lam, method.method, len(method.K_back), f
        (self.z, self.w), (self.a, self.b) = state, cotangent

    def back(self, t: float, t1: float, seen: Seen) -> None:
        h, lam, b = t1 - t, self.lam(t1 - t), self.method.b
        inside = [(x, g) for x, g in seen if x != 1]
        X, G = [x for x, _ in inside], [g for _, g in inside]
        a1, b1, z1 = combination([1] * (1 + len(seen) - len(X)), [self.a, *(g for x, g in seen if x == 1)]), self.b, self.z

        K, carries = self.stages(z1, t1, t, self.needed)
        self.w = w = combination([1, *(-h * b[:self.needed])], [self.w, *K])
        a1 = add(a1, self.increment_back(carries, -h, negative(b1), []))

        K, carries = self.stages(w, t, t1, len(self.method.A) if inside else self.needed)
        self.z = combination([1 / lam, 1 - 1 / lam, *(-h / lam * b[:len(K)])], [z1, w, *K[:len(b)]])
        through = self.increment_back(carries, h, a1, inside)
        self.b = combination([1, 1 - lam, 1, *((1 - lam) * x for x in X)], [b1, a1, through, *G])
        self.a = combination([lam, *(1 - (1 - lam) * x for x in X)], [a1, *G])

    def stages(self, z: Tree, t: float, t1: float, count: int) -> tuple[list[Tree], list[Carry]]:
        """k_i = f(z + h sum_{j<i} a_ij k_j, t + c_i h), and how each carries its cotangent back."""
        K: list[Tree] = []
        carries = []
        for A, c in zip(self.method.A[:count], self.method.c[:count], strict=True):
            k, carry = self.f(combination([1, *((t1 - t) * A)], [z, *K]), t1 if c == 1 else t + c * (t1 - t))
            K.append(k)
            carries.append(carry)
        return K, carries

    def increment_back(self, carries: list[Carry], h: float, a: Tree, inside: Seen) -> Tree:
        """(d/dz)^T of h sum_i b_i k_i at a, and of h sum_i b_i(x) k_i at g for each observation.

            k_bar_i = h b_i a + h sum_x b_i(x) g + h sum_{j>i} a_ji Y_bar_j,   Y_bar_i = k_bar_i^T df/dz(Y_i);   sum_i Y_bar_i
        """
        s, A, b = len(carries), self.method.A, self.method.b
        at_x = interpolate(np.zeros(len(A)), 1.0, np.eye(len(A)), self.method, np.array([x for x, _ in inside])).T
        Y_bar: list[Tree] = [None] * s
        for i in reversed(range(s)):
            weights = [b[i] if i < len(b) else 0.0, *at_x[i], *(A[j][i] for j in range(i + 1, s))]
            Y_bar[i] = carries[i](combination([h * weight for weight in weights], [a, *(g for _, g in inside), *Y_bar[i + 1:]]))
        return combination([1] * s, Y_bar)

    def begun(self, z: Tree, t: float) -> Tree:
        """a = dL/dz where w was z."""
        return add(self.a, self.b)

    def gap(self, h: float) -> Tree:
        return combination([1, -1], [self.z, self.w])

    def found(self) -> list[Tree]:
        """What the start's z came back to."""
        return [self.z, self.w]


class AlfBack:
    """(z, v) from (z1, v1), and the cotangents (a, b) of (z, v) from (a1, b1).

        z' = z1 - (h/2) v1,   u = f(z', t + h/2),   v = 2 u - v1,   z = z' - (h/2) v
        b1 += (h/2) a1,       a = a1 + (df/dz)^T 2 b1,              b = -b1 + (h/2) a

    An observation is z + x h v + x^2 (z1 - z - h v). Source: Zhuang et al. 2021 (arXiv 2102.04668)
    """

    def __init__(self, method: Alf, f: Linearised, state: tuple[Tree, Tree], cotangent: tuple[Tree, Tree]):
        self.f, self.v1 = f, state[1]
        (self.z, self.v), (self.a, self.b) = state, cotangent

    def back(self, t: float, t1: float, seen: Seen) -> None:
        h, self.v1, X, G = t1 - t, self.v, [x for x, _ in seen], [g for _, g in seen]
        middle = combination([1, -h / 2], [self.z, self.v1])
        u, carry = self.f(middle, t + h / 2)
        self.v = combination([2, -1], [u, self.v1])
        self.z = combination([1, -h / 2], [middle, self.v])
        a1 = combination([1, *(x * x for x in X)], [self.a, *G])
        b1 = combination([1, h / 2], [self.b, a1])
        a = add(a1, carry(combination([2], [b1])))
        self.b = combination([-1, h / 2, *(h * (x - x * x) for x in X)], [b1, a, *G])
        self.a = combination([1, *(1 - x * x for x in X)], [a, *G])

    def begun(self, z: Tree, t: float) -> Tree:
        """a = dL/dz where v was f(z, t)."""
        return add(self.a, self.f(z, t)[1](self.b))

    def gap(self, h: float) -> Tree:
        return combination([h / 2, -h / 2], [self.v1, self.v])

    def found(self) -> list[Tree]:
        return [self.z]


class HeunBack:
    """(z, w, k) from (z1, w1, k1), where k = f(w, t), and the cotangents (a, b, c) of (z, w, k) from (a1, b1, c1).

        w = 2 z1 - w1 - h k1,   k = f(w, t),   z = z1 - (h/2) (k + k1)
        c1 += (h/2) a1,   b1 += (df/dz(w1))^T c1;    a = a1 + 2 b1,   b = -b1,   c = (h/2) a1 + h b1

    An observation is z + x h k + x^2 (z1 - z - h k). Source: Kidger, Foster, Li, Lyons 2021 (arXiv 2105.13493)
    """

    def __init__(self, method: ReversibleHeun, f: Linearised, state: tuple[Tree, Tree, Tree], cotangent: tuple[Tree, Tree, Tree]):
        self.f = f
        self.carry: Carry | None = None  # of f at w
        (self.z, self.w, self.k), (self.a, self.b, self.c) = state, cotangent

    def back(self, t: float, t1: float, seen: Seen) -> None:
        h, k1, X, G = t1 - t, self.k, [x for x, _ in seen], [g for _, g in seen]
        carry1 = self.carry or self.f(self.w, t1)[1]
        self.w = combination([2, -1, -h], [self.z, self.w, k1])
        self.k, self.carry = self.f(self.w, t)
        self.z = combination([1, -h / 2, -h / 2], [self.z, self.k, k1])
        a1 = combination([1, *(x * x for x in X)], [self.a, *G])
        b1 = add(self.b, carry1(combination([1, h / 2], [self.c, a1])))
        self.a = combination([1, 2, *(1 - x * x for x in X)], [a1, b1, *G])
        self.b = combination([-1], [b1])
        self.c = combination([h / 2, h, *(h * (x - x * x) for x in X)], [a1, b1, *G])

    def begun(self, z: Tree, t: float) -> Tree:
        """a = dL/dz where w was z and k was f(z, t)."""
        assert self.carry is not None
        return combination([1, 1, 1], [self.a, self.b, self.carry(self.c)])

    def gap(self, h: float) -> Tree:
        return combination([1, -1], [self.z, self.w])

    def found(self) -> list[Tree]:
        return [self.z, self.w]


BACK: dict[type, Any] = {Coupled: CoupledBack, Alf: AlfBack, ReversibleHeun: HeunBack}


def combination(weights: Sequence[float], trees: Sequence[Tree]) -> Tree:
    """sum_i weights[i] trees[i]"""
    terms = [(float(w), tree) for w, tree in zip(weights, trees, strict=True) if w] or [(0.0, trees[0])]

    def total(*x: Any) -> Any:
        found = terms[0][0] * x[0]
        for (w, _), xi in zip(terms[1:], x[1:], strict=True):
            found = found + w * xi
        return found

    return tree_map(total, *(tree for _, tree in terms))
