"""odeint and ODESolve as differentiable operations: several observations, trees, statistics, refusals."""

import tracemalloc

import numpy as np
import pytest

import refnode as rn
from refnode.gradients.backward import seminorm
from refnode.gradients.select import GRADIENTS
from refnode.tree import Raveler
from tests.gradients.test_algorithms import TB, TIGHT, difference
from tests.zoo import FORCED_THETA, autonomous_mlp, forced, mlp_parameters

TS = np.array([0.3, 0.7, 1.0, 1.6])
WEIGHTS = np.array([[0.3, 0.18], [-1.0, -1.4], [2.0, 1.2], [0.5, 0.7]])
Z0 = np.array([0.5, -0.4])


def loss(z0, ts, theta, weights=WEIGHTS, **keywords):
    return np.sum(weights * rn.odeint(forced, z0, ts, theta, **(TIGHT | keywords)))


@pytest.mark.parametrize("direction", [1, -1])
def test_gradients_against_differences(direction):
    """S13, S14, S81: an irregular grid, the first observation included, weights of both signs, both directions of time."""
    ts = TS[::direction]
    gradients = rn.grad(loss, (0, 1, 2))(Z0, ts, FORCED_THETA)
    assert np.abs(gradients[0] - difference(lambda z: loss(z, ts, FORCED_THETA), Z0)).max() < 1e-8
    assert np.abs(gradients[1] - difference(lambda t: loss(Z0, t, FORCED_THETA), ts)).max() < 1e-8
    assert np.abs(gradients[2] - difference(lambda theta: loss(Z0, ts, theta), FORCED_THETA)).max() < 1e-8


def test_the_adjoint_jumps_by_the_observation():
    """S13: the gradient of one weight is the gradient of the problem that ends there, and the weights add up."""
    whole = rn.grad(loss)(Z0, TS, FORCED_THETA)
    parts = [rn.grad(lambda z, i=i: WEIGHTS[i] @ rn.ODESolve(z, forced, TS[0], TS[i], FORCED_THETA, **TIGHT))(Z0) for i in range(4)]
    assert np.abs(whole - sum(parts)).max() < TB


def test_an_observation_at_the_start_enters_dLdz0_only():
    """S14."""
    only_first = WEIGHTS * np.array([[1.0], [0.0], [0.0], [0.0]])
    dz0, dts, dtheta = rn.grad(lambda *x: loss(*x, weights=only_first), (0, 1, 2))(Z0, TS, FORCED_THETA)
    assert np.array_equal(dz0, WEIGHTS[0])
    assert not dts.any()
    assert not dtheta.any()


@pytest.mark.parametrize("extra", [1, 3, 10])
def test_extra_observations_without_weight_change_nothing(extra):
    """S15."""
    more = np.sort(np.append(TS, np.random.default_rng(extra).uniform(TS[0], TS[-1], extra)))
    weights = np.zeros((len(more), 2))
    weights[np.searchsorted(more, TS)] = WEIGHTS
    assert np.abs(rn.grad(lambda z: loss(z, more, FORCED_THETA, weights))(Z0) - rn.grad(loss)(Z0, TS, FORCED_THETA)).max() < TB


def test_shift_invariance_of_autonomous_dynamics():
    """S81: the gradients by the times sum to zero where f does not depend on t."""
    (W1, _, b1), (W2, b2) = mlp_parameters(np.random.default_rng(1), 2, 4)
    dts = rn.grad(lambda ts: np.sum(WEIGHTS * rn.odeint(autonomous_mlp, Z0, ts, ((W1, b1), (W2, b2)), **TIGHT)))(TS)
    assert abs(dts.sum()) < TB
    assert np.abs(dts).min() > 1e-3


def test_second_derivatives_by_closed_form():
    """S21, P01: d2 z1/d lam2 = T^2 z1; P14: d2 z1/dz0^2 = -6 theta T z0 (1 + 2 theta z0^2 T)^(-5/2)."""
    lam, z0, T = -1.3, 0.7, 1.5
    z1 = lambda lam: rn.ODESolve(z0, lambda z, t, lam: lam * z, 0.2, 0.2 + T, lam, **TIGHT)
    assert abs(rn.grad(rn.grad(z1))(lam) - T**2 * z0 * np.exp(lam * T)) < TB
    theta, z0, T = 0.5, 1.2, 2.0
    z1 = lambda z0: rn.ODESolve(z0, lambda z, t, theta: -theta * z * z * z, 0.0, T, theta, **TIGHT)
    assert abs(rn.grad(rn.grad(z1))(z0) + 6 * theta * T * z0 * (1 + 2 * theta * z0**2 * T) ** -2.5) < TB


