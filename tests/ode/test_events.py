"""Events: when they happen, in which order, what ends and what goes on there (bugs.md, F07 to F10, D24)."""

import math

import numpy as np
import pytest

from refnode.errors import EventError, MaxStepsReached, NonFiniteDynamics
from refnode.ode.events import Event
from refnode.ode.solve import solve

EPS = 2.2e-16
circle = lambda z, t, _: np.array([z[1], -z[0]])  # from (0, 1): (sin t, cos t)
WAYS = {"dopri5": {}, "bosh3": {"method": "bosh3"}, "tsit5": {"method": "tsit5"}, "dop853": {"method": "dop853"}, "PI": {"controller": "PI"},
        "rk4": {"method": "rk4", "steps": 400}, "rk4_38": {"method": "rk4_38", "steps": 400}, "midpoint": {"method": "midpoint", "steps": 20_000}}
EVERY = pytest.mark.parametrize("way", WAYS)
BACKWARDS = pytest.mark.parametrize("sign", [1, -1], ids=["forwards", "backwards"])


@EVERY
@BACKWARDS
def test_times_of_a_nonlinear_crossing(way, sign):
    """sin t = 1/2 and = 0 from t = 0.1 to 7: the error of the time is that of the state, at most 40 tolerances, over |g'| = cos t."""
    rtol = 1e-9
    setting = {"rtol": rtol, "atol": rtol} | WAYS[way]
    sol = solve(circle, [sign * math.sin(0.1), math.cos(0.1)], [sign * 0.1, sign * 7.0],
                events=[Event(lambda z, t, _: z[0] - 0.5 * sign), Event(lambda z, t, _: z[0])], **setting)
    half, zero = sol.events
    error = 2e-6 if way == "midpoint" else 40 * rtol  # 7 (7 / 20000)^2 / 6 = 1.4e-7 in the first
    wanted = np.array([math.pi / 6, 5 * math.pi / 6, 2 * math.pi + math.pi / 6])
    np.testing.assert_allclose(half.ts, sign * wanted, rtol=0, atol=error / math.cos(math.pi / 6))
    np.testing.assert_allclose(zero.ts, sign * np.array([math.pi, 2 * math.pi]), rtol=0, atol=error)
    np.testing.assert_allclose(half.zs, np.stack([sign * np.sin(wanted), np.cos(wanted)], axis=-1), rtol=0, atol=4 * error)
    assert len(half) == 3 and len(zero) == 2 and sol.status == 0
    # whatever the error of the solution: g is zero to rounding errors of the interpolant (dop853's coefficients: 550)
    assert np.abs(half.zs[:, 0] - 0.5 * sign).max() < 5000 * EPS and np.abs(zero.zs[:, 0]).max() < 5000 * EPS


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("setting", [{}, {"method": "bosh3"}, {"method": "rk4", "steps": 9}, {"method": "dop853"}], ids=str)
@BACKWARDS
def test_times_to_rounding_errors(scale, setting, sign):
    """z' = 1 / scale and g = z - 1/3, g = t - scale/3: straight lines, which every method follows to rounding errors (F09: no absolute tolerance).

    100 roundings of numbers of size 2 (t and z), and what 550 as a coefficient makes of it.
    """
    f = lambda z, t, _: np.full(1, 1 / scale)
    t0 = -0.7 * sign * scale
    sol = solve(f, [-0.7 * sign], [t0, sign * 1.3 * scale],
                events=[Event(lambda z, t, _: z[0] - sign / 3), Event(lambda z, t, _: t / scale - sign / 3)], **setting)
    for found in sol.events:
        assert len(found) == 1
        assert found.ts[0] == pytest.approx(sign * scale / 3, rel=(2e4 if setting.get("method") == "dop853" else 100) * EPS)


DIRECTIONS = {0: [1, 2, 3, 4, 5, 6], 1: [2, 4, 6], -1: [1, 3, 5], 0.5: [2, 4, 6], -7: [1, 3, 5]}


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("sign", [1, -1])
def test_directions(direction, sign):
    """sin t falls at odd multiples of pi and rises at even ones; as t runs: backwards it is the other way round for the same times."""
    f = lambda z, t, _: np.array([math.cos(t)])
    sol = solve(f, [sign * math.sin(0.5)], [sign * 0.5, sign * 20.0], events=[Event(lambda z, t, _: sign * z[0], direction=direction)], rtol=1e-8)
    np.testing.assert_allclose(sol.events[0].ts, sign * math.pi * np.array(DIRECTIONS[direction]), atol=1e-6)


