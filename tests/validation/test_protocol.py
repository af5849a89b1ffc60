"""The protocol, from the suite's side: whatever a command does, its case has a state and a message, and the run completes."""

import json
import shlex
import sys
from contextlib import closing
from pathlib import Path

import pytest
from refnode_validation import cli, protocol
from refnode_validation.arguments import parse, plan_of
from refnode_validation.protocol import client
from refnode_validation.report import jsonl
from refnode_validation.runner import run

from . import stdio_fakes

ARGUMENTS = ["--problem", "P10", "--rtol", "1e-4,1e-7", "--only", "solve.value,solve.reversed"]
CASE = "solve.value/P10/forward/1e-04"  # the one in which a fake has its symptom
NUMBER = 'a number is a JSON number, a string such as "0x1.8p+1", or "NaN", "INF", "-INF"'


def command(symptom):
    return shlex.join([sys.executable, stdio_fakes.__file__, symptom])


def verdicts(symptom, limit=20.0):
    """{case id: verdict}, and how many processes there were."""
    with closing(client.Command(command(symptom), limit)) as adapter:
        found = {result.id: result.verdict for result in run(adapter, plan_of(parse(ARGUMENTS)))}
        return found, adapter.starts


@pytest.mark.parametrize(
    ("symptom", "state", "message", "processes"),
    [
        ("none", "pass", "", 1),
        ("kill -9", "crash", "its process ended with code -9: the last words", 2),
        ("hangs", "timeout", "no answer within 1 s; on stderr: thinking", 2),
        ("late", "timeout", "no answer within 1 s", 2),
        ("10 MB line", "error", "a line of more than 4,000,000 bytes", 2),
        ("invalid UTF-8", "error", "invalid UTF-8 at byte 9: ", 2),
        ("wrong seq", "error", "the answer has seq 3, asked was 4", 2),
        ("no seq", "error", "the answer has seq null, asked was 4", 2),
        ("half a line", "crash", "its process ended with code 0 in the middle of a line", 2),
        ("half a line and silence", "timeout", "no answer within 1 s", 2),
        ("leaves a process", "crash", "its process ended with code 3", 2),
        ("closes stdout", "crash", "it closed its stdout", 2),
        ("chatter on stderr", "pass", "", 1),
        ("banner on stdout", "error", "not JSON (Expecting value: line 1 column 1 (char 0)): 'Welcome to the solver!'", 2),
        ("not an object", "error", "not a JSON object: '[1, 2]'", 2),
        ("empty line", "error", "not JSON", 2),
        ("deep", "error", "not JSON", 2),
        ("NaN string", "fail", "z is not finite", 1),
        ("NaN token", "error", 'NaN is not in JSON: write "NaN", "INF" or "-INF"', 2),
        ("nan string", "error", f"results.z[1][0]: 'nan' does not match ... : {NUMBER}", 1),
        ("null", "error", f"results.z[1][0]: None is not of type 'number', 'string', 'array': {NUMBER}", 1),
        ("true", "error", "results.z[1][0]: True is not of type", 1),
        ("INF string", "fail", "z is not finite", 1),
        ("hexadecimal", "pass", "", 1),
        ("decimal string", "error", "results.z[1][0]: '0.5' does not match", 1),
        ("ragged", "error", "z has rows of different lengths", 1),
        ("unknown key", "error", "Additional properties are not allowed ('time' was unexpected)", 1),
        ("unknown stat", "error", "stats: Additional properties are not allowed ('steps' was unexpected)", 1),
        ("unknown result", "error", "returned the keys ['dL/dz0', 'z'], asked were ['z']", 1),
        ("no results", "error", "an answer has one of results (with calls), refused, errored, unsupported; this has ['calls', 'seq']", 1),
        ("no calls", "error", "an answer has one of results (with calls)", 1),
        ("two answers", "error", "an answer has one of results (with calls)", 1),
        ("refuses", "refused", "too stiff for me", 1),
        ("errs", "error", "IndexError: out of range", 1),
        ("calls it unsupported", "fail", "declares what it then calls unsupported: values", 1),
        ("too many calls", "timeout", "the dynamics were called more than 100000 times", 1),
        ("warns", "pass", "", 1),
    ],
)
def test_one_case_has_the_state_and_the_others_pass(symptom, state, message, processes):
    found, started = verdicts(symptom, 1.0 if state == "timeout" else 20.0)
    assert list(found) == [CASE, CASE.replace("04", "07"), "solve.reversed/P10/reversed/1e-04", "solve.reversed/P10/reversed/1e-07"]
    assert {id: verdict.state for id, verdict in found.items()} == dict.fromkeys(found, "pass") | {CASE: state}
    for part in message.split(" ... "):
        assert part in found[CASE].message
    assert started == processes


