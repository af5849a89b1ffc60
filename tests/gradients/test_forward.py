"""Sensitivities solved forwards: what is special to gradient="forward" (test_interpolating.py has what it shares with others)."""

import math

import numpy as np
import pytest

import refnode as rn
from refnode.gradients.forward import controlled_alike
from refnode.tree import Raveler
from tests.gradients.test_algorithms import TB, TIGHT
from tests.gradients.test_interpolating import TS, WEIGHTS, Z0, loss
from tests.zoo import FORCED_THETA, forced, linear


def test_second_and_third_derivatives_by_closed_form():
    """P01: the n-th derivative of z0 e^(lam T) by lam is T^n z1; P14: d2 z1/dz0^2 = -6 theta T z0 (1 + 2 theta z0^2 T)^(-5/2)."""
    lam, z0, T = -1.3, 0.7, 1.5
    z1 = lambda lam: rn.ODESolve(z0, lambda z, t, lam: lam * z, 0.2, 0.2 + T, lam, gradient="forward", **TIGHT)
    assert abs(rn.grad(rn.grad(z1))(lam) - T**2 * z0 * math.exp(lam * T)) < TB
    third = lambda lam: rn.ODESolve(z0, lambda z, t, lam: lam * z, 0.2, 0.2 + T, lam, gradient="forward", rtol=1e-5, atol=1e-7)
    assert abs(rn.grad(rn.grad(rn.grad(third)))(lam) - T**3 * z0 * math.exp(lam * T)) < 40 * 1e-5
    theta, z0, T = 0.5, 1.2, 2.0
    z1 = lambda z0: rn.ODESolve(z0, lambda z, t, theta: -theta * z * z * z, 0.0, T, theta, gradient="forward", **TIGHT)
    assert abs(rn.grad(rn.grad(z1))(z0) + 6 * theta * T * z0 * (1 + 2 * theta * z0**2 * T) ** -2.5) < TB


def test_hessian_vector_products_agree_with_those_of_the_adjoint():
    """In z0, theta and the times; the matrix in the times is symmetric. rtol 1e-6, kappa = 40 in both solves, condition numbers below 10."""
    directions = np.array([0.3, -0.7]), np.array([1.0, 0.2, -0.4, 0.6]), np.array([0.2, 0.1, -0.5, 0.4])
    loose = {"rtol": 1e-6, "atol": 1e-8}
    one, other = (rn.hvp(lambda *x, g=g: loss(*x, gradient=g, **loose), (Z0, TS, FORCED_THETA), directions) for g in ("adjoint", "forward"))
    for x, y in zip(one, other, strict=True):
        assert np.abs(x - y).max() < 40 * 10 * 1e-6
    hessian = rn.jacobian(rn.grad(lambda ts: loss(Z0, ts, FORCED_THETA, gradient="forward", **loose)))(TS)
    assert np.abs(hessian - hessian.T).max() < 40 * 10 * 1e-6


@pytest.mark.parametrize("c", [2.0**7, 2.0**-1])
def test_parameters_in_other_units(c):
    """z' = f(z, t, theta / c) at c theta: to the bit 1 / c of the gradient, where |theta| > 1 and |c theta| > 1 and c is a power of two."""
    theta = np.array([2.5, -3.5, 4.0, 2.25])
    of = lambda c: rn.grad(lambda p: np.sum(WEIGHTS * rn.odeint(lambda z, t, p: forced(z, t, p / c), Z0, TS, p, gradient="forward")))(c * theta)
    assert np.array_equal(c * of(c), of(1.0))


def test_each_column_counts_like_z():
    """D = 2, P = 3: an error of 1 in any of the 2 (1 + 2 + 3) numbers has the norm of (1, 0); atol is divided by |p_j| where that is above 1."""
    way, theta = Raveler(Z0), {"p": np.array([0.1, -20.0]), "static": 3, "q": 4.0}
    keywords = controlled_alike({"atol": np.array([1e-3, 1e-4])}, way, np.array([0.5, 8.0]), theta)
    assert [keywords["norm"](e) for e in np.eye(12)] == pytest.approx([math.sqrt(1 / 2)] * 12, rel=1e-15)
    assert math.isnan(keywords["norm"](np.full(12, math.nan)))
    of_z, (of_z0, of_theta) = keywords["atol"]
    assert np.array_equal(of_z, [1e-3, 1e-4])
    assert np.array_equal(of_z0, [[1e-3, 1e-4], [1e-3 / 8, 1e-4 / 8]])
    assert np.array_equal(of_theta["p"], [[1e-3, 1e-4], [1e-3 / 20, 1e-4 / 20]])
    assert np.array_equal(of_theta["q"], [1e-3 / 4, 1e-4 / 4])
    assert of_theta["static"] is None
    seen = []
    controlled_alike({"norm": lambda e: seen.append(len(e)) or 1.0}, way, Z0, theta)["norm"](np.zeros(12))
    assert seen == [2] * 6


