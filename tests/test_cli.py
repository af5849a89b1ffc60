"""The command line: what a user may type, and what comes back."""

import subprocess
import sys

import pytest

from refnode.cli import main
from refnode.errors import MaxStepsReached
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


def test_plot_work_precision_draws(tmp_path, capsys):
    picture = tmp_path / "work.png"
    assert main(["plot", "work-precision", "--problems", "A1", "E4", "--methods", "dopri5", "tsit5", "--rounds", "1", "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    assert "dopri5: 1.000 to 1.000 of the evaluations of SciPy's RK45" in out and str(picture) in out


@pytest.mark.parametrize(("argv", "message"), [
    ([], "which picture?"),
    (["steps"], "there is no picture 'steps'"),
])
def test_plot_of_nothing(argv, message, capsys):
    assert main(["plot", *argv]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("options", "message"), [
    (["--problems", "Z9"], "there is no problem 'Z9'; the problems are: A1"),
    (["--problems", "A1", "A2", "A3", "A4", "A5", "B1"], "6 problems do not fit"),
    (["--methods", "rk4"], "there is no method 'rk4' with an error estimate; those are: "),
    (["--rounds", "0"], "--rounds must be at least 1"),
    (["--output", "/nowhere/at/all.png"], "there is no such folder"),
])
def test_plot_work_precision_refuses_nonsense(options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["plot", "work-precision", *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_plot_without_matplotlib_says_so_before_any_work(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("refnode.experiments.work_precision.measure", lambda *args: pytest.fail("the work was begun"))
    assert main(["plot", "work-precision"]) == 2
    assert 'refnode plot needs the package matplotlib; install it with: pip install -e ".[experiments]"' in capsys.readouterr().err


def test_plot_work_precision_after_a_failed_solve(monkeypatch, capsys):
    def fails(*args):
        raise MaxStepsReached("max_steps = 100000 steps were tried.", t=1.0, h=1e-5)

    monkeypatch.setattr("refnode.experiments.work_precision.by_refnode", fails)
    assert main(["plot", "work-precision", "--problems", "D1"]) == 1
    assert "refnode plot: no picture of D1, as a solve failed: max_steps = 100000" in capsys.readouterr().err
