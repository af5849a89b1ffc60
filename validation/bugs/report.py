"""REPORT.md, made from bugs.json and the reproducers and from nothing else."""

from __future__ import annotations

from typing import Any

from .registry import HERE, bugs, source

REPORT = HERE.parent / "REPORT.md"
NO_PROMISE = "no promise found"

HEAD = """# Known bugs of released libraries

Written by `python -m refnode_validation.bugs` from `bugs.json` and the reproducers in `bugs/`; a test keeps the three together, and
another one runs every reproducer against the installed version, if it is among those of the entry. `python -m refnode_validation.bugs
--run` does the same by hand.

These libraries are good, kept, and used by many; whoever checks them closely still meets places where a result is wrong. Each entry is
reduced to at most 15 lines that need that library and NumPy only and end with what came out (`got`) and what a closed form says
(`expected`). Each has a cause of its own, found in the library's source. *Silent* means a wrong or a missing result without a warning.
An entry counts as a defect if a sentence of the library's documentation promises what does not happen (if only by offering the option
or naming the argument), or if nothing in the documentation warns of it (then it says "no promise found"); as a documented limitation
if the documentation says so itself. *Seen by* are the checks of this suite that failed in an adapter that goes that way, on problem
P10, the flows, or vectors with repeated times. Measured with torch 2.14.1 and NumPy 2.4.6; where documentation is not in the package,
it is that of the repository.

{counts}

| id | library | versions | silent | what |
|---|---|---|---|---|
{rows}
"""
PARTS = (
    ("Silent defects", lambda entry: entry["verdict"] == "defect" and entry["silent"]),
    ("Other defects: a warning, a wrong exception or none, no end", lambda entry: entry["verdict"] == "defect" and not entry["silent"]),
    ("Documented limitations", lambda entry: entry["verdict"] != "defect"),
)


def report() -> str:
    """The text of REPORT.md: silent defects first, then loud ones, then documented limitations."""
    ordered = [(heading, [entry for entry in bugs().values() if belongs(entry)]) for heading, belongs in PARTS]
    rows = "\n".join(_row(entry) for _, entries in ordered for entry in entries)
    sections = [f"## {heading}\n\n" + "\n".join(map(_section, entries)) for heading, entries in ordered if entries]
    return HEAD.format(counts=_counts(), rows=rows) + "\n" + "\n".join(sections)


def _counts() -> str:
    defects = [entry for entry in bugs().values() if entry["verdict"] == "defect"]
    silent = sum(entry["silent"] for entry in defects)
    unpromised = sum(entry["documentation"]["sentence"] == NO_PROMISE for entry in defects)
    return (
        f"{len(defects)} defects, {silent} of them silent; for {len(defects) - unpromised} the sentence is quoted that promises otherwise, "
        f"for {unpromised} no promise was found. {len(bugs()) - len(defects)} documented limitations."
    )


def _row(entry: dict[str, Any]) -> str:
    silent = "yes" if entry["silent"] else "no"
    return f"| [{entry['id']}](#{entry['id'].lower()}) | {entry['library']} | {entry['versions']} | {silent} | {_headline(entry)} |"


def _section(entry: dict[str, Any]) -> str:
    quoted, where = entry["documentation"]["sentence"], entry["documentation"]["where"]
    says = f"{NO_PROMISE} ({where})" if quoted == NO_PROMISE else f'"{quoted}" ({where})'
    links = (f"[{link}](https://github.com/{link.replace('#', '/issues/')})" for link in entry["upstream"])
    seen = ", ".join(f"`{name}`" for name in entry["seen_by"]) or "no adapter went this way"
    return f"""### {entry["id"]}

**{entry["title"]}** ({entry["library"]} {entry["versions"]}, {entry["class"]}). {entry["cause"]}

```python
{source(entry).strip()}
```

| | |
|---|---|
| got | `{entry["got"]}` |
| expected | `{entry["expected"]}` |
| documentation | {says} |
| consequence | {entry["consequence"]} |
| remedy | {entry["remedy"]} |
| statements | {", ".join(entry["statements"]) or "none"} |
| seen by | {seen} |
| upstream | {", ".join(links) or "no report known to us"} |
"""


def _headline(entry: dict[str, Any]) -> str:
    """The docstring of the reproducer without the name of the library."""
    return source(entry).split('"""')[1].split(": ", 1)[1].rstrip(".").replace("|", "\\|")
