"""The terminal report: what failed first, on one screen; then a table of checks, a table of statements, the failures one by one, totals."""

from __future__ import annotations

from collections import Counter

from ..checks.catalog import everything
from ..outcomes import UNEXPECTED
from ..statements import checks_of, how_checked, statements
from ..verdicts import STATES
from .cells import (
    SEVERITY,
    Cell,
    Row,
    by_check,
    by_statement,
    cell,
    counts,
    level,
    main_state,
    names,
    place,
    reproduction,
    shown,
    twins,
    versions,
    what,
)
from .failures import Group, first, groups
from .screen import Part, Plain, Rich

SHOWN = 3  # cases of one check
FIRST = 3  # groups of failures on the first screen, and implementations that have some
COLUMNS = 5  # implementations in one table: what a terminal of a hundred columns holds
STYLES = {"ok": "green", "unexpected": "red", "noted": "yellow", "expected": "yellow", "unsupported": "dim", "skipped": "dim", "empty": ""}
Screen = Plain | Rich


def print_report(screen: Screen, header: Row, rows: list[Row]) -> None:
    """Print everything."""
    found = groups(rows)
    unexpected = [group for group in found if group.unexpected]
    for line in header.get("stale", ()):
        screen.line((line, "red"))
    _print_first(screen, header, rows, found)
    twin = twins(rows)
    shown_names = [name for name in names(rows) if name not in twin]
    blocks = [shown_names[i:i + COLUMNS] for i in range(0, len(shown_names), COLUMNS)]
    for columns in blocks:
        _print_checks(screen, header, rows, columns)
    for columns in blocks:
        _print_statements(screen, rows, columns)
    for name in shown_names:
        same = [other for other, earlier in twin.items() if earlier == name]
        if same:
            screen.line(f"The same results as {name}, as far as supported: {', '.join(same)}.")
    _print_elsewhere(screen)
    screen.line((
        "Numbers are the worst error in units of the allowed one: at most 1 passes. "
        "-- unsupported, skip: not installed, xf: expected failure, rec./inf.: recommended or informative, never counted against.", "dim"
    ))
    _print_failures(screen, header, rows, [group for group in found if group.implementation not in twin])
    _print_totals(screen, rows, twin)
    if unexpected:
        worst = unexpected[0].bad[0]
        screen.line()
        screen.line(("Begin with ", "bold"), f"{worst['implementation']}: {worst['check']} {place(worst)}: {what(worst)}")
        screen.line((f"$ {reproduction(header, worst)}", "dim"), indent=2, wrap=False)


def parts(cell: Cell) -> tuple[Part, ...]:
    """A cell with its colour."""
    return ((cell.word, STYLES[cell.kind]), cell.text[len(cell.word):])


