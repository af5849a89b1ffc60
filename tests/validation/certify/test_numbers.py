"""The numbers: complex functions on wide balls contain all values, power series agree with point values, and contexts are put back."""

import pytest

flint = pytest.importorskip("flint")
from flint import acb, arb, arb_series  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from refnode_validation.certify.numbers import BALLS, COMPLEX, Kink, exact, square, working  # noqa: E402

UNARY = ["tanh", "sin", "cos", "exp", "log", "sqrt", "softplus", "sigmoid", "relu"]
# The same functions from their definitions, on points.
POINTS = {
    **{name: getattr(acb, name) for name in ("tanh", "sin", "cos", "exp", "log", "sqrt")},
    "softplus": lambda x: (1 + x.exp()).log(),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "relu": lambda x: x if x.real > 0 else acb(0),
}


@pytest.mark.parametrize("name", UNARY)
@given(middle=st.floats(-3, 3), radius=st.floats(1e-6, 1.5), u=st.floats(-1, 1), v=st.floats(-1, 1))
def test_wide_functions_contain_all_values(name, middle, radius, u, v):
    with working(64):
        try:
            wide = COMPLEX[name](square(arb(middle), arb(radius)))
        except ArithmeticError:
            return  # refused: tested below to be so only where it must
        point = acb(middle + u * radius, v * radius)
    with working(200):
        # middle + u radius is rounded in floats: a point of the square all the same, but for 1e-15 of it
        assert (wide + square(0, arb(1e-14))).contains(POINTS[name](point))


@pytest.mark.parametrize(("middle", "radius"), [(1, 0.9), (0.5, 0.125), (-2, 0.5), (0, 1.25)])
@pytest.mark.parametrize("name", UNARY)
def test_wide_functions_contain_the_values_at_the_edge(name, middle, radius):
    if middle - radius <= 0 and name in ("log", "sqrt", "relu"):
        pytest.skip("not analytic there")
    with working(200):
        wide = COMPLEX[name](square(arb(middle), arb(radius)))
        points = [acb(middle + u * radius, v * radius) for u in (-1, -0.5, 0, 0.5, 1) for v in (-1, 0, 1)]
        assert all((wide + square(0, arb(1e-14))).contains(POINTS[name](point)) for point in points)


@pytest.mark.parametrize(
    ("name", "middle", "accepted", "refused"),
    [("tanh", 0, 1.4, 1.6), ("sigmoid", 0, 2.8, 3.2), ("softplus", 0, 2.8, 3.2), ("log", 1, 0.9, 1.0), ("sqrt", 1, 0.9, 1.0), ("relu", 1, 0.9, 1.0)],
)
def test_functions_refuse_balls_with_singularities(name, middle, accepted, refused):
    with working(64):
        assert COMPLEX[name](square(arb(middle), arb(accepted))).is_finite()
        with pytest.raises(ArithmeticError):
            COMPLEX[name](square(arb(middle), arb(refused)))


def test_division_by_a_ball_with_zero_is_refused():
    with working(64), pytest.raises(ArithmeticError):
        COMPLEX["div"](acb(1), square(arb(0.5), arb(0.5)))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("x", [0.25, 1.75])
def test_series_are_taylor_series(name, x):
    """The sum at s = 1/64 is the function at x + s/2 + s^2, to the 2^-(6 * 40) of the rest."""
    with working(300, 40):
        s = arb(1) / 64
        series = BALLS[name](arb_series([arb(x), arb(1) / 2, 1]))
        total = sum((c * s**k for k, c in enumerate(series.coeffs())), arb(0))
        assert abs(total - BALLS[name](arb(x) + s / 2 + s * s)) < 1e-40


@pytest.mark.parametrize("x", [-30.0, -2.0, 2.0, 30.0, 3000.0])
def test_nothing_overflows(x):
    with working(200, 10):
        for name in ("tanh", "sigmoid", "softplus"):
            series, point = BALLS[name](arb_series([arb(x), 1])), BALLS[name](arb(x))
            assert series[0].overlaps(point)
            assert series[0].rad() < 1e-50 * max(1.0, abs(x))


@given(st.integers(2, 12))
def test_power(n):
    with working(200, 5):
        x = arb_series([0, 1, 2])  # no logarithm of it: zero is its value
        assert all(a.contains(b) for a, b in zip(BALLS["pow"](x, n).coeffs(), _product(x, n).coeffs(), strict=False))
        assert BALLS["pow"](arb(-3), n) == (-3) ** n


def _product(x, n):
    out = x
    for _ in range(n - 1):
        out = out * x
    return out


def test_relu_on_one_side_only():
    with working(100, 4):
        assert BALLS["relu"](arb_series([2, 1])).coeffs() == [2, 1]
        assert BALLS["relu"](arb(-2)) == 0
        with pytest.raises(Kink):
            BALLS["relu"](arb_series([0, 1]))


def test_contexts_are_put_back():
    before = flint.ctx.prec, flint.ctx.cap
    with working(77, 5):
        assert (flint.ctx.prec, flint.ctx.cap) == (77, 5)
    with pytest.raises(ZeroDivisionError), working(77, 5):
        1 / 0
    assert (flint.ctx.prec, flint.ctx.cap) == before


def test_numbers_are_exact():
    assert str(exact("0.1")) == "1/10"
    assert exact(0.1) == exact("0.1000000000000000055511151231257827021181583404541015625")
    assert exact("1e-3") * 1000 == 1
