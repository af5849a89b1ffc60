"""What the terminal shows: the function, a line per check, a sentence per defect, then the relations."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from ..report.cells import ratio_text
from ..verdicts import Verdict
from .examine import Examination
from .finding import Finding
from .subject import Subject

STYLES = {"ok": "green", "note": "cyan", "warn": "yellow", "FAIL": "bold red", "not judged": "dim"}
WORDS = {"ok": "ok", "note": "note", "warn": "warn", "FAIL": "FAIL", "not judged": "--"}
Row = tuple[Any, Any, Verdict]
MOST = 4


def print_head(console: Console, f: Subject) -> None:
    """The function and its arguments."""
    span = f"ts {f.ts[0]:g} .. {f.ts[-1]:g}, {f.ts.size} times"
    console.print(f"[bold]{escape(f.name)}[/bold]  z {escape(str(f.z))}; {span}", highlight=False)
    console.print(f"  theta {escape(str(f.theta))}", highlight=False)


def print_findings(console: Console, found: Examination) -> None:
    """A line per check, then what is wrong."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for finding in found.findings:
        if finding.verdict == "not judged":
            continue
        style = STYLES[finding.verdict]
        table.add_row(finding.id, f"[{style}]{WORDS[finding.verdict]}[/{style}]", escape(finding.text))
    console.print(Padding(table, (0, 0, 0, 2)))
    left = [finding.id for finding in found.findings if finding.verdict == "not judged"]
    if left:
        console.print(f"  [dim]not judged before that is put right: {', '.join(left)}[/dim]", highlight=False)
    for finding in found.findings:
        if finding.diagnosis:
            style = STYLES[finding.verdict]
            sentence = finding.diagnosis if finding.diagnosis.startswith("f ") else finding.diagnosis[0].upper() + finding.diagnosis[1:]
            console.print(f"[{style}]{finding.id}[/{style}] {escape(sentence)}", highlight=False)


def print_verdict(console: Console, f: Subject, found: Examination) -> None:
    """The sum in one line."""
    made = sum(finding.verdict != "not judged" for finding in found.findings)
    about = f"{made} checks, {f.calls} calls of f, {1e6 * f.cost:.3g} us each"
    if found.failed:
        n = len(found.failed)
        ids = ", ".join(finding.id for finding in found.failed)
        console.print(f"[bold red]f has {n} defect{'s' * (n > 1)}[/bold red]: {ids}. [dim]{about}[/dim]", highlight=False)
    else:
        warned = [finding.id for finding in found.findings if finding.verdict == "warn"]
        more = f"; worth a thought: {', '.join(warned)}" if warned else ""
        console.print(f"[bold green]f keeps its contract[/bold green]{more}. [dim]{about}[/dim]", highlight=False)


def print_relations(console: Console, rows: list[Row], names: list[str], why: str) -> None:
    """Relations by implementation, with the reason where one was not asked."""
    if all(verdict.state in ("skipped", "unsupported") for _, _, verdict in rows):
        reasons = dict.fromkeys(verdict.message for _, _, verdict in rows if verdict.state == "skipped")
        console.print(f"[dim]Solves and gradients were not compared: {escape('; '.join(reasons))}.[/dim]", highlight=False)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="dim")
    table.add_column("", no_wrap=True, min_width=18)
    for name in names:
        table.add_column(escape(name.replace(".", "\n.", 1)), no_wrap=True, min_width=10)
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=max(10, console.width - 24 - 12 * len(names)))
    for relation in dict.fromkeys(relation for relation, _, _ in rows):
        mine = {adapter.name: verdict for other, adapter, verdict in rows if other is relation}
        if not all(verdict.state == "unsupported" for verdict in mine.values()):
            table.add_row(relation.id, *[_cell(mine.get(name), relation.level) for name in names], f"[dim]{escape(relation.title)}[/dim]")
    console.print()
    title = f"Solves and gradients of f, compared with each other{escape(why and ' ' + why)}"
    console.print(f"{title} [dim](error in units of the allowed one)[/dim]", highlight=False)
    console.print(Padding(table, (0, 0, 0, 2)))
    left: dict[str, dict[str, None]] = {}
    for relation, _, verdict in rows:
        if verdict.state in ("skipped", "not-run", "timeout"):
            left.setdefault(verdict.message, {})[relation.id] = None
    for message, ids in left.items():
        console.print(f"  [dim]{', '.join(ids)}: {escape(message)}[/dim]", highlight=False)


