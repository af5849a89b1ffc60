"""Gaussians that stay Gaussians: the linear flow and the Ornstein-Uhlenbeck process."""

import numpy as np
import pytest

import refnode as rn
from refnode.flows.gaussian import linear, linear_density, ou, ou_moments
from tests.gradients.test_algorithms import TB, TIGHT

RNG = np.random.default_rng(5)
A = np.array([[-0.4, 1.5, 0.3], [-0.8, 0.25, 0.6], [0.2, -0.7, -0.5]])
BASE = rn.normal([0.3, -0.5, 0.2], [[1.1, 0.3, -0.2], [0.3, 0.8, 0.1], [-0.2, 0.1, 0.6]])
OU = (0.9, 0.7, np.array([-0.5, 0.4]), 0.6)


def test_linear_flow_of_a_gaussian():
    """S32, S35, S47, P19: log p(x) is that of N(e^{A T} mu, e^{A T} S e^{A^T T}), solved from the data back to the base."""
    x = RNG.normal(size=(6, 3))
    flow = rn.CNF(linear, 0.1, 1.3, base=BASE, **TIGHT)
    exact = linear_density(BASE, A, 0.1, 1.3)
    assert np.abs(flow.log_prob(A, x) - exact.log_prob(x)).max() < 10 * TB
    assert np.abs(linear_density(exact, A, 1.3, 0.1).log_prob(x) - BASE.log_prob(x)).max() < 1e-12


def test_samples_have_the_density():
    """S35 (iv), S39: the mean of -log p over samples of a Gaussian is its entropy, and they have its mean, within 4 standard errors."""
    n, flow = 20_000, rn.CNF(linear, 0.1, 1.3, base=BASE, rtol=1e-8)
    exact = linear_density(BASE, A, 0.1, 1.3)
    x, log_p = flow.sample_and_log_prob(A, np.random.default_rng(6), n)
    entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * exact.L @ exact.L.T)[1]
    assert abs(-log_p.mean() - entropy) < 4 * log_p.std() / np.sqrt(n)
    assert np.all(np.abs(x.mean(0) - exact.mean) < 4 * x.std(0) / np.sqrt(n))
    assert np.abs(log_p - exact.log_prob(x)).max() < 1e-5


def test_probability_flow_of_ornstein_uhlenbeck():
    """S53, P20: the flow's density is N(mu(t), v(t) I) at every time, two dimensions."""
    _, _, mu0, v0 = OU
    x = RNG.normal(size=(6, 2))
    flow = rn.CNF(ou, base=rn.normal(mu0, v0 * np.eye(2)), **TIGHT)
    for t in (0.3, 1.3, 4.0):
        mu, v = ou_moments(t, OU)
        growth = np.sqrt(v0 / v) if v < v0 else 1.0
        found = flow.log_prob(OU, x, t1=t)
        assert np.abs(found - rn.normal(mu, v * np.eye(2)).log_prob(x)).max() < 10 * TB * growth**2 * (1 + np.abs(found).max())


@pytest.mark.parametrize("t", [0.0, 1.3])
def test_moments_solve_their_equations(t):
    """S53: mu' = -beta mu, v' = -2 beta v + sigma^2, the first two moments of the Fokker-Planck equation."""
    beta, sigma, _, _ = OU
    mu, v = ou_moments(t, OU)
    mu_t, v_t = (rn.jacobian(lambda t, k=k: ou_moments(t, OU)[k])(t) for k in (0, 1))
    assert np.abs(mu_t + beta * mu).max() < 1e-14
    assert abs(v_t - (-2 * beta * v + sigma**2)) < 1e-14


def test_the_process_itself_has_these_moments():
    """S53: 20,000 paths of dz = -beta z dt + sigma dW by exact Gaussian transitions to t = 1.3: mean and variance within 4 standard errors."""
    beta, sigma, mu0, v0 = OU
    rng, n = np.random.default_rng(7), 20_000
    z, h = rn.normal(mu0, v0 * np.eye(2)).sample(rng, n), 0.13
    for _ in range(10):
        z = np.exp(-beta * h) * z + np.sqrt(sigma**2 / (2 * beta) * (1 - np.exp(-2 * beta * h))) * rng.standard_normal((n, 2))
    mu, v = ou_moments(1.3, OU)
    assert np.all(np.abs(z.mean(0) - mu) < 4 * np.sqrt(v / n))
    assert np.all(np.abs(z.var(0) - v) < 4 * v * np.sqrt(2 / n))
