"""The command: refnode validate [options]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Any

from . import __version__
from .arguments import COMMAND, is_whole, parse, plan_of, words
from .checks.catalog import everything
from .impls.loading import DEFAULT, KNOWN, Loaded, load
from .outcomes import UNEXPECTED, outcome, read_expected, reason, unused
from .plans import draws_in
from .problems.catalog import problems
from .relations import catalog as relations
from .report import compare, files, jsonl
from .report.screen import screen
from .report.table import print_report
from .runner import Plan, Result, run, whole
from .statements import statements, told
from .undeclared import sentences
from .vectors.tasks import vectors
from .verdicts import Verdict
from .workers import Workers

EXIT_EXPECTED, EXIT_UNEXPECTED, EXIT_USAGE = 0, 1, 2
Found = Iterator[tuple[Loaded, Result]]


def main(argv: list[str]) -> int:
    """Run the suite; the exit code is 0 if all outcomes were expected, 1 if not, 2 for wrong arguments (one sentence says which)."""
    try:
        if argv[:1] == ["compare"]:
            return compare.main(argv[1:])
        if argv[:1] == ["report"]:
            return files.main(argv[1:])
        options = parse(argv)
        files.check(options)
        if options.list:
            return _print_list()
        if options.dynamics:
            return _examine(options, argv)
        plan, implementations = plan_of(options), words(options)
        with closing(Workers(options.jobs, options.limit, options.start_limit)) as workers, ExitStack() as commands:
            here = options.in_process or options.undeclared
            loaded = [load(*word) for word in implementations] if here else workers.load(implementations)
            loaded += _commands(options, commands)
            _check_names(loaded)
            if options.undeclared:
                return _print_undeclared(loaded)
            return _run(plan, loaded, options, argv, None if options.in_process else workers)
    except ValueError as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except SystemExit:  # argparse, after --help and --version
        return EXIT_EXPECTED


def _commands(options: argparse.Namespace, stack: ExitStack) -> list[Loaded]:
    """--cmd: implementations behind the protocol, with their lists of expected failures."""
    if not options.cmd:
        return []
    try:
        from .protocol import client
    except ModuleNotFoundError as error:
        raise ValueError(f"--cmd needs the package {error.name}: pip install -e '.[validation]'") from error
    loaded = []
    lists = {file: read_expected(Path(file)) for file in options.expected}
    for command in dict.fromkeys(options.cmd):
        loaded.append(client.load(command, tuple(chain(*lists.values())), options.limit, options.start_limit))
        for adapter in loaded[-1].adapters:
            stack.callback(adapter.close)
    for file, entries in lists.items():
        client.check_names(file, tuple(entries), loaded)
    return loaded


def _run(plan: Plan, loaded: list[Loaded], options: argparse.Namespace, argv: list[str], workers: Workers | None) -> int:
    out = screen()
    judged: list[tuple[Loaded, Result]] = []
    interrupted = False
    out.line(_what_is_run(plan))
    try:
        for pair in _progress(out.console, plan, loaded, _results(plan, loaded, argv, workers)):
            judged.append(pair)
    except KeyboardInterrupt:
        interrupted = True
        judged += list(_rest(plan, loaded, judged))
    order = [name for group in loaded for name in _names(group)]
    judged.sort(key=lambda pair: order.index(pair[1].implementation))

    implementations = [about(adapter) | {"word": group.word, "option": group.option} for group in loaded for adapter in group.adapters]
    header = jsonl.header(implementations, argv, plan.seed, plan.rtols)
    if not interrupted and is_whole(options):
        header["stale"] = [line for group in loaded for line in _stale(group, [result for _, result in judged])]
    rows = [jsonl.row(result, _outcome(group, result), _reason(group, result)) for group, result in judged]
    if options.json:
        jsonl.write(Path(options.json), header, rows)
    files.write(options, header, rows)
    print_report(out, {**header, "implementations": implementations}, rows)  # with the folders that a command of this session needs
    bad = interrupted or header.get("stale") or any(row["outcome"] in UNEXPECTED for row in rows)
    return EXIT_UNEXPECTED if bad else EXIT_EXPECTED


def _examine(options: argparse.Namespace, argv: list[str]) -> int:
    """--dynamics: not an implementation, but a user's own right-hand side."""
    try:
        from .dynamics.command import run as examine
        return examine(options, argv)
    except ModuleNotFoundError as error:
        raise ValueError(f"--dynamics needs the package {error.name}: pip install -e '.[validation]'") from error


