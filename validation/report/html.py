"""The page: one HTML file with everything in it - no network, no library; readable without colour and without JavaScript, by keyboard too.

From the top: who passes how much, what did not pass, the matrix of statements, the matrix of checks; below them each statement and each
check with its cells. Links lead from a cell of a matrix to what is behind it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..statements import statements
from .cells import Row, by_check, by_statement, conclusion, counts, names, place, reproduction, versions, what
from .failures import Group, groups
from .page import caption, command, esc, facts, ids, matrix, table
from .page_cells import check_sections, statement_sections
from .plots import decades, strip_plot


def render(header: Row, rows: list[Row]) -> str:
    """The report as one HTML page."""
    id_of = ids(rows)
    found = groups(rows)
    unexpected = conclusion(header, rows)
    verdict = unexpected or "all outcomes expected"
    title = f"Conformance of {', '.join(names(rows)[:3])}{' and others' if len(names(rows)) > 3 else ''}"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{esc(title)}: {verdict}</title>
<style>
{_beside("page.css")}</style>
</head>
<body>
<header>
<h1>{esc(title)}</h1>
<p class="verdict"><strong>{"&#10007;" if unexpected else "&#10003;"} {verdict}</strong></p>
{facts(header)}
</header>
<nav aria-label="Parts of the page">
<a href="#overview">Overview</a> <a href="#failures">What did not pass</a> <a href="#statements">Statements</a> <a href="#checks">Checks</a>
<a href="#each-statement">Statements one by one</a> <a href="#each-check">Checks one by one</a>
</nav>
<main>
<section id="overview" aria-labelledby="h-overview">
<h2 id="h-overview">Overview</h2>
{_overview(header, rows)}
{_strips(rows)}
</section>
<section id="failures" aria-labelledby="h-failures">
<h2 id="h-failures">What did not pass</h2>
{"".join(f'<p class="verdict">{esc(line)}</p>' for line in header.get("stale", ()))}
{_failures(header, found, id_of)}
</section>
<section id="statements" aria-labelledby="h-statements">
<h2 id="h-statements">Statements of the paper</h2>
{_legend()}
{matrix("Statements and implementations", rows, _statement_lines(rows), lambda id, name: id_of["statement", id])}
</section>
<section id="checks" aria-labelledby="h-checks">
<h2 id="h-checks">Checks</h2>
{matrix("Checks and implementations", rows, [(id, id, "", of) for id, of in by_check(rows).items()], lambda id, name: id_of[id, name])}
</section>
<section id="each-statement" aria-labelledby="h-each-statement">
<h2 id="h-each-statement">Statements one by one</h2>
{statement_sections(rows, id_of)}
</section>
<section id="each-check" aria-labelledby="h-each-check">
<h2 id="h-each-check">Checks one by one</h2>
{check_sections(header, rows, id_of)}
</section>
</main>
<script>
{_beside("page.js")}</script>
</body>
</html>
"""


def _overview(header: Row, rows: list[Row]) -> str:
    modes = {entry["name"]: str(entry.get("mode", "")) for entry in header["implementations"]}
    lines = []
    for name in names(rows):
        n = counts(row for row in rows if row["implementation"] == name)
        mark = f"<strong>&#10007; {n['unexpected']}</strong>" if n["unexpected"] else "0"
        version = esc(versions(header).get(name, "not installed"))
        share = f"{n['passes']} of {n['asked']}"
        lines.append([esc(name), share, mark, str(n["expected"]), str(n["unsupported"]), version, esc(modes.get(name, ""))])
    heads = ["implementation", "passes", "unexpected", "expected failures", "unsupported", "version", "gradients"]
    return table(caption("Cases of each implementation; what is unsupported is never a pass"), heads, lines)


def _strips(rows: list[Row]) -> str:
    low, high = decades(rows)
    of = {name: [row for row in rows if row["implementation"] == name and row["ratio"] is not None] for name in names(rows)}
    shown = [name for name in of if of[name]]
    if not shown:
        return ""
    parts = []
    for name in shown:
        label = f"{name}: {len(of[name])} ratios, {sum(row['state'] != 'pass' for row in of[name])} of them do not pass"
        plot = strip_plot(of[name], low, high, label, ticks=name == shown[-1])
        parts.append(f'<div class="striprow"><span>{esc(name).replace(".", ".<wbr>")}</span>{plot}</div>')
    text = "Every answer by its error in units of the allowed one, on a logarithmic scale (exact ones at the left); crosses did not pass"
    return f"<figure><figcaption>{text}</figcaption>{''.join(parts)}</figure>"


def _failures(header: Row, found: list[Group], id_of: dict[tuple[str, str], str]) -> str:
    expected = "Failures that are expected are in the matrices, marked xf, with their reasons."
    if not found:
        return f"<p>Nothing. {expected}</p>"
    parts = [f"<p>The worst case of each check. {expected}</p>", '<ol class="failures">']
    for group in found:
        worst = group.bad[0]
        flag = "" if group.unexpected else f' <span class="note">{esc(_why(Counter(row["outcome"] for row in group.bad)))}</span>'
        told = "".join(
            f'<li><a href="#{id_of["statement", id]}">{id} {esc(statements()[id]["title"])}</a>: {esc(statements()[id]["text"])}</li>'
            for id in group.statements if ("statement", id) in id_of
        )
        parts.append(
            f'<li><a href="#{id_of[group.check, group.implementation]}"><b>{esc(group.implementation)}: {esc(group.check)}</b></a>{flag}'
            f"<br>{len(group.bad)} of {len(group.asked)} cases: {esc(', '.join(group.where))}"
            f"<br>worst, {esc(place(worst))}: {esc(what(worst))}{command(reproduction(header, worst))}<ul>{told}</ul></li>"
        )
    return "\n".join([*parts, "</ol>"])


def _why(outcomes: Counter[str]) -> str:
    return f"({', '.join(outcomes)}: without effect on the exit code)"


def _statement_lines(rows: list[Row]) -> list[tuple[str, str, str, dict[str, list[Row]]]]:
    return [(id, id, statements()[id]["title"], of) for id, of in by_statement(rows).items()]


def _legend() -> str:
    scale = "".join(f'<span class="{hue}">{text}</span>' for hue, text in (
        ("r0", "below 0.001"), ("r1", "below 0.01"), ("r2", "below 0.1"), ("r3", "to 1"),
        ("r4", "above 1"), ("r5", "above 10"), ("r6", "above 1000")))
    symbols = "".join(f"<span>{caption_of}</span>" for caption_of in (
        "&#10003; passes", "&#10007; unexpected", "&#9650; does not pass, does not count", "&#9671; xf: expected failure",
        "&ndash; unsupported"))
    return (
        "<p>A number is the worst error in units of the allowed one: at most 1 passes.</p>"
        f'<p class="legend">{symbols}</p><p class="legend scale" aria-label="Shades of the ratio">{scale}</p>'
        '<p class="hint" hidden>Arrow keys move in a matrix, Enter opens a cell, Alt+Left comes back.</p>'
    )


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
