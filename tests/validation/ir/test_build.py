"""Authoring: what is written in Python is what stands in the data, each shared part once."""

import json
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refnode_validation.ir import build
from refnode_validation.ir.build import dynamics, mlp, sin, softplus, tanh, traced, variables
from refnode_validation.ir.dynamics import OPERATIONS, evaluate, parse
from refnode_validation.ir.floats import ARRAYS, FLOATS
from refnode_validation.ir.sharing import written
from refnode_validation.ir.terms import decimal_string
from refnode_validation.problems.catalog import problems


def rhs(f, dim=1, params=1):
    d = dynamics(f, dim, params)
    assert d.let == ()
    assert parse(json.loads(json.dumps(d.to_json()))) == d
    return list(d.rhs)


def test_operators():
    z, t, a = ("z", 0), ("t",), ("theta", 0)
    written = {
        lambda z, t, th: [z[0] + t]: ("add", z, t),
        lambda z, t, th: [z[0] - 1]: ("sub", z, "1"),
        lambda z, t, th: [1 - z[0]]: ("sub", "1", z),
        lambda z, t, th: [2 * z[0]]: ("mul", "2", z),
        lambda z, t, th: [z[0] / th[0]]: ("div", z, a),
        lambda z, t, th: [0.5 / z[0]]: ("div", "0.5", z),
        lambda z, t, th: [-t]: ("neg", t),
        lambda z, t, th: [+t]: t,
        lambda z, t, th: [z[0] ** 3]: ("pow", z, 3),
        lambda z, t, th: [z[0] ** 1]: z,
        lambda z, t, th: z**2.0: ("pow", z, 2),
        lambda z, t, th: [np.float64(0.25) * z[0]]: ("mul", "0.25", z),
        lambda z, t, th: z * "0.1": ("mul", z, "0.1"),
        lambda z, t, th: [sum([z[0], t, a_third(th)])]: ("add", z, t, ("div", a, "3")),
        lambda z, t, th: z + t + th: ("add", z, t, a),
        lambda z, t, th: [z[0] + (t + th[0])]: ("add", z, ("add", t, a)),
        lambda z, t, th: [z[0] * t * (th[0] * 2)]: ("mul", z, t, ("mul", a, "2")),
        lambda z, t, th: 7: "7",
        lambda z, t, th: np.array([1.5]): "1.5",
    }
    for f, expression in written.items():
        assert rhs(f) == [expression]


def a_third(theta):
    return theta[0] / 3


def test_functions():
    names = [name for name in OPERATIONS if hasattr(build, name)]
    assert names == ["tanh", "sin", "cos", "exp", "log", "sqrt", "softplus", "sigmoid", "relu"]
    for name in names:
        function = getattr(build, name)
        assert rhs(lambda z, t, th, function=function: [function(z[0])]) == [(name, ("z", 0))]
        assert rhs(lambda z, t, th, function=function: function(z), dim=2) == [(name, ("z", 0)), (name, ("z", 1))]
        assert rhs(lambda z, t, th, function=function: [function(2)]) == [(name, "2")]
    for name in names[:6]:
        assert rhs(lambda z, t, th, name=name: getattr(np, name)(z)) == [(name, ("z", 0))]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_exact(x):
    assert Fraction(decimal_string(x)) == Fraction(x)
    assert math.copysign(1, float(decimal_string(x))) == math.copysign(1, x)
    parse({"dim": 1, "params": 0, "let": [], "rhs": [decimal_string(x)]})


def test_numbers_that_are_short():
    assert [decimal_string(x) for x in (0.75, 3, -0.5, 2.0, np.float32(1.5), np.int64(4), "0.1")] == ["0.75", "3", "-0.5", "2", "1.5", "4", "0.1"]


def test_shared_parts_are_written_once():
    d = dynamics(lambda z, t, th: [tanh(z[0] * th[0]) + t, tanh(z[0] * th[0]) * sin(t * 2), z[1]], dim=3, params=1)
    assert d.let == (("tanh", ("mul", ("z", 0), ("theta", 0))),)
    assert d.rhs == (("add", ("let", 0), ("t",)), ("mul", ("let", 0), ("sin", ("mul", ("t",), "2"))), ("z", 1))


def test_sharing_does_not_change_numbers_that_look_alike():
    """(a + b) + c is flattened only where a + b has no other user."""
    d = dynamics(lambda z, t, th: [(z[0] + z[1]) + t, z[0] + z[1]], dim=2)
    assert d.let == (("add", ("z", 0), ("z", 1)),)
    assert d.rhs == (("add", ("let", 0), ("t",)), ("let", 0))


def test_nets_do_not_blow_up():
    """Each weight is written once and each unit once: 4-32-32-32-4 has 2404 parameters and 96 hidden units."""
    d = dynamics(*mlp((4, 32, 32, 32, 4), "tanh"))
    text = json.dumps(d.to_json())
    assert text.count('"theta"') == d.params == 32 * 5 + 32 + 2 * (32 * 32 + 32) + 4 * 32 + 4
    assert len(d.let) == 96


