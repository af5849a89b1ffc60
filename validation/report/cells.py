"""From the rows of a report to what its readers show: words, numbers, places, commands, and the cells of the matrix.

A row is one case line of the report (jsonl.py), a dict; a header is its first line. All functions here are pure.
"""

from __future__ import annotations

import math
import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..checks.catalog import everything
from ..outcomes import UNEXPECTED
from ..runner import RTOLS, rtol_text
from ..statements import checks_of, statements

Row = dict[str, Any]
# A cell is named by its most frequent bad state; among equally frequent ones, and those that are not bad, by the first of these.
SEVERITY = ("harness-broken", "crash", "error", "fail", "timeout", "refused", "not-run", "pass", "skipped", "unsupported")
QUIET = ("pass", "unsupported", "skipped")
KINDS = {
    "ok": "passes",
    "unexpected": "an unexpected outcome",
    "noted": "does not pass; without effect on the exit code",
    "expected": "an expected failure",
    "unsupported": "not among its capabilities",
    "skipped": "its package is not installed",
    "empty": "not asked",
}
WORDS = {"fail": "FAIL", "harness-broken": "broken", "unsupported": "--", "skipped": "skip"}


@dataclass(frozen=True)
class Cell:
    """What an implementation makes of a check or statement: kind (one of KINDS), word, and the worst ratio behind it (None: no number)."""

    kind: str
    word: str
    ratio: float | None = None

    @property
    def text(self) -> str:
        """The word and the ratio."""
        return f"{self.word} {ratio_text(self.ratio)}".strip()


def cell(rows: Iterable[Row]) -> Cell:
    """What is said of some rows: unexpected outcomes before all others, and of these the main state."""
    rows = list(rows)
    unexpected = [row for row in rows if row["outcome"] in UNEXPECTED]
    loud = unexpected or [row for row in rows if row["state"] not in QUIET]
    if not rows:
        return Cell("empty", "")
    worst = main_state(loud or rows)
    if worst == "pass":
        return Cell("unexpected", "XPASS", worst_ratio(unexpected)) if unexpected else Cell("ok", "ok", worst_ratio(rows))
    ratio = worst_ratio(row for row in loud if row["state"] == "fail") if worst == "fail" else None
    if unexpected:
        return Cell("unexpected", WORDS.get(worst, worst), ratio)
    if not loud:
        return Cell(worst, WORDS[worst])
    if {row["outcome"] for row in loud} == {"xfail"}:
        return Cell("expected", "xf", ratio)
    return Cell("noted", WORDS.get(worst, worst), ratio)


def main_state(rows: Iterable[Row]) -> str:
    """The most frequent bad state, or the first of SEVERITY if none is bad. There is a row at least."""
    states = [row["state"] for row in rows]
    bad = [state for state in states if state not in QUIET]
    return min(bad or states, key=lambda state: (-bad.count(state), SEVERITY.index(state)))


def by_check(rows: Iterable[Row]) -> dict[str, dict[str, list[Row]]]:
    """rows[check][implementation], checks in the order of the catalog; checks that this suite does not have come last."""
    found: dict[str, dict[str, list[Row]]] = {id: defaultdict(list) for id in everything()}
    for row in rows:
        found.setdefault(row["check"], defaultdict(list))[row["implementation"]].append(row)
    return {id: dict(of) for id, of in found.items() if of}


def by_statement(rows: Iterable[Row]) -> dict[str, dict[str, list[Row]]]:
    """rows[statement][implementation] of the statements that have checks in the report."""
    checks = by_check(rows)
    found = {}
    for id, entry in statements().items():
        of: dict[str, list[Row]] = defaultdict(list)
        for check in checks_of(entry):
            for name, mine in checks.get(check, {}).items():
                of[name] += mine
        if of:
            found[id] = dict(of)
    return found


def names(rows: Iterable[Row]) -> list[str]:
    """The implementations, as they come."""
    return list(dict.fromkeys(row["implementation"] for row in rows))


def twins(rows: Iterable[Row]) -> dict[str, str]:
    """Implementations all of whose results are those of an earlier one, to three digits of the ratio: {name: the earlier one}.

    What a twin does not support does not count. So the same methods on a compiled f take one line.
    """
    of: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for row in rows:
        if row["state"] not in ("unsupported", "skipped"):
            of[row["implementation"]][row["id"]] = row["state"], f"{worst_ratio([row]) or 0.0:.3g}"
    found: dict[str, str] = {}
    for name, mine in of.items():
        for other, its in of.items():
            if other == name:
                break
            if other not in found and all(its.get(id) == result for id, result in mine.items()):
                found[name] = other
                break
    return found


