"""Running the suite and the project's tests on one mutant, in a copy of the tree of its own.

A mutant is killed by every conformance check that does not pass on it where it passes on refnode itself; the ways into refnode
(conformance.py) are taken from the quickest on, and the first that kills is the last. One that no check kills goes to the project's
tests, the files nearest to the mutated function first, until the first test fails. What then survives is a survivor. Limits are of
processor time (POSIX alone).
"""

from __future__ import annotations

import ast
import compileall
import json
import os
import py_compile
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .drawing import Mutant, mutated, package

FILE_LIMIT, TESTS_LIMIT = 90, 200  # seconds of processor time: one file of tests, all of them
IGNORED = shutil.ignore_patterns("__pycache__", "*.ipynb", "notebooks", ".git", "*.png")


@dataclass
class Outcome:
    """What became of a mutant: the checks that do not pass on it any more, or the first test that fails; neither: it survives.

    ways: how many of the ways into refnode come to the mutated function; asked: how many of them were to be asked, in so many seconds.
    way, cases: the way that kills, and some of its cases. A check named "probe" are the two easy problems before all others, "time" the
    limit of time, "start" a refnode that does not import. tests: the files of tests that passed. naive: whether the usual first test
    (naive.py) sees it. bits: what came out of a comparison of all answers to all vectors with those of refnode itself.
    """

    id: str
    ways: int = 0
    asked: int = 0
    seconds: float = 0.0
    checks: list[str] = field(default_factory=list)
    way: str = ""
    cases: list[str] = field(default_factory=list)
    test: str = ""
    tests: list[str] = field(default_factory=list)
    naive: bool = False
    bits: str = ""


