"""python -m refnode_validation.mutants: draw the list, run it, write what was killed by what, and the text about it."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import text
from .drawing import Mutant, mutants, write_drawn
from .running import Outcome, Tree

BASE = Path("mutants-base.jsonl")
Rows = dict[str, dict[str, Any]]


def main(argv: list[str]) -> int:
    """Draw, run or write; the exit code is 2 for wrong arguments."""
    options = _parser().parse_args(argv)
    if options.command == "draw":
        write_drawn()
    elif options.command == "text":
        text.write()
    else:
        known = {mutant.id: mutant for mutant in mutants()}
        unknown = [id for id in options.ids if id not in known]
        if unknown:
            print(f"there is no mutant {unknown[0]!r}; they are A01 to A72 and B01 to B69", file=sys.stderr)
            return 2
        _run(options, known)
    return 0


def _parser() -> argparse.ArgumentParser:
    prog = "python -m refnode_validation.mutants"
    parser = argparse.ArgumentParser(prog=prog, description="The suite under test: seeded bugs in refnode.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("draw", help="draw the list of mutants from its seed, and write drawn.json")
    commands.add_parser("text", help="write MUTANTS.md from matrix.json and notes.json")
    run = commands.add_parser("run", help="run mutants, and write what became of them into matrix.json")
    run.add_argument("ids", nargs="*", help="these only (default: all that the file lacks)")
    run.add_argument("--stage", choices=("suite", "tests", "bits"), default="suite",
                     help="the suite (default); the tests, for what it did not kill; the bits of all answers to vectors, for the ids given")
    run.add_argument("--seconds", type=float, default=math.inf, help="ask the quickest ways that take so long together (default: all)")
    run.add_argument("--first", metavar="ID=WAY,...", default="", help="ask a mutant by this way (or file of tests) first")
    run.add_argument("--base", type=Path, default=BASE, help="what refnode itself does (%(default)s); delete it when that changes")
    run.add_argument("--file", type=Path, default=text.MATRIX, help="where the outcomes are written, each as it comes")
    return parser


def _run(options: argparse.Namespace, known: dict[str, Mutant]) -> None:
    rows: Rows = json.loads(options.file.read_text(encoding="utf-8"))["rows"] if options.file.exists() else {}
    first = dict(word.split("=") for word in options.first.split(",") if word)
    tree = Tree(options.base)
    try:
        for mutant in [known[id] for id in options.ids] or _waiting(options, known, rows):
            outcome = before = Outcome(mutant.id, **{key: value for key, value in rows.get(mutant.id, {}).items() if key != "lines"})
            if options.stage == "suite":
                outcome = tree.suite(mutant, options.seconds, first.get(mutant.id, ""))
                if not outcome.checks:
                    outcome.test, outcome.tests, outcome.bits = before.test, before.tests, before.bits
            elif options.stage == "tests":
                tree.test(mutant, outcome, first.get(mutant.id, ""))
            else:
                tree.bits(mutant, outcome)
            rows[mutant.id] = {key: value for key, value in asdict(outcome).items() if key != "id"} | {"lines": text.fingerprint(mutant)}
            options.file.write_text(json.dumps({"rows": dict(sorted(rows.items()))}, indent=1) + "\n", encoding="utf-8")
            print(_line(mutant, outcome), flush=True)
    finally:
        tree.remove()


def _waiting(options: argparse.Namespace, known: dict[str, Mutant], rows: Rows) -> list[Mutant]:
    """Those that a stage has still to do."""
    if options.stage == "suite":
        return [mutant for id, mutant in known.items() if id not in rows or not _is_settled(rows[id], options.seconds)]
    return [known[id] for id, row in rows.items() if options.stage == "tests" and not (row["checks"] or row["test"] or row["tests"])]


def _is_settled(row: dict[str, Any], seconds: float) -> bool:
    """Killed, or by all that are to be asked not."""
    return bool(row["checks"] or row["test"]) or row["asked"] == row["ways"] or row["seconds"] >= seconds


def _line(mutant: Mutant, outcome: Outcome) -> str:
    survives = f"survives ({outcome.asked} of {outcome.ways} ways)"
    by = f"{outcome.way}: {', '.join(outcome.checks)}" if outcome.checks else outcome.test or survives
    return f"{mutant.id} {mutant.file}:{mutant.line} {mutant.why}: {by}{' (naive too)' if outcome.naive else ''} {outcome.bits}".rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
