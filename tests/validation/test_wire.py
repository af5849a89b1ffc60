"""What goes over the wire: numbers to the bit, dynamics as data, valid under the schemas both ways."""

import json
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refnode_validation import protocol, runner
from refnode_validation.case import CAPABILITIES, Case, Refused, Reply
from refnode_validation.plans import Options, plan
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.problem import Gaussian
from refnode_validation.protocol import client, probing, wire
from refnode_validation.protocol.wire import NotProtocol
from refnode_validation.vectors import tasks as vectors

FOLDER = Path(protocol.__file__).parent
REQUESTS = jsonschema.Draft202012Validator(json.loads((FOLDER / "requests.schema.json").read_text()))
STATES = st.sampled_from(["refused", "error", "unsupported", "answered"])
doubles = st.floats(width=64)
names = ("z0", "ts", "theta", "weights", "direction", "rtol", "atol", "wants", "method", "steps", "dtype", "max_steps")
names += ("max_calls", "density")


def test_the_schemas_are_schemas():
    for file in FOLDER.glob("*.schema.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(file.read_text()))


@settings(deadline=None)
@given(st.lists(doubles))
def test_numbers_of_requests_read_back_to_the_same_double(xs):
    """With Python's float(), as with every correct strtod; nothing but digits, and the three names."""
    words = wire.text(np.array(xs))
    assert all(jsonschema.Draft202012Validator({**REQUESTS.schema, "oneOf": [{"$ref": "#/$defs/number"}]}).is_valid(word) for word in words)
    got, meant = (np.array(numbers, dtype=float) for numbers in (wire.number(words), xs))
    np.testing.assert_array_equal(got, meant)
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(meant[~np.isnan(meant)]))


@settings(deadline=None)
@given(doubles, st.sampled_from(["json", "17", "hex"]))
def test_numbers_of_answers(x, how):
    """JSON numbers with 17 digits, hexadecimal strings, and the names of what is not finite."""
    written = json.dumps(wire.plain(np.array(x))) if how == "json" or not np.isfinite(x) else f"{x:.17g}" if how == "17" else f'"{x.hex()}"'
    answer = {"seq": 1, "calls": 0, "results": {"z": json.loads(written)}}
    client.check(answer, "run")
    np.testing.assert_array_equal(wire.number(answer["results"]["z"]), x)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_case_comes_back_as_it_was(data):
    name = data.draw(st.sampled_from([*problems(), *vectors.vectors()]))
    problem = problems().get(name) or vectors.problem(name)
    D, N = problem.z0.size, data.draw(st.integers(1, 4))
    array = lambda *shape: np.array(data.draw(st.lists(doubles, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))).reshape(shape)
    base = Gaussian(np.array([0.5]), np.array([[2.0]])) if data.draw(st.booleans()) else None
    posed = SimpleNamespace(rhs=problem.rhs, theta=problem.theta, base=base)
    task = SimpleNamespace(problem=posed, z0=array(D), ts=array(N), weights=array(N, D), direction=array(D + problem.theta.size))
    request = {
        "atol": data.draw(doubles), "method": data.draw(st.sampled_from([None, "rk4"])), "steps": data.draw(st.sampled_from([None, 7])),
        "dtype": data.draw(st.sampled_from(["f64", "f32"])), "max_steps": data.draw(st.sampled_from([None, 100])),
    }
    with np.errstate(over="ignore"):  # in float32
        asked = Case(task, data.draw(doubles), tuple(data.draw(st.lists(st.sampled_from(runner.KEYS), min_size=1))), **request)
    asked.max_calls = data.draw(st.integers(1, 10**9))
    sent = {"cmd": "run", "seq": 3, "limit_s": 1.5, "record": False, "case": wire.case_to_json(asked)}
    REQUESTS.validate(sent)
    later = json.loads(json.dumps(sent, allow_nan=False))["case"] | {"a key of a later version": 1}
    got = wire.case_from_json(later, None)
    for attribute in names:
        before, after = getattr(asked, attribute), getattr(got, attribute)
        np.testing.assert_array_equal(after, before, strict=isinstance(before, np.ndarray))
    assert repr(got._base) == repr(asked._base)
    with np.errstate(invalid="ignore"):
        expected, value = (f(np, problem.z0, 0.3, problem.theta) for f in (problem.rhs, got._rhs))
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(st.lists(doubles, min_size=1, max_size=6), STATES, st.text(), st.integers(0, 10**9))
def test_a_reply_comes_back_as_it_was(zs, state, message, n):
    asked = SimpleNamespace(
        wants=("z", "dL/dtheta"), dtype="f64", weights=np.ones((len(zs), 1)), z0=np.ones(1), theta=np.ones(0), ts=np.zeros(len(zs)))
    arrays = {"z": np.array(zs).reshape(-1, 1), "dL/dtheta": np.zeros(0)}
    reply = Reply("answered", arrays, {"nfe": n}, calls=n) if state == "answered" else Reply(state, message=message, warnings=("UserWarning",))
    answer = json.loads(json.dumps({"seq": 1} | wire.reply_to_json(reply), allow_nan=False))
    client.check(answer, "run")
    got = wire.reply_from_json(answer, asked)
    assert (got.state, got.message, got.calls, got.warnings, got.stats) == (
        state, "" if state == "answered" else message, reply.calls, reply.warnings, reply.stats)
    for key, array in reply.arrays.items():
        np.testing.assert_array_equal(got.arrays[key], array, strict=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | doubles | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text() | st.sampled_from(
        ["seq", "results", "calls", "errored", "message", "z", "points", "f", "protocol"]), x))


