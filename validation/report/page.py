"""The parts of the page that occur more than once: text, tables, matrices, commands, and the ids that links lead to."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from typing import Any

from ..runner import rtol_text
from .cells import KINDS, Cell, Row, by_check, by_statement, cell, level, names
from .junit import text

SYMBOLS = {
    "ok": "&#10003;", "unexpected": "&#10007;", "noted": "&#9650;", "expected": "&#9671;",
    "unsupported": "&ndash;", "skipped": "&#9675;", "empty": "",
}
Lines = list[tuple[str, str, str, dict[str, list[Row]]]]


def esc(words: Any) -> str:
    """The words as text of an element or of a quoted attribute; characters that no page can hold become U+FFFD."""
    return html.escape(text(str(words)))


def ids(rows: list[Row]) -> dict[tuple[str, str], str]:
    """An id for each ("statement", id), ("check", check) and (check, implementation): unique, of plain characters."""
    keys = [("statement", id) for id in by_statement(rows)]
    for check, of in by_check(rows).items():
        keys += [("check", check), *[(check, name) for name in of]]
    taken: dict[str, int] = {}
    made = {}
    for first, second in keys:
        first_word, second_word = (re.sub(r"[^A-Za-z0-9._]+", "-", word) for word in (first, second))
        word = second if first == "statement" else f"{first_word}--{second_word}"
        taken[word] = taken.get(word, 0) + 1
        made[first, second] = word if taken[word] == 1 else f"{word}--{taken[word]}"
    return made


def matrix(name: str, rows: list[Row], lines: Lines, target: Callable[[str, str], str]) -> str:
    """A matrix with links.

    A line is (key, head, title, rows of each implementation); target(key, implementation) is the id that the link of a cell leads to.
    """
    columns = names(rows)
    head = "".join(f'<th scope="col">{esc(column).replace(".", "<wbr>.")}</th>' for column in columns)
    body = []
    for key, label, title, of in lines:
        mark = f' <span class="note">({level(label)})</span>' if level(label) in ("recommended", "informative") else ""
        cells = ""
        for name_of in columns:
            asked = name_of in of
            cells += _cell(f"{label}, {name_of}", cell(of[name_of]), target(key, name_of)) if asked else '<td class="empty"></td>'
        body.append(f'<tr><th scope="row">{esc(label)}{mark}{f" <span>{esc(title)}</span>" if title else ""}</th>{cells}</tr>')
    region = f'<div class="scroll" role="region" aria-label="{esc(name)}" tabindex="0">'
    top = f"{caption(name)}<thead><tr><td></td>{head}</tr></thead>"
    return f'{region}<table class="matrix">{top}<tbody>\n' + "\n".join(body) + "\n</tbody></table></div>"


def table(caption: str, heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A plain table of HTML; the first entry of each line is its head."""
    head = "".join(f'<th scope="col">{word}</th>' for word in heads)
    body = "\n".join(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{word}</td>" for word in rest)}</tr>' for first, *rest in lines)
    return f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def caption(words: str) -> str:
    """A caption."""
    return f"<caption>{esc(words)}</caption>"


def command(words: str) -> str:
    """A command to copy."""
    return f'<pre class="command"><code>{esc(words)}</code></pre>'


def summary(cell: Cell) -> str:
    """Symbol, word and number of a cell."""
    return f"{SYMBOLS[cell.kind]} {esc(cell.text if cell.word not in ('ok', '--') else cell.text[len(cell.word):].strip())}".strip()


def hue(cell: Cell) -> str:
    """The class that gives the shade: decades of the ratio; a failure without a ratio is as dark as the worst."""
    if cell.ratio is None:
        return "r6" if cell.kind in ("unexpected", "noted") else "none"
    limits = (1e-3, 1e-2, 0.1, 1.0, 10.0, 1000.0)
    return f"r{sum(cell.ratio > limit for limit in limits)}"


def facts(header: Row) -> str:
    """What the header says of the run."""
    machine = " ".join(str(header[key]) for key in ("system", "machine") if key in header)
    pairs = [(key, header[key]) for key in ("suite", "spec", "vectors", "protocol", "python", "numpy") if key in header]
    pairs += [("machine", machine), ("rtol", " ".join(map(rtol_text, header.get("rtols", [])))), ("seed", header.get("seed", 0))]
    pairs.append(("arguments", " ".join(header.get("argv", [])) or "none"))
    return "<dl>" + "".join(f"<div><dt>{esc(key)}</dt><dd>{esc(value)}</dd></div>" for key, value in pairs if value != "") + "</dl>"


def _cell(label: str, cell: Cell, target: str) -> str:
    words = f"{label}: {KINDS[cell.kind]}{f', ratio {cell.text[len(cell.word):].strip()}' if cell.ratio is not None else ''}"
    return f'<td class="{cell.kind} {hue(cell)}"><a href="#{target}" aria-label="{esc(words)}">{summary(cell)}</a></td>'
