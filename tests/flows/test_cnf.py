"""rn.CNF: its methods against each other, shapes, statistics, training, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest

import refnode as rn
from refnode.flows.planar import gated, hidden_units
from refnode.models.optimisers import adam_init, adam_step
from tests.gradients.test_algorithms import TB, TIGHT, difference
from tests.zoo import mlp, mlp_parameters

RNG = np.random.default_rng(12)
THETA = mlp_parameters(RNG, 2, 8, 0.5)
X = RNG.normal(size=(6, 2))
BASE = rn.standard_normal(2)
FLOW = rn.CNF(mlp, 0.1, 1.2, base=BASE, **TIGHT)


def test_log_prob_is_the_base_density_minus_the_integrated_trace():
    """S47: solved from the data at t1 back to t0, log p(x) = log p_base(z(t0)) - l(t0), against the map and its Jacobian."""
    found = FLOW.log_prob(THETA, X)
    assert found.shape == (6,)
    for x, log_p in zip(X, found, strict=True):
        z0 = FLOW.inverse(THETA, x)
        J = rn.jacobian(lambda x: FLOW.inverse(THETA, x))(x)
        assert abs(log_p - BASE.log_prob(z0) - np.linalg.slogdet(J)[1]) < TB


def test_round_trip():
    """S37, S48, bugs.md H08: forward and inverse are inverse, and the densities of both ways agree."""
    z0 = FLOW.inverse(THETA, X)
    assert np.abs(FLOW.forward(THETA, z0) - X).max() < TB
    x, log_p = FLOW.sample_and_log_prob(THETA, np.random.default_rng(1), 50)
    assert np.abs(FLOW.log_prob(THETA, x) - log_p).max() < 10 * TB
    default = rn.CNF(mlp, 0.1, 1.2, base=BASE)
    assert np.abs(default.forward(THETA, default.inverse(THETA, X)) - X).max() < 1e-5


def test_the_way_back_costs_about_as_much():
    """S48: evaluations of inverse and forward differ by less than a factor of 2, also with densities."""
    for rtol in (1e-4, 1e-6, 1e-8):
        counts = []
        for call in (FLOW.__class__.forward, FLOW.__class__.inverse, FLOW.__class__.log_prob):
            stats = rn.Stats()
            call(rn.CNF(mlp, 0.1, 1.2, base=BASE, rtol=rtol, stats=stats), THETA, X)
            counts.append(stats.forward.nfe)
        assert 0.5 <= counts[1] / counts[0] <= 2
        assert 0.5 <= counts[2] / counts[0] <= 2


def test_sampling():
    """S39: samples are the base's samples, carried; the same generator, the same samples; with or without densities, the same points."""
    z0 = BASE.sample(np.random.default_rng(2), 20)
    x = FLOW.sample(THETA, np.random.default_rng(2), 20)
    assert x.shape == (20, 2)
    assert np.array_equal(x, FLOW.forward(THETA, z0))
    both, log_p = FLOW.sample_and_log_prob(THETA, np.random.default_rng(2), 20)
    assert np.abs(both - x).max() < TB
    assert log_p.shape == (20,)


def test_one_point():
    x = FLOW.forward(THETA, X[0])
    assert x.shape == (2,)
    assert np.shape(FLOW.log_prob(THETA, x)) == ()
    assert abs(FLOW.log_prob(THETA, X[0]) - FLOW.log_prob(THETA, X)[0]) < TB


def test_densities_on_the_way():
    """t0 and t1 of a call replace those of the flow: at t1 = t0 the base density, and backwards in time is a flow as well."""
    assert np.array_equal(FLOW.log_prob(THETA, X, t1=0.1), BASE.log_prob(X))
    assert np.array_equal(FLOW.log_prob(THETA, X, t1=0.7), rn.CNF(mlp, 0.1, 0.7, base=BASE, **TIGHT).log_prob(THETA, X))
    backwards = rn.CNF(mlp, 1.2, 0.1, base=BASE, **TIGHT)
    assert np.abs(backwards.log_prob(THETA, backwards.forward(THETA, X)) - rn.change_of_variables(X, BASE.log_prob(X), mlp, 1.2, 0.1, THETA,
                                                                                                **TIGHT)[1]).max() < 10 * TB


