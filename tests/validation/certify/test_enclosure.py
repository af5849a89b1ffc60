"""Enclosures of single solutions: they contain what they must, they nest, they can be reversed, and they fail in one sentence."""

import time

import numpy as np
import pytest

pytest.importorskip("flint")
from flint import arb, fmpq
from hypothesis import given, settings
from hypothesis import strategies as st
from refnode_validation.certify import enclosure
from refnode_validation.certify.box import NoBox
from refnode_validation.certify.enclosure import Rung, TooWide, steps
from refnode_validation.certify.numbers import exact, working
from refnode_validation.certify.taylor import coefficients, expand
from refnode_validation.certify.trajectory import trajectory
from refnode_validation.ir.build import dynamics
from refnode_validation.ir.dynamics import evaluate
from refnode_validation.ir.floats import FLOATS
from scipy.integrate import solve_ivp

from .questions import CLOCK, DECAY, LORENZ, NET, NET_THETA, NET_Z0, ORBIT, RAMP, REACTION, SQUARE, middles

ROUGH, FINE, FINER = Rung(160, 80), Rung(208, 165), Rung(320, 270)


def balls(xs):
    return [arb(exact(x)) for x in xs]


def enclose(dynamics, z0, ts, theta=(), rung=FINE):
    with working(400):
        return trajectory(dynamics, balls(z0), [exact(t) for t in ts], balls(theta), rung)


@pytest.mark.parametrize(
    ("dynamics", "z0", "ts", "theta"),
    [
        (NET, NET_Z0, ["0", "0.25", "0.75"], NET_THETA), (NET, NET_Z0, ["0.5", "0"], NET_THETA), (LORENZ, [1, 1, 1], [0, "0.25"], [10, 28, "2.625"]),
        (ORBIT, ["0.5", 0, 0, "1.75"], [0, "0.03125"], []), (CLOCK, [1], ["0.1", "2"], []),
    ],
)  # fmt: skip
def test_contains_what_dop853_finds(dynamics, z0, ts, theta):
    way = enclose(dynamics, z0, ts, theta)
    numbers = [float(exact(x).p) / float(exact(x).q) for x in ts], [float(x) for x in theta]

    def f(t, z):
        return evaluate(dynamics, FLOATS, list(z), t, numbers[1])

    solution = solve_ivp(f, (numbers[0][0], numbers[0][-1]), [float(x) for x in z0], method="DOP853", rtol=1e-13, atol=1e-14, t_eval=numbers[0])
    # DOP853's own error at rtol 1e-13 is some tens of roundings times the growth, below 4 in all of these.
    np.testing.assert_allclose(solution.y.T, [middles(z) for z in way.z], rtol=1e-11, atol=1e-11)


def test_e():
    way = enclose(DECAY, [1], [0, 1], [-1])
    with working(400):
        e = arb(1).exp()
        assert way.z[1][0].contains(e)
        assert way.dz0[1][0, 0].contains(e)
        assert way.dtheta[1][0, 0].contains(-e)
        assert way.z[1][0].rad() < 1e-45


@pytest.mark.parametrize(("dynamics", "z0", "theta"), [(NET, NET_Z0, NET_THETA), (SQUARE, ["0.75"], []), (REACTION, [1, 0, 0], [])])
@pytest.mark.parametrize("tail", [40, 60, 100])
def test_enclosures_nest(dynamics, z0, theta, tail):
    """A rough one, whose tail is far above its rounding, contains the fine one; the sum without its remainder does not."""
    rough, fine = (enclose(dynamics, z0, [0, "0.125"], theta, rung) for rung in (Rung(208, tail), FINER))
    parts = [(rough.z[1], fine.z[1])] + [(getattr(rough, k)[1].entries(), getattr(fine, k)[1].entries()) for k in ("dz0", "dtheta")]
    assert all(x.contains(y) for outer, inner in parts for x, y in zip(outer, inner, strict=True))
    assert max(x.rad() for x in rough.z[1]) < 100 * 2.0**-tail
    # The first step, from an exact start: its tails alone make the difference, in all three parts.
    step = rough.intervals[0][0]
    with working(300):
        without, again = (expand(dynamics, step.box.middle, step.t, step.h, balls(theta), K) for K in (step.terms, 2 * step.terms + 40))
    assert all(x.contains(y) for x, y in zip(step.z, again.z, strict=True))
    assert not all(x.contains(y) for x, y in zip(without.z, again.z, strict=True))
    for k in ("dz0", "dtheta"):
        whole, bare, truth = (getattr(x, k).entries() for x in (step, without, again))
        assert all(x.contains(y) for x, y in zip(whole, truth, strict=True))
        assert not truth or not all(x.contains(y) for x, y in zip(bare, truth, strict=True))


