"""The list of mutants, drawn before any of them is run: a function uniformly at random, then one of its edits.

    python -m refnode_validation.mutants draw        writes drawn.json, from the seed below and the source as it is
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from .operators import Edit, edits, functions

SEED = 20181206
NUMBER = 72
PLACES = ("ode", "gradients", "flows", "autodiff/rules.py", "autodiff/formulas")
BY_HAND, BY_CHECK = (Path(__file__).with_name(name) for name in ("by_hand.json", "by_check.json"))
DRAWN = Path(__file__).with_name("drawn.json")


@dataclass(frozen=True)
class Mutant:
    """One edit of one file of refnode, at a line (from 1) and a column (from 0). why: the operator and the function, or the bug."""

    id: str
    file: str
    line: int
    column: int
    old: str
    new: str
    why: str


def draw(seed: int = SEED, number: int = NUMBER) -> list[Mutant]:
    """Uniform over the functions that have an edit at all; the same edit is not drawn twice."""
    rng = random.Random(seed)
    choices = [(file, name, found) for file, source in _sources() for name, node in functions(source) if (found := edits(source, node))]
    drawn: dict[tuple[str, Edit], Mutant] = {}
    while len(drawn) < number:
        file, name, found = rng.choice(choices)
        edit = rng.choice(found)
        id = f"A{len(drawn) + 1:02d}"
        drawn.setdefault((file, edit), Mutant(id, file, edit.line, edit.column, edit.old, edit.new, f"{edit.operator} in {name}"))
    return list(drawn.values())


def write_drawn() -> None:
    """drawn.json, the list as it was drawn, with its seed."""
    entries = [asdict(mutant) for mutant in draw()]
    DRAWN.write_text(json.dumps({"seed": SEED, "places": PLACES, "mutants": entries}, indent=1) + "\n", encoding="utf-8")


def mutants() -> list[Mutant]:
    """All mutants: drawn, by hand, and for checks that killed none of these (made later, and in no score)."""
    lists = [json.loads(path.read_text(encoding="utf-8"))["mutants"] for path in (DRAWN, BY_HAND, BY_CHECK)]
    return [Mutant(**entry) for entries in lists for entry in entries]


def package() -> Path:
    """The folder of refnode's source."""
    spec = find_spec("refnode")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def mutated(mutant: Mutant, source: str) -> str:
    """The file with the mutant in it. ValueError if its text is not there: in that line, from that column on."""
    at = sum(len(line) for line in source.splitlines(keepends=True)[:mutant.line - 1]) + mutant.column
    if not source.startswith(mutant.old, at):
        raise ValueError(f"mutant {mutant.id}: {mutant.file}, line {mutant.line} no longer reads {mutant.old!r}")
    return source[:at] + mutant.new + source[at + len(mutant.old):]


def _sources() -> list[tuple[str, str]]:
    root = package()
    files = [path for place in PLACES for path in sorted([root / place] if place.endswith(".py") else (root / place).rglob("*.py"))]
    return [(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in files]
