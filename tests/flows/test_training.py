"""Training: gradients of the losses, closed forms that training must reach, regularisers on linear dynamics, checkpoints."""

import itertools

import numpy as np
import pytest

import refnode as rn
from refnode.flows.gaussian import linear
from refnode.flows.planar import gated, hidden_units
from refnode.flows.regularisers import change_of_variables_and_costs, derivative, jacobian_norm, kinetic, taylor
from refnode.flows.training import density_matching, last, load, maximum_likelihood, rows, save, saved_training, start, train
from refnode.models.optimisers import adam_init, clipped, rmsprop_init, rmsprop_step
from tests.gradients.test_algorithms import TB, TIGHT, difference

RNG = np.random.default_rng(20)
BASE = rn.standard_normal(2)
UNITS = RNG.normal(size=(3, 2)) / 2, RNG.normal(size=(3, 2)), RNG.normal(size=3)
X = RNG.normal(size=(5, 2))


@rn.with_trace
def affine(z, t, theta):
    """dz/dt = A z + b: the flow under which Gaussians are exactly the Gaussians."""
    A, b = theta
    return z @ A.T + b, np.zeros(z.shape[:-1]) + np.trace(A)


# the losses

COSTS = (0.3, kinetic), (0.2, jacobian_norm), (0.1, taylor(2))


@pytest.mark.parametrize(("kind", "gradient", "costs"), [
    ("likelihood", "discrete", ()), ("likelihood", "adjoint", COSTS), ("matching", "adjoint", ()), ("matching", "discrete", COSTS)])
def test_gradient_of_the_loss(kind, gradient, costs):
    """S46, S47, E12, E13: against sixth-order differences in some direction with the same noise (TC = 1e-8, as for densities)."""
    flow = rn.CNF(hidden_units, 0.1, 0.9, base=BASE, gradient=gradient, **TIGHT)
    loss = (maximum_likelihood(flow, rows(X, 3), costs) if kind == "likelihood" else
            density_matching(flow, lambda x: np.sum(x**4, axis=-1) / 4, 3, costs))

    def value(theta):
        return loss(theta, np.random.default_rng(1))

    gradient = rn.grad(value)(UNITS)
    for k in (0, 2):
        direction = np.cos(1 + np.arange(UNITS[k].size)).reshape(UNITS[k].shape)
        moved = difference(lambda s, k=k, d=direction: value((*UNITS[:k], UNITS[k] + s[0] * d, *UNITS[k + 1:])), [0.0])[0]
        assert abs(np.sum(gradient[k] * direction) - moved) < 1e-8


def test_the_loss_with_hutchinson_is_unbiased():
    """E11: over all sign vectors the mean of the losses is the loss with the exact trace, for a linear flow, where l is linear in the trace."""
    A = RNG.normal(size=(2, 2))
    exact = maximum_likelihood(rn.CNF(linear, base=BASE, **TIGHT), rows(X[:1], 1))(A, np.random.default_rng(0))
    flow = rn.CNF(linear, base=BASE, trace=rn.hutchinson(), **TIGHT)
    loss = maximum_likelihood(flow, lambda rng: X[:1])
    found = {round(float(loss(A, np.random.default_rng(seed))), 9) for seed in range(20)}
    assert len(found) == 2  # eps_1 eps_2 is 1 or -1
    assert abs(np.mean(list(found)) - exact) < 1e-8


# closed forms that training must reach

