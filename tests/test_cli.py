"""The command line: what a user may type, and what comes back."""

import json
import re
import subprocess
import sys

import numpy as np
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


@pytest.mark.parametrize("words", ["errata", "validate --list"])
def test_a_reader_that_has_enough(words):
    """refnode ... | head: no traceback."""
    with subprocess.Popen([sys.executable, "-m", "refnode", *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait(60)


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


DYNAMICS = """
import numpy as np
z0, ts, theta, start, half = [1.0, 0.5], [0.0, 0.5, 1.0], -0.7, [2.0, 1.0], [0.0, 0.5]
def f(z, t, theta):
    return theta * z
def last(zs):
    return zs[-1, 0]
def fails(z, t, theta):
    return z * z * 9
"""
QUICKLY = ("--gradients", "adjoint,discrete", "--rtol", "1e-4")


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "dynamics.py"
    path.write_text(DYNAMICS)
    return path


@pytest.mark.parametrize(("options", "loss", "z0", "ts", "theta"), [
    ((), lambda zs: (zs**2).sum(), [1.0, 0.5], [0.0, 0.5, 1.0], -0.7),
    (("--z0", "start", "--ts", "half", "--theta", "-0.2", "--loss", "last"), lambda zs: zs[-1, 0], [2.0, 1.0], [0.0, 0.5], -0.2),
    (("--z0=-1,3", "--ts", "0:2:3"), lambda zs: (zs**2).sum(), [-1.0, 3.0], [0.0, 1.0, 2.0], -0.7),
])
def test_doctor_takes_names_and_numbers(options, loss, z0, ts, theta, module, capsys):
    assert main(["doctor", f"{module}:f", *QUICKLY, *options]) == 0
    out = capsys.readouterr().out
    value = loss(np.array(z0) * np.exp(theta * (np.array(ts)[:, None] - ts[0])))
    printed = float(re.match(r"loss ([-\d.e]+), rtol 0.0001;", out)[1])
    assert abs(printed / value - 1) < 2 * 10 * 1e-7  # the loss is that of the reference, at rtol / 1000; twice kappa, as the loss is a square
    assert 'Use gradient="discrete"' in out and out.count("\nadjoint ") == 1 and "forward " not in out


def test_doctor_imports_a_module_and_draws(module, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(module.parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    picture = tmp_path / "doctor.png"
    assert main(["doctor", "dynamics:f", *QUICKLY, "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"drawn: {picture}" in capsys.readouterr().out


@pytest.mark.parametrize(("place", "options", "message"), [
    ("{}", (), "does not name dynamics; write module:f or path/to/file.py:f"),
    ("{}:g", (), "has no function 'g'; it has f, last, fails"),
    ("{}:z0", (), "has no function 'z0'"),
    ("/nowhere/x.py:f", (), "/nowhere/x.py cannot be imported"),
    ("nosuchmodule:f", (), "nosuchmodule cannot be imported"),
    ("{}:f", ("--z0", "begin"), "--z0 begin: the module has no such name"),
    ("{}:f", ("--ts", "0:1"), "--ts 0:1: give a name, numbers such as 1,0.5, or start:end:count"),
    ("{}:f", ("--output", "/nowhere/at/all.png"), "there is no such folder"),
    ("{}:f", ("--gradients", "adjont"), "there is no gradient method 'adjont'"),
    ("{}:f", ("--method", "rk45"), "rk45"),
    ("{}:f", ("--loss", "z0"), "loss must be a function of the observations"),
])
def test_doctor_refuses_nonsense(place, options, message, module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path])
    try:
        code = main(["doctor", place.format(module), *options])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err


def test_doctor_asks_for_what_is_missing(tmp_path, capsys):
    bare = tmp_path / "bare.py"
    bare.write_text("def f(z, t, theta):\n    return -z\n")
    with pytest.raises(SystemExit):
        main(["doctor", f"{bare}:f"])
    assert "the module has no z0; define it there, or give --z0" in capsys.readouterr().err
    assert main(["doctor", f"{bare}:f", "--z0", "1", "--ts", "0,1", *QUICKLY]) == 0


def test_doctor_after_a_failed_solve(module, capsys):
    assert main(["doctor", f"{module}:fails", *QUICKLY]) == 1
    assert "refnode doctor: the reference could not be computed: " in capsys.readouterr().err


def test_doctor_without_matplotlib_says_so_before_any_work(module, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("refnode.experiments.doctor.gradient_report", lambda *args, **keywords: pytest.fail("the work was begun"))
    with pytest.raises(SystemExit):
        main(["doctor", f"{module}:f", "--output", "x.png"])
    assert '--output needs the package matplotlib; install it with: pip install -e ".[plots]"' in capsys.readouterr().err


def test_show_prints_the_source_and_its_pullback(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["show", f"{module}:f"]) == 0
    out = capsys.readouterr().out
    assert f"# {module}:f at z of " in out
    assert out.count("def f(z, t, theta):") == 2
    assert "def back(g):" in out


def test_show_json(tmp_path, capsys):
    """The dynamics as data, one expression a line, and what the language lacks in one sentence."""
    file = tmp_path / "pendulum.py"
    file.write_text("import numpy as np\nz0 = [1.0, 2.0]\ntheta = (9.0,)\n"
                    "def f(z, t, theta):\n    return [z[1], -theta[0] * np.sin(z[0])]\n"
                    "def g(z, t, theta):\n    return np.arctan(z)\n")
    assert main(["show", "--json", f"{file}:f"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {"dim": 2, "params": 1, "let": [], "rhs": [["z", 1], ["mul", ["neg", ["theta", 0]], ["sin", ["z", 0]]]]}
    assert len(out.splitlines()) == 5
    with pytest.raises(SystemExit) as stop:
        main(["show", "--json", f"{file}:g"])
    assert stop.value.code == 2
    assert "refnode show: f uses np.arctan, for which the language of expressions has no words" in capsys.readouterr().err


@pytest.mark.parametrize(("place", "options", "message"), [
    ("{}", (), "does not name dynamics"),
    ("{}:g", (), "has no function 'g'"),
    ("{}:f", ("--z0", "begin"), "--z0 begin: the module has no such name"),
    ("{}:f", ("--t", "soon"), "invalid float value: 'soon'"),
    ("{}:f", ("--z0", "1,2,3", "--theta", "x"), "--theta x: the module has no such name"),
])
def test_show_refuses_nonsense(place, options, message, module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(SystemExit) as stop:
        main(["show", place.format(module), *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("line", "message"), [
    ("return z * theta['k']", "refnode show: KeyError: 'k' (wrong.py:2)"),
    ("return None", "f returned None"),
    ("return z @ theta", "(wrong.py:2)"),
    ("return z / (1 // 0)", "ZeroDivisionError"),
])
def test_show_says_where_f_fails(line, message, tmp_path, capsys):
    file = tmp_path / "wrong.py"
    file.write_text(f"def f(z, t, theta):\n    {line}\nz0 = [1.0, 2.0]\ntheta = {{}} if 'k' in {line!r} else [1.0, 2.0, 3.0]\n")
    with pytest.raises(SystemExit) as stop:
        main(["show", f"{file}:f"])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_show_says_what_cannot_be_compiled(tmp_path, capsys):
    file = tmp_path / "branches.py"
    file.write_text("def f(z, t, theta):\n    return z if z[0] > 0 else -z\n")
    with pytest.raises(SystemExit) as stop:
        main(["show", f"{file}:f", "--z0", "1,2"])
    assert stop.value.code == 2
    assert "cannot branch on the values of its arguments" in capsys.readouterr().err
