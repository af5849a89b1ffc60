"""gradient="reversible": the exact gradient of the computed solution, with flat memory: each step is taken back by its algebraic inverse.

The forward solve must be one whose steps have an inverse: `alf`, `reversible_heun`, or an explicit Runge-Kutta method, which is replaced by two
coupled states (`refnode.ode.coupled`). Kept are the ends of the steps (a number for each), and the pair at the end and at the jumps.
"""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced, plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.errors import ReconstructionError, ReconstructionWarning, TraceError
from refnode.gradients.algebra import add, at, dot, like_argument, zeros_like
from refnode.gradients.backward import FIXED_STEP_RTOL, OWN, REFUSE_ABOVE, WARN_ABOVE, _users_stacklevel
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.ode import arguments
from refnode.ode.control import error_ratio, norm_over
from refnode.ode.coupled import Coupled
from refnode.ode.interpolate import inputs_in
from refnode.ode.reversible import Alf, ReversibleHeun
from refnode.ode.solution import SolveStats, Stats
from refnode.ode.solve import start
from refnode.ode.stepping import Failure, quiet
from refnode.ode.tableau import Tableau
from refnode.tree import Raveler, Tree, leaves, tree_map

COUPLING = 10.0
DBG=[]
REMEDY = "the dynamics contract or expand too fast for a reversible method; use gradient='checkpointed' or 'discrete'"
Dynamics = Callable[[Any, Any, Any], Any]
Seen = list[tuple[float, Tree]]  # the observations in a step: (t_i - t) / h, and the cotangent


def odeint(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, coupling: float = COUPLING, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]) by reversible steps."""
    for name in OWN:
        if solver.pop(name, None) is not None:
            raise ValueError(f"gradient='reversible' takes the steps of the forward solve back and has no {name}; leave it out.")
    if not (arguments.is_number(coupling) and 0 <= coupling):
        raise ValueError(f"coupling must be a number in (0, 1], not {coupling!r}.")
    return taken(f, z0, ts, theta, stats=stats, record=Record(float(coupling)), **solver)[0]


@dataclass
class Piece:
    """The steps between two jumps: their ends, the start first; the observations read off them, {step: numbers}; where f may be asked."""

    times: array[float]
    seen: dict[int, range]
    low: float
    high: float

    @classmethod
    def between(cls, start: float, stop: float, jumps: Sequence[float]) -> Piece:
        first = math.nextafter(start, stop) if start in jumps else start
        last = math.nextafter(stop, start) if stop in jumps else stop
        return cls(array("d", [start]), {}, min(first, last), max(first, last))


@dataclass
class Record:
    """What a forward solve leaves behind for the way back; it is filled once, however many levels of differentiation look on."""

    coupling: float
    pieces: list[Piece] = field(default_factory=list)
    method: Any = None
    trust: Any = None
    at_start: int = 0  # the observations at ts[0]


def _taken_steps(f: Dynamics, z0: Tree, ts: Any, theta: Tree, *, stats: Stats | None, record: Record, **solver: Any) -> tuple[Tree, list[Any]]:
    """zs, and for each piece between jumps the state and the method's memory at its end."""
    stats = Stats() if stats is None else stats
    times = arguments.observation_times(ts)
    way, steps = start(f, z0, times[0], times[-1], theta, stats.forward, **solver)
    method = steps.method = record.method = reversible(solver.get("method", "dopri5"), way, steps.z, record.coupling / abs(times[-1] - times[0] or 1.0))
    trust = record.trust = Trust(way, solver, stats)
    sign, reached, piece = steps.sign, times.count(times[0]), None
    record.at_start = reached
    zs = np.empty((len(times), way.size), way.dtype)
    zs[:reached] = z = steps.z
    ends = []
    try:
        with quiet():
            for step in steps:
                if piece is None:
                    piece = Piece.between(step.t, steps.stop, steps.jumps)
                    record.pieces.append(piece)
                piece.times.append(step.t1)
                first, z = reached, step.z1
                while reached < len(times) and sign * (times[reached] - step.t1) <= 0:
                    reached += 1
                if reached > first:
                    zs[first:reached] = step(np.array(times[first:reached]))
                    piece.seen[len(piece.times) - 1] = range(first, reached)
                trust.forward(gap(method, step.t1 - step.t, z), z, step.t1)
                if step.t1 == steps.stop:
                    ends.append(tuple(way.unravel(x.copy()) for x in (z, *method.memory)))
                    piece = None
    except Failure as failure:
        partial = (np.array(times[:reached]), way.unstack(zs[:reached], (reached,)))
        raise failure.kind(failure.message, t=steps.t, h=failure.h, z=way.unravel(z), stats=stats.forward, partial=partial) from None
    trust.warn()
    return way.unstack(zs, (len(times),)), ends


