"""The command: refnode validate --dynamics MODULE:f [--z0 ...] [--ts ...] [--theta ...] [--json FILE]."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

from ..impls.loading import load
from ..report import jsonl
from ..runner import Result
from ..verdicts import Verdict
from . import related
from .examine import Examination, examine
from .finding import Finding
from .loading import argument, dynamics, times
from .subject import Subject

WITNESSES = ("refnode", "refnode.discrete", "scipy.RK45")
STATES = {"ok": "pass", "note": "pass", "warn": "fail", "FAIL": "fail", "not judged": "not-run"}
OUTCOMES = {"warn": "noted", "FAIL": "UNEXPECTED", "not judged": "neutral"}


def run(options: Any, argv: list[str]) -> int:
    """Examine f, print what was found, write the report; 0 if f is in order, 1 if not. ValueError for wrong arguments."""
    from rich.console import Console

    from . import screen

    module, function = dynamics(options.dynamics)
    z0 = argument(module, "z0", options.z0)
    ts = times(argument(module, "ts", options.ts, [0.0, 0.25, 0.5, 0.75, 1.0]))
    f = Subject(options.dynamics.replace("\\", "/").rsplit("/", 1)[-1], function, z0, ts, argument(module, "theta", options.theta, ()))
    adapters = _adapters()
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(100, console.width))  # a pipe has no width of its own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the user's f, at points where it overflows: f.finite says what matters
        screen.print_head(console, f)
        with _waiting(console, "looking at f ..."):
            found = examine(f, options.seed, _tracer(adapters))
        screen.print_findings(console, found)
        screen.print_verdict(console, f, found)
        rows, few = [], (related.fewer_rows(f) if found.verdict("f.rows") == "ok" else None) or f
        why = "f could not be solved" if found.path is None else related.cannot(few, found.path)
        if not why and found.path is not None and not _is_hopeless(found):
            where = related.grid(f, found.path, found.growth, found.rough)
            with _waiting(console, "asking for solves and gradients of f ..."):
                seconds = related.FEW_SECONDS if found.failed else related.ALL_SECONDS
                rows = list(related.asked(few, adapters, where, seconds))
            if not found.failed:
                screen.print_relations(console, rows, [adapter.name for adapter in adapters], _about(f, few, where.why))
            screen.print_failures(console, rows, found)
        elif why and not found.failed:
            console.print(f"[dim]Solves and gradients were not compared: {why}.[/dim]", highlight=False)
    if options.json:
        jsonl.write(Path(options.json), jsonl.header([{"name": f.name}], argv, options.seed), _rows(f, found, rows))
    unexplained = [row for row in screen.bad(rows) if row[0].level == "required" and not screen.causes(found)]
    return 1 if found.failed or unexplained else 0


def _about(f: Subject, few: Subject, why: str) -> str:
    """What the relations are about, where it is not all of f."""
    rows = "" if few is f else f"for the first {len(few.z.leaves[0].value)} rows"
    return ", ".join(part for part in (rows, why) if part)


def _adapters() -> list[Any]:
    """Those of refnode and SciPy that are asked, in the order of the columns; none where a package is missing."""
    loaded = [adapter for word in ("refnode", "scipy") for adapter in load(word, False).adapters]
    return [adapter for name in WITNESSES for adapter in loaded if adapter.name == name]


def _tracer(adapters: list[Any]) -> tuple[str, Any] | None:
    """What makes a pullback of an f that brings none."""
    return next(((adapter.name, adapter.pullback) for adapter in adapters if hasattr(adapter, "pullback")), None)


def _is_hopeless(found: Examination) -> bool:
    """Is f not even a function, so that a solve says nothing?"""
    return any(finding.id in ("f.shape", "f.pure", "f.finite") for finding in found.failed)


def _waiting(console: Any, text: str) -> Any:
    return console.status(f"[dim]{text}[/dim]") if console.is_terminal else contextlib.nullcontext()


def _rows(f: Subject, found: Examination, rows: list[tuple[Any, Any, Verdict]]) -> list[dict[str, Any]]:
    """Findings and relations as lines of the report."""
    lines = []
    for finding in found.findings:
        result = Result("f", finding.id, f.name, "forward", None, _verdict(finding))
        lines.append(jsonl.row(result, OUTCOMES.get(finding.verdict, "ok")))
    for relation, adapter, verdict in rows:
        outcome = {"pass": "ok", "fail": "UNEXPECTED", "error": "UNEXPECTED"}.get(verdict.state, "neutral")
        lines.append(jsonl.row(Result(adapter.name, relation.id, f.name, "forward", None, verdict), outcome))
    return lines


def _verdict(finding: Finding) -> Verdict:
    return Verdict(STATES[finding.verdict], finding.ratio, f"{finding.text}. {finding.diagnosis}" if finding.diagnosis else finding.text)


