"""The notebooks run, print what is stored in them, and stay what they are meant to be: short definitions, no traces of the machine."""

import ast
import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NAMES = ["01_from_resnet_to_ode", "02_the_adjoint_line_by_line", "03_the_engine", "04_solvers", "05_which_gradient",
         "06_reading_the_generated_code", "07_continuous_normalizing_flows", "08_supervised_learning", "09_latent_odes",
         "10_validate_your_own_library", "11_errata"]
QUICK = {  # of the long ones: smaller numbers for a quick version. As they are: pytest -m slow tests/test_notebooks.py
    "02_the_adjoint_line_by_line": {"(401, 201, 151, 101, 91, 81, 71, 61, 51, 41, 31)": "(101, 81, 51)"},
    "05_which_gradient": {"range(3, 10)": "range(3, 7)", "5 * (said": "1 * (said", "20, 40, 80, 160, 320)": "20)", "layer(320": "layer(20",
                          "(101, 11, 2)": "(2,)", "[0.0, 30.0]": "[0.0, 3.0]", "1280, 2560, 5120)": "1280)",
                          "linspace(1, 2, 100)": "linspace(1, 2, 10)"},
    "06_reading_the_generated_code": {"512": "40", "repeat=5": "repeat=1"},
    "07_continuous_normalizing_flows": {"400": "8", "grid=250": "grid=50"},
    "08_supervised_learning": {"300": "20"},
    "09_latent_odes": {"1500": "20", "60": "5"},
}
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


def test_all_notebooks_are_tested():
    assert [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))] == NAMES


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name in QUICK else name for name in NAMES])
def test_runs_and_prints_what_is_stored(name):
    for i, (stored, fresh) in enumerate(zip(cells(name), executed(name), strict=True)):
        if stored["cell_type"] == "code" and "varies" not in stored["metadata"].get("tags", []):
            assert words(fresh) == words(stored), (
                f"cell {i} prints something else than what is stored; jupyter execute --inplace notebooks/{name}.ipynb stores it.")


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_version_runs(name):
    """A long notebook with smaller numbers: each cell ends, and shows as many pictures."""
    for text in QUICK[name]:
        assert any(text in "".join(cell["source"]) for cell in cells(name)), f"{text!r} is not in {name}"
    for stored, fresh in zip(cells(name), executed(name, QUICK[name]), strict=True):
        assert pictures(fresh) == pictures(stored)


def executed(name, changes=None):
    """The cells of a notebook after a run in a kernel of its own; changes: {old text: new text} in all cells."""
    for package in ("matplotlib", "nbformat", "nbclient", "ipykernel"):
        pytest.importorskip(package, reason=f"notebooks need {package}: pip install -e '.[notebooks]'")
    import nbclient
    import nbformat

    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        for old, new in (changes or {}).items():
            cell.source = cell.source.replace(old, new)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return notebook.cells


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.get("outputs", []))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_stored(name):
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert sum(map(pictures, code)) >= 3
    for cell in code:
        statements = [node for node in ast.parse("".join(cell["source"])).body if not isinstance(node, ast.FunctionDef)]
        assert cell["outputs"] or not any(re.search(r"\b(print|show)\(", ast.unparse(node)) for node in statements)
        for output in cell["outputs"]:
            assert output["output_type"] != "error" or "raises-exception" in cell["metadata"].get("tags", [])
            assert output.get("name") != "stderr", "".join(output["text"])


@pytest.mark.parametrize("name", NAMES)
def test_small_and_without_traces_of_the_machine(name):
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size < 700_000
    for cell in cells(name):
        texts = [cell["source"], *(output.get("text", "") for output in cell.get("outputs", []))]
        texts += [value for output in cell.get("outputs", []) for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
        for text in texts:
            assert not re.search(r"/work|/tmp|/root|/home|site-packages|ipykernel_", "".join(text))


@pytest.mark.parametrize("name", NAMES)
def test_definitions_are_short(name):
    for cell in cells(name):
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    assert node.end_lineno - node.lineno < 10, node.name


def cells(name):
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]


def words(cell):
    """What a cell printed or displayed, without the numbers, which may differ in the last digits, and without the blanks between them."""
    texts = [output.get("text") or output.get("data", {}).get("text/markdown", "") for output in cell["outputs"]]
    return "".join(NUMBER.sub("#", "".join("".join(text) for text in texts)).split())
