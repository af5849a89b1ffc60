"""Base distributions: what a flow starts from. Anything with D, log_prob(z) and sample(rng, n) is one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from refnode.ode.arguments import whole_number

LOG_2_PI = math.log(2 * math.pi)


class Distribution(Protocol):
    """A density on R^D: log_prob of points (n, D) is (n,), of one point (D,) a number; n samples are (n, D)."""

    @property
    def D(self) -> int: ...
    def log_prob(self, z: Any) -> Any: ...
    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray: ...


def standard_normal(D: int) -> StandardNormal:
    """N(0, I) in D dimensions: log p(z) = -|z|^2 / 2 - (D/2) log 2 pi."""
    return StandardNormal(whole_number("D", D))


def normal(mean: Any, covariance: Any) -> Normal:
    """N(mean, covariance): mean (D,), covariance (D, D), symmetric and positive definite.

        log p(z) = -|L^-1 (z - mean)|^2 / 2 - log det L - (D/2) log 2 pi,   covariance = L L^T
    """
    mean, covariance = np.asarray(mean, float), np.asarray(covariance, float)
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
        raise ValueError(f"normal takes a mean of shape (D,) and a covariance of shape (D, D), not {mean.shape} and {covariance.shape}.")
    if not np.allclose(covariance, covariance.T, rtol=1e-12, atol=0):
        raise ValueError("the covariance must be symmetric.")
    try:
        return Normal(mean, np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(covariance)[0]
        raise ValueError(f"the covariance must be positive definite, but its smallest eigenvalue is {smallest:.3g}.") from None


@dataclass(frozen=True)
class StandardNormal:
    """See `standard_normal`."""

    D: int

    def log_prob(self, z: Any) -> Any:
        return -0.5 * np.sum(z * z, axis=-1) - 0.5 * self.D * LOG_2_PI

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.standard_normal((n, self.D))


@dataclass(frozen=True)
class Normal:
    """See `normal`. L is lower triangular."""

    mean: np.ndarray
    L: np.ndarray

    @property
    def D(self) -> int:
        return self.mean.size

    def log_prob(self, z: Any) -> Any:
        r = (z - self.mean) @ np.linalg.inv(self.L).T
        return -0.5 * np.sum(r * r, axis=-1) - (float(np.log(np.diag(self.L)).sum()) + 0.5 * self.D * LOG_2_PI)

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.mean + rng.standard_normal((n, self.D)) @ self.L.T
