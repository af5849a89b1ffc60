"""python -m refnode_validation.mutants: draw the list, run it, and write what was killed by what."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from .drawing import Mutant, mutants, write_drawn
from .running import Outcome, Tree, failing_cases

MATRIX = Path(__file__).with_name("matrix.json")
MODES = ("Adjoint", "Discrete", "Checkpointed", "Interpolating", "Quadrature", "Forward", "Reversible")
QUESTIONS = (
    "P10,P18b,van_der_pol,resnet,repeated-start,edge-unused-parameter,flow-linear,negative-step-limit,negative-nan-in-z0"
)
OPTIONS = ["--impl", ",".join(f"refnode_validation.impls.refnode:{mode}" for mode in MODES), "--problem", QUESTIONS, "--rtol", "1e-4,1e-7"]


def main(argv: list[str]) -> int:
    """Draw or run; the exit code is 2 for wrong arguments."""
    prog = "python -m refnode_validation.mutants"
    parser = argparse.ArgumentParser(prog=prog, description="The suite under test: seeded bugs in refnode.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("draw", help="draw the list of mutants from its seed, and write drawn.json")
    run = commands.add_parser("run", help="run mutants, and write what became of them into matrix.json")
    run.add_argument("ids", nargs="*", help="these only (all that matrix.json lacks)")
    run.add_argument("--part", metavar="K/N", default="1/1", help="every N-th of them, from the K-th on, for several processes")
    run.add_argument("--file", type=Path, default=MATRIX, help="where the outcomes are written")
    options = parser.parse_args(argv)
    if options.command == "draw":
        write_drawn()
        return 0
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    outcomes = json.loads(options.file.read_text(encoding="utf-8")) if options.file.exists() else {}
    known = {mutant.id: mutant for mutant in mutants()}
    unknown = [id for id in options.ids if id not in known]
    if unknown:
        print(f"there is no mutant {unknown[0]!r}", file=sys.stderr)
        return 2
    k, n = (int(x) for x in options.part.split("/"))
    wanted = [known[id] for id in options.ids] or [mutant for mutant in known.values() if mutant.id not in outcomes]
    tree = Tree()
    try:
        always = failing_cases(tree.root, OPTIONS)
        print(f"cases that refnode itself does not pass: {len(always)}", flush=True)
        for mutant in wanted[k - 1::n]:
            outcome = tree.run(mutant, OPTIONS, always)
            outcomes[mutant.id] = {key: value for key, value in asdict(outcome).items() if key != "id"}
            options.file.write_text(json.dumps(outcomes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            print(_line(mutant, outcome), flush=True)
    finally:
        tree.remove()
    return 0


def _line(mutant: Mutant, outcome: Outcome) -> str:
    by = ", ".join(outcome.checks) or outcome.test or "SURVIVES"
    return f"{mutant.id} {mutant.file}:{mutant.line} {mutant.why}: {by}{' (naive too)' if outcome.naive else ''}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
