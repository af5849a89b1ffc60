"""The registry of known bugs: reading it, and the lint of its ties to reproducers, statements and checks."""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path
from typing import Any

from ..checks.catalog import everything
from ..outcomes import version_in
from ..statements import statements

HERE = Path(__file__).parent
LIBRARIES = {  # what a reproducer of each may import beside NumPy
    "torchdyn": {"torchdyn", "torch"},
    "torchdiffeq": {"torchdiffeq", "torch"},
    "torchode": {"torchode", "torch"},
    "jax": {"jax"},
    "diffrax": {"diffrax", "jax", "optimistix"},
    "scipy": {"scipy"},
    "autograd": {"autograd"},
}
MAX_LINES = 15


@functools.cache
def bugs() -> dict[str, dict[str, Any]]:
    """The entries of bugs.json by id, in their order."""
    return {entry["id"]: entry for entry in json.loads(_text("bugs.json"))["bugs"]}


def schema() -> dict[str, Any]:
    """The JSON schema of bugs.json."""
    return json.loads(_text("bugs.schema.json"))


def source(entry: dict[str, Any]) -> str:
    """The source of the reproducer of an entry."""
    return (HERE / entry["reproducer"]).read_text(encoding="utf-8")


def code_lines(text: str) -> int:
    """Lines that hold code: not blank, not a comment, not in the docstring of the module."""
    docstring = ast.parse(text).body[0].end_lineno or 0
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines()[docstring:])


def lint() -> list[str]:
    """Faults in the ties between the registry, its reproducers, the statements and the checks, one sentence each."""
    ids = [entry["id"] for entry in json.loads(_text("bugs.json"))["bugs"]]
    faults = [f"{id} is there twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    files = [entry["reproducer"] for entry in bugs().values()]
    faults += [f"{path.name} belongs to {files.count(path.name)} entries" for path in HERE.glob("rn_*.py") if files.count(path.name) != 1]
    for id, entry in bugs().items():
        version_in("0", entry["versions"])
        faults += [f"{id} names the unknown statement {name}" for name in entry["statements"] if name not in statements()]
        faults += [f"{id} names the unknown check {name}" for name in entry["seen_by"] if name not in everything()]
        if not entry["reproducer"].startswith(f"rn_{id[3:]}_{entry['library']}_"):
            faults.append(f"{id} has a reproducer of another name: {entry['reproducer']}")
        if not (HERE / entry["reproducer"]).exists():
            faults.append(f"{id} has no reproducer {entry['reproducer']}")
            continue
        text = source(entry)
        if code_lines(text) > MAX_LINES:
            faults.append(f"{id} has {code_lines(text)} lines of code")
        foreign = _imported(text) - LIBRARIES[entry["library"]] - {"numpy"}
        faults += [f"{id} imports {name}" for name in sorted(foreign)]
    return faults


def _imported(text: str) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    return modules


def _text(name: str) -> str:
    return (HERE.parent / name).read_text(encoding="utf-8")
