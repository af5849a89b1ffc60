"""Planar flows: the layer of Rezende and Mohamed, its continuous limit, and sums, gates and networks of such units. The activation is tanh.

A unit is (u, w, b): z moves along u, as fast as tanh(w^T z + b) says. M units are U, W (M, D) and b (M,), a unit in each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.autodiff.surface import plain
from refnode.flows.traces import with_trace
from refnode.models.nets import Layers, mlp, mlp_init

Unit = tuple[Any, Any, Any]
Units = tuple[Any, Any, Any]


def planar_layer(z: Any, unit: Unit) -> tuple[Any, Any]:
    """One layer of the planar normalizing flow: (z', log |det dz'/dz|).

        z' = z + u tanh(w^T z + b),   log p(z') = log p(z) - log |1 + u^T dh/dz|,   dh/dz = tanh'(w^T z + b) w

    z: points (n, D) or one point (D,). The layer is invertible if and only if u^T w >= -1 (at -1 its inverse is not smooth): ValueError where it
    is not, since the formula then gives no density; `invertible` changes u.
    Paper: eq. (6), eq. (7). Statement: S32, S33, S44
    Deviation: eq. (7) is printed without the condition.
    """
    u, w, b = unit
    if plain(u @ w) < -1 - 1e-9 * (1 + plain(np.abs(u) @ np.abs(w))):  # (a rounding error is no fault)
        raise ValueError(f"the planar layer is not invertible, since u^T w = {plain(u @ w):.4g} is below -1; give it invertible(u, w) for u.")
    h = np.tanh(z @ w + b)
    return z + h[..., None] * u, np.log(np.abs(1 + (1 - h * h) * (u @ w)))


def invertible(u: Any, w: Any) -> Any:
    """The u^ nearest to u in the direction of w with u^^T w = -1 + softplus(u^T w) > -1, for any u and w != 0.

        u^ = u + (m(w^T u) - w^T u) w / |w|^2,   m(x) = -1 + log(1 + e^x)

    Source: Rezende, Mohamed 2015 (arXiv 1505.05770), appendix A.1. Statement: S33
    """
    x = w @ u
    return u + (np.logaddexp(0.0, x) - 1 - x) / (w @ w) * w


def planar_nf(z: Any, units: Units) -> tuple[Any, Any]:
    """K planar layers, one after the other, made invertible: (z_K, log |det dz_K/dz_0|). units: U, W (K, D), b (K,). Statement: S33, S45"""
    log_det = np.zeros(z.shape[:-1])
    for u, w, b in zip(*units, strict=True):
        z, change = planar_layer(z, (invertible(u, w), w, b))
        log_det = log_det + change
    return z, log_det


@with_trace
def planar(z: Any, t: Any, theta: Unit) -> Any:
    """The planar CNF: dz/dt = u tanh(w^T z + b), d log p/dt = -u^T dh/dz, dh/dz = tanh'(w^T z + b) w. theta = (u (D,), w (D,), b).

    The solution is known: with kappa = u^T w and s = w^T z + b, sinh s(t1) = e^{kappa (t1 - t0)} sinh s(t0).
    Paper: eq. (9), eq. (28). Statement: S38, S44
    Deviation: eq. (28) is printed with w^z for w^T z.
    """
    u, w, b = theta
    h = np.tanh(z @ w + b)
    return h[..., None] * u, (1 - h * h) * (u @ w)


@with_trace
def hidden_units(z: Any, t: Any, theta: Units) -> Any:
    """M units: dz/dt = sum_n f_n(z), d log p/dt = -sum_n tr(df_n/dz), f_n(z) = u_n tanh(w_n^T z + b_n). theta = (U (M, D), W (M, D), b (M,)).

    The cost is linear in M. Paper: eq. (10). Statement: S34, S40, S41
    Deviation: eq. (10) is printed without the minus sign of the trace. torchdiffeq's cnf.py takes the mean over units: U / M.
    """
    return units(z, *theta)


@with_trace
def gated(z: Any, t: Any, theta: tuple[Any, ...]) -> Any:
    """Units that are switched on and off: dz/dt = sum_n sigma_n(t) f_n(z), sigma_n(t) = logistic(alpha_n t + beta_n).

    theta = (U (M, D), W (M, D), b (M,), alpha (M,), beta (M,)); with alpha = 0 and large beta these are `hidden_units`.
    Paper: sec. 4, "Time-dependent dynamics". Statement: S43, S45
    """
    U, W, b, alpha, beta = theta
    return units(z, logistic(alpha * t + beta)[:, None] * U, W, b)


@with_trace
def hypernetwork(z: Any, t: Any, layers: Layers) -> Any:
    """Units whose parameters are a network's function of t: dz/dt = (1/M) sum_n u_n tanh(w_n^T z + b_n), (u, w, b)(t) from mlp(t).

    layers: of an `mlp` from 1 to M (3 D + 1) numbers (`hypernetwork_init`). As in torchdiffeq's cnf.py: a logistic gate for each unit and
    dimension on u, and the mean over units.
    Paper: sec. 4, "Time-dependent dynamics". Statement: S42
    """
    numbers, D = mlp(np.reshape(t, (1,)), layers), z.shape[-1]
    M = numbers.shape[0] // (3 * D + 1)
    W, U, G = np.reshape(numbers[:3 * M * D], (3, M, D))
    return units(z, logistic(G) * U / M, W, numbers[3 * M * D:])


def units(z: Any, U: Any, W: Any, b: Any) -> tuple[Any, Any]:
    """(sum_n u_n h_n, sum_n h'_n u_n^T w_n), h_n = tanh(w_n^T z + b_n)."""
    h = np.tanh(z @ W.T + b)
    return h @ U, (1 - h * h) @ np.sum(U * W, axis=1)


def logistic(x: Any) -> Any:
    """1 / (1 + e^-x), which does not overflow so."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def hypernetwork_init(rng: np.random.Generator, D: int, M: int, hidden: int = 32) -> Layers:
    """Layers 1 - hidden - hidden - M (3 D + 1) for M units in D dimensions."""
    return mlp_init(rng, (1, hidden, hidden, M * (3 * D + 1)))