def _print_first(screen: Screen, header: Row, rows: list[Row], found: list[Group]) -> None:
    """The first screen of a run with unexpected outcomes: which statement fails, where, by how much, how to reproduce it."""
    unexpected = [group for group in found if group.unexpected]
    failing = list(dict.fromkeys(group.implementation for group in unexpected))
    room = max(1, FIRST // max(1, len(failing)))
    for position, name in enumerate(failing):
        mine = [group for group in unexpected if group.implementation == name]
        n = counts(row for row in rows if row["implementation"] == name)
        checks = len({row["check"] for row in rows if row["implementation"] == name})
        screen.line()
        screen.line(
            (f"{name} {versions(header).get(name, '')}".strip(), "bold"),
            f": {len(mine)} of {checks} checks have unexpected outcomes, in {n['unexpected']} of {n['asked'] or n['cases']} cases",
        )
        if position >= FIRST:
            continue
        alike = _all_alike([row for row in rows if row["implementation"] == name])
        if alike:
            worst = mine[0].bad[0]
            screen.line((worst["state"], "bold red"), f": {STATES[worst['state']]}", indent=2)
            screen.line(what(worst), indent=2)
            screen.line(f"$ {reproduction(header, worst)}", indent=2, wrap=False)
            continue
        told = first(mine, room)
        for group in told:
            _print_summary(screen, header, group, full=group is mine[0])
        rest = [group for group in mine if group not in told]
        if rest:
            screen.line(f"and {', '.join(_share(group) for group in rest)}", indent=2)
        quiet = [group for group in found if group.implementation == name and not group.unexpected]
        if quiet:
            screen.line((f"not counted: {', '.join(_share(group) for group in quiet)}", "dim"), indent=2)


def _print_summary(screen: Screen, header: Row, group: Group, full: bool) -> None:
    worst = group.bad[0]
    screen.line()
    share = f"{len(group.bad)} of {len(group.asked)} cases"
    screen.line((group.check, "bold red"), f"  {_verb(group)} in {share}: {', '.join(group.where)}", indent=2)
    told = group.statements[:2 if full else 1]
    for id in told:
        screen.line((f"{id} {statements()[id]['title']}", "bold"), f": {statements()[id]['text']}", indent=4)
    if len(group.statements) > len(told):
        screen.line((f"also {', '.join(f'{id} {_title(id)}' for id in group.statements[len(told):])}", "dim"), indent=4)
    screen.line(("worst ", "bold"), f"{place(worst)}: {what(worst)}", indent=4)
    screen.line(f"$ {reproduction(header, worst)}", indent=4, wrap=False)


def _print_checks(screen: Screen, header: Row, rows: list[Row], columns: list[str]) -> None:
    body = []
    for check, of in by_check(rows).items():
        short: tuple[Part, ...] = () if level(check) == "required" else ((f" ({level(check)[:3]}.)", "dim"),)
        body.append([(check, *short), *[parts(cell(of.get(name, []))) for name in columns]])
    heads = [f"{_head(name)}\n{versions(header).get(name, '')}".rstrip() for name in columns]
    screen.table("Checks", heads, body)


def _print_statements(screen: Screen, rows: list[Row], columns: list[str]) -> None:
    body: list[list[tuple[Part, ...]]] = []
    for id, of in by_statement(rows).items():
        body.append([(f"{id:<4}{_title(id)}",), *[parts(cell(of.get(name, []))) for name in columns]])
    screen.table("Statements", [_head(name) for name in columns], body)


def _print_elsewhere(screen: Screen) -> None:
    """The statements that have no row: no implementation is asked about them."""
    others = [(id, how_checked(entry)) for id, entry in statements().items() if not checks_of(entry)]
    tested = ", ".join(id for id, (_, tests, _, _) in others if tests)
    measured = ", ".join(f"{id} ({' '.join(experiments)})" for id, (_, _, experiments, _) in others if experiments)
    nothing = ", ".join(id for id, (_, tests, experiments, _) in others if not tests and not experiments)
    ways = {"By refnode's own tests": tested, "Measured by refnode paper": measured, "Nothing to run (--list tells why)": nothing}
    for way, ids in ways.items():
        if ids:
            screen.line((f"{way}: {ids}.", "dim"))


def _print_failures(screen: Screen, header: Row, rows: list[Row], found: list[Group]) -> None:
    told = set()
    for group in found:
        name = group.implementation
        mine = [row for row in rows if row["implementation"] == name]
        if _all_alike(mine):
            if name not in told:
                screen.line()
                screen.line((f"{name}: all {len(mine)} cases", "bold"))
                screen.line(*_told(mine[0]), indent=2)
            told.add(name)
            continue
        screen.line()
        screen.line((f"{name}: {group.check}", "bold"), f"  {_cases(len(group.bad))}, {level(group.check)}")
        for id in everything()[group.check].statements if group.check in everything() else ():
            screen.line((f"{id}  {statements()[id]['text']}", "dim"), indent=2)
        for row in group.bad[:SHOWN]:
            screen.line(*_told(row), indent=2)
            screen.line((f"$ {reproduction(header, row)}", "dim"), indent=4, wrap=False)
        if len(group.bad) > SHOWN:
            rest = sorted({row["problem"] for row in group.bad[SHOWN:]})
            screen.line(f"and {len(group.bad) - SHOWN} more: {', '.join(rest)}", indent=2)


def _told(row: Row) -> tuple[Part, ...]:
    word = {"XPASS": "XPASS", "XFAIL-CHANGED": f"XFAIL-CHANGED {row['state']}"}.get(row["outcome"], row["state"])
    return ((word, "red" if row["outcome"] in UNEXPECTED else "yellow"), f" {place(row)}: {what(row)}")


def _print_totals(screen: Screen, rows: list[Row], twin: dict[str, str]) -> None:
    screen.line()
    for name in names(rows):
        mine = [row for row in rows if row["implementation"] == name]
        n, states = counts(mine), Counter(row["state"] for row in mine)
        more = "".join(f", {states[state]} {state}" for state in SEVERITY if states[state] and state != "pass")
        more += f" ({n['expected']} of these expected)" if n["expected"] else ""
        flag: list[Part] = [(f"  {n['unexpected']} unexpected", "red")] if n["unexpected"] else []
        screen.line(f"{name}: passes {n['passes']} of {n['asked']}{more}", *flag)
        expected = [row["reason"] for row in mine if row["outcome"] == "xfail" and row.get("reason")] if name not in twin else []
        for why, number in Counter(expected).items():
            screen.line((f"{number} expected: {why}", "dim"), indent=2)


def _all_alike(mine: list[Row]) -> bool:
    """Has every case the same bad state and message, as where the harness is broken?"""
    return shown(mine[0]) and mine[0]["state"] not in ("pass", "fail") and len({(row["state"], row.get("message")) for row in mine}) == 1


def _verb(group: Group) -> str:
    worst = main_state(group.bad)
    verbs: dict[str, str] = {"fail": "fails", "error": "errs", "crash": "crashes", "timeout": "times out", "pass": "passes unexpectedly"}
    return "is missing" if worst == "skipped" else verbs.get(worst, worst)


def _share(group: Group) -> str:
    return f"{group.check} ({len(group.bad)} of {len(group.asked)})"


def _cases(n: int) -> str:
    return f"{n} {'case' if n == 1 else 'cases'}"


def _title(id: str) -> str:
    return statements()[id]["title"]


def _head(name: str) -> str:
    return name.replace(".", "\n", 1)