def taken_pullback(f: Dynamics, z0: Tree, ts: Any, theta: Tree, *, stats: Stats | None, record: Record, **solver: Any) -> Any:
    """The way back through the steps, the last one first; dL/dtheta adds up at every evaluation of f.

        dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta), i >= 1;     dL/dt_0 = -a(t_0^+)^T f(z(t_0), t_0, theta)

    All of it is written on trees, in traceable algebra: the gradient is differentiable again, at fixed step ends.
    Deviation: the time gradients are those of the differential equation, as in every method; the step ends do not move with ts.
    """
    stats = Stats() if stats is None else stats
    if any(isinstance(t, Traced) for u in inputs_in(theta) if u.kind == "constant" for t in leaves(u.knots)):
        raise TraceError("gradient='reversible' has no second derivatives with respect to the knots of a constant input; use gradient='adjoint'.")
    zs, ends = taken(f, z0, ts, theta, stats=stats, record=record, **solver)

    def back(cotangents: Tree) -> tuple[None, Tree, Any, Tree]:
        dLdzs, dLdends = cotangents
        linear, trust = Linearisations(f, theta, stats.backward), record.trust
        t, observed, jumps = nodes(ts, theta, solver.get("jump_ts", ()))
        side = {i: jumps.get(place, t[place]) for place, i in observed.items()}
        dLdt: list[Any] = [np.float64(0.0)] * len(observed)

        def observation(i: int) -> Tree:
            """What dL/dz(t_i) brings to the state at the number t_i; where t_i is traced, z(t_i) = z + (t_i - number) f(z, t_i)."""
            g, z_i = at(dLdzs, i), at(zs, i)
            k, carry = linear(z_i, side[i])
            dLdt[i] = dot(g, k)
            return shifted(g, ts[i], carry, 1.0)

        a = None
        for number in reversed(range(len(record.pieces))):
            piece = record.pieces[number]
            linear.low, linear.high = piece.low, piece.high
            a_end, *memory_bar = dLdends[number]
            walk = WALKS[type(record.method)](record.method, linear, ends[number], (a_end if a is None else add(a_end, a), *memory_bar))
            for n in range(len(piece.times) - 1, 0, -1):
                begin, end = piece.times[n - 1], piece.times[n]
                read = piece.seen.get(n, ())
                walk.back(begin, end, [((float(plain(ts[i])) - begin) / (end - begin), observation(i)) for i in read])
                trust.backward(walk.gap(end - begin), walk.z, begin)
            DBG.append((float(np.abs(walk.a-walk.b).max()) if 'Coupled' in type(walk).__name__ else float(np.abs(walk.b).max())/(abs(end-begin) if 'Alf' in type(walk).__name__ else 1), float(np.abs(walk.a+(walk.b if 'Coupled' in type(walk).__name__ else 0)).max())))
            z_start = at(zs, 0) if number == 0 else ends[number - 1][0]
            trust.returned(walk.z, z_start, piece.times[0])
            a = walk.begun(z_start, piece.times[0])
            if number > 0:
                for place in (place for place in jumps if float(plain(t[place])) == piece.times[0]):
                    linear.add(knots_cotangent(linear.value, f, z_start, t, place, a, theta))
        trust.warn()
        linear.low, linear.high = -math.inf, math.inf
        first, zero = at(zs, 0), tree_map(lambda z: np.zeros_like(plain(z)[0]), zs)
        a = zero if a is None else a
        for i in range(1, record.at_start):
            a = add(a, observation(i))
        k, carry = linear(first, side[0])
        a = shifted(a, ts[0], carry, -1.0)
        dLdt[0] = -dot(a, k)
        return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), linear.dLdtheta

    return (zs, ends), back


taken = differentiable(_taken_steps, taken_pullback)


def shifted(g: Tree, t: Any, carry: Callable[[Tree], Tree], sign: float) -> Tree:
    """The cotangent g of z + (t - number) f(z, t) as that of z. It is g, and its derivative with respect to t is what a second derivative needs."""
    if not isinstance(t, Traced):
        return g
    by = sign * (t - float(plain(t)))
    return add(g, carry(tree_map(lambda x: by * x, g)))


