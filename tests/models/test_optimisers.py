"""Optimisers: closed forms, PyTorch's where it is installed, and L-BFGS through a tree."""

import numpy as np
import pytest

import refnode as rn
from refnode.models.optimisers import adam_init, adam_step, lbfgs, rmsprop_init, rmsprop_step, sgd_init, sgd_step


def test_momentum_on_a_parabola_is_a_linear_recursion():
    """theta_k of L = theta^2 / 2: theta_{k+1} = (1 + mu - rate) theta_k - mu theta_{k-1}, theta_{-1} = theta_0."""
    mu, rate, theta, state = 0.8, 0.1, (np.array([2.0]),), sgd_init((np.array([2.0]),))
    expected = [2.0, 2.0]
    for _ in range(20):
        theta, state = sgd_step(theta, theta, state, rate, mu)
        expected.append((1 + mu - rate) * expected[-1] - mu * expected[-2])
        assert theta[0][0] == pytest.approx(expected[-1], rel=1e-12, abs=1e-14)


def test_rmsprop_with_a_constant_gradient():
    """v_k = (1 - rho^k) g^2, so that the step is rate g / (|g| sqrt(1 - rho^k) + eps)."""
    g, theta = np.array([3.0, -0.5]), np.zeros(2)
    state = rmsprop_init(theta)
    for k in range(1, 6):
        before = theta
        theta, state = rmsprop_step(theta, g, state, 0.01, rho=0.9)
        assert np.allclose(before - theta, 0.01 * g / (np.abs(g) * np.sqrt(1 - 0.9**k) + 1e-8), rtol=1e-12)


@pytest.mark.parametrize(("init", "step", "keywords", "torchs"), [
    (adam_init, adam_step, {"learning_rate": 0.03, "beta1": 0.8}, ("Adam", {"lr": 0.03, "betas": (0.8, 0.999)})),
    (rmsprop_init, rmsprop_step, {"learning_rate": 0.03}, ("RMSprop", {"lr": 0.03, "alpha": 0.9})),
    (sgd_init, sgd_step, {"learning_rate": 0.003, "momentum": 0.7}, ("SGD", {"lr": 0.003, "momentum": 0.7})),
])
def test_the_same_as_pytorch(init, step, keywords, torchs):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    rng = np.random.default_rng(3)
    theta = {"a": rng.normal(size=(3, 2)), "b": rng.normal(size=4)}
    theirs = [torch.tensor(leaf, requires_grad=True) for leaf in theta.values()]
    optimiser, state = getattr(torch.optim, torchs[0])(theirs, **torchs[1]), init(theta)
    for _ in range(30):
        gradient = {key: np.sin(7 * leaf) + leaf for key, leaf in theta.items()}
        for parameter, g in zip(theirs, gradient.values(), strict=True):
            parameter.grad = torch.tensor(g)
        theta, state = step(theta, gradient, state, **keywords)
        optimiser.step()
        for parameter, leaf in zip(theirs, theta.values(), strict=True):
            assert np.allclose(parameter.detach().numpy(), leaf, rtol=1e-12, atol=1e-14)


def test_steps_leave_arguments_and_static_parameters_alone():
    theta = {"w": np.array([1.0, 2.0]), "static": [7, "name", None]}
    gradient = {"w": np.array([1.0, -1.0]), "static": [None, None, None]}
    for init, step in ((sgd_init, sgd_step), (rmsprop_init, rmsprop_step)):
        new, _ = step(theta, gradient, init({"w": theta["w"], "static": [0, 0, None]}))
        assert np.array_equal(theta["w"], [1.0, 2.0])
        assert new["static"] == [7, "name", None]
        assert not np.array_equal(new["w"], theta["w"])


def test_lbfgs_finds_the_minimum_of_a_quadratic_in_a_tree():
    """L = |A x - b|^2 + |y - x_1|^2: x = A^-1 b, y = x_1; a static leaf stays; the same twice."""
    rng = np.random.default_rng(4)
    A, b = rng.normal(size=(3, 3)) + 3 * np.eye(3), rng.normal(size=3)
    theta = {"power": 2, "xy": (np.zeros(3), [np.zeros((2, 2))])}

    def loss(theta):
        x, (y,) = theta["xy"]
        return np.sum((A @ x - b) ** theta["power"]) + np.sum((y - x[0]) ** 2)

    found, result = lbfgs(loss, theta, gtol=1e-10, ftol=1e-16)
    x = np.linalg.solve(A, b)
    assert np.abs(found["xy"][0] - x).max() < 1e-7
    assert np.abs(found["xy"][1][0] - x[0]).max() < 1e-7
    assert found["power"] == 2
    assert result.fun < 1e-14
    assert np.array_equal(lbfgs(loss, theta, gtol=1e-10, ftol=1e-16)[0]["xy"][0], found["xy"][0])
    assert not theta["xy"][0].any()


def test_lbfgs_through_a_solve():
    """dz/dt = theta z with z(0) = 1 and z(1) = 3 has theta = log 3."""
    (theta,), result = lbfgs(lambda theta: (rn.ODESolve(1.0, lambda z, t, theta: theta[0] * z, 0.0, 1.0, theta, rtol=1e-9, atol=1e-9) - 3.0) ** 2,
                             (np.array(0.1),))
    assert abs(theta - np.log(3)) < 1e-5
    assert result.success


def test_lbfgs_refuses():
    with pytest.raises(TypeError, match="nothing to differentiate"):
        lbfgs(lambda theta: np.sum(np.ones(2)), {"name": "x"})
    with pytest.raises(ValueError, match="is -inf at a point that L-BFGS tried"), np.errstate(all="ignore"):
        lbfgs(lambda theta: np.sum(np.log(theta)), np.array([1.0]))