def test_maximum_likelihood_of_an_affine_flow_is_the_gaussian_of_the_moments():
    """S47: the best N(m, C) for data has their mean and their (biased) covariance, and its NLL is (log det 2 pi e C) / 2: the end of training."""
    data = rn.normal([1.0, -0.5], [[0.6, 0.3], [0.3, 0.5]]).sample(np.random.default_rng(2), 200)
    m, C = data.mean(axis=0), np.cov(data.T, bias=True)
    flow = rn.CNF(affine, base=BASE, gradient="discrete", rtol=1e-6, atol=1e-6)
    loss = maximum_likelihood(flow, lambda rng: data)
    state = last(train(loss, start((np.zeros((2, 2)), np.zeros(2)), seed=0), 300, learning_rate=lambda k: 0.1 * 0.98**k))
    best = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * C)[1]
    assert -1e-6 < state.losses[-1] - best < 1e-4  # (quadratic in the distance from the optimum)
    x = flow.forward(state.theta, np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    E = (x[1:] - x[0]).T
    assert np.abs(x[0] - m).max() < 1e-2
    assert np.abs(E @ E.T - C).max() < 1e-2


def test_density_matching_of_a_gaussian_reaches_kl_zero():
    """S46: for p in the family KL(q || p) = 0 is reached, where log q - log p has no variance either: near there KL = variance / 2."""
    target = rn.normal([0.5, 1.0], [[0.5, -0.2], [-0.2, 0.8]])
    flow = rn.CNF(affine, base=BASE, gradient="discrete", rtol=1e-6, atol=1e-6)
    loss = density_matching(flow, lambda x: -target.log_prob(x), 64)
    state = last(train(loss, start((np.zeros((2, 2)), np.zeros(2)), seed=0), 300, learning_rate=lambda k: 0.1 * 0.98**k))
    x, log_q = flow.sample_and_log_prob(state.theta, np.random.default_rng(3), 1000)
    terms = log_q - target.log_prob(x)
    assert abs(terms.mean()) < 1e-3
    assert terms.var() / 2 < 1e-3


# running costs

def test_costs_of_linear_dynamics():
    """E12, E13, P01: dz/dt = lam z has int |d^K z/dt^K|^2 = lam^(2K) z0^2 (e^(2 lam T) - 1) / (2 lam); K = 1 is the kinetic energy; and
    |df/dz|_F^2 is constant, so that its integral is T |A|_F^2. Costs are not seen by the error test: fixed steps of order 8 stand for TIGHT."""
    lam, T, z0 = -0.7, 1.3, np.array([[0.8]])
    costs = kinetic, taylor(1), taylor(2), taylor(3), taylor(4), jacobian_norm
    for ends in ((0.2, 0.2 + T), (0.2 + T, 0.2)):
        start_z = z0 if ends[0] < ends[1] else z0 * np.exp(lam * T)
        _, _, found = change_of_variables_and_costs(start_z, 0.0, linear, *ends, np.array([[lam]]), costs, method="dop853", steps=20)
        moved = z0[0, 0] ** 2 * (np.exp(2 * lam * T) - 1) / (2 * lam)
        for K, R in zip((1, 1, 2, 3, 4), found, strict=False):
            assert abs(R[0] - lam ** (2 * K) * moved) < TB
        assert abs(found[-1][0] - T * lam**2) < TB


def test_costs_of_a_matrix():
    """d^K z/dt^K = A^K z, and |df/dz|_F = |A|_F."""
    A = RNG.normal(size=(3, 3))
    z = RNG.normal(size=(4, 3))
    for K in (1, 2, 3):
        expected = np.sum((z @ np.linalg.matrix_power(A, K).T) ** 2, axis=1)
        assert np.allclose(taylor(K)(linear, z, 0.0, A), expected, rtol=1e-13)
    assert np.allclose(jacobian_norm(linear, z, 0.0, A), np.sum(A * A), rtol=1e-14)


def test_jacobian_norm_by_probes():
    """E12: E |eps^T J|^2 = |J|_F^2: the mean over all 2^D sign vectors, for nonlinear dynamics."""
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=2)))
    probes = np.broadcast_to(signs[:, None], (4, 5, 2)).copy()
    assert np.allclose(jacobian_norm(hidden_units, X, 0.0, UNITS, probes), jacobian_norm(hidden_units, X, 0.0, UNITS), rtol=1e-13)


