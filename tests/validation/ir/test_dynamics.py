"""The language: what is in it comes back as it was, what is not is refused in one sentence that names the place."""

import contextlib
import json
import math
import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refnode_validation.ir.dynamics import Dynamics, evaluate, parse
from refnode_validation.ir.floats import ARRAYS, FLOATS, sigmoid, softplus

from .strategies import Choices, cases, programs


def program(*rhs, dim=1, params=1, let=()):
    return {"dim": dim, "params": params, "let": list(let), "rhs": list(rhs)}


REFUSED = {
    "not an object": ([], "an object with the keys"),
    "a key is missing": ({"dim": 1, "params": 0, "rhs": ["1"]}, "the keys dim, params, let and rhs"),
    "a key too many": ({**program("1"), "name": "x"}, "and no others"),
    "dim is 0": (program(dim=0), "dim is 0"),
    "dim is True": (program("1", dim=True), "dim is True"),
    "dim is a float": (program("1", dim=1.0), "dim is 1.0"),
    "params is negative": (program("1", params=-1), "params is -1"),
    "let is no list": ({**program("1"), "let": "1"}, "let must be a list"),
    "rhs is no list": ({**program("1"), "rhs": {}}, "rhs must be a list"),
    "too few right-hand sides": (program("1", dim=2), "rhs has 1 expressions, but dim is 2"),
    "a JSON number": (program(1.0), "rhs[0]: 1.0 is neither"),
    "not a decimal": (program("0x1p-3"), "rhs[0]: '0x1p-3' is not a decimal number"),
    "a huge exponent": (program("1e99999999"), "rhs[0]: the exponent of '1e99999999' has more than 4 digits"),
    "a tiny one": (program("1", let=["-0.5E-00001"]), "let[0]: the exponent of '-0.5E-00001' has more than 4 digits"),
    "infinity": (program("inf"), "'inf' is not a decimal number"),
    "a leading zero": (program("01"), "'01' is not a decimal number"),
    "a point without digits": (program("1."), "'1.' is not a decimal number"),
    "a space": (program(" 1"), "is not a decimal number"),
    "digits of another script": (program("\u0661"), "is not a decimal number"),
    "a newline": (program("1\n"), "is not a decimal number"),
    "an empty list": (program([]), "rhs[0]: [] is neither"),
    "null": (program(None), "rhs[0]: None is neither"),
    "a list in front": (program([["t"]]), "is neither"),
    "z without an index": (program(["z"]), "needs one index"),
    "z beyond D": (program(["z", 1]), "rhs[0]: ['z', 1] needs one index, at least 0 and below 1"),
    "a negative index": (program(["theta", -1]), "at least 0 and below 1"),
    "an index that is a bool": (program(["z", False]), "needs one index"),
    "let of itself": (program("1", let=[["let", 0]]), "let[0]: ['let', 0] needs one index, at least 0 and below 0"),
    "let of a later one": (program("1", let=["1", ["let", 2], "1"]), "let[1]: ['let', 2] needs one index, at least 0 and below 1"),
    "t with an index": (program(["t", 0]), '["t"] has no operands'),
    "an unknown operation": (program(["abs", ["t"]]), "unknown operation 'abs'; there are add, mul"),
    "add of one": (program(["add", ["t"]]), "add has 1 operands; it takes 2 or more"),
    "sub of three": (program(["sub", "1", "2", "3"]), "sub has 3 operands; it takes 2"),
    "tanh of two": (program(["tanh", "1", "2"]), "tanh has 2 operands; it takes 1"),
    "a power of 1": (program(["pow", ["t"], 1]), "an integer of at least 2"),
    "a power that is an expression": (program(["pow", ["t"], "2"]), "an integer of at least 2"),
    "a power without an exponent": (program(["pow", ["t"]]), "an integer of at least 2"),
    "deep inside": (program(["tanh", ["add", "1", ["sin", ["y", 0]]]]), "rhs[0]: unknown operation 'y'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    data, message = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        parse(data)
    assert "\n" not in str(caught.value).replace("\\n", "")


@settings(max_examples=100, deadline=None)
@given(programs)
def test_round_trip(data):
    dynamics = parse(json.loads(json.dumps(data)))
    assert dynamics.to_json() == data
    assert parse(dynamics.to_json()) == dynamics


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20))
def test_no_other_exceptions(data):
    """Whatever JSON can hold, parse returns dynamics or raises ValueError."""
    data = anything(Choices(data))
    for candidate in (data, program(data), program("1", let=[data])):
        with contextlib.suppress(ValueError):
            assert isinstance(parse(candidate), Dynamics)