@settings(max_examples=40, deadline=None)
@given(json_values)
def test_whatever_an_answer_is_it_is_valid_or_one_sentence(value):
    answer = or_one_sentence(lambda: wire.decoded(json.dumps(value).encode()))
    if answer is not None and or_one_sentence(lambda: client.check(answer, "run") or True):
        vector = dict.fromkeys(("z0", "ts", "direction"), np.ones(1))
        asked = Case(SimpleNamespace(problem=problems()["P10"], weights=np.ones((1, 1)), **vector), 1e-3, ("z",))
        assert isinstance(wire.reply_from_json(answer, asked), Reply)


@settings(deadline=None)
@given(st.binary())
def test_whatever_a_line_is(line):
    assert isinstance(or_one_sentence(lambda: wire.decoded(line)), dict | None)


def or_one_sentence(read):
    try:
        return read()
    except NotProtocol as fault:
        message = str(fault)
    assert message


@pytest.mark.parametrize(("value", "message"), [(0.1, "z has numbers that are not of float32"), (1e300, "z has numbers that"), (0.5, "")])
def test_float32(value, message):
    asked = SimpleNamespace(wants=("z",), dtype="f32", weights=np.ones((1, 1)), z0=np.ones(1), theta=np.ones(0), ts=np.zeros(1))
    reply = wire.reply_from_json({"seq": 1, "calls": 1, "results": {"z": [[value]]}}, asked)
    assert (reply.state, reply.message) == ("error" if message else "answered", reply.message)
    assert message in reply.message


def test_every_question_of_the_suite_can_be_sent(monkeypatch):
    """All problems, vectors, drawn problems and guises of the relations: their dynamics as data are what they are in NumPy, to rounding."""
    seen = set()

    class Asked:
        name, version, capabilities, mode, interpolates = "asked", "1", frozenset(CAPABILITIES), "direct", True

        def run(self, case):
            if case._rhs in seen:  # of a plan, most questions are about dynamics that have been asked about
                raise Refused("enough")
            seen.add(case._rhs)
            sent = {"cmd": "run", "seq": 1, "limit_s": 1.0, "record": False, "case": wire.case_to_json(case)}
            REQUESTS.validate(sent)
            got = wire.case_from_json(json.loads(json.dumps(sent))["case"], None)
            point = (np.float64(case.z0), float(case.ts[0]), np.float64(case.theta))
            with np.errstate(all="ignore"):
                expected = np.asarray(case._rhs(np, *point))
                np.testing.assert_allclose(got._rhs(np, *point), expected, rtol=1e-13, atol=1e-14 * np.nanmax([1.0, *np.abs(expected)]))
            raise Refused("enough")

    monkeypatch.setattr(runner, "probe", lambda adapter: "")
    list(runner.run(Asked(), plan(Options())))
    assert len(seen) > 60


def test_the_probe_uses_the_whole_language():
    from refnode_validation.ir.dynamics import OPERATIONS

    words = json.dumps(probing.DYNAMICS["let"] + probing.DYNAMICS["rhs"])
    assert all(f'"{operation}"' in words for operation in (*OPERATIONS, "z", "theta", "t", "let"))
    REQUESTS.validate(probing.request() | {"seq": 1})
    right = [{name: [x + 1e-14 for x in row] for name, row in probing._expected(point).items()} for point in probing.POINTS]
    assert probing.fault({"points": right}) == ""
    for name in ("f", "vjp_z", "vjp_theta"):
        for i in range(len(right[0][name])):
            wrong = json.loads(json.dumps(right))
            wrong[0][name][i] += 1e-9
            assert f"{name} of the dynamics at point 0" in probing.fault({"points": wrong})
