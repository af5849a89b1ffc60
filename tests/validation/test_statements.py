"""The statements: their form, and the ties between statements, checks, tests and code, both ways."""

import importlib
from pathlib import Path

import jsonschema
import pytest
from refnode_validation import statements as module
from refnode_validation.checks.catalog import all_checks
from refnode_validation.statements import lint, lint_tests, schema, statements

ROOT = Path(__file__).parents[2]


def test_schema():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate({"about": "", "statements": list(statements().values())}, schema())


def test_ties_between_statements_and_checks():
    assert lint() == []


def test_named_tests_exist():
    assert lint_tests(ROOT) == []


@pytest.mark.parametrize("id", statements())
def test_implementing_symbols_exist(id):
    for symbol in statements()[id]["implemented_by"]:
        name, _, attribute = symbol.rpartition(".")
        assert hasattr(importlib.import_module(name), attribute), symbol


def test_ids_of_this_part_of_the_paper():
    assert list(statements()) == [f"S{n}" for n in range(1, 87)] + [f"E{n}" for n in range(1, 17)]


def test_every_check_names_a_statement():
    assert all(check.statements for check in all_checks().values())


@pytest.mark.parametrize(
    ("id", "field", "value", "fault"),
    [
        ("S9", "checked_by", ["grad.theta", "grad.nothing"], "S9 names the unknown check grad.nothing"),
        ("S9", "checked_by", ["grad.theta", "grad.reversed", "solve.calls"], "S9 names the check solve.calls, which does not name it back"),
        ("S9", "checked_by", ["grad.theta"], "the check grad.reversed names S9, which does not name it back"),
        ("S9", "checked_by", [], "S9 has no check, is measured by no experiment, and nothing says why"),
        ("S9", "implemented_by", [], "S9 has no implementing symbol"),
        ("S9", "problems", ["P99"], "S9 names the unknown problem P99"),
    ],
)
def test_lint_finds_faults(monkeypatch, id, field, value, fault):
    changed = {**statements(), id: {**statements()[id], field: value}}
    monkeypatch.setattr(module, "statements", lambda: changed)
    assert fault in lint()


def test_lint_finds_unknown_statements(monkeypatch):
    fewer = {id: entry for id, entry in statements().items() if id != "S9"}
    monkeypatch.setattr(module, "statements", lambda: fewer)
    assert "the check grad.theta names the unknown statement S9" in lint()


def test_lint_finds_missing_tests(tmp_path):
    assert any("there is no such file" in fault for fault in lint_tests(tmp_path))
