"""From results to outcomes: which results were expected, and the strict lists of expected failures."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .checks.catalog import everything
from .runner import Result

OUTCOMES = {
    "ok": "a pass",
    "noted": "did not pass, recommended or informative: reported, without effect on the exit code",
    "neutral": "unsupported or skipped",
    "xfail": "did not pass, and is on the list of expected failures",
    "witness": "did not pass, in an implementation that was not asked for by name: reported, without effect on the exit code",
    "UNEXPECTED": "did not pass, required, not on the list",
    "XPASS": "passes although it is on the list",
    "MISSING": "was asked for by name and cannot run",
}
UNEXPECTED = ("UNEXPECTED", "XPASS", "MISSING")


@dataclass(frozen=True)
class Entry:
    """One line of impls/<file>.expected: implementation, pattern of case ids (* and ?), versions, reason."""

    implementation: str
    pattern: str
    versions: str
    reason: str

    def matches(self, result: Result, version: str) -> bool:
        """True if the entry speaks of this result."""
        same = result.implementation == self.implementation and version_in(version, self.versions)
        return same and fnmatch.fnmatchcase(result.id, self.pattern)


def outcome(result: Result, version: str, entries: Iterable[Entry], gates: bool) -> str:
    """The outcome of one result; gates says whether the implementation is refnode or was asked for by name."""
    state = result.verdict.state
    listed = reason(result, version, entries) != ""
    if state == "skipped":
        return "MISSING" if gates else "neutral"
    if state == "pass":
        return ("XPASS" if gates else "witness") if listed else "ok"
    if listed and state != "unsupported":
        return "xfail"
    if state == "unsupported":
        return "neutral"
    if everything()[result.check].level != "required":
        return "noted"
    return "UNEXPECTED" if gates else "witness"


def reason(result: Result, version: str, entries: Iterable[Entry]) -> str:
    """Why the result is expected to fail; empty if it is not."""
    return next((entry.reason for entry in entries if entry.matches(result, version)), "")


def unused(entries: Iterable[Entry], results: Iterable[Result], versions: dict[str, str]) -> list[Entry]:
    """Entries for implementations and versions that ran, which matched no result: stale lines. Meaningful after a full run only."""
    results = list(results)
    ran = [entry for entry in entries if entry.implementation in versions and version_in(versions[entry.implementation], entry.versions)]
    return [entry for entry in ran if not any(entry.matches(result, versions[entry.implementation]) for result in results)]


def read_expected(path: Path) -> list[Entry]:
    """The entries of a file of lines `implementation | pattern | versions | reason`; # starts a comment. Every field is required."""
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|", 3)]
        if len(fields) != 4 or not all(fields):
            raise ValueError(f"{path.name}, line {number}: expected 'implementation | pattern | versions | reason', all non-empty")
        version_in("0", fields[2])
        entries.append(Entry(*fields))
    return entries


def version_in(version: str, condition: str) -> bool:
    """Is the version inside a condition such as "*", "==0.2.5", ">=0.2,<0.3"? Compared by their leading numbers."""
    return condition == "*" or all(_holds(version, part.strip()) for part in condition.split(","))


def _holds(version: str, part: str) -> bool:
    match = re.fullmatch(r"(==|>=|<=|<|>)\s*([0-9.]+)", part)
    if not match:
        raise ValueError(f"version condition {part!r} is not one of ==, >=, <=, <, > followed by a version, or *")
    left, right = _numbers(version), _numbers(match[2])
    width = max(len(left), len(right))
    left, right = left + [0] * (width - len(left)), right + [0] * (width - len(right))
    return {"==": left == right, ">=": left >= right, "<=": left <= right, "<": left < right, ">": left > right}[match[1]]


def _numbers(version: str) -> list[int]:
    match = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in match[0].split(".")] if match else [0]