def _what_is_run(plan: Plan) -> str:
    posed = [name for name in plan.problem_ids if name in problems()]
    related = [_count(len({relation.id for relation, _ in plan.relations}), "relation"), _count(draws_in(plan), "drawn problem")]
    parts = [
        (_count(len(plan.checks), "check"), ""),
        (_count(len(posed), "problem"), f" at rtol {' '.join(f'{rtol:.0e}' for rtol in plan.rtols)}"),
        (_count(len(plan.problem_ids) - len(posed), "vector"), f" at {' '.join(f'{rtol:.0e}' for rtol in plan.vector_rtols)}"),
        (", ".join(filter(None, related)), f", at {plan.relation_rtol:.0e}"),
    ]
    return f"Conformance suite {__version__}: {'; '.join(what + where for what, where in parts if what)}"


def _count(n: int, what: str) -> str:
    """Empty for none."""
    return f"{n} {what}{'s' * (n != 1)}" if n else ""


def _results(plan: Plan, loaded: list[Loaded], argv: list[str], workers: Workers | None) -> Found:
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


def _rest(plan: Plan, loaded: list[Loaded], judged: list[tuple[Loaded, Result]]) -> Found:
    """not-run for everything that an interrupted run had still before it."""
    done = {(result.implementation, result.id) for _, result in judged}
    for group in loaded:
        for name in _names(group):
            for result in whole(plan, name, Verdict("not-run", message="the run was interrupted")):
                if (name, result.id) not in done:
                    yield group, result


def _progress(console: Any, plan: Plan, loaded: list[Loaded], results: Found) -> Found:
    """The results, with a progress bar if somebody is looking."""
    if console is None or not console.is_terminal:
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


def _reason(group: Loaded, result: Result) -> str:
    """What the list says of it, if anything."""
    silent = result.verdict.state in ("unsupported", "skipped")
    return "" if silent else reason(result, _versions(group).get(result.implementation, "0"), group.entries)


def _stale(group: Loaded, results: list[Result]) -> list[str]:
    if not group.asked and group.word != "refnode":
        return []
    return [f"{e.implementation} | {e.pattern} is listed, but matches no case" for e in unused(group.entries, results, _versions(group))]


def _versions(group: Loaded) -> dict[str, str]:
    return {adapter.name: getattr(adapter, "version", "0") for adapter in group.adapters}


def _names(group: Loaded) -> list[str]:
    return [adapter.name for adapter in group.adapters] or [group.word]


def about(adapter: Any) -> dict[str, Any]:
    """The attributes of an adapter, as the report has them."""
    return {
        "name": adapter.name,
        "version": str(getattr(adapter, "version", "unknown")),
        "capabilities": sorted(getattr(adapter, "capabilities", [])),
        "mode": getattr(adapter, "mode", "unknown"),
        "interpolates": bool(getattr(adapter, "interpolates", True)),
    }


def _check_names(loaded: list[Loaded]) -> None:
    names = [name for group in loaded for name in _names(group)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two implementations have the name {name!r}: name it once, or give yours another")


def _print_undeclared(loaded: list[Loaded]) -> int:
    out = screen()
    for group in loaded:
        if group.missing or group.broken:
            out.line(f"{group.word}: {group.broken or f'the package {group.missing} is not installed'}")
        for adapter in group.adapters:
            for line in sentences(adapter) or [f"{adapter.name}: nothing that it does not declare works"]:
                out.line(line)
    return EXIT_EXPECTED


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
    print("statements")
    for id, entry in statements().items():
        print(f"  {id:<6}{entry['title']}: {told(entry)}")
    print("implementations")
    print(f"  {', '.join(KNOWN)} (without --impl: {', '.join(DEFAULT)})")
    return EXIT_EXPECTED
