"""Right-hand sides that jump in time: steps end on jump_ts, and f is asked on the side that the step lies on (bugs.md, F01, F02, D19)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnode.errors import NonFiniteDynamics
from refnode.ode.interpolate import interpolate
from refnode.ode.solve import solve

EPS = 2.2e-16
JUMP = math.pi / 3
WAYS = {  # adaptive, and fixed steps whose grid does not hold the jump; with and without first-same-as-last, with a memory, with extra stages
    "dopri5": {}, "tsit5": {"method": "tsit5"}, "bosh3": {"method": "bosh3"}, "heun": {"method": "heun"}, "dop853": {"method": "dop853"},
    "alf": {"method": "alf"}, "reversible_heun": {"method": "reversible_heun"},
    **{f"{method}, fixed": {"method": method, "steps": 7} for method in (
        "euler", "midpoint", "rk4", "rk4_38", "bosh3", "dopri5", "dop853", "alf", "reversible_heun")},
}
EVERY = pytest.mark.parametrize("way", WAYS)
BOTH = pytest.mark.parametrize("ts", [[0.0, 2.0], [2.0, 0.0]], ids=["forwards", "backwards"])


def step_function(seen=None, at_the_jump=math.nan):
    """z' = 1 before pi/3 and -2 after it; at pi/3 itself whatever is given."""
    def f(z, t, theta):
        if seen is not None:
            seen.append(t)
        return np.full_like(z, 1.0 if t < JUMP else -2.0 if t > JUMP else at_the_jump)
    return f


def integral(t):
    """Of the step function, from 0."""
    return np.where(t < JUMP, t, JUMP - 2 * (t - JUMP))


@BOTH
@EVERY
def test_a_step_function(way, ts):
    """Exact for every method, up to rounding: some 10 steps of sums of size 3 with up to 16 terms. Where f is asked at the jump, NaN would show.

    The coefficients of dop853's interpolant are as large as 550, so that inside of steps 16 x 550 eps |h k| = 4e-12 may be lost.
    """
    inner = np.linspace(*ts, 41)
    seen = []
    sol = solve(step_function(seen), [1.0 + integral(ts[0])], inner, jump_ts=[JUMP], dense=True, **WAYS[way])
    np.testing.assert_allclose(sol(sol.t_steps)[:, 0], 1 + integral(sol.t_steps), rtol=0, atol=1e-13)
    for zs in (sol.zs, sol(inner)):
        np.testing.assert_allclose(zs[:, 0], 1 + integral(inner), rtol=0, atol=4e-12 if "dop853" in way else 1e-13)
    assert sol.stats.rejected == 0 and list(sol.t_steps).count(JUMP) == 1
    assert sol(JUMP)[0] == pytest.approx(1 + JUMP, abs=1e-13)
    assert min(seen) >= 0 and max(seen) <= 2 and JUMP not in seen


@BOTH
def test_leapfrog_with_a_force_that_jumps(ts):
    """q'' is the step function: parabolas, which leapfrog follows exactly on each side."""
    p = lambda t: 0.2 + integral(t)
    q = lambda t: 0.2 * t + np.where(t < JUMP, t * t / 2, JUMP * JUMP / 2 + JUMP * (t - JUMP) - (t - JUMP) ** 2)
    f = lambda z, t, _: (z[1], step_function()(z[0], t, _))
    sol = solve(f, (np.full(1, q(ts[0])), np.full(1, p(ts[0]))), ts, method="leapfrog", steps=7, jump_ts=[JUMP], dense=True)
    np.testing.assert_allclose(sol.zs[0][-1], q(ts[1]), rtol=0, atol=1e-13)
    np.testing.assert_allclose(sol.zs[1][-1], p(ts[1]), rtol=0, atol=1e-13)
    np.testing.assert_allclose(sol(JUMP), ([q(JUMP)], [p(JUMP)]), rtol=0, atol=1e-13)


@BOTH
@pytest.mark.parametrize("value", [1.0, -2.0, 77.0])
def test_the_value_at_the_jump_does_not_matter(value, ts):
    """Continuous from the left, from the right, or from neither side: the same bits."""
    wanted = solve(step_function(), [0.3], ts, jump_ts=[JUMP])
    found = solve(step_function(at_the_jump=value), [0.3], ts, jump_ts=[JUMP])
    np.testing.assert_array_equal(found.zs, wanted.zs)
    np.testing.assert_array_equal(found.t_steps, wanted.t_steps)


