"""Interpolants: what each kind reproduces exactly, derivatives of every order in every argument, and inputs of a solve.

EPS is the distance from 1 to the next number, two roundings. M stands for the largest number among the values and whatever is summed to make them.
"""

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline

import refnode as rn
from refnode.ode.interpolate import Interpolant, interpolate, three_point_slopes
from refnode.tree import leaves, tree_map
from tests.gradients.test_algorithms import TB, TIGHT, difference

EPS = np.finfo(float).eps
NAN, INF = math.nan, math.inf
KINDS = ["constant", "linear", "cubic"]
SHAPES = [(), (2,), (2, 3)]
KNOTS = np.array([-0.3, 0.4, 1.0, 1.3, 2.1])
WIDE = np.array([-3.1, -1.0, 2.0, 4.5, 6.0])  # so that check_grads, which moves knots and t, stays within the piece


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


COEFFICIENTS = st.lists(st.floats(-4, 4), min_size=4, max_size=4)
THETAS = st.floats(0, 1)


@st.composite
def grids(draw, least=2):
    """Knots of size at most 4 + 6 * 2 whose gaps differ by a factor of at most 4."""
    gaps = draw(st.lists(st.floats(0.5, 2.0), min_size=least - 1, max_size=6))
    return draw(st.floats(-4, 4)) + np.cumsum([0.0, *gaps])


def inside(knots, piece, theta):
    i = piece % (len(knots) - 1)
    return float(min(max(knots[i] + theta * (knots[i + 1] - knots[i]), knots[0]), knots[-1]))


def size_of(coefficients, knots):
    """M: the sum of a polynomial's terms at the largest knot, and of their derivatives times the longest possible gap, 2."""
    largest = np.abs(knots).max()
    return sum(abs(c) * (largest**k + 2 * k * largest ** max(k - 1, 0)) for k, c in enumerate(coefficients)) + 1e-300


# exactness


@settings(deadline=None)
@given(knots=grids(), c=COEFFICIENTS, piece=st.integers(0, 9), theta=THETAS)
def test_linear_is_exact_on_lines(knots, c, piece, theta):
    """theta carries three roundings, and multiplies 2 M; the values, products and the sum carry two each: 3 + 2 + 2 roundings of M, below 8 EPS."""
    p = np.polynomial.Polynomial(c[:2])
    t = inside(knots, piece, theta)
    assert abs(interpolate(knots, p(knots))(t) - p(t)) <= 8 * EPS * size_of(c[:2], knots)


@settings(deadline=None)
@given(knots=grids(3), c=COEFFICIENTS, piece=st.integers(0, 9), theta=THETAS)
def test_cubic_is_exact_on_parabolas(knots, c, piece, theta):
    """In every piece, the first and last included. With gaps between h and 4 h the divided differences carry 2 EPS M / h and 2 EPS M / h^2, the
    slopes (2 + 4 * 2) EPS M / h; the formula multiplies by at most 4 h theta (1 - theta) <= h: 10 EPS M, and as much again for the formula itself.
    """
    p = np.polynomial.Polynomial(c[:3])
    t = inside(knots, piece, theta)
    assert abs(interpolate(knots, p(knots), "cubic")(t) - p(t)) <= 20 * EPS * size_of(c[:3], knots)


@settings(deadline=None)
@given(knots=grids(), c=COEFFICIENTS, piece=st.integers(0, 9), theta=THETAS)
def test_cubic_with_slopes_is_exact_on_cubics(knots, c, piece, theta):
    """Values and h slopes are of size M with up to six roundings each (Horner), and theta's three; the weights sum to at most 2: below 20 EPS M."""
    p = np.polynomial.Polynomial(c)
    t = inside(knots, piece, theta)
    u = interpolate(knots, p(knots), "cubic", p.deriv()(knots))
    assert abs(u(t) - p(t)) <= 20 * EPS * size_of(c, knots)


@pytest.mark.parametrize("shape", SHAPES)
def test_against_numpy_and_scipy(shape):
    values, slopes = numbers(5, *shape), numbers(5, *shape, seed=1)
    given_slopes, default = CubicHermiteSpline(KNOTS, values, slopes), np.gradient(values, KNOTS, axis=0, edge_order=2)
    np.testing.assert_allclose(three_point_slopes(KNOTS, values), default, rtol=1e-13, atol=1e-13)
    default = CubicHermiteSpline(KNOTS, values, default)
    for t in np.linspace(KNOTS[0], KNOTS[-1], 23).tolist():
        np.testing.assert_allclose(interpolate(KNOTS, values, "cubic", slopes)(t), given_slopes(t), rtol=0, atol=1e-13)
        np.testing.assert_allclose(interpolate(KNOTS, values, "cubic")(t), default(t), rtol=0, atol=1e-13)
        linear = [np.interp(t, KNOTS, column) for column in values.reshape(5, -1).T]
        np.testing.assert_allclose(interpolate(KNOTS, values)(t), np.reshape(linear, shape), rtol=0, atol=1e-14)


