"""Duals: partial derivatives against the symbolic Jacobian, and second derivatives by duals of duals."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from refnode_validation.ir.build import cos, dynamics, exp, log, mlp, relu, sigmoid, sin, softplus, sqrt, tanh
from refnode_validation.ir.calculus import jacobian
from refnode_validation.ir.duals import DERIVATIVES, Dual, duals, parts, variables
from refnode_validation.ir.dynamics import UNARY, evaluate, parse
from refnode_validation.ir.floats import FLOATS
from refnode_validation.ir.sharing import written

from .strategies import BYTES, Choices

DUALS = duals(FLOATS)


def by_duals(d, z, t, theta):
    """f, df/dz and df/dtheta at floats."""
    results = [parts(x) for x in evaluate(d, DUALS, variables(z), t, variables(theta, first=d.dim))]
    J = np.array([[slopes.get(j, 0.0) for j in range(d.dim + d.params)] for _, slopes in results])
    return [value for value, _ in results], J[:, : d.dim], J[:, d.dim :]


@given(BYTES)
def test_against_the_symbolic_jacobian(data):
    choices = Choices(data, smooth=True)
    d = parse(choices.program())
    z, t, theta = [choices.number() for _ in range(d.dim)], choices.number(), [choices.number() for _ in range(d.params)]
    try:
        f = evaluate(d, FLOATS, z, t, theta)
        got = by_duals(d, z, t, theta)
    except (OverflowError, ZeroDivisionError, ValueError):
        assume(False)
    assert list(got[0]) == f
    for by, J in zip(("z", "theta"), got[1:], strict=True):
        symbolic = jacobian(d, by)
        if symbolic.size:
            flat = evaluate(written(d.dim, d.params, list(symbolic.ravel())), FLOATS, z, t, theta)
            # The same sums and products in another order: equal up to rounding that cancellation may magnify, so in units of the largest.
            np.testing.assert_allclose(J.ravel(), flat, rtol=1e-9, atol=1e-9 * max(1.0, *np.abs(flat)))


FUNCTIONS = {"tanh": tanh, "sin": sin, "cos": cos, "exp": exp, "log": log, "sqrt": sqrt, "softplus": softplus, "sigmoid": sigmoid, "relu": relu}


@pytest.mark.parametrize("name", UNARY)
def test_each_function(name):
    """Against the derivative by a central difference, error h^2 |f'''|/6 < 1e-9 for h = 1e-5, and against its own value."""
    if name == "neg":
        pytest.skip("an operator of Python")
    x, h, f = 0.7, 1e-5, FLOATS[name]
    result = DUALS[name](Dual(x, {3: 2.0}))
    assert result.value == f(x)
    assert result.partials[3] == pytest.approx(2 * (f(x + h) - f(x - h)) / (2 * h), abs=1e-9)
    assert DUALS[name](x) == f(x)


def test_every_function_has_a_derivative():
    assert set(DERIVATIVES) == set(UNARY) - {"neg"} == set(FUNCTIONS)


def test_arithmetic():
    x, y = variables([3.0, 5.0])
    for got, value, dx, dy in (
        (x + y, 8, 1, 1), (x - y, -2, 1, -1), (x * y, 15, 5, 3), (x / y, 0.6, 0.2, -0.12), (2 - x, -1, -1, 0), (2 / y, 0.4, 0, -0.08),
        (-x * 4 + 1, -11, -4, 0), (x / 2, 1.5, 0.5, 0), (x * x * x, 27, 27, 0), (DUALS["pow"](x, 3), 27, 27, 0), (DUALS["pow"](y, 2), 25, 0, 10),
    ):  # fmt: skip
        assert got.value == pytest.approx(value)
        assert (got.partials.get(0, 0), got.partials.get(1, 0)) == pytest.approx((dx, dy))


def test_second_derivatives_by_duals_of_duals():
    """The Hessian of sin(x y) + x^3."""
    x, y = 0.6, -1.1
    d = dynamics(lambda z, t, theta: [sin(z[0] * z[1]) + z[0] ** 3, 0 * z[0]], dim=2)
    z = [Dual(Dual(v, {j: 1.0}), {j: Dual(1.0, {})}) for j, v in enumerate((x, y))]
    result = evaluate(d, duals(DUALS), z, 0.0, [])[0]
    hessian = [[parts(result.partials[i])[1].get(j, 0.0) for j in range(2)] for i in range(2)]
    s, c = math.sin(x * y), math.cos(x * y)
    np.testing.assert_allclose(hessian, [[-y * y * s + 6 * x, c - x * y * s], [c - x * y * s, -x * x * s]], atol=1e-15)


def test_zero_partials_are_left_out():
    """A net's hidden unit depends on its own weights only."""
    d = dynamics(*mlp((2, 3, 2), "tanh"))
    result = evaluate(d, DUALS, variables([0.1, 0.2]), 0.3, variables([0.1 * k for k in range(d.params)], first=2))
    assert all(len(row.partials) == 2 + 12 + 4 for row in result)  # z, all of the first layer, one row of the second


def test_relu_at_its_kink_is_an_error():
    with pytest.raises(ZeroDivisionError):
        DUALS["relu"](Dual(0.0, {0: 1}))
    assert DUALS["relu"](Dual(-2.0, {0: 1})).partials[0] == 0