class Linearisations:
    """f with its pullbacks; what they carry to theta adds up in dLdtheta. low, high: where f may be asked, between two jumps."""

    def __init__(self, f: Dynamics, theta: Tree, stats: SolveStats):
        self.f, self.theta, self.stats, self.dLdtheta = f, theta, stats, zeros_like(theta)
        self.low, self.high = -math.inf, math.inf

    def __call__(self, z: Tree, t: Any) -> tuple[Tree, Callable[[Tree], Tree]]:
        """f(z, t, theta), and the function that carries a cotangent of it back to z."""
        self.stats.nfe += 1
        t = t if isinstance(t, Traced) else min(max(float(t), self.low), self.high)
        k, vjp = pullback(self.f, z, t, self.theta, argnums=(0, 2), like=z)

        def carry(k_bar: Tree) -> Tree:
            self.stats.nvjp += 1
            z_bar, _, theta_bar = vjp(k_bar)
            self.add(theta_bar)
            return z_bar

        return k, carry

    def add(self, theta_bar: Tree) -> None:
        self.dLdtheta = add(self.dLdtheta, theta_bar)

    def value(self, f: Dynamics, z: Tree, t: Any, theta: Tree) -> Tree:
        self.stats.nfe += 1
        return conform(f(z, t, theta), z)


def combination(weights: Sequence[float], trees: Sequence[Tree]) -> Tree:
    """sum_i weights[i] trees[i]"""
    pairs = [(float(w), tree) for w, tree in zip(weights, trees, strict=True) if w] or [(0.0, trees[0])]
    return tree_map(lambda *x: sum((w * xi for (w, _), xi in zip(pairs[1:], x[1:], strict=True)), pairs[0][0] * x[0]), *(tree for _, tree in pairs))


class CoupledWalk:
    """Back through coupled steps: (z, w) from (z1, w1), and the cotangents (a, b) of (z, w) from (a1, b1).

        k'_i: the stages of Phi_{-h} from z1;   w = w1 - h sum_i b_i k'_i
        k_i: the stages of Phi_h from w;        z = w + (z1 - w - h sum_i b_i k_i) / lam
        a1 += (dPhi_{-h}/dz)^T (-b1) + b1;      hmm
    """

    def __init__(self, method: Coupled, f: Linearisations, end: Any, end_bar: Any):
        self.lam, self.f, self.method = method.lam, f, method.method
        self.needed = len(method.K_back)
        (self.z, self.w), (self.a, self.b) = end, end_bar

    def back(self, t: float, t1: float, seen: Seen) -> None:
        lam, h, b = self.lam(t1 - t), t1 - t, self.method.b
        inside = [(x, g) for x, g in seen if x != 1]
        for x, g in seen:
            self.a = add(self.a, g) if x == 1 else self.a
        K, carries = self.stages(self.z, t1, t, self.needed)
        w = combination([1, *(-h * b[:self.needed])], [self.w, *K])
        a1 = add(self.a, self.reverse(carries, -h, [], self.b, -1.0))
        K, carries = self.stages(w, t, t1, len(self.method.A) if inside else self.needed)
        self.z = combination([1 / lam, 1 - 1 / lam, *(-h / lam * b[:len(K)])], [self.z, w, *K[:len(b)]])
        self.b = combination([1, 1 - lam, 1, *((1 - lam) * x for x, _ in inside)],
                             [self.b, a1, self.reverse(carries, h, inside, a1, 1.0), *(g for _, g in inside)])
        self.a = combination([lam, *(1 - (1 - lam) * x for x, _ in inside)], [a1, *(g for _, g in inside)])
        self.w = w

    def stages(self, z: Tree, t: float, t1: float, count: int) -> tuple[list[Tree], list[Callable[[Tree], Tree]]]:
        """k_i = f(z + h sum_{j<i} a_ij k_j, t + c_i h), and their pullbacks."""
        K: list[Tree] = []
        carries = []
        for A, c in zip(self.method.A[:count], self.method.c, strict=False):
            k, carry = self.f(combination([1, *((t1 - t) * A)], [z, *K]), t1 if c == 1 else t + c * (t1 - t))
            K.append(k)
            carries.append(carry)
        return K, carries

    def reverse(self, carries: list[Callable[[Tree], Tree]], h: float, inside: Seen, a: Tree, sign: float) -> Tree:
        """The cotangent of z, from that of h sum_i b_i k_i, sign a, and those of the observations h sum_i b_i(x) k_i, g.

            k_bar_i = h b_i a + h sum_x b_i(x) g + h sum_{j>i} a_ji Y_bar_j,   Y_bar_i = k_bar_i^T df/dz,   sum_i Y_bar_i

        Source: paper.md E1
        """
        s, A, P = len(carries), self.method.A, self.method.P
        b = [*self.method.b, *[0.0] * (len(A) - len(self.method.b))]
        Y_bar: list[Tree] = [None] * s
        for i in reversed(range(s)):
            at_x = [float(np.polyval([*P[i][::-1], 0.0], x)) for x, _ in inside]
            k_bar = combination([sign * h * b[i], *(h * w for w in at_x), *(h * A[j][i] for j in range(i + 1, s))],
                                [a, *(g for _, g in inside), *Y_bar[i + 1:]])
            Y_bar[i] = carries[i](k_bar)
        return combination([1.0] * s, Y_bar)

    def begun(self, z: Tree, t: float) -> Tree:
        return add(self.a, self.b)

    def gap(self, h: float) -> Tree:
        return combination([1, -1], [self.z, self.w])


