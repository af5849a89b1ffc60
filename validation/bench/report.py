"""What refnode bench prints and writes: a table for each workload, the bars, and a JSON file."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .bars import Finding
from .catalog import Implementation, implementations
from .measure import BAD, Row
from .workloads import Workload

STYLES = {"ok": "green", "missed": "red", "missed by hand too": "yellow", "not measured": "dim"}


def print_workload(console: Console, workload: Workload, rows: Sequence[Row]) -> None:
    """A table of what was measured, sorted by time; below it what there is to be said about single rows."""
    table = _table(f"{workload.name}: {workload.title}")
    table.add_column("", no_wrap=True)
    times = ("median\nms", "quartiles\nms", "processor\nms", "fastest\nrefnode = 1", "first call\nms", "start to\nfirst, ms", "import\nms")
    for name in (*times, "memory\nMiB", "error"):
        table.add_column(name, justify="right", no_wrap=True, vertical="bottom")
    ours = [row.processor for row in rows if row.counts and row.implementation.family == "refnode" and row.processor is not None]
    for row in sorted(rows, key=_place):
        if row.first is None:
            continue
        low_high = "" if row.quartiles is None else " - ".join(map(_ms, row.quartiles))
        ratio = _number(row.processor / min(ours)) if ours and row.counts and row.processor is not None else ""
        numbers = (_ms(row.median), low_high, _ms(row.processor), ratio, _ms(row.first), _ms(row.start), _ms(row.import_time))
        memory, error = ("" if x is None else f"{x:{form}}" for x, form in ((row.peak_mb, ".0f"), (row.error, ".1e")))
        style = "red" if row.state == BAD else "dim" if not row.counts else "bold" if row.implementation.family == "refnode" else ""
        table.add_row(escape(row.implementation.name), *numbers, memory, error, style=style)
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"[dim]{escape(row.implementation.name)}: {escape(row.note)}[/dim]", highlight=False)
    share = [row.threads for row in rows if row.threads is not None]
    if share and statistics.mean(share) < 0.9:
        console.print(f"[yellow]The machine was busy: the processes had {statistics.mean(share):.0%} of a core.[/yellow]", highlight=False)


def bar_table(found: Sequence[Finding]) -> Table:
    """The bars, in the order of bars.py."""
    table = _table("What refnode has set itself: ratios of the processor time of a gradient, and of the times of first ones")
    table.add_column("workload", no_wrap=True)
    table.add_column("of", overflow="fold")
    table.add_column("over", overflow="fold")
    table.add_column("ratio", justify="right")
    table.add_column("by hand", justify="right")
    table.add_column("bar", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in found:
        bar = one.bar
        upper, lower = _group(bar.upper), _group(bar.lower)
        upper = upper if bar.what == "gradient" else f"{upper} ({bar.what})"
        wanted = "" if bar.value is None else f"{bar.sense} {bar.value:g}"
        style = STYLES.get(one.verdict, "")
        verdict = f"[{style}]{one.verdict}[/{style}]" if style else one.verdict
        table.add_row(bar.workload, escape(upper), escape(lower), _number(one.ratio), _number(one.by_hand), wanted, verdict)
    return table


def print_heading(console: Console, chosen: Sequence[Implementation], rounds: int, load: float | None) -> None:
    """Versions, and how busy the machine is."""
    about = ", ".join(f"{package} {version}" for package, version in versions(chosen).items())
    busy = "unknown" if load is None else f"{load:.2f}"
    console.print(f"{about}\nOne thread each, {rounds} rounds; load average {busy}", highlight=False)
    console.print(
        "[dim]processor: time in all threads, which is what is compared. first call: with tracing and compilation. start: of the process. "
        "error: the largest |g - reference| / |reference| over dL/dz0 and the parameters.[/dim]",
        highlight=False,
    )


def versions(chosen: Sequence[Implementation]) -> dict[str, str]:
    """Of Python and of the packages that are timed; nothing is imported for it."""
    found = {"Python": platform.python_version()}
    for package in dict.fromkeys(package for one in chosen for package in one.packages):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def as_json(rows: Sequence[Row], found: Sequence[Finding], **about: Any) -> dict[str, Any]:
    """All numbers. The fields are described in validation/README.md."""
    return {
        **about,
        "rows": [
            {
                "workload": row.workload,
                "implementation": row.implementation.name,
                "family": row.implementation.family,
                "state": row.state,
                "note": row.note,
                "seconds": row.median,
                "quartiles": row.quartiles,
                "rounds": row.rounds,
                "processor_seconds": row.processor,
                "processor_rounds": row.processor_rounds,
                "first_seconds": row.first,
                "start_seconds": row.start,
                "import_seconds": row.import_time,
                "peak_mb": row.peak_mb,
                "error": row.error if row.error is None or math.isfinite(row.error) else None,
            }
            for row in rows
        ],
        "bars": [
            {
                "workload": one.bar.workload,
                "of": one.bar.upper,
                "over": one.bar.lower,
                "what": one.bar.what,
                "sense": one.bar.sense,
                "bar": one.bar.value,
                "ratio": one.ratio,
                "by_hand": one.by_hand,
                "verdict": one.verdict,
            }
            for one in found
        ],
    }


def write_json(path: Path, report: dict[str, Any]) -> None:
    """One object, indented."""
    path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _group(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{implementations()[names[0]].family}, the fastest"


def _place(row: Row) -> tuple[bool, float]:
    return not row.counts, row.processor or math.inf


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else _number(1e3 * seconds)


def _number(x: float | None) -> str:
    """Three digits."""
    if x is None:
        return ""
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def _table(title: str) -> Table:
    layout = {"pad_edge": False, "padding": (0, 1, 0, 0), "box": SIMPLE_HEAD, "show_edge": False}
    return Table(title=f"\n{title}", title_justify="left", title_style="bold", **layout)
