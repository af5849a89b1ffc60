"""MUTANTS.md, made of matrix.json, of the lists of mutants, and of what was written about them (notes.json)."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from ..checks.catalog import everything
from .drawing import BY_HAND, NUMBER, PLACES, SEED, Mutant, mutants, package

MATRIX, NOTES = (Path(__file__).with_name(name) for name in ("matrix.json", "notes.json"))
MUTANTS = Path(__file__).parent.with_name("MUTANTS.md")
Rows = dict[str, dict[str, Any]]


def write() -> None:
    """Write MUTANTS.md."""
    MUTANTS.write_text(text(), encoding="utf-8")


def text() -> str:
    """What MUTANTS.md is to be."""
    rows, notes = matrix(), json.loads(NOTES.read_text(encoding="utf-8"))
    known = {mutant.id: mutant for mutant in mutants()}
    by_hand = len(json.loads(BY_HAND.read_text(encoding="utf-8"))["mutants"])
    sections = [
        notes["head"].format(drawn=NUMBER, by_hand=by_hand, seed=SEED, places=", ".join(PLACES)),
        _scores(rows, notes),
        _one_check(rows, known),
        _idle(rows, notes, known),
        _tests_only(rows, notes, known),
        _equivalent(rows, notes, known),
        _survivors(rows, notes, known),
        notes["learnt"],
    ]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def matrix() -> Rows:
    """What became of each mutant."""
    return json.loads(MATRIX.read_text(encoding="utf-8"))["rows"]


def fingerprint(mutant: Mutant) -> str:
    """Of the lines that the mutant touches, as they are in the source: a row of the matrix is about these."""
    lines = (package() / mutant.file).read_text(encoding="utf-8").splitlines()
    touched = lines[mutant.line - 1 : mutant.line + mutant.old.count("\n")]
    return hashlib.sha256("\n".join(touched).encode()).hexdigest()[:12]


def state(id: str, row: dict[str, Any], notes: dict[str, Any]) -> str:
    """suite, tests, equivalent or survives."""
    return "suite" if row["checks"] else "tests" if row["test"] else "equivalent" if id in notes["equivalent"] else "survives"


def scores(rows: Rows, notes: dict[str, Any]) -> dict[str, dict[str, int]]:
    """The counts of drawn, by hand, all."""
    counted = {}
    for name, letters in (("drawn", "A"), ("by hand", "B"), ("all", "AB")):
        mine = {id: row for id, row in rows.items() if id[0] in letters}
        states = Counter(state(id, row, notes) for id, row in mine.items())
        counted[name] = {"mutants": len(mine), **{key: states[key] for key in ("equivalent", "suite", "tests", "survives")},
                         "reached": sum(1 for id, row in mine.items() if row["ways"] and id not in notes["equivalent"]),
                         "reached, killed": sum(1 for row in mine.values() if row["ways"] and row["checks"]),
                         "naive": sum(row["naive"] for row in mine.values())}
    return counted


def _scores(rows: Rows, notes: dict[str, Any]) -> str:
    head = "| | mutants | equivalent | killed by the suite | by the project's tests alone | survive | the naive test kills |"
    lines = ["## Scores", "", head, "|---|---|---|---|---|---|---|"]
    for name, n in scores(rows, notes).items():
        living = n["mutants"] - n["equivalent"]
        suite, naive = (f"{n[key]} ({_percent(n[key], living)})" for key in ("suite", "naive"))
        lines.append(f"| {name} | {n['mutants']} | {n['equivalent']} | {suite} | {n['tests']} | {n['survives']} | {naive} |")
    n = scores(rows, notes)["all"]
    living = n["mutants"] - n["equivalent"]
    together, came = n["suite"] + n["tests"], n["reached"]
    lines += ["", f"Percentages are of the mutants that are not equivalent. Suite and tests together: {together} of {living} "
              f"({_percent(together, living)}). The suite comes to the mutated function at all in {came} of them, and kills "
              f"{n['reached, killed']} of these ({_percent(n['reached, killed'], came)}). {_cut_short(rows, notes)}"]
    return "\n".join(lines)


def _cut_short(rows: Rows, notes: dict[str, Any]) -> str:
    left = [row for id, row in rows.items() if row["ways"] and not row["checks"] and id not in notes["equivalent"]]
    short = sum(row["asked"] < row["ways"] for row in left)
    if not short:
        return f"Each of the {len(left)} that are left was asked by all the ways that come to it."
    return (f"That is a lower bound: of the {len(left)} that are left, {short} were asked by the quickest ways alone (`asked` of `ways` in "
            "the matrix), because this run was short of time.")


def _one_check(rows: Rows, known: dict[str, Mutant]) -> str:
    lines = ["## Killed by one check only", "", "By the way into refnode that killed first; others were not asked any more.", "",
             "| mutant | what it is | check | way |", "|---|---|---|---|"]
    for id, row in rows.items():
        if id[0] != "C" and len(row["checks"]) == 1 and row["checks"][0] not in ("probe", "start", "time"):
            lines.append(f"| {id} | {_what(known[id])} | {row['checks'][0]} | {row['way']} |")
    return "\n".join(lines)


def idle(rows: Rows) -> list[str]:
    """The gating checks (required) that kill no mutant of the matrix."""
    killers = {check for row in rows.values() for check in row["checks"]}
    return [check.id for check in everything().values() if check.level == "required" and check.id not in killers]


def _idle(rows: Rows, notes: dict[str, Any], known: dict[str, Mutant]) -> str:
    killers = Counter(check for id, row in rows.items() if id[0] != "C" for check in row["checks"])
    lines = ["## How many mutants each check kills", "", ", ".join(f"{check} {n}" for check, n in killers.most_common()) + ".", ""]
    lines += [notes["by check"], "", "| mutant | made for | checks that kill it | way |", "|---|---|---|---|"]
    lines += [f"| {id} | {known[id].why} | {', '.join(row['checks'])} | {row['way']} |" for id, row in rows.items() if id[0] == "C"]
    left = idle(rows)
    lines += ["", f"Gating checks that kill none of all these: {', '.join(left)}. {notes['idle']}" if left else notes["none idle"]]
    return "\n".join(lines)


def _tests_only(rows: Rows, notes: dict[str, Any], known: dict[str, Mutant]) -> str:
    lines = ["## Killed by the project's tests alone", "", notes["tests only"], ""]
    reasons = notes["unseen"]
    alone = [id for id, row in rows.items() if state(id, row, notes) == "tests" and id[0] != "C"]
    for reason in dict.fromkeys(reasons[id] for id in alone if id in reasons):
        lines += [f"**{reason}**", "", "| mutant | what it is | first test |", "|---|---|---|"]
        mine = [id for id in alone if reasons.get(id) == reason]
        lines += [f"| {id} | {_what(known[id])} | {rows[id]['test'].removeprefix('tests/')} |" for id in mine] + [""]
    return "\n".join(lines)


def _equivalent(rows: Rows, notes: dict[str, Any], known: dict[str, Mutant]) -> str:
    lines = ["## Equivalent", "", notes["bits"], ""]
    for id, proof in notes["equivalent"].items():
        bits = rows[id].get("bits", "")
        lines += [f"- **{id}**, {_edit(known[id])} {proof} {bits}".rstrip()]
    return "\n".join(lines) if notes["equivalent"] else ""


def _survivors(rows: Rows, notes: dict[str, Any], known: dict[str, Mutant]) -> str:
    left = [id for id, row in rows.items() if state(id, row, notes) == "survives"]
    if not left:
        return ""
    lines = ["## Survivors", "", notes["survivors"], ""]
    lines += [f"- **{id}**, {_edit(known[id])} {notes['open'].get(id, '')}".rstrip() for id in left]
    return "\n".join(lines)


def _what(mutant: Mutant) -> str:
    return f"`{mutant.file}`, {mutant.why.partition(': ')[2] or mutant.why}"


def _edit(mutant: Mutant) -> str:
    return f"{_what(mutant)}: `{_short(mutant.old)}` as `{_short(mutant.new)}`."


def _short(code: str) -> str:
    code = " ".join(code.split())
    return code if len(code) <= 60 else code[:57] + "..."


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
