"""gradient="reversible": the exact gradient of the computed solution with flat memory, because each step is taken back by its algebraic inverse.

The forward solve is one whose steps have an inverse: `alf`, `reversible_heun`, or an explicit Runge-Kutta method, which is replaced by two coupled
states (`refnode.ode.coupled`). Kept are the ends of the steps (a number for each), and the pair at the end and at the jumps.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced, plain
from refnode.autodiff.transforms import differentiable
from refnode.errors import TraceError
from refnode.gradients.algebra import add, at, dot, like_argument
from refnode.gradients.backward import OWN
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.inverse import BACK, Linearised
from refnode.gradients.trust import REMEDY, Trust
from refnode.ode import arguments
from refnode.ode.coupled import Coupled
from refnode.ode.interpolate import inputs_in
from refnode.ode.reversible import Alf, ReversibleHeun
from refnode.ode.solution import Stats
from refnode.ode.solve import start
from refnode.ode.stepping import Failure, quiet
from refnode.ode.tableau import Tableau
from refnode.tree import Raveler, Tree, tree_map

Dynamics = Callable[[Any, Any, Any], Any]
DAMPING = 10.0


def odeint(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, damping: float = DAMPING, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]) by steps that can be taken back; differentiable in z0, ts and theta, and again (all steps are in memory then).

    The gradient is that of the computed map at fixed step ends (E1). Going back, each step's start is found from its end, and f is evaluated as
    often as on the way forward. Memory does not grow with the number of steps, but for 8 bytes each.
    method: an explicit Runge-Kutta method, coupled, which is another scheme than the plain method: twice its evaluations, the same order, other
    numbers within the tolerance. The error test sees twice the estimate of the first half of each step. Or alf, reversible_heun.
    damping: lam of the coupling is e^{-damping |h| / T} for a solve over the time T: the parasitic solution is damped by e^{-damping} over the whole,
    and rounding errors grow by e^{damping} on the way back. Measured with dopri5 on the 20 closed-form problems, both directions, at rtol 1e-4, 1e-7,
    1e-10: with 10 all errors are at most 0.7 of what the conformance suite allows; z' = -6 (z - sin t) + cos t over 1.2 is 49 times that with 0, and
    490 times, run backwards, with 20. A constant lam does not do both: with 0.99 that problem is 28 times over, and an oscillation of 4,458 steps
    does not come back; with 0.999 it does, and the problem is 44 times over; with damping = 10 both are right.

    What it is not for: where f contracts like e^{-c t}, the parasitic solution grows like e^{c t}. On z' = c (sin t - z) over T = 10 at rtol = atol =
    1e-6 it is right for c up to 1.5 (2.5 tolerances off, at the worst, where it may warn), warns or refuses at 2, and refuses from 3 on; c = 50 is
    refused at t = 0.2. With jump_ts every 0.05, where the pair begins anew (and is stored), c = 50 is within 2 tolerances. `Trust`: how this is told.
    Nothing is solved backwards: the keywords backward_* are refused. Raises ReconstructionError, warns with ReconstructionWarning, forward and back.
    Source: E5, E6, E7; McCallum, Foster 2024 (arXiv 2410.11648); Zhuang et al. 2021 (arXiv 2102.04668); Kidger et al. 2021 (arXiv 2105.13493)
    Deviation: lam depends on h (see `Coupled`). The time gradients are those of the equation, as in every method, and not of the discrete map.
    """
    for name in OWN:
        if solver.pop(name, None) is not None:
            raise ValueError(f"gradient='reversible' takes the forward steps back and has no {name}; leave it out.")
    if not (arguments.is_number(damping) and 0 <= damping < math.inf):
        raise ValueError(f"damping must be a finite number that is not negative, not {damping!r}.")
    return steps_taken(f, z0, ts, theta, stats=Stats() if stats is None else stats, record=Record(float(damping)), **solver)[0]


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
    """What the solve leaves behind for the way back; the innermost call fills it, however many levels of differentiation look on."""

    damping: float
    pieces: list[Piece] = field(default_factory=list)
    at_start: int = 0  # the observations at ts[0]
    method: Any = None
    trust: Any = None


def _steps_taken(f: Dynamics, z0: Tree, ts: Any, theta: Tree, *, stats: Stats, record: Record, **solver: Any) -> tuple[Tree, list[Any]]:
    """zs, and for each piece the state and the method's memory at its end."""
    times = arguments.observation_times(ts)
    way, steps = start(f, z0, times[0], times[-1], theta, stats.forward, **solver)
    method = steps.method = record.method = reversible(solver.get("method", "dopri5"), way, steps.z, record.damping, abs(times[-1] - times[0]))
    trust = record.trust = Trust(way, solver, stats)
    reached = record.at_start = times.count(times[0])
    zs, ends, piece = np.empty((len(times), way.size), way.dtype), [], None
    zs[:reached] = z = steps.z
    try:
        with quiet():
            for step in steps:
                if piece is None:
                    piece = Piece.between(step.t, steps.stop, steps.jumps)
                    record.pieces.append(piece)
                    trust.begin()
                piece.times.append(step.t1)
                first, z = reached, step.z1
                while reached < len(times) and steps.sign * (times[reached] - step.t1) <= 0:
                    reached += 1
                if reached > first:
                    zs[first:reached] = step(np.array(times[first:reached]))
                    piece.seen[len(piece.times) - 1] = range(first, reached)
                trust.forward(method, step.t1 - step.t, z, step.t1)
                if step.t1 == steps.stop:
                    ends.append(tuple(way.unravel(x.copy()) for x in (z, *method.memory)))
                    piece = None
    except Failure as failure:
        partial = (np.array(times[:reached]), way.unstack(zs[:reached], (reached,)))
        error = failure.kind(failure.message, t=steps.t, h=failure.h, z=way.unravel(z), stats=stats.forward, partial=partial)
        if not isinstance(method, Coupled):
            error.add_note(f"{type(method).__name__} carries a solution that grows where f contracts, and takes ever smaller steps then. If the "
                           f"equation is easy otherwise, {REMEDY}.")
        raise error from None
    trust.warn()
    return way.unstack(zs, (len(times),)), ends


