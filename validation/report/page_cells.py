"""The lower half of the page: each statement with its checks, and each check with a drawer for each implementation."""

from __future__ import annotations

import math

from ..checks.catalog import everything
from ..outcomes import UNEXPECTED
from ..runner import rtol_text
from ..statements import checks_of, statements, told
from .cells import (
    QUIET,
    Row,
    badness,
    by_check,
    by_statement,
    cell,
    component,
    counts,
    level,
    place,
    ratio_text,
    reproduction,
    worst_ratio,
)
from .page import SYMBOLS, caption, command, esc, hue, matrix, summary, table
from .plots import cell_plot

Ids = dict[tuple[str, str], str]


def statement_sections(rows: list[Row], id_of: Ids) -> str:
    """Each statement: its text, where it stands in the paper, and the matrix of its checks."""
    checks, parts = by_check(rows), []
    for id in by_statement(rows):
        entry = statements()[id]
        lines = [(check, check, "", checks[check]) for check in checks_of(entry) if check in checks]
        parts.append(
            f'<section class="statement" id="{id_of["statement", id]}"><h3>{id} {esc(entry["title"])}</h3>'
            f'<p>{esc(entry["text"])}</p><p class="note">{esc(entry["locus"])}, {esc(entry["kind"])}</p>'
            f'{matrix(f"Checks of {id}", rows, lines, lambda check, name: id_of[check, name])}</section>'
        )
    others = [(id, entry) for id, entry in statements().items() if not checks_of(entry)]
    lines = "".join(
        f'<li><b>{id} {esc(entry["title"])}</b>: {esc(entry["text"])} <span class="note">{esc(told(entry))}</span></li>'
        for id, entry in others
    )
    parts.append(f'<section class="statement"><h3>Statements that no implementation is asked about</h3><ul>{lines}</ul></section>')
    return "\n".join(parts)


def check_sections(header: Row, rows: list[Row], id_of: Ids) -> str:
    """Each check: what it asks, its level and statements, and for each implementation a drawer with cases, plot and commands."""
    parts = []
    for check, of in by_check(rows).items():
        title = everything()[check].title if check in everything() else "this suite does not have the check: its text is unknown"
        told = "".join(
            f'<li><a href="#{id_of["statement", id]}">{id}</a> ({esc(statements()[id]["locus"])}): {esc(statements()[id]["text"])}</li>'
            for id in (everything()[check].statements if check in everything() else ()) if ("statement", id) in id_of
        )
        drawers = "\n".join(_drawer(header, check, name, mine, id_of[check, name]) for name, mine in of.items())
        parts.append(
            f'<section class="check" id="{id_of["check", check]}"><h3>{esc(check)} <span class="note">{level(check)}</span></h3>'
            f"<p>{esc(title)}</p><ul>{told}</ul>\n{drawers}</section>"
        )
    return "\n".join(parts)


def _drawer(header: Row, check: str, name: str, mine: list[Row], id: str) -> str:
    whole, n = cell(mine), counts(mine)
    score = f"passes {n['passes']} of {n['asked']}" if n["asked"] else mine[0]["state"]
    chip = f'<span class="chip {whole.kind} {hue(whole)}">{summary(whole)}</span>'
    head = f'{chip} <b>{esc(name)}</b> {score} <span class="note">{esc(check)}</span>'
    failed = sorted((row for row in mine if row["state"] not in QUIET or row["outcome"] in UNEXPECTED), key=lambda row: -badness(row))
    silent = [row for row in mine if row["state"] in ("unsupported", "skipped")]
    quiet = sorted({f"{row['state']}: {row.get('message') or 'no reason given'}" for row in silent})
    body = "".join(f"<p>{esc(line)}</p>" for line in quiet)
    body += cell_plot(mine, f"{check}, {name}: error over allowed error")
    body += f'<ol class="cases">{"".join(_failure(header, row) for row in failed)}</ol>' if failed else ""
    body += _ratios(mine) if any(row["ratio"] is not None for row in mine) else ""
    body += '<p><a href="#checks">&#8593; to the matrix</a></p>'
    return f'<details><summary>{head}</summary><div id="{id}" class="drawer">{body}</div></details>'


def _failure(header: Row, row: Row) -> str:
    """One case that does not pass."""
    symbol = SYMBOLS[cell([row]).kind]
    word = row["state"] if row["outcome"] in ("ok", "UNEXPECTED") else f"{row['state']} ({row['outcome']})"
    text = f"{symbol} <b>{esc(word)}</b> {esc(place(row))}"
    worst = row.get("worst")
    if worst:
        got, expected = float(worst["got"]), float(worst["expected"])
        off = f", error {abs(got - expected):.3g}" if math.isfinite(got - expected) else ""
        text += f": <code>{esc(component(row))}</code> got {got:.15g}, expected {expected:.15g}{off}"
    if row["ratio"] is not None:
        text += f", ratio {ratio_text(worst_ratio([row]))}"
    for key, label in (("message", ""), ("reason", "expected: ")):
        text += f"<br>{label}{esc(row[key])}" if row.get(key) else ""
    warned = "".join(f"<br>warning: {esc(line)}" for line in row.get("warnings", []))
    return f"<li>{text}{warned}{command(reproduction(header, row))}</li>"


def _ratios(mine: list[Row]) -> str:
    """The ratios of all cases: problems down, direction and tolerance across."""
    columns = list(dict.fromkeys((row["direction"], row["rtol"]) for row in mine))
    of: dict[str, dict[tuple[str, float | None], str]] = {}
    for row in mine:
        mark = "" if row["state"] == "pass" else "&#10007; "
        ratio = worst_ratio([row])
        words = ratio_text(ratio) if ratio is not None else esc(row["state"])
        of.setdefault(row["problem"], {})[row["direction"], row["rtol"]] = mark + words
    heads = ["problem", *[f"{esc(direction)} {rtol_text(rtol)}" for direction, rtol in columns]]
    lines = [[esc(problem), *[line.get(column, "") for column in columns]] for problem, line in of.items()]
    return table(caption("The ratio of every case"), heads, lines)
