"""`refnode paper`: that it runs, resumes, refuses; the energies; and that torchdiffeq's example is the same function in both libraries."""

import json

import numpy as np
import pytest

from refnode.cli import main
from refnode.experiments.paper import report as report_module
from refnode.experiments.paper import x3, x4, x7
from refnode.experiments.paper.peer import installed, torchdiffeq_losses
from refnode.experiments.paper.report import Report
from refnode.experiments.paper.results import Outcome, Results, claim, cosine
from refnode.experiments.paper.targets import DATA, EDGE, TARGETS, circles, log_Z, two_modes
from refnode.flows.guards import Guard, Guards

TINY_X3 = {"sizes": [2], "CNF steps": 3, "NF steps": 3, "batch": 16, "CNF rate": 1e-2, "NF rate": 1e-3, "samples": 200}
TINY_X4 = x4.QUICK | {"units": 3, "CNF steps": 3, "NF steps": 3, "train": 100, "test": 60,
                      "example": x4.EXAMPLE | {"units": 3, "hidden": 4, "batch": 8, "steps": 3}}


@pytest.fixture
def few_guards(monkeypatch):
    """One line instead of the table, which takes seconds."""
    for module in (x3, x4):
        monkeypatch.setattr(module, "guards", lambda *args, **keywords: Guards((Guard("unit mass", np.nan, 1e-4, False),)))


def test_x3_writes_numbers_and_a_picture_and_does_nothing_twice(tmp_path, monkeypatch, capsys, few_guards):
    monkeypatch.setattr(x3, "QUICK", TINY_X3)
    assert main(["paper", "X3", "--quick", "--output", str(tmp_path), "--seeds", "0"]) == 0
    assert "of 3 rows" in (out := capsys.readouterr().out)
    assert "0 of 3 hold; not: unit mass (3)" in out
    stored = (tmp_path / "X3-quick.json").read_text()
    assert json.loads(stored)["settings"] == TINY_X3
    assert len(json.loads(stored)["parts"]) == 6
    assert (tmp_path / "X3-quick.png").read_bytes().startswith(b"\x89PNG")
    for part in ("continuous", "discrete"):
        monkeypatch.setattr(x3, part, lambda *args: pytest.fail("a finished part was computed again"))
    assert main(["paper", "X3", "--quick", "--output", str(tmp_path), "--seeds", "0"]) == 0
    assert (tmp_path / "X3-quick.json").read_text() == stored
    assert capsys.readouterr().out == out


