"""The gradients that read z(t) off the forward solution ("interpolating", "quadrature"), and what they share with "forward"."""

import itertools
import math

import numpy as np
import pytest
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import backward, forward
from refnode_validation.verdicts import KAPPA_INTERPOLATED, allowed_error, compare
from scipy.linalg import expm_frechet

import refnode as rn
from refnode.gradients import quadrature
from refnode.gradients.jacobians import jacobian_of
from refnode.gradients.quadrature import controlled, fixed
from refnode.ode.control import rms
from tests.gradients.test_algorithms import TB, TIGHT
from tests.zoo import FORCED_THETA, forced, linear

ALONG = pytest.mark.parametrize("gradient", ["interpolating", "quadrature"])
ALL = pytest.mark.parametrize("gradient", ["interpolating", "quadrature", "forward"])
SPANS = pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0)], ids=["forwards", "backwards"])
TS = np.array([0.3, 0.7, 1.0, 1.6])
WEIGHTS = np.array([[0.3, 0.18], [-1.0, -1.4], [2.0, 1.2], [0.5, 0.7]])
Z0 = np.array([0.5, -0.4])


def loss(z0, ts, theta, weights=WEIGHTS, **keywords):
    return np.sum(weights * rn.odeint(forced, z0, ts, theta, **(TIGHT | keywords)))


@ALL
@pytest.mark.parametrize("rtol", [1e-4, 1e-7, pytest.param(1e-10, marks=pytest.mark.slow)])  # the last by `refnode validate` as well
@pytest.mark.parametrize("direction", [forward, backward])
def test_closed_forms(gradient, rtol, direction):
    """All problems of the catalogue, four observations: within kappa Gamma (atol + rtol max |x|), as the conformance suite judges."""
    for problem in problems().values():
        task = direction(problem)
        f = lambda z, t, theta, problem=problem: problem.rhs(np, z, t, theta)
        _, back = rn.pullback(lambda *x, f=f: rn.odeint(f, *x, rtol=rtol, atol=rtol / 100, gradient=gradient), task.z0, task.ts, problem.theta)
        for name, got in zip(("dL/dz0", "dL/dt", "dL/dtheta"), back(task.weights), strict=True):
            exact = task.gradients[name]
            allowed = allowed_error(exact, rtol, rtol / 100, task.gradient_gamma, KAPPA_INTERPOLATED)
            assert compare(name, got, exact, allowed).ratio <= 1, (problem.id, name, got, exact)


@ALL
@pytest.mark.parametrize("n", [101, 11, 2])
def test_contracting_dynamics(gradient, n):
    """z' = lam (sin t - z), lam = 50, z(0) = 1: z cannot be solved backwards, and need not be."""
    def f(z, t, lam):
        return lam * (np.sin(t) - z)

    def exact(lam):
        p, q = lam * lam / (1 + lam * lam), lam / (1 + lam * lam)
        return weights @ (p * np.sin(ts) - q * np.cos(ts) + (1 + q) * np.exp(-lam * ts))

    ts, weights = np.linspace(0, 10, n), np.cos(7 * np.arange(n))
    wanted = exact(50 + 1e-30j).imag / 1e-30
    got = rn.grad(lambda lam: weights @ rn.odeint(f, 1.0, ts, lam, rtol=1e-6, atol=1e-6, gradient=gradient))(50.0)
    assert abs(got - wanted) < 1e-3 * abs(wanted)


def test_the_two_solve_the_same_adjoint():
    """With the seminorm the first takes the steps of the second, up to rounding errors: the same a(t0). dL/dtheta is one integral by two rules."""
    stats = {g: rn.Stats() for g in ("interpolating", "quadrature")}
    one, other = (rn.grad(lambda *x, g=g: loss(x[0], TS, x[1], rtol=1e-6, atol=1e-8, gradient=g, backward_norm="seminorm", stats=stats[g]), (0, 1))(
        Z0, FORCED_THETA) for g in stats)
    steps = [(s.backward.accepted, s.backward.rejected) for s in stats.values()]
    assert steps[0] == steps[1]
    assert np.abs(one[0] - other[0]).max() < 1e-13
    assert 1e-13 < np.abs(one[1] - other[1]).max() < 40 * 1e-6 * np.abs(WEIGHTS).max()