def test_hessian_vector_product_through_observations():
    """The Hessian in (z0, theta) is symmetric, and its products agree with differences of the gradient."""
    v = (np.array([0.3, -0.7]), np.array([0.2, 0.1, -0.5, 0.4]))
    f = lambda z0, theta: loss(z0, TS, theta, rtol=1e-10, atol=1e-12)
    product = rn.hvp(f, (Z0, FORCED_THETA), v)
    h = 1e-4  # error h^4 / 30 times a fifth derivative, and 1e-9 / h for the solver's tolerance
    gradient = lambda s: rn.grad(f, (0, 1))(Z0 + s * v[0], FORCED_THETA + s * v[1])
    by_difference = [(8 * (p - m) - (pp - mm)) / (12 * h)
                     for p, m, pp, mm in zip(gradient(h), gradient(-h), gradient(2 * h), gradient(-2 * h), strict=True)]
    for one, other in zip(product, by_difference, strict=True):
        assert np.abs(one - other).max() < 2e-5


def test_inside_any_loss_and_with_float32():
    z0 = Z0.astype(np.float32)
    value, gradient = rn.value_and_grad(lambda z: np.log(np.sum(np.square(rn.odeint(forced, z, TS, FORCED_THETA, rtol=1e-4, atol=1e-6)))))(z0)
    assert value.dtype == gradient.dtype == np.float32
    tight = rn.grad(lambda z: np.log(np.sum(np.square(rn.odeint(forced, z, TS, FORCED_THETA, **TIGHT)))))(Z0)
    assert np.abs(gradient - tight).max() < 1e-3  # rtol 1e-4, Gamma < 10


def test_trees_static_leaves_and_unused_parameters():
    def f(z, t, theta):
        rate = theta["A"] if theta["kind"] == "linear" else 0.0
        return {"x": rate @ z["x"], "y": (theta["rates"][0] * z["y"][0],)}

    theta = {"A": np.array([[0.0, 1.0], [-1.0, -0.1]]), "rates": [-0.5, 3.0], "kind": "linear", "unused": np.ones((2, 3)), "count": 7, "none": None,
             "index": np.array([0, 1]), "call": np.sin}
    z0 = {"x": Z0, "y": (np.array(2.0),)}
    zs, back = rn.pullback(lambda z0, theta: rn.odeint(f, z0, TS, theta, **TIGHT), z0, theta)
    assert zs["x"].shape == (4, 2)
    assert zs["y"][0].shape == (4,)
    dz0, dtheta = back({"x": WEIGHTS, "y": (np.array([0.0, 0.0, 0.0, 1.0]),)})
    T = TS[-1] - TS[0]
    assert abs(dz0["y"][0] - np.exp(-0.5 * T)) < TB
    assert abs(dtheta["rates"][0] - T * 2 * np.exp(-0.5 * T)) < TB
    assert dtheta["rates"][1] == 0
    assert np.array_equal(dtheta["unused"], np.zeros((2, 3)))
    assert all(dtheta[key] is None for key in ("kind", "count", "none", "index", "call"))


def test_lists_of_numbers_are_arrays_and_get_lists_back():
    gradient = rn.grad(lambda z0: np.sum(WEIGHTS * rn.odeint(forced, z0, list(TS), FORCED_THETA, **TIGHT)))([0.5, -0.4])
    assert isinstance(gradient, list)
    assert np.allclose(gradient, rn.grad(loss)(Z0, TS, FORCED_THETA), rtol=0, atol=1e-14)


def test_dynamics_that_return_lists():
    as_list = lambda z, t, theta: [z[1], -theta[0] * np.sin(z[0]) - theta[1] * z[1] + theta[2] * np.cos(theta[3] * t)]
    gradient = rn.grad(lambda z: np.sum(WEIGHTS * rn.odeint(as_list, z, TS, FORCED_THETA, **TIGHT)))(Z0)
    assert np.array_equal(gradient, rn.grad(loss)(Z0, TS, FORCED_THETA))


