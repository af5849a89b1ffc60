"""Runs reproducers, those of one library in one process, and compares what they give with the registry."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass

from ..outcomes import version_in
from .registry import HERE, bugs

SECONDS = 300  # for all reproducers of a library, imports included
RELATIVE = 1e-3  # two runs of one version agree that well in each number


@dataclass(frozen=True)
class Outcome:
    """reproduced, fixed upstream (got what the closed form says), changed (neither), skipped (why is in message) or failed (the same)."""

    state: str
    got: str = ""
    expected: str = ""
    message: str = ""


def outcomes(library: str) -> dict[str, Outcome]:
    """The outcome of each entry of a library, by id."""
    entries = {id: entry for id, entry in bugs().items() if entry["library"] == library}
    try:
        version = importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return {id: Outcome("skipped", message=f"{library} is not installed") for id in entries}
    other = f"{library} {version} is installed, outside the versions of the entry"
    results = {id: Outcome("skipped", message=other) for id, entry in entries.items() if not version_in(version, entry["versions"])}
    measured = measure([entry["reproducer"] for id, entry in entries.items() if id not in results])
    for id, entry in entries.items():
        if id not in results:
            results[id] = judge(entry, measured.get(entry["reproducer"], {"error": f"no answer within {SECONDS} seconds"}))
    return {id: results[id] for id in entries}


def judge(entry: dict[str, object], measured: dict[str, str]) -> Outcome:
    """What a measured pair (got, expected) says about an entry."""
    if "error" in measured:
        return Outcome("failed", message=measured["error"])
    got, expected = measured["got"], measured["expected"]
    if not same(expected, str(entry["expected"])):
        return Outcome("changed", got, expected, f"the registry expects {entry['expected']}")
    if same(got, str(entry["got"])):
        return Outcome("reproduced", got, expected)
    if same(got, expected):
        return Outcome("fixed upstream", got, expected, "the defect is gone: narrow `versions` in bugs.json")
    return Outcome("changed", got, expected, f"the registry has {entry['got']}")


def same(one: str, other: str) -> bool:
    """Do two values agree: numbers to RELATIVE, all else letter by letter?"""
    ones, others = one.split(), other.split()
    return len(ones) == len(others) and all(map(_same_word, ones, others))


def measure(reproducers: list[str]) -> dict[str, dict[str, str]]:
    """{"got": ..., "expected": ...} or {"error": ...} of each reproducer that answered in time. They share one process, with one thread."""
    if not reproducers:
        return {}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(HERE / "worker.py"), *(str(HERE / name) for name in reproducers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **threads})
    try:
        output, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    answers = [json.loads(line[len("RESULT ") :]) for line in output.splitlines() if line.startswith("RESULT ")]
    return {answer.pop("file"): answer for answer in answers}


def _same_word(one: str, other: str) -> bool:
    try:
        a, b = float(one), float(other)
    except ValueError:
        return one == other
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=RELATIVE, abs_tol=0.0)
