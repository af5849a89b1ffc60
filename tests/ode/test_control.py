"""The controller as tables of numbers, and the wiring of stages, nodes and weights."""

import itertools
import math
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnode.ode.control import CONTROLLERS, error_ratio, first_guess, max_norm, next_step, norm_over, rms, starting_step
from refnode.ode.runge_kutta import RungeKuttaStep, rk_step
from refnode.ode.solve import solve
from refnode.ode.tableau import Tableau
from refnode.ode.tableaus import TABLEAUS

NAN, INF = math.nan, math.inf

#          h,    ratio,      q_hat, rejected before -> accepted, next h
NEXT = [
    (1.0, 0.0, 4, False, True, 10.0),               # no error at all: as far as allowed
    (1.0, 1e-10, 4, False, True, 10.0),             # 0.9 1e2 is cut at 10
    (2.0, 0.9**5, 4, False, True, 2.0),             # 0.9 / 0.9
    (2.0, (0.9 / 4) ** 5, 4, False, True, 8.0),     # 0.9 x 4 / 0.9
    (2.0, (0.9 / 4) ** 5, 4, True, True, 2.0),      # no growth after a rejection
    (2.0, 0.99, 4, True, True, 2.0 * 0.9 * 0.99**-0.2),
    (1.0, 1.0, 4, False, False, 0.9),               # 1 is not below 1
    (1.0, 32.0, 4, False, False, 0.45),             # 0.9 / 2
    (1.0, 8.0, 2, False, False, 0.45),              # 0.9 / 2 for an estimate of order 2
    (1.0, 1e10, 4, False, False, 0.2),              # 0.009 is cut at 0.2
    (1.0, INF, 4, False, False, 0.2),
    (1.0, NAN, 4, False, False, 0.2),               # NaN is a rejection
    (1.0, NAN, 4, True, False, 0.2),
    (1e-300, 1e-10, 4, False, True, 1e-299),
]


@pytest.mark.parametrize(("h", "ratio", "q_hat", "rejected", "accepted", "wanted"), NEXT)
def test_next_step(h, ratio, q_hat, rejected, accepted, wanted):
    found = next_step(h, ratio, q_hat + 1, rejected)
    assert found[0] is accepted
    assert found[1] == pytest.approx(wanted, rel=1e-15 * 8)  # one power and two products


@given(ratio=st.floats(min_value=0) | st.just(NAN), h=st.floats(1e-100, 1e100), q_hat=st.integers(1, 8), rejected=st.booleans())
def test_next_step_stays_within_its_factors(ratio, h, q_hat, rejected):
    accepted, found = next_step(h, ratio, q_hat + 1, rejected)
    assert accepted == (ratio < 1)
    assert (0.2 * h <= found <= 0.9 * h) if not accepted else (0.9 * h * (1 - 1e-15) <= found <= (h if rejected else 10 * h))


#  controller, r_n,  r_{n-1}, r_{n-2}, k -> the factor on h
FACTORS = [
    ("PI", 0.5, 0.3, 0.7, 5, 0.9 * 0.5**-0.17 * 0.3**0.04),  # Hairer's dopri5: expo1 = 0.2 - 0.75 beta, beta = 0.04
    ("PI", 0.5, 1.0, 1.0, 5, 0.9 * 0.5**-0.17),
    ("PI", 0.5, 0.3, 0.7, 3, 0.9 * 0.5 ** (-0.85 / 3) * 0.3 ** (0.2 / 3)),
    ("PID", 0.5, 0.3, 0.7, 5, 0.9 * 0.5**-0.116 * 0.3**0.042 * 0.7**-0.02),
    ("PID", 0.5, 0.3, 0.7, 2, 0.9 * 0.5**-0.29 * 0.3**0.105 * 0.7**-0.05),
    ("I", 0.5, 0.3, 0.7, 5, 0.9 * 0.5**-0.2),
    ("PI", 0.5, 1e-9, 0.7, 5, 0.9 * 0.5**-0.17 * 1e-4**0.04),  # an earlier ratio counts as 1e-4 at least: 0^0.04 would stop all growth
    ("PI", 0.5, 0.0, 0.7, 5, 0.9 * 0.5**-0.17 * 1e-4**0.04),
    ("PID", 0.5, 0.3, 0.0, 5, 0.9 * 0.5**-0.116 * 0.3**0.042 * 1e-4**-0.02),
    ("PI", 0.0, 0.3, 0.7, 5, 10.0),
    ("PID", 1e-30, 0.3, 0.7, 5, 10.0),
]


