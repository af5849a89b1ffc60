"""JUnit, Markdown, badge, and the commands that make files of a report."""

import json
import re
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from refnode_validation import cli
from refnode_validation.outcomes import UNEXPECTED
from refnode_validation.report import badge, jsonl, junit, markdown
from refnode_validation.report.cells import reproduction
from refnode_validation.report.screen import Plain, screen
from refnode_validation.report.table import print_report
from refnode_validation.runner import RTOLS

from .reports import HEADER, ROWS, reports, row


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "r.jsonl"
    jsonl.write(path, HEADER, ROWS)
    return path


def test_junit():
    root = ElementTree.fromstring(junit.render(HEADER, ROWS).encode())
    kinds = {case.get("classname") + " " + case.get("name"): [(entry.tag, entry.get("message")) for entry in case] for case in root.iter("testcase")}
    assert kinds["mine.solve.value solve.value/P10/forward/1e-04"] == [("system-out", None)]
    assert kinds["mine.solve.value solve.value/P11/forward/1e-07"] == [("skipped", "expected failure: a <known> one")]
    assert kinds["mine.grad.t grad.t/P10/forward/1e-07"][0][0] == "failure"
    assert kinds["mine.solve.tolerance solve.tolerance/P10/forward/all"][0][1].startswith("noted, fail: error got 3, expected 1")
    assert kinds["mine.grad.second grad.second/P10/forward/1e-07"] == [("skipped", "unsupported: grad:second")]
    assert kinds["other.solve.value solve.value/P10/forward/1e-04"] == [("error", 'ValueError: <b> & "quotes" | `ticks`')]
    assert kinds["other.grad.t grad.t/P10/forward/1e-07"][0] == ("failure", "XPASS: passes although it is on the list of expected failures")
    assert kinds["gone.grad.t grad.t/P10/forward/1e-07"][0][0] == "error"
    suite = root.find("testsuite")
    assert {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")} == {
        "name": "mine 1.0", "tests": "7", "failures": "2", "errors": "0", "skipped": "3",
    }


@settings(max_examples=60, deadline=None)
@given(reports())
def test_junit_of_any_report(report):
    """It parses, has each case once, and fails or errs exactly where an outcome was unexpected."""
    header, rows = report
    root = ElementTree.fromstring(junit.render(header, rows).encode())
    cases = list(root.iter("testcase"))
    assert len(cases) == len(rows)
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    assert len(bad) == sum(r["outcome"] == "XPASS" or (r["outcome"] in UNEXPECTED and r["state"] != "pass") for r in rows)
    for kind in ("failure", "error", "skipped"):
        total = sum(int(suite.get(kind if kind == "skipped" else f"{kind}s")) for suite in root)
        assert total == sum(case.find(kind) is not None for case in cases)


def test_markdown():
    text = markdown.render(HEADER, ROWS)
    assert text.startswith("## Conformance: unexpected outcomes in 4 checks\n")
    assert "| mine | 1.0 | 2 of 6 | 1 | 1 | **2** |" in text
    assert "`refnode validate --alone --impl mine.py:Mine --only grad.t --problem P11 --rtol 1e-07 --seed 7`" in text
    assert "`` ValueError: <b> & \"quotes\" | `ticks` ``" in text
    assert "Start time" in text
    assert "| `grad.t` | \u274c **FAIL inf** | \u274c **XPASS 0.50** | \u274c **skip** |" in text
    assert markdown.render(HEADER, ROWS[:2]).startswith("## Conformance: as expected\n")


