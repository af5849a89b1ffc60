"""The command line: what a user may type, and what comes back."""

import subprocess
import sys

import pytest

from refnode.cli import main
from refnode.version import __version__


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"refnode {__version__}\n"


def test_help_and_no_command(capsys):
    assert main(["--help"]) == 0
    assert main([]) == 2
    assert capsys.readouterr().out.count("usage: refnode COMMAND") == 2


def test_unknown_command(capsys):
    assert main(["valdate"]) == 2
    assert "there is no command 'valdate'" in capsys.readouterr().err


def test_python_m_refnode():
    run = subprocess.run([sys.executable, "-m", "refnode", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"refnode {__version__}\n"


@pytest.mark.parametrize("option", ["--iterations=0", "--seed=x"])
def test_demo_refuses_nonsense(option, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["demo", option])
    assert stop.value.code == 2


def test_demo_runs_and_draws(tmp_path, capsys):
    picture = tmp_path / "demo.png"
    assert main(["demo", "--iterations", "8", "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "8 steps in" in capsys.readouterr().out
