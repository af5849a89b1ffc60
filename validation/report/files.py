"""The files that a report can be made into: after a run (refnode validate --html F), or later (refnode validate report A.jsonl --html F).

Each is a pure function of the header and the rows of the canonical report.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from . import badge, html, jsonl, junit, markdown
from .cells import Row
from .screen import screen
from .table import print_report

TEXTS: dict[str, tuple[Callable[[Row, list[Row]], str], str]] = {
    "html": (html.render, "one self-contained page: the matrix, each cell with its cases, plots and commands"),
    "junit": (junit.render, "JUnit XML, as CI servers read it"),
    "markdown": (markdown.render, "Markdown, such as the summary of a GitHub step"),
    "badge": (badge.render, "the JSON of a shields.io endpoint badge, for the first implementation"),
}


def main(argv: list[str]) -> int:
    """refnode validate report A.jsonl [--html F ...]; without options, the terminal report. Returns 0; ValueError for bad arguments."""
    parser = Parser(prog="refnode validate report", description="The report of an earlier run.", allow_abbrev=False)
    parser.add_argument("report", metavar="A.jsonl", help="the file of --json")
    add_arguments(parser)
    options = parser.parse_args(argv)
    check(options)
    header, rows, _ = read(options.report)
    if not write(options, header, rows):
        print_report(screen(), header, rows)
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--html, --junit, --markdown, --badge and --picture."""
    for name, (_, text) in TEXTS.items():
        parser.add_argument(f"--{name}", metavar="FILE", help=f"write {text}")
    parser.add_argument("--picture", metavar="FILE", help="draw the matrix of statements as a PNG (or SVG, PDF); needs matplotlib")


def check(options: argparse.Namespace) -> None:
    """ValueError, before anything is run, if a file cannot be written."""
    for name in ("json", *TEXTS, "picture"):
        file = getattr(options, name, None)
        if file and not Path(file).absolute().parent.is_dir():
            raise ValueError(f"--{name} {file}: there is no such folder")
        if file and Path(file).is_dir():
            raise ValueError(f"--{name} {file}: that is a folder; name a file in it")
    for file in getattr(options, "expected", []):
        if not Path(file).is_file():
            raise ValueError(f"--expected {file}: there is no such file")
    if options.picture:
        try:
            import matplotlib  # noqa: F401
        except ModuleNotFoundError as error:
            raise ValueError(f"--picture needs the package {error.name}: pip install -e '.[plots]'") from error


def write(options: argparse.Namespace, header: Row, rows: list[Row]) -> bool:
    """Write the files that were asked for; True if there was one."""
    wanted = [name for name in (*TEXTS, "picture") if getattr(options, name)]
    for name in wanted:
        path = Path(getattr(options, name))
        if name == "picture":
            from .picture import draw

            draw(header, rows, path)
        else:
            path.write_text(TEXTS[name][0](header, rows), encoding="utf-8")
    return bool(wanted)


def read(file: str) -> tuple[Row, list[Row], Any]:
    """A report; ReportError (a ValueError) also if it cannot be opened."""
    try:
        return jsonl.read(Path(file))
    except OSError as error:
        raise jsonl.ReportError(f"cannot read {file}: {error.strerror}") from error


class Parser(argparse.ArgumentParser):
    """argparse that raises its complaint instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see --help)")
