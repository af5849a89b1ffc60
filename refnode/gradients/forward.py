"""gradient="forward": the sensitivities dz/dz0 and dz/dtheta are solved forwards with z. No adjoint, no backward solve, no stored steps.

With D numbers in z0 and P in theta the state has D (1 + D + P) numbers, and each evaluation carries D cotangents back through f (one evaluation of f
and D sweeps give df/dz and df/dtheta; a column at a time would take D + P products, each of two sweeps). Cheap for a handful of numbers, and a
witness for the other methods: it shares no adjoint with them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from refnode.autodiff.trace import Traced, plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.errors import SolverError
from refnode.gradients.algebra import add, at, dot, last, like_argument, zeros_like
from refnode.gradients.backward import OWN
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.jacobians import with_jacobian
from refnode.ode.arguments import error_norm, observation_times, spread
from refnode.ode.solution import SolveStats, Stats
from refnode.ode.solve import solve
from refnode.tree import Raveler, Tree, as_state, leaves, tree_map

LARGEST = 2000  # numbers in the sensitivities


def _odeint(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Tree:
    """zs[i] = z(ts[i]), where no gradient is asked for."""
    check(solver)
    return solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **with_jacobian(f, solver)).zs


def odeint_pullback(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, stats: Stats | None = None, **solver: Any) -> Any:
    """zs, and the way from dL/dz(t_i) to the gradients, through S = dz/d(z0, theta), which is known at each observation.

        dS/dt = df/dz S + (0, df/dtheta),   S(t_0) = (1, 0)
        dL/d(z0, theta) = sum_i dL/dz(t_i)^T S(t_i)
        dL/dt_i = dL/dz(t_i)^T f(z(t_i), t_i, theta), i >= 1;     dL/dt_0 = -sum_{i>=1} dL/dz(t_i)^T dz(t_i)/dz0 f(z(t_0), t_0, theta)

    A leaf p of (z0, theta) has its sensitivities in a leaf of shape (*p.shape, D): the last axis counts the numbers of z. At a knot tau of a
    constant input dz/dtau jumps by f before tau - f behind tau. The error test sees z and each dz/dp_j, one vector like the other, in the norm and by
    the tolerances of z, atol / max(1, |p_j|) for dz/dp_j; the largest ratio counts. zs is therefore not to the bit what a plain solve gives.
    z and S are solved with odeint itself, so that the gradient is differentiable again; then the sensitivities of S are counted, too.
    Source: Caracotsios, Stewart 1985; Maly, Petzold 1996.
    Statement: E9
    """
    check(solver)
    stats = Stats() if stats is None else stats
    t, observed, jumps = nodes(ts, theta, solver.get("jump_ts", ()))
    times = [t[i] for i in range(len(t))] if any(isinstance(x, Traced) for x in leaves(t)) else observation_times(t)
    way = Raveler(as_state(tree_map(plain, z0)))
    z = conform(z0, zeros_like(way.tree))
    check_size(way, zeros_like(theta))
    basis = [way.unravel(e) for e in np.eye(way.size, dtype=way.dtype)]
    S = along_z(basis), tree_map(lambda p: np.zeros((*p.shape, way.size), way.dtype), zeros_like(theta))

    def aug_dynamics(s: Tree, t: float, theta: Tree) -> Tree:
        z, (S_z0, S_theta) = s
        dz_dt, vjp = pullback(f, z, t, theta, argnums=(0, 2), like=z)
        rows = [vjp(e) for e in basis]
        dfdz = np.stack([flat(row) for row, _, _ in rows])
        dfdtheta = along_z([row for _, _, row in rows])
        return dz_dt, (tree_map(lambda S: S @ dfdz.T, S_z0), tree_map(lambda S, df: S @ dfdz.T + df, S_theta, dfdtheta))

    found = []
    cuts = [0, *(i for i in jumps if 0 < i < len(times) - 1), len(times) - 1]
    keywords = {name: value for name, value in solver.items() if name not in ("jac", "jac_sparsity")}  # those of f are not those of aug_dynamics
    keywords |= controlled_alike(solver, way, z, theta)
    if len(cuts) > 2 and solver.get("steps") is not None:
        keywords |= {"steps": None, "step_size": abs(plain(times[-1]) - plain(times[0])) / solver["steps"]}
    for start, end in pairwise(cuts):
        before = stats.forward.nfe
        try:
            found.append(odeint(aug_dynamics, (z, S), t[start:end + 1], theta, stats=stats, **keywords))
        except SolverError as error:
            error.add_note("This is the solve for gradient='forward': z and partial hold the state (z, its derivatives by z0 and theta).")
            raise
        finally:
            stats.forward.nvjp += way.size * (stats.forward.nfe - before)
        z, (S_z0, S_theta) = last(found[-1])
        if end in jumps:
            jump = [knots_cotangent(evaluate_in(stats.forward), f, z, times, end, e, theta) for e in basis]
            S = S_z0, add(S_theta, along_z(jump))
        keywords["first_step"] = stats.forward.next_h
    whole = found[0] if len(found) == 1 else tree_map(lambda *x: np.concatenate([x[0], *(y[1:] for y in x[1:])]), *found)
    zs, (S_z0, S_theta) = whole

    def back(dLdzs: Tree) -> tuple[None, Tree, Any, Tree]:
        evaluate = evaluate_in(stats.backward)
        dLdt = [np.float64(0.0)] * len(observed)
        a, dLdtheta = tree_map(np.zeros_like, way.tree), zeros_like(theta)  # a is dL/dz(t_0), without the loss's direct dependence on z(t_0)
        for i, number in list(observed.items())[1:]:
            g = at(dLdzs, number)
            dLdt[number] = dot(g, evaluate(f, at(zs, i), jumps.get(i, times[i]), theta))
            a, dLdtheta = (add(sum_so_far, tree_map(lambda S, i=i, g=g: S[i] @ flat(g), S))
                           for sum_so_far, S in ((a, S_z0), (dLdtheta, S_theta)))
        dLdt[0] = -dot(a, evaluate(f, at(zs, 0), jumps.get(0, times[0]), theta))
        return None, like_argument(z0, add(a, at(dLdzs, 0))), like_argument(ts, np.stack(dLdt)), dLdtheta

    return zs if t is ts else at(zs, list(observed)), back


odeint = differentiable(_odeint, odeint_pullback)  # aug_dynamics goes through it too: the gradient is differentiable again


def along_z(rows: list[Tree]) -> Tree:
    """One tree for each number of z as one tree, whose leaves count the numbers of z in their last axis."""
    return tree_map(lambda *entries: np.stack(entries, -1), *rows)


def flat(z: Tree) -> Any:
    return np.concatenate([np.reshape(leaf, (-1,)) for leaf in leaves(z)])


def controlled_alike(solver: dict[str, Any], way: Raveler, z: Tree, theta: Tree) -> dict[str, Any]:
    """Tolerances and norm for (z, S): each column of S is seen as z is, with atol / max(1, |p_j|), since S_j is about as large as z / p_j."""
    rtol, atol = (spread(solver.get(name, default), way) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
    norm_of_z = error_norm(solver.get("norm", "rms"), way.parts)

    def atol_for(p: Any) -> np.ndarray:
        return np.multiply.outer(1 / np.maximum(1, np.abs(plain(p))), np.broadcast_to(atol, way.size))

    wanted = tree_map(atol_for, z), tree_map(lambda zero, p: atol_for(p), zeros_like(theta), theta)
    return {"rtol": (solver.get("rtol", 1e-6), rtol), "atol": (solver.get("atol", 1e-8), wanted),
            "norm": lambda error: float(np.max([norm_of_z(e) for e in error.reshape(-1, way.size)], initial=0.0))}


def check(solver: dict[str, Any]) -> None:
    given = [name for name in OWN if solver.get(name) is not None]
    if given:
        raise ValueError(f"gradient='forward' solves nothing backwards; leave out {', '.join(given)}.")


def check_size(way: Raveler, theta: Tree) -> None:
    columns = way.size + Raveler(theta).size
    if not way.size:
        raise ValueError("gradient='forward' needs at least one number in z0; use gradient='adjoint'.")
    if way.size * columns > LARGEST:
        raise ValueError(f"gradient='forward' would solve for {way.size * columns} sensitivities, of {way.size} numbers of z by {columns} of z0 and "
                         f"theta; above {LARGEST} use gradient='adjoint'.")


def evaluate_in(stats: SolveStats) -> Callable[..., Tree]:
    """f at one point, counted."""
    def evaluate(f: Callable[..., Any], z: Tree, t: Any, theta: Tree) -> Tree:
        stats.nfe += 1
        return conform(f(z, t, theta), z)
    return evaluate
