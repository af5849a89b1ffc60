"""The import graph of the house, as data (DESIGN, section 2)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {  # layer: what it may import, beside itself, NumPy, SciPy and the standard library; the longest matching prefix counts
    "refnode.errors": [],
    "refnode.version": [],
    "refnode.tree": ["refnode.errors"],
    "refnode.autodiff": ["refnode.tree", "refnode.errors"],
    "refnode.autodiff.rules": ["refnode.autodiff.formulas"],
    "refnode.autodiff.formulas": [],
    "refnode.ode": ["refnode.tree", "refnode.errors"],
    "refnode.gradients": ["refnode.ode", "refnode.autodiff", "refnode.tree", "refnode.errors"],
    "refnode.models": ["refnode.gradients", "refnode.ode", "refnode.autodiff", "refnode.tree", "refnode.errors"],
    "refnode.flows": ["refnode.models", "refnode.gradients", "refnode.ode", "refnode.autodiff", "refnode.tree", "refnode.errors"],
    "refnode.experiments": ["refnode"],
    "refnode.plots": ["refnode"],
    "refnode.cli": ["refnode", "refnode_validation"],
    "refnode.__main__": ["refnode"],
    "refnode": ["refnode"],
    "refnode_validation.impls.refnode": ["refnode", "refnode_validation"],
    "refnode_validation.mutants.naive": ["refnode"],
    "refnode_validation.mutants.ways": ["refnode", "refnode_validation"],
    "refnode_validation.mutants.detours": ["refnode", "refnode_validation"],
    "refnode_validation": ["refnode_validation"],
}
CORE = {"numpy", "scipy", *sys.stdlib_module_names}


def modules():
    for folder, package in (("refnode", "refnode"), ("validation", "refnode_validation")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts])
            yield name.removesuffix(".__init__"), path


def imports(name, path):
    """Absolute names of all that a file imports, wherever in the file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            module = (f"{base}.{node.module}" if node.module else base) if node.level else node.module
            known = {other for other, _ in MODULES}
            for alias in node.names:
                yield f"{module}.{alias.name}" if f"{module}.{alias.name}" in known else module


MODULES = list(modules())


def within(name, layer):
    return name == layer or name.startswith(layer + ".")


def layer_of(name):
    return max((layer for layer in MAY_IMPORT if within(name, layer)), key=len)


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_stay_within_the_layers(name, path):
    layer = layer_of(name)
    family = layer if layer != "refnode.autodiff.rules" else "refnode.autodiff.rules"
    for imported in imports(name, path):
        if imported.split(".")[0] in ("refnode", "refnode_validation"):
            assert within(imported, family) or any(within(imported, allowed) for allowed in MAY_IMPORT[layer]), f"{name} imports {imported}"
        elif layer not in ("refnode.experiments", "refnode.plots") and within(name, "refnode"):
            assert imported.split(".")[0] in CORE, f"{name} imports {imported}"


def test_no_cycles():
    graph = {name: {i for i in imports(name, path) if i in dict(MODULES) and i != name} for name, path in MODULES}
    done, open_now = set(), []

    def visit(name):
        assert name not in open_now, " -> ".join([*open_now, name])
        if name not in done:
            open_now.append(name)
            for other in graph[name]:
                visit(other)
            open_now.pop()
            done.add(name)

    for name in graph:
        visit(name)


def test_only_impls_refnode_knows_refnode():
    for name, path in MODULES:
        knowing = [f"refnode_validation.{file}" for file in ("impls.refnode", "mutants.naive", "mutants.ways", "mutants.detours")]
        if name.startswith("refnode_validation") and name not in knowing:
            assert not any(within(i, "refnode") for i in imports(name, path)), name


def test_the_specification_does_not_know_what_makes_it_fast():
    for name, path in MODULES:
        if name != "refnode" and not within(name, "refnode.autodiff.compiled"):
            assert not any(within(i, "refnode.autodiff.compiled") for i in imports(name, path)), name


def test_packages_reexport_nothing():
    for name, path in MODULES:
        if path.name == "__init__.py" and name not in ("refnode", "refnode_validation"):
            assert not list(imports(name, path)), name


def test_import_refnode_imports_numpy_only():
    code = "import sys, refnode; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"scipy", "autograd", "matplotlib", "rich", "refnode_validation"}


def test_files_stay_short():
    """About 300 lines: the text of the house rule is 'about', the limit here is where a file should be split."""
    long = {name: n for name, path in MODULES if (n := len(path.read_text().splitlines())) > 340}
    assert not long, long
