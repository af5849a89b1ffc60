"""Liouville's and the Fokker-Planck equation for densities of flows: derivatives in time and space through the solve itself."""

import numpy as np
import pytest

import refnode as rn
from refnode.flows.gaussian import ou, ou_moments
from refnode.flows.liouville import along_the_trajectory, fokker_planck, liouville, probability_flow
from refnode.flows.planar import gated, hidden_units

RNG = np.random.default_rng(8)
TIGHT = {"rtol": 1e-10, "atol": 1e-11}
UNITS = RNG.normal(size=(5, 2)) / 2, RNG.normal(size=(5, 2)), RNG.normal(size=5)
GATES = RNG.normal(size=5), RNG.normal(size=5)


def density(f, theta):
    flow = rn.CNF(f, base=rn.standard_normal(2), **TIGHT)
    return lambda z, t: flow.log_prob(theta, z, t1=t)


@pytest.mark.parametrize(("f", "theta"), [(hidden_units, UNITS), (gated, (*UNITS, *GATES))], ids=["autonomous", "gated"])
def test_liouville_at_a_fixed_point(f, theta):
    """S50: dp/dt = -sum_i d(f_i p)/dz_i for M = 5 units: both sides are derivatives of tight solves (1e-8: TC), and a hundred
    times that from zero."""
    log_p = density(f, theta)
    for z in RNG.normal(size=(3, 2)):
        left, right = liouville(log_p, f, z, 0.8, theta)
        assert abs(left - right) < 1e-8
        assert abs(left) > 1e-6


@pytest.mark.parametrize(("f", "theta"), [(hidden_units, UNITS), (gated, (*UNITS, *GATES))], ids=["autonomous", "gated"])
def test_from_liouville_to_theorem_1(f, theta):
    """S51, C3: the total derivative along the trajectory is -tr(df/dz) p; the partial one is another number."""
    log_p, z = density(f, theta), np.array([0.4, -0.6])
    total, right = along_the_trajectory(log_p, f, z, 0.8, theta)
    partial, _ = liouville(log_p, f, z, 0.8, theta)
    assert abs(total - right) < 1e-8
    assert abs(partial - right) > 1e-6


def test_fokker_planck_of_the_probability_flow():
    """S53: the density of the deterministic flow solves dp/dt = -div(drift p) + sigma^2/2 laplace p, both sides through the solve; and with the
    noise left out they differ."""
    theta = 0.9, 0.7, np.array([-0.5, 0.4]), 0.6
    flow = rn.CNF(ou, base=rn.normal(theta[2], theta[3] * np.eye(2)), **TIGHT)

    def log_p(z, t):
        return flow.log_prob(theta, z, t1=t)

    for z in RNG.normal(size=(2, 2)):
        left, right = fokker_planck(log_p, lambda z, t: -0.9 * z, 0.7, z, 0.8)
        assert abs(left - right) < 1e-8
        _, without = fokker_planck(log_p, lambda z, t: -0.9 * z, 0.0, z, 0.8)
        assert abs(left - without) > 1e-6


def test_without_noise_it_is_liouville():
    """S53, App. A.2: sigma = 0 gives the same two sides, on a density in closed form (a Gaussian that moves, exactly: 1e-14)."""
    def log_p(z, t):
        mu, v = ou_moments(t, (0.9, 0.7, np.array([-0.5, 0.4]), 0.6))
        return -np.sum((z - mu) ** 2) / (2 * v) - np.log(2 * np.pi * v)

    z = np.array([0.3, 0.8])
    sides = fokker_planck(log_p, lambda z, t: np.tanh(z) * t, 0.0, z, 0.8)
    assert np.allclose(sides, liouville(log_p, lambda z, t, theta: np.tanh(z) * t, z, 0.8), rtol=0, atol=1e-14)


def test_the_probability_flow_turns_one_equation_into_the_other():
    """S53: for any density and drift, -div(drift p) + sigma^2/2 laplace p = -div(f p) with f = drift - sigma^2/2 d log p/dz."""
    def log_p(z, t):
        return -np.sum(z**4) / 4 + np.sin(z[0] * z[1]) * t

    def drift(z, t):
        return np.stack([z[1] * t, -np.sin(z[0])])

    def f(z, t, theta):
        return probability_flow(drift(z, t), 0.8, rn.grad(lambda z: log_p(z, t))(z))

    z = np.array([0.3, -0.8])
    assert abs(fokker_planck(log_p, drift, 0.8, z, 0.7)[1] - liouville(log_p, f, z, 0.7)[1]) < 1e-13
