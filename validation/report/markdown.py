"""Markdown: a summary for the page of a CI run."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..statements import statements
from .cells import Cell, Row, by_check, by_statement, cell, conclusion, counts, level, names, place, reproduction, versions, what
from .failures import Group, groups

SYMBOLS = {"ok": "", "unexpected": "\u274c ", "noted": "\u26a0\ufe0f ", "expected": "", "unsupported": "", "skipped": "", "empty": ""}
SHOWN = 20  # groups of failures; a step summary may hold 1 MiB


def render(header: Row, rows: list[Row]) -> str:
    """Totals, failures with their commands, and the matrices of statements and checks."""
    found = groups(rows)
    lines = [
        f"## Conformance: {conclusion(header, rows) or 'as expected'}",
        "",
        f"Suite {header['suite']}, Python {header['python']}, NumPy {header['numpy']}, {header['system']} {header['machine']}.",
        "",
        *_totals(header, rows),
        *(f"- {text(line)}" for line in header.get("stale", ())),
    ]
    if found:
        lines += ["### What did not pass", ""]
        for group in found[:SHOWN]:
            lines += _failure(header, group)
        if len(found) > SHOWN:
            lines += [f"and {len(found) - SHOWN} more checks.", ""]
    columns = names(rows)
    of_statements = [(f"{id} {text(statements()[id]['title'])}", of) for id, of in by_statement(rows).items()]
    of_checks = [(_check(id), of) for id, of in by_check(rows).items()]
    lines += _matrix("Statements", columns, of_statements) + _matrix("Checks", columns, of_checks)
    lines.append("Numbers are the worst error in units of the allowed one: at most 1 passes. xf: expected failure, --: unsupported.")
    return "\n".join(lines) + "\n"


def text(words: str) -> str:
    """The words with nothing in them that Markdown or HTML would read, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&$@:-])", r"\\\1", _one_line(words))


def code(words: str) -> str:
    """The words as code: the fence is longer than any run of backticks in them."""
    words = _one_line(words)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
    pad = " " if words.startswith("`") or words.endswith("`") or not words else ""
    return f"{fence}{pad}{words}{pad}{fence}"


def _totals(header: Row, rows: list[Row]) -> list[str]:
    lines = ["| implementation | version | passes | unsupported | expected failures | unexpected |", "|---|---|---:|---:|---:|---:|"]
    for name in names(rows):
        n = counts(row for row in rows if row["implementation"] == name)
        unexpected = f"**{n['unexpected']}**" if n["unexpected"] else "0"
        version = text(versions(header).get(name, "not installed"))
        lines.append(f"| {text(name)} | {version} | {n['passes']} of {n['asked']} | {n['unsupported']} | {n['expected']} | {unexpected} |")
    return [*lines, ""]


def _failure(header: Row, group: Group) -> list[str]:
    worst = group.bad[0]
    flag = "" if group.unexpected else f" ({text(worst['outcome'])}: without effect on the exit code)"
    where = f"{len(group.bad)} of {len(group.asked)} cases: {text(', '.join(group.where))}"
    lines = [f"**{text(group.implementation)}: {text(group.check)}**{flag}, {where}", ""]
    lines += [f"- {id} ({text(statements()[id]['locus'])}): {text(statements()[id]['text'])}" for id in group.statements]
    return [*lines, f"- worst, {text(place(worst))}: {code(what(worst))}", f"- again: {code(reproduction(header, worst))}", ""]


def _matrix(title: str, columns: list[str], body: Iterable[tuple[str, dict[str, list[Row]]]]) -> list[str]:
    if not columns:
        return []
    lines = [f"<details><summary>{title}</summary>", "", f"| |{'|'.join(text(name) for name in columns)}|", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {label} | {' | '.join(_cell(cell(of.get(name, []))) for name in columns)} |" for label, of in body]
    return [*lines, "", "</details>", ""]


def _check(id: str) -> str:
    return code(id).replace("|", r"\|") + ("" if level(id) == "required" else f" ({level(id)})")


def _cell(cell: Cell) -> str:
    return SYMBOLS[cell.kind] + (f"**{cell.text}**" if cell.kind == "unexpected" else cell.text)


def _one_line(words: str) -> str:
    return re.sub(r"\s+", " ", re.sub("[\x00-\x1f\x7f\ud800-\udfff]", " ", words)).strip()
