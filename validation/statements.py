"""The numbered statements of the paper, each tied to its checks and to the code that implements it; and the lint of these ties."""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path
from typing import Any

from .checks.catalog import everything
from .problems.catalog import problems


@functools.cache
def statements() -> dict[str, dict[str, Any]]:
    """The entries of statements.json by id, in their order."""
    return {entry["id"]: entry for entry in json.loads(_beside("statements.json").read_text(encoding="utf-8"))["statements"]}


def schema() -> dict[str, Any]:
    """The JSON schema of statements.json."""
    return json.loads(_beside("statements.schema.json").read_text(encoding="utf-8"))


def lint() -> list[str]:
    """Faults in the ties between statements, checks and problems, one sentence each; empty if there are none.

    Both ways: what a statement names exists, and each check that it names, names it back; and the other way round.
    """
    faults = []
    text = _beside("statements.json").read_text(encoding="utf-8")
    ids = [entry["id"] for entry in json.loads(text)["statements"]]
    faults += [f"{id} is there twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    for id, entry in statements().items():
        faults += [f"{id} names the unknown problem {name}" for name in entry["problems"] if name not in problems()]
        for name in checks_of(entry):
            if name not in everything():
                faults.append(f"{id} names the unknown check {name}")
            elif id not in everything()[name].statements:
                faults.append(f"{id} names the check {name}, which does not name it back")
        if not any(how_checked(entry)):
            faults.append(f"{id} has no check, is measured by no experiment, and nothing says why")
        if not entry["implemented_by"]:
            faults.append(f"{id} has no implementing symbol")
    for check in everything().values():
        for id in check.statements:
            if id not in statements():
                faults.append(f"the check {check.id} names the unknown statement {id}")
            elif check.id not in statements()[id]["checked_by"]:
                faults.append(f"the check {check.id} names {id}, which does not name it back")
        tagged = (check.judge.__doc__ or "").partition("Statement:")[2].replace(",", " ").split()
        faults += [f"the docstring of {check.id} does not name {id}" for id in check.statements if check.judge.__doc__ and id not in tagged]
    return faults


def lint_tests(root: Path) -> list[str]:
    """Faults in the pytest node ids that statements name: the file must exist below root and define the function."""
    faults = []
    for id, entry in statements().items():
        for node in tests_of(entry):
            file, _, function = node.partition("::")
            path = root / file
            if not path.exists():
                faults.append(f"{id} names {node}: there is no such file")
            elif function not in _functions(path):
                faults.append(f"{id} names {node}: there is no such function")
    return faults


def how_checked(entry: dict[str, Any]) -> tuple[list[str], list[str], list[str], str]:
    """(checks of this suite, tests of refnode, experiments of `refnode paper`, why there is nothing to run)."""
    return checks_of(entry), tests_of(entry), entry.get("measured_by", []), entry.get("not_checkable", "")


def told(entry: dict[str, Any]) -> str:
    """How a statement is checked, for a reader."""
    checks, tests, experiments, why = how_checked(entry)
    parts = [f"checks {', '.join(checks)}" if checks else "", f"refnode's tests {', '.join(tests)}" if tests else "",
             f"measured by refnode paper {' '.join(experiments)}" if experiments else "", f"nothing to run: {why}" if why else ""]
    return "; ".join(part for part in parts if part)


def checks_of(entry: dict[str, Any]) -> list[str]:
    """The checks of this suite among checked_by."""
    return [name for name in entry["checked_by"] if "::" not in name]


def tests_of(entry: dict[str, Any]) -> list[str]:
    """The pytest node ids among checked_by."""
    return [name for name in entry["checked_by"] if "::" in name]


def _functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}


def _beside(name: str) -> Path:
    return Path(__file__).with_name(name)