@pytest.mark.parametrize(("terminal", "ends"), [(False, None), (0, None), (True, 1), (1, 1), (2, 2), (np.int64(3), 3), (7, None)])
@pytest.mark.parametrize("setting", [{}, {"method": "rk4", "steps": 300}], ids=str)
def test_terminal_events(terminal, ends, setting):
    f = lambda z, t, _: np.array([math.cos(t)])
    ts = np.linspace(0.5, 20.0, 40)
    sol = solve(f, [math.sin(0.5)], ts, events=[Event(lambda z, t, _: z[0], terminal=terminal), Event(lambda z, t, _: z[0] - 0.5)], dense=True,
                rtol=1e-8, **setting)
    n = ends or 6
    np.testing.assert_allclose(sol.events[0].ts, math.pi * np.arange(1, n + 1), atol=1e-6)
    if ends is None:
        assert sol.status == 0 and sol.t_steps[-1] == 20.0 and np.isfinite(sol.zs).all()
        return
    end = sol.events[0].ts[-1]
    assert sol.status == 1 and sol.message == f"a terminal event happened at t = {end}."
    assert sol.t_steps[-1] == end
    reached = ts <= end
    np.testing.assert_allclose(sol.zs[reached, 0], np.sin(ts[reached]), atol=1e-6)
    assert np.isnan(sol.zs[~reached]).all()
    assert np.all(sol.events[1].ts <= end)  # nothing of what lies behind it, though it may lie in the same step
    np.testing.assert_array_equal(sol(end), sol.events[0].zs[-1])
    with pytest.raises(ValueError, match="where the equation was solved"):
        sol(end + 1e-3)


def test_an_observation_at_a_terminal_event_is_reached():
    """z' = 1, g = z - 1/2: both at 0.5 exactly."""
    sol = solve(lambda z, t, _: np.ones(1), [0.0], [0.0, 0.25, 0.5, 0.75, 1.0], events=Event(lambda z, t, _: t - 0.5, terminal=True))
    np.testing.assert_allclose(sol.zs[:3, 0], [0.0, 0.25, 0.5], rtol=4 * EPS)
    assert np.isnan(sol.zs[3:]).all() and sol.t_steps[-1] == 0.5


@BACKWARDS
def test_several_events_in_one_step_are_in_order(sign):
    """Quadrature with one step over all of it: each at its own time, and those behind a terminal one did not happen."""
    f = lambda z, t, _: np.ones(1)
    times = sign * np.array([0.7, 0.2, 0.9, 0.4])
    ts = [0.0, sign * 1.0]
    plain = [Event(lambda z, t, _, c=c: z[0] - c) for c in times]
    sol = solve(f, [0.0], ts, events=plain, first_step=1.0)
    assert sol.stats.accepted == 1
    np.testing.assert_allclose([found.ts[0] for found in sol.events], times, rtol=8 * EPS)
    sol = solve(f, [0.0], ts, events=[*plain, Event(lambda z, t, _: z[0] - sign * 0.5, terminal=True)], first_step=1.0)
    assert [len(found) for found in sol.events] == [0, 1, 0, 1, 1] and sol.t_steps[-1] == pytest.approx(sign * 0.5, rel=8 * EPS)
    two = [Event(lambda z, t, _, c=c: z[0] - sign * c, terminal=True) for c in (0.8, 0.3)]
    sol = solve(f, [0.0], ts, events=two, first_step=1.0)
    assert [len(found) for found in sol.events] == [0, 1] and sol.t_steps[-1] == pytest.approx(sign * 0.3, rel=8 * EPS)


def test_events_at_the_same_time():
    """Two functions with one zero, one of them terminal, in both orders: both are noted. Resets at the same time are applied one after the other."""
    f = lambda z, t, _: np.ones(1)
    for events in ([Event(lambda z, t, _: z[0] - 0.5), Event(lambda z, t, _: t - 0.5, terminal=True)],
                   [Event(lambda z, t, _: t - 0.5, terminal=True), Event(lambda z, t, _: z[0] - 0.5)]):
        sol = solve(f, [0.0], [0.0, 1.0], events=events)
        assert sol.status == 1 and [len(found) for found in sol.events] == [1, 1]
    add, double = (lambda z, t, _: z + 1), (lambda z, t, _: 2 * z)
    g = lambda z, t, _: t - 0.5
    for resets, end in (((add, double), 2 * 1.5 + 0.5), ((double, add), 2 * 0.5 + 1 + 0.5)):
        sol = solve(f, [0.0], [0.0, 1.0], events=[Event(g, reset=reset) for reset in resets])
        assert sol.zs[-1, 0] == pytest.approx(end, rel=20 * EPS) and [len(found) for found in sol.events] == [1, 1]