@pytest.mark.parametrize("gradient", ["adjoint", "discrete", "checkpointed", "interpolating", "quadrature", "forward", "reversible"])
def test_gradients_in_everything(gradient):
    """S35, S47: dL/d(theta, x, t0, t1) of a weighted sum of log p over a batch, by every method, against sixth-order differences (TC = 1e-8)."""
    flow = rn.CNF(gated, base=BASE, gradient=gradient, **TIGHT)
    rng = np.random.default_rng(3)
    theta = rng.normal(size=(2, 2)), rng.normal(size=(2, 2)), *rng.normal(size=(3, 2))
    x, g = X[:2], np.array([1.0, -0.6])

    def loss(theta, x, t0, t1):
        return np.sum(g * flow.log_prob(theta, x, t0=t0, t1=t1))

    at = theta, x, 0.1, 1.2
    theta_bar, x_bar, t0_bar, t1_bar = rn.grad(loss, (0, 1, 2, 3))(*at)
    for k in (0, 2, 3):
        moved = difference(lambda part: loss((*theta[:k], part, *theta[k + 1:]), x, 0.1, 1.2), theta[k])
        assert np.abs(theta_bar[k] - moved).max() < 1e-8
    assert np.abs(x_bar - difference(lambda x: loss(theta, x, 0.1, 1.2), x)).max() < 1e-8
    assert abs(t0_bar - difference(lambda t: loss(theta, x, t[0], 1.2), [0.1])[0]) < 1e-8
    assert abs(t1_bar - difference(lambda t: loss(theta, x, 0.1, t[0]), [1.2])[0]) < 1e-8


@pytest.mark.parametrize("gradient", ["adjoint", "discrete", "reversible"])
def test_gradients_through_samples(gradient):
    """S39, S46: the path of density matching, E_q[log q(x) + U(x)], differentiated in theta with fixed noise, against differences (TC)."""
    flow = rn.CNF(hidden_units, base=BASE, gradient=gradient, **TIGHT)
    rng = np.random.default_rng(4)
    theta = rng.normal(size=(3, 2)) / 2, rng.normal(size=(3, 2)), rng.normal(size=3)

    def loss(theta):
        x, log_q = flow.sample_and_log_prob(theta, np.random.default_rng(5), 4)
        return np.mean(log_q + np.sum(x**4, axis=1) / 4)

    U_bar, _, b_bar = rn.grad(loss)(theta)
    assert np.abs(U_bar - difference(lambda U: loss((U, *theta[1:])), theta[0])).max() < 1e-8
    assert np.abs(b_bar - difference(lambda b: loss((*theta[:2], b)), theta[2])).max() < 1e-8


def test_kl_is_not_negative():
    """S46: E_q[log q(x) + U(x)] >= -log Z, Z = int e^{-U}, for any flow: here U = |x|^2/2, log Z = log 2 pi. And equality for the flow at rest."""
    rng = np.random.default_rng(6)
    flow = rn.CNF(hidden_units, base=BASE)
    for scale in (0.0, 0.3, 1.0):
        theta = scale * rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.normal(size=3)
        x, log_q = flow.sample_and_log_prob(theta, rng, 4000)
        terms = log_q + np.sum(x**2, axis=1) / 2
        assert terms.mean() >= -np.log(2 * np.pi) - 4 * terms.std() / np.sqrt(4000) - 1e-12
        assert scale > 0 or np.abs(terms + np.log(2 * np.pi)).max() < 1e-12