def test_without_jump_ts_it_costs_rejections():
    """What the other tests would find if jump_ts were ignored."""
    sol = solve(step_function(at_the_jump=1.0), [0.0], [0.0, 2.0])
    assert sol.stats.rejected > 5 and abs(sol.zs[-1, 0] - integral(2.0)) > 1e-10


@BOTH
@EVERY
def test_each_step_asks_on_its_own_side(way, ts):
    """All evaluations of a step lie between its ends; at a jump it is the floating-point number next to it inside the step."""
    jumps = [0.0, 0.5, JUMP, 1.5, 2.0]
    seen = []
    f = lambda z, t, _: seen.append(t) or np.cos(t) - z
    sol = solve(f, [0.1], ts, jump_ts=jumps, **WAYS[way])
    assert not set(jumps) & set(seen)
    assert set(jumps) <= set(sol.t_steps)
    for jump in (0.5, JUMP, 1.5):  # behind it anew; before it the stage at the end of the step, where the method has one
        assert math.nextafter(jump, ts[1]) in seen
        if way.split(",")[0] not in ("euler", "midpoint", "alf"):
            assert math.nextafter(jump, ts[0]) in seen
    assert seen[0] == math.nextafter(ts[0], ts[1])
    # in the order of time, apart from the stages within a step: no evaluation of a later piece comes before one of an earlier
    pieces = np.searchsorted(jumps, seen)
    assert np.all(np.diff(pieces) * (1 if ts[0] < ts[1] else -1) >= 0)
    assert len(seen) == sol.stats.nfe


def decay(z, t, rates):
    """z' = -rate(t) z, with another rate in each half unit of time."""
    return -rates[min(int(2 * t), 3)] * z


@BOTH
@pytest.mark.parametrize("method", ["heun", "bosh3", "dopri5", "tsit5", "dop853"])
def test_tolerance_across_jumps(method, ts):
    """Some 100 steps where the order is 3: their errors add up to more than one tolerance."""
    rates = (1.0, 7.0, -2.0, 4.0)
    exact = math.exp(-5.0 * math.copysign(1, ts[1] - ts[0]))
    sol = solve(decay, [1.0], ts, rates, method=method, jump_ts=[0.5, 1.0, 1.5], rtol=1e-7, atol=1e-9)
    assert sol.zs[-1, 0] == pytest.approx(exact, rel=40 * 1e-7)