@BACKWARDS
@pytest.mark.parametrize("setting", [{}, {"method": "rk4", "steps": 50}, {"method": "dop853"}], ids=str)
def test_a_zero_at_the_start_is_no_event(setting, sign):
    """F07. z = sin t from 0 to 4: what counts is the sign just behind the start, so that pi is found, and as falling."""
    f = lambda z, t, _: np.array([math.cos(t)])
    ts = [0.0, 4.0 * sign]
    for direction, expected in ((0, 1), (-sign, 1), (sign, 0)):
        sol = solve(f, [0.0], ts, events=[Event(lambda z, t, _: z[0], direction=direction, terminal=True)], rtol=1e-8, **setting)
        assert len(sol.events[0]) == expected
        if expected:
            assert sol.events[0].ts[0] == pytest.approx(math.pi * sign, abs=1e-6)


def test_a_zero_at_the_start_hides_no_event_of_the_first_step():
    """g = t (1/2 - t): zero at the start, positive behind it, and negative at the end of the one step."""
    sol = solve(lambda z, t, theta: 0 * z, [1.0], [0.0, 1.0], events=[Event(lambda z, t, theta: t * (0.5 - t))], first_step=1.0)
    assert sol.stats.accepted == 1
    assert sol.events[0].ts == pytest.approx([0.5], rel=1e-15)


def test_a_double_zero_at_the_start_is_no_event():
    """g = t^2 - 0, then g = t^2 (t - 1/2): 0 at the start, of one sign just behind it."""
    f = lambda z, t, _: np.ones(1)
    sol = solve(f, [0.0], [0.0, 1.0], events=[Event(lambda z, t, _: t * t), Event(lambda z, t, _: t * t * (t - 0.5))])
    assert len(sol.events[0]) == 0
    np.testing.assert_allclose(sol.events[1].ts, [0.5], rtol=8 * EPS)


def test_a_function_that_is_always_zero_is_no_event():
    sol = solve(circle, [0.0, 1.0], [0.0, 5.0], events=[Event(lambda z, t, _: 0.0, terminal=True)])
    assert sol.status == 0 and len(sol.events[0]) == 0 and sol.events[0].ts.shape == (0,) and sol.events[0].zs.shape == (0, 2)


@BACKWARDS
def test_a_zero_exactly_at_the_end_of_a_step(sign):
    """Once, not twice and not never; in the last step, too. Each of rk4's steps ends at a multiple of 1/4."""
    f = lambda z, t, _: np.full(1, 1.0)
    for place in (0.5, 1.0):
        g = lambda z, t, _: t - sign * place
        for direction, n in ((0, 1), (sign, 1), (-sign, 0)):
            sol = solve(f, [0.0], [0.0, sign * 1.0], method="rk4", steps=4, events=[Event(g, direction=direction)])
            assert len(sol.events[0]) == n
        sol = solve(f, [0.0], [0.0, sign * 1.0], method="rk4", steps=4, events=[Event(g)])
        assert list(sol.events[0].ts) == [sign * place]
        sol = solve(f, [0.0], [0.0, sign * 1.0], method="rk4", steps=4, events=[Event(g, terminal=True)])
        assert sol.status == 1 and sol.t_steps[-1] == sign * place


def test_two_crossings_in_one_step_are_missed_without_max_step():
    """F08, a limitation, documented by this test: g = 0.1 - (t - 0.55)^2 is positive on (0.234, 0.866) only."""
    f = lambda z, t, _: np.ones(1)
    g = Event(lambda z, t, _: 0.1 - (t - 0.55) ** 2)
    assert len(solve(f, [0.0], [0.0, 2.0], first_step=2.0, events=[g]).events[0]) == 0
    found = solve(f, [0.0], [0.0, 2.0], max_step=0.3, events=[g]).events[0].ts
    np.testing.assert_allclose(found, [0.55 - math.sqrt(0.1), 0.55 + math.sqrt(0.1)], rtol=100 * EPS)


