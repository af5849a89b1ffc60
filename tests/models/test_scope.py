"""Section 6: batches as one state, uniqueness, tolerances."""

import numpy as np
import pytest

import refnode as rn
from refnode.models.nets import mlp, mlp_init
from refnode.models.optimisers import adam_init, adam_step

LAYERS = mlp_init(np.random.default_rng(0), (3, 16, 3), scale=1.5)
STARTS = np.random.default_rng(1).normal(size=(16, 3))
TS = np.array([0.0, 0.75, 2.0])


def net(z, t, theta):
    return mlp(z, theta)


def pendulum(z, t, theta):
    """Entry by entry, so that nothing depends on how many rows there are."""
    return np.stack([z[..., 1], -np.sin(z[..., 0]) - theta * z[..., 1]], axis=-1)


@pytest.mark.parametrize(("method", "rounding"), [("euler", 0.0), ("rk4", 1e-14), ("dopri5", 1e-14)])
def test_a_batch_with_fixed_steps_is_its_rows(method, rounding):
    """S67: the state of size D x K: bit for bit with Euler's method; with several stages to rounding, since their sum is one matrix product,
    whose bits depend on its size."""
    together = rn.odeint(pendulum, STARTS[:, :2], TS, 0.3, method=method, steps=40)
    for k, z0 in enumerate(STARTS[:, :2]):
        assert np.abs(rn.odeint(pendulum, z0, TS, 0.3, method=method, steps=40) - together[:, k]).max() <= rounding * np.abs(together).max()


def test_a_batch_with_adaptive_steps_is_its_rows():
    """S67: to the tolerance: 1e-7 for rtol 1e-9; and the gradient to the shared parameters is the sum of theirs."""
    tight = {"rtol": 1e-9, "atol": 1e-11}
    together = rn.odeint(net, STARTS, TS, LAYERS, **tight)
    for k, z0 in enumerate(STARTS):
        assert np.abs(rn.odeint(net, z0, TS, LAYERS, **tight) - together[:, k]).max() < 1e-7

    def gradient(z0):
        return rn.grad(lambda theta: np.sum(rn.odeint(net, z0, TS, theta, gradient="discrete", **tight)[-1]))(LAYERS)

    whole, rows = gradient(STARTS[:4])[0][0], sum(gradient(z0)[0][0] for z0 in STARTS[:4])
    assert np.abs(whole - rows).max() < 1e-7 * np.abs(whole).max()


def test_a_network_is_lipschitz():
    """S69: |f(x) - f(y)| <= L |x - y| for 10,000 pairs, L the product of the layers' spectral norms, with tanh and with ReLU; so that the
    solution is unique, and two solvers find the same one."""
    rng, L = np.random.default_rng(2), np.prod([np.linalg.norm(W, 2) for W, _ in LAYERS])
    x = rng.normal(size=(10_000, 3)) * rng.uniform(0.01, 10, (10_000, 1))
    y = x + rng.normal(size=x.shape) * 10 ** rng.uniform(-3, 1, (10_000, 1))
    for activation in (np.tanh, lambda z: np.maximum(z, 0)):
        apart = np.linalg.norm(mlp(x, LAYERS, activation) - mlp(y, LAYERS, activation), axis=1)
        assert np.all(apart <= L * np.linalg.norm(x - y, axis=1) * (1 + 1e-12))
    explicit, implicit = (rn.odeint(net, STARTS[0], TS, LAYERS, method=method, rtol=1e-9, atol=1e-11) for method in ("dop853", "radau5"))
    assert np.abs(explicit - implicit).max() < 1e-6


def test_without_lipschitz_a_solution_may_end():
    """S69: z' = z^2 from 1 ends at t = 1, and the solve says so, near there, and returns no number."""
    with pytest.raises(rn.SolverError) as failure:
        rn.odeint(lambda z, t, theta: z * z, np.array([1.0]), [0.0, 2.0])
    assert abs(failure.value.t - 1) < 1e-6


def test_a_wider_tolerance_after_training():
    """S70: a network that is trained at 1e-3, the paper's for classification, has the loss at 1e-8 that it has at 1e-3, to 5 %: errors of 1e-3
    in a state whose misfit is 0.17 change the mean square by about 2 * 1e-3 / 0.17."""
    target = np.sin(STARTS)

    def loss(theta, tolerance):
        return np.mean((rn.ODESolve(STARTS, net, 0.0, 1.0, theta, rtol=tolerance, atol=tolerance, gradient="discrete") - target) ** 2)

    theta, state = LAYERS, adam_init(LAYERS)
    first = loss(theta, 1e-3)
    for _ in range(40):
        theta, state = adam_step(theta, rn.grad(loss)(theta, 1e-3), state, 0.02)
    last = loss(theta, 1e-3)
    assert last < first / 4
    assert abs(last - loss(theta, 1e-8)) < 0.05 * last
