"""The badge: the JSON that a shields.io endpoint reads."""

from __future__ import annotations

import json

from .cells import Row, by_statement, cell, counts, names


def render(header: Row, rows: list[Row]) -> str:
    """Passes of asked, and statements, of the first implementation of the report; the colour says whether anything was unexpected in it.

    A share of passes makes no colour: one unexpected failure among a thousand passes is red.
    """
    name = names(rows)[0] if rows else "nothing"
    mine = [row for row in rows if row["implementation"] == name]
    n = counts(mine)
    kinds = [cell(of[name]).kind for of in by_statement(mine).values()]
    asked = [kind for kind in kinds if kind not in ("unsupported", "skipped")]
    good = asked.count("ok")
    statements = str(len(asked)) if good == len(asked) else f"{good}/{len(asked)}"
    message = f"{n['passes']}/{n['asked']} \u00b7 {statements} statements" if n["asked"] else "not run"
    well = "lightgrey" if not n["asked"] else "brightgreen" if n["passes"] == n["asked"] else "yellow"
    stale = any(line.startswith(f"{name} |") for line in header.get("stale", ()))
    color = "red" if n["unexpected"] or stale else well
    return json.dumps({"schemaVersion": 1, "label": f"conformance of {name}", "message": message, "color": color}) + "\n"
