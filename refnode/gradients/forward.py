"""gradient="forward": the sensitivities dz/dz0 and dz/dtheta are solved forwards with z. No adjoint, no backward solve, no stored steps.

With D numbers in z0 and P in theta the state has D (1 + D + P) numbers, and each evaluation carries D cotangents back through f (one evaluation of f
and D sweeps give df/dz and df/dtheta; a column at a time would take D + P products, each of two sweeps). It is the cheapest method for a handful
of parameters, and a witness for the others at any number.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.errors import SolverError
from refnode.gradients.algebra import add, at, dot, like_argument, zeros_like
from refnode.gradients.backward import OWN
from refnode.gradients.inputs import knots_cotangent, nodes
from refnode.gradients.jacobians import with_jacobian
from refnode.ode.arguments import error_norm, spread
from refnode.ode.solution import Stats
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
    the tolerances of z; the largest ratio counts. zs is therefore not to the bit what a solve without gradient gives.
    z, S are solved with odeint itself, so that the gradient is differentiable again; then their own sensitivities are counted, too.
    Source: Caracotsios, Stewart 1985; Maly, Petzold 1996.
    """
    check(solver)
    stats = Stats() if stats is None else stats
    t, observed, jumps = nodes(ts, theta, solver.get("jump_ts", ()))
    z = arrays(as_tree(z0))