# knots


@pytest.mark.parametrize("kind", KINDS)
@given(knots=grids(), shape=st.sampled_from(SHAPES), seed=st.integers(0, 100))
def test_the_values_at_the_knots_bit_for_bit(kind, knots, shape, seed):
    values = numbers(len(knots), *shape, seed=seed)
    u = interpolate(knots, values, kind)
    for t, value in zip(knots, values, strict=True):
        np.testing.assert_array_equal(u(float(t)), value)
        assert np.shape(u(t)) == shape


def test_constant_takes_the_piece_that_begins_at_or_before_t():
    u = interpolate([0, 1, 3], [5.0, 7.0, -2.0], "constant")
    table = {0.0: 5, 0.5: 5, math.nextafter(1, 0): 5, 1.0: 7, 2.9: 7, math.nextafter(3, 0): 7, 3.0: -2, 3.1: -2, 1e300: -2}
    assert [u(t) for t in table] == list(table.values())
    assert [interpolate([2.0], [4.0], "constant")(t) for t in (2.0, 3.0)] == [4.0, 4.0]


@pytest.mark.parametrize("slopes", [None, numbers(5, 2, seed=3)], ids=["default", "given"])
def test_a_cubic_and_its_derivative_are_continuous(slopes):
    """One number below a knot (at most 2.1 EPS below) u differs by u' times that, and u' by u'' times that. With h = 0.3 and |values|, |slopes| < 3
    |u'| h and |u''| h^2 are below 60, and so are the derivative's terms, which carry a few roundings: 10 EPS 60 / h^2.
    """
    u = interpolate(KNOTS, numbers(5, 2), "cubic", slopes)
    derivative = rn.jacobian(lambda t: u(t))
    bound = 10 * EPS * 60 / 0.3**2
    for i, t in enumerate(KNOTS.tolist()):
        if i < 4:
            np.testing.assert_allclose(derivative(t), u.slopes[i], rtol=0, atol=bound)
        if i > 0:
            np.testing.assert_allclose(derivative(math.nextafter(t, -9)), u.slopes[i], rtol=0, atol=bound)
            np.testing.assert_allclose(u(math.nextafter(t, -9)), u.values[i], rtol=0, atol=bound)
    np.testing.assert_allclose(derivative(KNOTS[-1]), u.slopes[-1], rtol=0, atol=bound)


def test_a_linear_interpolant_has_at_a_knot_the_slope_of_the_piece_that_begins_there():
    u = interpolate([0.0, 1.0, 3.0], [0.0, 2.0, 12.0])
    slope = rn.grad(lambda t: u(t))
    assert [slope(t) for t in (0.0, 0.5, math.nextafter(1, 0), 1.0, 2.0, 3.0)] == [2, 2, 2, 5, 5, 5]


def test_backward_differences_know_no_value_beyond_the_next_knot():
    """The docstring's recipe; the default slopes look one knot further, and no further than that."""
    knots, values = np.arange(7.0), numbers(7, 2)

    def dependence(kind_of_slopes):  # of u inside of the piece from knot 2 to knot 3 on each knot's value
        def u(values):
            d = np.diff(values, axis=0) / np.diff(knots)[:, None]
            return interpolate(knots, values, "cubic", np.concatenate([d[:1], d]) if kind_of_slopes == "backward" else None)(2.3)
        return [bool(x) for x in np.abs(rn.jacobian(u)(values)).sum((0, 2)) > 0]

    assert dependence("backward") == [False, True, True, True, False, False, False]
    assert dependence("default") == [False, True, True, True, True, False, False]


# outside


@pytest.mark.parametrize("kind", ["linear", "cubic"])
@pytest.mark.parametrize("t", [-1e-9, 1 + 1e-9, -INF, INF, NAN, 2, -3 * EPS, 1 + 3 * EPS])
def test_no_number_from_outside(kind, t):
    u = interpolate([0.0, 0.5, 1.0], [1.0, 2.0, 0.0], kind)
    with pytest.raises(ValueError, match=r"^an interpolant with knots from 0 to 1 was called at t = .*; give it knots over the whole solve\.$"):
        u(t)
    with pytest.raises(ValueError, match="was called at t = "):
        rn.grad(lambda t: u(t))(float(t))