def test_an_answer_that_nobody_asked_for_is_noticed_at_the_next_question():
    found, started = verdicts("answers twice")
    assert found[CASE].state == "pass"
    assert found["solve.value/P10/forward/1e-07"].state == "error"
    assert found["solve.value/P10/forward/1e-07"].message == "the answer has seq 4, asked was 5"
    assert found["solve.reversed/P10/reversed/1e-07"].state == "pass"
    assert started == 2


@pytest.mark.parametrize("symptom", ["always dies", "always garbled"])
def test_restarts_are_bounded(symptom, monkeypatch):
    monkeypatch.setattr(client, "RESTARTS", 1)
    plan = plan_of(parse(ARGUMENTS))
    with closing(client.Command(command(symptom), 20.0)) as adapter:
        states = [adapter.reply(case()).state for _ in range(4)]
        assert adapter.starts == 2
        assert {result.verdict.state for result in run(adapter, plan)} == {"harness-broken"}
    first = "crash" if symptom == "always dies" else "error"
    assert states == [first, first, "not-run", "not-run"]


def test_a_command_that_is_gone():
    with closing(client.Command(command("always dies"), 20.0)) as adapter:
        assert adapter.reply(case()).state == "crash"
        adapter.command = "/no/such/command"
        reply = adapter.reply(case())
    assert (reply.state, reply.message[:37]) == ("crash", "its command cannot be started again: ")


def case():
    from refnode_validation.case import Case
    from refnode_validation.problems.catalog import problems
    from refnode_validation.problems.exact import forward

    return Case(forward(problems()["P10"]), 1e-4, ("z",))


@pytest.mark.parametrize(
    ("symptom", "state", "message"),
    [
        ("start: dies", "crash", "it does not start: its process ended with code -9: the last words"),
        ("start: hangs", "timeout", "it does not start: no answer within 1 s; on stderr: thinking"),
        ("start: says nothing and ends", "crash", "it does not start: its process ended with code 0"),
        ("start: another protocol", "harness-broken", "it does not start: it speaks protocol 2, the suite speaks 1"),
        ("start: not JSON", "harness-broken", "it does not start: not JSON"),
        ("start: unknown key", "harness-broken", "it does not start: Additional properties are not allowed ('colour' was unexpected)"),
        ("start: no name", "harness-broken", "it does not start: implementation: 'name' is a required property"),
        ("start: unknown capability", "harness-broken", "unknown capabilities ['grad:y0']; known are"),
        ("start: no values", "harness-broken", 'the capability "values" is missing'),
        ("start: another mode", "harness-broken", "mode is 'backsolve'"),
        ("probe: wrong f", "harness-broken", "f of the dynamics at point 0 of the probe is [0.0, 0.0, 0.0, 0.0], expected ["),
        ("probe: too few", "harness-broken", "the probe has 2 points, the answer 1"),
        ("probe: wrong vjp", "harness-broken", "vjp_z of the dynamics at point 0 of the probe is"),
        ("probe: cannot", "harness-broken", "the probe of the dynamics ended as error: no such operation: relu"),
        ("probe: hangs", "harness-broken", "the probe of the dynamics ended as timeout: no answer within 1 s; on stderr: thinking"),
        ("start: declares gradients", "error", "returned the keys ['z'], asked were ['dL/dz0', 'z']"),
    ],
)
def test_before_the_first_case(tmp_path, symptom, state, message, capsys):
    """One result for every case; a command that does not start has its command line as its name."""
    report = tmp_path / "report.jsonl"
    limits = ["--limit", "1", "--start-limit", "1"] if "hangs" in symptom else []
    what = ["--problem", "P10", "--rtol", "1e-4", "--only", "solve.value,grad.z0"]
    assert cli.main(["--alone", "--cmd", command(symptom), *what, *limits, "--json", str(report)]) == 1
    rows = jsonl.read(report)[1]
    assert [row["check"] for row in rows if row["state"] == state] == (["solve.value", "grad.z0"] if state != "error" else ["grad.z0"])
    assert all(message in row["message"] for row in rows if row["state"] == state)


