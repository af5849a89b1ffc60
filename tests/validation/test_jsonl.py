"""The report file: what is written is read again, and what is incomplete is refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refnode_validation.plans import Options, plan
from refnode_validation.report import jsonl
from refnode_validation.runner import Result
from refnode_validation.verdicts import STATES, Verdict, compare

RESULTS = [
    Result("a", "grad.t", "P10", "forward", 1e-7, Verdict("fail", 3.4, "", compare("dL/dt", [1.0, 2.5], [1.0, 2.0], 0.1)), 12, ("W",)),
    Result("a", "solve.tolerance", "P10", "forward", None, Verdict("pass", 0.25)),
    Result("b", "grad.t", "P10", "forward", 1e-7, Verdict("error", message="ValueError: no")),
    Result("b", "grad.z0", "P10", "forward", 1e-7, Verdict("fail", math.inf, "not finite", compare("dL/dz0", [math.nan], [1.0], 1.0))),
]
HEADER = jsonl.header(
    [{"name": "a", "version": "1", "word": "/home/me/secret/a.py:A"}], ["--json", "/home/me/secret/report.jsonl"], 0, (1e-4, 1e-7)
)
ROWS = [jsonl.row(result, "ok") for result in RESULTS]


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.jsonl"
    jsonl.write(path, HEADER, ROWS)
    return path


def test_round_trip(report):
    header, rows, footer = jsonl.read(report)
    assert (header, rows) == (HEADER, ROWS)
    assert footer == {"kind": "footer", "cases": 4, "counts": {"a:fail": 1, "a:pass": 1, "b:error": 1, "b:fail": 1}, "complete": True}
    assert rows[0]["worst"] == {"quantity": "dL/dt", "index": [1], "got": 2.5, "expected": 2.0}
    assert rows[3]["ratio"] == "inf"
    assert rows[3]["worst"]["got"] == "nan"


def test_canonical(report):
    """Keys sorted, no spaces, no paths, strict JSON; the same report has the same bytes."""
    text = report.read_text()
    assert "secret" not in text
    assert '"word":"a.py:A"' in text
    for line in text.splitlines():
        entry = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert json.dumps(entry, sort_keys=True, separators=(",", ":")) == line


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: lines[:-1], "truncated"),
        (lambda lines: lines[:3], "truncated"),
        (lambda lines: lines[1:], "header"),
        (lambda lines: [], "header"),
        (lambda lines: [*lines[:-2], lines[-1]], "its footer says 4"),
        (lambda lines: [*lines[:-2], lines[1], lines[-1]], "twice"),
        (lambda lines: [*lines[:-1], lines[-1].replace('"b:fail":1', '"b:fail":2')], "counts"),
        (lambda lines: [lines[0], lines[-1], *lines[2:]], "not cases"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "not JSON"),
        (lambda lines: [lines[0].replace('"format":1', '"format":2'), *lines[1:]], "format"),
    ],
)
def test_damaged_files_are_refused(report, damage, message):
    report.write_text("".join(line + "\n" for line in damage(report.read_text().splitlines())))
    with pytest.raises(jsonl.ReportError, match=message):
        jsonl.read(report)


def test_every_truncation_is_refused(report):
    """Cut after any number of bytes but the last newline."""
    data = report.read_bytes()
    for n in range(len(data) - 1):
        report.write_bytes(data[:n])
        with pytest.raises(jsonl.ReportError):
            jsonl.read(report)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(list(STATES)), st.none() | st.floats(allow_nan=True), st.text(max_size=20)),
        max_size=8,
    )
)
def test_round_trip_of_any_results(tmp_path_factory, drawn):
    rows = [
        jsonl.row(Result(name, f"check.{i}", "P01", "forward", 1e-4, Verdict(state, ratio, message)), "ok")
        for i, (name, state, ratio, message) in enumerate(drawn)
    ]
    path = tmp_path_factory.mktemp("reports") / "r.jsonl"
    jsonl.write(path, HEADER, rows)
    assert jsonl.read(path)[1] == rows


@pytest.mark.parametrize("tier", ["smoke", "default", "full"])
def test_no_case_is_in_a_plan_twice(tier):
    """A report of such a plan could not be read back."""
    items = [(check.id, name, direction, rtol) for name, direction, check, rtol in plan(Options(tier=tier)).all_items()]
    assert len(items) == len(set(items))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/me/my adapters/mine.py:Mine", "mine.py:Mine"),
        ("lib/mine.py:Mine", "lib/mine.py:Mine"),
        ("..\\lib\\mine.py:Mine", "../lib/mine.py:Mine"),
        ("C:\\me\\mine.py:Mine", "mine.py:Mine"),
        ("~/mine.py:Mine", "mine.py:Mine"),
        ("--json=/home/me/r.jsonl", "r.jsonl"),
        ("refnode.discrete", "refnode.discrete"),
    ],
)
def test_folders_of_the_machine_are_not_kept_and_relative_ones_are(given, kept):
    header = jsonl.header([{"name": "mine", "word": given}], [given], 0)
    assert header["argv"] == [kept] and header["implementations"][0]["word"] == kept