@pytest.mark.parametrize(("controller", "r", "r1", "r2", "k", "factor"), FACTORS)
def test_next_step_of_the_other_controllers(controller, r, r1, r2, k, factor):
    exponents = CONTROLLERS[controller]
    close = {"rel": 8 * 4.4e-16}  # 3 powers, 3 products
    assert next_step(2.0, r, k, False, exponents, (r1, r2)) == (True, pytest.approx(2 * factor, **close))
    assert next_step(2.0, r, k, True, exponents, (r1, r2)) == (True, pytest.approx(2 * min(1, factor), **close))
    assert next_step(2.0, 5.0, k, False, exponents, (r1, r2)) == (False, pytest.approx(1.8 * 5 ** (-1 / k), **close))  # the first factor alone
    assert next_step(2.0, NAN, k, False, exponents, (r1, r2)) == (False, 0.4)


def test_the_smallest_factor_of_an_accepted_step():
    """After a step with r = 1e-4, one with r just below 1: PI asks for 0.9 1e-4^(0.2 / k), which for k = 1 is cut at 0.2."""
    assert next_step(1.0, 1 - 1e-16, 1, False, CONTROLLERS["PI"], (1e-4, 1.0)) == (True, 0.2)


@pytest.mark.parametrize("method", ["heun", "bosh3", "dopri5", "dop853"])
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_the_controller_in_a_solve(controller, method):
    """Each step that was tried, from the ratios of those before: the recursion, written out."""
    k = {"heun": 2, "bosh3": 3, "dopri5": 5, "dop853": 8}[method]
    exponents = {"I": (1, 0, 0), "PI": (0.85, -0.2, 0), "PID": (0.58, -0.21, 0.1)}[controller]
    f = lambda z, t, _: np.array([z[1], 5 * (1 - z[0] ** 2) * z[1] - z[0]])
    sol = solve(f, [2.0, 0.1], [0.0, 6.0], method=method, rtol=1e-4, atol=1e-4, controller=controller, dense=True, first_step=0.5)
    tried, accepted, rejected = sol.attempts, [1.0, 1.0], False
    assert tried["h"][0] == 0.5 and not tried["accepted"].all()
    for now, then in itertools.pairwise(tried[:-1]):  # the last step ends at t1
        r = now["ratio"]
        factor = min(10, 0.9 * r ** (-exponents[0] / k) * np.prod([max(x, 1e-4) ** (-b / k) for b, x in zip(exponents[1:], accepted, strict=True)]))
        if not now["accepted"]:
            factor = 0.9 * r ** (-1 / k)
        elif rejected:
            factor = min(1, factor)
        assert then["h"] == pytest.approx(max(0.2, factor) * now["h"], rel=1e-10)  # h is t1 - t: eps t / h, over steps down to 1e-4
        if now["accepted"]:
            accepted = [r, accepted[0]]
        rejected = not now["accepted"]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("method", ["heun", "bosh3", "dopri5", "tsit5", "dop853", "alf", "reversible_heun"])
@pytest.mark.parametrize("controller", CONTROLLERS)
def test_controllers_meet_the_tolerance(controller, method, backwards):
    """z' = z^2 cos t. dz(t1)/dz(t) = (z(t1) / z(t))^2 is at most 9, and errors per step at most the tolerance; fewer than 10 tolerances remain."""
    z = lambda t: 1 / (2 - np.sin(t))
    ts = np.array([3.1, 0.3] if backwards else [0.3, 3.1])
    for tol in (1e-4, 1e-6):
        sol = solve(lambda z, t, _: z * z * math.cos(t), z(ts[0]), ts, method=method, rtol=tol, atol=tol, controller=controller)
        assert abs(sol.zs[-1] - z(ts[1])) < 10 * tol


