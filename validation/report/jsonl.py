"""The canonical report: one JSON object per line - a header, the cases, a footer with the counts. All else can be derived from it.

A report without its footer is a truncated one; read() says so rather than reading what is there.
"""

from __future__ import annotations

import json
import math
import platform
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..runner import RTOLS, Result

FORMAT = 1
SPEC = "arXiv 1806.07366 v5"


class ReportError(ValueError):
    """The file is not a complete report. The message says why."""


def write(path: Path, header: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
    """Write a report: header and rows as made by header() and row()."""
    rows = list(rows)
    counts = dict(Counter(f"{row['implementation']}:{row['state']}" for row in rows))
    footer = {"kind": "footer", "cases": len(rows), "counts": counts, "complete": True}
    path.write_text("".join(_line(entry) for entry in [header, *rows, footer]), encoding="utf-8")


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """(header, rows, footer) of a report; ReportError if it is truncated, has a case twice, or does not add up."""
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise ReportError(f"{path} has a line that is not JSON: {error}") from error
    kinds = [entry.get("kind") if isinstance(entry, dict) else None for entry in entries]
    if not entries or kinds[0] != "header" or entries[0].get("format") != FORMAT:
        raise ReportError(f"{path} does not begin with a header of format {FORMAT}")
    if kinds[-1] != "footer" or entries[-1].get("complete") is not True:
        raise ReportError(f"{path} is truncated: there is no footer")
    if any(kind != "case" for kind in kinds[1:-1]):
        raise ReportError(f"{path} has lines between header and footer that are not cases")
    header, rows, footer = entries[0], entries[1:-1], entries[-1]
    if footer["cases"] != len(rows):
        raise ReportError(f"{path} has {len(rows)} cases, its footer says {footer['cases']}")
    twice = [key for key, n in Counter((row["implementation"], row["id"]) for row in rows).items() if n > 1]
    if twice:
        raise ReportError(f"{path} has a case twice: {twice[0][0]}, {twice[0][1]}")
    if footer["counts"] != dict(Counter(f"{row['implementation']}:{row['state']}" for row in rows)):
        raise ReportError(f"{path}: the counts of the footer are not those of the cases")
    return header, rows, footer


def header(implementations: list[dict[str, Any]], argv: list[str], seed: int, rtols: Iterable[float] = RTOLS) -> dict[str, Any]:
    """Versions and facts that a reader of the numbers needs; no paths."""
    return {
        "kind": "header",
        "format": FORMAT,
        "suite": __version__,
        "spec": SPEC,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "byteorder": sys.byteorder,
        "implementations": [entry | {"word": _without_folders(entry)} if "word" in entry else entry for entry in implementations],
        "argv": [_without_folder(word) for word in argv],
        "seed": seed,
        "rtols": list(rtols),
    }


def row(result: Result, outcome: str, reason: str = "") -> dict[str, Any]:
    """One case line; reason says why a failure was expected."""
    verdict = result.verdict
    entry: dict[str, Any] = {
        "kind": "case",
        "id": result.id,
        "implementation": result.implementation,
        "check": result.check,
        "problem": result.problem,
        "direction": result.direction,
        "rtol": result.rtol,
        "state": verdict.state,
        "outcome": outcome,
        "ratio": _number(verdict.ratio),
        "calls": result.calls,
    }
    if verdict.message:
        entry["message"] = verdict.message
    if reason:
        entry["reason"] = reason
    if result.warnings:
        entry["warnings"] = list(result.warnings)
    if verdict.worst:
        worst = verdict.worst
        got, expected = _number(worst.got), _number(worst.expected)
        entry["worst"] = {"quantity": worst.quantity, "index": list(worst.index), "got": got, "expected": expected}
    return entry


def _without_folders(implementation: dict[str, Any]) -> str:
    """Its word; of a command, each of its words."""
    word = implementation["word"]
    return " ".join(map(_without_folder, word.split(" "))) if implementation.get("option") == "--cmd" else _without_folder(word)


def _without_folder(word: str) -> str:
    """A path of this machine without its folders; one that is relative as it is, for the command that it stands in is to work again."""
    plain = word.replace("\\", "/")
    return plain.rsplit("/", 1)[-1] if re.search(r"(^|=)(/|~|[A-Za-z]:/)", plain) else plain


def _number(x: float | None) -> float | str | None:
    """JSON has no inf and nan: they are written as the strings "inf", "-inf", "nan"."""
    return x if x is None or math.isfinite(x) else str(float(x))


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"
