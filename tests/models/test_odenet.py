"""The classifiers of Table 1: their formulas, and that the RK-Net and the ODE-Net are the same model, solved and differentiated in two ways."""

import numpy as np
import scipy.special

import refnode as rn
from refnode.models.nets import mlp_init
from refnode.models.odenet import (
    classifier_init,
    classify,
    cross_entropy,
    dynamics,
    dynamics_init,
    error_percent,
    no_block,
    ode_block,
    residual_blocks,
)
from refnode.tree import leaves

RNG = np.random.default_rng(6)
X, LABELS = RNG.normal(size=(5, 7)), np.array([0, 2, 1, 2, 0])
ONE_HOT = np.eye(3)[LABELS]


def test_logits_by_their_formula():
    (W, b), _, (V, c) = theta = classifier_init(RNG, 7, 4, 3, ())
    assert np.array_equal(classify(X, theta, no_block), np.tanh(X @ W + b) @ V + c)
    blocks = tuple(mlp_init(RNG, (4, 6, 4)) for _ in range(2))
    h = X @ W + b
    for (W1, b1), (W2, b2) in blocks:
        h = h + np.tanh(h @ W1 + b1) @ W2 + b2
    assert np.allclose(classify(X, ((W, b), blocks, (V, c)), residual_blocks), h @ V + c, rtol=1e-12)


def test_dynamics_see_the_time_beside_the_state():
    W1, w, b1, W2, b2 = dynamics_init(RNG, 4, 6)
    h, t = RNG.normal(size=(5, 4)), 0.7
    beside = np.concatenate([h, np.full((5, 1), t)], axis=1)
    assert np.allclose(dynamics(h, t, (W1, w, b1, W2, b2)), np.tanh(beside @ np.vstack([W1, w]) + b1) @ W2 + b2, rtol=1e-12)
    assert sum(leaf.size for leaf in dynamics_init(RNG, 16, 32)) == 1104


def test_cross_entropy_and_error():
    logits = np.array([[0.0, 1000.0, -1000.0], [1.0, 2.0, 3.0], [0.1, 0.2, 0.0], [5.0, 5.0, 6.0], [2.0, -1.0, 0.0]])
    expected = -np.mean(np.sum(scipy.special.log_softmax(logits, axis=1) * ONE_HOT, axis=1))
    assert abs(cross_entropy(logits, ONE_HOT) - expected) <= 1e-12 * expected
    assert error_percent(logits, LABELS) == 20.0
    rn.check_grads(lambda logits: cross_entropy(logits, ONE_HOT), logits[1:2] * np.ones((5, 1)))


def test_rk_net_and_ode_net_are_one_model():
    """S22: many steps of RK4 with the discrete gradient, and dopri5 at 1e-10 with the adjoint: the same loss and the same gradient."""
    theta = classifier_init(RNG, 7, 4, 3, dynamics_init(RNG, 4, 6))
    found = []
    for block in (ode_block(dynamics, gradient="discrete", method="rk4", steps=60), ode_block(dynamics, rtol=1e-10, atol=1e-10)):
        value, gradient = rn.value_and_grad(lambda theta, block=block: cross_entropy(classify(X, theta, block), ONE_HOT))(theta)
        found.append(np.concatenate([np.ravel(value), *(np.ravel(leaf) for leaf in leaves(gradient))]))
    assert np.abs(found[0] - found[1]).max() < 1e-7 * np.abs(found[0]).max()
