"""A running cost, L = phi(z(t1)) + the integral of l(z(t), t, theta): one more component of the state, in every gradient method.

    def with_cost(s, t, theta):
        z, cost = s
        return f(z, t, theta), l(z, t, theta)

    zs, costs = rn.odeint(with_cost, (z0, 0.0), ts, theta)      # z0 an array; costs[i] is the integral from ts[0] to ts[i]
    loss = phi(zs[-1]) + costs[-1]

The adjoint of cost is constant, dL/dcost, so that a' = -a df/dz - dl/dz: the adjoint equation of a running cost (E17) is that of the larger state.
cost is a leaf of its own: its error is controlled apart from that of z.
"""

import numpy as np
import pytest

import refnode as rn
from refnode.gradients.select import GRADIENTS
from tests.gradients.test_algorithms import TB, TIGHT

EVERY = pytest.mark.parametrize("gradient", GRADIENTS)
# A reversible method multiplies rounding errors on its way back: with many small steps it warns, rightly
TOLERANCES = {"reversible": ({"rtol": 1e-7, "atol": 1e-9}, 40 * 10 * 1e-7)}  # kappa = 40, values and condition numbers below 10


@EVERY
@pytest.mark.parametrize("lam", [0.6, -0.8])
def test_p23(gradient, lam):
    """z' = lam z, L = integral of z^2 / 2 = z0^2 (e^(2 lam T) - 1) / (4 lam)."""
    tolerances, allowed = TOLERANCES.get(gradient, (TIGHT, TB))

    def with_cost(s, t, lam):
        z, _ = s
        return lam * z, z * z / 2

    def loss(z0, lam):
        _, costs = rn.odeint(with_cost, (np.reshape(z0, ()), 0.0), [t0, t0 + T], lam, gradient=gradient, **tolerances)
        return costs[-1]

    z0, t0, T = 1.3, 0.4, 1.5
    growth = np.exp(2 * lam * T)
    value, (by_z0, by_lam) = rn.value_and_grad(loss, (0, 1))(z0, lam)
    assert abs(value - z0**2 * (growth - 1) / (4 * lam)) < allowed
    assert abs(by_z0 - z0 * (growth - 1) / (2 * lam)) < allowed
    assert abs(by_lam - z0**2 * (T * growth / (2 * lam) - (growth - 1) / (4 * lam**2))) < allowed


@EVERY
def test_a_cost_with_parameters_between_observations(gradient):
    """z' = -z, l = c t z: the cost from t_i to t_j is c ((1 + t_i) z_i - (1 + t_j) z_j). Beside it a terminal cost."""
    tolerances, allowed = TOLERANCES.get(gradient, (TIGHT, TB))

    def with_cost(s, t, c):
        z, _ = s
        return -z, c * t * z[0]

    def loss(z0, ts, c):
        zs, costs = rn.odeint(with_cost, (z0, 0.0), ts, c, gradient=gradient, **tolerances)
        return 2 * (costs[2] - costs[1]) + zs[2, 0] ** 2

    z0, ts, c = np.array([0.7]), np.array([0.2, 0.9, 1.7]), 1.4
    z = z0[0] * np.exp(ts[0] - ts)
    cost_by_c = 2 * ((1 + ts[1]) * z[1] - (1 + ts[2]) * z[2])
    by_z0, by_ts, by_c = rn.grad(loss, (0, 1, 2))(z0, ts, c)
    assert abs(by_c - cost_by_c) < allowed
    assert abs(by_z0[0] - (c * cost_by_c + 2 * z[2] ** 2) / z0[0]) < allowed
    by_t0 = c * cost_by_c + 2 * z[2] ** 2  # dz_i/dt0 = z_i for i >= 1
    assert np.abs(by_ts - [by_t0, -2 * c * ts[1] * z[1], 2 * c * ts[2] * z[2] - 2 * z[2] ** 2]).max() < allowed