@pytest.mark.parametrize("method", ["rk4", "dopri5", "bosh3", "dop853", "alf", "reversible_heun"])
def test_fixed_steps_keep_their_order_across_jumps(method):
    """The error of a method of order p on the four pieces is that of its own stability polynomial in each piece: R(-rate h)^(n / 4)."""
    rates, n = (1.0, 3.0, -2.0, 4.0), 40
    jumps = [0.5, 1.0, 1.5]
    sol = solve(decay, [1.0], [0.0, 2.0], rates, method=method, steps=n, jump_ts=jumps)
    assert len(sol.t_steps) == n + 1  # the jumps are grid points already, to rounding errors: no tiny steps
    one = 1.0
    for rate in rates:
        one *= solve(decay, [1.0], [0.0, 0.4999999999999999], (rate,) * 4, method=method, steps=n // 4).zs[-1, 0]
    assert sol.zs[-1, 0] == pytest.approx(one, rel=1e-12)
    if method != "bosh3":  # whose stage at the end of a step serves the next one only
        assert abs(solve(decay, [1.0], [0.0, 2.0], rates, method=method, steps=n).zs[-1, 0] / one - 1) > 1e-9  # without jump_ts another number


def test_fixed_steps_end_on_the_jumps_too():
    sol = solve(lambda z, t, _: -z, [1.0], [0.0, 1.0], method="rk4", steps=4, jump_ts=[0.3, 0.75, 0.5 + 2 * EPS])
    np.testing.assert_array_equal(sol.t_steps, [0.0, 0.25, 0.3, 0.5 + 2 * EPS, 0.75, 1.0])
    back = solve(lambda z, t, _: -z, [1.0], [1.0, 0.0], method="rk4", steps=4, jump_ts=[0.3, 0.75, 0.5 + 2 * EPS])
    np.testing.assert_array_equal(back.t_steps, sol.t_steps[::-1])


def test_methods_begin_anew_behind_a_jump():
    """First-same-as-last saves one evaluation a step, but not across a jump: one more for each."""
    for method, stages in (("dopri5", 6), ("bosh3", 3), ("tsit5", 6)):
        sol = solve(decay, [1.0], [0.0, 2.0], (1.0, 2.0, 3.0, 4.0), method=method, steps=8, jump_ts=[0.5, 1.5])
        assert sol.stats.nfe == 1 + 8 * stages + 2
        sol = solve(decay, [1.0], [0.0, 2.0], (1.0, 2.0, 3.0, 4.0), method=method, jump_ts=[0.5, 1.0, 1.5])
        assert sol.stats.nfe == 2 + (sol.stats.accepted + sol.stats.rejected) * stages + 3


SAME = {  # each of these says what [JUMP] says
    "a duplicate": [JUMP, JUMP],
    "an array": np.array([JUMP]),
    "a tuple": (JUMP,),
    "outside the span": [-1.0, JUMP, 2.5, 1e300],
    "unsorted": [7.0, JUMP, -3.0],
    "at the start": [0.0, JUMP],
    "at the end": [JUMP, 2.0],
}


@pytest.mark.parametrize("case", SAME)
@BOTH
@pytest.mark.parametrize("setting", [{}, {"method": "rk4", "steps": 5}, {"method": "alf", "steps": 50}], ids=str)
def test_jumps_in_every_form(case, ts, setting):
    """At t0 and t1 f is asked one floating-point number further inside: z moves by less than |f'| ulp |h|."""
    f = lambda z, t, _: step_function()(z, t, _) * np.cos(t)
    wanted = solve(f, [0.1], ts, jump_ts=[JUMP], **setting)
    found = solve(f, [0.1], ts, jump_ts=SAME[case], **setting)
    if case.startswith("at"):
        np.testing.assert_allclose(found.t_steps, wanted.t_steps, rtol=1e-7)  # 50 eps / tolerance, as in test_against_scipy
        np.testing.assert_allclose(found.zs, wanted.zs, rtol=1e-12)
    else:
        np.testing.assert_array_equal(found.t_steps, wanted.t_steps)
        np.testing.assert_array_equal(found.zs, wanted.zs)


@BOTH
def test_a_jump_at_an_observation(ts):
    """The observation is the state there, which is continuous; it changes nothing else."""
    wanted = solve(step_function(), [0.1], ts, jump_ts=[JUMP])
    found = solve(step_function(), [0.1], [ts[0], JUMP, JUMP, ts[1]], jump_ts=[JUMP], dense=True)
    np.testing.assert_array_equal(found.t_steps, wanted.t_steps)
    assert found.zs[1, 0] == found.zs[2, 0] == found(JUMP)[0] == pytest.approx(0.1 + integral(JUMP) - integral(ts[0]), abs=1e-13)
    np.testing.assert_array_equal(found.zs[-1], wanted.zs[-1])


def test_solves_from_jump_to_jump_are_one_solve():
    """[t0, jump] and [jump, t1] as two solves, the second with the jump at its start."""
    whole = solve(decay, [1.0], [0.0, 0.5, 1.0], (1.0, 7.0, 0.0, 0.0), jump_ts=[0.5], steps=6, method="bosh3")
    first = solve(decay, [1.0], [0.0, 0.5], (1.0, 7.0, 0.0, 0.0), jump_ts=[0.5], steps=3, method="bosh3")
    second = solve(decay, first.zs[-1], [0.5, 1.0], (1.0, 7.0, 0.0, 0.0), jump_ts=[0.5], steps=3, method="bosh3")
    np.testing.assert_array_equal(whole.zs[1], first.zs[-1])
    np.testing.assert_allclose(whole.zs[2], second.zs[-1], rtol=20 * EPS)


@BOTH
@pytest.mark.parametrize("controller", ["I", "PI", "PID"])
def test_the_step_size_returns_behind_a_jump(controller, ts):
    """bugs.md, D19. A step that was cut short at a jump says nothing against the size that was cut: the next one is half of it at least."""
    f = lambda z, t, _: np.array([z[1], -z[0]])
    jumps = [0.40001, 0.4002, 0.7, 1.3, 1.300001]
    sol = solve(f, [1.0, 0.0], [5 * ts[0], 5 * ts[1]], jump_ts=[5 * jump for jump in jumps], dense=True, controller=controller)
    plain = solve(f, [1.0, 0.0], [5 * ts[0], 5 * ts[1]], controller=controller)
    assert sol.stats.accepted <= plain.stats.accepted + len(jumps)
    usual = np.median(np.abs(np.diff(plain.t_steps)))
    sizes, ends = np.abs(np.diff(sol.t_steps)), sol.t_steps[1:]
    for i, end in enumerate(ends[:-1]):
        if end / 5 in jumps and ends[i + 1] / 5 not in jumps:  # the step behind a jump, if it is not cut itself
            assert sizes[i + 1] >= 0.5 * usual


def test_nan_just_behind_a_jump():
    f = lambda z, t, _: -z if t < 1 else z * math.nan
    for setting in ({}, {"method": "heun", "rtol": 1e-5}, {"method": "dop853"}, {"method": "rk4", "steps": 7}, {"method": "dopri5", "steps": 7}):
        ts = np.linspace(0.0, 2.0, 9)
        with pytest.raises(NonFiniteDynamics, match=r"f returned NaN or infinity at t = 1.0, behind a jump or an event") as caught:
            solve(f, [1.0], ts, jump_ts=[1.0], **setting)
        error = caught.value
        assert error.t == 1.0 and error.z[0] == pytest.approx(math.exp(-1), rel=1e-3)
        np.testing.assert_array_equal(error.partial[0], ts[:5])  # the one at the jump included: no evaluation there is needed for it
        np.testing.assert_allclose(error.partial[1][:, 0], np.exp(-ts[:5]), rtol=1e-3)
        sol = solve(f, [1.0], ts, jump_ts=[1.0], throw=False, dense=True, **setting)
        assert sol.status == -1 and np.isnan(sol.zs[5:]).all() and np.isfinite(sol.zs[:5]).all()
        assert sol(0.9)[0] == pytest.approx(math.exp(-0.9), rel=1e-3)


def test_nan_at_the_start_that_is_a_jump():
    """f is not asked at t0 itself there: a NaN at that point alone does no harm."""
    f = lambda z, t, _: -z if t > 0 else z * math.nan
    with pytest.raises(NonFiniteDynamics, match=r"at the start, t = 0\.0"):
        solve(f, [1.0], [0.0, 1.0])
    assert solve(f, [1.0], [0.0, 1.0], jump_ts=[0.0]).zs[-1, 0] == pytest.approx(math.exp(-1), rel=1e-5)


def test_neighbouring_jumps():
    """Two jumps that are neighbours among the floating-point numbers, and a t0 just before one: there is no time between to ask at."""
    after = math.nextafter(1.0, 2.0)
    for jumps, ts in (([1.0, after], [0.0, 2.0]), ([1.0, after], [2.0, 0.0]), ([1.0], [math.nextafter(1.0, 0.0), 2.0]), ([after], [1.0, 2.0])):
        sol = solve(lambda z, t, _: np.cos(t) + 0 * z, [0.0], ts, jump_ts=jumps)
        assert sol.status == 0 and sol.zs[-1, 0] == pytest.approx(math.sin(ts[1]) - math.sin(ts[0]), rel=1e-6)


@pytest.mark.parametrize("ts", [[0.0, 3.0], [3.0, 0.0]])
def test_the_knots_of_an_input_in_theta_are_jumps(ts):
    knots, values = [0.0, 0.7, 1.1, 2.5, 3.0], np.array([2.0, -1.0, 4.0, 0.5, 0.0])
    u = interpolate(knots, values, kind="constant")
    f = lambda z, t, theta: theta["u"](t) + 0 * z
    sol = solve(f, [0.0], ts, {"u": u, "k": 1.0})
    assert set(knots) <= set(sol.t_steps) and sol.stats.rejected == 0
    area = float(values[:-1] @ np.diff(knots))
    assert sol.zs[-1, 0] == pytest.approx(math.copysign(area, ts[1]), abs=1e-13) if ts[1] else abs(sol.zs[-1, 0] + area) < 1e-13


@settings(deadline=None, max_examples=150)
@given(jumps=st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=6), rates=st.lists(st.floats(-3, 3), min_size=7, max_size=7),
       backwards=st.booleans(), way=st.sampled_from(sorted(WAYS)))
def test_any_piecewise_constant_field(jumps, rates, backwards, way):
    """The sum of rate x length. Atol: 20 steps, rounding errors of sums of size 10 in times up to 1.5."""
    ts = [1.0, -1.0] if backwards else [-1.0, 1.0]
    edges = sorted(set(jumps))
    seen = []
    f = lambda z, t, _: seen.append(t) or np.full(1, rates[int(np.searchsorted(edges, t))])
    sol = solve(f, [0.0], ts, jump_ts=jumps, **WAYS[way])
    cuts = np.clip([-1.0, *edges, 1.0], -1.0, 1.0)
    exact = float(np.diff(cuts) @ np.array(rates)[:len(cuts) - 1]) * (-1 if backwards else 1)
    assert sol.stats.rejected == 0
    assert sol.zs[-1, 0] == pytest.approx(exact, abs=2e-13)
    assert {edge for edge in edges if -1 < edge < 1} <= set(sol.t_steps)
    assert min(seen) >= -1 and max(seen) <= 1
