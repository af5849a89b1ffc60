"""What changed from one report to another: refnode validate compare A.jsonl B.jsonl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..outcomes import UNEXPECTED
from .cells import Row, place, ratio_text, reproduction, versions, what, worst_ratio
from .files import Parser, read
from .screen import Plain, Rich, screen

GROWTH = 4.0  # of the ratio of a case that still passes
FLOOR = 0.01  # ratios below it count as this: a hundredth of the allowed error and less is rounding, which differs between machines
KINDS = {
    "WORSE": "passed and does not now, or has an unexpected outcome that it did not have",
    "REGRESSED": f"passes, with more than {GROWTH:g} times the error",
    "NEW": "is not in the old report, and has an unexpected outcome",
    "VANISHED": "passed, and is not in the new report",
    "gone": "is not in the new report; it did not pass before",
    "better": "passes and did not",
    "changed": "another state or outcome, not worse",
    "new": "is not in the old report",
}
BAD = ("WORSE", "REGRESSED", "NEW", "VANISHED")
SHOWN = 5  # changes of one kind in one check
FACTS = ("suite", "spec", "vectors", "protocol", "manifest", "python", "numpy", "system", "machine", "byteorder", "seed", "rtols")


@dataclass(frozen=True)
class Change:
    """One case that differs: kind (one of KINDS), and its rows before and after (None where it is missing)."""

    kind: str
    before: Row | None
    after: Row | None

    @property
    def row(self) -> Row:
        """The newest row."""
        row = self.after or self.before
        assert row is not None
        return row


def main(argv: list[str]) -> int:
    """Print what changed; 1 if something got worse, else 0; ValueError for bad arguments."""
    parser = Parser(prog="refnode validate compare", description="What changed from report A to report B.", allow_abbrev=False)
    parser.add_argument("a", metavar="A.jsonl", help="the report before")
    parser.add_argument("b", metavar="B.jsonl", help="the report after")
    options = parser.parse_args(argv)
    (old, before, _), (new, after, _) = read(options.a), read(options.b)
    found = changes(before, after)
    _print(screen(), options.a, options.b, facts(old, new), found, new)
    return 1 if any(change.kind in BAD for change in found) else 0


def changes(before: Iterable[Row], after: Iterable[Row]) -> list[Change]:
    """The cases that differ, the bad kinds first."""
    old, new = ({(row["implementation"], row["id"]): row for row in rows} for rows in (before, after))
    found = [Change(kind, old.get(key), new.get(key)) for key in {**old, **new} if (kind := _kind(old.get(key), new.get(key)))]
    order = list(KINDS)
    return sorted(found, key=lambda change: order.index(change.kind))


def facts(old: Row, new: Row) -> list[str]:
    """What differs between the headers: versions, the machine, the seed; and the implementations, with versions and capabilities."""
    lines = [f"{name}: {old.get(name)} -> {new.get(name)}" for name in FACTS if old.get(name) != new.get(name)]
    before, after = versions(old), versions(new)
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            lines.append(f"{name}: {before.get(name, 'not there')} -> {after.get(name, 'not there')}")
    can = [{entry["name"]: set(entry.get("capabilities", [])) for entry in header["implementations"]} for header in (old, new)]
    for name in can[0].keys() & can[1].keys():
        lost, won = sorted(can[0][name] - can[1][name]), sorted(can[1][name] - can[0][name])
        lines += [f"{name}: {word} {' '.join(which)}" for word, which in (("no longer offers", lost), ("now offers", won)) if which]
    return lines


def _kind(old: Row | None, new: Row | None) -> str:
    """One of KINDS, or empty if nothing changed that matters."""
    if old is None or new is None:
        row = old or new
        assert row is not None
        if new is None:
            return "VANISHED" if row["state"] == "pass" else "gone"
        return "NEW" if row["outcome"] in UNEXPECTED else "new"
    passed, passes = old["state"] == "pass", new["state"] == "pass"
    if (passed and not passes) or (new["outcome"] in UNEXPECTED and old["outcome"] not in UNEXPECTED):
        return "WORSE"
    if passes and not passed:
        return "better"
    if passed and passes:
        grew = _floored(new) > GROWTH * _floored(old)
        return "REGRESSED" if grew else "changed" if old["outcome"] != new["outcome"] else ""
    return "changed" if (old["state"], old["outcome"]) != (new["state"], new["outcome"]) else ""


def _floored(row: Row) -> float:
    return max(FLOOR, worst_ratio([row]) or 0.0)


def _print(out: Plain | Rich, a: str, b: str, facts: list[str], found: list[Change], header: Row) -> None:
    out.line((f"{a} -> {b}", "bold"))
    for fact in facts:
        out.line(fact, indent=2)
    if not found:
        out.line("No case changed.")
    groups: dict[tuple[str, str, str], list[Change]] = {}
    for change in found:
        groups.setdefault((change.kind, change.row["implementation"], change.row["check"]), []).append(change)
    for (kind, name, check), mine in groups.items():
        out.line()
        cases = "1 case" if len(mine) == 1 else f"{len(mine)} cases"
        out.line((kind, "red" if kind in BAD else "bold"), f"  {name}: {check}, {cases}: {KINDS[kind]}")
        for change in mine[:SHOWN]:
            out.line(f"{place(change.row)}: {_short(change.before)} -> {_short(change.after)}{_why(change)}", indent=2)
        if len(mine) > SHOWN:
            out.line(f"and {len(mine) - SHOWN} more", indent=2)
        if kind in ("WORSE", "REGRESSED", "NEW"):
            out.line((f"$ {reproduction(header, mine[0].row)}", "dim"), indent=4, wrap=False)
    if found:
        out.line()
        out.line(", ".join(f"{n} {kind}" for kind, n in Counter(change.kind for change in found).items()))


def _short(row: Row | None) -> str:
    if row is None:
        return "nothing"
    listed = f" ({row['outcome']})" if row["outcome"] in ("xfail", "XPASS") else ""
    return f"{row['state']} {ratio_text(worst_ratio([row]))}".strip() + listed


def _why(change: Change) -> str:
    return f" ({what(change.after)})" if change.kind in ("WORSE", "NEW") and change.after else ""