def test_rejected_steps_have_no_events():
    """D24. The first step, far too long, ends on the other side of g = 0; the solution never goes there. g is asked on accepted steps alone."""
    f = lambda z, t, _: np.array([100 * (1 - z[0])])  # an Euler step of 1 from 0 ends at 100
    asked = []

    def g(z, t, _):
        asked.append(t)
        return z[0] - 1.5

    for setting in ({}, {"method": "heun"}):
        asked.clear()
        sol = solve(f, [0.0], [0.0, 1.0], first_step=1.0, events=[Event(g, terminal=True)], **setting)
        assert sol.stats.rejected > 0 and len(sol.events[0]) == 0 and sol.status == 0
        np.testing.assert_array_equal(asked, sol.t_steps)


def test_events_change_nothing_else():
    """The same steps, values and evaluations of f, for a method whose interpolant needs none."""
    ts = np.linspace(0.0, 10.0, 31)
    plain = solve(circle, [0.0, 1.0], ts)
    with_events = solve(circle, [0.0, 1.0], ts, events=[Event(lambda z, t, _: z[0]), Event(lambda z, t, _: z[1] - 0.3, terminal=99)])
    np.testing.assert_array_equal(plain.zs, with_events.zs)
    np.testing.assert_array_equal(plain.t_steps, with_events.t_steps)
    assert plain.stats == with_events.stats and plain.events == []


# resets


def ball(h0, v0, e, gravity=9.81):
    f = lambda z, t, theta: np.array([z[1], -gravity])
    bounce = Event(lambda z, t, theta: z[0], direction=-1, reset=lambda z, t, theta: np.array([0.0, -e * z[1]]))
    return f, np.array([h0, v0]), bounce


def impacts(n, h0, v0, e, gravity=9.81):
    """P26: t_n = t* + (2 d / g) (e + e^2 + ... + e^(n - 1)), t* = (v0 + d) / g, d = sqrt(v0^2 + 2 g h0)."""
    d = math.sqrt(v0 * v0 + 2 * gravity * h0)
    return (v0 + d) / gravity + 2 * d / gravity * np.cumsum([0.0] + [e**k for k in range(1, n)])


@pytest.mark.parametrize("setting", [{}, {"method": "bosh3"}, {"method": "tsit5"}, {"method": "dop853"}, {"method": "rk4", "steps": 37},
                                     {"method": "rk4", "step_size": 10.0}, {"method": "heun", "steps": 100}], ids=str)
def test_a_bouncing_ball(setting):
    """Parabolas, which each method of order 2 or more follows to rounding errors; so are the times of impact (a reset keeps 10 eps |t|; they
    add up, and dop853's interpolant multiplies them by up to 1e4)."""
    f, z0, bounce = ball(1.3, 2.0, 0.8)
    wanted = impacts(10, 1.3, 2.0, 0.8)
    end = 0.5 * (wanted[9] + impacts(11, 1.3, 2.0, 0.8)[10])
    ts = np.linspace(0.0, end, 57)
    sol = solve(f, z0, ts, events=[bounce], dense=True, **setting)
    bound = 1e-9 if setting.get("method") == "dop853" else 1e-11
    np.testing.assert_allclose(sol.events[0].ts, wanted, rtol=0, atol=bound)
    d = math.sqrt(4 + 2 * 9.81 * 1.3)
    np.testing.assert_allclose(sol.events[0].zs[:, 1], -d * 0.8 ** np.arange(10), rtol=0, atol=10 * bound)  # before the reset
    piece = np.searchsorted(wanted, ts, side="left")
    starts, speeds = np.array([0.0, *wanted]), np.array([2.0, *(d * 0.8 ** np.arange(1, 11))])
    s = ts - starts[piece]
    np.testing.assert_allclose(sol.zs[:, 0], np.where(piece == 0, 1.3, 0.0) + speeds[piece] * s - 9.81 / 2 * s * s, rtol=0, atol=10 * bound)
    np.testing.assert_allclose(sol.zs[:, 1], speeds[piece] - 9.81 * s, rtol=0, atol=10 * bound)
    assert sol(np.linspace(0, end, 1001))[:, 0].min() > -1e-9 and sol.status == 0