@pytest.mark.parametrize("t", [-1e-9, -INF, NAN])
def test_a_constant_has_a_beginning(t):
    u = interpolate([0.0, 0.5], [1.0, 2.0], "constant")
    with pytest.raises(ValueError, match="a constant interpolant begins at t = 0, but was called at t = "):
        u(t)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_rounding_error_outside(kind, dtype):
    """Of the largest knot: 0.3 - 3 * 0.1 is -5.6e-17, not 0. The end's piece goes on, with its slope, which is below 8 here."""
    knots = np.array([0.0, 0.1, 0.3, 1.0], dtype)
    u = interpolate(knots, np.array([1.0, 1.5, 2.0, 3.0], dtype), kind)
    rounding = float(np.finfo(dtype).eps)
    for t, value in ((0.3 - 3 * 0.1, 1.0), (-rounding, 1.0), (1 + rounding, 3.0)):
        assert abs(float(u(t)) - value) <= 8 * 2 * rounding
    if kind == "linear":
        assert abs(rn.grad(lambda t: u(t))(-rounding) - 5) < 10 * rounding * 5


def test_a_piece_is_never_continued_by_more_than_its_length():
    u = interpolate([0.0, 1e-20, 1.0], [0.0, 1.0, 1.0])
    assert u(-1e-20) == -1
    with pytest.raises(ValueError, match="knots from 0 to 1 was called at t = -1e-17"):
        u(-1e-17)


