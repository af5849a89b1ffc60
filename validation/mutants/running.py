"""Running the suite and the project's tests on one mutant, in a copy of the tree of its own.

A mutant is killed by every conformance check that does not pass on it where it passes on refnode itself. One that no check kills goes to
the project's tests, those of the folder of its file first, until the first test fails. What then survives is a survivor.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .drawing import Mutant, mutated, package

CONFORMANCE_LIMIT, TESTS_LIMIT = 300.0, 900.0  # seconds; a mutant that takes longer is killed by that
IGNORED = shutil.ignore_patterns("__pycache__", "*.ipynb", "notebooks", ".git", "*.png")


@dataclass
class Outcome:
    """What became of a mutant: the checks that do not pass on it any more, or the first test that fails; neither: it survives.

    naive: whether the usual first test (naive.py) sees it.
    """

    id: str
    checks: list[str] = field(default_factory=list)
    test: str = ""
    naive: bool = False

    @property
    def killed(self) -> bool:
        return bool(self.checks or self.test)


def failing_cases(tree: Path, options: list[str]) -> set[tuple[str, str, str]]:
    """(check, implementation, case) for each that does not pass in the tree.

    "start" or "time" stand for a command that does not come to its report.
    """
    report = tree / "report.jsonl"
    command = [sys.executable, "-m", "refnode_validation", "--alone", "--in-process", "--json", str(report), *options]
    try:
        subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, timeout=CONFORMANCE_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return {("time", "", "")}
    if not report.exists():
        return {("start", "", "")}
    rows = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    cases = [row for row in rows if row["kind"] == "case" and row["state"] not in ("pass", "unsupported")]
    return {(row["check"], row["implementation"], row["id"]) for row in cases}


def first_failing_test(tree: Path, mutant: Mutant) -> str:
    """The id of the first test that fails, those of the mutant's own folder first; empty if all pass."""
    folder = mutant.file.split("/")[0]
    others = [name for name in ("autodiff", "ode", "gradients", "flows", "models") if name != folder]
    order = [f"tests/{name}" for name in (folder, *others)] + ["tests/test_tree.py"]
    stem = Path(mutant.file).stem
    nearest = sorted(str(path.relative_to(tree)) for path in (tree / "tests" / folder).glob(f"test_*{stem}*.py"))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "--tb=no", *nearest, *order]
    try:
        run = subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, text=True, timeout=TESTS_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "time"
    failed = [line.split(" ")[1] for line in run.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else ("" if run.returncode == 0 else "collection")


def naive_test_passes(tree: Path) -> bool:
    """Whether z' = a z with one loss at the end comes out right."""
    command = [sys.executable, str(Path(__file__).with_name("naive.py"))]
    try:
        return subprocess.run(command, cwd=tree, env=_environment(tree), capture_output=True, timeout=60.0, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class Tree:
    """A copy of the project in a temporary folder, in which one file at a time is a mutant's."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        home = package().parent
        for name in ("refnode", "tests", "validation"):
            shutil.copytree(home / name, self.root / name, ignore=IGNORED)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(home / name, self.root / name)
        (self.root / "refnode_validation").symlink_to("validation", target_is_directory=True)

    def run(self, mutant: Mutant, options: list[str], always: set[tuple[str, str, str]]) -> Outcome:
        """The outcome of one mutant; `always` are the cases that fail on refnode as it is."""
        path = self.root / "refnode" / mutant.file
        original = path.read_text(encoding="utf-8")
        outcome = Outcome(mutant.id)
        try:
            path.write_text(mutated(mutant, original), encoding="utf-8")
            outcome.naive = not naive_test_passes(self.root)
            outcome.checks = sorted({check for check, _, _ in failing_cases(self.root, options) - always})
            if not outcome.checks:
                outcome.test = first_failing_test(self.root, mutant)
        finally:
            path.write_text(original, encoding="utf-8")
            (self.root / "report.jsonl").unlink(missing_ok=True)
        return outcome

    def remove(self) -> None:
        """Delete the copy."""
        shutil.rmtree(self.root, ignore_errors=True)


def _environment(tree: Path) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
