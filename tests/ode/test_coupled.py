"""The coupling of McCallum and Foster: its inverse, its determinant, its order, and what it inherits from the method."""

import itertools
import math

import numpy as np
import pytest

from refnode.ode.coupled import Coupled
from refnode.ode.runge_kutta import rk_step
from refnode.ode.tableaus import TABLEAUS

EPS = 2.2e-16
A = np.array([[-0.1, 1.3, 0.2], [-1.1, 0.1, -0.4], [0.3, 0.5, -0.2]])
RATE = 2.0


def field(z, t, out):
    """Nonlinear and not autonomous; its Lipschitz constant is at most |A| < 1.8."""
    out[:] = np.sin(A @ z + t)


def steps_of(method, f, z, times):
    """The pairs (z, w) at times, the start first."""
    method.start(f, z, times[0])
    found = [(z, z)]
    for i, (t, t1) in enumerate(itertools.pairwise(times)):
        if i:
            method.go_on(f, z, t)
        z, _ = method.try_step(f, z, t, t1)
        found.append((z, method.w1.copy()))
    return found


def phi(name, f, z, t, t1):
    """A step of the method alone."""
    coefficients = TABLEAUS[name].cast(z.dtype)
    K = np.empty((len(coefficients.b), z.size), z.dtype)
    f(z, t, K[0])
    return rk_step(f, z, t, t1, K, coefficients)


@pytest.mark.parametrize("h", [0.1, -0.1])
@pytest.mark.parametrize("name", TABLEAUS)
def test_the_formula_and_its_inverse(name, h):
    """Each step is the formula, and the formula solved for (z, w) finds the pair again: a dozen numbers of size 4 are rounded, and 1 / lam < 1.3."""
    times = 0.2 + h * np.arange(4)
    pairs = steps_of(Coupled(TABLEAUS[name], np.zeros(3), RATE), field, np.array([0.3, -1.1, 0.7]), times)
    lam = math.exp(-RATE * abs(h))
    for (z, w), (z1, w1), t, t1 in zip(pairs[:-1], pairs[1:], times[:-1], times[1:], strict=True):
        there, back = phi(name, field, w, t, t1)[0], phi(name, field, z1, t1, t)[0]
        np.testing.assert_allclose(z1, there + lam * (z - w), rtol=0, atol=100 * EPS)
        np.testing.assert_allclose(w1, w + z1 - back, rtol=0, atol=100 * EPS)
        np.testing.assert_allclose(w, w1 - z1 + back, rtol=0, atol=100 * EPS)
        np.testing.assert_allclose(z, w + (z1 - there) / lam, rtol=0, atol=100 * EPS)
    assert np.abs(pairs[-1][0] - pairs[0][0]).max() > 0.05  # it went somewhere


@pytest.mark.parametrize("mu", [-3.0, 0.7])
@pytest.mark.parametrize("name", TABLEAUS)
def test_the_parasitic_solution_on_a_linear_equation(name, mu):
    """z' = mu z: the step is a matrix with determinant lam, whatever the method. One eigenvalue is e^{mu h} up to the method's local error.

    So the other one is lam e^{-mu h}: it grows where the solution decays.
    """
    f = lambda z, t, out: np.multiply(z, mu, out=out)
    h, columns = 0.1, []
    for z, w in ((1.0, 0.0), (0.0, 1.0)):
        method = Coupled(TABLEAUS[name], np.zeros(1), RATE)
        method.w1[:] = w
        method.go_on(f, np.array([z]), 0.0)
        z1, _ = method.try_step(f, np.array([z]), 0.0, h)
        columns.append((z1[0], method.w1[0]))
    step = np.array(columns).T
    lam = math.exp(-RATE * h)
    assert abs(np.linalg.det(step) - lam) < 100 * EPS
    eigenvalues = np.linalg.eigvals(step)
    principal = eigenvalues[np.argmin(np.abs(eigenvalues - math.exp(mu * h)))]
    p, x = TABLEAUS[name].p, abs(mu * h)
    # |R(x) - e^x| is below x^{p+1} / (p+1)! e^x times a constant of the tableau, here below 3 (the remainders of R and of e^x); the roots of
    # s^2 - trace s + lam = 0 move by that over |s_1 - s_2|, which is above 0.05
    assert abs(principal - math.exp(mu * h)) < 3 * x ** (p + 1) / math.factorial(p + 1) * math.exp(x) * 2 / 0.05 + 1e-14
    assert abs(np.prod(eigenvalues) / principal - lam * math.exp(-mu * h)) < 1e-14 + abs(principal - math.exp(mu * h)) * 3


