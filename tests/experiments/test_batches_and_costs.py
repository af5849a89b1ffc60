"""X8, X10 and E14 at a tiny size, and the numbers that they rest on."""

import json

import numpy as np
import pytest

from refnode.cli import main
from refnode.experiments.paper import e14, x1, x8, x10


@pytest.mark.parametrize("norm", ["rms", "max"])
def test_a_batch_takes_at_most_what_its_members_take(norm):
    """S68: here, with fast moments one after the other, it comes near to that; K = 4."""
    part = x8.oscillators(x8.FULL, norm, 4)
    assert part["batch"] <= sum(part["alone"])
    assert x8.over_most(part) > 2


def test_oscillators_turn_fast_one_after_the_other():
    z, theta = np.tile([1.0, 0.0], (3, 1)), (np.arange(3), 3.0, 500.0)
    for k, t in enumerate((1 / 6, 1 / 2, 5 / 6)):
        speeds = np.linalg.norm(x8.one_after_the_other(z, t, theta), axis=1)
        assert speeds[k] == pytest.approx(501)
        assert np.delete(speeds, k) == pytest.approx([1, 1])


@pytest.mark.parametrize("M", [1, 2, 3, 5])
@pytest.mark.parametrize("D", [2, 3])
def test_counted_operations(M, D):
    """S34, S41: exactly M (D + 2) and sum (M - k)(M - k + 1) + M - 1; and the values are right."""
    found = x10.counts(M, D, 0)
    assert found["trace"] == M * (D + 2)
    assert found["determinant"] == x10.of_elimination(M)
    for name in ("trace", "determinant"):
        assert found[f"{name} is"] == pytest.approx(found[f"{name} should be"], rel=1e-12)


def test_elimination_is_cubic():
    """Third differences of a cubic are constant: 6 times 1/3."""
    assert set(np.diff([x10.of_elimination(M) for M in range(1, 20)], 3)) == {2}


def test_they_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(x1, "QUICK", x1.FULL | {"epochs": 1})
    monkeypatch.setattr(x8, "QUICK", x8.FULL | {"batches": [3], "tolerances": [1e-3], "oscillators": [2], "fast": 50.0})
    monkeypatch.setattr(x10, "QUICK", x10.FULL | {"units": [1, 2, 3]})
    monkeypatch.setattr(e14, "QUICK", e14.FULL | {"steps": 3, "points": 20, "tests": 50})
    assert main(["paper", "X8", "X10", "E14", "--quick", "--output", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report-quick.json").read_text())
    assert list(report) == ["X8", "X10", "E14"]
    assert {row["statement"] for entry in report.values() for row in entry["claims"]} == {"S68", "S41", "S34", "-", "E14"}
    assert [row["verdict"] for row in report["X10"]["claims"]] == ["holds"] * 3
    line = report["E14"]["claims"][0]
    assert line["verdict"] == "holds"  # no flow of the line is better than the variance, trained or not
    assert {path.name for path in tmp_path.glob("*.png")} == {"X8-quick.png", "X10-quick.png", "E14-quick.png"}
