"""Planar flows: determinants, invertibility, the continuous limit, Eq. (10) and its sign, gates and hypernetworks."""

import numpy as np
import pytest

import refnode as rn
from refnode.flows.planar import gated, hidden_units, hypernetwork, hypernetwork_init, invertible, planar, planar_layer, planar_nf
from refnode.models.nets import mlp
from tests.gradients.test_algorithms import TB, TIGHT, difference

RNG = np.random.default_rng(3)


def unit(D, rng=RNG):
    return rng.normal(size=D), rng.normal(size=D), rng.normal()


def closed_form(z, T, theta):
    """P18a: (z1, log |det dz1/dz0|) of the planar CNF after the time T."""
    u, w, b = theta
    kappa, s0 = u @ w, z @ w + b
    s1 = np.arcsinh(np.exp(kappa * T) * np.sinh(s0))
    return z + ((s1 - s0) / kappa)[..., None] * u, kappa * T + np.log(np.cosh(s0)) - np.log(np.cosh(s1))


@pytest.mark.parametrize("D", [2, 3, 4, 5])
def test_matrix_determinant_lemma(D):
    """S32, S33: log |det| of the layer's Jacobian, D x D, is log |1 + u^T dh/dz|."""
    u, w, b = unit(D)
    theta, z = (invertible(u, w), w, b), RNG.normal(size=(4, D))
    z1, log_det = planar_layer(z, theta)
    for i in range(4):
        J = rn.jacobian(lambda z: planar_layer(z, theta)[0])(z[i])
        assert abs(log_det[i] - np.linalg.slogdet(J)[1]) < 1e-12
        assert np.abs(planar_layer(z[i], theta)[0] - z1[i]).max() < 1e-15


def test_invertible_if_and_only_if_u_w_is_at_least_minus_one():
    """S33: w^T z' = s + u^T w tanh(s + b) is monotone in s = w^T z if u^T w >= -1, and not if u^T w < -1 (near s = -b), which is refused."""
    w, s = np.array([1.0, -2.0]), np.linspace(-4, 4, 4001)
    z = s[:, None] * w / (w @ w)
    for u_w, monotone in ((-1.0, True), (-0.9, True), (2.0, True), (-1.01, False), (-3.0, False)):
        u = u_w * w / (w @ w)
        assert np.all(np.diff((z + np.tanh(z @ w)[:, None] * u) @ w) > 0) == monotone
        if u_w < -1:
            with pytest.raises(ValueError, match=f"not invertible, since u\\^T w = {u_w:.4g} is below -1"):
                planar_layer(z, (u, w, 0.3003))
        else:
            assert np.all(np.isfinite(planar_layer(z, (u, w, 0.3003))[1]))


def test_the_constraint():
    """S33: u^^T w = -1 + softplus(u^T w) > -1 for any u; u changes along w alone; and large u^T w stay, up to e^{-u^T w}."""
    for scale in (0.1, 1.0, 5.0):
        u, w, _ = unit(3)
        u = scale * u
        changed = invertible(u, w)
        assert abs(changed @ w - (np.logaddexp(0, u @ w) - 1)) < 1e-12
        assert changed @ w > -1
        assert np.abs(np.cross(changed - u, w)).max() < 1e-12
    for scale in (-40, -1e3):  # softplus is lost in -1: on the boundary to rounding, and not refused
        planar_layer(w, (invertible(scale * w, w), w, 0.1))
    u = 30 * w / (w @ w)
    assert np.abs(invertible(u, w) - u - (-1) * w / (w @ w)).max() < 1e-12
    rn.check_grads(invertible, *unit(3)[:2])


def test_layers_in_a_row():
    """S33: the log-determinants of invertible layers add up to that of the composition, whose determinant is positive."""
    units = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3)), RNG.normal(size=6)
    z = RNG.normal(size=(4, 3))
    _, log_det = planar_nf(z, units)
    for i in range(4):
        det = np.linalg.det(rn.jacobian(lambda z: planar_nf(z, units)[0])(z[i]))
        assert det > 0
        assert abs(log_det[i] - np.log(det)) < 1e-12
    rn.check_grads(planar_nf, z, tuple(0.4 * part[:3] for part in units))


