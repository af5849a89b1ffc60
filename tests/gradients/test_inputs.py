"""Gradients through inputs that vary with time, and across jumps: values, knots and slopes against closed forms and differences."""

import math

import numpy as np
import pytest

import refnode as rn
from refnode.gradients.inputs import replace_input
from refnode.gradients.select import GRADIENTS
from refnode.ode.interpolate import inputs_in
from refnode.tree import leaves, tree_map

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
SPANS = pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0)], ids=["forwards", "backwards"])
KNOTS, VALUES = np.array([-0.1, 0.4, 0.9, 1.3, 1.7, 2.3]), np.array([0.3, -1.2, 0.8, 2.0, -0.4, 0.7])


@SPANS
def test_a_knot_of_a_constant_input_moves_the_jump(span):
    """z' = u(t): z(t1) = integral of u, so that dz1/dtau_k = u_{k-1} - u_k for a knot inside (minus it, backwards), and nothing outside."""
    u = rn.interpolate(KNOTS, VALUES, "constant")
    found = rn.grad(lambda u: rn.ODESolve(0.0, lambda z, t, u: u(t), *span, u))(u)
    sign = math.copysign(1.0, span[1] - span[0])
    np.testing.assert_allclose(found.knots, sign * np.array([0, *(VALUES[:-1] - VALUES[1:])[:-1], 0]), rtol=0, atol=1e-14)
    lengths = np.diff(np.clip(KNOTS, 0, 2), append=2.0)
    np.testing.assert_allclose(found.values, sign * lengths, rtol=0, atol=1e-13)  # knots 0.4 ... 1.7 and both ends of the span
    assert found.kind is None and found.slopes is None


@SPANS
def test_switched_decay(span):
    """z' = -u(t) z with u constant by pieces: ln z1 = ln z0 - integral of u, whatever the observations between."""
    def loss(u, ts):
        return np.log(rn.odeint(lambda z, t, u: -u(t) * z, 1.5, ts, u, **TIGHT))[-1]

    u = rn.interpolate(KNOTS, VALUES, "constant")
    sign = math.copysign(1.0, span[1] - span[0])
    for between in ([], [1.0], [0.9], [0.9, 0.9, 1.1]):  # 0.9 is a knot
        ts = np.array(sorted([*span, *between], reverse=span[1] < span[0]))
        by_u, by_ts = rn.grad(loss, argnums=(0, 1))(u, ts)
        np.testing.assert_allclose(by_u.knots, -sign * np.array([0, *(VALUES[:-1] - VALUES[1:])[:-1], 0]), rtol=0, atol=2e-9)
        wanted = np.zeros(len(ts))
        wanted[0], wanted[-1] = u(span[0]), -u(span[1])
        np.testing.assert_allclose(by_ts, wanted, rtol=0, atol=2e-9)


@SPANS
@pytest.mark.parametrize("gradient", [name for name in GRADIENTS if name != "reversible"])
def test_several_observations_between_two_jumps(span, gradient):
    """z' = u(t) with u constant by pieces: z(t_i) = z(t_0) + the lengths of the pieces up to t_i times their values; in every gradient method."""
    u = rn.interpolate([-1.0, 1.1, 3.0], [0.7, -0.4, 0.0], "constant")
    ts = np.linspace(*span, 9)  # four of them before the jump at 1.1, four behind it
    lengths = np.diff(np.clip([[-1.0, 1.1, 3.0]], np.minimum(ts, ts[0])[:, None], np.maximum(ts, ts[0])[:, None]), axis=1)
    lengths *= math.copysign(1.0, span[1] - span[0])
    zs, back = rn.pullback(lambda u: rn.odeint(lambda z, t, u: u(t), 0.3, ts, u, gradient=gradient, **TIGHT), u)
    np.testing.assert_allclose(zs, 0.3 + lengths @ u.values[:2], rtol=0, atol=1e-12)
    weights = np.cos(np.arange(9))
    np.testing.assert_allclose(back(weights)[0].values[:2], weights @ lengths, rtol=0, atol=1e-11)


def problem(kind):
    rng = np.random.default_rng(5)
    u = rn.interpolate(KNOTS, rng.normal(size=6), kind)
    v = rn.interpolate([-0.2, 0.55, 1.1, 2.1], rng.normal(size=(4, 2)), "constant" if kind != "cubic" else "linear")
    theta = {"W": rng.normal(size=(2, 2)), "inputs": [u, v]}

    def f(z, t, theta):
        u, v = theta["inputs"]
        return np.tanh(theta["W"] @ z) * u(t) - 0.3 * z + v(t) ** 2 * np.cos(t)

    def loss(theta, span):
        zs = rn.odeint(f, [0.3, -0.5], np.linspace(*span, 4), theta, **TIGHT)
        return np.sum(np.sin(zs) * np.arange(1, 5)[:, None])
    return theta, loss


