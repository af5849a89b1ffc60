"""The command: refnode validate [options]; and refnode validate report, refnode validate compare, which read reports of earlier runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import __version__
from .checks.catalog import everything
from .impls.loading import DEFAULT, KNOWN, Loaded, load
from .outcomes import UNEXPECTED, outcome, reason, unused
from .plans import TIERS, Options, draws_in, plan
from .problems.catalog import problems
from .relations import catalog as relations
from .report import compare, files, jsonl
from .report.screen import screen
from .report.table import print_report
from .runner import RTOLS, Plan, Result, run, whole
from .vectors.tasks import vectors
from .verdicts import Verdict

EXIT_EXPECTED, EXIT_UNEXPECTED, EXIT_USAGE = 0, 1, 2
COMMAND = "refnode validate"
DESCRIPTION = """Run the conformance suite against refnode and other implementations. `refnode validate report A.jsonl` shows the report of
an earlier run, or makes files of it; `refnode validate compare A.jsonl B.jsonl` tells what changed; both have a --help of their own."""


def main(argv: list[str]) -> int:
    """Run the suite; the exit code is 0 if all outcomes were expected, 1 if not, 2 for wrong arguments (one sentence says which)."""
    try:
        if argv[:1] == ["compare"]:
            return compare.main(argv[1:])
        if argv[:1] == ["report"]:
            return files.main(argv[1:])
        options = _parse(argv)
        if options.list:
            return _print_list()
        if options.dynamics:
            return _examine(options, argv)
        plan = _plan(options)
        loaded = [load(word, asked) for word, asked in _words(options)]
        _check_names(loaded)
        files.check(options)
        return _run(plan, loaded, options, argv)
    except ValueError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except SystemExit:  # argparse, after --help and --version
        return EXIT_EXPECTED


def _examine(options: argparse.Namespace, argv: list[str]) -> int:
    """--dynamics: not an implementation, but a user's own right-hand side."""
    for option in ("impl", "alone", "only", "problem", "rtol"):
        if getattr(options, option):
            raise ValueError(f"--{option} is about implementations; --dynamics takes --z0, --ts, --theta, --seed and --json")
    files.check(options)
    try:
        from .dynamics.command import run as examine
        return examine(options, argv)
    except ModuleNotFoundError as error:
        raise ValueError(f"--dynamics needs the package {error.name}: pip install refnode[validation]") from error


def _run(plan: Plan, loaded: list[Loaded], options: argparse.Namespace, argv: list[str]) -> int:
    out = screen()
    judged: list[tuple[Loaded, Result]] = []
    interrupted = False
    out.line(_what_is_run(plan))
    try:
        for pair in _progress(out.console, plan, loaded):
            judged.append(pair)
    except KeyboardInterrupt:
        interrupted = True
        judged += list(_rest(plan, loaded, judged))

    implementations = [_about(group.word, adapter) for group in loaded for adapter in group.adapters]
    header = jsonl.header(implementations, argv, plan.seed, plan.rtols)
    rows = [jsonl.row(result, _outcome(group, result), _reason(group, result)) for group, result in judged]
    if options.json:
        jsonl.write(Path(options.json), header, rows)
    files.write(options, header, rows)
    print_report(out, {**header, "implementations": implementations}, rows)  # with the folders that a command of this session needs
    stale = []
    if not interrupted and options.tier != "smoke" and not (options.only or options.problem or options.rtol):
        stale = [line for group in loaded for line in _stale(group, [result for _, result in judged])]
    for line in stale:
        out.line((line, "red"))
    bad = interrupted or stale or any(row["outcome"] in UNEXPECTED for row in rows)
    return EXIT_UNEXPECTED if bad else EXIT_EXPECTED


def _what_is_run(plan: Plan) -> str:
    posed = [name for name in plan.problem_ids if name in problems()]
    parts = [
        f"{len(plan.checks)} checks",
        f"{len(posed)} problems at rtol {' '.join(f'{rtol:.0e}' for rtol in plan.rtols)}",
        f"{len(plan.problem_ids) - len(posed)} vectors at {' '.join(f'{rtol:.0e}' for rtol in plan.vector_rtols)}",
        f"{len({relation.id for relation, _ in plan.relations})} relations, {draws_in(plan)} drawn problems, at {plan.relation_rtol:.0e}",
    ]
    return f"Conformance suite {__version__}: {'; '.join(parts)}"


def _results(plan: Plan, loaded: list[Loaded]) -> Iterator[tuple[Loaded, Result]]:
    for group in loaded:
        if group.missing:
            verdict = Verdict("skipped", message=f"the package {group.missing} is not installed")
            yield from ((group, result) for result in whole(plan, group.word, verdict))
        if group.broken:
            yield from ((group, result) for result in whole(plan, group.word, Verdict("error", message=group.broken)))
        for adapter in group.adapters:
            yield from ((group, result) for result in run(adapter, plan))


