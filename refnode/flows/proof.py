"""The proof of Theorem 1 (Appendix A), step by step, as quantities that tend to their limits with eps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refnode.autodiff.transforms import jacobian
from refnode.gradients.select import ODESolve
from refnode.tree import Tree


class Step(NamedTuple):
    """What stands in the paper, and what it tends to as eps tends to 0 (or equals)."""

    equation: str
    found: np.ndarray
    limit: np.ndarray


def proof_steps(f: Callable[[Any, Any, Any], Any], z: Any, t: float, theta: Tree, eps: float, **solver: Any) -> list[Step]:
    """The steps of the proof at (z, t), for the map T_eps that carries z(t) to z(t + eps), J = dT_eps/dz:

        (16)       log |det J| / eps -> tr(df/dz)            since log p(z(t + eps)) - log p(z(t)) = -log |det J|
        (21)       d det J / d eps = tr(adj(J) dJ/d eps)     Jacobi's formula, for each eps
        (22)       adj(J) -> I
        (23)-(27)  dJ/d eps -> df/dz

    z: one point (D,). Errors are O(eps). All derivatives are those of the solve. solver: as for `odeint`, and tight.
    Paper: App. A, eq. (14)-(27). Statement: S36
    """
    def J_at(eps: Any) -> Any:
        return jacobian(lambda z: ODESolve(z, f, t, t + eps, theta, **solver))(z)

    J, dJ, dfdz = J_at(eps), jacobian(J_at)(eps), jacobian(f)(z, t, theta)
    d_det = jacobian(lambda eps: np.linalg.det(J_at(eps)))(eps)
    return [Step("(16)", np.log(np.abs(np.linalg.det(J))) / eps, np.trace(dfdz)), Step("(21)", d_det, np.trace(adjugate(J) @ dJ)),
            Step("(22)", adjugate(J), np.eye(len(z))), Step("(23)-(27)", dJ, dfdz)]


def adjugate(A: np.ndarray) -> np.ndarray:
    """The matrix of signed minors, transposed: A adj(A) = det(A) I, for singular A too."""
    D = len(A)
    minors = [[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(A, j, 0), i, 1)) for j in range(D)] for i in range(D)]
    return np.array(minors).reshape(D, D)
