"""What changed from one report to another."""

import re

import pytest
from hypothesis import given, settings
from refnode_validation import cli
from refnode_validation.report import jsonl
from refnode_validation.report.compare import BAD, changes, facts

from .reports import HEADER, ROWS, reports, row


def kinds(before, after):
    return [change.kind for change in changes([before] if before else [], [after] if after else [])]


def a(state, ratio=None, outcome="ok"):
    return row("mine", "grad.t", "P10", 1e-7, state, ratio, outcome)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (a("pass", 0.1), a("pass", 0.39), None),
        (a("pass", 0.1), a("pass", 0.41), "REGRESSED"),
        (a("pass", 0.0), a("pass", 0.039), None),
        (a("pass", 0.0), a("pass", 0.041), "REGRESSED"),
        (a("pass", 0.5), a("pass", 0.1), None),
        (a("pass", 0.1), a("fail", 1.1, "UNEXPECTED"), "WORSE"),
        (a("pass", 0.1), a("fail", 1.1, "xfail"), "WORSE"),
        (a("pass", 0.1), a("unsupported", None, "neutral"), "WORSE"),
        (a("fail", 1.1, "xfail"), a("fail", 1.1, "UNEXPECTED"), "WORSE"),
        (a("fail", 1.1, "xfail"), a("pass", 0.1, "XPASS"), "WORSE"),
        (a("fail", 1.1, "xfail"), a("pass", 0.1), "better"),
        (a("fail", 1.1, "UNEXPECTED"), a("crash", None, "UNEXPECTED"), "changed"),
        (a("fail", 1.1, "UNEXPECTED"), a("fail", 9.1, "UNEXPECTED"), None),
        (a("fail", 1.1, "UNEXPECTED"), a("fail", 1.1, "xfail"), "changed"),
        (a("pass", 0.1), None, "VANISHED"),
        (a("fail", 2.0, "xfail"), None, "gone"),
        (None, a("pass", 0.1), "new"),
        (None, a("fail", 2.0, "UNEXPECTED"), "NEW"),
        (None, a("fail", 2.0, "xfail"), "new"),
    ],
)
def test_kinds(before, after, kind):
    assert kinds(before, after) == ([kind] if kind else [])


@settings(max_examples=60, deadline=None)
@given(reports(), reports())
def test_any_two_reports(first, second):
    """A report does not differ from itself; what got better one way did not get better the other way; every case that differs is told once."""
    assert changes(first[1], first[1]) == []
    there, back = changes(first[1], second[1]), changes(second[1], first[1])
    keys = [[(change.row["implementation"], change.row["id"]) for change in found] for found in (there, back)]
    assert all(len(set(key)) == len(key) for key in keys)
    better = [{key for key, change in zip(ks, found, strict=True) if change.kind == "better"} for ks, found in zip(keys, (there, back), strict=True)]
    assert not better[0] & better[1]
    assert facts(first[0], first[0]) == []


def test_of_two_adapters_nothing_got_worse():
    """Their cases are gone and new, whatever their outcomes."""
    before = [row("mine", "grad.t", "P10", 1e-7, "pass", 0.1), row("mine", "grad.t", "P11", 1e-7, "fail", 2.0, "UNEXPECTED")]
    after = [{**old, "implementation": "yours"} for old in before]
    found = [(change.row["implementation"], change.kind) for change in changes(before, after)]
    assert found == [("yours", "NEW"), ("mine", "VANISHED"), ("mine", "gone"), ("yours", "new")]


def test_facts():
    new = {**HEADER, "numpy": "9.9", "seed": 8, "implementations": [{"name": "mine", "version": "1.1", "capabilities": ["grad:t"]}]}
    lines = facts(HEADER, new)
    assert f"numpy: {HEADER['numpy']} -> 9.9" in lines
    assert "seed: 7 -> 8" in lines
    assert "mine: 1.0 -> 1.1" in lines
    assert "other: 2.0 -> not there" in lines
    assert "mine: no longer offers values" in lines
    assert "mine: now offers grad:t" in lines


def test_the_command(tmp_path, capsys):
    """Exit code 1 if something got worse, and a line to reproduce it; 0 for what got better."""
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
    jsonl.write(old, HEADER, ROWS)
    worse = [row("mine", "solve.value", "P10", 1e-4, "fail", 7.0, "UNEXPECTED", worst=("z", (1, 0), 1.5, 2.0)), *ROWS[1:]]
    jsonl.write(new, HEADER, worse)
    assert cli.main(["compare", str(old), str(new)]) == 1
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "WORSE mine: solve.value, 1 case" in out
    assert f"{old} -> {new}".replace(" ", "") in out.replace(" ", "")  # which is which, also where both have the same name
    assert "P10 forward rtol 1e-04: pass 0.20 -> fail 7.00 (z[1,0] got 1.5, expected 2, error 0.5, ratio 7.00)" in out
    assert "$ refnode validate --alone --impl mine.py:Mine --only solve.value --problem P10 --rtol 1e-04 --seed 7" in out
    assert out.endswith("1 WORSE ")
    assert cli.main(["compare", str(new), str(old)]) == 0
    assert "1 better" in capsys.readouterr().out
    assert cli.main(["compare", str(old), str(old)]) == 0
    assert "No case changed." in capsys.readouterr().out
    assert set(BAD) == {"WORSE", "REGRESSED", "NEW", "VANISHED"}