def test_a_dynamics_with_its_own_pullback_is_not_traced():
    calls = []

    def f(z, t, lam):
        assert isinstance(z, np.ndarray)
        return lam * z

    def pullback(z, t, lam):
        calls.append(t)
        return lam * z, lambda g: (lam * g, 0.0, np.sum(g * z))

    f.pullback = pullback
    gradient = rn.grad(lambda lam: np.sum(rn.ODESolve(Z0, f, 0.0, 1.0, lam, **TIGHT)))(-0.7)
    assert calls
    assert abs(gradient - np.sum(Z0) * np.exp(-0.7)) < TB


def test_a_closure_over_a_differentiated_value_is_refused():
    with pytest.raises(rn.TraceError, match="pass that value in theta"):
        rn.grad(lambda A: np.sum(rn.ODESolve(Z0, lambda z, t, _: A @ z, 0.0, 1.0)))(np.eye(2))
    with pytest.raises(rn.TraceError, match="pass that value in theta"):
        rn.grad(lambda A: np.sum(rn.ODESolve(Z0, lambda z, t, th: th * (A @ z), 0.0, 1.0, np.sum(A))))(np.eye(2))


def test_one_time_and_equal_times():
    for ts in (np.array([0.3]), np.array([0.3, 0.3, 0.3])):
        weights = np.arange(1.0, 1 + 2 * len(ts)).reshape(-1, 2)
        dz0, dts, dtheta = rn.grad(lambda *x: np.sum(weights * rn.odeint(forced, *x)), (0, 1, 2))(Z0, ts, FORCED_THETA)
        assert np.array_equal(dz0, weights.sum(0))
        assert not dtheta.any()
        assert abs(dts.sum()) < 1e-12  # dL/dt_0 = -(g_1 + g_2) . f, and dL/dt_i = g_i . f at the same point


def test_repeated_times():
    """z' = -z at [0, .5, .5, 1, 1], L = sum: dL/dz0 = 1 + 2 e^-.5 + 2 e^-1."""
    gradient = rn.grad(lambda z: np.sum(rn.odeint(lambda z, t, _: -z, z, [0, 0.5, 0.5, 1, 1], **TIGHT)))(1.0)
    assert abs(gradient - (1 + 2 * np.exp(-0.5) + 2 * np.exp(-1))) < TB


def test_inputs_are_left_alone():
    z0, ts, theta, weights = Z0.copy(), TS.copy(), FORCED_THETA.copy(), WEIGHTS.copy()
    rn.grad(loss, (0, 1, 2))(z0, ts, theta, weights)
    assert np.array_equal(z0, Z0)
    assert np.array_equal(ts, TS)
    assert np.array_equal(theta, FORCED_THETA)
    assert np.array_equal(weights, WEIGHTS)
    assert z0.flags.writeable
    assert theta.flags.writeable


def test_statistics_count_every_call():
    seen = []

    def f(z, t, theta):
        seen.append(t)
        return forced(z, t, theta)

    stats = rn.Stats()
    rn.grad(lambda z: np.sum(WEIGHTS * rn.odeint(f, z, TS, FORCED_THETA, stats=stats)))(Z0)
    assert stats.forward.nfe + stats.backward.nfe == len(seen)
    assert stats.backward.nvjp == stats.backward.nfe - len(TS)  # the time gradients evaluate f once at each observation
    assert min(seen) >= TS[0]
    assert max(seen) <= TS[-1]
    assert 0 < stats.reconstruction_error < 100


def test_scaling_the_loss_scales_the_gradient():
    """S26: the backward tolerance is relative to the cotangents, so that c L has c times the gradient of L (c a power of two: to the bit)."""
    keywords = {"rtol": 1e-4, "atol": 1e-5}
    plain = rn.grad(lambda z: loss(z, TS, FORCED_THETA, **keywords))(Z0)
    for c in (2.0**20, 2.0**-20):
        assert np.array_equal(rn.grad(lambda z, c=c: c * loss(z, TS, FORCED_THETA, **keywords))(Z0) / c, plain)