class AlfWalk:
    """Back through steps of the asynchronous leapfrog: (z, v) from (z1, v1), and the cotangents (a, b) of (z, v) from (a1, b1).

        z' = z1 - (h/2) v1,   u = f(z', t + h/2),   v = 2 u - v1,   z = z' - (h/2) v
        a = a1 + (df/dz)^T 2 (b1 + (h/2) a1),   b = -(b1 + (h/2) a1) + (h/2) a

    with the sums over observations of z + x h v + x^2 (z1 - z - h v): x^2 g to a1, (1 - x^2) g to a, (x - x^2) h g to b.
    """

    def __init__(self, method: Alf, f: Linearisations, end: Any, end_bar: Any):
        self.f = f
        (self.z, self.v), (self.a, self.b) = end, end_bar

    def back(self, t: float, t1: float, seen: Seen) -> None:
        h, v1 = t1 - t, self.v
        middle = combination([1, -h / 2], [self.z, v1])
        u, carry = self.f(middle, t + h / 2)
        self.v = combination([2, -1], [u, v1])
        self.z = combination([1, -h / 2], [middle, self.v])
        self.e = combination([h / 2, -h / 2], [v1, self.v])
        X, G = [x for x, _ in seen], [g for _, g in seen]
        a1 = combination([1, *(x * x for x in X)], [self.a, *G])
        b1 = combination([1, h / 2], [self.b, a1])
        a = add(a1, carry(combination([2], [b1])))
        self.b = combination([-1, h / 2, *(h * (x - x * x) for x in X)], [b1, a, *G])
        self.a = combination([1, *(1 - x * x for x in X)], [a, *G])

    def begun(self, z: Tree, t: float) -> Tree:
        _, carry = self.f(z, t)
        return add(self.a, carry(self.b))

    def gap(self, h: float) -> Tree:
        return self.e


class HeunWalk:
    """Back through reversible Heun steps: (z, w, k) from (z1, w1, k1), with k = f(w, t), and the cotangents (a, b, c) of (z, w, k).

        w = 2 z1 - w1 - h k1,   k = f(w, t),   z = z1 - (h/2) (k + k1)
        c1 += (h/2) a1,   b1 += (df/dz(w1))^T c1;   a = a1 + 2 b1,   b = -b1,   c = (h/2) a1 + h b1

    with the sums over observations of z + x h k + x^2 (z1 - z - h k): x^2 g to a1, (1 - x^2) g to a, (x - x^2) h g to c.
    """

    def __init__(self, method: ReversibleHeun, f: Linearisations, end: Any, end_bar: Any):
        self.f, self.carry = f, None
        (self.z, self.w, self.k), (self.a, self.b, self.c) = end, end_bar

    def back(self, t: float, t1: float, seen: Seen) -> None:
        h, k1 = t1 - t, self.k
        carry1 = self.carry or self.f(self.w, t1)[1]
        w = combination([2, -1, -h], [self.z, self.w, k1])
        self.k, self.carry = self.f(w, t)
        self.z = combination([1, -h / 2, -h / 2], [self.z, self.k, k1])
        self.w = w
        self.e = combination([h / 2, -h / 2], [k1, self.k])
        X, G = [x for x, _ in seen], [g for _, g in seen]
        a1 = combination([1, *(x * x for x in X)], [self.a, *G])
        b1 = add(self.b, carry1(combination([1, h / 2], [self.c, a1])))
        self.a = combination([1, 2, *(1 - x * x for x in X)], [a1, b1, *G])
        self.b = combination([-1], [b1])
        self.c = combination([h / 2, h, *(h * (x - x * x) for x in X)], [a1, b1, *G])

    def begun(self, z: Tree, t: float) -> Tree:
        assert self.carry is not None
        return combination([1, 1, 1], [self.a, self.b, self.carry(self.c)])

    def gap(self, h: float) -> Tree:
        return self.e


