"""JUnit XML: one suite an implementation, one test a case."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ..outcomes import UNEXPECTED
from .cells import Row, names, place, ratio_text, reproduction, versions, what, worst_ratio

ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(header: Row, rows: list[Row]) -> str:
    """The report as JUnit XML.

    An unexpected outcome is a failure (XPASS too) or, where no answer came back, an error; what is unsupported, skipped, not run, expected
    to fail, or without effect on the exit code, is skipped with its reason.
    """
    root = ElementTree.Element("testsuites", name=f"refnode conformance suite {header['suite']}")
    for name in names(rows):
        mine = [row for row in rows if row["implementation"] == name]
        suite = ElementTree.SubElement(root, "testsuite", name=text(f"{name} {versions(header).get(name, '')}".strip()))
        kinds = [_add(suite, header, row) for row in mine]
        suite.attrib["tests"] = str(len(mine))
        suite.attrib.update({f"{kind}s".replace("skippeds", "skipped"): str(kinds.count(kind)) for kind in ("failure", "error", "skipped")})
    if header.get("stale"):
        suite = ElementTree.SubElement(root, "testsuite", name="lists of expected failures", tests=str(len(header["stale"])))
        suite.attrib.update(failures=str(len(header["stale"])), errors="0", skipped="0")
        for line in header["stale"]:
            case = ElementTree.SubElement(suite, "testcase", classname="stale", name=text(line))
            ElementTree.SubElement(case, "failure", message=text(line), type="stale")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def text(words: str) -> str:
    """The words without characters that XML cannot hold (control characters, lone surrogates): U+FFFD in their place."""
    return ILLEGAL.sub("\ufffd", words)


def _add(suite: ElementTree.Element, header: Row, row: Row) -> str:
    case = ElementTree.SubElement(suite, "testcase", classname=text(f"{row['implementation']}.{row['check']}"), name=text(row["id"]))
    kind, message = _kind(row)
    if kind:
        entry = ElementTree.SubElement(case, kind, message=text(message))
        if kind != "skipped":
            entry.attrib["type"] = row["outcome"] if row["outcome"] == "XPASS" else row["state"]
            entry.text = text(f"{place(row)}: {what(row)}\n$ {reproduction(header, row)}")
    elif row["ratio"] is not None:
        ElementTree.SubElement(case, "system-out").text = f"ratio {ratio_text(worst_ratio([row]))}"
    return kind


def _kind(row: Row) -> tuple[str, str]:
    """failure, error, skipped or "", and the message."""
    if row["outcome"] == "XPASS":
        return "failure", "XPASS: passes although it is on the list of expected failures"
    if row["state"] == "pass":
        return "", ""
    if row["outcome"] in UNEXPECTED:
        return ("failure" if row["state"] == "fail" else "error"), what(row)
    if row["outcome"] == "xfail":
        return "skipped", f"expected failure: {row.get('reason', '')}"
    return "skipped", f"{row['state']}: {what(row)}" if row["outcome"] == "neutral" else f"{row['outcome']}, {row['state']}: {what(row)}"