@pytest.mark.parametrize("ts", [TS, TS[::-1], [0.3, 0.7, 0.7, 1.6]])
def test_all_methods_agree(ts):
    gradients = [rn.grad(lambda *x, g=g: loss(*x, gradient=g), (0, 1, 2))(Z0, np.array(ts), FORCED_THETA)
                 for g in ("adjoint", "interpolating", "quadrature", "forward")]
    for one, other in itertools.pairwise(gradients):
        assert max(np.abs(x - y).max() for x, y in zip(one, other, strict=True)) < TB


def test_how_many_numbers_are_solved_for():
    """D = 2, P = 4: (a, dL/dtheta) has 6 numbers, a alone 2, (z, S) has 2 + 2 (2 + 4). The state of a solve that fails shows them."""
    def numbers(gradient, **keywords):
        with pytest.raises(rn.MaxStepsReached) as failure:
            rn.grad(lambda theta: loss(Z0, TS, theta, gradient=gradient, max_steps=30, **keywords))(FORCED_THETA)
        return rn.tree.Raveler(failure.value.z).size

    loose = {"rtol": 1e-5, "atol": 1e-8, "backward_rtol": 1e-12, "backward_atol": 1e-12}
    assert numbers("adjoint", **loose) == 8
    assert numbers("interpolating", **loose) == 6
    assert numbers("quadrature", **loose) == 2
    assert numbers("forward", rtol=1e-11) == 14


@ALL
def test_the_integrand_changes_faster_than_anything_that_is_solved(gradient):
    """z' = theta cos(omega t) at theta = 0: df/dz = 0 and f = 0, so that z and a can be solved in one step; dL/dtheta = sin(omega T) / omega."""
    omega, T = 40.0, 3.0
    got = rn.grad(lambda theta: rn.ODESolve(1.0, lambda z, t, theta: theta * np.cos(omega * t) + 0 * z, 0.0, T, theta, gradient=gradient,
                                            rtol=1e-8, atol=1e-10))(0.0)
    assert abs(got - math.sin(omega * T) / omega) < 40 * (1e-10 + 1e-8)  # |integral| < 1


@ALONG
def test_a_derivative_that_is_not_finite(gradient):
    """z' = sqrt(theta) - z at theta = 0: f is finite, df/dtheta is not."""
    with np.errstate(divide="ignore"), pytest.raises(rn.NonFiniteDynamics):
        rn.grad(lambda theta: rn.ODESolve(1.0, lambda z, t, theta: np.sqrt(theta) - z, 0.0, 1.0, theta, gradient=gradient))(0.0)


@pytest.mark.parametrize("p", range(1, 9))
def test_gauss_rules_on_fixed_steps(p):
    """Exact for t^d up to d = p - 1, so that the error of a step is O(h^(p+1)); not for d = p + 2, or there were more nodes than are needed."""
    steps = [(0.0, 0.5), (0.5, 2.0)]
    for d in range(p):
        assert sum(fixed(lambda t, d=d: t[:, None] ** d, steps, p))[0] == pytest.approx(2 ** (d + 1) / (d + 1), rel=1e-14)
    d = p + 2
    assert abs(sum(fixed(lambda t: t[:, None] ** d, steps, p))[0] - 2 ** (d + 1) / (d + 1)) > 1e-6