@pytest.mark.parametrize(("method", "share"), [("dopri5", 0.4), ("tsit5", 0.4)])
@pytest.mark.parametrize("controller", ["PI", "PID"])
def test_damped_step_sizes_where_stability_limits_them(controller, method, share):
    """Van der Pol, mu = 30: I goes to and fro across the border of stability (138 and 238 rejections); the others, to less than half, settle there.

    Measured: 22-27 rejections, and |log h_{n+1} / h_n| on average a fifth of that with I. HNW IV.2
    """
    f = lambda z, t, _: np.array([z[1], 30 * (1 - z[0] ** 2) * z[1] - z[0]])
    runs = [solve(f, [2.0, 0.0], [0.0, 60.0], method=method, rtol=1e-4, atol=1e-4, controller=name) for name in ("I", controller)]
    assert runs[1].stats.rejected < share * runs[0].stats.rejected and runs[1].stats.nfe < runs[0].stats.nfe
    restless = [np.abs(np.diff(np.log(np.diff(run.t_steps[len(run.t_steps) // 4: -len(run.t_steps) // 4])))).mean() for run in runs]
    assert restless[1] < share * restless[0]


#          z,          f0,        scale, length -> h0, d1
FIRST = [
    ([3.0, 4.0], [0.3, 0.4], 1.0, 9.0, 0.1, math.sqrt(0.125)),  # 0.01 |z| / |f0|
    ([0.0, 0.0], [1.0, 1.0], 1.0, 9.0, 1e-6, 1.0),              # nothing to compare with
    ([1.0, 1.0], [0.0, 0.0], 1.0, 9.0, 1e-6, 0.0),
    ([3.0, 4.0], [0.3, 0.4], 1.0, 0.01, 0.01, math.sqrt(0.125)),  # not beyond the end
    ([1e-9, 0.0], [1e-9, 0.0], 1e-6, 9.0, 0.01, math.sqrt(0.5) * 1e-3),  # units of the tolerance
    ([1.0, 1.0], [0.0, math.sqrt(2) * 1e-5], 1.0, 9e3, 1e3, 1e-5),  # a slope of exactly 1e-5 is one to compare with
]


@pytest.mark.parametrize(("z", "f0", "scale", "length", "h0", "d1"), FIRST)
def test_first_guess(z, f0, scale, length, h0, d1):
    assert first_guess(np.array(z), np.array(f0), np.full(2, scale), length, rms) == pytest.approx((h0, d1), rel=1e-14)


#         h0,   d1,    d2,   q_hat, length -> h
START = [
    (0.1, 1.0, 2.0, 4, 9.0, (0.01 / 2) ** 0.2),
    (0.1, 3.0, 2.0, 2, 9.0, (0.01 / 3) ** (1 / 3)),
    (0.001, 1e-3, 1e-3, 4, 9.0, 0.1),                      # at most 100 h0
    (0.1, 0.0, 0.0, 4, 9.0, 1e-4),                         # nothing happens: h0 / 1000
    (1e-6, 0.0, 0.0, 4, 9.0, 1e-6),                        # but not below 1e-6
    (0.1, 1.0, 2.0, 4, 0.2, 0.2),                          # not beyond the end
]


@pytest.mark.parametrize(("h0", "d1", "d2", "q_hat", "length", "h"), START)
def test_starting_step(h0, d1, d2, q_hat, length, h):
    assert starting_step(h0, d1, d2, q_hat + 1, length) == pytest.approx(h, rel=1e-14)


def test_norms():
    x = np.array([3.0, 4.0, 0.0, 0.0])
    assert rms(x) == 2.5
    assert max_norm(-x) == 4.0
    assert rms(np.array([3.0 + 4.0j, 0.0])) == pytest.approx(5 / math.sqrt(2), rel=1e-15)
    assert max_norm(np.array([3.0 + 4.0j])) == 5.0
    assert rms(np.empty(0)) == max_norm(np.empty(0)) == norm_over([])(np.empty(0)) == 0.0
    assert norm_over([slice(0, 2), slice(2, 4)])(x) == pytest.approx(math.sqrt(12.5), rel=1e-15)  # the maximum, not the mean over the leaves
    assert norm_over([slice(0, 0), slice(0, 4)])(x) == 2.5
    assert all(math.isnan(norm(np.array([1.0, NAN]))) for norm in (rms, max_norm))
    for bad in ([NAN, 1.0], [1.0, NAN]):  # whichever leaf it is in
        assert math.isnan(norm_over([slice(0, 1), slice(1, 2)])(np.array(bad)))
    assert all(type(norm(x)) is float for norm in (rms, max_norm, norm_over([slice(0, 2), slice(2, 4)])))


def test_error_ratio():
    """|error| / (atol + rtol max(|z|, |z1|)), by component."""
    error, z, z1 = np.array([1e-3, -2e-3]), np.array([1.0, -5.0]), np.array([-3.0, 2.0])
    assert error_ratio(error, z, z1, 1e-2, 1e-1, max_norm) == pytest.approx(max(1e-3 / 0.13, 2e-3 / 0.15))
    assert error_ratio(error, z, z1, np.array([0.0, 1e-2]), np.array([1e-3, 0.0]), rms) == pytest.approx(math.sqrt((1 + 0.04**2) / 2))
    assert math.isnan(error_ratio(np.array([NAN]), z[:1], z1[:1], 1e-3, 1e-3, rms))


def test_error_ratio_of_two_estimates():
    """r_hat^2 / sqrt(r_hat^2 + r_check^2 / 100), HNW II.10."""
    z = np.array([1.0, -5.0])
    error = np.array([[1e-3, -2e-3], [4e-2, 0.0]])
    r_hat, r_check = (max(abs(e[0]) / 0.11, abs(e[1]) / 0.15) for e in error)
    assert error_ratio(error, z, z, 1e-2, 1e-1, max_norm) == pytest.approx(r_hat**2 / math.hypot(r_hat, r_check / 10), rel=1e-15 * 8)
    assert error_ratio(np.array([[0.0], [0.0]]), z[:1], z[:1], 0.0, 1.0, rms) == 0.0
    assert error_ratio(np.array([[0.0], [3.0]]), z[:1], z[:1], 0.0, 1.0, rms) == 0.0
    assert error_ratio(np.array([[3.0], [0.0]]), z[:1], z[:1], 0.0, 1.0, rms) == 3.0
    for bad in (np.array([[NAN], [1.0]]), np.array([[1.0], [NAN]]), np.array([[INF], [INF]])):
        assert not error_ratio(bad, z[:1], z[:1], 1e-3, 1e-3, rms) < 1  # is a rejection


MADE_UP = Tableau(  # nothing but numbers that are all different: each must arrive at its place
    "made_up", A=((), (F(1, 7),), (F(2, 7), F(3, 11))), b=(F(1, 5), F(3, 10), F(1, 2)), p=1, b_hat=(F(1, 2), F(1, 8), F(3, 8)), q_hat=1,
    interpolant=((F(1), F(-4, 5)), (F(0), F(3, 10)), (F(0), F(1, 2))), p_dense=1)


@pytest.mark.parametrize("t", [2.0, -3.0])
@pytest.mark.parametrize("h", [0.5, -0.5])
def test_wiring_of_a_step(t, h):
    seen = []

    def f(z, t, out):
        seen.append((z.copy(), t))
        out[:] = np.array([[100.0, 7.0], [1.0, -2.0], [30.0, 11.0]])[len(seen)]

    K, z = np.zeros((3, 2)), np.array([4.0, 5.0])
    K[0] = k0 = np.array([100.0, 7.0])
    k1, k2 = np.array([1.0, -2.0]), np.array([30.0, 11.0])
    method = MADE_UP.cast(np.dtype(float))
    z1, error = rk_step(f, z, t, t + h, K, method)
    close = {"rtol": 1e-15, "atol": 1e-14}
    np.testing.assert_allclose([t for _, t in seen], [t + h / 7, t + h * (2 / 7 + 3 / 11)], **close)
    np.testing.assert_allclose([z for z, _ in seen], [z + h * k0 / 7, z + h * (k0 * 2 / 7 + k1 * 3 / 11)], **close)
    np.testing.assert_allclose(z1, z + h * (0.2 * k0 + 0.3 * k1 + 0.5 * k2), **close)
    np.testing.assert_allclose(error, h * (-0.3 * k0 + 0.175 * k1 + 0.125 * k2), **close)
    np.testing.assert_array_equal(K, [k0, k1, k2])
    step = RungeKuttaStep(t, t + h, z, z1, K, method, None)
    theta = np.array([0.0, 0.25, 1.0])
    b = np.array([theta - 0.8 * theta**2, 0.3 * theta**2, 0.5 * theta**2])
    np.testing.assert_allclose(step(t + theta * h), z + h * (b.T @ K), rtol=1e-14)
    np.testing.assert_array_equal(step(np.array([t, t + h])), [z, z1])


def test_wiring_of_a_solve():
    """(t, z) of each evaluation of a solve with two steps of a made-up method: from the recursion, written out."""
    seen = []
    f = lambda z, t: np.array([np.cos(t) * z[1], -z[0] + t])
    sol = solve(lambda z, t, _: seen.append((t, *z)) or f(z, t), [1.0, 2.0], [0.5, 1.3], method=MADE_UP, steps=2)
    z, t, wanted = np.array([1.0, 2.0]), 0.5, []
    for t1 in (0.9, 1.3):
        h = t1 - t
        k0 = f(z, t)
        Y1, t_1 = z + h * k0 / 7, t + h / 7
        k1 = f(Y1, t_1)
        Y2, t_2 = z + h * (2 / 7 * k0 + 3 / 11 * k1), t + h * (2 / 7 + 3 / 11)
        k2 = f(Y2, t_2)
        wanted += [(t, *z), (t_1, *Y1), (t_2, *Y2)]
        z, t = z + h * (0.2 * k0 + 0.3 * k1 + 0.5 * k2), t1
    np.testing.assert_allclose(seen, wanted, rtol=1e-14)
    np.testing.assert_allclose(sol.zs[-1], z, rtol=1e-14)


TIMES = st.floats(-1e3, 1e3)


@settings(deadline=None, max_examples=200)
@given(t0=TIMES, t1=TIMES, h=st.floats(1e-2, 1e4), method=st.sampled_from(sorted(TABLEAUS)))
def test_fixed_steps_end_exactly_at_the_end(t0, t1, h, method):
    """The number of steps is the ceiling of (t1 - t0) / h, up to a last step within the rounding errors of the times; f is never asked beyond."""
    if abs(t1 - t0) / h > 300:
        h = abs(t1 - t0) / 300
    seen = []
    sol = solve(lambda z, t, _: seen.append(t) or np.cos(t), 1.0, [t0, t1], method=method, step_size=h)
    assert sol.t_steps[0] == t0 and sol.t_steps[-1] == t1
    assert all(min(t0, t1) <= t <= max(t0, t1) for t in seen)
    if t0 != t1:
        slack = 4 * F(max(math.ulp(t0), math.ulp(t1)))
        length = abs(F(t1) - F(t0))
        n = len(sol.t_steps) - 1
        assert n in {max(1, math.ceil((length - s) / F(h))) for s in (slack / 2, slack, 2 * slack)}
        assert np.all(np.diff(sol.t_steps) * np.sign(t1 - t0) > 0)
        assert np.all(np.abs(np.diff(sol.t_steps)) <= h + 2 * float(slack))


@settings(deadline=None, max_examples=200)
@given(t0=TIMES, t1=TIMES, steps=st.integers(1, 40))
def test_a_number_of_steps(t0, t1, steps):
    seen = []
    sol = solve(lambda z, t, _: seen.append(t) or np.cos(t), 1.0, [t0, t1], method="rk4", steps=steps)
    assert sol.t_steps[0] == t0 and sol.t_steps[-1] == t1 and len(sol.t_steps) == (steps + 1 if t0 != t1 else 1)
    assert all(min(t0, t1) <= t <= max(t0, t1) for t in seen)


@settings(deadline=None, max_examples=100)
@given(t0=TIMES, t1=TIMES, method=st.sampled_from([name for name, t in TABLEAUS.items() if t.b_hat]), rate=st.floats(0.01, 3.0))
def test_adaptive_steps_end_exactly_at_the_end(t0, t1, method, rate):
    seen = []
    rate = rate / max(1.0, abs(t1 - t0) / 20)
    sol = solve(lambda z, t, _: seen.append(t) or np.cos(rate * t) * np.ones(1), [1.0], [t0, t1], method=method, rtol=1e-3, atol=1e-3)
    assert sol.t_steps[0] == t0 and sol.t_steps[-1] == t1
    assert all(min(t0, t1) <= t <= max(t0, t1) for t in seen)
    assert np.all(np.diff(sol.t_steps) * np.sign(t1 - t0) > 0)
