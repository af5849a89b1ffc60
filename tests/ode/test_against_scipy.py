"""dopri5 is SciPy's RK45, bosh3 its RK23 and dop853 its DOP853, step for step. The differences that there are stand in the docstring of `solve`.

SciPy and refnode evaluate the same formulas in the same order, so that most runs agree bit for bit. A BLAS may round a sum of stages or of
squares in another way, though. The error estimate is a difference of numbers of the size of h k: rounding errors of some eps |h k| are
eps |h k| / tolerance in its ratio, and at most half of that, relatively, in the next h. With |h k| below 1, tolerances of tol / 10 at the
least, and 10 roundings in a sum of stages this makes 50 eps / tol.

The ratio of dop853 is r = 10 r_hat^2 / r_check. Where a step is to grow nearly tenfold, r is 0.09^8 = 4e-9, and r_hat the geometric mean of that
and r_check / 10, which is 1e-3 or more: 2e-6. A quarter of the relative error of so small a number is in the next h: 1e5 times the above.
"""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from refnode.ode.solve import solve


def pendulum(t, y):
    return np.array([y[1], -1.7 * math.sin(y[0]) - 0.2 * y[1] + 0.6 * math.cos(1.3 * t)])


def lotka_volterra(t, y):
    return np.array([1.1 * y[0] - 0.4 * y[0] * y[1], 0.1 * y[0] * y[1] - 0.4 * y[1]])


def switched(t, y):
    """A jump in the right-hand side: rejected steps."""
    return np.array([-y[0] + (5.0 if 1.2 < t < 1.5 else 0.0)])


def blow_up_later(t, y):
    return y * y * math.cos(t)


W = np.random.default_rng(0).normal(size=(2, 9, 9)) / 3


def network(t, y):
    return np.tanh(y @ W[0] + t) @ W[1]


PROBLEMS = {
    "pendulum": (pendulum, [1.2, -0.3], 0.0, 12.0),
    "lotka_volterra": (lotka_volterra, [10.0, 5.0], 0.0, 15.0),
    "switched": (switched, [0.5], 0.0, 4.0),
    "blow_up_later": (blow_up_later, [0.65], 0.0, 8.0),
    "network": (network, list(np.linspace(-1, 1, 9)), -1.0, 5.0),
    "at rest": (lambda t, y: 0 * y, [1.0, 0.0], 0.0, 3.0),
    "from zero": (lambda t, y: np.cos(y) + t, [0.0], 0.0, 2.0),
}


def bound(tolerance, method):
    size = 50 * 2.2e-16 / tolerance * (1e5 if method == "dop853" else 1)
    return {"rtol": size, "atol": size}


METHODS = pytest.mark.parametrize(("method", "theirs", "evaluations"), [("dopri5", "RK45", 6), ("bosh3", "RK23", 3), ("dop853", "DOP853", 12)])


@METHODS
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_step_for_step(problem, tolerance, backwards, method, theirs, evaluations):
    if (method, problem, tolerance) == ("dop853", "switched", 1e-8):
        pytest.skip("50 rejections at the jumps: one of them hangs on the last bit of a ratio")
    f, z0, t0, t1 = PROBLEMS[problem]
    if backwards:
        t0, t1 = t1, t0
        if problem == "lotka_volterra":
            t1 = t0 - 6.0  # further back the predators' number grows without bound
    seen = []

    def counted(t, y):
        seen.append(t)
        return f(t, y)

    ts = np.linspace(t0, t1, 23)
    reference = solve_ivp(counted, (t0, t1), z0, method=theirs, rtol=tolerance, atol=tolerance / 10, dense_output=True)
    times_scipy, seen = seen, []
    sol = solve(lambda z, t, _: counted(t, z), z0, ts, method=method, rtol=tolerance, atol=tolerance / 10, dense=True)
    assert reference.status == sol.status == 0
    tries, extra = sol.stats.accepted + sol.stats.rejected, 3 * sol.stats.accepted if method == "dop853" else 0  # stages of the dense output
    assert sol.stats.nfe == reference.nfev == len(seen) == 2 + evaluations * tries + extra  # S5
    assert sol.stats.accepted == len(reference.t) - 1
    np.testing.assert_allclose(sol.t_steps, reference.t, **bound(tolerance, method))
    np.testing.assert_allclose(seen, times_scipy, **bound(tolerance, method))  # rejected tries, too
    np.testing.assert_allclose(sol(reference.t), reference.y.T, **bound(tolerance, method))
    np.testing.assert_allclose(sol.zs, reference.sol(ts).T, **bound(tolerance, method))


