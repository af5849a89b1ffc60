"""grad.differences: the gradients of a loss against differences of the loss itself."""

from __future__ import annotations

import numpy as np

from ..relations.posed import Posed
from ..relations.relation import Ask, Relation
from ..verdicts import Comparison, compare

STEPS = (2e-3, 2e-4)
RTOL = 1e-11


def relation(movable: np.ndarray) -> Relation:
    """The relation for parameters of which only those with movable (P,) true are changed: not the knots of an input, for example."""

    def differences(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
        """The gradient along a direction is the change of the loss there.

        (L(x + h v) - L(x - h v)) / 2h, by SciPy's DOP853 at rtol 1e-11, at two steps h: allowed is, beside the gradient's own error, twice
        the difference of the two. It sees a wrong pullback of f, to which relations between gradients are blind where both sides use it.

        Statement: S6, S7, S9
        """
        answer = ask(task, rtol, ("dL/dz0", "dL/dtheta")).arrays
        results = []
        for name, x, moved in (("z0", task.z0, np.ones(task.z0.size, bool)), ("theta", task.theta, movable)):
            v = _direction(x) * moved
            coarse, fine = (_slope(task, name, x, h * v) / h for h in STEPS)
            gradient = answer[f"dL/d{name}"]
            allowed = ask.allowed_gradient(task, rtol, gradient) * np.abs(v).sum() + 2 * abs(fine - coarse)
            results.append(compare(f"dL/d{name} . v", gradient @ v, fine, allowed))
        return results

    return Relation("grad.differences", ("S6", "S7", "S9"), "required", ("grad:z0", "grad:theta"), differences)


def _direction(x: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(6)
    size = float(np.max(np.abs(x), initial=0.0)) or 1.0
    return rng.uniform(0.5, 1.0, x.size) * rng.choice([-1, 1], x.size) * size / x.size**0.5


def _slope(task: Posed, name: str, x: np.ndarray, by: np.ndarray) -> float:
    return (_loss(task.changed(**{name: x + by})) - _loss(task.changed(**{name: x - by}))) / 2


def _loss(task: Posed) -> float:
    from scipy.integrate import solve_ivp

    def fun(t, z):
        return task.rhs(np, z, t, task.theta)

    solution = solve_ivp(fun, (task.ts[0], task.ts[-1]), task.z0, method="DOP853", t_eval=task.ts, rtol=RTOL, atol=RTOL / 100)
    if not solution.success:
        raise ValueError(f"the loss cannot be solved accurately: {solution.message}")
    return float(np.sum(task.weights * solution.y.T))