def test_x4_and_x7(tmp_path, monkeypatch, capsys, few_guards):
    monkeypatch.setattr(x4, "QUICK", TINY_X4)
    monkeypatch.setattr(x7, "QUICK", x7.FULL | {"counts": [1, 10], "points": 5})
    monkeypatch.setattr(x4, "installed", lambda: False)
    assert main(["paper", "X4", "--quick", "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Skipped: the same in torchdiffeq, which is not installed" in out
    assert {"circles-CNF-seed0", "moons-NF-seed0", "example-refnode-seed0"} <= json.loads((tmp_path / "X4-quick.json").read_text())["parts"].keys()
    assert main(["paper", "X7", "--quick", "--output", str(tmp_path), "--seeds", "0"]) == 0
    assert "ten random flows, the paper's default (1.5e-8)" in capsys.readouterr().out
    report = (tmp_path / "report-quick.md").read_text()
    assert "say nothing about the paper" in report
    assert "## X4. Maximum likelihood" in report
    assert "## X7. There and back" in report
    assert json.loads((tmp_path / "report-quick.json").read_text())["X7"]["claims"][0]["verdict"] in ("holds", "in part", "not here")
    assert {path.name for path in tmp_path.glob("*.png")} == {"X4-quick.png", "X7-quick.png"}


def test_ten_flows_come_back():
    """S72: ten random flows, one after the other and back, at the paper's default tolerances: 1e-5."""
    assert x7.stacked(x7.FULL, 10, 0, {"rtol": 1.5e-8, "atol": 1.5e-8})["error"] < x7.BOUND


def test_verdicts_are_found_from_the_cases():
    def verdict(*cases):
        return claim("S0", "", "", "", "", cases).verdict

    assert verdict(True) == verdict(np.True_, True) == "holds"
    assert verdict(True, False) == "in part"
    assert verdict(False, np.nan < 1) == "not here"
    with pytest.raises(ValueError, match="has no case"):
        verdict()


def test_a_report_keeps_other_experiments_and_prints_the_same_without_rich(tmp_path, capsys, monkeypatch):
    results = Results(tmp_path, "X1", {})
    first = claim("S22", "a|b", "0.42 %", "[3] %", "below 6 %", [True, False])
    Report(tmp_path, False).add("X10", Outcome(["line"], [first], [tmp_path / "X10.png"], results), "Title", [0])
    report = Report(tmp_path, False)
    report.add("X2", Outcome(["other"], [first._replace(cases=(True,))], [], results), "Other", [0, 1])
    text = (tmp_path / "report.md").read_text()
    assert "| X10 | S22 | a\\|b | 0.42 % | [3] % | **in part** (1/2) |" in text
    assert text.index("## X2. Other") < text.index("## X10. Title") < text.index("![X10](X10.png)")
    monkeypatch.setenv("COLUMNS", "150")
    report.show(["X2"])
    assert "line" not in (rich := capsys.readouterr().out)
    monkeypatch.setattr(report_module.importlib.util, "find_spec", lambda name: None)
    report.show(["X2"])
    plain = capsys.readouterr().out
    for word in ("S22", "a|b", "[3] %", "holds (1/1)", "other"):
        assert word in rich
        assert word in plain


@pytest.mark.parametrize(("argv", "message"), [
    (["X99"], "there is no experiment X99; there are: X"),
    (["X3", "--seeds", "1", "1"], "seeds are different whole numbers from 0 on"),
    (["X3", "--seeds", "-1"], "seeds are different whole numbers from 0 on"),
    (["X3", "--output", "/nowhere/at/all"], "there is no folder /nowhere/at to make it in"),
    (["X3", "--output", __file__], "that is a file; give the name of a folder"),
    (["X1", "x"], "there is no experiment X; there are: X"),
])
def test_nonsense_is_refused(argv, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["paper", *argv])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_what_is_not_computed_again_is_said(tmp_path, capsys):
    Results(tmp_path, "X3", {}).part("a", lambda: {})
    assert capsys.readouterr().err == ""
    Results(tmp_path, "X3", {})
    assert capsys.readouterr().err == f"X3: 1 part of it from {tmp_path / 'X3.json'}; to compute again, give another --output.\n"


def test_names_of_experiments_in_lower_case(tmp_path, capsys):
    assert main(["paper", "x10", "--quick", "--output", str(tmp_path)]) == 0
    assert "X10: The cost of a density" in capsys.readouterr().out


def test_results_of_other_settings_are_not_mixed(tmp_path, capsys):
    Results(tmp_path, "X3-quick", {"sizes": [3]}).part("a", lambda: {})
    with pytest.raises(SystemExit):
        main(["paper", "X3", "--quick", "--output", str(tmp_path)])
    assert "holds results of other settings; remove it and X3-quick-*.npz, or give another --output" in capsys.readouterr().err


def test_energies_can_be_integrated():
    """log Z of U1 is 1.8775; for all three nothing is left at the edge of the square, and half as many points along each axis do as well."""
    assert abs(log_Z(two_modes) - 1.8775) < 1e-4
    rim = np.stack([np.full(99, EDGE), np.linspace(-EDGE, EDGE, 99)], axis=-1)
    for U in TARGETS.values():
        assert abs(log_Z(U, 701) - log_Z(U)) < 1e-4
        for points in (rim, -rim, rim[:, ::-1], -rim[:, ::-1]):
            assert np.exp(-U(points)).max() < 1e-11


def test_samples_of_figure_5():
    for data in DATA.values():
        x = data(2000, 0)
        assert x.shape == (2000, 2)
        assert np.array_equal(x, data(2000, 0))
        assert np.abs(x.mean(axis=0)).max() < 0.05
    radius = np.linalg.norm(circles(2000, 0), axis=1)
    assert not np.any((radius > 1.05) & (radius < 1.15))


def test_learning_rate():
    rate = cosine(0.1, 100)
    assert rate(0) == 0.1
    assert rate(50) == pytest.approx(0.05)
    assert rate(100) == pytest.approx(0.0)


def test_the_example_is_the_same_in_torchdiffeq(tmp_path):
    """X4: three steps of Adam from the same parameters on the same batches: losses equal to the tolerance of the solves (1e-5 and errors of Adam)."""
    if not installed():
        pytest.skip("torchdiffeq is not installed")
    settings = TINY_X4["example"]
    results, at = Results(tmp_path, "X4", TINY_X4), x4.example_layers(settings, 0)
    ours = x4.refnode_losses(results, at, 0)
    theirs, _ = torchdiffeq_losses(at, lambda k: x4.example_batch(settings, 0, k), 3, settings)
    assert np.abs(np.array(ours["losses"]) - theirs).max() < 1e-4
    assert abs(ours["NLL"] - x4.peer_losses(results, at, 0)["NLL"]) < 1e-3
