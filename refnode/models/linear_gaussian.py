"""A latent ODE whose evidence and posterior are known: linear dynamics, linear decoder, Gaussian noise.

    z(t0) ~ N(0, I),   dz/dt = A z,   x_i = C z(t_i) + e_i,   e_i ~ N(0, sigma^2 I)

All observations together are x = M z(t0) + e with the blocks M_i = C e^{A (t_i - t0)}, so that they are Gaussian, and so is z(t0) given x.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def observation_matrix(A: Any, C: Any, ts: Any, t0: float = 0.0) -> np.ndarray:
    """M (n D, L), the blocks C e^{A (t_i - t0)} one below the other: A (L, L), C (D, L), ts (n,). Statement: S55"""
    from scipy.linalg import expm

    return np.concatenate([np.asarray(C) @ expm(np.asarray(A) * (t - t0)) for t in ts])


def log_evidence(x: Any, M: Any, sigma: float) -> float:
    """log p(x) = log N(x | 0, M M^T + sigma^2 I) for all observations x (n D,) in one vector. Paper: eq. (11), (12), (13). Statement: S55, S59"""
    S = M @ M.T + sigma**2 * np.eye(len(M))
    L = np.linalg.cholesky(S)
    r = np.linalg.solve(L, x)
    return float(-0.5 * r @ r - np.log(np.diag(L)).sum() - 0.5 * len(M) * np.log(2 * np.pi))


def posterior(x: Any, M: Any, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean (L,) and covariance (L, L) of z(t0) given x: S = (I + M^T M / sigma^2)^-1, m = S M^T x / sigma^2. Statement: S59"""
    S = np.linalg.inv(np.eye(M.shape[1]) + M.T @ M / sigma**2)
    return S @ M.T @ x / sigma**2, S
