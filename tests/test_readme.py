"""README: its example runs and prints what stands there; its index is the registry of statements, and the docstrings agree with both."""

import ast
import contextlib
import importlib
import io
import json
import re
from pathlib import Path

import pytest
from refnode_validation import cli
from refnode_validation.arguments import parse, plan_of
from refnode_validation.bugs.registry import bugs
from refnode_validation.detest import catalog as detest
from refnode_validation.impls.loading import load
from refnode_validation.problems.catalog import problems
from refnode_validation.stiff import catalog as stiff
from refnode_validation.vectors.tasks import vectors

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
STATEMENTS = {entry["id"]: entry for entry in json.loads((ROOT / "validation" / "statements.json").read_text())["statements"]}


def test_the_example_prints_what_readme_shows():
    pytest.importorskip("flint", reason="the proof needs python-flint: pip install -e '.[certify]'")
    code, shown = re.search(r"```python\n(import numpy.*?)```\n\n```\n(.*?)```", README, re.S).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    computed, proved = ([line.split("proved:") for line in text.splitlines()] for text in (printed.getvalue(), shown))
    assert len(computed) == 7
    assert computed == proved  # the digits that are printed are the same on every machine
    for x, ball in computed:
        assert float(x) == pytest.approx(float(ball.split()[0][1:]), abs=1e-7)


def test_the_run_that_readme_shows_is_the_plan():
    """The head of the table, and how many cases every implementation has: what passes, what does not, and what it cannot be asked."""
    plan = plan_of(parse([]))
    shown = re.search(r"```\n(Conformance suite.*?)```", README, re.S)[1]
    assert " ".join(cli._what_is_run(plan).split()) in " ".join(shown.split())
    rows = re.findall(r"(?m)^([\w.]+): passes (\d+) of (\d+)(.*)$", shown)
    names = [adapter.name for word in ("refnode", "scipy", "autograd") for adapter in load(word, True).adapters]
    assert [row[0] for row in rows] == names
    for _, passes, asked, rest in rows:
        counts = {what: int(n) for n, what in re.findall(r"(\d+) (fail|refused|unsupported)", rest)}
        assert int(asked) + counts.pop("unsupported", 0) == len(plan.all_items())
        assert int(passes) + sum(counts.values()) == int(asked)


def test_what_readme_counts():
    counts = {
        f"- {len(problems())} closed forms": True,
        f"- {len(vectors())} **test vectors**": True,
        f"the {len(bugs())} known bugs": True,
        f"On {len(detest.PROBLEMS)} DETEST problems": True,
        f"on {number_in_words(len(stiff.PROBLEMS))} stiff ones": True,
        f"On {number_in_words(sum(bool(problem.log_det) for problem in problems().values()))} flows with closed forms": True,
    }
    assert {text: text in README for text in counts} == counts


def number_in_words(n):
    return ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"][n]


NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])")


def paper_rows():
    """(experiment, what was found) of README's table."""
    for line in README.splitlines():
        if line.startswith("| `refnode paper"):
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            yield re.search(r"paper (\w+)`", cells[0])[1], cells[2]


@pytest.mark.parametrize(("name", "found"), list(paper_rows()))
def test_what_readme_says_of_the_experiments_is_in_the_report(name, found):
    """Each number of the last column, to the digits that are printed, is one of the report of the full run (notebooks/paper)."""
    entry = json.loads((ROOT / "notebooks" / "paper" / "report.json").read_text())[name]
    reported = [float(x.replace(",", "")) for x in NUMBER.findall(json.dumps([entry["lines"], entry["claims"]]))]
    reported += [count(claim["cases"]) for claim in entry["claims"] for count in (sum, len)]
    for word in NUMBER.findall(re.sub(r"Figure \d", "", found)):
        digits, _, exponent = word.replace(",", "").partition("e")
        unit = 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        x = float(word.replace(",", ""))
        assert any(abs(y - x) <= 0.501 * unit for y in reported), f"{word} is not in the report of {name}"


def test_the_two_commands_stand_at_the_top():
    first = README.split("## ")[0]
    assert 'pip install -e ".[validation]" && refnode validate' in first
    assert 'pip install -e ".[test]" && pytest -n 2' in first


def index_rows():
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[SE]\d+", cells[0]):
            yield cells[0], re.findall(r"`([^`]+)`", cells[-1])


def test_index_and_registry_are_the_same():
    assert dict(index_rows()) == {key: entry["implemented_by"] for key, entry in STATEMENTS.items()}


def tagged(doc):
    return set(re.findall(r"[SE]\d+", " ".join(re.findall(r"Statement: ((?:[SE]\d+(?:, )?)+)", doc or ""))))


def symbol(name):
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name} does not exist")


@pytest.mark.parametrize("key", STATEMENTS)
def test_implementing_symbols_name_their_statement(key):
    for name in STATEMENTS[key]["implemented_by"]:
        assert key in tagged(symbol(name).__doc__), f"the docstring of {name} lacks Statement: {key}"


def test_docstrings_name_only_statements_that_name_them_back():
    for path in (ROOT / "refnode").rglob("*.py"):
        module = ".".join(["refnode", *path.relative_to(ROOT / "refnode").with_suffix("").parts]).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                name = module if isinstance(node, ast.Module) else f"{module}.{node.name}"
                for key in tagged(ast.get_docstring(node)):
                    assert key in STATEMENTS, f"{name} names {key}, which is not in statements.json"
                    assert name in STATEMENTS[key]["implemented_by"], f"{name} names {key}, which does not name it back"