@pytest.mark.parametrize("t", [np.array([0.5]), [0.1, 0.2], np.zeros((2, 2)), 0.5j, "0.5", None, True], ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_one_real_time_at_once(kind, t):
    with pytest.raises(ValueError, match="an interpolant is called with one real number t, not with "):
        interpolate([0.0, 1.0], [1.0, 2.0], kind)(t)


@pytest.mark.parametrize("t", [1, np.int32(1), np.float32(1), np.float64(1), np.array(1.0)], ids=repr)
def test_times_of_every_kind(t):
    u = interpolate([0, 2, 3], [[0, 4], [2, 8], [0, 0]])
    np.testing.assert_array_equal(u(t), [1.0, 6.0])


# derivatives


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("t", [-2.3, 0.65, 3.1, 5.2])
def test_derivatives_in_all_arguments(kind, shape, t):
    """As a tree that is given, and made inside of the function that is differentiated; twice."""
    values = numbers(5, *shape)
    rn.check_grads(lambda u, t: u(t), interpolate(WIDE, values, kind), t, order=2)
    rn.check_grads(lambda knots, values, t: interpolate(knots, values, kind)(t), WIDE, values, t, order=2)
    if kind == "cubic":
        rn.check_grads(lambda k, v, s, t: interpolate(k, v, kind, s)(t), WIDE, values, numbers(5, *shape, seed=2), t, order=2)


@pytest.mark.parametrize("given", ["knots", "values", "slopes", "t"])
def test_derivatives_in_one_argument_beside_plain_ones(given):
    plain = {"knots": WIDE, "values": numbers(5, 2), "slopes": numbers(5, 2, seed=2), "t": 0.65}

    def at(x):
        all_of_them = plain | {given: x}
        t = all_of_them.pop("t")
        return interpolate(kind="cubic", **all_of_them)(t)

    rn.check_grads(at, plain[given], order=2)


def test_the_gradient_of_a_constant_is_an_indicator():
    gradient, dt = rn.grad(lambda u, t: u(t) @ np.array([2.0, 3.0]), (0, 1))(interpolate(KNOTS, numbers(5, 2), "constant"), 1.1)
    np.testing.assert_array_equal(gradient.values, np.outer([0, 0, 1, 0, 0], [2, 3]))
    assert isinstance(gradient, Interpolant) and not gradient.knots.any() and dt == 0
    assert gradient.slopes is None and gradient.kind is None


@settings(deadline=None, max_examples=50)
@given(knots=grids(), piece=st.integers(0, 9), theta=THETAS, kind=st.sampled_from(KINDS), seed=st.integers(0, 100))
def test_identities_of_the_gradient(knots, piece, theta, kind, seed):
    """u is linear in the values; it moves with the time axis, and stretches with it: sum_i du/dk_i + du/dt = 0, sum_i k_i du/dk_i + t du/dt = 0.

    Each side is a sum of at most 8 terms of size |values| max |k| ratio^2 / gap <= 4 * 16 * 16 / 0.5 = 2048, with at most 40 roundings each.
    """
    t, values = inside(knots, piece, theta), numbers(len(knots), seed=seed)
    value, back = rn.pullback(lambda k, v, t: interpolate(k, v, kind)(t), knots, values, t)
    dk, dv, dt = back(1.0)
    bound = 8 * 2048 * 40 * EPS
    assert abs(dv @ values - value) < bound
    assert abs(dv.sum() - 1) < bound  # and exact on constants
    assert abs(dk.sum() + dt) < bound
    assert abs(dk @ knots + t * dt) < bound * 16


def test_made_of_traced_numbers():
    """Lists of traced numbers and rows; integers beside them."""
    rn.check_grads(lambda a: interpolate([0, a[0], 3], [[a[1], 2.0], [1, a[2]], a[:2]], "cubic")(0.4), np.array([1.1, 0.7, -0.4]), order=2)
    rn.check_grads(lambda a: interpolate([0, 1], a, "cubic", [a[0] * a[1], 2.0])(0.4), np.array([1.1, 0.7]), order=2)


# what interpolate makes and refuses


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("knots_dtype", [np.float32, np.float64])
def test_float32_stays(kind, knots_dtype):
    """u has the dtype of the values whatever that of the knots and of t; t in float32 has an error of 2.1 EPS32 / 2, slopes are below 20."""
    values = numbers(5, 2).astype(np.float32)
    u, exact = interpolate(KNOTS.astype(knots_dtype), values, kind), interpolate(KNOTS, values.astype(float), kind)
    assert u.knots.dtype == knots_dtype
    assert all(x.dtype == np.float32 for x in (u.values, u.slopes) if x is not None)
    for t in (0.1, np.float64(0.7), np.float32(1.7), 1):
        assert u(t).dtype == np.float32
        assert np.abs(u(t) - exact(float(t))).max() < 20 * 2.1 * np.finfo(np.float32).eps
        value, back = rn.pullback(lambda u, t=t: u(t), u)
        assert value.dtype == np.float32
        assert [x.dtype for x in leaves(back(value))] == [x.dtype for x in leaves(u) if not isinstance(x, str)]
    assert interpolate(KNOTS, values, "cubic", np.ones((5, 2))).slopes.dtype == np.float32
    assert interpolate(KNOTS[:2].astype(knots_dtype), values[:2], "cubic")(0.1).dtype == np.float32


def test_a_tree_of_its_own():
    u = interpolate([0, 1, 2], [[1, 2], [3, 4], [5, 6]], "cubic")
    assert u.knots.dtype == u.values.dtype == float
    doubled = tree_map(lambda x: x if isinstance(x, str) else 2 * x, u)
    assert type(doubled) is Interpolant and doubled.kind == "cubic"
    np.testing.assert_array_equal(doubled(1.0), [2 * 1 + 0.0, 2 * 2 + 0.0] + 0.5 * np.array([4.0, 4.0]) + [0.0, 0.0])  # knots 0, 2, 4: slopes doubled
    again = pickle.loads(pickle.dumps(u))
    assert type(again) is Interpolant and again(0.5).tolist() == u(0.5).tolist() == [2.0, 3.0]
    assert len(leaves(u)) == 4 and len(leaves(interpolate([0, 1], [0, 1]))) == 3


def test_it_keeps_arrays_of_its_own():
    knots, values = KNOTS.copy(), numbers(5, 2)
    u = interpolate(knots, values, "constant")
    before = u(0.5).copy()
    knots += 1
    values += 1
    np.testing.assert_array_equal(u(0.5), before)
    with pytest.raises(ValueError, match="read-only"):
        u(0.5)[0] = 3.0


# what is wrong: (the arguments that differ from interpolate(KNOTS, ones(5))), exception, words of its sentence
CALLS = {
    "one knot": ({"knots": [0.0], "values": [1.0]}, ValueError, "length 2 or more for kind='linear', not of shape (1,)"),
    "one knot of a cubic": ({"knots": [0.0], "values": [1.0], "kind": "cubic"}, ValueError, "length 2 or more for kind='cubic'"),
    "no knots": ({"knots": [], "values": [], "kind": "constant"}, ValueError, "length 1 or more for kind='constant', not of shape (0,)"),
    "a number": ({"knots": 1.0}, ValueError, "knots must be a one-dimensional array of length 2 or more for kind='linear', not of shape ()"),
    "two axes": ({"knots": KNOTS[:, None]}, ValueError, "not of shape (5, 1)"),
    "ragged": ({"values": [[1], [1, 2], 1, 1, 1]}, ValueError, "values must be an array of real numbers, not a ragged list"),
    "unsorted": ({"knots": [0, 2, 1, 3, 4]}, ValueError, "knots must increase strictly, but knots[1:3] = [2, 1]; sort them with their values"),
    "decreasing": ({"knots": KNOTS[::-1]}, ValueError, "knots must increase strictly, but knots[0:2] = [2.1, 1.3]"),
    "twice": ({"knots": [0, 1, 2, 3, 3]}, ValueError, "but knots[3:5] = [3, 3]; sort them with their values, and give each time once"),
    "NaN in knots": ({"knots": [0, NAN, 2, 3, 4]}, ValueError, "knots must be finite, but 1 of 5 entries are NaN or infinite"),
    "infinite knots": ({"knots": [-INF, 0, 2, 3, INF]}, ValueError, "knots must be finite, but 2 of 5 entries"),
    "complex knots": ({"knots": KNOTS + 0j}, TypeError, "knots must hold real numbers (float64, float32 or integers), not complex128"),
    "knots of strings": ({"knots": ["a", "b"]}, TypeError, "knots must hold real numbers"),
    "boolean knots": ({"knots": [False, True], "values": [0, 1]}, TypeError, "not bool"),
    "half precision": ({"values": np.ones(5, np.float16)}, TypeError, "not float16"),
    "masked": ({"values": np.ma.masked_array(np.ones(5), [0, 1, 0, 0, 0])}, TypeError, "values must not be masked; leave the missing entries out"),
    "objects": ({"values": [None] * 5}, TypeError, "values must hold real numbers (float64, float32 or integers), not object"),
    "too few values": ({"values": np.ones((4, 2))}, ValueError, "values must have one entry for each of the 5 knots"),
    "one value": ({"values": 1.0}, ValueError, "but its shape is ()"),
    "values the other way round": ({"values": np.ones((2, 5))}, ValueError, "but its shape is (2, 5)"),
    "missing values": ({"values": [1, NAN, 1, 1, 1]}, ValueError, "1 of 5 entries are NaN or infinite; leave out the knots"),
    "complex values": ({"values": np.ones(5) * 1j}, TypeError, "values must hold real numbers"),
    "unknown kind": ({"kind": "spline"}, ValueError, "there is no kind of interpolation 'spline'; the kinds are constant, linear, cubic"),
    "no kind": ({"kind": None}, ValueError, "there is no kind of interpolation None"),
    "slopes in the place of kind": ({"kind": np.ones(5)}, ValueError, "there is no kind of interpolation array("),
    "slopes of a line": ({"slopes": np.ones(5)}, ValueError, "slopes belong to kind='cubic', not to kind='linear'; leave them out"),
    "slopes of another shape": ({"kind": "cubic", "slopes": np.ones(4)}, ValueError, "slopes must have the shape of values, (5,), not (4,)"),
    "slopes that would broadcast": ({"kind": "cubic", "slopes": np.ones((5, 1))}, ValueError, "the shape of values, (5,), not (5, 1)"),
    "NaN in slopes": ({"kind": "cubic", "slopes": [1, 1, NAN, NAN, 1]}, ValueError, "slopes must be finite, but 2 of 5"),
}


@pytest.mark.parametrize("case", CALLS)
def test_wrong_calls(case):
    arguments, kind, words = CALLS[case]
    with pytest.raises((ValueError, TypeError)) as caught:
        interpolate(**({"knots": KNOTS, "values": np.ones(5)} | arguments))
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("knots", [KNOTS[:4], KNOTS[:, None]], ids=["four", "two axes"])
def test_wrong_shapes_of_traced_arrays(knots):
    with pytest.raises(ValueError, match=r"values must have one entry|knots must be a one-dimensional array"):
        rn.grad(lambda knots, values: interpolate(knots, values)(0.5), (0, 1))(knots, np.ones(5))


# inputs of a solve

W, Z0, L = np.array([[1.0, -0.5], [0.3, 0.8]]), np.array([0.4, -0.2]), np.array([0.7, -1.1])


def relax(z, t, theta):
    return theta["W"] @ theta["u"](t) - z


def relax_inside(z, t, theta):
    """f in one piece, as a solver that knows the knots evaluates it: at the piece's ends two units in the last place inside of it."""
    low, high = sorted(theta["piece"])
    return relax(z, t - 1e-15 if t >= high else t + 1e-15 if t <= low else t, theta)


def in_pieces(z, times, theta, **solver):
    """z at the last of the times: a solve for each piece."""
    for piece in itertools.pairwise(times):
        z = rn.ODESolve(z, relax_inside, *piece, theta | {"piece": piece}, **solver)
    return z


def at_once(z, times, theta, **solver):
    """The same by one solve, which finds the knots in theta."""
    return rn.ODESolve(z, relax, times[0], times[-1], theta, **solver)


def hat_integrals(knots):
    """c_i = int e^(s - T) phi_i(s) ds for the hat functions of the knots, T the last: z(T) = e^(-(T - t0)) z0 + W sum_i c_i u_i.

    In a piece that ends at b, int e^(s - b) (s - a) / h ds = 1 - (1 - e^-h) / h, and both hats together give 1 - e^-h.
    """
    c = np.zeros(len(knots))
    for i, h in enumerate(np.diff(knots)):
        decay, rising = np.exp(knots[i + 1] - knots[-1]), 1 + np.expm1(-h) / h
        c[i] += decay * (-np.expm1(-h) - rising)
        c[i + 1] += decay * rising
    return c


@pytest.mark.parametrize("z1", [in_pieces, at_once])
@pytest.mark.parametrize("direction", [1, -1])
def test_gradients_through_a_solve_by_closed_form(direction, z1):
    """z' = W u(t) - z with a linear u. Backwards, from T to t0, z(t0) = e^(T - t0) (z(T) - W sum_i c_i u_i), and errors grow as z does."""
    values, growth, c = numbers(5, 2), np.exp(KNOTS[0] - KNOTS[-1]), hat_integrals(KNOTS)
    if direction == -1:
        growth, c = 1 / growth, -c / growth
    theta = {"u": interpolate(KNOTS, values), "W": W}
    value, (dz0, dtheta) = rn.value_and_grad(lambda z0, theta: L @ z1(z0, KNOTS[::direction].tolist(), theta, **TIGHT), (0, 1))(Z0, theta)
    bound = TB * max(1.0, growth)
    assert abs(value - L @ (growth * Z0 + W @ (c @ values))) < bound
    assert np.abs(dz0 - growth * L).max() < bound
    assert np.abs(dtheta["W"] - np.outer(L, c @ values)).max() < bound
    assert np.abs(dtheta["u"].values - np.outer(c, W.T @ L)).max() < bound
    assert isinstance(dtheta["u"], Interpolant) and dtheta["u"].kind is None


@pytest.mark.parametrize("z1", [in_pieces, at_once])
def test_second_derivatives_through_a_solve_by_closed_form(z1):
    """(l . z(T))^2 is quadratic in the values: its Hessian is 2 m m^T with m_i = c_i W^T l."""
    knots, values, v = KNOTS[:3].tolist(), numbers(3, 2), numbers(3, 2, seed=1)
    m = np.outer(hat_integrals(knots), W.T @ L)
    (product,) = rn.hvp(lambda values: (L @ z1(Z0, knots, {"u": interpolate(knots, values), "W": W}, **TIGHT)) ** 2, (values,), (v,))
    assert np.abs(product - 2 * m * np.sum(m * v)).max() < TB


@pytest.mark.parametrize("z1", [in_pieces, at_once])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_through_a_solve_against_differences(kind, z1):
    """u is made inside of the loss, so that default slopes follow. z(T) is linear in the values: in them, central differences over any distance
    (here 1) have no error but the solves'. In the knots, see `difference`; a jump's motion is in the gradient, too. (The solve ends between two
    knots: on a jump its value has two derivatives in the end time.)
    """
    values, solver = numbers(5, 2), {"rtol": 1e-10, "atol": 1e-12}
    loss = lambda knots, values: L @ z1(Z0, [*knots[:4], 1.9], {"u": interpolate(knots, values, kind), "W": W}, **solver)
    dknots, dvalues = rn.grad(loss, (0, 1))(KNOTS, values)
    wanted = np.zeros_like(values)
    for i in np.ndindex(values.shape):
        e = np.zeros_like(values)
        e[i] = 1.0
        wanted[i] = (loss(KNOTS, values + e) - loss(KNOTS, values - e)) / 2
    assert np.abs(dvalues - wanted).max() < 10 * TB  # rtol is ten times larger
    assert np.abs(dknots - difference(lambda knots: loss(knots, values), KNOTS)).max() < 1e-8