def test_polynomial_trajectories_have_no_cost():
    """E13: dz/dt = (1, t, t^2) has z of degree 3: d^4 z/dt^4 = 0, and d^3 z/dt^3 = (0, 0, 2)."""
    def f(z, t, theta):
        return np.stack([1 + 0 * z[..., 0], t + 0 * z[..., 0], t * t + 0 * z[..., 0]], axis=-1)

    assert not taylor(4)(f, np.ones((2, 3)), 0.7, ()).any()
    assert np.array_equal(taylor(3)(f, np.ones((2, 3)), 0.7, ()), [4.0, 4.0])


def test_derivatives_are_taylor_coefficients_by_recursion():
    """E13: z_(k+1) = h_k U / (k + 1) and k h_k = sum_j j a_j (1 - h^2)_(k-j) for h = tanh(a), a = W z + b; d^K z/dt^K = K! z_K."""
    U, W, b = UNITS
    z, a, h = [X], [X @ W.T + b], []
    h.append(np.tanh(a[0]))
    for k in range(1, 5):
        z.append(h[k - 1] @ U / k)
        a.append(z[k] @ W.T)
        slope = [(j == 0) - sum(h[i] * h[j - i] for i in range(j + 1)) for j in range(k)]
        h.append(sum(j * a[j] * slope[k - j] for j in range(1, k + 1)) / k)
    for K, factorial in ((1, 1), (2, 2), (3, 6), (4, 24)):
        found = derivative(lambda z, t, theta: hidden_units(z, t, theta), K)(X, 0.0, UNITS)
        assert np.allclose(found, factorial * z[K], rtol=1e-11, atol=1e-12)


def test_time_counts_in_the_derivative():
    """E13: with gates d^2 z/dt^2 has the term df/dt; against the solution itself, by sixth-order differences in t (1e-7: second differences)."""
    theta = (*UNITS, RNG.normal(size=3), RNG.normal(size=3))
    found = derivative(gated, 2)(X[0], 0.4, theta)
    slope = difference(lambda t: gated(rn.ODESolve(X[0], gated, 0.4, t[0], theta, **TIGHT), t[0], theta) @ np.array([1.0, 2.0]), [0.4])[0]
    assert abs(found @ np.array([1.0, 2.0]) - slope) < 1e-7


def test_kinetic_energy_is_least_on_a_straight_line():
    """E12: int |f|^2 dt >= |z1 - z0|^2 / T, with equality where f is constant."""
    z1, _, (energy,) = change_of_variables_and_costs(X, 0.0, hidden_units, 0.0, 2.0, UNITS, (kinetic,), method="dop853", steps=20)
    assert (energy > np.sum((z1 - X) ** 2, axis=1) / 2.0).all()
    at_rest = np.zeros((2, 2)), np.array([1.0, -2.0])
    z1, _, (energy,) = change_of_variables_and_costs(X, 0.0, affine, 0.0, 2.0, at_rest, (kinetic,))
    assert np.allclose(energy, np.sum((z1 - X) ** 2, axis=1) / 2.0, rtol=1e-13)


@pytest.mark.parametrize("trace", ["exact", rn.hutchinson(2)])
def test_costs_never_enter_log_p(trace):
    """The same steps, z and log p with and without costs (1e-14: sums over a longer vector may be rounded in another order)."""
    plain, costly = rn.Stats(), rn.Stats()
    keywords = {"trace": trace, "rtol": 1e-5, "atol": 1e-6}
    z, log_p = rn.change_of_variables(X, 0.0, hidden_units, 0.0, 1.0, UNITS, rng=np.random.default_rng(0), stats=plain, **keywords)
    found = change_of_variables_and_costs(X, 0.0, hidden_units, 0.0, 1.0, UNITS, (kinetic, jacobian_norm, taylor(2)),
                                          rng=np.random.default_rng(0), stats=costly, **keywords)
    assert np.abs(found[0] - z).max() < 1e-14
    assert np.abs(found[1] - log_p).max() < 1e-14
    assert plain.forward.nfe == costly.forward.nfe
    assert [R.shape for R in found[2]] == [(5,)] * 3


