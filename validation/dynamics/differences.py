"""grad.differences: the gradients of a loss against differences of the loss itself, solved a thousand times more accurately."""

from __future__ import annotations

import numpy as np

from ..relations.posed import Posed
from ..relations.relation import Ask, Relation
from ..verdicts import Comparison, compare

STEP = 2e-3
TIGHTER = 1e-4  # times rtol


def differences(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """dL/dz0 and dL/dtheta along a direction are the change of L there, by differences of solves at a tighter tolerance.

    (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12 h, in error by O(h^4) and by that of the solves over h. It sees a wrong pullback of f, to which
    relations between gradients are blind where both sides use it.

    Statement: S6, S7, S9
    """
    answer = ask(task, rtol, ("dL/dz0", "dL/dtheta")).arrays
    rng = np.random.default_rng(6)
    results = []
    for key, start in (("z0", task.z0), ("theta", task.theta)):
        size = float(np.max(np.abs(start), initial=0.0)) or 1.0
        v = rng.uniform(0.5, 1.0, start.size) * rng.choice([-1, 1], start.size) * size / start.size**0.5

        def loss(k: int, key: str = key, start: np.ndarray = start, v: np.ndarray = v) -> float:
            return float(np.sum(task.weights * ask(task.changed(**{key: start + k * STEP * v}), TIGHTER * rtol).arrays["z"]))

        slope = (8 * (loss(1) - loss(-1)) - (loss(2) - loss(-2))) / (12 * STEP)
        gradient = answer[f"dL/d{key}"]
        allowed = ask.allowed_gradient(task, rtol, gradient) * np.abs(v).sum()
        allowed += 2 * ask.allowed_value(task, TIGHTER * rtol) * np.abs(task.weights).sum() / STEP + STEP**3 * abs(slope)
        results.append(compare(f"dL/d{key} . v", gradient @ v, slope, allowed))
    return results


DIFFERENCES = Relation("grad.differences", ("S6", "S7", "S9"), "required", ("grad:z0", "grad:theta"), differences)