def test_second_derivatives():
    """A Hessian-vector product in x, symmetric: v^T H u = u^T H v (TB)."""
    theta = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), RNG.normal(size=3)
    flow = rn.CNF(hidden_units, base=BASE, **TIGHT)
    u, v = RNG.normal(size=(2, 2))

    def H(vector):
        return rn.hvp(lambda x: flow.log_prob(theta, x), (X[0],), (vector,))[0]

    Hu = H(u)
    assert abs(v @ Hu - u @ H(v)) < 10 * TB
    by_difference = difference(lambda s: np.sum(rn.grad(lambda x: flow.log_prob(theta, x))(X[0] + s[0] * u) * v), [0.0])[0]
    assert abs(v @ Hu - by_difference) < 1e-8


def test_maximum_likelihood_lowers_the_loss():
    """S47: 30 steps of Adam on samples of N((1, -0.5), 0.3 I) take the loss towards the entropy, log(2 pi e 0.3) = 1.63."""
    data = rn.normal([1.0, -0.5], 0.3 * np.eye(2)).sample(np.random.default_rng(7), 100)
    rng = np.random.default_rng(8)
    theta = 0.1 * rng.normal(size=(8, 2)), rng.normal(size=(8, 2)), rng.normal(size=8)
    flow = rn.CNF(hidden_units, base=BASE, rtol=1e-4, atol=1e-4, gradient="discrete")
    state, losses = adam_init(theta), []
    for _ in range(30):
        value, gradient = rn.value_and_grad(lambda theta: -np.mean(flow.log_prob(theta, data)))(theta)
        theta, state = adam_step(theta, gradient, state, learning_rate=0.1)
        losses.append(value)
    assert losses[0] > 2.5
    assert np.log(2 * np.pi * np.e * 0.3) - 0.3 < losses[-1] < 2.3  # (a sample of 100 may lie 0.3 below its entropy: 3 standard errors)


def test_fixed_steps_and_statistics():
    stats = rn.Stats()
    flow = rn.CNF(mlp, base=BASE, method="rk4", steps=8, stats=stats)
    flow.log_prob(THETA, X)
    assert stats.forward.nfe == 32
    assert stats.forward.accepted == 8


def test_implicit_methods_find_their_own_jacobian():
    """jac is that of f: used for samples, left out for (z, log p)."""
    def jac(z, t, theta):
        return rn.jacobian(lambda v: np.reshape(mlp(np.reshape(v, z.shape), t, theta), (-1,)))(np.reshape(z, (-1,)))

    flow = rn.CNF(mlp, 0.1, 1.2, base=BASE, method="radau5", jac=jac, rtol=1e-9, atol=1e-9)
    assert np.abs(flow.log_prob(THETA, X) - FLOW.log_prob(THETA, X)).max() < 1e-6
    assert np.abs(flow.forward(THETA, X) - FLOW.forward(THETA, X)).max() < 1e-6


def test_f_may_have_its_own_pullback():
    """As compiled functions do: used for the trace, and again for the gradient of the trace."""
    calls = []

    def f(z, t, theta):
        return np.tanh(z @ theta)

    def pullback(z, t, theta):
        calls.append(1)
        h = np.tanh(z @ theta)

        def back(g):
            s = g * (1 - h * h)
            return s @ theta.T, np.zeros(np.shape(t)), z.T @ s
        return h, back

    W = RNG.normal(size=(2, 2))
    own = rn.differentiable(f, pullback)
    for gradient in ("adjoint", "discrete"):
        calls.clear()
        found = rn.value_and_grad(lambda W, f=own: np.sum(rn.CNF(f, base=BASE, gradient=gradient, **TIGHT).log_prob(W, X)))(W)
        expected = rn.value_and_grad(lambda W: np.sum(rn.CNF(f, base=BASE, gradient=gradient, **TIGHT).log_prob(W, X)))(W)
        assert abs(found[0] - expected[0]) < TB
        assert np.abs(found[1] - expected[1]).max() < 10 * TB
        assert calls