@SPANS
@pytest.mark.parametrize("kind", ["constant", "linear", "cubic"])
def test_against_differences(kind, span):
    """Central differences over 1e-5: their truncation error is near 1e-10 |L'''|, the solves' errors 1e-10 / 1e-5 = 1e-5 at most, often 1e-8."""
    theta, loss = problem(kind)
    gradient = rn.grad(loss)(theta, span)
    for number in (0, 1):
        u, found = inputs_in(theta)[number], inputs_in(gradient)[number]
        for field in ("knots", "values", "slopes"):
            if getattr(u, field) is None:
                assert getattr(found, field) is None
                continue
            for place in np.ndindex(getattr(u, field).shape):
                def shifted(d, u=u, field=field, place=place, number=number):
                    x = getattr(u, field).copy()
                    x[place] += d
                    return loss(replace_input(theta, number, u._replace(**{field: x})), span)
                difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5
                assert getattr(found, field)[place] == pytest.approx(difference, abs=1e-6), (number, field, place)


def test_a_switch_at_a_jump_time_is_differentiated_on_both_sides():
    """z' = -a z before t = 1, -b z behind: z(3) = z0 exp(-a - 2 b). Without jump_ts the same solve takes many more evaluations."""
    def f(z, t, theta):
        return -(theta["a"] if t < 1 else theta["b"]) * z

    def z1(theta, **keywords):
        return rn.ODESolve(2.0, f, 0.0, 3.0, theta, **TIGHT, **keywords)

    theta = {"a": np.array(0.7), "b": np.array(-0.4)}
    with_jump, without = rn.Stats(), rn.Stats()
    found = rn.grad(lambda theta: z1(theta, jump_ts=[1.0], stats=with_jump))(theta)
    exact = 2 * math.exp(-0.7 + 0.8)
    assert found["a"] == pytest.approx(-exact, rel=1e-8) and found["b"] == pytest.approx(-2 * exact, rel=1e-8)
    assert with_jump.forward.rejected == 0
    rn.grad(lambda theta: z1(theta, stats=without))(theta)
    assert without.forward.nfe > 1.5 * with_jump.forward.nfe


def test_second_derivatives_in_the_values():
    """z' = -u(t) z: d2 ln z / du2 = 0, and d2 z1 / du_i du_j = l_i l_j z1, with the lengths l of the pieces."""
    u = rn.interpolate([0.0, 0.5, 1.2], [0.3, -0.2, 0.6], "constant")
    hessian = rn.jacobian(rn.grad(lambda x: rn.ODESolve(1.0, lambda z, t, u: -u(t) * z, 0.0, 2.0, u._replace(values=x), **TIGHT)))(u.values)
    lengths = np.array([0.5, 0.7, 0.8])
    np.testing.assert_allclose(hessian, np.outer(lengths, lengths) * math.exp(-u.values @ lengths), rtol=1e-7)


def test_training_an_input():
    """An optimiser's step on the tree of an interpolant gives an interpolant; its gradient has the tree's structure."""
    u = rn.interpolate([0.0, 1.0, 2.0], np.zeros(3))

    def loss(u):
        return rn.ODESolve(1.0, lambda z, t, u: u(t), 0.0, 2.0, u) ** 2

    first, gradient = rn.value_and_grad(loss)(u)
    new = tree_map(lambda x, g: x - 0.1 * g if g is not None else x, u, gradient)
    assert type(new) is type(u) and len(leaves(gradient)) == 2
    assert loss(new) < first


@SPANS
def test_a_knot_at_the_end_moves_with_the_end(span):
    """The times at the ends of the solve, and knots there that move with them: dL/dt1 = u before t1, dL/dt0 = -u behind t0, and the knots nothing."""
    u = rn.interpolate([0.0, 1.0, 2.0, 3.0], [0.3, -1.2, 0.8, 2.0], "constant")
    inside = u._replace(knots=np.array([0.0, 0.7, 2.0, 3.0]))
    first, last = (0.3, -1.2) if span[0] < span[1] else (-1.2, 0.3)
    sign = math.copysign(1.0, span[1] - span[0])

    def shifted(d):
        moved = inside._replace(knots=inside.knots + d * np.array([1, 0, 1, 1]))
        return rn.odeint(lambda z, t, u: u(t), 0.0, np.array(span) + d, moved)[-1]

    by_u, by_ts = rn.grad(lambda u, ts: rn.odeint(lambda z, t, u: u(t), 0.0, ts, u)[-1], argnums=(0, 1))(inside, np.array(span))
    assert by_ts == pytest.approx(np.array([-first, last]), abs=1e-14)
    assert by_u.knots == pytest.approx(np.array([0, sign * 1.5, 0, 0]), abs=1e-14)
    assert by_ts.sum() + by_u.knots @ [1, 0, 1, 1] == pytest.approx((shifted(1e-6) - shifted(-1e-6)) / 2e-6, abs=1e-9)
