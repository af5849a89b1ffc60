"""Traces: exact, declared, estimated. Hutchinson's estimator by exact enumeration of all signs, and its variance."""

import itertools

import numpy as np
import pytest

import refnode as rn
from refnode.flows.gaussian import linear, ou
from refnode.flows.planar import gated, hidden_units, hypernetwork, hypernetwork_init, planar
from refnode.flows.structured import concatsquash, concatsquash_init, hamiltonian
from refnode.flows.traces import diagonal, exact_trace, hutchinson_trace, value_and_trace
from refnode.models.nets import mlp_init
from tests.zoo import mlp, mlp_parameters

RNG = np.random.default_rng(11)
D, M = 4, 5
Z = RNG.normal(size=(6, D))
FLOWS = {
    "planar": (planar, (RNG.normal(size=D), RNG.normal(size=D), 0.3)),
    "hidden_units": (hidden_units, (RNG.normal(size=(M, D)), RNG.normal(size=(M, D)), RNG.normal(size=M))),
    "gated": (gated, (RNG.normal(size=(M, D)), RNG.normal(size=(M, D)), *RNG.normal(size=(3, M)))),
    "hypernetwork": (hypernetwork, hypernetwork_init(RNG, D, M, 8)),
    "hamiltonian": (hamiltonian, (mlp_init(RNG, (3, 6, 1)), mlp_init(RNG, (1, 6, 3)))),
    "linear": (linear, RNG.normal(size=(D, D))),
    "ou": (ou, (0.9, 0.7, RNG.normal(size=D), 0.6)),
}


def jacobians(f, t, theta):
    return [rn.jacobian(f)(z, t, theta) for z in Z]


@pytest.mark.parametrize("name", FLOWS)
def test_declared_traces_are_the_traces_of_the_jacobians(name):
    """S38, S41, S43, S49: by structure, by D cotangents, and of the Jacobian of each point alone; sums of at most M D terms of order one."""
    f, theta = FLOWS[name]
    expected = [np.trace(J) for J in jacobians(f, 0.4, theta)]
    dz_dt, declared = value_and_trace(f, Z, 0.4, theta)
    _, found = value_and_trace(lambda z, t, theta: f(z, t, theta), Z, 0.4, theta)
    assert np.array_equal(dz_dt, f(Z, 0.4, theta))
    assert declared.shape == found.shape == (len(Z),)
    assert np.abs(declared - expected).max() < 1e-14 * M * D
    assert np.abs(found - expected).max() < 1e-14 * M * D
    assert np.shape(value_and_trace(f, Z[0], 0.4, theta)[1]) == ()


@pytest.mark.parametrize("name", FLOWS)
def test_both_are_differentiable_twice(name):
    f, theta = FLOWS[name]
    rn.check_grads(lambda z, theta: value_and_trace(f, z, 0.4, theta), Z[:2], theta)
    rn.check_grads(lambda z, theta: value_and_trace(lambda z, t, theta: f(z, t, theta), z, 0.4, theta)[1], Z[:2], theta)


def test_diagonal_dynamics_take_one_cotangent():
    """Structure: f_i(z_i) alone. The trace is that of D cotangents, to rounding, and Hutchinson's estimate with signs is the trace itself."""
    @diagonal
    def f(z, t, theta):
        return np.sin(theta * z) * t

    def bare(z, t, theta):
        return np.sin(theta * z) * t

    theta = RNG.normal(size=D)
    dz_dt, trace = value_and_trace(f, Z, 0.4, theta)
    assert f.__name__ == "f"
    assert np.array_equal(dz_dt, bare(Z, 0.4, theta))
    assert np.abs(trace - value_and_trace(bare, Z, 0.4, theta)[1]).max() < 1e-14
    assert np.abs(trace - value_and_trace(f, Z, 0.4, theta, rn.hutchinson(1).draw(np.random.default_rng(0), Z))[1]).max() < 1e-14
    rn.check_grads(lambda z, theta: value_and_trace(f, z, 0.4, theta), Z[:2], theta)


def test_a_decorated_function_is_dynamics():
    """dz/dt alone when called; name, text and checks as before; and it can be decorated after it was compiled or wrapped."""
    assert planar.__name__ == "planar"
    assert "planar CNF" in planar.__doc__
    f, theta = FLOWS["planar"]
    assert rn.check_dynamics(f, Z, 0.4, theta).ok
    again = rn.with_trace(f.value_and_trace)
    assert np.array_equal(again(Z, 0.4, theta), f(Z, 0.4, theta))


