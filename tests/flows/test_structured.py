"""Hamiltonian pairs preserve volume; the concat-squash network is FFJORD's."""

import numpy as np

import refnode as rn
from refnode.flows.structured import concatsquash, concatsquash_init, hamiltonian
from refnode.models.nets import mlp_init
from tests.gradients.test_algorithms import TB, TIGHT

RNG = np.random.default_rng(4)


def test_hamiltonian_pairs_preserve_volume():
    """S49: the trace is 0, log p does not change, |det dz1/dz0| = 1, with halves of different sizes, and for the linear pair (P21)."""
    theta = mlp_init(RNG, (3, 8, 2)), mlp_init(RNG, (2, 8, 3))
    z = RNG.normal(size=(4, 5))
    dz_dt, trace = hamiltonian.value_and_trace(z, 0.0, theta)
    assert not trace.any()
    assert np.abs(np.trace(rn.jacobian(hamiltonian)(z[0], 0.0, theta))) == 0.0
    assert dz_dt.shape == z.shape
    J = rn.jacobian(lambda z: rn.ODESolve(z, hamiltonian, 0.0, 1.0, theta, **TIGHT))(z[0])
    assert abs(abs(np.linalg.det(J)) - 1) < TB
    undeclared = rn.change_of_variables(z, -1.5, lambda z, t, theta: hamiltonian(z, t, theta), 0.0, 1.0, theta)[1]
    assert np.array_equal(undeclared, np.full(4, -1.5))


def test_the_linear_pair():
    """S49, P21: q' = a p, p' = b q with a b < 0 is a rotation of an ellipse: p0 is carried along, and the period brings everything back."""
    a, b = 0.9, -1.4
    theta = ((np.array([[a]]), np.zeros(1)),), ((np.array([[b]]), np.zeros(1)),)
    z = RNG.normal(size=(3, 2))
    period = 2 * np.pi / np.sqrt(-a * b)
    z1, log_p = rn.change_of_variables(z, 0.0, hamiltonian, 0.0, period, theta, **TIGHT)
    assert np.abs(z1 - z).max() < TB
    assert not log_p.any()


def test_concatsquash_is_ffjords():
    """E11: layers (x W + b) sigmoid(t w_g + b_g) + t w_s, tanh between them and none at the end, written out; any t; differentiable in all."""
    layers = concatsquash_init(RNG, (3, 6, 3))
    layers = tuple((W, b + 0.1, g, c - 0.2, s) for W, b, g, c, s in layers)
    z, t = RNG.normal(size=(4, 3)), 0.7
    x = z
    for k, (W, b, g, c, s) in enumerate(layers):
        x = (x @ W + b) / (1 + np.exp(-(t * g + c))) + t * s
        x = np.tanh(x) if k == 0 else x
    assert np.abs(concatsquash(z, t, layers) - x).max() < 1e-14
    rn.check_grads(concatsquash, z, t, layers)
    assert rn.check_dynamics(concatsquash, z, t, layers).ok
