"""Gradients of event times and of states at events, against closed forms: E15, P26."""

import math

import numpy as np
import pytest

import refnode as rn


def test_constant_speed():
    """z' = a from y0, event z = c: t* = t0 + (c - y0) / a, and the state there does not move with a (bugs.md F04, F05)."""
    def event(y0, t0, theta):
        return rn.odeint_event(lambda z, t, theta: theta["a"] + 0 * z, y0, t0, 10.0, lambda z, t, theta: z - theta["c"], theta)

    theta = {"a": np.array(2.0), "c": np.array(1.5)}
    (t, z), back = rn.pullback(event, 0.5, 0.25, theta)
    assert float(t) == 0.75 and float(z) == 1.5
    y0, t0, d = back((1.0, np.zeros(())))
    assert (float(y0), float(t0)) == (-0.5, 1.0) and d["a"] == pytest.approx(-1 / 4) and d["c"] == pytest.approx(0.5)
    y0, t0, d = back((0.0, np.ones(())))
    assert [float(x) for x in (y0, t0, d["a"])] == [0.0, 0.0, 0.0] and d["c"] == 1.0


def ball(z, t, theta):
    return np.stack([z[1], -theta["g"] + 0 * z[0]])


def impact(h0, v0, t0, theta, n, **how):
    """The time of the n-th impact: an event, the rebound, the next event."""
    t, z = t0, np.stack([h0, v0])
    for _ in range(n):
        t, z = rn.odeint_event(ball, z, t, 10.0, rn.Event(lambda z, t, theta: z[0] - theta["r"], direction=-1), theta, **how)
        z = np.stack([theta["r"], -theta["e"] * z[1]])
    return t


def impact_exact(h0, v0, t0, theta, n):
    """P26."""
    d = np.sqrt(v0**2 + 2 * theta["g"] * (h0 - theta["r"]))
    return t0 + (v0 + d) / theta["g"] + 2 * d / theta["g"] * sum(theta["e"]**k for k in range(1, n))


START = (np.array(1.3), np.array(0.4), np.array(0.2))
THETA = {"g": np.array(9.81), "r": np.array(0.1), "e": np.array(0.8)}


@pytest.mark.parametrize("n", [1, 2, 5])
def test_bouncing_ball(n):
    """P26: all derivatives through n - 1 restarts. dopri5 solves a parabola exactly; 1e-12 is 1e3 rounding errors of numbers near 1."""
    found = rn.value_and_grad(lambda *x: impact(*x, n), argnums=(0, 1, 2, 3))(*START, THETA)
    exact = rn.value_and_grad(lambda *x: impact_exact(*x, n), argnums=(0, 1, 2, 3))(*START, THETA)
    assert found[0] == pytest.approx(exact[0], abs=1e-12)
    for x, y in zip(found[1][:3], exact[1][:3], strict=True):
        assert float(x) == pytest.approx(float(y), abs=1e-12)
    for name in THETA:
        assert found[1][3][name] == pytest.approx(exact[1][3][name], abs=1e-12)


def test_second_derivatives_through_a_restart():
    def second(time):
        return rn.grad(lambda h0: rn.grad(lambda h0: time(h0, *START[1:], THETA, 2))(h0))(START[0])
    assert float(second(impact)) == pytest.approx(float(second(impact_exact)), abs=1e-11)


@pytest.mark.parametrize("t1", [8.0, -8.0], ids=["forwards", "backwards"])
def test_a_nonlinear_pendulum(t1):
    """Its crossing of a moving line: against central differences of the event itself, with solves at rtol 1e-11: 1e-6^2 + 1e-11 / 1e-6 = 1e-5."""
    def f(z, t, theta):
        return {"q": z["p"], "p": -theta[0] * np.sin(z["q"]) + 0.3 * np.cos(t)}

    def g(z, t, theta):
        return z["q"] - theta[1] * t

    def loss(q0, t0, theta):
        t, z = rn.odeint_event(f, {"q": q0, "p": np.zeros(())}, t0, t1, g, theta, rtol=1e-11, atol=1e-13)
        return np.sin(t) + z["p"] * z["q"]

    point = (np.array(1.2), np.array(0.1), (np.array(1.4), np.array(0.2)))
    dq0, dt0, (dk, dc) = rn.grad(loss, argnums=(0, 1, 2))(*point)
    for i, found in enumerate((dq0, dt0, dk, dc)):
        def moved(d, i=i):
            x = np.array([point[0], point[1], *point[2]])
            x[i] += d
            return loss(x[0], x[1], (x[2], x[3]))
        assert float(found) == pytest.approx((moved(1e-6) - moved(-1e-6)) / 2e-6, abs=1e-5)


