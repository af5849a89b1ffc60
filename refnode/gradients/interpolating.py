"""gradient="interpolating": the adjoint and dL/dtheta are solved backwards, and z(t) is read off the forward solution.

Nothing has to be found again, so the dynamics may contract as they like. The price is memory for all steps of the forward solve, and an error that
the order of its interpolant limits: what the interpolant is off, enters a as an error of f's derivatives.
"""

from __future__ import annotations

from typing import Any

from refnode.autodiff.transforms import differentiable, pullback
from refnode.gradients.algebra import arrays, last, negative, zeros_like
from refnode.gradients.backward import BackwardSolver
from refnode.gradients.jacobians import with_jacobian
from refnode.gradients.trajectory import pullback_along, solve_alone
from refnode.ode.solution import Solution
from refnode.ode.solve import solve
from refnode.tree import Tree


def interval(f: Any, z: Solution, a: Tree, t1: float, t0: float, theta: Tree, backward: BackwardSolver,
             keywords: dict[str, Any]) -> tuple[Tree, Tree]:
    """(a(t0), the integral of a^T df/dtheta over [t0, t1]) from a(t1).

        d/dt [a, dL/dtheta] = [-a^T df/dz, -a^T df/dtheta] at (z(t), t, theta)   from t1 to t0, starting at [a(t1), 0]

    Algorithm 1 without its first line. The error test sees both parts ("seminorm": a alone), dL/dtheta by the tightest of the tolerances.
    Source: Hindmarsh et al. 2005 (SUNDIALS); Ma, Dixit, Innes, Guo, Rackauckas 2018 (arXiv 1812.01892).
    Statement: E8
    """
    def aug_dynamics(s: Tree, t: float, theta: Tree) -> Tree:
        a, _ = s
        _, vjp = pullback(f, z(t), t, theta, argnums=(0, 2), like=a)
        minus_a_dfdz, _, minus_a_dfdtheta = vjp(negative(a))
        return minus_a_dfdz, minus_a_dfdtheta

    keywords["atol"] = keywords["atol"][1:]
    s0 = arrays((a, zeros_like(theta)))
    backward.refuse_large_systems(s0, "(a, dL/dtheta)")
    a, dLdtheta = last(solve(aug_dynamics, s0, [t1, t0], theta, **with_jacobian(aug_dynamics, keywords)).zs)
    return a, dLdtheta


odeint = differentiable(solve_alone, pullback_along("interpolating", interval))
