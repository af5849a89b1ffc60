"""Adapters with a deliberate bug: the first screen says which statement fails, where, by how much, and how to reproduce it."""

import re
from pathlib import Path

import pytest
from refnode_validation import cli
from refnode_validation.report.failures import groups
from refnode_validation.report.table import _verb

from .reports import row

BUGGY = Path(__file__).with_name("buggy.py")
FEW = ["--problem", "P10,P11", "--rtol", "1e-4,1e-7"]
LINES, COLUMNS = 30, 100


def first_screen(name, capsys):
    code = cli.main(["--alone", "--impl", f"{BUGGY}:{name}", *FEW])
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= COLUMNS or line.lstrip().startswith("$ ") for line in lines)
    return code, re.sub(r"\s+", " ", " ".join(lines[:LINES])), lines


@pytest.mark.parametrize(
    ("name", "statement", "check", "where", "worst"),
    [
        ("WrongSign", "S79 Start time", "grad.t", "always worst in dL/dt[0]", r"P1. forward rtol 1e-07: dL/dt\[0\]"),
        ("MissingJump", "S13 Several observations", "grad.observations", "fails in 2 of 2 cases", r"P11 forward rtol 1e-07: dL/dz0\[0\]"),
        ("LinearOutputs", "S16 Output at many times", "solve.output_times", "every direction", r"P1. \w+ rtol 1e-07: z\[\d+,0\]"),
        ("ToleranceIgnored", "S3 ODE-Net output", "solve.value", "only rtol 1e-07", r"P1. forward rtol 1e-07: z\[\d,0\]"),
    ],
)
def test_the_first_screen(name, statement, check, where, worst, capsys):
    code, screen, lines = first_screen(name, capsys)
    assert code == 1
    assert f"{statement}: " in screen
    assert re.search(rf"{re.escape(check)} fails in \d+ of \d+ cases: ", screen)
    assert where in screen
    got, expected = re.search(worst + r" got (\S+), expected (\S+), error \S+, ratio \d", screen).groups()
    assert float(got) != float(expected)
    assert f"$ refnode validate --alone --impl {BUGGY}:{name} --only {check} --problem P1" in screen
    assert "Begin with" in lines[-3] + lines[-2], "the last screen points at the first failure as well"


def test_mixed_states_are_named_by_the_most_frequent():
    """And the worst line is of that state, though others have no ratio."""
    states = [("timeout", None), ("fail", 2.0), ("fail", 30.0), ("pass", 0.1)]
    rows = [
        row("mine", "solve.value", f"P1{n}", 1e-4, state, ratio, "ok" if state == "pass" else "UNEXPECTED") for n, (state, ratio) in enumerate(states)
    ]
    (group,) = groups(rows)
    assert [(bad["state"], bad["ratio"]) for bad in group.bad] == [("fail", 30.0), ("fail", 2.0), ("timeout", None)]
    assert _verb(group) == "fails"
    (group,) = groups([*rows, *(row("mine", "solve.value", f"P2{n}", 1e-4, "timeout", None, "UNEXPECTED") for n in range(2))])
    assert group.bad[0]["state"] == "timeout"
    assert _verb(group) == "times out"


def test_statements_are_suspected_by_the_checks_that_ran():
    """grad.cut, the other check of S13, did not run: all that ran of S13 and of S84 fails, and S13 has fewer checks."""
    failing = ("grad.z0", "grad.observations", "grad.observations_t")
    (group,) = (group for group in groups([row("mine", check, "P10", 1e-7, "fail", 1e6, "UNEXPECTED") for check in failing])
                if group.check == "grad.observations")
    assert group.statements == ("S13", "S84")


@pytest.mark.parametrize(("quantity", "statement"), [("dL/dz0", "S8"), ("dL/dtheta", "S9")])
def test_of_statements_that_are_as_suspect_the_one_of_the_quantity_that_is_off_is_first(quantity, statement):
    rows = [row("mine", check, "P10", 1e-7, "pass", 0.1) for check in ("grad.z0", "grad.theta")]
    rows.append(row("mine", "grad.reversed", "P10", 1e-7, "fail", 1e6, "UNEXPECTED", worst=(quantity, (0,), 1.0, -1.0), direction="reversed"))
    (group,) = groups(rows)
    assert group.statements[0] == statement


def test_what_is_slightly_off_comes_after_what_is_wrong():
    rows = [row("mine", "solve.value", "P10", 1e-7, "fail", 1.12, "UNEXPECTED"), row("mine", "grad.t", "P10", 1e-7, "fail", 1e6, "UNEXPECTED"),
            row("mine", "grad.z0", "P10", 1e-7, "fail", 900.0, "UNEXPECTED")]
    assert [group.check for group in groups(rows)] == ["grad.t", "solve.value", "grad.z0"]
    assert [group.check for group in groups([rows[0], rows[2]])] == ["solve.value", "grad.z0"]


def test_the_honest_one_has_no_such_screen(capsys):
    code, screen, lines = first_screen("Honest", capsys)
    assert code == 0
    assert "unexpected" not in screen
    assert lines[-1].startswith("honest: passes ")
