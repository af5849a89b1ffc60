"""The paper's gradient: the adjoint a(t) = dL/dz(t), solved backwards in time together with z and the integral for dL/dtheta.

`adjoint` is Algorithm 1 and `full_adjoint` is Algorithm 2 (Appendix C), literally. `odeint` is what Figure 2 and Appendix D make of them: a
solve through several observation times, whose gradient is a sequence of such backward solves.

What to know before trusting it: the backward solve must find z(t0) again from z(t1). Where f contracts, it cannot: the error grows as fast
backwards as z's differences shrink forwards. `odeint` therefore restores the stored states at the observations, measures how far off it
was, and warns or refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.gradients.algebra import add, arrays, as_argument, at, dot, last, like_argument, negative, zeros_like
from refnode.gradients.backward import BackwardSolver
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.jacobians import with_jacobian
from refnode.ode.solution import Stats
from refnode.ode.solve import solve
from refnode.tree import Tree, tree_map

Dynamics = Callable[[Any, Any, Any], Any]


def adjoint(z1: Tree, dLdz1: Tree, f: Dynamics, t0: float, t1: float, theta: Tree, **solver: Any) -> tuple[Tree, Tree, Tree]:
    """Reverse-mode derivative of an ODE initial value problem: (z(t0), dL/dz(t0), dL/dtheta) from z(t1) and dL/dz(t1).

        d/dt [z, a, dL/dtheta] = [f, -a^T df/dz, -a^T df/dtheta]   from t1 to t0, starting at [z(t1), dL/dz(t1), 0]

    z1, dLdz1: trees of one structure. The cotangent of theta has theta's structure, None at its static leaves. **solver: as in `solve`; the
    tolerances apply to the augmented state as they are. The returned z(t0) is what the backward solve found: compare it with yours.
    Paper: Algorithm 1, eq. (4), eq. (5). Statement: S7, S8, S9, S11, S12, S17, S18, S74, S75, S76
    """
    def aug_dynamics(s: Tree, t: float, theta: Tree) -> Tree:
        z, a, _ = s
        dz_dt, vjp = pullback(f, z, t, theta, argnums=(0, 2), like=z)
        minus_a_dfdz, _, minus_a_dfdtheta = vjp(negative(a))
        return dz_dt, minus_a_dfdz, minus_a_dfdtheta

    z1, dLdz1 = as_argument(z1), as_argument(dLdz1)
    s0 = arrays((z1, dLdz1, zeros_like(theta)))
    return last(odeint(aug_dynamics, s0, np.stack([t1, t0]), theta, **solver))


def full_adjoint(z1: Tree, dLdz1: Tree, f: Dynamics, t0: float, t1: float, theta: Tree, **solver: Any) -> tuple[Tree, Tree, Tree, Any, Any]:
    """Complete reverse-mode derivative: (z(t0), dL/dz(t0), dL/dtheta, dL/dt0, dL/dt1).

        dL/dt1 = dL/dz(t1)^T f(z(t1), t1, theta)
        d/dt [z, a, dL/dtheta, a_t] = [f, -a^T df/dz, -a^T df/dtheta, -a^T df/dt]   from [z(t1), dL/dz(t1), 0, -dL/dt1]

    and dL/dt0 = a_t(t0). Arguments as in `adjoint`.
    Paper: Algorithm 2, App. C, eq. (52). Statement: S77, S78, S79, S80
    """
    def aug_dynamics(s: Tree, t: float, theta: Tree) -> Tree:
        z, a, _, _ = s
        dz_dt, vjp = pullback(f, z, t, theta, like=z)
        minus_a_dfdz, minus_a_dfdt, minus_a_dfdtheta = vjp(negative(a))
        return dz_dt, minus_a_dfdz, minus_a_dfdtheta, minus_a_dfdt

    z1, dLdz1 = as_argument(z1), as_argument(dLdz1)
    dLdt1 = dot(dLdz1, conform(f(z1, t1, theta), z1))
    s0 = arrays((z1, dLdz1, zeros_like(theta), -dLdt1))
    z0, dLdz0, dLdtheta, dLdt0 = last(odeint(aug_dynamics, s0, np.stack([t1, t0]), theta, **solver))
    return z0, dLdz0, dLdtheta, dLdt0, dLdt1


def _odeint(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]): the solve itself."""
    forward, _ = BackwardSolver.split(solver)
    return solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **with_jacobian(f, forward, z0)).zs


def odeint_pullback(f: Dynamics, z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Any:
    """zs, and the way from dL/dz(t_i) to dL/dz0, dL/dt_i and dL/dtheta: a(t) is solved from each observation to the one before it.

        a(t_i^-) = a(t_i^+) + dL/dz(t_i)
        dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta), i >= 1;     dL/dt_0 = -a(t_0^+)^T f(z(t_0), t_0, theta)

    z is restored to the stored states, which are all that is kept: those at the observations, and at the jumps between them, where the solve
    is cut as well. dL/dz(t_0) is added last and does not enter dL/dt_0.
    Paper: Figure 2, App. D. Statement: S13, S14, S15, S19, S71, S78, S79, S81, S82, S83, S84, S86, E2
    """
    stats = Stats() if stats is None else stats
    forward, settings = BackwardSolver.split(solver)
    t, observed, jumps = nodes(ts, theta, forward.get("jump_ts", ()))
    z = odeint(f, z0, t, theta, stats=stats, **forward)

    def back(dLdzs: Tree) -> tuple[None, Tree, Any, Tree]:
        backward = BackwardSolver(z, dLdzs, t, forward, settings, stats)
        backward.refuse_large_systems((at(z, 0), at(z, 0), zeros_like(theta)), "(z, a, dL/dtheta)")
        times, dLdt = backward.times, [np.float64(0.0)] * len(observed)
        a, dLdtheta = tree_map(lambda z: np.zeros_like(plain(z)[0]), z), zeros_like(theta)
        for i in range(len(times) - 1, 0, -1):
            if i in jumps:
                dLdtheta = add(dLdtheta, knots_cotangent(backward.evaluate, f, at(z, i), times, i, a, theta))
            if i in observed:
                dLdz = at(dLdzs, observed[i])
                dLdt[observed[i]] = dot(dLdz, backward.evaluate(f, at(z, i), jumps.get(i, times[i]), theta))
                a = add(a, dLdz)
            with backward.interval(i) as keywords:
                z_back, a, integral = adjoint(at(z, i), a, f, times[i - 1], times[i], theta, **keywords)
            backward.check_reconstruction(z_back, i - 1)
            dLdtheta = add(dLdtheta, integral)
        backward.warn()
        dLdt[0] = -dot(a, backward.evaluate(f, at(z, 0), jumps.get(0, times[0]), theta))
        return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), dLdtheta

    return z if t is ts else at(z, list(observed)), back


odeint = differentiable(_odeint, odeint_pullback)  # aug_dynamics goes through it too: the gradient is differentiable again
