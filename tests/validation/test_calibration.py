"""The thresholds: right implementations are below them and seeded bugs well above, as measured and committed."""

import json

import pytest
from refnode_validation.checks.catalog import everything

from . import calibrate

GAP = 4
CALIBRATION = json.loads(calibrate.FILE.read_text())


def faults(calibration):
    """Checks that are too close to right or to wrong implementations, one sentence each."""
    for id, check in everything().items():
        entry = calibration[id]
        if not 0 <= float(entry["right"]["ratio"]) <= 1:
            yield f"{id}: {entry['right']['by']} has the ratio {entry['right']['ratio']} on {entry['right']['case']}"
        if check.level == "required" and not float(entry["wrong"]["ratio"]) >= GAP:
            yield f"{id} is required, but gives {entry['wrong']['bug']} the ratio {entry['wrong']['ratio']} only"


def test_every_check_is_calibrated():
    assert {id: entry["level"] for id, entry in CALIBRATION.items()} == {id: check.level for id, check in everything().items()}


def test_required_checks_have_a_gap_between_right_and_wrong():
    assert list(faults(CALIBRATION)) == []


@pytest.mark.slow
def test_the_calibration_is_what_is_measured():
    """Within a factor of 2: rounding differs between machines, and near a threshold of the step size control that changes a step."""
    measured = calibrate.rounded(calibrate.measure())
    assert list(faults(measured)) == []
    for id, entry in CALIBRATION.items():
        for side in ("right", "wrong"):
            before, now = float(entry[side]["ratio"]), float(measured[id][side]["ratio"])
            assert before == now or before < 1e-3 > now or before / 2 <= now <= 2 * before, f"{id}, {side}: {before} was {now}"
