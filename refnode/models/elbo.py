"""The evidence lower bound, with the divergence in closed form or by the sample that the expectation takes anyway."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LOG_2_PI = math.log(2 * math.pi)


def gaussian_log_prob(x: Any, mean: Any, log_variance: Any) -> Any:
    """log N(x | mean, exp(log_variance)), entry by entry: -((x - mean)^2 e^{-log_variance} + log_variance + log 2 pi) / 2.

    The three broadcast. A standard deviation sigma is log_variance = 2 log sigma. Deviation: the paper's N(mu, sigma) does not say which of
    the two sigma is.
    """
    r = x - mean
    return -0.5 * (r * r * np.exp(-log_variance) + log_variance + LOG_2_PI)


def reparametrised(mean: Any, log_variance: Any, noise: Any) -> Any:
    """z = mean + exp(log_variance / 2) noise: a sample of N(mean, exp(log_variance)) where noise is one of N(0, I), differentiable in both.

    Paper: App. E, step 2. Statement: S60
    """
    return mean + np.exp(0.5 * log_variance) * noise


def kl_to_standard_normal(mean: Any, log_variance: Any) -> Any:
    """KL(N(mean, exp(log_variance)) || N(0, I)) = sum_j (mean_j^2 + e^{l_j} - l_j - 1) / 2, over the last axis: (..., L) to (...).

    Statement: S59
    """
    return 0.5 * np.sum(mean * mean + np.exp(log_variance) - log_variance - 1.0, axis=-1)


def kl_sample(z: Any, mean: Any, log_variance: Any) -> Any:
    """log q(z) - log p(z), q = N(mean, exp(log_variance)), p = N(0, I): its mean over z from q is `kl_to_standard_normal`. (..., L) to (...).

    Statement: S59
    """
    return np.sum(gaussian_log_prob(z, mean, log_variance) - gaussian_log_prob(z, 0.0, 0.0), axis=-1)


def elbo(log_likelihood: Any, z: Any, mean: Any, log_variance: Any, analytic: bool = True, weight: float = 1.0) -> Any:
    """The bound on log p(x), estimated by one sample z of q for each series.

        ELBO = E_q[sum_i log p(x_i | z(t_i))] - KL(q || p),   KL in closed form (analytic), or log q(z) - log p(z) of the same sample

    log_likelihood: sum_i log p(x_i | z(t_i)), (...). z, mean, log_variance: (..., L). Both forms have the same mean; where q is the exact
    posterior the second is log p(x) for every z, without variance. weight: of the divergence, below 1 while training warms up; the bound holds
    at 1. Paper: App. E, step 4, with the expectation that is not printed there. Statement: S59
    """
    divergence = kl_to_standard_normal(mean, log_variance) if analytic else kl_sample(z, mean, log_variance)
    return log_likelihood - weight * divergence
