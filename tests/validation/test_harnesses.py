"""The harnesses in other languages, where their compilers and libraries are; and the session of PROTOCOL.md."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest
from refnode_validation import cli, protocol
from refnode_validation.arguments import parse, plan_of
from refnode_validation.case import CAPABILITIES, MODES
from refnode_validation.protocol import client, probing, serve
from refnode_validation.protocol.wire import decoded
from refnode_validation.report import jsonl
from refnode_validation.runner import run

ROOT = Path(__file__).parents[2]
HARNESSES = ROOT / "validation" / "harnesses"
CHECKS = "solve.value,solve.reversed,solve.calls,grad.z0,grad.theta,grad.t,grad.observations,grad.reversed"
FEW = ["--problem", "P10", "--rtol", "1e-4,1e-7", "--only", CHECKS]


def built(folder, tmp_path_factory, *flags):
    """The path of a harness in C++, compiled for the tests alone; skips, by name, where that is not possible."""
    if not shutil.which("g++"):
        pytest.skip("no g++")
    target = tmp_path_factory.mktemp(folder) / "harness"
    command = ["g++", "-std=c++17", "-O0", "-Wall", "-Wextra", "-Werror", "-o", target, HARNESSES / folder / "harness.cpp", *flags]
    subprocess.run(command, check=True)
    return target


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory):
    return built("cpp", tmp_path_factory)


@pytest.fixture(scope="module")
def cvodes(tmp_path_factory):
    if not any(Path(folder, "cvodes", "cvodes.h").exists() for folder in ("/usr/include", "/usr/local/include", "/opt/homebrew/include")):
        pytest.skip("no SUNDIALS: apt-get install libsundials-dev")
    makefile = (HARNESSES / "cvodes" / "Makefile").read_text()
    return built("cvodes", tmp_path_factory, *re.search(r"^LIBRARIES = (.*)$", makefile, re.MULTILINE)[1].split())


@pytest.fixture(scope="module")
def javascript():
    if not shutil.which("node"):
        pytest.skip("no node")
    if not (HARNESSES / "javascript" / "node_modules" / "odex").is_dir():
        pytest.skip("no odex: npm ci --prefix validation/harnesses/javascript")
    return f"node {HARNESSES / 'javascript' / 'harness.js'}"


def states(command, arguments):
    with closing(client.Command(str(command), 60.0)) as adapter:
        return {result.id: result.verdict.state for result in run(adapter, plan_of(parse(arguments)))}


def test_the_skeleton_answers_start_and_probe(skeleton):
    """And says that it lacks a solver."""
    with closing(client.Command(str(skeleton), 20.0)) as adapter:
        assert adapter.probe() == ""
        results = list(run(adapter, plan_of(parse(FEW))))
    assert {result.verdict.state for result in results} == {"harness-broken"}
    assert "there is no solver here yet" in results[0].verdict.message


def test_the_skeleton_survives_what_it_does_not_understand(skeleton):
    lines = [
        '{"cmd":"start","protocol":1,"later":[{"a":null}]}', "[1", '{"cmd":"dance","seq":1}', '{"cmd":"run","seq":"x\\"y"}', "",
        '{"cmd":"probe","seq":2}', json.dumps(probing.request() | {"seq": 3}),
    ]
    spoken = "\n".join([*lines, ""])
    said = subprocess.run([skeleton], input=spoken, capture_output=True, text=True, timeout=20, check=True).stdout
    answers = [decoded(line.encode()) for line in said.splitlines()]
    assert len(answers) == len(lines)
    assert [answer.get("seq") for answer in answers] == [None, None, 1, 'x"y', None, 2, 3]
    assert all("errored" in answer for answer in answers[1:6])
    client.check(answers[0], "start")
    assert probing.fault(answers[6]) == ""


@pytest.mark.parametrize("method", ["adams", "bdf"])
def test_cvodes(cvodes, method):
    """Its adjoint: values, gradients in z0, theta and the times, several observations, both directions; and what has no solution."""
    found = states(f"{cvodes} {method}", FEW)
    assert set(found.values()) == {"pass"}
    assert len(found) == 15
    assert set(states(f"{cvodes} {method}", ["--tier", "smoke", "--only", "solve.negative"]).values()) == {"pass"}


def test_javascript(javascript):
    """solve.calls is recommended: odex counts too few."""
    found = states(javascript, FEW)
    assert {id for id, state in found.items() if state not in ("pass", "unsupported")} == {id for id in found if id.startswith("solve.calls")}
    assert {state for id, state in found.items() if id.startswith("grad")} == {"unsupported"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cvodes adams", "cvodes bdf", "javascript"])
def test_the_full_tier_has_no_failure_that_is_not_explained(name, request, tmp_path):
    """The strict lists: nothing unlisted, nothing stale. pytest -m slow tests/validation/test_harnesses.py (15 minutes)."""
    folder, *method = name.split()
    harness = request.getfixturevalue(folder)
    expected = HARNESSES / folder / ("odex.expected" if folder == "javascript" else "cvodes.expected")
    report = tmp_path / "report.jsonl"
    code = cli.main(["--alone", "--tier", "full", "--cmd", " ".join([str(harness), *method]), "--expected", str(expected), "--json", str(report)])
    unexpected = [row["id"] for row in jsonl.read(report)[1] if row["outcome"] in ("UNEXPECTED", "XPASS", "XFAIL-CHANGED", "noted")]
    assert (code, unexpected) == (0, [])


def session():
    """(request, answer) of the session in PROTOCOL.md; None for the answer to stop."""
    block = re.search(r"```\n(> .*?)```", (ROOT / "validation" / "PROTOCOL.md").read_text(), re.DOTALL)[1]
    lines = [(line[0], json.loads(line[2:])) for line in block.strip().splitlines()]
    requests = [said for who, said in lines if who == ">"]
    return list(zip(requests, [*(said for who, said in lines if who == "<"), None], strict=True))


def test_the_session_of_the_page_is_what_happens():
    """Spoken with refnode serve, by pipe; numbers to the tolerance that was asked for."""
    spoken = "".join(json.dumps(request) + "\n" for request, _ in session())
    command = [sys.executable, "-m", "refnode", "serve", "refnode"]
    process = subprocess.run(command, input=spoken, capture_output=True, text=True, timeout=60, check=True)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert len(answers) == len(session()) - 1
    for got, (_, expected) in zip(answers, session(), strict=False):
        assert set(expected) <= set(got)
        for key, value in expected.items():
            if key == "results":
                assert {name: pytest.approx(x, abs=1e-5) for name, x in flat(value)} == dict(flat(got[key]))
            elif key == "implementation":
                assert set(value) <= set(got[key]) and value["name"] == got[key]["name"]
            elif key == "capabilities":
                assert set(value) <= set(got[key])
            elif key == "refused":
                assert got[key]["message"].startswith(value["message"][:17])
            elif key != "calls":
                assert got[key] == value


def flat(results):
    rows = [(f"{key}[{i}]", row if isinstance(row, list) else [row]) for key, rows in results.items() for i, row in enumerate(rows)]
    return [(f"{name}[{j}]", x) for name, row in rows for j, x in enumerate(row)]


def test_the_session_is_valid():
    requests = jsonschema.Draft202012Validator(json.loads((Path(protocol.__file__).parent / "requests.schema.json").read_text()))
    for request, answer in session():
        requests.validate(request)
        if answer:
            client.check(answer, request["cmd"])


def test_the_page_names_what_the_code_has():
    from refnode_validation import process
    from refnode_validation.ir.dynamics import OPERATIONS

    page = (ROOT / "validation" / "PROTOCOL.md").read_text()
    assert f"{process.LINE_LIMIT:,} bytes" in page
    assert f"`--start-limit` seconds ({process.START_LIMIT:.0f})" in page
    assert process.RESTARTS == 5 and "after five new processes" in page
    assert all(re.search(rf"\b{operation}\b", page) for operation in OPERATIONS)
    assert serve.PROTOCOL == 1
    assert all(f'`"{mode}"`' in page for mode in MODES)
    assert set(re.findall(r'`"((?:values|time:|grad:|stats:|max_)\w*)"`', page)) < set(CAPABILITIES)


def test_nothing_private_is_kept_with_the_harnesses():
    lock = json.loads((HARNESSES / "javascript" / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
    tracked = subprocess.run(["git", "ls-files", str(HARNESSES)], capture_output=True, text=True, cwd=ROOT)
    if tracked.returncode == 0:
        assert not any("node_modules" in name or name.endswith("/harness") for name in tracked.stdout.split())
