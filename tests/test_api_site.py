"""The pages that one command makes of the docstrings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMAND = re.search(r"pip install -e \"\.\[docs\]\" && pdoc (-o site .*?)`", (ROOT / "README.md").read_text())


def test_readme_has_the_command():
    words = COMMAND.group(1).split()
    folders = {path.parent.name for path in (ROOT / "refnode").glob("*/__init__.py")}
    assert set(words[2:]) == {"refnode", *(f"refnode.{name}" for name in folders)}


def test_pages_of_a_part(tmp_path):
    """All of it takes half a minute; one package shows that docstrings become pages, with their formulas."""
    pytest.importorskip("pdoc", reason="needs pdoc: pip install -e '.[docs]'")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-m", "pdoc", "-o", str(tmp_path), "refnode", "refnode.gradients"], check=True, capture_output=True, timeout=120,
                   env={**os.environ, "PYTHONPATH": path})
    page = (tmp_path / "refnode" / "gradients" / "adjoint.html").read_text(encoding="utf-8")
    assert "Algorithm 1" in page
    assert "-a^T df/dtheta" in page
    assert "odeint" in (tmp_path / "refnode.html").read_text(encoding="utf-8")
