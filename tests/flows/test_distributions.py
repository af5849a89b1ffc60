"""Base distributions: densities against SciPy, samples against densities."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import refnode as rn

RNG = np.random.default_rng(10)
MEAN, COVARIANCE = np.array([0.3, -0.5, 0.2]), np.array([[1.1, 0.3, -0.2], [0.3, 0.8, 0.1], [-0.2, 0.1, 0.6]])


@pytest.mark.parametrize(("base", "expected"), [
    (rn.standard_normal(3), multivariate_normal(np.zeros(3), np.eye(3))),
    (rn.normal(MEAN, COVARIANCE), multivariate_normal(MEAN, COVARIANCE)),
    (rn.normal(MEAN.tolist(), 0.1 * np.eye(3)), multivariate_normal(MEAN, 0.1 * np.eye(3))),
])
def test_log_prob(base, expected):
    z = RNG.normal(size=(5, 3))
    assert base.D == 3
    assert np.abs(base.log_prob(z) - expected.logpdf(z)).max() < 1e-12
    assert abs(base.log_prob(z[0]) - expected.logpdf(z[0])) < 1e-12
    assert base.log_prob(z.astype(np.float32)).dtype == (np.float32 if base == rn.standard_normal(3) else np.float64)
    rn.check_grads(base.log_prob, z)


@pytest.mark.parametrize("base", [rn.standard_normal(3), rn.normal(MEAN, COVARIANCE)])
def test_samples(base):
    """Mean and covariance within 4 standard errors; an entry of the covariance has variance at most 2 S_ii S_jj / n."""
    n = 40_000
    z = base.sample(np.random.default_rng(1), n)
    mean, S = (MEAN, COVARIANCE) if isinstance(base, type(rn.normal(MEAN, COVARIANCE))) else (np.zeros(3), np.eye(3))
    assert z.shape == (n, 3)
    assert np.all(np.abs(z.mean(0) - mean) < 4 * np.sqrt(np.diag(S) / n))
    assert np.all(np.abs(np.cov(z.T) - S) < 4 * np.sqrt(2 * np.outer(np.diag(S), np.diag(S)) / n))


@pytest.mark.parametrize(("call", "message"), [
    (lambda: rn.standard_normal(0), "D must be a positive whole number, not 0"),
    (lambda: rn.normal([0.0, 1.0], 0.1), r"not \(2,\) and \(\)"),
    (lambda: rn.normal(np.zeros((1, 2)), np.eye(2)), r"a mean of shape \(D,\)"),
    (lambda: rn.normal([0.0, 1.0], [[1.0, 0.5], [0.2, 1.0]]), "must be symmetric"),
    (lambda: rn.normal([0.0, 1.0], [[1.0, 2.0], [2.0, 1.0]]), "smallest eigenvalue is -1"),
])
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
