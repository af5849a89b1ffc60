"""The command: refnode validate [options]."""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from . import __version__
from .checks.catalog import all_checks
from .impls.loading import DEFAULT, KNOWN, Loaded, load
from .outcomes import UNEXPECTED, outcome, reason, unused
from .problems.catalog import problems
from .report import jsonl
from .runner import RTOLS, Plan, Result, run, whole
from .verdicts import Verdict
from .workers import Workers

EXIT_EXPECTED, EXIT_UNEXPECTED, EXIT_USAGE = 0, 1, 2
COMMAND = "refnode validate"


def main(argv: list[str]) -> int:
    """Run the suite; the exit code is 0 if all outcomes were expected, 1 if not, 2 for wrong arguments (one sentence says which)."""
    try:
        options = _parse(argv)
        if options.list:
            return _print_list()
        plan, words = _plan(options), _words(options)
        _check_report(options.json)
        with closing(Workers(options.jobs, options.limit)) as workers:
            loaded = [load(*word) for word in words] if options.in_process else workers.load(words)
            _check_names(loaded)
            return _run(plan, loaded, options, argv, workers)
    except ValueError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except SystemExit:  # argparse, after --help and --version
        return EXIT_EXPECTED


def plan_of(argv: list[str]) -> Plan:
    """The plan of a command line."""
    return _plan(_parse(argv))


def about(adapter: Any) -> dict[str, Any]:
    """The attributes of an adapter, as the report has them."""
    return {
        "name": adapter.name,
        "version": str(getattr(adapter, "version", "unknown")),
        "capabilities": sorted(getattr(adapter, "capabilities", [])),
        "mode": getattr(adapter, "mode", "unknown"),
        "interpolates": bool(getattr(adapter, "interpolates", True)),
    }


def _run(plan: Plan, loaded: list[Loaded], options: argparse.Namespace, argv: list[str], workers: Workers) -> int:
    try:
        from rich.console import Console

        from .report.table import print_report
    except ModuleNotFoundError as error:
        raise ValueError(f"the tables need the package {error.name}: pip install refnode[validation]") from error
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(100, console.width))  # a pipe has no width of its own
    judged: list[tuple[Result, str]] = []
    interrupted = False
    rtols = " ".join(f"{rtol:.0e}" for rtol in plan.rtols)
    console.print(
        f"Conformance suite {__version__}: {len(plan.checks)} checks, {len(plan.problem_ids)} problems, rtol {rtols}", highlight=False
    )
    try:
        for group, result in _progress(console, plan, loaded, _results(plan, loaded, argv, None if options.in_process else workers)):
            judged.append((result, _outcome(group, result)))
    except KeyboardInterrupt:
        interrupted = True
        judged += [(result, _outcome(group, result)) for group, result in _rest(plan, loaded, judged)]
    order = [name for group in loaded for name in _names(group)]
    judged.sort(key=lambda pair: order.index(pair[0].implementation))

    implementations = [about(adapter) for group in loaded for adapter in group.adapters]
    commands = {name: f"{COMMAND} --alone --impl {group.word}" for group in loaded for name in _names(group)}
    print_report(console, judged, implementations, commands, _reasons(loaded, judged))
    stale = []
    if not interrupted and not (options.only or options.problem or options.rtol):
        stale = [line for group in loaded for line in _stale(group, [result for result, _ in judged])]
    for line in stale:
        console.print(line, style="red", markup=False, highlight=False)
    if options.json:
        rows = [jsonl.row(result, outcome) for result, outcome in judged]
        jsonl.write(Path(options.json), jsonl.header(implementations, argv, plan.seed), rows)
    bad = interrupted or stale or any(outcome in UNEXPECTED for _, outcome in judged)
    return EXIT_UNEXPECTED if bad else EXIT_EXPECTED


def _results(plan: Plan, loaded: list[Loaded], argv: list[str], workers: Workers | None) -> Iterator[tuple[Loaded, Result]]:
    """The results of all implementations, each in the order of the plan; without workers, in this process."""
    for group in loaded:
        if group.missing:
            verdict = Verdict("skipped", message=f"the package {group.missing} is not installed")
            yield from ((group, result) for result in whole(plan, group.word, verdict))
        if group.broken:
            yield from ((group, result) for result in whole(plan, group.word, Verdict(group.state, message=group.broken)))
        if not workers:
            yield from ((group, result) for adapter in group.adapters for result in run(adapter, plan))
    if workers:
        yield from workers.results(plan, argv, loaded)


def _rest(plan: Plan, loaded: list[Loaded], judged: list[tuple[Result, str]]) -> Iterator[tuple[Loaded, Result]]:
    """not-run for everything that an interrupted run had still before it."""
    done = {(result.implementation, result.id) for result, _ in judged}
    for group in loaded:
        for name in _names(group):
            for result in whole(plan, name, Verdict("not-run", message="the run was interrupted")):
                if (name, result.id) not in done:
                    yield group, result


Found = Iterator[tuple[Loaded, Result]]


def _progress(console: Any, plan: Plan, loaded: list[Loaded], results: Found) -> Found:
    """The results, with a progress bar if somebody is looking."""
    if not console.is_terminal:
        yield from results
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(plan.all_items()) * sum(len(_names(group)) for group in loaded))
        for group, result in results:
            progress.update(bar, advance=1, description=f"{result.implementation} {result.problem} {result.direction}")
            yield group, result