def back_through_steps(f: Dynamics, z0: Tree, ts: Any, theta: Tree, *, stats: Stats, record: Record, **solver: Any) -> Any:
    """The own pullback of `steps_taken`: from the last step to the first, and all in traceable algebra, so that it is differentiable again.

        dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta), i >= 1;     dL/dt_0 = -a(t_0^+)^T f(z(t_0), t_0, theta)

    dL/dz(t_0) is added last and does not enter dL/dt_0. Where a jump is, the state is put back to the stored one.
    """
    if any(isinstance(u.knots, Traced) for u in inputs_in(theta) if u.kind == "constant"):
        raise TraceError("gradient='reversible' has no second derivatives with respect to the knots of a constant input; use gradient='adjoint'.")
    zs, ends = steps_taken(f, z0, ts, theta, stats=stats, record=record, **solver)

    def back(cotangents: Tree) -> tuple[None, Tree, Any, Tree]:
        dLdzs, dLdends = cotangents
        linear, trust = Linearised(f, theta, stats.backward), record.trust
        t, observed, jumps = nodes(ts, theta, solver.get("jump_ts", ()))
        side = {i: jumps.get(place, t[place]) for place, i in observed.items()}
        dLdt: list[Any] = [np.float64(0.0)] * len(observed)

        def moved(i: int, g: Tree, sign: float) -> tuple[Tree, Tree]:
            """f(z(t_i), t_i), and g as a cotangent of z at the number t_i, where z(t_i) = z + sign (t_i - number) f: g, unless t_i is traced."""
            if not isinstance(ts[i], Traced):
                return linear.value(f, at(zs, i), side[i], theta), g
            k, carry = linear(at(zs, i), side[i])
            by = sign * (ts[i] - float(plain(ts[i])))
            return k, add(g, carry(tree_map(lambda x: by * x, g)))

        def observation(i: int) -> Tree:
            k, g = moved(i, at(dLdzs, i), 1.0)
            dLdt[i] = dot(at(dLdzs, i), k)
            return g

        a = tree_map(lambda z: np.zeros_like(plain(z)[0]), zs)
        for number in reversed(range(len(record.pieces))):
            piece, (a_end, *memory_bar) = record.pieces[number], dLdends[number]
            linear.low, linear.high = piece.low, piece.high
            walk = BACK[type(record.method)](record.method, linear, ends[number], (add(a, a_end), *memory_bar))
            trust.begin()
            trust.given(walk.a, walk.b)
            for n in range(len(piece.times) - 1, 0, -1):
                begin, end = piece.times[n - 1], piece.times[n]
                walk.back(begin, end, [((float(plain(ts[i])) - begin) / (end - begin), observation(i)) for i in piece.seen.get(n, ())])
                trust.backward(walk.gap(end - begin), walk.z, begin)
                if isinstance(record.method, Coupled):
                    trust.growth(walk.a, walk.b, begin)
            begin, z = piece.times[0], ends[number - 1][0] if number else at(zs, 0)
            trust.returned(walk.found(), z, begin)
            a = walk.begun(z, begin)
            for place in [place for place in jumps if float(plain(t[place])) == begin]:
                linear.dLdtheta = add(linear.dLdtheta, knots_cotangent(linear.value, f, z, t, place, a, theta))
        trust.warn()
        linear.low, linear.high = -math.inf, math.inf
        for i in range(1, record.at_start):
            a = add(a, observation(i))
        k, a = moved(0, a, -1.0)
        dLdt[0] = -dot(a, k)
        return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), linear.dLdtheta

    return (zs, ends), back


steps_taken = differentiable(_steps_taken, back_through_steps)


def reversible(name: Any, way: Raveler, z: np.ndarray, damping: float, length: float) -> Coupled | Alf | ReversibleHeun:
    """The method at work."""
    method = arguments.method_named(name)
    if isinstance(method, Tableau):
        return Coupled(method, z, damping / length if length else 0.0)
    if method in (Alf, ReversibleHeun):
        return method(z, way)
    raise ValueError(f"gradient='reversible' is for alf, reversible_heun and explicit Runge-Kutta methods, whose steps can be taken back, not for "
                     f"{name!r}; use another gradient.")