def test_sylvester():
    """S34, S41: det(I_D + U^T diag(h') W) = det(I_M + diag(h') W U^T): a layer of M units costs a D x D or M x M determinant, cubic in either;
    the trace of the same Jacobian is M scalar products of length D, linear in M and in D."""
    for M in (1, 2, 8, 64):
        U, W, b = RNG.normal(size=(M, 3)) / M, RNG.normal(size=(M, 3)), RNG.normal(size=M)
        z = RNG.normal(size=3)
        slope = 1 - np.tanh(W @ z + b) ** 2
        D_by_D, M_by_M = np.eye(3) + U.T @ np.diag(slope) @ W, np.eye(M) + np.diag(slope) @ W @ U.T
        assert abs(np.linalg.det(D_by_D) - np.linalg.det(M_by_M)) < 1e-12 * M
        _, trace = hidden_units.value_and_trace(z, 0.0, (U, W, b))
        assert abs(trace - sum(slope[n] * (U[n] @ W[n]) for n in range(M))) < 1e-13 * M
        assert abs(trace - np.trace(D_by_D - np.eye(3))) < 1e-13 * M


def test_the_trace_is_linear_in_the_units():
    """S40, S41: the trace of a sum is the sum of the traces of its units."""
    U, W, b = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3)), RNG.normal(size=5)
    z = RNG.normal(size=(4, 3))
    dz, trace = hidden_units.value_and_trace(z, 0.0, (U, W, b))
    parts = [planar.value_and_trace(z, 0.0, (U[n], W[n], b[n])) for n in range(5)]
    assert np.abs(dz - sum(part for part, _ in parts)).max() < 1e-14
    assert np.abs(trace - sum(part for _, part in parts)).max() < 1e-14


def test_the_sign_of_equation_10():
    """S40, C1: five dependent units, log p against the determinant of the flow's Jacobian: right with the minus sign, and off by twice the
    integral of the trace (more than 0.1 here) with the sign that is printed."""
    theta = RNG.normal(size=(5, 2)) / 2, RNG.normal(size=(5, 2)), RNG.normal(size=5)
    z = np.array([0.4, -0.7])
    _, log_p = rn.change_of_variables(z, 0.0, hidden_units, 0.0, 1.0, theta, **TIGHT)
    J = rn.jacobian(lambda z: rn.ODESolve(z, hidden_units, 0.0, 1.0, theta, **TIGHT))(z)
    exact = -np.linalg.slogdet(J)[1]
    assert abs(log_p - exact) < TB
    assert abs(-log_p - exact) > 0.1


def test_planar_cnf_closed_form():
    """S38: P18a in several dimensions, a batch of points, both directions of time."""
    for D in (1, 2, 5):
        theta, z = unit(D), RNG.normal(size=(4, D))
        for T in (0.8, -0.8):
            z1, log_p = rn.change_of_variables(z, 0.0, planar, 0.3, 0.3 + T, theta, **TIGHT)
            expected, log_det = closed_form(z, T, theta)
            assert np.abs(z1 - expected).max() < TB
            assert np.abs(log_p + log_det).max() < TB


def test_from_planar_nf_to_planar_cnf():
    """S44: N layers of step T/N converge to the CNF with first order, in z and in log p: with twice the layers, half the error (1 + O(1/N))."""
    u, w, b = unit(3)
    z0, T = RNG.normal(size=(4, 3)), 0.7
    exact, log_det = closed_form(z0, T, (u, w, b))
    errors = []
    for N in (200, 400):
        z, total = z0, 0.0
        for _ in range(N):
            z, change = planar_layer(z, (T / N * u, w, b))
            total = total + change
        errors.append((np.abs(z - exact).max(), np.abs(total - log_det).max()))
    assert np.allclose(np.divide(*errors), 2, rtol=0.03)


def test_gates_that_are_open_are_not_there():
    """S43: sigma_n(t) in (0, 1); with sigma_n = 1 (to rounding, beta = 40) the gated flow is the sum of its units."""
    U, W, b, alpha, beta = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2)), *RNG.normal(size=(3, 4))
    z = RNG.normal(size=(5, 2))
    dz, trace = gated.value_and_trace(z, 1.7, (U, W, b, 0 * alpha, 0 * beta + 40.0))
    expected = hidden_units.value_and_trace(z, 1.7, (U, W, b))
    assert np.abs(dz - expected[0]).max() < 1e-14
    assert np.abs(trace - expected[1]).max() < 1e-14
    for t in (-1e3, -1.0, 0.0, 2.0, 1e3):  # without overflow, too
        one = gated(z[:1], t, (np.eye(2), np.zeros((2, 2)), np.full(2, 100.0), np.array([1.0, -2.0]), np.zeros(2)))[0]
        assert np.all((one >= 0) & (one <= 1))
        assert np.allclose(one, [np.exp(-np.logaddexp(0, -t)), np.exp(-np.logaddexp(0, 2 * t))], rtol=1e-12, atol=1e-16)