def _rest(plan: Plan, loaded: list[Loaded], judged: list[tuple[Loaded, Result]]) -> Iterator[tuple[Loaded, Result]]:
    """not-run for everything that an interrupted run had still before it."""
    done = {(result.implementation, result.id) for _, result in judged}
    for group in loaded:
        for name in _names(group):
            for result in whole(plan, name, Verdict("not-run", message="the run was interrupted")):
                if (name, result.id) not in done:
                    yield group, result


def _progress(console: Any, plan: Plan, loaded: list[Loaded]) -> Iterator[tuple[Loaded, Result]]:
    """The results, with a progress bar if somebody is looking."""
    if console is None or not console.is_terminal:
        yield from _results(plan, loaded)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(plan.all_items()) * sum(len(_names(group)) for group in loaded))
        for group, result in _results(plan, loaded):
            progress.update(bar, advance=1, description=f"{result.implementation} {result.problem} {result.direction}")
            yield group, result


def _outcome(group: Loaded, result: Result) -> str:
    gates = group.asked or (group.word == "refnode" and not group.missing)
    return outcome(result, _versions(group).get(result.implementation, "0"), group.entries, gates)


def _reason(group: Loaded, result: Result) -> str:
    """Why a failure is expected; empty for what passes or is not on the list."""
    failed = result.verdict.state not in ("pass", "unsupported", "skipped")
    return reason(result, _versions(group).get(result.implementation, "0"), group.entries) if failed else ""


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


def _about(word: str, adapter: Any) -> dict[str, Any]:
    return {
        "name": adapter.name,
        "word": word,
        "version": str(getattr(adapter, "version", "unknown")),
        "capabilities": sorted(getattr(adapter, "capabilities", [])),
        "mode": getattr(adapter, "mode", "unknown"),
        "interpolates": bool(getattr(adapter, "interpolates", True)),
    }


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = files.Parser(prog=COMMAND, description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    default = ", ".join(DEFAULT)
    known = ", ".join(KNOWN)
    add("--impl", action="append", default=[], metavar="A,B", help=f"more implementations: {known}, file.py:Class, module:Class")
    add("--alone", action="store_true", help=f"only those named by --impl, without the usual {default}")
    add("--only", action="append", default=[], metavar="GLOB", help="only the checks whose id matches, such as 'grad.*'")
    add("--problem", action="append", default=[], metavar="P,Q", help="only these problems")
    add("--rtol", action="append", default=[], metavar="R,S", help=f"these tolerances instead of {', '.join(f'{r:.0e}' for r in RTOLS)}")
    add("--dynamics", metavar="MODULE:f", help="examine your own f(z, t, theta): mymodel:f or path/to/mymodel.py:f")
    add("--z0", metavar="NAME", help="with --dynamics: a name in the module, or numbers such as --z0=1,0.5 (default: z0)")
    add("--ts", metavar="NAME", help="with --dynamics: a name, numbers, or start:end:count (default: ts, or 0:1:5)")
    add("--theta", metavar="NAME", help="with --dynamics: a name, or numbers (default: theta, or ())")
    add("--seed", type=int, default=0, help="seed of the random output times, and of the first drawn problem (default 0)")
    add("--draws", type=int, metavar="N", help="relations on N drawn problems, draw-SEED and on (default: by tier)")
    add("--tier", choices=TIERS, default="default", help="how much is run: see --list (default: default)")
    add("--json", metavar="FILE", help="write the report as JSON lines, from which `report` makes the others and `compare` the changes")
    files.add_arguments(parser)
    add("--list", action="store_true", help="list checks, problems and implementations, and end")
    add("--version", action="version", version=f"suite {__version__}")
    return parser.parse_args(argv)


def _plan(options: argparse.Namespace) -> Plan:
    try:
        rtols = tuple(float(word) for word in _split(options.rtol))
    except ValueError:
        raise ValueError(f"--rtol takes numbers, not {','.join(options.rtol)!r}") from None
    names = tuple(dict.fromkeys(_split(options.problem)))
    return plan(Options(options.tier, tuple(_split(options.only)), names, rtols, options.seed, options.draws))


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


def _print_list() -> int:
    print("checks")
    for check in everything().values():
        print(f"  {check.id:<20}{check.level:<13}{' '.join(check.statements)}")
        print(f"  {'':<20}{check.title}")
    print("problems")
    for problem in problems().values():
        print(f"  {problem.id:<6}{problem.title}")
    own = [name for name in relations.OWN if name not in vectors()]
    print(f"  of relations: {', '.join(own)}, draw-N")
    print("vectors")
    for id, vector in vectors().items():
        print(f"  {id:<32}{vector['tier']:<9}{vector['title']}")
    print("implementations")
    print(f"  {', '.join(KNOWN)} (without --impl: {', '.join(DEFAULT)})")
    return EXIT_EXPECTED