def test_hutchinson_over_all_signs_is_the_trace():
    """E11: the mean of eps^T A eps over all 2^D sign vectors is tr A, to 1e-14; for each point of a network and for a matrix."""
    theta = mlp_parameters(RNG, D, 6)
    _, vjp = rn.pullback(lambda z: mlp(z, 0.4, theta), Z)
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=D)))
    probes = np.broadcast_to(signs[:, None, :], (2**D, *Z.shape))
    expected = [np.trace(J) for J in jacobians(mlp, 0.4, theta)]
    assert np.abs(hutchinson_trace(vjp, probes) - expected).max() < 1e-14
    assert np.abs(exact_trace(vjp, Z) - expected).max() < 1e-14


@pytest.mark.parametrize("probes", ["rademacher", "gaussian"])
@pytest.mark.parametrize("m", [1, 3])
def test_mean_and_variance_of_the_estimate(probes, m):
    """E11, bugs.md H03, H04: of 200,000 estimates the mean is within 4 standard errors, and the variance within 4 of its own, of the formula.

    The standard error of a variance is sqrt((kurtosis - 1) / n) times it, with the kurtosis of the sample.
    """
    A, n = np.array([[0.3, 2.0, -0.4], [-1.0, 0.1, 0.8], [0.5, 0.3, -0.7]]), 200_000
    estimator = rn.hutchinson(m, probes)
    _, vjp = rn.pullback(lambda z: z @ A.T, np.zeros((n, 3)))
    found = hutchinson_trace(vjp, estimator.draw(np.random.default_rng(5), np.zeros((n, 3))))
    variance = estimator.variance(A)
    assert abs(found.mean() - np.trace(A)) < 4 * np.sqrt(variance / n)
    kurtosis = np.mean((found - found.mean()) ** 4) / found.var() ** 2
    assert abs(found.var() - variance) < 4 * variance * np.sqrt((kurtosis - 1) / n)


def test_variance_by_enumeration():
    """E11: 2 (|S|^2 - sum S_ii^2) for signs, exactly; |a12 + a21| as the standard deviation in two dimensions; none for a diagonal matrix."""
    A = RNG.normal(size=(D, D))
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=D)))
    estimates = np.einsum("ki,ij,kj->k", signs, A, signs)
    assert abs(estimates.var() - rn.hutchinson(1).variance(A)) < 1e-12
    assert abs(rn.hutchinson(5).variance(A) - estimates.var() / 5) < 1e-12
    two = np.array([[0.3, 2.0], [-1.0, 0.1]])
    assert abs(np.sqrt(rn.hutchinson(1).variance(two)) - abs(2.0 - 1.0)) < 1e-14
    assert rn.hutchinson(1).variance(np.diag([1.0, -2.0, 3.0])) == 0.0
    assert abs(rn.hutchinson(2, "gaussian").variance(np.eye(3)) - 3) < 1e-14


def test_probes():
    """E[eps eps^T] = I; signs are signs; each point and each of m has its own; the same generator, the same probes; z's dtype."""
    for probes in ("rademacher", "gaussian"):
        eps = rn.hutchinson(2, probes).draw(np.random.default_rng(3), np.zeros((50_000, 3)))
        assert eps.shape == (2, 50_000, 3)
        flat = eps.reshape(-1, 3)
        assert np.abs(flat.T @ flat / len(flat) - np.eye(3)).max() < 4 * np.sqrt(2 / len(flat))  # the variance of an entry is at most 2
    assert set(np.unique(rn.hutchinson(1).draw(np.random.default_rng(0), Z))) == {-1.0, 1.0}
    assert np.array_equal(*(rn.hutchinson(2).draw(np.random.default_rng(4), Z) for _ in range(2)))
    assert rn.hutchinson(1).draw(np.random.default_rng(0), Z.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: rn.hutchinson(0), ValueError, "m must be a positive whole number, not 0"),
    (lambda: rn.hutchinson(1.5), ValueError, "m must be a positive whole number"),
    (lambda: rn.hutchinson(1, "uniform"), ValueError, "there are no probes 'uniform'"),
    (lambda: rn.change_of_variables(Z, 0.0, planar, 0.0, 1.0, FLOWS["planar"][1], trace=rn.hutchinson(), rng=0), TypeError, "rng must be a"),
])
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def flow(trace, f=concatsquash, **solver):
    return rn.CNF(f, base=rn.standard_normal(D), trace=trace, **solver)


