"""Networks and the optimiser: the formulas, and what they refuse."""

import numpy as np
import pytest

import refnode as rn
from refnode.models.nets import mlp, mlp_init
from refnode.models.optimisers import adam_init, adam_step


def test_mlp_is_the_composition_of_its_layers():
    rng = np.random.default_rng(0)
    layers = mlp_init(rng, (3, 5, 4, 2))
    x = rng.normal(size=(7, 3))
    (W1, b1), (W2, b2), (W3, b3) = layers
    assert np.array_equal(mlp(x, layers), np.tanh(np.tanh(x @ W1 + b1) @ W2 + b2) @ W3 + b3)
    assert np.array_equal(mlp(x, layers[:1]), x @ W1 + b1)
    rn.check_grads(mlp, x, layers)


def test_initial_weights_keep_the_variance():
    """Each entry of x W has variance sum_k x_k^2 / n = 1 for unit inputs; 4 standard errors of a variance over 200 x 300 normals."""
    (W, b), = mlp_init(np.random.default_rng(1), (200, 300))
    assert abs(W.var() * 200 - 1) < 4 * np.sqrt(2 / W.size)
    assert not b.any()


@pytest.mark.parametrize("sizes", [(3,), (3, 0), (3, 2.5), (True, 2), ()])
def test_wrong_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="positive whole numbers"):
        mlp_init(np.random.default_rng(0), sizes)


def test_adam_by_its_formula():
    rng = np.random.default_rng(2)
    theta = {"w": rng.normal(size=(2, 3)), "list": [rng.normal(size=4), 7, "static"], "none": None}
    state = adam_init(theta)
    m = v = 0.0
    expected = theta["w"]
    for k in range(1, 6):
        g = rng.normal(size=(2, 3))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        expected = expected - 0.01 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)
        theta, state = adam_step(theta, {"w": g, "list": [np.zeros(4), None, None], "none": None}, state, learning_rate=0.01)
        assert np.allclose(theta["w"], expected, rtol=1e-13, atol=0)
    assert theta["list"][1:] == [7, "static"]
    assert state.k == 5


def test_adam_leaves_its_arguments_alone_and_finds_a_minimum():
    theta = (np.array([3.0, -2.0]),)
    copy = theta[0].copy()
    state = adam_init(theta)
    new, _ = adam_step(theta, (np.array([1.0, 1.0]),), state)
    assert np.array_equal(theta[0], copy)
    assert new[0] is not theta[0]
    for _ in range(2000):
        theta, state = adam_step(theta, rn.grad(lambda p: np.sum((p[0] - 1.0) ** 2))(theta), state, learning_rate=0.01)
    assert np.abs(theta[0] - 1.0).max() < 1e-3