def test_backward_arguments_are_used():
    exact = rn.grad(loss)(Z0, TS, FORCED_THETA)
    error = {rtol: np.abs(rn.grad(lambda z, r=rtol: loss(z, TS, FORCED_THETA, backward_rtol=r, backward_atol=r))(Z0) - exact).max()
             for rtol in (1e-2, 1e-6, 1e-9)}
    assert error[1e-2] > 10 * error[1e-6] > 100 * error[1e-9]
    stats = {norm: rn.Stats() for norm in ("rms", "seminorm")}
    for norm, s in stats.items():
        rn.grad(lambda theta, norm=norm, s=s: loss(Z0, TS, theta, backward_norm=norm, stats=s))(FORCED_THETA)
    assert stats["seminorm"].backward.nfe <= stats["rms"].backward.nfe
    fixed = rn.grad(lambda z: loss(z, TS, FORCED_THETA, backward_method="rk4", steps=50))(Z0)
    assert 0 < np.abs(fixed - exact).max() < 1e-4  # h = 0.026: h^4 times constants of order one


def test_fixed_steps_both_ways():
    """The adjoint of a fixed-step solve converges to the exact gradient with the order of the method."""
    exact = rn.grad(loss)(Z0, TS, FORCED_THETA)
    errors = [np.abs(rn.grad(lambda z, n=n: np.sum(WEIGHTS * rn.odeint(forced, z, TS, FORCED_THETA, method="midpoint", steps=n)))(Z0) - exact).max()
              for n in (26, 52, 104)]
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(slopes - 2) < 0.3), (errors, slopes)


def contracting(z, t, lam):
    return lam * (np.sin(t) - z)


def contracting_observed(lam, ts):
    """The exact solution from z(0) = 1: p sin t - q cos t + (1 + q) e^(-lam t), p = lam^2 / (1 + lam^2), q = lam / (1 + lam^2)."""
    p, q = lam * lam / (1 + lam * lam), lam / (1 + lam * lam)
    return p * np.sin(ts) - q * np.cos(ts) + (1 + q) * np.exp(-lam * ts)


def test_reconstruction_is_measured_and_warned_about():
    """lam = 50, T = 10, rtol = atol = 1e-6. 101 observations: below 100 tolerances; 81: a warning with the remedy; 11 and 2: no number."""
    def gradient(n, stats):
        ts, weights = np.linspace(0, 10, n), np.cos(7 * np.arange(n))
        return rn.grad(lambda lam: weights @ rn.odeint(contracting, 1.0, ts, lam, rtol=1e-6, atol=1e-6, stats=stats))(50.0)

    stats = rn.Stats()
    exact = rn.grad(lambda lam: np.cos(7 * np.arange(101)) @ contracting_observed(lam, np.linspace(0, 10, 101)))(50.0)
    assert abs(gradient(101, stats) - exact) < 1e-3 * abs(exact)
    assert 10 < stats.reconstruction_error < 100
    with pytest.warns(rn.ReconstructionWarning, match="add observation times"):
        gradient(81, rn.Stats())
    for n in (11, 2):
        with pytest.raises(rn.ReconstructionError, match="add observation times"):
            gradient(n, rn.Stats())


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_where_the_state_cannot_be_found_again(gradient):
    """What README says of lam = 50, z(0) = 1, ts = [0, 10], L = z(10), rtol = atol = 1e-6: the right number, within 1e-4, or none."""
    method = {"method": "reversible_heun", "max_steps": 2000} if gradient == "reversible" else {}

    def found():
        return rn.grad(lambda lam: rn.odeint(contracting, 1.0, [0.0, 10.0], lam, rtol=1e-6, atol=1e-6, gradient=gradient, **method)[-1])(50.0)

    if gradient in ("adjoint", "reversible"):
        with pytest.raises(rn.SolverError):
            found()
    else:
        exact = rn.grad(lambda lam: contracting_observed(lam, 10.0))(50.0)
        assert abs(found() - exact) < 1e-4 * abs(exact)


def test_a_failure_in_the_backward_solve_says_where():
    with pytest.raises(rn.MaxStepsReached) as failure:
        rn.grad(lambda z: loss(z, TS, FORCED_THETA, rtol=1e-5, atol=1e-8, max_steps=30, backward_rtol=1e-12, backward_atol=1e-12))(Z0)
    assert any("backward solve" in note for note in failure.value.__notes__)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="the methods are adjoint"):
        rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="adjont")
    with pytest.raises(TypeError, match="tolerance"):
        rn.odeint(forced, Z0, TS, FORCED_THETA, tolerance=1e-3)
    with pytest.raises(rn.TraceError, match="odeint"):
        rn.grad(lambda z: np.sum(rn.solve(forced, z, TS, FORCED_THETA).zs))(Z0)


