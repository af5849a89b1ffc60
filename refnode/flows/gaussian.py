"""Flows under which Gaussians stay Gaussian, with their exact densities: the linear flow, and the probability flow of Ornstein and Uhlenbeck."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.flows.distributions import Normal, normal
from refnode.flows.liouville import probability_flow
from refnode.flows.traces import with_trace


@with_trace
def linear(z: Any, t: Any, A: Any) -> Any:
    """dz/dt = A z, for points z (n, D) or (D,); the trace is tr A. Statement: S32"""
    return z @ A.T, np.zeros(z.shape[:-1], z.dtype) + np.trace(A)


def linear_density(base: Normal, A: np.ndarray, t0: float, t1: float) -> Normal:
    """The density at t1 that `linear` makes of N(mu, S) at t0: N(E mu, E S E^T), E = e^{A (t1 - t0)}. Paper: eq. (6). Statement: S32"""
    from scipy.linalg import expm

    E = expm(np.asarray(A) * (t1 - t0))
    return normal(E @ base.mean, E @ base.L @ (E @ base.L).T)


OUParameters = tuple[Any, Any, Any, Any]


def ou_moments(t: Any, theta: OUParameters) -> tuple[Any, Any]:
    """Mean mu (D,) and variance v at t of dz = -beta z dt + sigma dW from N(mu0, v0 I) at 0; theta = (beta, sigma, mu0, v0).

        mu = mu0 e^{-beta t},   v = v_inf + (v0 - v_inf) e^{-2 beta t},   v_inf = sigma^2 / (2 beta)

    Statement: S53
    """
    beta, sigma, mu0, v0 = theta
    v_inf = sigma * sigma / (2 * beta)
    return mu0 * np.exp(-beta * t), v_inf + (v0 - v_inf) * np.exp(-2 * beta * t)


@with_trace
def ou(z: Any, t: Any, theta: OUParameters) -> Any:
    """The probability flow of the Ornstein-Uhlenbeck process: a deterministic flow with the densities N(mu(t), v(t) I) of the random one.

        dz/dt = -beta z + (sigma^2 / 2) (z - mu(t)) / v(t)

    Statement: S53
    """
    beta, sigma, _, _ = theta
    mu, v = ou_moments(t, theta)
    trace = z.shape[-1] * (-beta + sigma * sigma / (2 * v))
    return probability_flow(-beta * z, sigma, -(z - mu) / v), np.zeros(z.shape[:-1], z.dtype) + trace