@pytest.mark.parametrize("k", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
def test_controlled_quadrature(k, tolerance):
    """cos(omega t) over [0, 3], two columns, in one step at first: halved where needed, and no more. The error is below the sum of those allowed."""
    omega, calls = np.array([1.0, 30.0]), []

    def integrand(t):
        calls.append(len(t))
        return np.cos(t[:, None] * omega)

    pieces = list(controlled(integrand, [(0.0, 3.0)], k, 0.0, tolerance, rms, 10_000))
    assert np.abs(sum(pieces) - np.sin(3 * omega) / omega).max() < len(pieces) * tolerance
    assert len(calls) == 2 * len(pieces) - 1  # a binary tree: so many inner nodes and leaves
    assert set(calls) == {2 * math.ceil(k / 2) + 1}
    with pytest.raises(rn.MaxStepsReached, match="pieces"):
        list(controlled(integrand, [(0.0, 3.0)], k, 0.0, tolerance, rms, len(calls) - 1))
    assert len(list(controlled(integrand, [(0.0, 3.0)], k, 0.0, 10.0, rms, 1))) == 1


@ALL
@pytest.mark.parametrize(("method", "p"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
def test_fixed_steps_converge_with_the_order_of_the_method(gradient, method, p):
    """The slopes at h = 1.3/52 and 1.3/104 differ from p by C h; rk4's interpolant, of order 3, is what limits the methods that read it."""
    last = WEIGHTS * (TS[-1] == TS)[:, None] if method == "rk4" and gradient == "forward" else WEIGHTS
    exact = rn.grad(lambda *x: loss(x[0], TS, x[1], last), (0, 1))(Z0, FORCED_THETA)
    errors = []
    for n in (26, 52, 104):
        got = rn.grad(lambda *x, n=n: loss(x[0], TS, x[1], last, method=method, steps=n, gradient=gradient), (0, 1))(Z0, FORCED_THETA)
        errors.append([np.abs(x - y).max() for x, y in zip(got, exact, strict=True)])
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(slopes > p - 0.3), (errors, slopes)
    assert np.all(slopes < p + 1), (errors, slopes)


@ALONG
@pytest.mark.parametrize("method", ["radau5", "bdf", "kvaerno3"])
def test_implicit_methods(gradient, method):
    """A stiff system that is not symmetric: with df/dz in the place of its transpose most steps are rejected."""
    A, T = np.array([[-2.0, 1e3, 0.0], [0.0, -1e3, 0.5], [0.3, 0.0, -1.0]]), 1.3
    z0, w, stats = np.array([1.0, -0.5, 2.0]), np.array([1.0, 0.3, -0.7]), rn.Stats()
    got = rn.grad(lambda A: w @ rn.ODESolve(z0, linear, 0.0, T, A, method=method, gradient=gradient, rtol=1e-6, atol=1e-8, stats=stats))(A)
    exact = T * expm_frechet(T * A.T, np.outer(w, z0), compute_expm=False)
    assert np.abs(got - exact).max() < 40 * 1e-6 * np.abs(w).max() * 2  # Gamma: |exp(A t)| and |exp(A t)^T| < 2 in the maximum norm
    assert stats.backward.njev > 0
    assert stats.backward.rejected < 0.5 * stats.backward.accepted


def test_quadrature_gives_the_solver_its_jacobian(monkeypatch):
    asked = []
    monkeypatch.setattr(quadrature, "jacobian_of", lambda f: asked.append(f) or jacobian_of(f))
    rn.grad(lambda A: np.sum(rn.ODESolve(Z0, linear, 0.0, 1.0, A, backward_method="radau5", gradient="quadrature")))(np.eye(2))
    assert asked == [linear]


@ALL
def test_a_jacobian_of_the_users_is_that_of_z(gradient):
    """Of z alone: the equations of the gradient have others."""
    A, asked = np.array([[-2.0, 1.0], [0.5, -30.0]]), []
    jac = lambda z, t, A: asked.append(t) or A
    got = rn.grad(lambda A: np.sum(rn.ODESolve(Z0, linear, 0.0, 1.0, A, method="radau5", jac=jac, gradient=gradient)))(A)
    exact = expm_frechet(A.T, np.outer(np.ones(2), Z0), compute_expm=False)
    assert np.abs(got - exact).max() < 40 * 1e-6 * 2  # Gamma = 1, and |exact| < 1
    assert bool(asked) == (gradient != "forward")


def test_implicit_methods_that_are_refused():
    big = np.zeros((23, 23))
    z1 = lambda A, gradient: rn.ODESolve(np.ones(23), linear, 0.0, 1.0, A, backward_method="radau5", gradient=gradient)
    with pytest.raises(ValueError, match=r"of 552 unknowns.*gradient='quadrature'"):
        rn.grad(lambda A: np.sum(z1(A, "interpolating")))(big)
    assert np.allclose(rn.grad(lambda A: np.sum(z1(A, "quadrature")))(big), 1.0, rtol=0, atol=1e-12)  # A = 0: a = z = 1
    for gradient in ("interpolating", "quadrature"):
        with pytest.raises(ValueError, match="kvaerno5, which asks for z\\(t\\) beyond"):
            rn.grad(lambda theta, g=gradient: loss(Z0, TS, theta, backward_method="kvaerno5", gradient=g))(FORCED_THETA)
        by_other = rn.grad(lambda theta, g=gradient: loss(Z0, TS, theta, method="kvaerno5", rtol=1e-6, gradient=g))  # radau5 takes the way back
        assert np.abs(by_other(FORCED_THETA) - rn.grad(lambda theta: loss(Z0, TS, theta))(FORCED_THETA)).max() < 1e-4


@ALL
@SPANS
def test_switched_decay(gradient, span):
    """z' = -u(t) z, u constant by pieces: ln z1 = ln z0 - integral of u. Its values, its knots, one of them observed, and the times."""
    knots, values = np.array([-0.1, 0.4, 0.9, 1.3, 1.7, 2.3]), np.array([0.3, -1.2, 0.8, 2.0, -0.4, 0.7])
    u = rn.interpolate(knots, values, "constant")
    ts = np.array([span[0], 0.9, span[1]])
    by_u, by_ts = rn.grad(lambda *x: np.log(rn.odeint(lambda z, t, u: -u(t) * z, 1.5, x[1], x[0], gradient=gradient, **TIGHT))[-1], (0, 1))(u, ts)
    sign = math.copysign(1.0, span[1] - span[0])
    np.testing.assert_allclose(by_u.knots, -sign * np.array([0, *(values[:-1] - values[1:])[:-1], 0]), rtol=0, atol=TB)
    np.testing.assert_allclose(by_u.values, -sign * np.diff(np.clip(knots, 0, 2), append=2.0), rtol=0, atol=TB)
    np.testing.assert_allclose(by_ts, [u(span[0]), 0, -u(span[1])], rtol=0, atol=TB)


@ALL
def test_a_switch_at_a_jump_time(gradient):
    """z' = -a z before t = 1, -b z behind: z(3) = z0 exp(-a - 2 b); with fixed steps, too."""
    def f(z, t, theta):
        return -(theta["a"] if t < 1 else theta["b"]) * z

    exact, stats = 2 * math.exp(-0.7 + 0.8), rn.Stats()
    for keywords in (TIGHT, {"method": "rk4", "steps": 300, "stats": stats}):
        found = rn.grad(lambda theta, k=keywords: rn.ODESolve(2.0, f, 0.0, 3.0, theta, jump_ts=[1.0], gradient=gradient, **k))(
            {"a": np.array(0.7), "b": np.array(-0.4)})
        assert found["a"] == pytest.approx(-exact, rel=1e-8)
        assert found["b"] == pytest.approx(-2 * exact, rel=1e-8)
    assert stats.forward.accepted == 300
    assert stats.backward.accepted == (0 if gradient == "forward" else 300)


@ALL
@SPANS
def test_a_knot_at_the_end(gradient, span):
    """z' = u(t): dL/dt1 = u before t1, dL/dt0 = -u behind t0, both in the direction of the solve."""
    u = rn.interpolate([0.0, 1.0, 2.0, 3.0], [0.3, -1.2, 0.8, 2.0], "constant")
    by_ts = rn.grad(lambda ts: rn.odeint(lambda z, t, u: u(t), 0.0, ts, u, gradient=gradient)[-1])(np.array(span))
    assert by_ts == pytest.approx([-0.3, -1.2] if span[0] < span[1] else [1.2, 0.3], abs=1e-14)


@ALL
def test_trees_static_leaves_and_unused_parameters(gradient):
    def f(z, t, theta):
        rate = theta["A"] if theta["kind"] == "linear" else 0.0
        return {"x": rate @ z["x"], "y": (theta["rates"][0] * z["y"][0],)}

    theta = {"A": np.array([[0.0, 1.0], [-1.0, -0.1]]), "rates": [-0.5, 3.0], "kind": "linear", "unused": np.ones((2, 3)), "count": 7, "none": None,
             "index": np.array([0, 1])}
    z0, T = {"x": Z0, "y": (np.array(2.0),)}, TS[-1] - TS[0]
    zs, back = rn.pullback(lambda *x: rn.odeint(f, x[0], TS, x[1], gradient=gradient, **TIGHT), z0, theta)
    dz0, dtheta = back({"x": WEIGHTS * 0, "y": (np.array([0.0, 0.0, 0.0, 1.0]),)})
    assert zs["x"].shape == (4, 2)
    assert abs(dz0["y"][0] - np.exp(-0.5 * T)) < TB
    assert abs(dtheta["rates"][0] - T * 2 * np.exp(-0.5 * T)) < TB
    assert dtheta["rates"][1] == 0
    assert np.array_equal(dtheta["unused"], np.zeros((2, 3)))
    assert all(dtheta[key] is None for key in ("kind", "count", "none", "index"))


@ALL
def test_lists_and_float32(gradient):
    as_list = rn.grad(lambda z0: np.sum(WEIGHTS * rn.odeint(forced, z0, list(TS), FORCED_THETA, gradient=gradient, **TIGHT)))([0.5, -0.4])
    exact = rn.grad(lambda *x: loss(x[0], TS, x[1]), (0, 1))(Z0, FORCED_THETA)
    assert isinstance(as_list, list)
    assert np.abs(np.array(as_list) - exact[0]).max() < TB
    z0, theta = Z0.astype(np.float32), FORCED_THETA.astype(np.float32)
    single = rn.grad(lambda *x: loss(x[0], TS, x[1], rtol=1e-4, atol=1e-6, gradient=gradient), (0, 1))(z0, theta)
    for got, wanted in zip(single, exact, strict=True):
        assert got.dtype == np.float32
        assert np.abs(got - wanted).max() < 40 * 1e-4 * np.abs(WEIGHTS).max()  # |Phi| and |dz/dtheta| stay below 1


@ALL
def test_one_time_equal_times_and_nothing_to_learn(gradient):
    for ts in (np.array([0.3]), np.array([0.3, 0.3, 0.3])):
        weights = np.arange(1.0, 1 + 2 * len(ts)).reshape(-1, 2)
        dz0, dts, dtheta = rn.grad(lambda *x: np.sum(weights * rn.odeint(forced, *x, gradient=gradient)), (0, 1, 2))(Z0, ts, FORCED_THETA)
        assert np.array_equal(dz0, weights.sum(0))
        assert not dtheta.any()
        assert abs(dts.sum()) < 1e-12
    for theta in ((), None, 3):
        got = rn.grad(lambda z0, theta=theta: rn.ODESolve(z0, lambda z, t, theta: -z, 0.0, 1.0, theta, gradient=gradient, **TIGHT))(1.0)
        assert abs(got - np.exp(-1)) < TB


@ALL
def test_statistics_count_every_call(gradient):
    seen = []

    def f(z, t, theta):
        seen.append(t)
        return forced(z, t, theta)

    stats = rn.Stats()
    rn.grad(lambda theta: np.sum(WEIGHTS * rn.odeint(f, Z0, TS, theta, stats=stats, gradient=gradient)))(FORCED_THETA)
    assert stats.forward.nfe + stats.backward.nfe == len(seen)
    if gradient == "forward":
        assert stats.forward.nvjp == 2 * stats.forward.nfe  # one for each number of z
        assert (stats.backward.nfe, stats.backward.nvjp) == (len(TS), 0)
    else:
        assert stats.backward.nvjp == stats.backward.nfe - len(TS)  # the time gradients evaluate f once at each observation
    assert min(seen) >= TS[0]
    assert max(seen) <= TS[-1]
    assert math.isnan(stats.reconstruction_error)


@ALL
def test_scaling_the_loss_scales_the_gradient(gradient):
    """S26: to the bit, where c is a power of two."""
    gradient_of = lambda c: rn.grad(lambda *x: c * loss(x[0], TS, x[1], rtol=1e-4, atol=1e-5, gradient=gradient), (0, 1))(Z0, FORCED_THETA)
    plain = gradient_of(1.0)
    for c in (2.0**20, 2.0**-20):
        for one, other in zip(gradient_of(c), plain, strict=True):
            assert np.array_equal(one / c, other)


@ALONG
def test_backward_arguments_are_used(gradient):
    exact = rn.grad(lambda theta: loss(Z0, TS, theta))(FORCED_THETA)
    error = {rtol: np.abs(rn.grad(lambda theta, r=rtol: loss(Z0, TS, theta, gradient=gradient, backward_rtol=r, backward_atol=r))(FORCED_THETA)
                          - exact).max() for rtol in (1e-2, 1e-6, 1e-9)}
    assert error[1e-2] > 10 * error[1e-6] > 100 * error[1e-9]
    fixed_steps = rn.grad(lambda theta: loss(Z0, TS, theta, gradient=gradient, backward_method="rk4", steps=50))(FORCED_THETA)
    assert 0 < np.abs(fixed_steps - exact).max() < 1e-4  # h = 0.026: h^4 times constants of order one


@ALONG
def test_a_second_derivative_is_refused(gradient):
    z1 = lambda lam: rn.ODESolve(0.7, lambda z, t, lam: lam * z, 0.2, 1.7, lam, gradient=gradient)
    for nested in (lambda: rn.grad(rn.grad(z1))(-1.3), lambda: rn.hvp(z1, (-1.3,), (1.0,)), lambda: rn.jvp(z1, (-1.3,), (1.0,)),
                   lambda: rn.grad(lambda c: rn.grad(lambda lam: c * z1(lam))(-1.3))(2.0)):
        with pytest.raises(rn.TraceError, match="first derivatives only"):
            nested()


@ALONG
def test_a_failure_in_the_backward_solve_says_where(gradient):
    too_tight = {"rtol": 1e-5, "atol": 1e-8, "max_steps": 30, "backward_rtol": 1e-12, "backward_atol": 1e-12}
    with pytest.raises(rn.MaxStepsReached) as failure:
        rn.grad(lambda z: loss(z, TS, FORCED_THETA, gradient=gradient, **too_tight))(Z0)
    assert any("backward solve from ts[3]" in note and "loosen backward_rtol" in note for note in failure.value.__notes__)


@ALL
def test_a_closure_over_a_differentiated_value_is_refused(gradient):
    with pytest.raises(rn.TraceError, match="pass that value in theta"):
        rn.grad(lambda A: np.sum(rn.ODESolve(Z0, lambda z, t, th: th * (A @ z), 0.0, 1.0, np.sum(A), gradient=gradient)))(np.eye(2))


@ALL
def test_complex_values_are_refused(gradient):
    with pytest.raises(TypeError, match="real and imaginary part"):
        rn.grad(lambda theta: np.sum(np.abs(rn.odeint(lambda z, t, theta: theta * z, 1 + 1j, TS, theta, gradient=gradient))))(1.0)
    assert rn.odeint(lambda z, t, theta: theta * z, 1 + 1j, TS, 1.0, gradient=gradient).dtype == np.complex128