class Tree:
    """A copy of the project in a temporary folder, in which one file at a time is a mutant's. base: the file of what refnode itself does.

    names: the ways that are asked at all (empty: every way).
    """

    def __init__(self, base: Path, names: Sequence[str] = ()):
        self.root = Path(tempfile.mkdtemp())
        home = package().parent
        for name in ("refnode", "tests", "validation"):
            shutil.copytree((home / name).resolve(), self.root / name, ignore=IGNORED)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(package().resolve().parent / name, self.root / name)
        for name in ("refnode", "validation"):  # (known by their source, so that a mutant's file is compiled anew and no other one is)
            compileall.compile_dir(self.root / name, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
        (self.root / "refnode_validation").symlink_to("validation", target_is_directory=True)
        self.base, self.found = base.resolve(), self.root / "found.jsonl"
        self._asked("base", str(self.base), *names, check=True)
        self.ways: list[dict[str, Any]] = [json.loads(line) for line in self.base.read_text(encoding="utf-8").splitlines()]

    def suite(self, mutant: Mutant, seconds: float, first: str) -> Outcome:
        """What the suite finds, by as many of the ways as were recorded in so many seconds; the one named comes first."""
        outcome = Outcome(mutant.id)
        with self._mutated(mutant):
            ways = ways_to(mutant, (self.root / "refnode" / mutant.file).read_text(encoding="utf-8"), self.ways)
            outcome.ways = len(ways)
            ways.sort(key=lambda way: way != first)
            ways = within(seconds, ways, self.ways)
            outcome.asked, outcome.seconds = len(ways), min(seconds, 1e9)
            code = self._asked("mutant", str(self.found), str(self.base), *ways)
            found = self._said()
        outcome.naive = not any(row.get("naive") for row in found)
        kills = [row for row in found if row.get("cases")]
        if kills:
            outcome.way, cases = kills[0]["way"], kills[0]["cases"]
            outcome.checks, outcome.cases = sorted({case.split("|")[0] for case in cases}), [case.split("|")[2] for case in cases[:3]]
        elif not any("end" in row for row in found):
            outcome.checks = ["time" if code == -signal.SIGPROF else "start"]
            outcome.way = ways[sum("way" in row for row in found)] if ways and found else ""
        return outcome

    def test(self, mutant: Mutant, outcome: Outcome, first: str) -> None:
        """What the tests find, in the files nearest to the mutant; the one named comes first."""
        with self._mutated(mutant):
            left = float(TESTS_LIMIT)
            for file in dict.fromkeys([*([first] if first else []), *nearest(self.root, mutant)]):
                if left <= 0:
                    break
                failed, passed, seconds = self._tests(file, min(FILE_LIMIT, int(left) + 1))
                left -= seconds
                if failed:
                    outcome.test = failed
                    return
                outcome.tests.append(file if passed else f"{file} (to the limit of time)")

    def bits(self, mutant: Mutant, outcome: Outcome) -> None:
        """Whether any bit of any answer to a vector is another one, by the ways that come to the mutated function."""
        ways = ways_to(mutant, (self.root / "refnode" / mutant.file).read_text(encoding="utf-8"), self.ways)
        plain = self._answers(ways)
        with self._mutated(mutant):
            answers = self._answers(ways)
        same = sum(answers.get(way) == plain[way] for way in plain)
        outcome.bits = (f"{same} of {len(plain)} ways: all answers to all vectors have the same bits." if ways
                        else "No way comes to it, so all answers have the same bits.")

    def _answers(self, ways: list[str]) -> dict[str, str]:
        self._asked("answers", str(self.found), *ways)
        return {row["way"]: row["digest"] for row in self._said()}

    def _said(self) -> list[dict[str, Any]]:
        """The lines of `found`, which is taken away; none where nothing was asked."""
        said = [json.loads(line) for line in self.found.read_text(encoding="utf-8").splitlines()] if self.found.exists() else []
        self.found.unlink(missing_ok=True)
        return said

    def remove(self) -> None:
        """Delete the copy."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _tests(self, file: str, limit: int) -> tuple[str, bool, float]:
        """The first test of a file that fails, whether all passed, and the processor time. At the limit neither is so."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no", file]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(command, cwd=self.root, env=self._environment(), capture_output=True, text=True, check=False,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5)))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        lines = [line.partition(" ")[2] for line in run.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        failed = [line.partition(" - ")[0] for line in lines]
        return (failed[0] if failed else f"{file}: collection" if run.returncode > 1 else ""), run.returncode == 0, seconds

    def _asked(self, *words: str, check: bool = False) -> int:
        command = [sys.executable, "-m", "refnode_validation.mutants.asking", *words]
        return subprocess.run(command, cwd=self.root, env=self._environment(), capture_output=not check, check=check).returncode

    def _mutated(self, mutant: Mutant) -> _Mutated:
        return _Mutated(self.root / "refnode" / mutant.file, mutant)

    def _environment(self) -> dict[str, str]:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        return {**os.environ, **threads, "PYTHONPATH": str(self.root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class _Mutated:
    """While this context lasts, the file is the mutant's."""

    def __init__(self, path: Path, mutant: Mutant):
        self.path, self.mutant, self.original = path, mutant, path.read_text(encoding="utf-8")

    def __enter__(self) -> None:
        self.path.write_text(mutated(self.mutant, self.original), encoding="utf-8")

    def __exit__(self, *error: object) -> None:
        self.path.write_text(self.original, encoding="utf-8")


def ways_to(mutant: Mutant, source: str, ways: list[dict[str, Any]]) -> list[str]:
    """The ways that call the function around the mutant, the quickest first; all of them where it is outside of functions."""
    inside = _around(mutant, source)
    first = inside and min([inside.lineno, *(node.lineno for node in inside.decorator_list)])
    came = [way for way in ways if first is None or [mutant.file, first] in way["reached"]]
    return [way["way"] for way in sorted(came, key=lambda way: float(way["seconds"]))]


def within(seconds: float, names: list[str], ways: list[dict[str, Any]]) -> list[str]:
    """The first of the names that together take so long; at least one."""
    took = {way["way"]: way["seconds"] for way in ways}
    return [name for i, name in enumerate(names) if i == 0 or sum(took[other] for other in names[:i + 1]) <= seconds]


def nearest(root: Path, mutant: Mutant) -> list[str]:
    """The files of tests, those that speak of the function and of its module first; at most eight."""
    source = (root / "refnode" / mutant.file).read_text(encoding="utf-8")
    inside = _around(mutant, source)
    name = inside.name.strip("_") if inside else mutant.old
    stem, folder = Path(mutant.file).stem, mutant.file.split("/")[0]

    def far(path: Path) -> tuple[int, str]:
        text = path.read_text(encoding="utf-8")
        speaks = 4 * (stem in path.stem) + 2 * (path.parent.name == folder) + 2 * (stem in text) + (len(name) > 4 and name in text)
        return -int(speaks), str(path)

    files = [path for place in ("autodiff", "ode", "gradients", "flows", "models") for path in (root / "tests" / place).glob("test_*.py")]
    chosen = sorted([*files, root / "tests" / "test_tree.py"], key=far)
    return [str(path.relative_to(root)) for path in chosen[:8]]


def _around(mutant: Mutant, source: str) -> ast.FunctionDef | None:
    """The innermost function whose body has the mutant in it."""
    found = None
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= mutant.line <= (node.end_lineno or 0):
            found = node if found is None or node.lineno > found.lineno else found
    return found