def test_a_norm_and_tolerances_of_the_users():
    exact = rn.grad(lambda theta: loss(Z0, TS, theta))(FORCED_THETA)
    for keywords in ({"norm": lambda e: np.abs(e).max()}, {"norm": "max"}, {"rtol": np.array([1e-9, 1e-10]), "atol": np.array([1e-11, 1e-12])}):
        got = rn.grad(lambda theta, k=keywords: loss(Z0, TS, theta, gradient="forward", **k))(FORCED_THETA)
        assert np.abs(got - exact).max() < 1e-7


def test_what_is_refused():
    with pytest.raises(ValueError, match="2025 sensitivities, of 5 numbers of z by 405"):
        rn.grad(lambda p: np.sum(rn.ODESolve(np.ones(5), lambda z, t, p: -z, 0.0, 1.0, p, gradient="forward")))(np.ones(400))
    assert not rn.grad(lambda p: np.sum(rn.ODESolve(np.ones(5), lambda z, t, p: -z, 0.0, 1.0, p, gradient="forward")))(np.ones(395)).any()
    with pytest.raises(ValueError, match="at least one number in z0"):
        rn.grad(lambda p: np.sum(rn.ODESolve(np.ones(0), lambda z, t, p: -z, 0.0, 1.0, p, gradient="forward")))(1.0)
    for name, value in (("backward_rtol", 1e-3), ("backward_method", "rk4"), ("backward_norm", "seminorm")):
        with pytest.raises(ValueError, match=f"solves nothing backwards; leave out {name}"):
            rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="forward", **{name: value})


def test_a_failure_says_what_its_state_is():
    with pytest.raises(rn.StepSizeUnderflow) as failure:
        rn.grad(lambda z: rn.ODESolve(z, lambda z, t, _: z * z, 0.0, 2.0, gradient="forward"))(1.0)
    assert any("hold the state (z, its derivatives" in note for note in failure.value.__notes__)
    z, (by_z0, by_theta) = failure.value.z
    assert by_z0 == pytest.approx(z * z, rel=1e-2)  # z = z0 / (1 - z0 t): dz/dz0 = (z / z0)^2
    assert by_theta == ()


def test_values_agree_with_those_of_a_plain_solve():
    zs, _ = rn.pullback(lambda theta: rn.odeint(forced, Z0, TS, theta, gradient="forward"), FORCED_THETA)
    assert 0 < np.abs(zs - rn.odeint(forced, Z0, TS, FORCED_THETA)).max() < 40 * 1e-6


@pytest.mark.parametrize("method", ["radau5", "kvaerno5", "bdf"])
def test_implicit_methods(method):
    """The state (z, S) is stiff where z is; the engine differentiates aug_dynamics for the Newton iteration. dz1/dA_ij of exp(A T) z0 is exact for
    a diagonal A: dz1_i/dA_ij = z0_j (e_i - e_j) / (A_ii - A_jj), e = exp(T diag A)."""
    d, T, z0 = np.array([-1000.0, -2.0]), 1.3, np.array([0.5, 1.5])
    got = rn.jacobian(lambda A: rn.ODESolve(z0, linear, 0.0, T, A, method=method, gradient="forward", rtol=1e-7, atol=1e-9))(np.diag(d))
    e = np.exp(T * d)
    exact = np.zeros((2, 2, 2))
    for i in range(2):
        for j in range(2):
            exact[i, i, j] = z0[j] * (T * e[i] if i == j else (e[i] - e[j]) / (d[i] - d[j]))
    assert np.abs(got - exact).max() < 40 * (1e-9 + 1e-7 * np.abs(exact).max())
