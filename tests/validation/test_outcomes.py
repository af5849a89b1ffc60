"""Expected failures: strict lists, version ranges, and what counts."""

import fnmatch
from pathlib import Path

import pytest
from refnode_validation import impls
from refnode_validation.checks.catalog import all_checks
from refnode_validation.outcomes import OUTCOMES, UNEXPECTED, Entry, outcome, read_expected, reason, unused, version_in
from refnode_validation.plans import Options, plan
from refnode_validation.runner import Result
from refnode_validation.verdicts import Verdict


def result(state, check="grad.t", rtol=1e-7):
    return Result("lib", check, "P10", "forward", rtol, Verdict(state, 2.0 if state == "fail" else 0.5))


LISTED = (Entry("lib", "grad.t/P10/*/1e-07", ">=1,<2", "fail", "-", "known"),)
RAISING = (Entry("lib", "grad.t/P10/*/1e-07", "*", "error: ValueError: no", "RN-0007", "known"),)


@pytest.mark.parametrize(
    ("state", "entries", "gates", "expected"),
    [
        ("pass", (), True, "ok"),
        ("pass", LISTED, True, "XPASS"),
        ("pass", LISTED, False, "witness"),
        ("fail", LISTED, True, "xfail"),
        ("fail", (), True, "UNEXPECTED"),
        ("fail", (), False, "witness"),
        ("error", (), True, "UNEXPECTED"),
        ("timeout", (), True, "UNEXPECTED"),
        ("refused", (), True, "UNEXPECTED"),
        ("harness-broken", (), True, "UNEXPECTED"),
        ("unsupported", (), True, "neutral"),
        ("unsupported", LISTED, True, "neutral"),
        ("error", LISTED, True, "XFAIL-CHANGED"),
        ("error", LISTED, False, "witness"),
        ("not-run", LISTED, True, "XFAIL-CHANGED"),
        ("fail", RAISING, True, "XFAIL-CHANGED"),
        ("error", RAISING, True, "XFAIL-CHANGED"),
        ("pass", RAISING, True, "XPASS"),
        ("skipped", (), True, "MISSING"),
        ("skipped", (), False, "neutral"),
    ],
)
def test_outcome_of_a_required_check(state, entries, gates, expected):
    assert outcome(result(state), "1.5", entries, gates) == expected
    assert expected in OUTCOMES


def test_entries_speak_of_one_implementation_case_and_version():
    assert outcome(result("fail"), "2.0", LISTED, True) == "UNEXPECTED"
    assert outcome(result("fail", rtol=1e-4), "1.5", LISTED, True) == "UNEXPECTED"
    assert outcome(result("fail", check="grad.z0"), "1.5", LISTED, True) == "UNEXPECTED"
    assert reason(result("fail"), "1.5", LISTED) == "known"
    assert reason(result("fail", rtol=1e-4), "1.5", LISTED) == ""


def test_what_a_list_says_of_a_case_that_is_not_as_listed():
    assert reason(result("fail"), "2.5", LISTED) == "a line of the list speaks of it, but for >=1,<2, and this is 2.5"
    assert reason(result("pass"), "2.5", LISTED) == ""
    assert reason(result("error"), "1.5", LISTED) == "listed as 'fail': known"
    passes = reason(result("pass"), "1.5", LISTED)
    assert passes == f"listed as 'fail': take the line {LISTED[0].pattern} off the list, or its versions (>=1,<2) end here"


def test_the_way_in_which_a_case_fails_is_part_of_the_list():
    raised = Result("lib", "grad.t", "P10", "forward", 1e-7, Verdict("error", message="ValueError: no such luck"))
    assert outcome(raised, "1", RAISING, True) == "xfail"
    assert reason(raised, "1", RAISING) == "known (RN-0007)"
    other = Result("lib", "grad.t", "P10", "forward", 1e-7, Verdict("error", message="TypeError: no such luck"))
    assert outcome(other, "1", RAISING, True) == "XFAIL-CHANGED"


def test_recommended_checks_do_not_gate():
    assert all_checks()["solve.tolerance"].level == "recommended"
    assert outcome(result("fail", check="solve.tolerance"), "1", (), True) == "noted"
    assert "noted" not in UNEXPECTED


def test_unused_entries_are_found():
    stale = Entry("lib", "grad.t/P99/*", "*", "fail", "-", "gone")
    elsewhere = Entry("other", "grad.t/P99/*", "*", "fail", "-", "did not run")
    assert unused([*LISTED, stale, elsewhere], [result("fail")], {"lib": "1.5"}) == [stale]


@pytest.mark.parametrize(
    ("version", "condition", "holds"),
    [
        ("0.2.5", "*", True),
        ("0.2.5", "==0.2.5", True),
        ("0.2.5+cpu", "==0.2.5", True),
        ("0.2.10", ">0.2.9", True),
        ("0.2", "==0.2.0", True),
        ("0.3", ">=0.2,<0.3", False),
        ("unknown", "<0.1", True),
    ],
)
def test_versions(version, condition, holds):
    assert version_in(version, condition) is holds


@pytest.mark.parametrize("line", [
        "a | b | * | fail | -",
        "a | b | * | fail | - |",
        "a | b | ~=1 | fail | - | why",
        "a | b | * | sad | - | why",
        "a | b | * | fail | 7 | why",
        "a | b | * | why",
        "just words",
    ])
def test_incomplete_lines_are_refused(tmp_path, line):
    path = tmp_path / "x.expected"
    path.write_text(f"# comment\n\n{line}\n")
    with pytest.raises(ValueError):
        read_expected(path)


def test_braces_stand_for_several_lines(tmp_path):
    path = tmp_path / "x.expected"
    path.write_text("lib | grad.{t,z0}/{P09, P10}/*/1e-07 | * | fail | - | why\n")
    assert [entry.pattern for entry in read_expected(path)] == [
        "grad.t/P09/*/1e-07", "grad.t/P10/*/1e-07", "grad.z0/P09/*/1e-07", "grad.z0/P10/*/1e-07",
    ]


FULL, DEFAULT = plan(Options(tier="full")).all_items(), plan(Options()).all_items()


@pytest.mark.parametrize("path", sorted(Path(impls.__file__).parent.glob("*.expected")), ids=lambda path: path.stem)
def test_our_lists_match_cases_that_exist(path):
    """At least one of the full tier, at most twenty of the default one."""
    full, default = ([Result("", check.id, *at, rtol, Verdict("fail")).id for *at, check, rtol in items] for items in (FULL, DEFAULT))
    for entry in read_expected(path):
        assert fnmatch.filter(full, entry.pattern), entry.pattern
        assert len(fnmatch.filter(default, entry.pattern)) <= 20, f"{entry.pattern} is too wide"


def test_a_case_is_named_by_all_digits_of_its_tolerance():
    """Two tolerances that agree in one digit are two cases: a report with the same id twice is refused."""
    ids = {Result("", "solve.value", "P10", "forward", rtol, Verdict("pass")).id for rtol in (1.2e-4, 1.4e-4, 1e-4, None)}
    assert len(ids) == 4
    assert "solve.value/P10/forward/1e-04" in ids
