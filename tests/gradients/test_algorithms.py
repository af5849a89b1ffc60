"""Algorithms 1 and 2 and the derivations of Appendix B as identities.

TB is the tolerance of a closed form against a tight solve: at rtol 1e-11 the error constants seen in these problems stay below 100.
"""

import operator

import numpy as np
import pytest
from scipy.linalg import expm, expm_frechet

import refnode as rn
from refnode.autodiff.rules import RULES
from tests.zoo import FORCED_THETA, autonomous_mlp, forced, linear, mlp, mlp_parameters

TIGHT = {"rtol": 1e-11, "atol": 1e-13}
TB = 1e-9

A = np.array([[-0.3, 1.2], [-1.0, -0.2]])
Z0 = np.array([0.5, -0.3])
W = np.array([0.7, -1.1])
T0, T1 = 0.1, 1.4


def difference(loss, x, h=5e-3):
    """Sixth-order central differences: error O(h^6) = 2e-14 times a sixth derivative of order one, and rounding of a solve, 1e-12 / h."""
    x = np.asarray(x, float)
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = h
        d = [loss(x + k * e) - loss(x - k * e) for k in (1, 2, 3)]
        gradient[i] = (45 * d[0] - 9 * d[1] + d[2]) / (60 * h)
    return gradient


def quadrature(integrand):
    """From T0 to T1, by Gauss and Legendre's rule with 24 nodes: exact to rounding for what is analytic some way around."""
    x, w = np.polynomial.legendre.leggauss(24)
    half = (T1 - T0) / 2
    return half * sum(w_k * integrand(float(T0 + half * (1 + x_k))) for x_k, w_k in zip(x, w, strict=True))


def test_algorithm_1_on_a_linear_system():
    """z' = A z: dL/dz0 = e^(A^T T) w, and dL/dA is the Frechet derivative of the exponential (P03)."""
    T = T1 - T0
    z1 = expm(A * T) @ Z0
    z_back, a0, dLdA = rn.adjoint(z1, W, linear, T0, T1, A, **TIGHT)
    assert np.abs(z_back - Z0).max() < TB
    assert np.abs(a0 - expm(A.T * T) @ W).max() < TB
    assert np.abs(dLdA - T * expm_frechet(T * A.T, np.outer(W, Z0), compute_expm=False)).max() < TB


def test_algorithm_2_adds_the_time_gradients():
    T = T1 - T0
    z1 = expm(A * T) @ Z0
    z_back, a0, dLdA, dLdt0, dLdt1 = rn.full_adjoint(z1, W, linear, T0, T1, A, **TIGHT)
    one = rn.adjoint(z1, W, linear, T0, T1, A, **TIGHT)
    assert np.abs(z_back - one[0]).max() < TB
    assert np.abs(a0 - one[1]).max() < TB
    assert np.abs(dLdA - one[2]).max() < TB
    assert abs(dLdt1 - W @ A @ z1) < 1e-14
    assert abs(dLdt0 + W @ A @ z1) < TB  # autonomous: only t1 - t0 counts


def test_both_forms_of_the_start_time_gradient_agree():
    """a_t(t0) from Algorithm 2 equals -a(t0) . f(z0, t0, theta) (S79), on a problem whose f depends on t."""
    z1 = rn.ODESolve(Z0, forced, T0, T1, FORCED_THETA, **TIGHT)
    z_back, a0, _, dLdt0, dLdt1 = rn.full_adjoint(z1, W, forced, T0, T1, FORCED_THETA, **TIGHT)
    assert abs(dLdt0 + a0 @ forced(z_back, T0, FORCED_THETA)) < TB
    assert abs(dLdt1 - W @ forced(z1, T1, FORCED_THETA)) < 1e-14
    loss = lambda t: W @ rn.ODESolve(Z0, forced, t[0], t[1], FORCED_THETA, **TIGHT)
    assert np.abs(difference(loss, [T0, T1]) - [dLdt0, dLdt1]).max() < 1e-8