@METHODS
@pytest.mark.parametrize("setting", [{"max_step": 0.3}, {"first_step": 0.01}, {"first_step": 2.0, "max_step": 1.5}], ids=str)
def test_step_bounds(method, theirs, evaluations, setting):
    f, z0, t0, t1 = PROBLEMS["pendulum"]
    reference = solve_ivp(f, (t0, t1), z0, method=theirs, rtol=1e-5, atol=1e-8, **setting)
    sol = solve(lambda z, t, _: f(t, z), z0, [t0, t1], method=method, rtol=1e-5, atol=1e-8, **setting)
    np.testing.assert_allclose(sol.t_steps, reference.t, **bound(1e-6, method))
    assert sol.stats.nfe == reference.nfev


@METHODS
def test_tolerances_by_component(method, theirs, evaluations):
    f, z0, t0, t1 = PROBLEMS["lotka_volterra"]
    atol = np.array([1e-2, 1e-7])
    reference = solve_ivp(f, (t0, t1), z0, method=theirs, rtol=1e-6, atol=atol)
    sol = solve(lambda z, t, _: f(t, z), z0, [t0, t1], method=method, rtol=1e-6, atol=atol)
    np.testing.assert_allclose(sol.t_steps, reference.t, **bound(1e-6, method))
    assert sol.stats.nfe == reference.nfev


@METHODS
def test_complex_states(method, theirs, evaluations):
    f = lambda t, y: (0.3j - 0.1 * t) * y + 1j * y * y
    z0 = np.array([0.3 + 0.1j, -0.2j])
    reference = solve_ivp(f, (0.0, 3.0), z0, method=theirs, rtol=1e-6, atol=1e-8)
    sol = solve(lambda z, t, _: f(t, z), z0, [0.0, 3.0], method=method, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(sol.t_steps, reference.t, **bound(1e-6, method))
    np.testing.assert_allclose(sol.zs[-1], reference.y[:, -1], **bound(1e-6, method))
    assert sol.stats.nfe == reference.nfev


def test_a_time_at_a_knot_gets_the_state_where_scipy_interpolates():
    f, z0, t0, t1 = PROBLEMS["pendulum"]
    knots = solve(lambda z, t, _: f(t, z), z0, [t0, t1], dense=True)
    sol = solve(lambda z, t, _: f(t, z), z0, knots.t_steps, dense=True)
    np.testing.assert_array_equal(sol.t_steps, knots.t_steps)
    np.testing.assert_array_equal(sol.zs, knots(knots.t_steps))
    np.testing.assert_array_equal(sol.zs[-1], knots.zs[-1])


def test_beyond_the_end_scipy_looks_and_we_do_not():
    """The last stage of the last step is at t1 itself; t + h may be one rounding error away from it."""
    rng = np.random.default_rng(5)
    for t0, t1 in rng.uniform(-20, 20, size=(50, 2)):
        seen = []
        solve(lambda z, t, _: seen.append(t) or np.cos(3 * t) - z, [0.4], [t0, t1], rtol=1e-4)
        assert min(t0, t1) <= min(seen) and max(seen) <= max(t0, t1) and seen[-1] == t1


def test_a_nan_is_a_rejection_where_scipy_stops():
    f = lambda z: z + 0 * np.sqrt(20 - z)
    end = math.log(19.9)
    with np.errstate(invalid="ignore"):
        sol = solve(lambda z, t, _: f(z), [1.0], [0.0, end], rtol=1e-3, atol=1e-6, first_step=3.2)
    assert sol.status == 0 and sol.stats.rejected > 0
    assert abs(sol.zs[-1, 0] - 19.9) < 20 * 1e-3 * 19.9
