"""The command: refnode bench [options]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from .catalog import Implementation, implementations, selected
from .workloads import Workload, workloads

COMMAND = "refnode bench"
ROUNDS, QUICK_ROUNDS, QUICK_WORKLOADS = 15, 3, ("2x20", "lotka-volterra")


def main(argv: list[str]) -> int:
    """Measure and print; the exit code is 0, or 2 for wrong arguments (one sentence says which)."""
    try:
        options = _parse(argv)
        chosen, work, rounds = selected(_split(options.impl)), _workloads(options), _rounds(options)
        if options.list:
            return _print_list()
        for option, file in (("--json", options.json), ("--plot", options.plot)):
            if file and not Path(file).absolute().parent.is_dir():
                raise ValueError(f"{option} {file}: there is no such folder")
        return _run(work, chosen, rounds, options)
    except ValueError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return 2
    except SystemExit:  # argparse, after --help
        return 0


def _run(work: list[Workload], chosen: list[Implementation], rounds: int, options: argparse.Namespace) -> int:
    try:
        from rich.console import Console

        from . import report
        from .bars import findings
        from .measure import Row, load_average, measure, warm_disk

        if options.plot:
            from .plot import plot
    except ModuleNotFoundError as error:
        raise ValueError(f"this needs the package {error.name}: pip install -e '.[validation,plots]'") from error
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(160, console.width))  # a pipe has no width of its own
    loads = [load_average()]
    report.print_heading(console, chosen, rounds, loads[0])
    rows: list[Row] = []
    families = {one.family for one in chosen}
    with _progress(console, len(families) + len(work) * len(chosen) * (1 + rounds)) as tick:
        warm_disk(chosen, tick)
        for workload in work:
            found = measure(workload, chosen, rounds, tick)
            report.print_workload(console, workload, found)
            rows += found
            loads.append(load_average())
    bars = list(findings(rows))
    if bars:
        console.print(report.bar_table(bars))
    console.print(f"\nload average {' '.join('?' if load is None else f'{load:.2f}' for load in loads)}", highlight=False)
    if options.json:
        about = {"versions": report.versions(chosen), "rounds": rounds, "load_average": loads}
        report.write_json(Path(options.json), report.as_json(rows, bars, **about))
    if options.plot:
        plot(rows, Path(options.plot))
    return 0


@contextmanager
def _progress(console: Any, total: int) -> Iterator[Callable[[str], None]]:
    """What is to be called with a description at each step: a progress bar if somebody is looking."""
    if not console.is_terminal:
        yield lambda description: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=total)
        yield lambda description: progress.update(bar, advance=1, description=description)


class _Parser(argparse.ArgumentParser):
    """argparse that raises its complaint instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see --help)")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog=COMMAND, description="Time the gradients of refnode, of other libraries, and by hand.", allow_abbrev=False)
    add = parser.add_argument
    add("--workload", action="append", default=[], metavar="A,B", help=f"only these of {', '.join(workloads())}")
    add("--impl", action="append", default=[], metavar="A,B", help="only these: names, families, patterns, or file.py:Class (see --list)")
    add("--rounds", metavar="N", help=f"how often each is timed (default {ROUNDS})")
    add("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds of {' and '.join(QUICK_WORKLOADS)}, unless told otherwise")
    add("--json", metavar="FILE", help="write all numbers")
    add("--plot", metavar="FILE.png", help="draw the error of the gradient against time")
    add("--list", action="store_true", help="list workloads and implementations, and end")
    return parser.parse_args(argv)


def _workloads(options: argparse.Namespace) -> list[Workload]:
    names = _split(options.workload) or (list(QUICK_WORKLOADS) if options.quick else list(workloads()))
    for name in names:
        if name not in workloads():
            raise ValueError(f"unknown workload {name!r}: the workloads are {', '.join(workloads())}")
    return [workloads()[name] for name in dict.fromkeys(names)]


def _rounds(options: argparse.Namespace) -> int:
    if options.rounds is None:
        return QUICK_ROUNDS if options.quick else ROUNDS
    if not (options.rounds.isdecimal() and 1 <= int(options.rounds) <= 1000):
        raise ValueError(f"--rounds takes a whole number from 1 to 1000, not {options.rounds!r}")
    return int(options.rounds)


def _split(words: list[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def _print_list() -> int:
    print("workloads")
    for workload in workloads().values():
        print(f"  {workload.name:<16}{workload.title}")
    print("implementations")
    for one in implementations().values():
        print(f"  {one.name:<36}{', '.join(one.packages)}")
    return 0