def conclusion(header: Row, rows: Iterable[Row]) -> str:
    """What a run comes to: empty if all outcomes were expected and no line of a list is stale."""
    checks = len({(row["implementation"], row["check"]) for row in rows if row["outcome"] in UNEXPECTED})
    parts = [f"unexpected outcomes in {checks} {'check' if checks == 1 else 'checks'}"] if checks else []
    stale = len(header.get("stale", ()))
    return " and ".join(parts + ([f"{stale} listed {'failure matches' if stale == 1 else 'failures match'} no case"] if stale else []))


def versions(header: Row) -> dict[str, str]:
    """The version of each implementation that could be loaded."""
    return {entry["name"]: str(entry.get("version", "")) for entry in header["implementations"]}


def level(check: str) -> str:
    """required, recommended or informative; unknown for a check that this suite does not have."""
    return everything()[check].level if check in everything() else "unknown"


def counts(rows: Iterable[Row]) -> dict[str, int]:
    """cases, passes, asked (neither unsupported nor skipped), unsupported, expected, unexpected, xpass of the rows."""
    rows = list(rows)
    states, outcomes = [row["state"] for row in rows], [row["outcome"] for row in rows]
    return {
        "cases": len(rows),
        "passes": states.count("pass"),
        "asked": len(rows) - states.count("unsupported") - states.count("skipped"),
        "unsupported": states.count("unsupported"),
        "expected": outcomes.count("xfail"),
        "unexpected": sum(outcome in UNEXPECTED for outcome in outcomes),
        "xpass": outcomes.count("XPASS"),
    }


def shown(row: Row) -> bool:
    """Is the row a failure to tell about: what did not pass and is not on a list, a pass that is on one, a missing package asked for."""
    return row["outcome"] in UNEXPECTED or (row["outcome"] != "xfail" and row["state"] not in QUIET)


def worst_ratio(rows: Iterable[Row]) -> float | None:
    """The largest ratio, nan counting as inf; None if no row has one. (The strings "inf" and "nan" are numbers of the report, too.)"""
    ratios = [float(row["ratio"]) for row in rows if row["ratio"] is not None]
    return max((math.inf if math.isnan(ratio) else ratio for ratio in ratios), default=None)


def badness(row: Row) -> float:
    """The key that sorts rows by how bad they are: the ratio; inf where there is none."""
    ratio = worst_ratio([row])
    return math.inf if ratio is None else ratio


def ratio_text(ratio: float | None) -> str:
    """Three digits, or a power of ten from 1000 up."""
    if ratio is None:
        return ""
    if not math.isfinite(ratio):
        return "inf"
    return f"{ratio:.0e}" if ratio >= 1000 else f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def place(row: Row) -> str:
    """Problem, direction and tolerance."""
    return f"{row['problem']} {row['direction']} rtol {rtol_text(row['rtol'])}"


def component(row: Row) -> str:
    """The quantity and the index where the error is largest, such as dL/dt[0]; empty if nothing was compared."""
    worst = row.get("worst")
    return "" if not worst else worst["quantity"] + (f"[{','.join(map(str, worst['index']))}]" if worst["index"] else "")


def what(row: Row) -> str:
    """What was wrong, in one line: the component, got, expected, the error and the ratio, or the message; and what a list says of it, if
    that is something else."""
    listed = f" [{row['reason']}]" if row.get("reason") and row["outcome"] != "xfail" else ""
    return _was(row) + listed


def _was(row: Row) -> str:
    worst = row.get("worst")
    if not worst or (row.get("message") and not math.isfinite(float(worst["got"]))):
        return row.get("message") or row["state"]
    got, expected, ratio = float(worst["got"]), float(worst["expected"]), ratio_text(worst_ratio([row]))
    return f"{component(row)} got {got:.9g}, expected {expected:.9g}, error {abs(got - expected):.2g}, ratio {ratio}"


def command(header: Row, name: str) -> str:
    """The command that runs one implementation alone."""
    words = {entry["name"]: (entry.get("option", "--impl"), entry.get("word", entry["name"])) for entry in header["implementations"]}
    option, word = words.get(name, ("--impl", name))
    return f"refnode validate --alone {option} {shlex.quote(word)}"


def reproduction(header: Row, row: Row) -> str:
    """The command line that runs this case again and nothing else of its kind."""
    rtols = header.get("rtols", RTOLS) if row["rtol"] is None else [row["rtol"]]
    rtol = "" if tuple(rtols) == RTOLS else f" --rtol {','.join(rtol_text(x) for x in rtols)}"
    seed = f" --seed {header['seed']}" if header.get("seed") else ""
    return f"{command(header, row['implementation'])} --only {row['check']} --problem {row['problem']}{rtol}{seed}"