def test_long_chains():
    """Neither authoring nor evaluation recurses once for each operation."""

    def f(z, t, theta):
        x = z[0]
        for _ in range(3 * sys.getrecursionlimit()):
            x = softplus(x) / 2
        return [x]

    def evaluated(x):
        for _ in range(3 * sys.getrecursionlimit()):
            x = FLOATS["softplus"](x) / 2
        return x

    assert evaluate(dynamics(f, 1), FLOATS, [0.5], 0.0, []) == [evaluated(0.5)]


def test_mlp():
    """The parameters are, layer by layer, W (outputs, inputs) row by row and b; t is the last input of the first layer."""
    d = dynamics(*mlp((2, 3, 4, 2), "softplus"))
    theta = np.random.default_rng(0).normal(size=d.params)
    (W1, b1, W2, b2, W3, b3), z, t = np.split(theta, np.cumsum([9, 3, 12, 4, 8])), np.array([0.3, -0.7]), 0.4
    h = np.logaddexp(W1.reshape(3, 3) @ [*z, t] + b1, 0)
    h = np.logaddexp(W2.reshape(4, 3) @ h + b2, 0)
    # sums of at most 5 numbers of size 1, in any order
    np.testing.assert_allclose(evaluate(d, FLOATS, z, t, theta), W3.reshape(2, 4) @ h + b3, rtol=0, atol=1e-14)


def test_mlp_without_time():
    d = dynamics(*mlp((2, 2), "tanh", time=False))
    assert d.rhs[1] == ("add", ("mul", ("theta", 2), ("z", 0)), ("mul", ("theta", 3), ("z", 1)), ("theta", 5))
    assert d.params == 6


@pytest.mark.parametrize("id", problems())
def test_the_catalog(id):
    """The traced dynamics are the problem's in NumPy: exactly, but for products of matrices, where BLAS adds up three products in its own way."""
    problem = problems()[id]
    d = traced(problem.rhs, problem.z0.size, problem.theta.size)
    assert parse(json.loads(json.dumps(d.to_json()))) == d
    for t in problem.ts:
        z = problem.flow(problem.z0, problem.t0, t, problem.theta)
        atol = 3 * 2.0**-53 * np.abs(problem.theta).sum() * np.abs(z).max() if id in ("P03", "P04", "P19") else 0
        np.testing.assert_allclose(np.array(evaluate(d, ARRAYS, z, t, problem.theta)), problem.f(z, t, problem.theta), rtol=0, atol=atol)


REFUSED = {
    "a comparison": (lambda z, t, th: [z[0] if z[0] > 0 else 0], TypeError, "comparisons, branches"),
    "a branch": (lambda z, t, th: [z[0] and t], TypeError, "comparisons, branches"),
    "float": (lambda z, t, th: [math.sin(z[0])], TypeError, "float()"),
    "equality": (lambda z, t, th: [1 if z[0] == 0 else 0], TypeError, "comparisons"),
    "a function that is not in the language": (lambda z, t, th: np.arctan(z), TypeError, "arctan"),
    "a negative power": (lambda z, t, th: [z[0] ** -1], ValueError, "-1; it must be an integer of at least 1"),
    "a fractional power": (lambda z, t, th: z**0.5, ValueError, "0.5; it must be an integer"),
    "an expression as the exponent": (lambda z, t, th: [z[0] ** t], ValueError, "it must be an integer"),
    "infinity": (lambda z, t, th: [z[0] * math.inf], ValueError, "inf is not finite"),
    "a complex number": (lambda z, t, th: [z[0] * 1j], TypeError, "1j is no part"),
    "a bool": (lambda z, t, th: [z[0] * True], TypeError, "True is no part"),
    "text": (lambda z, t, th: [z[0] * "x"], ValueError, "'x' is not a decimal number"),
    "too many components": (lambda z, t, th: [z[0], t], ValueError, "f returned 2 components, but dim is 1"),
    "nothing": (lambda z, t, th: None, TypeError, "None is no part"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    f, kind, message = REFUSED[name]
    with pytest.raises(kind) as caught:
        dynamics(f, 1, 1)
    assert message in str(caught.value)


def test_mlp_refused():
    with pytest.raises(ValueError, match=r"layers are \(2, 3\); the first and the last must both be the dimension"):
        mlp((2, 3), "tanh")
    with pytest.raises(ValueError, match="unknown activation 'gelu'; there are tanh"):
        mlp((2, 3, 2), "gelu")


def test_written_keeps_the_order_of_components():
    z, t, _ = variables(2, 0)
    assert written(2, 0, [z[1], z[0], t]).rhs == (("z", 1), ("z", 0), ("t",))
