"""From results to outcomes: which results were expected, and the strict lists of expected failures."""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .checks.catalog import everything
from .checks.parts import is_required
from .runner import Result
from .verdicts import Verdict

OUTCOMES = {
    "ok": "a pass",
    "noted": "did not pass, check or vector recommended or informative: reported, without effect on the exit code",
    "neutral": "unsupported or skipped",
    "xfail": "did not pass, and is on the list of expected failures",
    "witness": "did not pass, in an implementation that was not asked for by name: reported, without effect on the exit code",
    "UNEXPECTED": "did not pass, required, not on the list",
    "XPASS": "passes although it is on the list",
    "XFAIL-CHANGED": "did not pass, but in another way than the list says",
    "MISSING": "was asked for by name and cannot run",
}
UNEXPECTED = ("UNEXPECTED", "XPASS", "XFAIL-CHANGED", "MISSING")
EXPECTABLE = ("fail", "error", "crash", "timeout", "refused")
FIELDS = "implementation | pattern | versions | how | bug | reason"


@dataclass(frozen=True)
class Entry:
    """One line of impls/<file>.expected: implementation, pattern of case ids (* and ?; in a file also {P09,P10}), versions,
    how, bug, reason.

    how: the state that is expected, such as fail, or the state and the beginning of the message, such as "error: TypeError: f() takes".
    bug: its id in the registry of known bugs, RN-0001 and so on, or an address; "-" if it has none.
    """

    implementation: str
    pattern: str
    versions: str
    how: str
    bug: str
    reason: str

    def matches(self, result: Result, version: str) -> bool:
        """True if the entry speaks of this result."""
        same = result.implementation == self.implementation and version_in(version, self.versions)
        return same and fnmatch.fnmatchcase(result.id, self.pattern)

    def foresees(self, verdict: Verdict) -> bool:
        """True if the verdict is the one that is expected."""
        state, _, message = self.how.partition(":")
        return verdict.state == state and verdict.message.startswith(message.strip())


def outcome(result: Result, version: str, entries: Iterable[Entry], gates: bool) -> str:
    """The outcome of one result; gates says whether the implementation is refnode or was asked for by name."""
    state = result.verdict.state
    entry = _entry(result, version, entries)
    if state == "skipped":
        return "MISSING" if gates else "neutral"
    if state == "unsupported":
        return "neutral"
    if entry and entry.foresees(result.verdict):
        return "xfail"
    if entry:
        return ("XPASS" if state == "pass" else "XFAIL-CHANGED") if gates else "witness"
    if state == "pass":
        return "ok"
    if everything()[result.check].level != "required" or not is_required(result.problem):
        return "noted"
    return "UNEXPECTED" if gates else "witness"


def reason(result: Result, version: str, entries: Iterable[Entry]) -> str:
    """Why the result is expected to fail, with the id of the bug; what the list says of one that does not fail as it is listed, or of
    other versions; empty if it says nothing."""
    entries = list(entries)
    entry = _entry(result, version, entries)
    if entry is None:
        other = next((e for e in entries if result.verdict.state != "pass" and replace(e, versions="*").matches(result, version)), None)
        return f"a line of the list speaks of it, but for {other.versions}, and this is {version}" if other else ""
    why = entry.reason if entry.bug == "-" else f"{entry.reason} ({entry.bug})"
    if result.verdict.state == "pass":
        return f"listed as {entry.how!r}: take the line {entry.pattern} off the list, or its versions ({entry.versions}) end here"
    return why if entry.foresees(result.verdict) else f"listed as {entry.how!r}: {why}"


def _entry(result: Result, version: str, entries: Iterable[Entry]) -> Entry | None:
    return next((entry for entry in entries if entry.matches(result, version)), None)


def unused(entries: Iterable[Entry], results: Iterable[Result], versions: dict[str, str]) -> list[Entry]:
    """Entries for implementations and versions that ran, which matched no result: stale lines. Meaningful after a full run only."""
    results = list(results)
    ran = [entry for entry in entries if entry.implementation in versions and version_in(versions[entry.implementation], entry.versions)]
    return [entry for entry in ran if not any(entry.matches(result, versions[entry.implementation]) for result in results)]


def read_expected(path: Path) -> list[Entry]:
    """The entries of a file of lines as in FIELDS; # starts a comment. Every field is required; ValueError says which line is not right."""
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|", 5)]
        if len(fields) != 6 or not all(fields):
            raise ValueError(f"{path.name}, line {number}: expected '{FIELDS}', all non-empty")
        entry = Entry(*fields)
        try:
            version_in("0", entry.versions)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
        if entry.pattern.count("{") != entry.pattern.count("}") or (entry.pattern.count("/") < 3 and not entry.pattern.endswith("*")):
            raise ValueError(f"{path.name}, line {number}: the pattern {entry.pattern!r} is not check/problem/direction/rtol")
        if entry.how.partition(":")[0] not in EXPECTABLE:
            raise ValueError(f"{path.name}, line {number}: how is {entry.how!r}; it begins with one of {', '.join(EXPECTABLE)}")
        if not re.fullmatch(r"-|RN-\d{4}|https?://\S+", entry.bug):
            raise ValueError(f"{path.name}, line {number}: bug is {entry.bug!r}; it is RN- and four digits, an address, or -")
        pairs = itertools.product(_expanded(entry.implementation), _expanded(entry.pattern))
        entries += [replace(entry, implementation=implementation, pattern=pattern) for implementation, pattern in pairs]
    return entries


def _expanded(pattern: str) -> list[str]:
    """One pattern for each word in braces: grad.t/{P09,P10}/*/1e-07 stands for two, and each must match. So for implementations."""
    braces = re.search(r"\{([^{}]*)\}", pattern)
    if not braces:
        return [pattern]
    before, after = pattern[:braces.start()], pattern[braces.end():]
    return [whole for word in braces[1].split(",") for whole in _expanded(before + word.strip() + after)]


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
