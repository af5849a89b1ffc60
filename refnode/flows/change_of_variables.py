"""Theorem 1: the density of a random variable that moves by a differential equation, as one more state of that equation.

    d log p(z(t)) / dt = -tr(df/dz(t)),   the total derivative along dz/dt = f(z, t, theta)

No determinant and no inverse is computed, and f need not be bijective: where it is Lipschitz in z and continuous in t, its flow is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import lifted, plain
from refnode.autodiff.transforms import pullback
from refnode.flows.traces import Hutchinson, probes_of, value_and_trace
from refnode.gradients.select import ODESolve
from refnode.ode.arguments import read_only
from refnode.tree import Tree, leaves, tree_map

Dynamics = Callable[[Any, Any, Any], Any]


def change_of_variables(z0: Any, log_p0: Any, f: Dynamics, t0: Any, t1: Any, theta: Tree = (), *, trace: str | Hutchinson = "exact",
                        rng: np.random.Generator | None = None, **solver: Any) -> tuple[Any, Any]:
    """(z(t1), log p(z(t1))) from (z(t0), log p(z(t0))), in one solve of size D + 1 a point.

        d/dt [z, log p] = [f(z, t, theta), -tr(df/dz)]

    z0: points (n, D), or one point (D,); log_p0: (n,), or a number. t1 may lie before t0. Differentiable in z0, log_p0, t0, t1 and theta.
    f(z, t, theta) gets z as it is given, and must treat the rows of (n, D) alone: rows that influence each other are refused.
    trace: "exact" is what f declares (`with_trace`), or D cotangents carried back through f; hutchinson(m) estimates, with probes drawn once
    from rng, so that the right-hand side stays a function. solver: the keywords of `odeint` (a norm that is a function gets the errors of z,
    then those of log p). f is asked once more than the statistics say.

    The error test sees log p as a leaf of its own beside z, and the larger of their two norms counts: a step that z would not be allowed
    alone is not allowed, and log p may ask for shorter ones. Since an error of log p is a relative error of p, the leaf's absolute tolerance
    is max(rtol, atol): rtol (1 + |log p|) in all.
    Raises ValueError and TypeError for wrong arguments, `SolverError` for a failed solve.
    Paper: Theorem 1, eq. (8), eq. (33). Statement: S35, S37, S39, S51, S52, S54
    Deviation: eq. (33) is printed with df_i/dt; it is df_i/dz_i.
    """
    z0 = points(z0)
    log_p0 = one_for_each(z0, log_p0, "log_p0")
    probes = probes_of(trace, rng, plain(z0))
    refuse_interacting_rows(f, plain(z0), plain(t0), theta)

    def aug_dynamics(s: Tree, t: float, theta: Tree) -> Tree:
        z, _ = s
        dz_dt, trace_dfdz = value_and_trace(f, z, t, theta, probes)
        return dz_dt, -trace_dfdz

    return ODESolve((z0, log_p0), aug_dynamics, t0, t1, theta, **for_z_and_log_p(solver))


def for_z_and_log_p(solver: dict[str, Any]) -> dict[str, Any]:
    """The keywords for (z, log p) from those for z: rtol for both, and max(rtol, atol) as the absolute tolerance of log p.

    A Jacobian of f (jac, jac_sparsity) is none of the pair, and is left out: the engine finds that of the pair.
    """
    rtol, atol = solver.get("rtol", 1e-6), solver.get("atol", 1e-8)
    smallest = [min(float(np.min(leaf)) for leaf in leaves(tolerance)) for tolerance in (rtol, atol)]
    keywords = {name: value for name, value in solver.items() if name not in ("jac", "jac_sparsity")}
    return keywords | {"rtol": (rtol, smallest[0]), "atol": (atol, max(smallest))}


def refuse_interacting_rows(f: Dynamics, z: np.ndarray, t: float, theta: Tree) -> None:
    """ValueError where a row of f depends on another row of z: df/dz then is no D x D matrix for each row.

    Random cotangents g are carried back, and once more with row j multiplied by its own random factor c_j. Alone, row k is multiplied by
    c_k: back(c g)_k = c_k back(g)_k. This sees any dependence at this point, of pairs of rows or of all, at the cost of two sweeps.
    """
    if z.ndim == 1 or len(z) < 2:
        return
    rng = np.random.default_rng(0)
    g = rng.standard_normal(z.shape).astype(z.dtype)
    c = rng.uniform(1.0, 2.0, (len(z), 1)).astype(z.dtype)
    z, theta = read_only((z, tree_map(lambda leaf: plain(lifted(leaf)), theta)))
    _, back = pullback(f, z, float(t), theta, argnums=(0,), like=z)
    alone, scaled = back(g)[0], back(c * g)[0]
    if np.abs(scaled - c * alone).max() > np.sqrt(np.finfo(z.dtype).eps) * np.abs(alone).max():
        raise ValueError("the rows of z influence each other in f (as in batch normalisation), so that a point of the batch has no density of its "
                         "own; let f treat each row alone, or give one point of shape (D,) at a time.")


def points(z: Any) -> Any:
    """Points (n, D), or one point (D,), in float64 or float32; lists of numbers and integers become float64."""
    z = np.asarray(z, float) if isinstance(z, (list, tuple)) else lifted(z)
    if not isinstance(plain(z), np.ndarray) or z.ndim not in (1, 2) or z.shape[-1] == 0:
        raise ValueError(f"z must hold points, as an array of shape (n, D), or one point of shape (D,), not of shape {np.shape(plain(z))}.")
    if z.dtype.kind in "iu":
        return np.asarray(z, float)
    if z.dtype not in (np.float64, np.float32):
        raise TypeError(f"points are real numbers in float64 or float32, not {z.dtype}.")
    return z


def one_for_each(z: Any, number: Any, name: str) -> Any:
    """An array of one number for each point, in z's dtype, from such an array or from one number for all."""
    shape = np.shape(plain(number))
    if shape not in ((), z.shape[:-1]):
        raise ValueError(f"{name} must be one number for each point, of shape {z.shape[:-1]}, or one for all, not of shape {shape}.")
    return np.zeros(z.shape[:-1], z.dtype) + number
