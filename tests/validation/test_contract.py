"""The contract of adapters, by both transports: called in this process, and behind the protocol with refnode serve."""

import importlib
import json
import shlex
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from refnode_validation import case as cases
from refnode_validation import cli
from refnode_validation.arguments import parse, plan_of
from refnode_validation.case import Case, ask
from refnode_validation.impls.loading import load
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import forward
from refnode_validation.protocol import serve
from refnode_validation.protocol.client import Command
from refnode_validation.protocol.wire import case_to_json
from refnode_validation.report import jsonl
from refnode_validation.runner import run

from . import contract_fakes

TRANSPORTS = ("in process", "stdio")
SMALL = plan_of(parse(["--problem", "P10", "--rtol", "1e-4", "--only", "solve.value"]))
WANTS = ("z", "dL/dz0")


def serving(word):
    return shlex.join([sys.executable, "-m", "refnode", "serve", word])


def opened(transport, name):
    word = f"{contract_fakes.__file__}:{name}"
    return load(word, True).adapters[0] if transport == "in process" else Command(serving(word), 60.0)


@pytest.fixture(scope="module", params=TRANSPORTS)
def ill(request):
    adapter = opened(request.param, "Ill")
    yield adapter
    if request.param == "stdio":
        assert adapter.starts == 1  # none of its symptoms has put it out of step
        adapter.close()


def asked(adapter, name, **request):
    rtol = (1000 + list(contract_fakes.SYMPTOMS).index(name)) * 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ask(adapter, forward(problems()["P10"]), rtol, WANTS, **request)


@pytest.mark.parametrize("name", contract_fakes.SYMPTOMS)
def test_state_and_message(ill, name, monkeypatch):
    monkeypatch.setattr(cases, "CALL_BUDGET", 3000)
    _, state, message = contract_fakes.SYMPTOMS[name]
    reply = asked(ill, name)
    assert (reply.state, reply.message) == (state, message)
    assert reply.calls > 0


def test_the_numbers_are_the_same_to_the_bit(ill):
    reply = asked(ill, "none")
    expected = contract_fakes.Ill().run(case())
    np.testing.assert_array_equal(reply.arrays["z"], expected["z"])
    assert reply.stats == {"nfe": expected["stats"]["nfe"]}
    assert reply.calls == expected["stats"]["nfe"]


def case():
    return Case(forward(problems()["P10"]), 1e-6, WANTS)


def test_what_is_not_finite_comes_through(ill):
    assert np.all(np.isnan(asked(ill, "nan").arrays["z"]))
    assert np.all(np.isneginf(asked(ill, "inf").arrays["z"]) == (forward(problems()["P10"]).values > 0))


def test_warnings_come_through(ill):
    assert asked(ill, "warns").warnings == ("DeprecationWarning", "RuntimeWarning")
    assert asked(ill, "none").warnings == ()


def test_float32_is_asked_for_and_seen_to(ill):
    reply = asked(ill, "none", dtype="f32")
    assert (reply.state, reply.message) == ("error", "ValueError: z has dtype float64, expected float32")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ThetaReversed", "the dynamics got theta = ["),
        ("NeverCalls", "the dynamics were never called"),
        ("Exiting", "the easy case P04 ended as crash: "),
    ],
)
def test_the_probe_finds_the_fault_of_an_adapter(transport, name, message):
    """P10 has two parameters that are not the same."""
    adapter = opened(transport, name)
    try:
        results = list(run(adapter, SMALL))
    finally:
        if transport == "stdio":
            adapter.close()
    assert {result.verdict.state for result in results} == {"harness-broken"}
    assert message in results[0].verdict.message


def rows(tmp_path, *arguments):
    report = tmp_path / "report.jsonl"
    cli.main(["--alone", *arguments, "--json", str(report)])
    return {row["id"]: row for row in jsonl.read(report)[1]}