def print_failures(console: Console, rows: list[Row], found: Examination) -> None:
    """The relations that failed, with their cause, if a check of f found one."""
    failed = bad(rows)
    if found.failed:
        worst: dict[str, Verdict] = {}
        for relation, _, verdict in failed:
            if relation.id not in worst or (verdict.ratio or 0) > (worst[relation.id].ratio or 0):
                worst[relation.id] = verdict
        n = sum(verdict.state == "pass" for _, _, verdict in rows)
        if failed or n:
            names = ", ".join(f"{id} {_how_bad(verdict)}" for id, verdict in worst.items())
            consequence = f"; these fail in consequence: {names}" if names else ""
            console.print(f"[dim]Between solves and gradients of f, {n} relations hold{consequence}.[/dim]", highlight=False)
        return
    for relation, adapter, verdict in failed[:MOST]:
        style = "yellow" if causes(found) else "red"
        console.print(f"  [{style}]{relation.id}[/{style}] {escape(adapter.name)}: {escape(_what(verdict))}", highlight=False)
    if len(failed) > MOST:
        console.print(f"  and {len(failed) - MOST} more", highlight=False)
    if failed and found.rough.jumps_in_z:
        console.print("That is what the jumps in z (f.smooth) make of gradients.", highlight=False)
    elif failed and causes(found):
        console.print("f is not smooth (f.smooth), and the derivative of a step across a jump or kink is off by a multiple of the step: "
                      "these differences are the errors to expect at this rtol.", highlight=False)
    elif failed:
        console.print("No check of f explains this: it may be the solver or the gradient. Please report it, with f.", highlight=False)


def _how_bad(verdict: Verdict) -> str:
    return f"({ratio_text(verdict.ratio)} of the allowed error)" if verdict.state == "fail" else f"({verdict.state})"


def causes(found: Examination) -> list[Finding]:
    """The findings that relations may fail by: defects of f, or, if there are none, what makes it less than smooth."""
    return found.failed or [finding for finding in found.findings if finding.id == "f.smooth" and finding.verdict in ("note", "warn")]


def bad(rows: list[Row]) -> list[Row]:
    """Those that neither passed nor were left out for a reason."""
    return [row for row in rows if is_bad(row[2])]


def is_bad(verdict: Verdict) -> bool:
    """Neither passed, nor left out for a reason."""
    return verdict.state not in ("pass", "unsupported", "skipped", "not-run", "timeout")


def _what(verdict: Verdict) -> str:
    worst = verdict.worst
    if worst is None:
        return f"{verdict.state}: {verdict.message}"
    return f"{worst.quantity} got {worst.got:.8g}, expected {worst.expected:.8g}, ratio {ratio_text(worst.ratio)}"


def _cell(verdict: Verdict | None, level: str) -> str:
    if verdict is None:
        return ""
    if verdict.state == "pass":
        return f"[green]ok[/green] {ratio_text(verdict.ratio)}"
    if verdict.state in ("unsupported", "skipped"):
        return "[dim]--[/dim]"
    style = "red" if level == "required" and is_bad(verdict) else "yellow"
    word = {"fail": "FAIL", "not-run": "no time", "timeout": "no time"}.get(verdict.state, verdict.state)
    return f"[{style}]{word}[/{style}]" + (f" {ratio_text(verdict.ratio)}" if verdict.state == "fail" else "")