def test_the_first_event_counts_and_directions():
    """z = sin t: falls through 1/2 first at 5 pi / 6."""
    def f(z, t, theta):
        return np.cos(t) + 0 * z
    for direction, wanted in ((0, math.pi / 6), (1, math.pi / 6), (-1, 5 * math.pi / 6)):
        t, z = rn.odeint_event(f, 0.0, 0.0, 20.0, rn.Event(lambda z, t, theta: z - 0.5, direction=direction), rtol=1e-10, atol=1e-12)
        assert float(t) == pytest.approx(wanted, abs=1e-9) and float(z) == pytest.approx(0.5, abs=1e-12)


def test_what_cannot_be_done_is_said():
    with pytest.raises(rn.EventError, match=r"no event between t = 0\.0 and 1\.0"):
        rn.odeint_event(lambda z, t, theta: 1.0 + 0 * z, 0.0, 0.0, 1.0, lambda z, t, theta: z - 2)
    with pytest.raises(rn.EventError, match="hardly any speed"):
        rn.grad(lambda y: rn.odeint_event(lambda z, t, theta: 1.0 + 0 * z, y, 0.0, 1.0, lambda z, t, theta: np.floor(z + 0.5) - 0.5)[0])(0.25)
    with pytest.raises(ValueError, match="no gradient method"):
        rn.odeint_event(lambda z, t, theta: 1.0 + 0 * z, 0.0, 0.0, 3.0, lambda z, t, theta: z - 2, gradient="nothing")
    with pytest.raises(TypeError, match="rtl"):
        rn.odeint_event(lambda z, t, theta: 1.0 + 0 * z, 0.0, 0.0, 3.0, lambda z, t, theta: z - 2, rtl=1e-3)


def test_an_event_that_closes_over_a_differentiated_value_is_refused():
    """bugs.md C02: its share of the derivative would be missing."""
    with pytest.raises(rn.TraceError, match=r"^events\[0\] uses a value that is being differentiated by an enclosing function; pass it in theta"):
        rn.grad(lambda c: rn.odeint_event(lambda z, t, _: z, 1.0, 0.0, 2.0, lambda z, t, _: z - c)[0])(2.0)


def test_statistics():
    stats = rn.Stats()
    rn.grad(lambda h0: impact(h0, *START[1:], THETA, 2, stats=stats))(START[0])
    assert stats.forward.nfe > 0 and stats.backward.nvjp > 0


def test_an_event_whose_time_the_tolerances_do_not_determine():
    """z = t^3 touches its zero with no speed: dt/dz is infinite there, and whatever rounding leaves of it is no derivative."""
    def f(z, t, theta):
        return np.stack([z[1], 6 * t + 0 * z[0]])
    with pytest.raises(rn.EventError, match="hardly any speed"):
        rn.grad(lambda z0: rn.odeint_event(f, z0, -1.0, 2.0, lambda z, t, theta: z[0])[0])(np.array([-1.0, 3.0]))


@pytest.mark.parametrize("what", [{"terminal": 2}, {"reset": lambda z, t, theta: 0 * z}], ids=["terminal", "reset"])
def test_what_only_a_solve_can_do_with_an_event_is_refused(what):
    event = rn.Event(lambda z, t, theta: z - 1, **what)
    with pytest.raises(ValueError, match=r"odeint_event finds the first event"):
        rn.odeint_event(lambda z, t, theta: 1.0 + 0 * z, 0.0, 0.0, 3.0, event)
