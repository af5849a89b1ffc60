"""Relations between solutions with fixed steps: euler.*, solve.richardson, solve.order"""

from __future__ import annotations

import numpy as np

from ..verdicts import Comparison, compare
from .posed import Posed
from .relation import Ask, Relation, exactly

ORDERS = {"euler": 1, "midpoint": 2, "rk4": 4, "dopri5": 5}  # method of a case: its order
STEPS = {"euler": 64, "midpoint": 32, "rk4": 16, "dopri5": 16}  # enough for the leading term of the error to lead


def resnet(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """K residual blocks h = h + f(h, k, theta) are K steps of Euler's method with step 1, to the bit.

    The numbers are dyadic and so short that every sum and product is exact, in whatever order it is computed.

    Statement: S1
    """
    h, K = task.z0, int(task.ts[-1])
    for k in range(K):
        h = h + task.rhs(np, h, float(k), task.theta)
    end = ask(task, rtol, method="euler", steps=K).arrays["z"][-1]
    return [exactly("h", end, h)]


def richardson(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """Halving the step divides the change by 2^p: log2 |z_h - z_{h/2}|/|z_{h/2} - z_{h/4}| is the order p of the method.

    Statement: S2
    """
    results = []
    for method, p in _methods(ask):
        z = [_end(ask, task, rtol, method, n * STEPS[method]) for n in (1, 2, 4)]
        results.append(_order(f"order of {method}", z[0] - z[1], z[1] - z[2], p))
    return results


def order(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """With fixed steps the solution tends to that of adaptive steps at a tight tolerance, with the order of the method.

    Statement: S2, S3
    """
    limit = ask(_two_times(task), 1e-11).arrays["z"][-1]
    results = []
    for method, p in _methods(ask):
        coarse, fine = (_end(ask, task, rtol, method, n * STEPS[method]) for n in (1, 2))
        results.append(_order(f"order of {method}", coarse - limit, fine - limit, p))
    return results


def _methods(ask: Ask) -> list[tuple[str, int]]:
    return [(method, p) for method, p in ORDERS.items() if ask.has(f"fixed:{method}")]


def _end(ask: Ask, task: Posed, rtol: float, method: str, steps: int) -> np.ndarray:
    return ask(_two_times(task), rtol, method=method, steps=steps).arrays["z"][-1]


def _two_times(task: Posed) -> Posed:
    return task.changed(ts=task.ts[[0, -1]], weights=task.weights[[0, -1]])


def _order(name: str, coarse: np.ndarray, fine: np.ndarray, p: int) -> Comparison:
    """The observed order, within 0.2 of p: steps are finite, which changes it by O(h); a method of the next order is 5 times that off."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return compare(name, np.log2(np.abs(coarse).max() / np.abs(fine).max()), p, 0.2)


def _blocks(xp, h, t, theta):
    """f(h, t, theta) = (a h_2 - t, b h_1 h_2): sums and products only."""
    a, b = theta
    return xp.stack([a * h[1] - t, b * h[0] * h[1]])


def _van_der_pol(xp, z, t, theta):
    """A forced van der Pol oscillator. Where all methods show their orders by then: there is no sign change of the leading error nearby."""
    damping, force = theta
    return xp.stack([z[1], damping * (1 - z[0] * z[0]) * z[1] - z[0] + force * xp.cos(t + 0 * z[0])])


FORCED = Posed("van_der_pol", _van_der_pol, np.array([0.5, 0.5]), np.array([0.5, -0.25]), np.array([0.5, 2.5]), np.ones((2, 2)))
RESNET = Posed("resnet", _blocks, np.array([0.5, -0.25]), np.array([1.5, -0.75]), np.array([0.0, 4.0]), np.ones((2, 2)))
FIXED = ("fixed",)  # any of them

RELATIONS = [
    Relation("euler.resnet", ("S1",), "required", ("fixed:euler",), resnet, on=("resnet",), applies=lambda task: task is RESNET),
    Relation("solve.richardson", ("S2",), "required", FIXED, richardson, on=("van_der_pol",), applies=lambda task: task is FORCED),
    Relation("solve.order", ("S2", "S3"), "required", FIXED, order, on=("van_der_pol",), applies=lambda task: task is FORCED),
]