def test_units_one_after_the_other():
    """S45, of what the claim rests on: with gates a flow of K units contains every composition of K planar flows, here with each of
    three units switched on for one third of the time (gates of slope 2000: what they blur is below 3 ln 2 / 2000 |u| of a flow each)."""
    units = [unit(2) for _ in range(3)]
    z0 = RNG.normal(size=(4, 2))
    z, total = z0, 0.0
    for one in units:
        z, change = closed_form(z, 1.0, one)
        total = total + change

    def switched(z, t, theta):
        """Each unit through a gate that opens at n, times one that closes at n + 1."""
        slope = 2000.0
        on = [0.25 * (1 + np.tanh(slope * (t - n) / 2)) * (1 - np.tanh(slope * (t - n - 1) / 2)) for n in range(3)]
        parts = [planar.value_and_trace(z, t, one) for one in theta]
        return sum(g * dz for g, (dz, _) in zip(on, parts, strict=True)), sum(g * trace for g, (_, trace) in zip(on, parts, strict=True))

    z1, log_p = rn.change_of_variables(z0, 0.0, rn.with_trace(switched), 0.0, 3.0, units, rtol=1e-8, atol=1e-8, max_step=0.01)
    blurred = 3 * np.log(2) / 2000 * max(np.abs(u).max() * (1 + np.abs(w).max()) for u, w, _ in units)
    growth = np.exp(sum(abs(u @ w) for u, w, _ in units))
    assert np.abs(z1 - z).max() < growth * blurred
    assert np.abs(log_p + total).max() < growth * blurred


def test_hypernetwork_is_what_cnf_py_computes():
    """S42: written out as in torchdiffeq's example: three blocks of M D numbers and M offsets, U times sigmoid(G), the mean over units."""
    D, M, t = 2, 4, 0.37
    layers = hypernetwork_init(RNG, D, M, hidden=8)
    z = RNG.normal(size=(5, D))
    numbers = mlp(np.array([t]), layers)
    W, U, G = (numbers[k * M * D:(k + 1) * M * D].reshape(M, D) for k in range(3))
    B = numbers[3 * M * D:]
    U = U / (1 + np.exp(-G))
    expected = np.mean([np.tanh(z @ W[n] + B[n])[:, None] * U[n] for n in range(M)], axis=0)
    assert np.abs(hypernetwork(z, t, layers) - expected).max() < 1e-15


@pytest.mark.parametrize("gradient", ["adjoint", "discrete"])
def test_gradient_of_a_hypernetwork(gradient):
    """S42: dL/dphi through the parameters that depend on t, M = 4, hidden 8, against sixth-order differences (TC = 1e-8); and dL/dt0, dL/dt1."""
    layers = hypernetwork_init(RNG, 2, 4, hidden=8)
    x = RNG.normal(size=(3, 2))
    flow = rn.CNF(hypernetwork, base=rn.standard_normal(2), gradient=gradient, rtol=1e-11, atol=1e-13)

    def loss(layers, t0, t1):
        return np.sum(flow.log_prob(layers, x, t0=t0, t1=t1) * np.array([1.0, -0.5, 2.0]))

    found, t0_bar, t1_bar = rn.grad(loss, (0, 1, 2))(layers, 0.1, 1.3)
    for k, (W, b) in enumerate(layers):
        rows = slice(0, 1), slice(0, 6)
        pieces = difference(lambda part: loss(replaced(layers, k, W, rows, part), 0.1, 1.3), W[rows])
        assert np.abs(found[k][0][rows] - pieces).max() < 1e-8
        assert found[k][1].shape == b.shape
    assert abs(t0_bar - difference(lambda t: loss(layers, t[0], 1.3), np.array([0.1]))[0]) < 1e-8
    assert abs(t1_bar - difference(lambda t: loss(layers, 0.1, t[0]), np.array([1.3]))[0]) < 1e-8


def replaced(layers, k, W, rows, part):
    W = W.copy()
    W[rows] = part
    return tuple((W, b) if i == k else (V, b) for i, (V, b) in enumerate(layers))
