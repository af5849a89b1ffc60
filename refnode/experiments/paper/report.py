"""The report of the paper's experiments: a table of claims with verdicts, and each experiment's numbers and pictures."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from refnode.experiments.paper.results import Claim, Outcome

TITLE = "The paper's experiments on this machine"
RULES = "holds: in all cases of its rule; in part: in some; not here: in none. Rules stand below, with each experiment."
QUICK = "Made with --quick: this shows that the experiments run; the numbers and verdicts say nothing about the paper."
COLORS = {"holds": "green", "in part": "yellow", "not here": "red"}


class Report:
    """folder/report.json and folder/report.md (with quick: report-quick). An experiment that is added takes the place of its former entry."""

    def __init__(self, folder: Path, quick: bool):
        self.json, self.quick = folder / f"report{'-quick' if quick else ''}.json", quick
        self.entries: dict[str, Any] = json.loads(self.json.read_text()) if self.json.exists() else {}

    def add(self, name: str, outcome: Outcome, title: str, seeds: list[int]) -> None:
        claims = [claim._asdict() | {"verdict": claim.verdict} for claim in outcome.claims]
        self.entries[name] = {
            "title": title, "seeds": seeds, "claims": claims, "lines": outcome.lines, "pictures": [picture.name for picture in outcome.pictures],
            "numbers": outcome.results.path.name, "processor seconds": round(sum(outcome.results.seconds.values()), 1)}
        self.entries = {key: self.entries[key] for key in sorted(self.entries, key=lambda key: (len(key), key))}
        self.json.write_text(json.dumps(self.entries, indent=1))
        self.json.with_suffix(".md").write_text(markdown(self.entries, self.quick))

    def show(self, names: list[str]) -> None:
        """Prints each experiment's lines, the table of claims, and where all is."""
        for name in names:
            print("\n".join([f"{name}: {self.entries[name]['title']}", *self.entries[name]["lines"], ""]))
        rows = [(name, as_claim(row)) for name in names for row in self.entries[name]["claims"]]
        (print_rich if importlib.util.find_spec("rich") else print_plain)(rows)
        print(QUICK if self.quick else RULES)
        print(f"Report: {self.json.with_suffix('.md')}. Numbers and pictures: in the same folder.")


def as_claim(row: dict[str, Any]) -> Claim:
    return Claim(*(row[field] for field in Claim._fields))


def counted(claim: Claim) -> str:
    """The verdict, with the number of cases."""
    return f"{claim.verdict} ({sum(claim.cases)}/{len(claim.cases)})"


def markdown(entries: dict[str, Any], quick: bool) -> str:
    """All experiments that are there: the table first, then one section each."""
    lines = [f"# {TITLE}", "", QUICK if quick else RULES, ""]
    lines += ["| | | what the paper says | paper | here | verdict (cases) |", "|---|---|---|---|---|---|"]
    for name, entry in entries.items():
        for claim in map(as_claim, entry["claims"]):
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in (
                name, claim.statement, claim.says, claim.paper, claim.ours, f"**{claim.verdict}** ({sum(claim.cases)}/{len(claim.cases)})")) + " |")
    for name, entry in entries.items():
        lines += ["", f"## {name}. {entry['title']}", "", "```", *entry["lines"], "```", ""]
        lines += [f"- {claim.statement}: {claim.says}: **{claim.verdict}**. Rule: {claim.rule}." for claim in map(as_claim, entry["claims"])]
        lines += ["", *(f"![{name}]({picture})" for picture in entry["pictures"])]
        lines += ["", f"Seeds {', '.join(map(str, entry['seeds']))}; {entry['processor seconds']:.0f} s of processor time; "
                  f"numbers: `{entry['numbers']}`."]
    return "\n".join(lines) + "\n"


def print_rich(rows: list[tuple[str, Claim]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "", "the paper says", "paper", "here", "verdict", box=SIMPLE_HEAD)
    for name, claim in rows:
        table.add_row(name, claim.statement, *map(Text, (claim.says, claim.paper, claim.ours)), Text(counted(claim), COLORS[claim.verdict]))
    Console().print(table)


def print_plain(rows: list[tuple[str, Claim]]) -> None:
    for name, claim in rows:
        print(f"{name} {claim.statement}: {claim.says}\n    paper: {claim.paper}\n    here:  {claim.ours}\n    {counted(claim)}")