def test_augmented_autonomous_system_gives_algorithm_2():
    """S77: theta and t as states with derivatives 0 and 1; the adjoint of that system, read off block by block, is Algorithm 2."""
    def f_aug(s, t, _):
        z, theta, clock = s
        return forced(z, clock, theta), np.zeros_like(theta), np.ones_like(clock)

    z1 = rn.ODESolve(Z0, forced, T0, T1, FORCED_THETA, **TIGHT)
    dLdt1 = W @ forced(z1, T1, FORCED_THETA)
    s1 = (z1, FORCED_THETA, np.array(T1))
    _, (a, a_theta, a_t), _ = rn.adjoint(s1, (W, np.zeros(4), np.array(-dLdt1)), f_aug, T0, T1, (), **TIGHT)
    _, a0, dLdtheta, dLdt0, _ = rn.full_adjoint(z1, W, forced, T0, T1, FORCED_THETA, **TIGHT)
    for one, other in ((a, a0), (a_theta, dLdtheta), (a_t, dLdt0)):
        assert np.abs(one - other).max() < TB


def test_the_adjoint_is_the_derivative_by_the_state_at_each_time():
    """S7: a(t) = dL/dz(t), by differences, at five interior times."""
    rng = np.random.default_rng(3)
    theta, z0, w = mlp_parameters(rng, 3, 5), rng.normal(size=3), rng.normal(size=3)
    for t in (0.2, 0.5, 0.8, 1.1, 1.3):
        z_t = rn.ODESolve(z0, mlp, T0, t, theta, **TIGHT)
        z1 = rn.ODESolve(z0, mlp, T0, T1, theta, **TIGHT)
        _, a, _ = rn.adjoint(z1, w, mlp, t, T1, theta, **TIGHT)
        by_difference = difference(lambda z, t=t: w @ rn.ODESolve(z, mlp, t, T1, theta, **TIGHT), z_t)
        assert np.abs(a - by_difference).max() < 1e-8


def test_the_bilinear_concomitant_is_constant():
    """S8: a(t) . dz(t) does not change along a solution of the variational equation dz' = f_z dz."""
    rng = np.random.default_rng(4)
    theta, z0, w, dz0 = mlp_parameters(rng, 3, 5), rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)

    def variational(s, t, theta):
        z, dz = s
        return rn.jvp(lambda z: mlp(z, t, theta), (z,), (dz,))

    ts = np.linspace(T0, T1, 5)
    zs, dzs = rn.odeint(variational, (z0, dz0), ts, theta, **TIGHT)
    along = [rn.adjoint(zs[-1], w, mlp, t, T1, theta, **TIGHT)[1] @ dz for t, dz in zip(ts[:-1], dzs[:-1], strict=True)]
    assert np.abs(np.array(along) - w @ dzs[-1]).max() < TB


def test_parameter_gradient_is_the_integral_of_eq_5():
    """S9, S11: dL/dtheta from the one augmented call equals quadrature of a(t)^T df/dtheta along stored trajectories."""
    z1 = rn.ODESolve(Z0, forced, T0, T1, FORCED_THETA, **TIGHT)
    _, _, dLdtheta = rn.adjoint(z1, W, forced, T0, T1, FORCED_THETA, **TIGHT)

    def integrand(t):
        z, a, _ = rn.adjoint(z1, W, forced, t, T1, FORCED_THETA, **TIGHT)
        return rn.pullback(forced, z, t, FORCED_THETA)[1](a)[2]

    assert np.abs(dLdtheta - quadrature(integrand)).max() < TB


def test_finite_step_form_of_the_adjoint():
    """S74: a(t) = a(t + eps) dT_eps/dz for a finite eps, T_eps the flow; S75: the difference quotient tends to -a f_z with order one."""
    t, z_t = 0.4, np.array([0.8, -0.2])
    flow = lambda z, eps: rn.ODESolve(z, forced, t, t + eps, FORCED_THETA, **TIGHT)
    _, a, _ = rn.adjoint(flow(z_t, 0.5), W, forced, t, t + 0.5, FORCED_THETA, **TIGHT)
    dT = np.stack([difference(lambda z, i=i: flow(z, 0.5)[i], z_t) for i in range(2)])
    assert np.abs(a - W @ dT).max() < 1e-8

    exact = -rn.pullback(lambda z: forced(z, t, FORCED_THETA), z_t)[1](W)[0]
    errors = []
    for eps in (0.1, 0.05, 0.025, 0.0125):
        a_eps = rn.adjoint(flow(z_t, eps), W, forced, t, t + eps, FORCED_THETA, **TIGHT)[1]
        errors.append(np.abs((W - a_eps) / eps - exact).max())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - 1) < 0.15), slopes