def test_the_table_has_the_command_that_runs_a_case_again(tmp_path, capsys):
    report = tmp_path / "report.jsonl"
    mine = command("errs")
    assert cli.main(["--alone", "--cmd", mine, *ARGUMENTS, "--json", str(report)]) == 1
    assert f"$ refnode validate --alone --cmd {shlex.quote(mine)} --only solve.value" in " ".join(capsys.readouterr().out.split())
    header = jsonl.read(report)[0]
    assert header["implementations"][0]["word"] == " ".join([Path(sys.executable).name, "stdio_fakes.py", "errs"])
    assert str(Path.home()) not in json.dumps(header) or str(Path.home()) == "/"


@pytest.mark.parametrize(
    ("line", "symptom", "code", "outcomes"),
    [
        (f"fake | {CASE} | * | error: IndexError | - | an index", "errs", 0, {"ok", "xfail"}),
        (f"fake | {CASE} | * | error: TypeError | - | an index", "errs", 1, {"ok", "XFAIL-CHANGED"}),
        (f"fake | {CASE} | * | error: IndexError | - | an index", "none", 1, {"ok", "XPASS"}),
        ("", "errs", 1, {"ok", "UNEXPECTED"}),
    ],
)
def test_lists_of_expected_failures(tmp_path, line, symptom, code, outcomes):
    report, expected = tmp_path / "report.jsonl", tmp_path / "fake.expected"
    expected.write_text(f"# a comment\n{line}\n")
    arguments = ["--alone", "--cmd", command(symptom), "--expected", str(expected), *ARGUMENTS, "--json", str(report)]
    assert cli.main(arguments) == code
    assert {row["outcome"] for row in jsonl.read(report)[1]} == outcomes


def test_wrong_arguments(tmp_path, capsys):
    expected = tmp_path / "other.expected"
    expected.write_text("other | */P10/* | * | fail | - | because\n")
    for arguments, message in [
        (["--cmd", "/no/such/command"], "cannot start --cmd '/no/such/command': "),
        (["--cmd", "'unclosed"], "cannot start --cmd \"'unclosed\": No closing quotation"),
        (["--cmd", " "], "--cmd ' ' names nothing"),
        (["--impl", "scipy", "--expected", str(expected)], "--expected is the list of a --cmd"),
        (["--cmd", command("none"), "--expected", "nofile"], "--expected nofile: there is no such file"),
        (["--cmd", command("none"), "--expected", str(expected)], f"--expected {expected} is about other; --cmd started fake"),
        (["--cmd", command("none"), "--cmd", command("errs")], "two implementations have the name 'fake'"),
        (["--dynamics", "x:f", "--cmd", command("none")], "--cmd is about implementations"),
        ([], "--alone needs --impl or --cmd"),
    ]:
        assert cli.main(["--alone", *ARGUMENTS, *arguments] if "--dynamics" not in arguments else arguments) == 2
        assert message in capsys.readouterr().err


def test_without_jsonschema(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    monkeypatch.delitem(sys.modules, "refnode_validation.protocol.client")
    monkeypatch.delattr(protocol, "client")
    assert cli.main(["--alone", "--cmd", command("none")]) == 2
    assert "--cmd needs the package jsonschema: pip install -e '.[validation]'" in capsys.readouterr().err


def test_beside_python_adapters_and_in_process(tmp_path):
    """The same rows, whether the commands take their turn among workers or are asked from this thread."""
    found = []
    for more in ([], ["--in-process"]):
        report = tmp_path / "report.jsonl"
        assert cli.main(["--alone", "--impl", "scipy", "--cmd", command("none"), *ARGUMENTS, *more, "--json", str(report)]) == 0
        found.append(jsonl.read(report)[1])
    assert found[0] == found[1]
    assert {row["implementation"] for row in found[0]} == {"scipy.RK45", "scipy.DOP853", "fake"}


@pytest.mark.parametrize(("symptom", "code"), [("none", 0), ("stop: deaf", -9)])
def test_after_close_there_is_no_process(symptom, code, monkeypatch):
    monkeypatch.setattr(client, "STOP_SECONDS", 20.0 if code == 0 else 0.2)
    adapter = client.Command(command(symptom), 20.0)
    process = adapter.process.process
    adapter.close()
    assert process.returncode == code  # it stopped by itself, or was ended
    assert adapter.reply(case()).state == "not-run"
