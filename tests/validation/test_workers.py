"""Processes of their own: whatever an implementation does, its case has a state, and the others have theirs."""

import json
from contextlib import closing

import numpy as np
import pytest
from refnode_validation import cli, workers
from refnode_validation.arguments import parse, plan_of
from refnode_validation.checks.catalog import all_checks
from refnode_validation.problems.catalog import problems
from refnode_validation.process import Worker
from refnode_validation.report import jsonl
from refnode_validation.runner import Plan, run
from refnode_validation.verdicts import STATES
from refnode_validation.worker import _again, _plain
from refnode_validation.workers import Workers

from . import fakes

ARGUMENTS = ["--problem", "P10", "--rtol", "1e-4,1e-7", "--only", ",".join(all_checks())]  # without relations
CASE = "grad.z0/P10/forward/1e-04"  # of the one solve in which fakes.Ill has its symptom
SAME_SOLVE = {f"{check}/P10/forward/1e-04" for check in ("grad.z0", "grad.theta", "grad.t")}  # values are asked for again, alone
SAME_SERIES = {"grad.tolerance/P10/forward/all"}


def results(*names, limit=20.0, jobs=1, arguments=ARGUMENTS):
    """{implementation: {case id: verdict}} for classes of fakes, and how many processes there were; one of them is left at the end."""
    words = [(f"{fakes.__file__}:{name}", True) for name in names]
    with closing(Workers(jobs, limit)) as processes:
        found: dict = {}
        for _, result in processes.results(plan_of(parse(arguments)), arguments, processes.load(words)):
            assert result.id not in found.setdefault(result.implementation, {})
            found[result.implementation][result.id] = result.verdict
        assert sum(worker.process.poll() is None for worker in processes.all) <= jobs
        return found, len(processes.all)


@pytest.mark.parametrize(
    ("name", "state", "message", "processes"),
    [
        ("Hanging", "timeout", "no answer within 2 s", 2),
        ("Exiting", "crash", "its process ended with code 7: the last words", 2),
        ("Interrupting", "crash", "KeyboardInterrupt", 2),
        ("Talking", "pass", "", 1),
        ("Slow", "pass", "", 1),
        ("LateAnswer", "timeout", "no answer within 2 s", 2),
    ],
)
def test_one_case_has_the_state_and_the_others_pass(name, state, message, processes):
    found, started = results(name, limit=2.0 if state == "timeout" else 20.0)
    verdicts = found["ill"]
    assert list(verdicts) == ids(plan_of(parse(ARGUMENTS)))
    assert {id for id, verdict in verdicts.items() if verdict.state != "pass"} == (SAME_SOLVE | SAME_SERIES if state != "pass" else set())
    assert {verdicts[id].state for id in SAME_SOLVE | SAME_SERIES} == {state}
    assert message in verdicts[CASE].message
    assert started == processes


def ids(plan: Plan):
    """In the order in which the runner yields them."""
    return [result.id for result in run(fakes.AlwaysExact(problems()), plan)]


def test_a_stack_overflow():
    """Since Python 3.12 it is an exception."""
    found, _ = results("Overflowing")
    assert found["ill"][CASE].state in ("crash", "error")
    assert found["ill"]["grad.z0/P10/forward/1e-07"].state == "pass"


def test_restarts_are_bounded_and_nothing_is_asked_twice(monkeypatch):
    monkeypatch.setattr(workers, "RESTARTS", 2)
    found, started = results("AlwaysExiting")
    states = [verdict.state for verdict in found["exiting"].values() if verdict.state != "pass"]  # values without gradients pass
    assert started == 3
    assert {"crash", "not-run"} == set(states)
    assert states == sorted(states)  # first what was tried, then what was not
    assert "started 3 times" in list(found["exiting"].values())[-1].message