def peak(function):
    function()
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_of_the_adjoint_is_flat():
    """S19: with two observations the peak does not depend on the number of steps (50 times more: within 1.2); a recording solve grows."""
    rng = np.random.default_rng(0)
    (W1, _, b1), (W2, b2) = mlp_parameters(rng, 64, 64, scale=0.05)
    theta, z0 = ((W1, b1), (W2, b2)), rng.normal(size=64)

    def gradient(steps):
        return lambda: rn.grad(lambda z: np.sum(rn.ODESolve(z, autonomous_mlp, 0.0, 1.0, theta, method="rk4", steps=steps)))(z0)

    def recording(steps):
        return lambda: rn.solve(autonomous_mlp, z0, [0.0, 1.0], theta, method="rk4", steps=steps, dense=True)

    assert peak(gradient(500)) <= 1.2 * peak(gradient(10))
    assert peak(recording(500)) > 5 * peak(recording(10))


def test_the_seminorm_sees_z_and_a_and_nothing_else():
    """The flat error of (z, a, dL/dtheta), z a tree of 2 + 3 numbers: the largest root mean square over the leaves of z and of a."""
    norm = seminorm(Raveler((np.zeros(2), np.zeros((1, 3)))))
    for place, expected in ((0, np.sqrt(1 / 2)), (4, np.sqrt(1 / 3)), (5, np.sqrt(1 / 2)), (9, np.sqrt(1 / 3)), (10, 0.0), (13, 0.0)):
        error = np.zeros(14)
        error[place] = 1.0
        assert norm(error) == pytest.approx(expected, rel=1e-15)


def test_the_backward_solve_of_methods_that_cannot_take_it():
    """leapfrog's (z, a, dL/dtheta) is no (q, p): rk4 with the same steps takes the way back. A pendulum; differences of a tight solve."""
    def loss(theta, **how):
        z0 = (np.array([1.0]), np.array([0.2]))
        return np.sum(rn.odeint(lambda z, t, theta: (z[1], -theta * np.sin(z[0])), z0, [0.0, 1.0, 2.0], theta, **how)[0])
    found = rn.grad(lambda theta: loss(theta, method="leapfrog", steps=400))(1.3)
    tight = {"rtol": 1e-11, "atol": 1e-13}
    assert found == pytest.approx((loss(1.3 + 1e-5, **tight) - loss(1.3 - 1e-5, **tight)) / 2e-5, rel=1e-4)


def test_linear_systems_that_are_too_large():
    A = np.zeros((23, 23))
    with pytest.raises(ValueError, match=r"\(z, a, dL/dtheta\) by radau5 would take linear systems of 575 unknowns.*gradient='quadrature'"):
        rn.grad(lambda A: np.sum(rn.ODESolve(np.ones(23), lambda z, t, A: A @ z, 0.0, 1.0, A, method="radau5")))(A)


@pytest.mark.parametrize("method", ["implicit_euler", "kvaerno3", "kvaerno5", "bdf"])
def test_implicit_methods_take_complex_states(method):
    """Jacobians by differences, since the engine is for real numbers: z' = i z, to 1000 tolerances (implicit_euler is of order 1)."""
    z1 = rn.solve(lambda z, t, theta: 1j * z, np.array([1.0 + 0j]), [0.0, 1.0], method=method, rtol=1e-5, atol=1e-7).zs[-1, 0]
    assert abs(z1 - np.exp(1j)) < 1e-2


def test_controllers_where_there_is_nothing_to_control():
    for keywords in ({"method": "radau5"}, {"method": "adams"}, {"steps": 3}):
        with pytest.raises(ValueError, match="controller='PI' is for explicit one-step methods"):
            rn.solve(lambda z, t, theta: -z, 1.0, [0.0, 1.0], controller="PI", **keywords)


def test_an_argument_of_another_gradient_is_named_as_such():
    with pytest.raises(TypeError, match="checkpoints is an argument of gradient='checkpointed' alone"):
        rn.odeint(lambda z, t, theta: -z, 1.0, [0.0, 1.0], checkpoints=4)
