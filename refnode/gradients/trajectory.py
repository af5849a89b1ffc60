"""What the methods share that solve the adjoint backwards along the stored forward solution, instead of solving z backwards with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced
from refnode.errors import TraceError
from refnode.gradients.algebra import add, at, dot, like_argument, zeros_like
from refnode.gradients.backward import BackwardSolver
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.jacobians import with_jacobian
from refnode.ode.control import norm_over
from refnode.ode.solution import Stats
from refnode.ode.solve import solve
from refnode.tree import Tree, leaves, tree_map

Interval = Callable[..., tuple[Tree, Tree]]  # (f, z, a, t1, t0, theta, backward, keywords) -> a(t0), the integral of a^T df/dtheta over [t0, t1]
REMEDY = "the adjoint equation is harder than the forward one; loosen backward_rtol and backward_atol, or give another backward_method"

BEYOND = ("kvaerno5",)  # its third stage lies at t + 1.23 h


def solve_alone(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]), where no gradient is asked for."""
    forward, _ = BackwardSolver.split(solver)
    return solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **with_jacobian(f, forward)).zs


def pullback_along(name: str, interval: Interval) -> Callable[..., tuple[Tree, Callable[[Tree], tuple[Any, ...]]]]:
    """The own pullback of an odeint: z(t) is kept as the forward solution's interpolant, and `interval` goes from one node to the one before.

        a(t_i^-) = a(t_i^+) + dL/dz(t_i)
        dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta), i >= 1;     dL/dt_0 = -a(t_0^+)^T f(z(t_0), t_0, theta)

    The nodes are the observations and the jumps between them. dL/dz(t_0) is added last and does not enter dL/dt_0.
    Deviation: a gradient that was made along an interpolant is not differentiated again: TraceError.
    """
    def once(*trees: Tree) -> None:
        if any(isinstance(leaf, Traced) for leaf in leaves(trees)):
            raise TraceError(f"gradient={name!r} gives first derivatives only; use gradient='adjoint', 'discrete' or 'forward' where a gradient is "
                             "differentiated again (grad of grad, hvp, jvp).")

    def odeint_pullback(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Any:
        once(z0, ts, theta)
        if solver.get("backward_method") in BEYOND:
            raise ValueError(f"gradient={name!r} cannot be solved backwards by {', '.join(BEYOND)}, which asks for z(t) beyond the end of the solve; "
                             "give another backward_method.")
        stats = Stats() if stats is None else stats
        forward, settings = BackwardSolver.split(solver)
        t, observed, jumps = nodes(ts, theta, forward.get("jump_ts", ()))
        solution = solve(f, z0, t, theta, dense=True, stats=stats.forward, **with_jacobian(f, forward))
        z = solution.zs

        def back(dLdzs: Tree) -> tuple[None, Tree, Any, Tree]:
            once(dLdzs)
            backward = BackwardSolver(z, dLdzs, t, forward, settings, stats)
            backward.remedy = REMEDY
            for key in ("jac", "jac_sparsity"):  # those of f are not those of the adjoint
                backward.keywords.pop(key, None)
            if settings.get("backward_norm") == "seminorm":
                backward.keywords["norm"] = lambda error: norm_over(backward.way.parts)(error[:backward.way.size])
            times, dLdt = backward.times, [np.float64(0.0)] * len(observed)
            a, dLdtheta = tree_map(lambda z: np.zeros_like(z[0]), z), zeros_like(theta)
            for i in range(len(times) - 1, 0, -1):
                if i in jumps:
                    dLdtheta = add(dLdtheta, knots_cotangent(backward.evaluate, f, at(z, i), times, i, a, theta))
                if i in observed:
                    dLdz = at(dLdzs, observed[i])
                    dLdt[observed[i]] = dot(dLdz, backward.evaluate(f, at(z, i), jumps.get(i, times[i]), theta))
                    a = add(a, dLdz)
                with backward.interval(i) as keywords:
                    a, integral = interval(f, solution, a, times[i], times[i - 1], theta, backward, keywords | {"stats": stats.backward})
                dLdtheta = add(dLdtheta, integral)
            dLdt[0] = -dot(a, backward.evaluate(f, at(z, 0), jumps.get(0, times[0]), theta))
            return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), dLdtheta

        return z if t is ts else at(z, list(observed)), back

    return odeint_pullback
