"""df/dz for implicit solvers, from the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.transforms import pullback
from refnode.errors import TraceError
from refnode.ode.arguments import is_implicit
from refnode.tree import Raveler, Tree, leaves


def with_jacobian(f: Callable[..., Any], solver: dict[str, Any], z0: Tree = ()) -> dict[str, Any]:
    """The keywords of a solve; an implicit method without jac and jac_sparsity gets the engine's Jacobian (differences if z0 is complex)."""
    jac = solver.get("jac", "differences" if any(np.iscomplexobj(leaf) for leaf in leaves(z0)) else None)
    if not is_implicit(solver.get("method", "dopri5")) or solver.get("jac_sparsity") is not None or not (jac is None or isinstance(jac, str)):
        return solver
    if jac is None:
        return solver | {"jac": jacobian_of(f)}
    if jac != "differences":
        raise ValueError(f"jac must be a function jac(z, t, theta), a matrix, or 'differences', not {jac!r}.")
    return {name: value for name, value in solver.items() if name != "jac"}


def jacobian_of(f: Callable[..., Any]) -> Callable[[Tree, float, Tree], np.ndarray]:
    """jac(z, t, theta) -> (n, n), d f_i / d z_j of the flat state: one evaluation of f, whose every row is carried back."""
    def jac(z: Tree, t: float, theta: Tree) -> np.ndarray:
        way = Raveler(z)
        try:
            _, back = pullback(f, z, t, theta, argnums=(0,), like=z)
        except TraceError as error:
            raise TraceError(f"{error} An implicit method needs df/dz: give jac=..., or jac='differences'.") from None
        rows = np.eye(way.size, dtype=way.dtype)
        return np.array([way.ravel(back(way.unravel(row))[0]) for row in rows]).reshape(way.size, way.size)
    return jac