@pytest.mark.parametrize("gradient", ["adjoint", "discrete", "quadrature"])
def test_f_may_be_compiled(gradient):
    """The same bits: the trace by D cotangents through compiled(f), or declared and compiled together; and the same gradient (TB: sums of
    second derivatives may be in another order)."""
    theta = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), RNG.normal(size=3)

    def bare(z, t, theta):
        return hidden_units(z, t, theta)

    together = rn.with_trace(rn.compiled(lambda z, t, theta: rn.value_and_trace(bare, z, t, theta)))
    for f, fast in ((bare, rn.compiled(bare)), (bare, together), (hidden_units, rn.with_trace(rn.compiled(hidden_units.value_and_trace)))):
        flows = [rn.CNF(g, base=BASE, gradient=gradient, rtol=1e-5) for g in (f, fast)]
        found = [rn.value_and_grad(lambda theta, flow=flow: np.sum(flow.log_prob(theta, X)))(theta) for flow in flows]
        assert np.array_equal(*(flow.log_prob(theta, X) for flow in flows))
        assert found[0][0] == found[1][0]
        for one, other in zip(found[0][1], found[1][1], strict=True):
            assert np.abs(one - other).max() < TB * (1 + np.abs(one).max())


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: rn.CNF(mlp), TypeError, "base must be a distribution"),
    (lambda: rn.CNF(mlp, 0.0, 1.0, 2), TypeError, "base must be a distribution"),
    (lambda: rn.CNF(3, base=BASE), TypeError, "f must be a function"),
    (lambda: rn.CNF(lambda t, z, theta: z, base=BASE), ValueError, "exchange them"),
    (lambda: rn.CNF(mlp, base=BASE, trace=None), ValueError, "trace must be 'exact' or hutchinson"),
    (lambda: rn.CNF(mlp, base=BASE, rtoll=1e-3), TypeError, "did you mean 'rtol'"),
    (lambda: rn.CNF(mlp, base=BASE, gradient="backprop"), ValueError, "there is no gradient method 'backprop'"),
    (lambda: rn.CNF(mlp, base=BASE, checkpoints=3), TypeError, "gradient='checkpointed' alone"),
    (lambda: FLOW.log_prob(THETA, np.zeros((4, 3))), ValueError, r"x must have shape \(n, 2\) or \(2,\), as the base has D = 2, not \(4, 3\)"),
    (lambda: FLOW.forward(THETA, np.zeros(3)), ValueError, "z0 must have shape"),
    (lambda: FLOW.sample(THETA, 5, 3), TypeError, "rng must be a numpy.random.Generator"),
    (lambda: FLOW.sample(THETA, np.random.default_rng(0), 0), ValueError, "n must be a positive whole number"),
    (lambda: FLOW.log_prob(THETA, np.full((1, 2), np.nan)), ValueError, "NaN"),
])
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_closure_over_what_is_differentiated_is_refused_with_the_users_line():
    def loss(W):
        return rn.CNF(lambda z, t, theta: np.tanh(z @ W), base=BASE).log_prob((), X[0])

    with pytest.raises(rn.TraceError, match=r"\(test_cnf.py:\d+\).*pass that value in theta"):
        rn.grad(loss)(np.eye(2))


def test_the_lines_of_readme():
    """README, "Flows", as it stands there."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    rng = np.random.default_rng(0)
    names = {"rn": rn, "np": np, "rng": rng, "theta": (rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), rng.normal(size=4)),
             "x": X, "z0": X, "log_p0": np.zeros(6), "t0": 0.0, "t1": 1.0}
    exec(re.search(r"## Flows\n\n```python\n(.*?)```", readme, re.S)[1], names)
    assert names["log_p"].shape == names["log_p1"].shape == (6,)
    assert names["log_q"].shape == (512,)
    assert names["noisy"].log_prob(names["theta"], X, rng=rng).shape == (6,)


def test_a_failed_solve_gives_no_number():
    """A flow that blows up before t1: an error that says so, and no density."""
    flow = rn.CNF(lambda z, t, theta: -z * z, base=BASE, max_steps=500)
    with pytest.raises(rn.SolverError):
        flow.log_prob((), np.array([[3.0, 1.0]]))