@pytest.mark.parametrize("e", [0.9, 0.5, 0.2, 0.05, 0.005, 1e-4])
@pytest.mark.parametrize("setting", [{}, {"method": "bosh3"}, {"method": "dop853"}, {"method": "rk4", "steps": 11}], ids=str)
def test_accumulating_impacts_end_and_never_fall_through_the_floor(e, setting):
    """The impacts accumulate at t_inf = t* + 2 d e / (g (1 - e)); no solution goes on from there."""
    f, z0, bounce = ball(1.0, 0.0, e)
    last = impacts(2000, 1.0, 0.0, e)[-1]
    ts = np.linspace(0.0, 2 * last, 41)
    evaluations = []
    counted = lambda z, t, theta: evaluations.append(t) or f(z, t, theta)
    with pytest.raises(EventError, match=r"events\[0\] happens again and again .* end the solve with terminal=n") as caught:
        solve(counted, z0, ts, events=[bounce], **setting)
    assert caught.value.t == pytest.approx(last, abs=1e-4 * last) and len(evaluations) < 10_000
    reached, zs = caught.value.partial
    np.testing.assert_array_equal(reached, ts[ts <= caught.value.t])
    assert zs[:, 0].min() > -1e-9
    sol = solve(f, z0, ts, events=[bounce], throw=False, dense=True, **setting)
    assert sol.status == -1 and sol.message.startswith("EventError: ")
    assert np.isnan(sol.zs[ts > last]).all() and sol(np.linspace(0, sol.t_steps[-1], 1001))[:, 0].min() > -1e-9
    assert len(sol.events[0]) >= 3
    few = solve(f, z0, ts, events=[Event(bounce.g, terminal=3, direction=-1, reset=bounce.reset)], **setting)
    assert few.status == 1 and len(few.events[0]) == 3


@pytest.mark.parametrize("end", [1e5, 1e9])
def test_steps_behind_a_bounce_do_not_outrun_the_next_one(end):
    """An elastic ball: dopri5 is exact on parabolas, so that its steps would grow to any length."""
    f, z0, bounce = ball(1.0, 0.0, 1.0)
    sol = solve(f, z0, [0.0, end], events=[Event(bounce.g, terminal=100, direction=-1, reset=bounce.reset)])
    assert sol.status == 1
    np.testing.assert_allclose(sol.events[0].ts, impacts(100, 1.0, 0.0, 1.0), rtol=1e-11)


@BACKWARDS
def test_doses(sign):
    """A reset at a time that g gives: z' = -z, and 1 is added at t = 1 and t = 2. Both values there: observations and sol(t) give the one before."""
    dose = lambda c: Event(lambda z, t, _: t - c, reset=lambda z, t, _: z + 1)
    times = (1.0, 2.0) if sign == 1 else (2.0, 1.0)
    t0, t1 = (0.0, 3.0) if sign == 1 else (3.0, 0.0)
    ts = np.array([t0, times[0], times[1], t1])
    sol = solve(lambda z, t, _: -z, [1.0], ts, events=[dose(1.0), dose(2.0)], dense=True, rtol=1e-9, atol=1e-9)
    E = math.exp(-sign)
    wanted = [1.0, E, (E + 1) * E, ((E + 1) * E + 1) * E]
    np.testing.assert_allclose(sol.zs[:, 0], wanted, rtol=1e-7)
    np.testing.assert_allclose(sol(ts)[:, 0], wanted, rtol=1e-7)
    np.testing.assert_allclose(sol(times[0] + sign * 1e-9)[0], E + 1, rtol=1e-7)
    assert [list(found.ts) for found in sol.events] == [[1.0], [2.0]]
    np.testing.assert_allclose([found.zs[0, 0] for found in sol.events], wanted[1:3] if sign == 1 else wanted[2:0:-1], rtol=1e-7)


@pytest.mark.parametrize("setting", [{}, {"method": "dop853"}, {"method": "tsit5"}, {"method": "bosh3", "steps": 30}, {"method": "heun", "steps": 30},
                                     {"method": "alf", "steps": 30}, {"method": "reversible_heun", "steps": 30}], ids=str)
