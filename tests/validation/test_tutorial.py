"""The tutorial: its adapter works as it stands, and what the text says of it is so."""

import re
from pathlib import Path

import pytest
from refnode_validation import cli
from refnode_validation.outcomes import FIELDS

TEXT = Path(cli.__file__).with_name("TUTORIAL.md").read_text()
ADAPTER = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
SIGN = "dt[0] = -a @ f("


@pytest.fixture
def run(tmp_path, capsys):
    def run(source, *more):
        (tmp_path / "mine.py").write_text(source)
        code = cli.main(["--alone", "--impl", f"{tmp_path / 'mine.py'}:Mine", "--in-process", *more])
        return code, re.sub(r"\s+", " ", capsys.readouterr().out)

    return run


def test_the_adapter_passes(run):
    """On one problem of each kind: forced, planar, and a flow."""
    code, out = run(ADAPTER, "--problem", "P10,P28,P20")
    assert code == 0
    assert re.search(r"mine: passes \d+ of \d+, 3 fail, \d+ unsupported", out)  # grad.scaling, recommended: its atol is absolute
    assert "mine: grad.scaling 3 cases, recommended" in out


def test_the_adapter_passes_nets(run):
    """Its complex steps meet every function of the language, and f without parameters."""
    code, out = run(ADAPTER, "--problem", "net-softplus-2-3-2,net-gated,edge-no-parameters", "--rtol", "1e-6")
    assert code == 0, out


def test_the_smoke_tier_has_no_unexpected_outcome(run):
    code, out = run(ADAPTER, "--tier", "smoke")
    assert code == 0, out
    assert re.search(r"mine: passes (\d+) of \1, \d+ unsupported", out)


def test_the_mistake_of_the_text_is_seen_as_the_text_says(run):
    wrong = ADAPTER.replace(SIGN, SIGN.replace("-a", "a"))
    assert wrong != ADAPTER
    code, out = run(wrong, "--problem", "P10", "--only", "grad.*")
    assert code == 1
    shown = re.search(r"worst P10 forward rtol 1e-10: dL/dt\[0\] got \S+, expected \S+, error \S+, ratio \S+", TEXT)[0]
    assert shown in out
    assert "mine: grad.z0" not in out
    assert "mine: grad.theta" not in out


def test_the_line_of_the_list_is_read(run, tmp_path):
    header, line = re.search(r"    # (implementation.*?)\n    (mine \|.*?)\n", TEXT).groups()
    assert header == FIELDS.replace("pattern", "pattern of case ids")
    (tmp_path / "mine.expected").write_text(line + "\n")
    few = ("--problem", "P10", "--only", "grad.t", "--rtol", "1e-10")
    assert run(ADAPTER.replace(SIGN, SIGN.replace("-a", "a")), *few)[0] == 0
    code, out = run(ADAPTER, *few)
    assert code == 1
    assert "XPASS" in out