WALKS: dict[type, Any] = {Coupled: CoupledWalk, Alf: AlfWalk, ReversibleHeun: HeunWalk}


def reversible(method: Any, way: Raveler, z: np.ndarray, coupling: float) -> Coupled | Alf | ReversibleHeun:
    """The method at work."""
    chosen = arguments.method_named(method)
    if isinstance(chosen, Tableau):
        return Coupled(chosen, z, lambda h: math.exp(-coupling * abs(h)))
    if chosen in (Alf, ReversibleHeun):
        return chosen(z, way)
    raise ValueError(f"gradient='reversible' is for explicit Runge-Kutta methods, alf and reversible_heun, whose steps can be taken back, not for "
                     f"{method!r}; use another gradient.")


def gap(method: Any, h: float, z1: np.ndarray) -> np.ndarray:
    """How far the two halves of the state are apart after a step: z - w; of alf and reversible_heun the error estimate, (h/2) (v1 - v)."""
    if isinstance(method, Coupled):
        return z1 - method.w1
    return h / 2 * (method.v1 - method.v if isinstance(method, Alf) else method.k1 - method.k)


class Trust:
    """Whether the steps forward and back can be believed, in units of the tolerance, without an evaluation of f.

    """

    def __init__(self, way: Raveler, solver: dict[str, Any], stats: Stats):
        fixed = solver.get("steps") is not None or solver.get("step_size") is not None
        self.way, self.stats, self.norm = way, stats, norm_over(way.parts)
        self.rtol, self.atol = (arguments.spread(solver.get(name, default), way) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
        self.rtol = np.maximum(self.rtol, FIXED_STEP_RTOL if fixed else 0.0)
        self.largest, self.apart, self.apart_ratio = 0.0, 0.0, 0.0
        self.worst = (0.0, "")

    def forward(self, gap: np.ndarray, z: np.ndarray, t: float) -> None:
        self.largest = max(self.largest, float(np.abs(z).max(initial=0.0)))
        ratio = self.judge(gap, z, t, "the two states of the reversible method were")
        self.apart, self.apart_ratio = max(self.apart, self.norm(gap)), max(self.apart_ratio, ratio)

    def backward(self, gap: Tree, z: Tree, t: float) -> None:
        """Taken back, the two states are to be no farther apart than they were."""
        gap, z = self.flat(gap), self.flat(z)
        size = self.norm(gap)
        self.returned_ratio(gap * (max(0.0, size - self.apart) / size if size else 0.0), z, t)

    def returned(self, found: Tree, stored: Tree, t: float) -> None:
        self.returned_ratio(self.flat(found) - self.flat(stored), self.flat(stored), t)

    def returned_ratio(self, difference: np.ndarray, z: np.ndarray, t: float) -> None:
        ratio = self.judge(difference, z, t, "the state taken back is")
        self.stats.reconstruction_error = float(np.fmax(self.stats.reconstruction_error, ratio))

    def judge(self, difference: np.ndarray, z: np.ndarray, t: float, what: str) -> float:
        ratio = error_ratio(difference, z, z, self.rtol, self.atol, self.norm)
        found = f"at t = {t:.6g} {what} {ratio:.3g} tolerances apart"
        if not ratio <= WARN_ABOVE and not self.norm(difference) <= REFUSE_ABOVE * self.largest:
            message = f"{found}, more than {REFUSE_ABOVE:.0%} of max |z|: {REMEDY}."
            raise ReconstructionError(message, t=t, h=0.0, z=self.way.unravel(z), stats=self.stats)
        if ratio > self.worst[0]:
            self.worst = (ratio, found)
        return ratio

    def warn(self) -> None:
        """One warning for the whole pass, at its worst place."""
        ratio, found = self.worst
        if ratio > WARN_ABOVE:
            warnings.warn(f"{found}: {REMEDY}.", ReconstructionWarning, stacklevel=_users_stacklevel())
        self.worst = (0.0, "")

    def flat(self, tree: Tree) -> np.ndarray:
        return self.way.ravel(tree_map(lambda x: np.asarray(plain(x)), tree))
