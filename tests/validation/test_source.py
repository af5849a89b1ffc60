"""The source of the suite keeps its own rules."""

import ast
from pathlib import Path

import pytest
import refnode_validation

KNOW_REFNODE = ("impls/refnode.py", "mutants/naive.py", "mutants/ways.py", "mutants/detours.py")
FOLDER = Path(refnode_validation.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_source(path):
    text = path.read_text(encoding="utf-8")
    assert text.isascii()
    lines = text.splitlines()
    assert len(lines) <= 300
    assert max(map(len, lines), default=0) <= 140
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module.split(".")[0] != "refnode_validation", "imports inside the suite are relative"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            knows = any(name.split(".")[0] == "refnode" for name in names) and getattr(node, "level", 0) == 0
            assert not knows or path.relative_to(FOLDER).as_posix() in KNOW_REFNODE
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    assert all(ast.get_docstring(node) for node in public)