def test_adjoint_as_quadrature_of_its_own_equation():
    """S76: a(t0) = a(t1) + int_t0^t1 a f_z dt."""
    z1 = rn.ODESolve(Z0, forced, T0, T1, FORCED_THETA, **TIGHT)

    def integrand(t):
        z, a, _ = rn.adjoint(z1, W, forced, t, T1, FORCED_THETA, **TIGHT)
        return rn.pullback(lambda z: forced(z, t, FORCED_THETA), z)[1](a)[0]

    a0 = rn.adjoint(z1, W, forced, T0, T1, FORCED_THETA, **TIGHT)[1]
    assert np.abs(a0 - (W + quadrature(integrand))).max() < TB


def test_cost_of_a_vector_jacobian_product(monkeypatch):
    """S10: per layer one matrix product for f, and two more for the cotangents: three times the work of f, and f runs once."""
    runs, products = [], []

    def f(z, theta):
        runs.append(1)
        (W1, b1), (W2, b2) = theta
        return np.tanh(z @ W1 + b1) @ W2 + b2

    counted = tuple(lambda *x, rule=rule: (products.append(1), rule(*x))[1] for rule in RULES[operator.matmul])
    monkeypatch.setitem(RULES, operator.matmul, counted)
    (W1, _, b1), (W2, b2) = mlp_parameters(np.random.default_rng(0), 3, 5)
    _, back = rn.pullback(f, np.ones((7, 3)), ((W1, b1), (W2, b2)))
    back(np.ones((7, 3)))
    assert len(runs) == 1
    assert len(products) == 4


def test_size_of_the_augmented_state():
    """S18: the adjoint solves 2 D + P equations (+ 1 with the time gradient); forward sensitivity would solve D (1 + D + P)."""
    for D in (2, 8, 32):
        theta = mlp_parameters(np.random.default_rng(D), D, 5)
        sizes = []
        rn.full_adjoint(np.ones(D), np.ones(D), mlp, 0.0, 1.0, theta, method="euler", steps=1, norm=lambda e: sizes.append(e.size) or 0.0)
        rn.full_adjoint(np.ones(D), np.ones(D), mlp, 0.0, 0.01, theta, rtol=1e-3, norm=lambda e: sizes.append(e.size) or 0.0)
        assert set(sizes) == {2 * D + sum(leaf.size for layer in theta for leaf in layer) + 1}


@pytest.mark.parametrize("forward", ["bosh3", "dopri5", "dopri5_shampine", "rk4", "midpoint"])
@pytest.mark.parametrize("backward", ["bosh3", "dopri5", "dopri5_shampine"])
def test_any_forward_solver_with_any_backward_solver(forward, backward):
    """S17: the solver is a black box. The forward error bounds the gradient's: h^2 = 1e-7 for midpoint at 4000 steps, 1e-8 for the rest."""
    rng = np.random.default_rng(6)
    theta, z0, w = mlp_parameters(rng, 2, 4), rng.normal(size=2), rng.normal(size=2)
    sizes = {"rk4": {"steps": 400}, "midpoint": {"steps": 4000}}.get(forward, {})
    forward_keywords = {"method": forward, "rtol": 1e-8, "atol": 1e-10, **sizes}
    z1 = rn.ODESolve(z0, autonomous_mlp, T0, T1, tuple((W, b) for W, *_, b in theta), **forward_keywords)
    theta = tuple((W, b) for W, *_, b in theta)
    a0 = rn.adjoint(z1, w, autonomous_mlp, T0, T1, theta, method=backward, rtol=1e-8, atol=1e-10)[1]
    z1_tight = rn.ODESolve(z0, autonomous_mlp, T0, T1, theta, **TIGHT)
    reference = rn.adjoint(z1_tight, w, autonomous_mlp, T0, T1, theta, **TIGHT)[1]
    assert np.abs(a0 - reference).max() < 1e-6