def test_methods_begin_anew_behind_a_reset(setting):
    """Two solves, one after the other: what a method carries along (first same as last, v, w) belongs to the state before the reset."""
    f = lambda z, t, _: np.array([z[1], -z[0] + math.cos(3 * t)])
    sol = solve(f, [0.0, 1.0], [0.0, 2.0], events=[Event(lambda z, t, _: t - 1.0, reset=lambda z, t, _: np.array([z[1] + 2, -3 * z[0]]))], **setting)
    setting = {name: value // 2 if name == "steps" else value for name, value in setting.items()}
    first = solve(f, [0.0, 1.0], [0.0, 1.0], **setting).zs[-1]
    second = solve(f, [first[1] + 2, -3 * first[0]], [1.0, 2.0], **setting).zs[-1]
    np.testing.assert_allclose(sol.zs[-1], second, rtol=1e-9 if "steps" in setting else 1e-5)


def test_a_reset_changes_the_sign_of_another_event():
    """A jump of the state over g = 0 is no crossing; what counts is the sign behind it."""
    f = lambda z, t, _: np.ones(1)
    events = [Event(lambda z, t, _: t - 0.5, reset=lambda z, t, _: z + 10), Event(lambda z, t, _: z[0] - 3.0), Event(lambda z, t, _: z[0] - 10.8)]
    sol = solve(f, [0.0], [0.0, 1.0], events=events)
    assert [len(found) for found in sol.events] == [1, 0, 1]
    assert sol.events[2].ts[0] == pytest.approx(0.8, rel=100 * EPS)


def test_a_counter_that_is_reset_each_time():
    """Integrate and fire: z' = 1, and at 1 back to 0. Its g is not zero behind the reset, and the next crossing is found all the same."""
    sol = solve(lambda z, t, _: np.ones(1), [0.0], [0.0, 5.5], events=[Event(lambda z, t, _: z[0] - 1, reset=lambda z, t, _: np.zeros(1))])
    np.testing.assert_allclose(sol.events[0].ts, [1, 2, 3, 4, 5], rtol=100 * EPS)
    assert sol.zs[-1, 0] == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("late", [1e-9, 1e-7])
def test_a_reset_long_ago_does_not_count(late):
    """Zeros at 0.1, with a reset, and just behind 0.5, where a later step of rk4 starts: no accumulation, and none missed."""
    event = Event(lambda z, t, _: (t - 0.1) * (t - 0.5 - late), reset=lambda z, t, _: z)
    sol = solve(lambda z, t, _: np.ones(1), [0.0], [0.0, 1.0], method="rk4", steps=4, events=[event])
    np.testing.assert_allclose(sol.events[0].ts, [0.1, 0.5 + late], rtol=0, atol=100 * EPS)


def test_a_reset_at_the_last_time():
    """The value before it is the result; nothing is solved behind it."""
    event = Event(lambda z, t, _: t - 1.0, reset=lambda z, t, _: z + 5)
    sol = solve(lambda z, t, _: np.ones(1), [0.0], [0.0, 1.0], method="rk4", steps=4, events=[event])
    assert sol.zs[-1, 0] == pytest.approx(1.0, rel=8 * EPS) and len(sol.events[0]) == 1 and sol.status == 0


def test_events_and_jumps():
    """A reset between two jumps, and one exactly on a jump."""
    f = lambda z, t, _: np.full(1, 1.0 if t < 0.5 else -1.0 if t > 0.5 else math.nan)
    for at, end in ((0.3, 0.3 + 2 + 0.2 - 0.5), (0.5, 0.5 + 2 - 0.5), (0.8, 0.5 - 0.3 + 2 - 0.2)):
        for setting in ({}, {"method": "dopri5", "steps": 3}):
            sol = solve(f, [0.0], [0.0, 1.0], jump_ts=[0.5], events=[Event(lambda z, t, _: t - at, reset=lambda z, t, _: z + 2)], **setting)
            assert sol.zs[-1, 0] == pytest.approx(end, abs=1e-13) and 0.5 in sol.t_steps and len(sol.events[0]) == 1


def test_trees():
    """g, reset and the states of occurrences have the tree of z0; arrays are read-only in g and reset."""
    def g(z, t, theta):
        assert type(t) is float and z["q"].shape == () and not z["q"].flags.writeable and theta["floor"] == 0.25
        return z["q"] - theta["floor"]

    def reset(z, t, theta):
        assert not z["v"][0].flags.writeable
        return {"v": [-z["v"][0]], "q": z["q"]}

    f = lambda z, t, theta: {"q": z["v"][0][0], "v": [np.array([-2.0, 0.0])]}
    z0 = {"q": np.array(1.0), "v": [np.array([0.0, 7.0])]}
    sol = solve(f, z0, [0.0, 1.5], {"floor": 0.25}, events=Event(g, reset=reset))
    found = sol.events[0]
    t = math.sqrt(0.75)
    np.testing.assert_allclose(found.ts, [t], rtol=1e-13)
    assert found.zs["q"].shape == (1,) and found.zs["v"][0].shape == (1, 2) and type(found.zs) is dict
    np.testing.assert_allclose(found.zs["v"][0], [[-2 * t, 7.0]], rtol=1e-12)
    np.testing.assert_allclose(sol.zs["v"][0][-1], [2 * t - 2 * (1.5 - t), -7.0], rtol=1e-12)


def test_float32_states():
    sol = solve(lambda z, t, _: np.ones(1, np.float32), np.zeros(1, np.float32), [0.0, 1.0], rtol=1e-4,
                events=[Event(lambda z, t, _: z[0] - np.float32(0.5), reset=lambda z, t, _: z + 1)])
    assert sol.events[0].zs.dtype == sol.zs.dtype == np.float32
    assert sol.events[0].ts[0] == pytest.approx(0.5, rel=1e-5) and sol.zs[-1, 0] == pytest.approx(2.0, rel=1e-5)


# failures


NAN_EVENTS = {
    "NaN at the start": (lambda z, t, _: math.nan, 0.0),
    "NaN later": (lambda z, t, _: 1.0 if t < 1 else math.nan, 0.5),
    "NaN of the state": (lambda z, t, _: np.sqrt(0.5 - z[0]), 0.3),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", NAN_EVENTS)
def test_an_event_that_is_nan(case):
    g, earliest = NAN_EVENTS[case]
    ts = np.linspace(0.0, 2.0, 21)
    with pytest.raises(EventError, match=r"events\[1\] returned NaN at t = ") as caught:
        solve(circle, [0.0, 1.0], ts, events=[Event(lambda z, t, _: 1.0), Event(g)], max_step=0.2)
    assert earliest <= caught.value.t <= earliest + 0.5
    reached, zs = caught.value.partial
    np.testing.assert_array_equal(reached, ts[ts <= caught.value.t])
    np.testing.assert_allclose(zs[:, 0], np.sin(reached), atol=1e-5)
    sol = solve(circle, [0.0, 1.0], ts, events=[Event(lambda z, t, _: 1.0), Event(g)], max_step=0.2, throw=False)
    assert sol.status == -1 and sol.message.startswith("EventError: events[1] returned NaN") and np.isnan(sol.zs[len(reached):]).all()


def test_a_reset_that_is_nan():
    event = Event(lambda z, t, _: t - 0.5, reset=lambda z, t, _: z * math.nan)
    with pytest.raises(EventError, match=r"the reset of events\[0\] returned NaN or infinity at t = 0.5"):
        solve(circle, [0.0, 1.0], [0.0, 1.0], events=[event])
    sol = solve(circle, [0.0, 1.0], [0.0, 0.25, 1.0], events=[event], throw=False, dense=True)
    assert sol.status == -1 and np.isnan(sol.zs[2]).all() and sol.zs[1, 0] == pytest.approx(math.sin(0.25), abs=1e-5)
    assert sol.t_steps[-1] == 0.5 and sol(0.5)[0] == pytest.approx(math.sin(0.5), abs=1e-5)


def test_a_reset_to_where_f_is_nan():
    with np.errstate(invalid="ignore"), pytest.raises(NonFiniteDynamics, match=r"at t = 0\.5, behind a jump or an event"):
        solve(lambda z, t, _: np.sqrt(z), [1.0], [0.0, 1.0], events=[Event(lambda z, t, _: t - 0.5, reset=lambda z, t, _: -z)])


def test_the_cap_on_steps_counts_across_resets():
    f, z0, bounce = ball(1.0, 0.0, 1.0)
    with pytest.raises(MaxStepsReached) as caught:
        solve(f, z0, [0.0, 1e3], events=[bounce], max_steps=50)
    assert caught.value.stats.accepted + caught.value.stats.rejected == 50


WRONG = {  # what g returns: words
    "an array": (lambda z, t, _: z, "events[0] must return one real number that changes its sign, such as z[0] - 0.5, not array("),
    "None": (lambda z, t, _: None, "such as z[0] - 0.5, not None"),
    "complex": (lambda z, t, _: 1j, "such as z[0] - 0.5, not 1j"),
    "a bool": (lambda z, t, _: z[0] > 0.5, "such as z[0] - 0.5, not"),
    "a string": (lambda z, t, _: "a", "must return one real number"),
    "nothing": (lambda z, t, _: np.empty(0), "must return one real number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_an_event_may_not_return(case):
    g, words = WRONG[case]
    with pytest.raises(TypeError) as caught:
        solve(circle, [0.0, 1.0], [0.0, 1.0], events=[Event(g)])
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("g", [lambda z, t, _: z[:1] - 0.5, lambda z, t, _: np.float32(t - 0.5), lambda z, t, _: np.array([[t - 0.5]]),
                               lambda z, t, _: max(t - 0.5, 0.0) or -1e-9, lambda z, t, _: 1 if t > 0.5 else -1,
                               lambda z, t, _: math.inf if t > 0.5 else -1.0])
def test_what_an_event_may_return(g):
    """Arrays with one entry, integers; infinity is a number with a sign."""
    sol = solve(lambda z, t, _: np.array([1.0, 0.0]), [0.0, 0.0], [0.0, 1.0], method="rk4", steps=3, events=[Event(g)])
    if type(g(np.zeros(2), 0.0, ())) is bool:
        assert len(sol.events[0]) == 0
    else:
        assert sol.events[0].ts[0] == pytest.approx(0.5, rel=1e-7)


RESETS = {
    "a wrong shape": (lambda z, t, _: z[:1], ValueError, r"the reset of events\[0\] returned shape \(1,\) where the state has shape \(2,\)"),
    "None": (lambda z, t, _: None, TypeError, r"the reset of events\[0\] returned None"),
    "complex": (lambda z, t, _: 1j * z, TypeError, r"the reset of events\[0\] returned complex128"),
}


@pytest.mark.parametrize("case", RESETS)
def test_what_a_reset_may_not_return(case):
    reset, kind, words = RESETS[case]
    with pytest.raises(kind, match=words):
        solve(circle, [0.0, 1.0], [0.0, 1.0], events=[Event(lambda z, t, _: t - 0.5, reset=reset)])


def test_errors_of_g_and_reset_surface_unchanged():
    class Mine(Exception):
        pass

    def raises(z, t, _):
        if t > 0.4:
            raise Mine
        return 1.0

    for event in (Event(raises), Event(lambda z, t, _: t - 0.5, reset=lambda z, t, _: raises(z, 1.0, _))):
        for throw in (True, False):
            with pytest.raises(Mine):
                solve(circle, [0.0, 1.0], [0.0, 1.0], events=[event], throw=throw)


BAD = {
    "no function": (lambda: Event(3), TypeError, "an event needs a function g(z, t, theta), not 3"),
    "half a terminal": (lambda: Event(abs, terminal=1.5), ValueError, "terminal must be False, True, or the number of occurrences"),
    "a negative terminal": (lambda: Event(abs, terminal=-1), ValueError, "not -1"),
    "terminal none": (lambda: Event(abs, terminal=None), (ValueError, TypeError), ""),
    "direction NaN": (lambda: Event(abs, direction=math.nan), ValueError, "direction must be a number whose sign counts (0: both), not nan"),
    "direction a word": (lambda: Event(abs, direction="up"), ValueError, "not 'up'"),
    "direction true": (lambda: Event(abs, direction=True), ValueError, "not True"),
    "reset a number": (lambda: Event(abs, reset=1.0), TypeError, "reset must be a function reset(z, t, theta)"),
    "functions for events": (lambda: solve(circle, [0.0, 1.0], [0, 1], events=[abs]), TypeError, "events must be a list of rn.Event(g, "),
    "a function for events": (lambda: solve(circle, [0.0, 1.0], [0, 1], events=abs), TypeError, "events must be a list of rn.Event(g, "),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_events(case):
    build, kind, words = BAD[case]
    with pytest.raises(kind) as caught:
        build()
    assert words in str(caught.value)


def test_where_g_is_zero_for_a_while_its_first_zero_counts():
    """max(cos t, 0) is 0 from pi/2 on, wherever the step ends."""
    sol = solve(lambda z, t, _: z[::-1] * np.array([1.0, -1.0]), [0.0, 1.0], [0.0, 3.0], rtol=1e-10, atol=1e-12,
                events=[Event(lambda z, t, _: max(z[1], 0.0), terminal=True)])
    assert sol.events[0].ts[0] == pytest.approx(math.pi / 2, abs=1e-9)