@pytest.mark.parametrize("name", TABLEAUS)
def test_the_order_is_that_of_the_method(name):
    """Observed on the field, against the method itself with far shorter steps: at least p - 0.4 over a doubling of the number of steps."""
    z0, p = np.array([0.3, -1.1, 0.7]), TABLEAUS[name].p
    exact = z0
    times = np.linspace(0.2, 1.4, 401)
    for t, t1 in itertools.pairwise(times):
        exact = phi("dop853", field, exact, t, t1)[0]
    n = {1: 64, 2: 32, 3: 16, 4: 8, 5: 8, 8: 2}[p]
    errors = []
    for count in (n, 2 * n):
        z1, w1 = steps_of(Coupled(TABLEAUS[name], z0, RATE), field, z0, np.linspace(0.2, 1.4, count + 1))[-1]
        errors.append(max(np.abs(z1 - exact).max(), np.abs(w1 - exact).max()))
    assert 1e-12 < errors[1] < errors[0] < 0.1
    assert math.log2(errors[0] / errors[1]) > p - 0.4


@pytest.mark.parametrize("name", [name for name in TABLEAUS if TABLEAUS[name].b_hat])
def test_the_error_is_twice_that_of_the_first_half(name):
    z, t, t1 = np.array([0.3, -1.1, 0.7]), 0.2, 0.3
    method = Coupled(TABLEAUS[name], z, RATE)
    method.start(field, z, t)
    _, error = method.try_step(field, z, t, t1)
    np.testing.assert_array_equal(error, 2 * phi(name, field, z, t, t1)[1])


def test_a_second_half_that_is_not_finite_is_seen():
    """f is NaN at z1 alone: the estimate of the first half is finite."""
    z, calls = np.array([1.0]), []

    def f(z, t, out):
        calls.append(t)
        out[:] = np.nan if len(calls) == 8 else -z  # dopri5: 7 stages from w, then those from z1

    method = Coupled(TABLEAUS["dopri5"], z, RATE)
    method.start(f, z, 0.0)
    z1, error = method.try_step(f, z, 0.0, 0.1)
    assert np.isfinite(z1).all()
    assert np.isnan(error).all()


@pytest.mark.parametrize("name", ["euler", "rk4", "dopri5", "dop853"])
def test_between_the_steps(name):
    """Exact for polynomials that the method and its interpolant integrate, from a pair that is apart; continuous at both ends."""
    degree = {"euler": 0, "rk4": 2, "dopri5": 3, "dop853": 6}[name]
    f = lambda z, t, out: out.fill((degree + 1) * t**degree)
    z, w, t, t1 = np.array([0.3]), np.array([0.5]), 0.4, 1.1
    method = Coupled(TABLEAUS[name], z, RATE)
    method.w1[:] = w
    method.go_on(f, z, t)
    z1, _ = method.try_step(f, z, t, t1)
    step = method.step(f, z, t, z1, t1)
    times = np.linspace(t, t1, 9)
    x = (times - t) / (t1 - t)
    lam = math.exp(-RATE * (t1 - t))
    wanted = w + times ** (degree + 1) - t ** (degree + 1) + (1 - (1 - lam) * x) * (z - w)
    bound = (10 + np.abs(method.method.P).sum()) * 7 * EPS  # h k_i < 7 in each term of the interpolant
    np.testing.assert_allclose(step(times)[:, 0], wanted, rtol=0, atol=bound)
    assert step(times)[-1] == z1
    assert abs(step(times)[0] - z) < 4 * EPS
