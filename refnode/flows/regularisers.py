"""Running costs: what a flow's trajectories cost, integrated beside z and log p, which never see it.

    R = int c(z(t), t) dt,   c = |f|^2,  |eps^T df/dz|^2,  |d^K z/dt^K|^2

They make a flow easy to solve: straight, slow, smooth. Added to the loss with a weight (`refnode.flows.training`); log p stays what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.autodiff.transforms import jvp, pullback
from refnode.flows.change_of_variables import Dynamics, for_z_and_log_p, one_for_each, points, refuse_interacting_rows
from refnode.flows.traces import Hutchinson, Vjp, probes_of, value_and_trace
from refnode.gradients.select import ODESolve
from refnode.ode.arguments import whole_number
from refnode.tree import Tree

Cost = Callable[[Dynamics, Any, Any, Tree, Any], Any]
UNSEEN = 1e300  # the absolute tolerance of a state that the error test shall not see


def change_of_variables_and_costs(z0: Any, log_p0: Any, f: Dynamics, t0: Any, t1: Any, theta: Tree, costs: tuple[Cost, ...], *,
                                  trace: str | Hutchinson = "exact", rng: np.random.Generator | None = None,
                                  **solver: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """(z(t1), log p(z(t1)), (R_1, R_2, ...)): `change_of_variables`, and the costs (n,) of each point's trajectory, in one solve.

        d/dt [z, log p, r_k] = [f, -tr(df/dz), c_k(f, z, t, theta, probes)],   R_k = |r_k(t1) - r_k(t0)|

    R does not depend on the direction in which it is solved. The error test does not see r: the steps are those without costs, and z and log p
    are the same to roundoff. With trace=hutchinson(m) the costs get the probes of the trace. The other arguments are those of `change_of_variables`.
    Statement: E12, E13
    """
    z0 = points(z0)
    log_p0 = one_for_each(z0, log_p0, "log_p0")
    probes = probes_of(trace, rng, plain(z0))
    refuse_interacting_rows(f, plain(z0), plain(t0), theta)

    def aug_dynamics(s: Tree, t: Any, theta: Tree) -> Tree:
        z, _, _ = s
        dz_dt, trace_dfdz = value_and_trace(f, z, t, theta, probes)
        return dz_dt, -trace_dfdz, tuple(cost(f, z, t, theta, probes) for cost in costs)

    keywords = for_z_and_log_p(solver)
    nothing = tuple(np.zeros(z0.shape[:-1], z0.dtype) for _ in costs)
    keywords["rtol"] = (*keywords["rtol"], tuple(0.0 for _ in costs))
    keywords["atol"] = (*keywords["atol"], tuple(UNSEEN for _ in costs))
    z1, log_p1, r = ODESolve((z0, log_p0, nothing), aug_dynamics, t0, t1, theta, **keywords)
    sign = 1.0 if plain(t1) >= plain(t0) else -1.0
    return z1, log_p1, tuple(sign * r_k for r_k in r)


def kinetic(f: Dynamics, z: Any, t: Any, theta: Tree, probes: Any = None) -> Any:
    """|f(z, t, theta)|^2, (n,): least for straight lines at constant speed, where its integral is |z1 - z0|^2 / (t1 - t0).

    Source: Finlay et al. 2020 (arXiv 2002.02798), RNODE. Statement: E12
    Deviation: FFJORD's code takes the root mean square instead of the square.
    """
    dz_dt = f(z, t, theta)
    return np.sum(dz_dt * dz_dt, axis=-1)


def jacobian_norm(f: Dynamics, z: Any, t: Any, theta: Tree, probes: Any = None) -> Any:
    """|df/dz|_F^2, (n,): E |eps^T df/dz|^2 over probes (m, n, D), where there are any; else exactly, by D cotangents.

    Source: Finlay et al. 2020 (arXiv 2002.02798), RNODE. Statement: E12
    """
    _, vjp = pullback(f, z, t, theta, argnums=(0,), like=z)
    return exact_norm(vjp, z) if probes is None else sum(squared(vjp, eps) for eps in probes) / len(probes)


def exact_norm(vjp: Vjp, z: Any) -> Any:
    """sum_i |e_i^T df/dz|^2."""
    return sum((squared(vjp, np.broadcast_to(e, z.shape).copy()) for e in np.eye(z.shape[-1], dtype=z.dtype)), np.zeros(z.shape[:-1], z.dtype))


def squared(vjp: Vjp, eps: Any) -> Any:
    row = vjp(eps)[0]
    return np.sum(row * row, axis=-1)


def taylor(K: int) -> Cost:
    """The cost |d^K z/dt^K|^2, (n,), zero along trajectories that are polynomials of degree below K: a method of order K - 1 makes no error there.

        z^(1) = f(z, t),   z^(k + 1) = d/dt z^(k) = (dz^(k)/dz) f + dz^(k)/dt

    One derivative along (f, 1) for each order; since there is no forward mode, the cost grows geometrically with K.
    Source: Kelly et al. 2020 (arXiv 2007.04504), TayNODE. Statement: E13
    Deviation: the recursion is over derivatives; Taylor coefficients are z^(k) / k!.
    """
    K = whole_number("K", K)

    def cost(f: Dynamics, z: Any, t: Any, theta: Tree, probes: Any = None) -> Any:
        top = derivative(f, K)(z, t, theta)
        return np.sum(top * top, axis=-1)

    return cost


def derivative(f: Dynamics, K: int) -> Dynamics:
    """d^K z/dt^K along dz/dt = f, as a function of (z, t, theta)."""
    if K == 1:
        return f
    below = derivative(f, K - 1)

    def along(z: Any, t: Any, theta: Tree) -> Any:
        return jvp(lambda z, t: below(z, t, theta), (z, t), (f(z, t, theta), 1.0))[1]

    return along
