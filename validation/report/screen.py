"""Where the terminal report is written: through rich where it is installed, as plain text where not.

Both have the same two methods: line(*parts, indent, wrap), where a part is a string or a pair (string, style), and table(title, heads,
body), where heads are strings and each line of the body is a list of tuples of parts, its label first.
"""

from __future__ import annotations

import textwrap
from typing import Any

Part = str | tuple[str, str]
Body = list[list[tuple[Part, ...]]]
WIDTH = 100


def screen() -> Rich | Plain:
    """Rich if it can be imported, else Plain."""
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return Plain()
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(WIDTH, console.width))  # a pipe has no width of its own
    return Rich(console)


class Plain:
    """Text without colours, 100 columns wide."""

    console = None

    def line(self, *parts: Part, indent: int = 0, wrap: bool = True) -> None:
        """One paragraph, wrapped unless it is to be copied."""
        text = _text(parts)
        margin = " " * indent
        lines = textwrap.wrap(text, WIDTH - indent, break_on_hyphens=False) if wrap and text.strip() else [text]
        print("\n".join((margin + line).rstrip() for line in lines))

    def table(self, title: str, heads: list[str], body: Body) -> None:
        """Columns padded to the width of the widest entry; a head is broken at its line feeds."""
        stacked = [head.split("\n") for head in ["", *heads]]
        height = max(map(len, stacked))
        top = [[lines[i - height + len(lines)] if i >= height - len(lines) else "" for lines in stacked] for i in range(height)]
        grid = [*top, *[[_text(parts) for parts in line] for line in body]]
        widths = [max(len(line[i]) for line in grid) for i in range(len(stacked))]
        texts = ["  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in grid]
        texts.insert(height, "-" * (sum(widths) + 2 * len(heads)))
        print("\n".join(["", title, *texts]))


class Rich:
    """A rich console."""

    def __init__(self, console: Any):
        self.console = console

    def line(self, *parts: Part, indent: int = 0, wrap: bool = True) -> None:
        """One paragraph, wrapped unless it is to be copied."""
        from rich.padding import Padding
        from rich.text import Text

        text = Text.assemble(*parts)
        if wrap:
            self.console.print(Padding(text, (0, 0, 0, indent), expand=False) if indent else text)
        else:
            self.console.print(Text(" " * indent) + text, soft_wrap=True)

    def table(self, title: str, heads: list[str], body: Body) -> None:
        """A rich table."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        style = {"title_justify": "left", "title_style": "bold", "pad_edge": False, "padding": (0, 1, 0, 0), "box": SIMPLE_HEAD}
        table = Table(title=Text(f"\n{title}"), show_edge=False, **style)
        table.add_column("", no_wrap=True)
        for head in heads:
            table.add_column(Text(head), vertical="bottom", max_width=14, overflow="fold")
        for label, *cells in body:
            table.add_row(Text.assemble(*label), *[Text.assemble(*parts) for parts in cells])
        self.console.print(table)


def _text(parts: tuple[Part, ...]) -> str:
    return "".join(part if isinstance(part, str) else part[0] for part in parts)
