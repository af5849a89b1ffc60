"""The terminal report: a table of checks, a table of statements, and the failures one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..checks.catalog import all_checks
from ..outcomes import UNEXPECTED
from ..runner import Result
from ..statements import checks_of, statements

# The worst state of a cell is the first of these that occurs in it.
SEVERITY = ("harness-broken", "crash", "timeout", "error", "fail", "refused", "not-run", "pass", "skipped", "unsupported")
SHOWN = 3
COLUMNS = 5  # implementations in one table: what a terminal of a hundred columns holds
Judged = list[tuple[Result, str]]


def print_report(
    console: Console,
    judged: Judged,
    implementations: list[dict[str, Any]],
    commands: dict[str, str],
    reasons: Mapping[tuple[str, str], int],
) -> None:
    """Print everything.

    judged pairs each result with its outcome, commands[name] is the beginning of the reproduction lines, reasons[name, reason] the number
    of failures that are expected for that reason.
    """
    names = list(dict.fromkeys(result.implementation for result, _ in judged))
    for table in (_check_table, _statement_table):
        for first in range(0, len(names), COLUMNS):
            console.print(table(judged, names[first:first + COLUMNS], implementations))
    elsewhere = [id for id, entry in statements().items() if not checks_of(entry)]
    if elsewhere:
        console.print(f"[dim]By refnode's own tests: {', '.join(elsewhere)}.[/dim]")
    console.print(
        "[dim]Numbers are the worst error in units of the allowed one: at most 1 passes. "
        "-- unsupported, skip: not installed, xf: expected failure, rec./inf.: recommended or informative, never counted against.[/dim]"
    )
    _print_failures(console, judged, names, commands)
    _print_totals(console, judged, names, reasons)


def cell(judged: Judged) -> str:
    """One cell: the worst state and the worst ratio among results, in rich markup."""
    states = {result.verdict.state for result, _ in judged}
    worst = next((state for state in SEVERITY if state in states), None)
    if worst is None:
        return ""
    if worst == "pass":
        return f"[green]ok[/green] {_ratio(_worst_ratio(judged))}"
    if worst in ("unsupported", "skipped"):
        return "[dim]--[/dim]" if worst == "unsupported" else "[dim]skip[/dim]"
    bad = [(result, outcome) for result, outcome in judged if result.verdict.state not in ("pass", "unsupported", "skipped")]
    outcomes = {outcome for _, outcome in bad}
    style = "red" if outcomes & set(UNEXPECTED) else "yellow"
    if style == "red":
        bad = [(result, outcome) for result, outcome in bad if outcome in UNEXPECTED]
    if outcomes == {"xfail"}:
        word = "xf"
    else:
        word = {"fail": "FAIL", "harness-broken": "broken"}.get(worst, worst)
    number = f" {_ratio(_worst_ratio(bad))}" if worst == "fail" else ""
    return f"[{style}]{word}[/{style}]{number}"


def _check_table(judged: Judged, names: list[str], implementations: list[dict[str, Any]]) -> Table:
    table = _table("Checks", names, {entry["name"]: entry["version"] for entry in implementations})
    for check in all_checks().values():
        mine = [(result, outcome) for result, outcome in judged if result.check == check.id]
        if mine:
            label = check.id if check.level == "required" else f"{check.id} [dim]({check.level[:3]}.)[/dim]"
            table.add_row(label, *[cell(_of(mine, name)) for name in names])
    return table


def _statement_table(judged: Judged, names: list[str], implementations: list[dict[str, Any]]) -> Table:
    table = _table("Statements", names, {})
    for id, entry in statements().items():
        wanted = set(checks_of(entry))
        mine = [(result, outcome) for result, outcome in judged if result.check in wanted]
        if mine:
            table.add_row(f"{id:<4}{entry['title']}", *[cell(_of(mine, name)) for name in names])
    return table


def _table(title: str, names: list[str], versions: dict[str, str]) -> Table:
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
        box=SIMPLE_HEAD,
        show_edge=False,
    )
    table.add_column("", no_wrap=True)
    for name in names:
        header = escape(name.replace(".", "\n", 1))
        version = versions.get(name)
        table.add_column(f"{header}\n[dim]{escape(version)}[/dim]" if version else header, vertical="bottom", max_width=14, overflow="fold")
    return table


def _print_failures(console: Console, judged: Judged, names: list[str], commands: dict[str, str]) -> None:
    for name in names:
        mine = _of(judged, name)
        if mine and len({(result.verdict.state, result.verdict.message) for result, _ in mine}) == 1 and mine[0][0].verdict.state != "pass":
            console.print()
            _indented(console, f"[bold]{escape(name)}: all {len(mine)} cases[/bold]", 0)
            _indented(console, _what(*mine[0]), 2)
            continue
        for check in all_checks().values():
            bad = [pair for pair in _of(judged, name) if pair[0].check == check.id and _worth_showing(*pair)]
            if bad:
                _print_group(console, name, check, sorted(bad, key=lambda pair: -_key(pair[0])), commands[name])


def _print_group(console: Console, name: str, check: Any, bad: Judged, command: str) -> None:
    console.print()
    console.print(
        f"[bold]{escape(name)}: {check.id}[/bold]  {len(bad)} {'case' if len(bad) == 1 else 'cases'}, {check.level}", highlight=False
    )
    for id in check.statements:
        _indented(console, f"[dim]{id}  {escape(statements()[id]['text'])}[/dim]", 2)
    for result, outcome in bad[:SHOWN]:
        _indented(console, _what(result, outcome), 2)
        console.print(f"    [dim]$ {escape(reproduction(result, command))}[/dim]", highlight=False, soft_wrap=True)
    if len(bad) > SHOWN:
        _indented(console, f"and {len(bad) - SHOWN} more: {_places(bad[SHOWN:])}", 2)


def _indented(console: Console, text: str, by: int) -> None:
    console.print(Padding(Text.from_markup(text), (0, 0, 0, by)))


def reproduction(result: Result, command: str) -> str:
    """The command line that runs this case again and nothing else of its kind."""
    rtol = "" if result.rtol is None else f" --rtol {result.rtol:.0e}"
    return f"{command} --only {result.check} --problem {result.problem}{rtol}"


def _what(result: Result, outcome: str) -> str:
    verdict, worst = result.verdict, result.verdict.worst
    place = f"{result.problem} {result.direction} rtol {'all' if result.rtol is None else f'{result.rtol:.0e}'}"
    style = "red" if outcome in UNEXPECTED else "yellow"
    text = f"[{style}]{_word(verdict.state, outcome)}[/{style}] {place}: "
    if worst and not (verdict.message and not math.isfinite(worst.got)):
        at = f"[{','.join(map(str, worst.index))}]" if worst.index else ""
        text += escape(f"{worst.quantity}{at} got {worst.got:.12g}, expected {worst.expected:.12g}, ratio {_ratio(worst.ratio)}")
    else:
        text += escape(verdict.message)
    return text


def _word(state: str, outcome: str) -> str:
    return outcome if outcome == "XPASS" else f"{outcome} {state}" if outcome == "XFAIL-CHANGED" else state


def _print_totals(console: Console, judged: Judged, names: list[str], reasons: Mapping[tuple[str, str], int]) -> None:
    console.print()
    for name in names:
        mine = _of(judged, name)
        states = [result.verdict.state for result, _ in mine]
        count = {state: states.count(state) for state in SEVERITY if states.count(state) and state != "pass"}
        asked = len(states) - states.count("unsupported") - states.count("skipped")
        unexpected = sum(outcome in UNEXPECTED for _, outcome in mine)
        expected = sum(outcome == "xfail" for _, outcome in mine)
        more = "".join(f", {n} {state}" for state, n in count.items()) + (f" ({expected} of these expected)" if expected else "")
        flag = f"  [red]{unexpected} unexpected[/red]" if unexpected else ""
        console.print(f"{escape(name)}: passes {states.count('pass')} of {asked}{more}{flag}", highlight=False)
        for (who, why), n in reasons.items():
            if who == name:
                _indented(console, f"[dim]{n} expected: {escape(why)}[/dim]", 2)


def _worth_showing(result: Result, outcome: str) -> bool:
    """Everything that did not pass and is not on a list, and the passes that should not have been."""
    return outcome == "XPASS" or (outcome != "xfail" and result.verdict.state not in ("pass", "unsupported", "skipped"))


def _places(judged: Judged) -> str:
    words = sorted({result.problem for result, _ in judged})
    return ", ".join(words)


def _of(judged: Iterable[tuple[Result, str]], name: str) -> Judged:
    return [pair for pair in judged if pair[0].implementation == name]


def _worst_ratio(judged: Judged) -> float | None:
    ratios = [result.verdict.ratio for result, _ in judged if result.verdict.ratio is not None]
    return max(ratios) if ratios else None


def _key(result: Result) -> float:
    ratio = result.verdict.ratio
    return math.inf if ratio is None else ratio


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    if ratio >= 1000 or not math.isfinite(ratio):
        return f"{ratio:.0e}" if math.isfinite(ratio) else "inf"
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"