def _outcome(group: Loaded, result: Result) -> str:
    gates = group.asked or (group.word == "refnode" and not group.missing)
    return outcome(result, _versions(group).get(result.implementation, "0"), group.entries, gates)


def _reasons(loaded: list[Loaded], judged: list[tuple[Result, str]]) -> Counter[tuple[str, str]]:
    """How many failures of which implementation are expected for which reason."""
    groups = {name: group for group in loaded for name in _names(group)}
    failed = [(result, groups[result.implementation]) for result, outcome in judged if outcome == "xfail"]
    return Counter(
        (result.implementation, reason(result, _versions(group)[result.implementation], group.entries)) for result, group in failed
    )


def _stale(group: Loaded, results: list[Result]) -> list[str]:
    if not group.asked and group.word != "refnode":
        return []
    return [
        f"{group.word}: {e.implementation} | {e.pattern} is listed, but matches no case"
        for e in unused(group.entries, results, _versions(group))
    ]


def _versions(group: Loaded) -> dict[str, str]:
    return {adapter.name: getattr(adapter, "version", "0") for adapter in group.adapters}


def _names(group: Loaded) -> list[str]:
    return [adapter.name for adapter in group.adapters] or [group.word]


class _Parser(argparse.ArgumentParser):
    """argparse that raises its complaint instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see --help)")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog=COMMAND, description="Run the conformance suite against refnode and other implementations.", allow_abbrev=False)
    add = parser.add_argument
    default = ", ".join(DEFAULT)
    known = ", ".join(KNOWN)
    add("--impl", action="append", default=[], metavar="A,B", help=f"more implementations: {known}, file.py:Class, module:Class")
    add("--alone", action="store_true", help=f"only those named by --impl, without the usual {default}")
    add("--only", action="append", default=[], metavar="GLOB", help="only the checks whose id matches, such as 'grad.*'")
    add("--problem", action="append", default=[], metavar="P,Q", help="only these problems")
    add("--rtol", action="append", default=[], metavar="R,S", help=f"these tolerances instead of {', '.join(f'{r:.0e}' for r in RTOLS)}")
    add("--json", metavar="FILE", help="write the report as JSON lines")
    add("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="processes that work at once (default %(default)s)")
    add("--limit", type=float, default=120.0, metavar="S", help="seconds that one case may take (default %(default)s)")
    add("--in-process", action="store_true", help="everything in this process, one after the other, without a limit of time: to debug")
    add("--seed", type=int, default=0, help="seed of the random output times (default 0)")
    add("--list", action="store_true", help="list checks, problems and implementations, and end")
    add("--version", action="version", version=f"suite {__version__}")
    options = parser.parse_args(argv)
    if options.jobs < 1 or not options.limit > 0:
        raise ValueError(f"--jobs is a number from 1 on and --limit is above 0, not {options.jobs} and {options.limit:g}")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    patterns, wanted = _split(options.only) or ["*"], _split(options.problem) or list(problems())
    for pattern in patterns:
        if not fnmatch.filter(all_checks(), pattern):
            raise ValueError(f"no check matches {pattern!r}: the checks are {', '.join(all_checks())}")
    for name in wanted:
        if name not in problems():
            raise ValueError(f"unknown problem {name!r}: the problems are {', '.join(problems())}")
    checks = tuple(check for check in all_checks().values() if any(fnmatch.fnmatchcase(check.id, pattern) for pattern in patterns))
    plan = Plan(checks, tuple(name for name in problems() if name in wanted), _rtols(options.rtol), options.seed)
    if not plan.all_items():
        raise ValueError("nothing to run: no check of --only applies to the problems and tolerances given")
    return plan


def _rtols(words: list[str]) -> tuple[float, ...]:
    try:
        rtols = {float(word) for word in _split(words)} or set(RTOLS)
    except ValueError:
        raise ValueError(f"--rtol takes numbers, not {','.join(words)!r}") from None
    for rtol in rtols:
        if not 1e-12 <= rtol <= 1e-2:
            raise ValueError(f"rtol {rtol:g} is outside [1e-12, 1e-2], where float64 can be judged")
    return tuple(sorted(rtols, reverse=True))


def _words(options: argparse.Namespace) -> list[tuple[str, bool]]:
    """The implementations to load, and whether each was asked for by name."""
    asked = _split(options.impl)
    if options.alone and not asked:
        raise ValueError("--alone needs --impl")
    words = asked if options.alone else [*DEFAULT, *asked]
    return [(word, word in asked) for word in dict.fromkeys(words)]


def _split(words: list[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]


def _check_names(loaded: list[Loaded]) -> None:
    names = [name for group in loaded for name in _names(group)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two implementations have the name {name!r}: give yours another")


def _check_report(file: str | None) -> None:
    if file and not Path(file).absolute().parent.is_dir():
        raise ValueError(f"--json {file}: there is no such folder")


def _print_list() -> int:
    print("checks")
    for check in all_checks().values():
        print(f"  {check.id:<20}{check.level:<13}{' '.join(check.statements)}")
        print(f"  {'':<20}{check.title}")
    print("problems")
    for problem in problems().values():
        print(f"  {problem.id:<6}{problem.title}")
    print("implementations")
    print(f"  {', '.join(KNOWN)} (without --impl: {', '.join(DEFAULT)})")
    return EXIT_EXPECTED