@pytest.mark.parametrize(("dynamics", "z0", "theta"), [(NET, NET_Z0, NET_THETA), (LORENZ, [1, 1, 1], [10, 28, fmpq(8, 3)])])
def test_there_and_back_again(dynamics, z0, theta):
    """From z0 to t1, and from the ball there back: a ball around z0; the two sensitivities are inverse to each other."""
    way = enclose(dynamics, z0, [0, "0.125"], theta)
    with working(208):
        back = trajectory(dynamics, way.z[1], [exact("0.125"), exact(0)], balls(theta), FINE)
        assert all(x.contains(y) for x, y in zip(back.z[1], balls(z0), strict=True))
        product = back.dz0[1] * way.dz0[1]
        assert all(product[i, j].contains(int(i == j)) for i in range(dynamics.dim) for j in range(dynamics.dim))
        assert all(x.contains(0) for x in (back.dz0[1] * way.dtheta[1] + back.dtheta[1]).entries())


@settings(max_examples=8, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_ball_of_starts(u, v):
    """Starts anywhere in a wide ball end in the ball at the end, with their sensitivities; a square keeps terms of second order."""
    with working(208):
        start = [arb(x, 1e-12) for x in (0.5, -0.25)]
        whole = trajectory(NET, start, [exact(0), exact("0.125")], balls(NET_THETA), FINE)
        one = trajectory(NET, [arb(0.5) + arb(1e-12 * u), arb(-0.25) + arb(1e-12 * v)], [exact(0), exact("0.125")], balls(NET_THETA), FINE)
    assert all(x.contains(y) for x, y in zip(whole.z[1], one.z[1], strict=True))
    for k in ("dz0", "dtheta"):
        assert all(x.contains(y) for x, y in zip(getattr(whole, k)[1].entries(), getattr(one, k)[1].entries(), strict=True))
    assert max(x.rad() for x in whole.z[1]) < 3e-12  # growth over 1/8 is below e^{1/2} per component


def test_second_order_terms_are_needed():
    """z' = theta z^2 from 1 +- d: the end of the ball is further out than the slope at its middle says, and the slopes differ within it."""
    d, f = 1e-6, dynamics(lambda z, t, theta: [theta[0] * z[0] * z[0]], dim=1, params=1)  # d is far above the 30 bits that radii have
    with working(208):
        (step, *_) = steps(f, [arb(1, d)], exact(0), exact("0.03125"), [arb(1)], FINE)
        h = arb(step.h)
        for x in (arb(1) + arb(d), arb(1) - arb(d)):
            assert step.z[0].contains(x / (1 - x * h))
            assert step.dz0[0, 0].contains(1 / (1 - x * h) ** 2)
            assert step.dtheta[0, 0].contains(h * (x / (1 - x * h)) ** 2)
        first_order = arb(1) / (1 - h) + arb(0, d) / (1 - h) ** 2
        assert not first_order.contains((arb(1) + arb(d)) / (1 - (arb(1) + arb(d)) * h))


def test_taylor_coefficients():
    """z' = z^2, z(0) = 1, t = s/2: z_k = 2^-k; z' = cos(t) z: e^{sin t}, by the recurrence of its equation in rational numbers."""
    with working(208):
        assert all(c.contains(fmpq(1, 2**k)) for k, (c,) in enumerate(coefficients(SQUARE, [arb(1)], fmpq(0), fmpq(1, 2), [], 30)))
        got = [c for (c,) in coefficients(CLOCK, [arb(1)], fmpq(0), fmpq(1), [], 8)]
        # e^{sin t} = 1 + t + t^2/2 - t^4/8 - t^5/15 - t^6/240 + t^7/90 + ...
        expected = [fmpq(1), fmpq(1), fmpq(1, 2), fmpq(0), fmpq(-1, 8), fmpq(-1, 15), fmpq(-1, 240), fmpq(1, 90)]
        assert all(x.overlaps(arb(y)) and x.rad() < 1e-55 for x, y in zip(got, expected, strict=True))


@pytest.mark.parametrize("terms", [2, 3, 5, 8, 13, 16, 17])
def test_sensitivities_are_those_of_the_truncated_sum(terms):
    """The K-term sum of e^{-theta h} z0 and of its derivatives, exactly: h = 1/2, theta = 3, z0 = 2."""
    with working(208):
        z, dz0, dtheta = expand(DECAY, [arb(2)], fmpq(0), fmpq(1, 2), [arb(3)], terms)
        factorial = [fmpq(1)]
        for k in range(1, terms):
            factorial.append(factorial[-1] * k)
        x = fmpq(-3, 2)
        total = sum((x**k / factorial[k] for k in range(terms)), fmpq(0))
        slope = sum((k * x ** (k - 1) / factorial[k] * fmpq(-1, 2) for k in range(1, terms)), fmpq(0))
        for got, expected in ((z[0], 2 * total), (dz0[0, 0], total), (dtheta[0, 0], 2 * slope)):
            assert got.overlaps(arb(expected))
            assert got.rad() < 1e-55


def test_repeated_times_and_both_directions():
    way = enclose(CLOCK, [1], [0, 0, "0.5", "0.5", 1])
    assert [len(x) for x in way.intervals].count(0) == 2
    assert str(way.z[0]) == str(way.z[1])
    assert str(way.z[2]) == str(way.z[3])
    assert way.dz0[1].tolist() == [[1]]
    back = enclose(CLOCK, [1], [1, "0.5", "0.5"])
    with working(400):
        assert way.z[4][0].contains(arb(1).sin().exp())
        assert back.z[2][0].contains((arb("0.5").sin() - arb(1).sin()).exp())


def test_blow_up_is_one_sentence():
    """z' = z^2, z(0) = 1 has its pole at t = 1; the sentence names a time just before it, and comes soon."""
    began = time.process_time()
    with pytest.raises(NoBox, match=r"^no box found at t = (1|0\.99999\d*): the solution could not be shown to exist beyond it .* may blow up"):
        enclose(SQUARE, [1], [0, 2], rung=ROUGH)
    assert time.process_time() - began < 20
    assert enclose(SQUARE, [1], [0, "-3"]).z[1][0].contains(fmpq(1, 4))


def test_a_kink_is_one_sentence():
    with pytest.raises(NoBox, match=r"no box found at t = (1|0\.99999\d*): .*relu"):
        enclose(RAMP, [-1], [0, 2], rung=ROUGH)
    with working(400):
        assert enclose(RAMP, [-1], [0, "0.5"]).z[1][0].contains(fmpq(-1, 2))
        assert enclose(RAMP, [1], [0, 1]).z[1][0].contains(2 * arb(1).exp() - 1)


def test_the_number_of_steps_is_bounded(monkeypatch):
    monkeypatch.setattr(enclosure, "MAX_STEPS", 5)
    with pytest.raises(NoBox, match="5 steps were not enough"):
        enclose(LORENZ, [1, 1, 1], [0, 1], [10, 28, 3])


def test_too_wide_is_said():
    with working(208), pytest.raises(TooWide, match="as wide as its box"):
        steps(SQUARE, [arb(1, 0.1)], exact(0), exact(1), [], FINE)
