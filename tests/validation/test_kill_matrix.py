"""Seeded bugs in refnode: the lists, the matrix of what was killed by what, and the text about it."""

import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refnode_validation.mutants import text
from refnode_validation.mutants.__main__ import main
from refnode_validation.mutants.detours import DETOURS, the_same
from refnode_validation.mutants.drawing import BY_HAND, DRAWN, NUMBER, SEED, Mutant, mutants, mutated, package
from refnode_validation.mutants.operators import applied, edits, functions
from refnode_validation.plans import Options, plan
from refnode_validation.runner import run

import refnode as rn

ROWS = text.matrix()
KNOWN = {mutant.id: mutant for mutant in mutants()}
NOTES = json.loads(text.NOTES.read_text(encoding="utf-8"))


def test_every_mutant_has_a_row_and_every_row_a_mutant():
    assert set(ROWS) == set(KNOWN)
    assert json.loads(DRAWN.read_text())["seed"] == SEED
    assert sum(id.startswith("A") for id in KNOWN) == NUMBER >= 60
    assert len(json.loads(BY_HAND.read_text())["mutants"]) >= 60


@pytest.mark.parametrize("id", KNOWN)
def test_the_mutant_can_be_made_of_the_source_that_the_row_is_about(id):
    """A line that has changed: draw again, or correct the place by hand, and run the mutant again."""
    mutant = KNOWN[id]
    source = (package() / mutant.file).read_text(encoding="utf-8")
    ast.parse(mutated(mutant, source))
    assert mutated(mutant, source) != source
    assert ROWS[id]["lines"] == text.fingerprint(mutant)


def test_no_two_mutants_are_the_same():
    places = [(m.file, m.line, m.column, m.old, m.new) for m in KNOWN.values()]
    assert len(set(places)) == len(places)


def test_what_nothing_kills_is_proved_equivalent_or_said_to_be_open():
    for id, row in ROWS.items():
        killed = bool(row["checks"] or row["test"])
        assert killed or id[0] != "C"
        assert killed != (id in NOTES["equivalent"] or id in NOTES["open"]), id
        assert (id in NOTES["unseen"]) == (bool(row["test"]) and not row["checks"]), id
        assert not (id in NOTES["equivalent"] and id in NOTES["open"]), id


def test_an_equivalent_mutant_has_the_same_bits():
    """All answers to all vectors, by every way that comes to it; it has a proof besides."""
    for id in NOTES["equivalent"]:
        assert ROWS[id]["ways"] == 0 or re.match(r"(\d+) of \1 ways", ROWS[id]["bits"]), id


def test_gating_checks_that_kill_none_are_accounted_for():
    assert all(f"`{check}`" in NOTES["idle"] for check in text.idle(ROWS))


def test_the_text_is_made_of_the_matrix():
    """`python -m refnode_validation.mutants text` writes it."""
    assert text.MUTANTS.read_text(encoding="utf-8") == text.text()


def test_the_readme_has_the_scores():
    n = text.scores(ROWS, NOTES)["all"]
    living = n["mutants"] - n["equivalent"]
    readme = " ".join((text.MUTANTS.parent / "README.md").read_text(encoding="utf-8").split())
    assert f"Of {n['mutants']} mutants" in readme
    assert f"{n['suite']} of {living} ({100 * n['suite'] / living:.1f} %)" in readme
    assert f"{n['suite'] + n['tests']} of {living}" in readme
    assert f"{n['naive']} of {living}" in readme


@pytest.mark.parametrize("Way", DETOURS, ids=lambda Way: Way.name)
def test_a_detour_changes_nothing(Way):
    """The checks of one problem, in both directions, pass by every detour."""
    asked = replace(plan(Options(problem=("P10",), rtol=(1e-4,))), relations=())
    states = {result.id: result.verdict.state for result in run(Way(), asked)}
    assert set(states.values()) <= {"pass", "unsupported"}, states
    assert states["solve.value/P10/forward/1e-04"] == states["solve.reversed/P10/reversed/1e-04"] == "pass"


def test_the_same_in_other_words_is_the_same():
    v = np.array([0.5, -2.0, 3.0])
    np.testing.assert_array_equal(the_same(v), v)
    np.testing.assert_array_equal(rn.jacobian(the_same)(v), np.eye(3))


def test_an_edit_of_each_kind():
    source = "def f(x, n):\n    y = g(x, n) + 2 * x[0]\n    y += 1.5\n    print(y)\n    return -y if n < 3 else y\n"
    ((name, node),) = functions(source)
    found = edits(source, node)
    assert name == "f"
    assert {edit.operator for edit in found} == {
        "sign", "factor", "term", "constant", "index", "compare", "condition", "arguments", "statement",
    }
    assert "    y = g(n, x) + 2 * x[0]\n" in {applied(source, edit).splitlines(keepends=True)[1] for edit in found}
    for edit in found:
        ast.parse(applied(source, edit))
        assert applied(source, edit) != source


def test_messages_and_docstrings_are_left_alone():
    source = 'def f(x):\n    """1 + 2"""\n    raise ValueError(f"{x + 1}", 1 + 2)\n'
    ((_, node),) = functions(source)
    assert edits(source, node) == []


def test_a_mutant_of_another_source_is_refused():
    mutant = Mutant("X1", "tree.py", 1, 0, "no such text", "", "")
    with pytest.raises(ValueError, match=r"mutant X1: tree.py, line 1 no longer reads 'no such text'"):
        mutated(mutant, "something else\n")


def test_unknown_mutants_are_refused(capsys):
    assert main(["run", "Z99"]) == 2
    assert "there is no mutant 'Z99'" in capsys.readouterr().err


def rerun(tmp_path: Path, ids: tuple[str, ...]):
    """The mutants again, each by the way that killed it: what the suite finds, and what the matrix says."""
    pytest.importorskip("resource", reason="limits of processor time are POSIX")
    from refnode_validation.mutants.running import Tree

    ways = sorted({ROWS[id]["way"] for id in ids})
    tree = Tree(tmp_path / "base.jsonl", ways)
    try:
        for id in ids:
            outcome = tree.suite(KNOWN[id], 1e9, ROWS[id]["way"])
            assert (outcome.way, outcome.checks, outcome.naive) == (ROWS[id]["way"], ROWS[id]["checks"], ROWS[id]["naive"]), id
    finally:
        tree.remove()


def test_a_mutant_is_killed_again(tmp_path):
    rerun(tmp_path, ("B46",))


@pytest.mark.slow  # pytest -m slow tests/validation/test_kill_matrix.py: half a minute
def test_three_mutants_are_killed_again(tmp_path):
    rerun(tmp_path, ("A17", "B49", "B50"))