def anything(choices):
    kind = choices.below(14)
    if kind < 10:
        return [None, True, -1, 2, 0.5, math.nan, "tanh", "1e5", "z", "pow"][kind]
    parts = [anything(choices) for _ in range(choices.below(4))]
    return parts if kind < 13 else dict(zip(["dim", "params", "let", "rhs"], parts, strict=False))


def test_each_operation():
    """By hand, at z = 0.5, t = 2, theta = 3."""
    values = {
        ("add", ("z", 0), ("t",), "0.25"): 2.75,
        ("mul", ("z", 0), ("t",), ("theta", 0)): 3.0,
        ("sub", ("z", 0), ("t",)): -1.5,
        ("div", ("t",), ("z", 0)): 4.0,
        ("neg", ("t",)): -2.0,
        ("pow", ("theta", 0), 4): 81.0,
        ("sqrt", ("add", ("theta", 0), "1")): 2.0,
        ("tanh", "0"): 0.0,
        ("sin", "0"): 0.0,
        ("cos", "0"): 1.0,
        ("exp", "0"): 1.0,
        ("log", "1"): 0.0,
        ("softplus", "0"): math.log(2),
        ("sigmoid", "0"): 0.5,
        ("relu", "-1"): 0.0,
        ("relu", ("t",)): 2.0,
        ("let", 1): 2.5,
    }
    dynamics = Dynamics(len(values), 1, (("add", ("z", 0), "1"), ("add", ("let", 0), "1")), tuple(values))
    for algebra in (FLOATS, ARRAYS):
        assert evaluate(dynamics, algebra, [0.5], 2.0, [3.0]) == list(values.values())


def test_sums_run_from_left_to_right():
    dynamics = parse(program(["add", ["z", 0], "1", "-1"]))
    assert evaluate(dynamics, FLOATS, [1e-17], 0.0, [0.0]) == [0.0]


def test_an_algebra_may_be_anything():
    """Here of text; what it leaves out are Python's operators."""
    dynamics = parse(program(["add", "1", ["t"]], let=[]))
    assert evaluate(dynamics, {"constant": str, "add": operator.add}, [], "t", []) == ["1t"]


def test_softplus_and_sigmoid_are_stable():
    """log(1 + e^x) = x + log(1 + e^-x) and 1/(1 + e^-x) = e^x/(1 + e^x) at the ends; both are positive where doubles can say so."""
    assert softplus(1000.0) == 1000.0
    assert softplus(-700.0) == math.exp(-700)
    assert sigmoid(-700.0) == math.exp(-700)
    assert sigmoid(1000.0) == 1.0
    assert sigmoid(-1000.0) == 0.0
    assert ARRAYS["softplus"](-700.0) == pytest.approx(math.exp(-700), rel=1e-15)
    # the exponent -700 is rounded to 700 * 2^-53 before the exponential
    assert ARRAYS["sigmoid"](-700.0) == pytest.approx(math.exp(-700), rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_floats_and_arrays_agree(case):
    dynamics, z, t, theta, bounds = case
    for x, y, bound in zip(evaluate(dynamics, FLOATS, z, t, theta), evaluate(dynamics, ARRAYS, z, t, theta), bounds, strict=True):
        assert abs(x - y) <= 2 * bound.error