def compared(here, there):
    """The same cases with the same states, outcomes and messages; the ratios to rounding, which dynamics written as data do otherwise."""
    assert list(here) == list(there)
    for id, row in here.items():
        other = there[id]
        assert {**row, "ratio": 0, "worst": 0, "calls": 0} == {**other, "ratio": 0, "worst": 0, "calls": 0}, id
        assert other["calls"] == pytest.approx(row["calls"], rel=0.1), id  # (LSODA's steps follow roundings)
        if isinstance(row["ratio"], float):
            assert other["ratio"] == pytest.approx(row["ratio"], rel=1e-3, abs=0.02), id


def test_the_same_verdicts(tmp_path):
    options = ["--tier", "smoke", "--in-process"]
    here = rows(tmp_path, "--impl", "refnode_validation.impls.refnode:Discrete", *options)
    compared(here, rows(tmp_path, "--cmd", serving("refnode.discrete"), *options))
    assert len(here) == len(plan_of(parse(options)).all_items())


@pytest.mark.slow
@pytest.mark.parametrize("word", ["refnode", "refnode.discrete", "scipy.RK45", "scipy.DOP853", "autograd"])
def test_the_same_verdicts_on_the_whole_suite(tmp_path, word):
    """The default tier: pytest -m slow tests/validation/test_contract.py (10 minutes)."""
    module = f"refnode_validation.impls.{word.split('.')[0]}"
    adapters = importlib.import_module(module)
    adapter, expected = next(one for one in adapters.ADAPTERS if one.name == word), Path(adapters.__file__).with_suffix(".expected")
    here = rows(tmp_path, "--impl", f"{module}:{adapter.__name__}")
    listed = ["--expected", str(expected)] if expected.exists() else []
    compared(here, rows(tmp_path, "--cmd", serving(word), *listed))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scipy"], "'scipy' is the name of no adapter: name one of scipy.RK45, scipy.DOP853"),
        (["scipy.RK4"], "'scipy.RK4' is the name of no adapter: name one of scipy.RK45, scipy.DOP853"),
        (["nothing"], "unknown implementation 'nothing'"),
        (["mine.py:Mine"], "cannot import the adapter 'mine.py:Mine'"),
        ([], "the following arguments are required: adapter (see --help)"),
        (["scipy.RK45", "--limit", "3"], "unrecognized arguments: --limit 3"),
    ],
)
def test_serve_with_wrong_arguments(words, message, capsys, monkeypatch):
    """One sentence on stderr, nothing on stdout, exit code 2."""
    monkeypatch.setattr(serve, "streams", lambda: (None, None))
    assert serve.main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith("refnode serve: ") and message in said.err
    assert said.out == ""


def test_requests_that_cannot_be_read_are_answered():
    adapter = serve.find("scipy.RK45")
    for request, message in [
        ({"cmd": "dance", "seq": 7}, "there is no request 'dance': there are start, probe, run and stop"),
        ({"seq": 7}, "there is no request None"),
        ({"cmd": "run", "seq": 7}, "cannot read the request: it has no 'case'"),
        ({"cmd": "probe", "seq": 7, "dynamics": {}, "points": []}, "cannot read the request: ValueError: dynamics are an object"),
    ]:
        said = serve.answer(adapter, request)
        assert said["seq"] == 7
        assert message in said["errored"]["message"]
        assert json.loads(json.dumps(said)) == said


@pytest.mark.parametrize(
    ("wants", "request_", "lacking"),
    [
        (("z", "dL/dz0", "dL/dt"), {}, "grad:z0, grad:t"),
        (("d2L/dz0", "d2L/dtheta"), {}, "grad:second"),
        (("dL/dq",), {}, "dL/dq"),
        (("z",), {"method": "rk4", "steps": 3}, "fixed:rk4"),
        (("z",), {"dtype": "f32"}, "f32"),
        (("z",), {"max_steps": 3}, "max_steps"),
    ],
)
def test_serve_does_not_ask_for_what_is_not_declared(wants, request_, lacking):
    case = case_to_json(Case(forward(problems()["P10"]), 1e-6, wants, **request_))
    said = serve.answer(serve.find("scipy.RK45"), {"cmd": "run", "seq": 7, "case": case})
    assert said == {"seq": 7, "unsupported": {"capability": lacking}}