def test_each_process_of_one_that_crashes_on_the_third_question_gives_two_answers():
    """The question that crashed is not asked again."""
    arguments = ["--problem", "P10,P28,P30", "--rtol", "1e-4", "--only", "grad.z0,grad.observations"]
    found, started = results("CrashingOnThird", arguments=arguments)
    states = {id: verdict.state for id, verdict in found["third"].items()}
    solves = ["pass", "pass", "crash", "pass", "pass", "crash"]  # the problems forward, each with main and alone
    assert list(states.values()) == solves
    assert started == 3


def test_a_probe_that_hangs_is_the_adapters_fault():
    found, _ = results("HangingInTheProbe", limit=2.0)
    assert {verdict.state for verdict in found["exact"].values()} == {"harness-broken"}
    assert "the easy case P04 ended as timeout" in found["exact"][CASE].message


def test_two_at_once_give_what_one_after_the_other_gives():
    """Verdict by verdict, with the numbers."""
    few = ["--problem", "P10", "--rtol", "1e-4", "--only", "solve.*"]
    words = [("scipy", True), ("autograd", True)]
    with closing(Workers(2, 60.0)) as processes:
        loaded = processes.load(words)
        side_by_side = {(result.implementation, result.id): result for _, result in processes.results(plan_of(parse(few)), few, loaded)}
    in_process = {
        (result.implementation, result.id): result for _, result in cli._results(plan_of(parse(few)), [cli.load(*w) for w in words], few, None)
    }
    assert side_by_side == in_process


def test_a_worker_does_not_outlive_the_process_that_asks():
    worker = Worker("worker")
    try:
        worker.ask({"do": "load", "word": f"{fakes.__file__}:Hanging", "asked": True}, 60)
        worker.send({"do": "run", "name": "ill", "argv": ARGUMENTS, "answers": {}})
        while "started" not in worker.receive(60):
            pass
        worker.requests.put(b"")  # the end of what it is asked
        assert worker.process.wait(30) == 0
    finally:
        worker.close()


@pytest.mark.parametrize(("source", "state"), [("import time; time.sleep(1000)", "timeout"), ("import os; os._exit(3)", "crash")])
def test_imports_that_take_too_long_or_end_the_process(tmp_path, source, state):
    (tmp_path / "mine.py").write_text(source)
    report = tmp_path / "report.jsonl"
    what = ["--problem", "P01", "--only", "solve.value", "--start-limit", "2" if state == "timeout" else "60"]
    assert cli.main(["--alone", "--impl", f"{tmp_path / 'mine.py'}:Mine", *what, "--json", str(report)]) == 1
    assert {row["state"] for row in jsonl.read(report)[1]} == {state}


def test_wrong_arguments_are_one_sentence_here_too(capsys, tmp_path):
    assert cli.main(["--alone", "--impl", "nofile.py:X"]) == 2
    assert "cannot import the adapter 'nofile.py:X'" in capsys.readouterr().err
    for arguments in (["--jobs", "0"], ["--limit", "0"], ["--limit", "nan"]):
        assert cli.main(arguments) == 2
        assert "--jobs is a number from 1 on" in capsys.readouterr().err


def test_every_state_can_be_reached():
    """Here: timeout, crash, not-run, harness-broken, pass. In test_fakes.py: fail, error, refused, unsupported. In test_cli.py: skipped."""
    assert set(STATES) == {
        "pass", "timeout", "crash", "not-run", "harness-broken", "fail", "error", "refused", "unsupported", "skipped",
    }


def test_what_is_remembered_is_the_same_number():
    """Through JSON and back, bit for bit, also what JSON does not know."""
    class Case:
        calls = 0

    returned = {"z": np.array([[0.1, np.nan], [-np.inf, 5e-324]]), "log p": np.float32(1 / 3), "stats": {"nfe": 3}}
    again = _again(Case, {"calls": 7, "returned": json.loads(json.dumps(_plain(returned)))})
    assert Case.calls == 7
    assert again["stats"] == {"nfe": 3}
    for key in ("z", "log p"):
        np.testing.assert_array_equal(again[key], returned[key], strict=True)
    assert _plain(None) is None
    assert _plain({"z": object()}) is None
