"""What a problem is: dynamics, numbers, and the exact flow with all its first derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray


class Flow(NamedTuple):
    """The exact solution z1 = z(t1) of z' = f(z, t, theta), z(t0) = z0, and its derivatives; D components, P parameters."""

    z1: Array  # (D,)
    dz0: Array  # (D, D)  dz1/dz0, called Phi
    dtheta: Array  # (D, P)  dz1/dtheta
    dt0: Array  # (D,)    dz1/dt0
    dt1: Array  # (D,)    dz1/dt1


@dataclass(frozen=True)
class Gaussian:
    """N(mean, covariance), the density that a flow starts from; mean (D,), covariance (D, D)."""

    mean: Array
    covariance: Array

    def log_prob(self, xp: Any, z: Any) -> Any:
        """log density at one point z (D,), written like the dynamics for every array namespace xp, and analytic in z."""
        precision, d = np.linalg.inv(self.covariance).tolist(), [z[i] - m for i, m in enumerate(self.mean.tolist())]
        square = sum(p * d_i * d_j for row, d_i in zip(precision, d, strict=True) for p, d_j in zip(row, d, strict=True))
        return -0.5 * square - 0.5 * float(np.linalg.slogdet(2 * np.pi * self.covariance)[1])


@dataclass(frozen=True)
class Problem:
    """A closed-form problem and the numbers it is used with.

    rhs(xp, z, t, theta) is f, written once for every array namespace xp (numpy, autograd.numpy, torch, jax.numpy); z is (D,), theta (P,),
    t a scalar.
    exact(z0, t0, t1, theta) is the Flow, in formulas that are analytic in every argument (so complex steps through them are exact).
    The loss is L = sum_i weights[i] . z(ts[i]), weights (N, D) (problem P24).
    A problem that is a normalizing flow has log_det(z0, t0, t1, theta) = log |det dz1/dz0|, analytic too, and the density to start from.
    """

    id: str
    title: str
    z0: Array
    theta: Array
    t0: float
    t1: float
    ts: Array
    weights: Array
    autonomous: bool
    rhs: Callable[[Any, Any, Any, Any], Any]
    exact: Callable[[Array, Any, Any, Array], Flow]
    log_det: Callable[[Array, Any, Any, Array], Any] | None = None
    base: Gaussian | None = None

    def flow(self, z0: Array, t0: float, t1: float, theta: Array) -> Array:
        """z(t1), (D,)."""
        return self.exact(z0, t0, t1, theta).z1

    def f(self, z: Array, t: float, theta: Array) -> Array:
        """The dynamics in NumPy, (D,)."""
        return self.rhs(np, z, t, theta)
