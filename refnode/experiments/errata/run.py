"""`refnode errata`: what is printed, what is right, and the numbers that tell the two apart."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

from refnode.experiments.errata.article import ARTICLE
from refnode.experiments.errata.code import CODE
from refnode.experiments.errata.erratum import Erratum
from refnode.experiments.errata.paper import PAPER

PARTS = {"The paper, arXiv 1806.07366 v5": PAPER, "Released code, and other texts": CODE, "An introductory article": ARTICLE}

INTRODUCTION = (
    "What is printed, and what is right. Each number is measured by a function of a few lines in `refnode/experiments/errata/`;",
    "`refnode errata C1` runs it again. \"Below 1e-9\" is 0, or a rounding error.",
    "This file is written by `refnode errata --markdown ERRATA.md`, and compared with it by `tests/experiments/test_errata.py`.",
)


def run(argv: list[str]) -> int:
    everything = {entry.id: entry for part in PARTS.values() for entry in part}
    parser = argparse.ArgumentParser("refnode errata", description=(
        "The errors of the paper, of its released code and of an introductory article, each with the numbers that show it, measured now. "
        "The table is ERRATA.md."))
    parser.add_argument("id", nargs="*", help="only these, such as C1 C16 (default: all)")
    parser.add_argument("--markdown", metavar="FILE", help="write the table, with the numbers as measured, to a file")
    options = parser.parse_args(argv)
    unknown = [id for id in options.id if id.upper() not in everything]
    if unknown:
        parser.error(f"there is no erratum {unknown[0]!r}; there are C1 to C19 (the paper), D1 to D16 (code), A1 to A26 (the article)")
    if options.markdown:
        if not Path(options.markdown).absolute().parent.is_dir():
            parser.error(f"--markdown {options.markdown}: there is no such folder to write it in")
        Path(options.markdown).write_text(markdown(), encoding="utf-8")
        return 0
    wrong = 0
    for entry in [everything[id.upper()] for id in options.id] or everything.values():
        line, right = measured(entry)
        wrong += not right
        print(f"{entry.id}  {entry.where}")
        for name, text in (("printed", entry.printed), ("right", entry.correct), ("measured" if entry.check else "not measured", line)):
            print(textwrap.fill(text, 100, initial_indent=f"    {name + ':':14}", subsequent_indent=" " * 18))
    if wrong:
        print(f"{wrong} of the numbers do not show what is said: the printed one must be above, the right one below the bound.")
    return int(wrong > 0)


def measured(entry: Erratum) -> tuple[str, bool]:
    """The sentence of numbers, and whether they tell the printed version from the right one."""
    if entry.check is None:
        return entry.quantity, True
    printed, right = entry.check()
    return f"{number(printed)} as printed, {number(right)} as it should be ({entry.quantity})", right <= entry.apart < printed


def number(x: float) -> str:
    """Counts as they are, others with two digits; rounding errors as such, since they differ between machines."""
    return str(x) if isinstance(x, int) else "below 1e-9" if abs(x) < 1e-9 else f"{x:.2g}" if x < 100 else f"{x:.0f}"


def markdown() -> str:
    """ERRATA.md."""
    lines = ["# Errata", "", *INTRODUCTION]
    for title, part in PARTS.items():
        lines += ["", f"## {title}", "", "| | where | printed | should be | as printed | as it should be | what is measured |", f"|{7 * '---|'}"]
        for entry in part:
            numbers = [number(x) for x in entry.check()] if entry.check else ["", ""]
            cells = [entry.id, entry.where, entry.printed, entry.correct, *numbers, entry.quantity]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
