"""gradient="quadrature": the adjoint is solved backwards alone, and dL/dtheta is the integral of a^T df/dtheta along both solutions.

What is solved has the size of z, however many parameters there are: the solver's arithmetic does not grow with them, and an implicit method solves
linear systems of that size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from refnode.autodiff.transforms import differentiable, pullback
from refnode.errors import MaxStepsReached, NonFiniteDynamics
from refnode.gradients.algebra import arrays, at, last, negative, zeros_like
from refnode.gradients.backward import BackwardSolver
from refnode.gradients.jacobians import jacobian_of
from refnode.gradients.trajectory import pullback_along, solve_alone
from refnode.ode.arguments import error_norm, is_implicit, method_named
from refnode.ode.control import Norm, error_ratio
from refnode.ode.solution import Solution
from refnode.ode.solve import solve
from refnode.tree import Raveler, Tree

VARIABLE_ORDER = 5  # stands for the order of a multistep method
Integrand = Callable[[np.ndarray], np.ndarray]  # times (m,) -> (m, P)


def interval(f: Any, z: Solution, a: Tree, t1: float, t0: float, theta: Tree, backward: BackwardSolver,
             keywords: dict[str, Any]) -> tuple[Tree, Tree]:
    """(a(t0), the integral of a^T df/dtheta over [t0, t1]) from a(t1).

        da/dt = -a^T df/dz at (z(t), t, theta), from t1 to t0;   then the integral, a Gauss-Legendre rule on each of its steps

    An implicit method solves with the matrix of a's equation, minus the transpose of df/dz.
    Source: Kim, Ji, Deng, Ma, Rackauckas 2021 (arXiv 2103.15341).
    Statement: E9
    """
    def adjoint_dynamics(a: Tree, t: float, theta: Tree) -> Tree:
        _, vjp = pullback(f, z(t), t, theta, argnums=(0,), like=a)
        return vjp(negative(a))[0]

    def minus_dfdz_transposed(a: Tree, t: float, theta: Tree) -> np.ndarray:
        return -jacobian_of(f)(z(t), t, theta).T

    method, (_, atol_a, atol_theta) = keywords["method"], keywords["atol"]
    if is_implicit(method):
        keywords["jac"] = minus_dfdz_transposed
    solution = solve(adjoint_dynamics, arrays(a), [t1, t0], theta, dense=True, **keywords | {"atol": atol_a})
    way = Raveler(zeros_like(theta))
    if not way.size:
        return last(solution.zs), zeros_like(theta)

    def integrand(times: np.ndarray) -> np.ndarray:
        zs, a_s, values = z(times), solution(times), []
        for i, t in enumerate(times.tolist()):
            backward.stats.backward.nfe += 1
            _, vjp = pullback(f, at(zs, i), t, theta, argnums=(0, 2), like=a)  # z, too: f may fill np.zeros_like(z)
            values.append(way.ravel(vjp(at(a_s, i))[2]))
        return np.stack(values)

    steps = list(pairwise(solution.t_steps.tolist()))
    if "step_size" in keywords:
        pieces = fixed(integrand, steps, method_named(method).p)
    else:
        norm = error_norm(keywords["norm"] if keywords["norm"] == "max" else "rms", way.parts)
        k = VARIABLE_ORDER if method in ("adams", "bdf") else method_named(method).error_order
        pieces = controlled(integrand, steps, k, keywords["rtol"], atol_theta, norm, keywords["max_steps"])
    dLdtheta = np.zeros(way.size, way.dtype)
    for piece in pieces:
        dLdtheta -= piece  # the steps go from t1 to t0
    return last(solution.zs), way.unravel(dLdtheta)


def fixed(integrand: Integrand, steps: list[tuple[float, float]], p: int) -> Iterator[np.ndarray]:
    """The integral over each step: (h/2) sum_i w_i integrand(t + (1 + x_i) h/2), with n nodes exact for polynomials of degree 2 n - 1.

    n is chosen so that the error in a step, O(h^(2n+1)), is of no lower order than that of the method, O(h^(p+1)): 2 n >= p.
    """
    x, w = np.polynomial.legendre.leggauss(math.ceil(p / 2))
    for t, t1 in steps:
        half = (t1 - t) / 2
        yield half * w @ integrand(t + half * (1 + x))


def controlled(integrand: Integrand, steps: list[tuple[float, float]], k: int, rtol: float, atol: float, norm: Norm,
               max_pieces: int) -> Iterator[np.ndarray]:
    """The integrals over the steps, piece by piece: by n + 1 nodes, where a rule of n nodes agrees with it; other pieces are halved.

    k: what the method took for the error of a step was O(h^k). The difference of the two rules is O(h^(2n+1)), with n chosen so that 2 n + 1 > k:
    then a step that is short enough for a is seldom halved. The integrand may change faster than a: where df/dz = 0, one step spans the interval.
    Raises `NonFiniteDynamics`, and `MaxStepsReached` where more than max_pieces are asked for.
    """
    n = math.ceil(k / 2)
    (x_low, w_low), (x, w) = (np.polynomial.legendre.leggauss(m) for m in (n, n + 1))
    total, pending, pieces = np.zeros(1), steps[::-1], 0
    while pending:
        t, t1 = pending.pop()
        half = (t1 - t) / 2
        values = integrand(t + half * (1 + np.concatenate([x, x_low])))
        pieces += 1
        if not np.all(np.isfinite(values)):
            raise NonFiniteDynamics(f"a^T df/dtheta is NaN or infinite between t = {t} and {t1}, where a and z are finite.", t=t, h=t1 - t)
        integral = half * w @ values[:n + 1]
        if error_ratio(integral - half * w_low @ values[n + 1:], total, total + integral, rtol, atol, norm) < 1:
            total = total + integral
            yield integral
            continue
        pending += [(t + half, t1), (t, t + half)]
        if pieces + len(pending) > max_pieces:
            raise MaxStepsReached(f"the integral of a^T df/dtheta needs more than max_steps = {max_pieces} pieces, and t = {t} of {steps[-1][1]} was "
                                  "reached; raise max_steps or the tolerances.", t=t, h=t1 - t)


odeint = differentiable(solve_alone, pullback_along("quadrature", interval))