@settings(max_examples=60, deadline=None)
@given(reports())
def test_markdown_of_any_report(report):
    """Every table has as many columns in each line as in its head, and no text opens an element."""
    text = markdown.render(*report)
    text.encode("utf-8")
    width = 0
    for line in text.splitlines():
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) if line.startswith("|") else 0
        if bars and width:
            assert bars == width
        width = bars
    outside = re.sub(r"(?<!\\)(?:\\\\)*(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert set(re.findall(r"(?<!\\)<[^>]*>", outside)) <= {"<details>", "</details>", "<summary>", "</summary>"}


def test_badge():
    assert json.loads(badge.render(HEADER, ROWS)) == {
        "schemaVersion": 1, "label": "conformance of mine", "message": "2/6 \u00b7 0/9 statements", "color": "red",
    }
    good = json.loads(badge.render(HEADER, ROWS[:2]))
    assert good["message"] == "2/2 \u00b7 2 statements"
    assert good["color"] == "brightgreen"
    assert json.loads(badge.render(HEADER, ROWS[:3]))["color"] == "yellow"
    assert json.loads(badge.render(HEADER, []))["message"] == "not run"


@settings(max_examples=40, deadline=None)
@given(reports())
def test_a_badge_is_red_only_where_something_was_unexpected(report):
    made = json.loads(badge.render(*report))
    first = [r for r in report[1] if r["implementation"] == report[1][0]["implementation"]]
    assert (made["color"] == "red") == any(r["outcome"] in UNEXPECTED for r in first)


def test_files_of_a_report(report, tmp_path, capsys):
    """report A.jsonl gives what the functions give, and the terminal report without options; a truncated file is refused."""
    made = {name: tmp_path / name for name in ("html", "junit", "markdown", "badge")}
    assert cli.main(["report", str(report), *[word for name, path in made.items() for word in (f"--{name}", str(path))]]) == 0
    assert capsys.readouterr().out == ""
    assert made["junit"].read_text(encoding="utf-8") == junit.render(HEADER, ROWS)
    assert made["html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert cli.main(["report", str(report)]) == 0
    assert "mine: passes 2 of 6" in capsys.readouterr().out
    report.write_text("".join(report.read_text().splitlines(keepends=True)[:-1]))
    assert cli.main(["report", str(report), "--html", str(tmp_path / "no.html")]) == 2
    assert "r.jsonl is truncated: there is no footer" in capsys.readouterr().err
    assert not (tmp_path / "no.html").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["report"], "the following arguments are required: A.jsonl"),
        (["report", "no.jsonl"], "cannot read no.jsonl: No such file"),
        (["report", "no.jsonl", "--html", "/no/such/folder/x"], "--html /no/such/folder/x: there is no such folder"),
        (["--junit", "/"], "--junit /: that is a folder"),
        (["compare", "a"], "the following arguments are required: B.jsonl"),
        (["compare", "no.jsonl", "no.jsonl"], "cannot read no.jsonl"),
    ],
)
def test_usage_errors_are_one_sentence(arguments, sentence, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.startswith("refnode validate: ")
    assert err.count("\n") == 1


def test_without_rich_the_report_is_plain_text(report, monkeypatch, capsys):
    """The same words as with rich, nothing but ASCII, a hundred columns but for commands."""
    cli.main(["report", str(report)])
    rich = capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert isinstance(screen(), Plain)
    assert cli.main(["report", str(report)]) == 0
    plain = capsys.readouterr().out
    assert plain.isascii()
    assert all(len(line) <= 100 for line in plain.splitlines() if "$ refnode" not in line)
    assert re.sub(r"[\s-]+", "", plain) == re.sub(r"[\s\u2500-]+", "", rich)


@settings(max_examples=40, deadline=None)
@given(reports())
def test_any_report_can_be_printed(report):
    class Sink(Plain):
        def line(self, *parts, indent=0, wrap=True):
            assert all(isinstance(part, str) or len(part) == 2 for part in parts)

        def table(self, title, heads, body):
            assert all(len(line) == len(heads) + 1 for line in body)

    print_report(Sink(), *report)


def test_reproduction():
    """All that a case depends on, and nothing that is the default; words with spaces are quoted."""
    header = {**HEADER, "implementations": [{"name": "mine", "word": "my adapters/mine.py:Mine"}], "seed": 0}
    one = row("mine", "grad.t", "P10", 2.5e-7, "fail", 2.0)
    assert reproduction(header, one) == "refnode validate --alone --impl 'my adapters/mine.py:Mine' --only grad.t --problem P10 --rtol 2.5e-07"
    series = row("other", "solve.tolerance", "P10", None, "fail", 2.0)
    assert reproduction(header, series) == "refnode validate --alone --impl other --only solve.tolerance --problem P10"
    assert reproduction({**header, "rtols": [1e-3, 1e-5], "seed": 3}, series).endswith("--problem P10 --rtol 1e-03,1e-05 --seed 3")
    assert tuple(HEADER["rtols"]) == RTOLS


def test_picture(report, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "matrix.png"
    assert cli.main(["report", str(report), "--picture", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