SQUASH = concatsquash_init(np.random.default_rng(2), (D, 12, D))


@pytest.mark.parametrize("m", [1, 3])
def test_noise_is_drawn_once(m):
    """The generator is where one draw leaves it, however often the solve asks for f, and its gradient on the way back."""
    rng, other = np.random.default_rng(8), np.random.default_rng(8)
    rn.grad(lambda theta: np.sum(flow(rn.hutchinson(m), method="rk4", steps=3).log_prob(theta, Z, rng=rng)))(SQUASH)
    rn.hutchinson(m).draw(other, Z)
    assert rng.bit_generator.state == other.bit_generator.state


def test_the_noise_is_fixed_for_one_solve():
    """E11, bugs.md H02: two tolerances with the same noise agree within the looser one (both are errors of the same smooth right-hand side).

    The allowed error: 40 Gamma (rtol + rtol max |log p|), Gamma the growth of errors, at most 10 on this short way.
    """
    at_two = [flow(rn.hutchinson(1), rtol=rtol, atol=rtol).log_prob(SQUASH, Z, rng=np.random.default_rng(8)) for rtol in (1e-5, 1e-9)]
    assert np.abs(at_two[0] - at_two[1]).max() < 40 * 10 * 1e-5 * (1 + np.abs(at_two[1]).max())
    other = flow(rn.hutchinson(1), rtol=1e-9).log_prob(SQUASH, Z, rng=np.random.default_rng(9))
    assert np.abs(other - at_two[1]).max() > 0.1
    assert np.array_equal(at_two[1], flow(rn.hutchinson(1), rtol=1e-9, atol=1e-9).log_prob(SQUASH, Z, rng=np.random.default_rng(8)))


@pytest.mark.parametrize("probes", ["rademacher", "gaussian"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_hutchinson_takes_at_most_twice_the_evaluations(probes, rtol):
    """E11, bugs.md H02."""
    counts = []
    for trace in ("exact", rn.hutchinson(1, probes)):
        stats = rn.Stats()
        flow(trace, rtol=rtol, atol=rtol, stats=stats).log_prob(SQUASH, Z, rng=np.random.default_rng(8))
        counts.append(stats.forward.nfe)
    assert counts[1] <= 2 * counts[0]


@pytest.mark.parametrize("m", [1, 4, 16])
def test_log_p_is_unbiased(m):
    """E11, bugs.md H03: the mean over draws is the exact log p, within 4 standard errors, for every m; the tolerance is far below them."""
    n = 4000
    x = np.tile(Z[:1], (n, 1))
    exact = flow("exact", rtol=1e-7).log_prob(SQUASH, Z[0])
    found = flow(rn.hutchinson(m), rtol=1e-7).log_prob(SQUASH, x, rng=np.random.default_rng(m))
    assert abs(found.mean() - exact) < 4 * found.std() / np.sqrt(n)
    assert found.std() > 1e-3


def test_evaluation_is_deterministic():
    """bugs.md H05: the exact trace needs and reads no generator; with declared structure Hutchinson still estimates."""
    exact, rng = flow("exact"), np.random.default_rng(1)
    assert np.array_equal(exact.log_prob(SQUASH, Z), exact.log_prob(SQUASH, Z, rng=rng))
    assert rng.integers(1000) == np.random.default_rng(1).integers(1000)
    f, theta = FLOWS["hidden_units"]
    estimates = [flow(rn.hutchinson(1), f).log_prob(theta, Z, rng=np.random.default_rng(k)) for k in (0, 1)]
    assert np.abs(estimates[0] - estimates[1]).max() > 1e-3


@pytest.mark.parametrize("gradient", ["adjoint", "discrete", "interpolating", "reversible"])
def test_gradients_through_the_estimate(gradient):
    """The gradient of an estimate with fixed noise is its own derivative: against a difference quotient along one direction.

    Central difference at h = 1e-4: h^2 times a third derivative of order 10, and 1e-9 / h of rounding and solves: 1e-4 of the gradient at most.
    """
    estimate = flow(rn.hutchinson(2), rtol=1e-9, atol=1e-10, gradient=gradient)

    def loss(x):
        return np.sum(estimate.log_prob(SQUASH, x, rng=np.random.default_rng(8)))

    direction = RNG.normal(size=Z.shape)
    g = np.sum(direction * rn.grad(loss)(Z))
    difference = (loss(Z + 1e-4 * direction) - loss(Z - 1e-4 * direction)) / 2e-4
    assert abs(g - difference) < 1e-4 * np.abs(g)