# steps and checkpoints

def problem():
    flow = rn.CNF(hidden_units, base=BASE, gradient="discrete", method="rk4", steps=2)
    return maximum_likelihood(flow, rows(X, 3), ((0.1, kinetic),)), start(UNITS, seed=5)


@pytest.mark.parametrize("init", [adam_init, rmsprop_init])
def test_resumption_to_the_same_bits(tmp_path, init):
    """Stopped after 3 of 7 steps, stored, loaded and gone on with: the same parameters, optimiser, generator and losses as without a stop."""
    loss, begin = problem()
    begin = start(UNITS, 5, init)
    keywords = {"step": rmsprop_step} if init is rmsprop_init else {}
    whole = last(train(loss, begin, 7, **keywords))
    save(tmp_path / "x.npz", last(train(loss, begin, 3, **keywords)))
    resumed = last(train(loss, load(tmp_path / "x.npz", begin), 7, **keywords))
    assert same(resumed, whole)
    assert type(resumed.optimiser) is type(whole.optimiser)


def same(one, other):
    one, other = ([np.asarray(leaf) for leaf in rn.tree.leaves((s.theta, s.optimiser, s.losses))] + [s.rng] for s in (one, other))
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in zip(one, other, strict=True))


def test_saved_training_goes_on_where_it_was(tmp_path):
    loss, begin = problem()
    path = tmp_path / "x.npz"
    for state in saved_training(path, loss, begin, 6, every=2):
        if len(state.losses) == 5:
            break  # interrupted: step 4 is what the file holds
    assert len(load(path, begin).losses) == 4
    found = list(saved_training(path, loss, begin, 6, every=2))
    assert [len(state.losses) for state in found] == [5, 6]
    assert same(found[-1], last(train(loss, begin, 6)))
    assert same(next(saved_training(path, loss, begin, 6)), found[-1])


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    _, begin = problem()
    save(tmp_path / "x.npz", begin)
    with pytest.raises(ValueError, match="other parameters or of another optimiser"):
        load(tmp_path / "x.npz", start(UNITS, 5, rmsprop_init))


def test_numbers_and_static_leaves_survive(tmp_path):
    begin = start({"scale": 0.5, "w": np.ones(2)}, 0)
    state = last(train(lambda theta, rng: np.sum((theta["scale"] * theta["w"] - rng.normal()) ** 2), begin, 3))
    save(tmp_path / "x.npz", state)
    assert same(load(tmp_path / "x.npz", begin), state)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="the loss is nan at step 2; a smaller learning_rate"):
        last(train(lambda theta, rng: theta * np.sqrt(theta), start(np.array(1.5), 0), 9, learning_rate=1.0))


def test_rmsprop_by_its_formula():
    theta, state, v = (np.array([1.0, -2.0]), 7), rmsprop_init((np.array([1.0, -2.0]), 7)), 0.0
    expected = theta[0]
    for _ in range(3):
        g = RNG.normal(size=2)
        v = 0.9 * v + 0.1 * g * g
        expected = expected - 0.01 * g / (np.sqrt(v) + 1e-8)
        theta, state = rmsprop_step(theta, (g, None), state, learning_rate=0.01)
    assert np.allclose(theta[0], expected, rtol=1e-14)
    assert theta[1] == 7


def test_long_gradients_are_shortened():
    short = clipped((np.array([3.0, 0.0]), None, np.array(4.0)), 1.0)
    assert np.allclose(short[0], [0.6, 0.0])
    assert short[1] is None
    assert abs(short[2] - 0.8) < 1e-15
    g = (np.array([0.3, 0.1]),)
    assert clipped(g, 1.0) is g
