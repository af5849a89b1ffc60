"""check_dynamics: each defect of a right-hand side is named, and a sound one is not accused."""

import math

import numpy as np
import pytest

import refnode as rn
from tests.zoo import FORCED_THETA, forced, linear, mlp, mlp_parameters

RNG = np.random.default_rng(0)


def wrong(report):
    return {finding.name for finding in report.findings if finding.verdict == "WRONG"}


@pytest.mark.parametrize(("f", "z0", "theta"), [
    (forced, [0.3, -0.2], FORCED_THETA),
    (mlp, RNG.normal(size=(4, 3)), mlp_parameters(RNG, 3, 5)),
    (linear, RNG.normal(size=3), RNG.normal(size=(3, 3))),
    (lambda z, t, theta: {"x": -z["x"], "y": z["x"].sum() * z["y"]}, {"x": np.ones(2), "y": np.array(0.4)}, ()),
    (lambda z, t, theta: [z[1], -z[0]], [1.0, 0.0], None),
    (lambda z, t, theta: -z, 1.0, 3),
], ids=["forced", "batch", "linear", "tree", "list", "scalar"])
def test_sound_dynamics_are_ok(f, z0, theta):
    report = rn.check_dynamics(f, z0, 0.2, theta)
    assert report.ok, str(report)
    assert "pullback      the pullback agrees" in str(report)


def test_signature():
    report = rn.check_dynamics(lambda t, z, theta: z, 1.0)
    assert wrong(report) == {"signature"}
    assert "f(z, t, theta)" in report.findings[0].text


def test_shape():
    assert wrong(rn.check_dynamics(lambda z, t, theta: z.sum(), [1.0, 2.0])) == {"shape"}
    assert wrong(rn.check_dynamics(lambda z, t, theta: None, [1.0, 2.0])) == {"shape"}


def test_finite():
    with np.errstate(invalid="ignore"):
        assert wrong(rn.check_dynamics(lambda z, t, theta: np.sqrt(z - 5.0), [0.0, 1.0])) == {"finite"}


def test_hidden_state_and_randomness():
    calls = []
    assert wrong(rn.check_dynamics(lambda z, t, theta: z * (calls.append(1) or len(calls)), [1.0])) == {"determinism"}
    assert wrong(rn.check_dynamics(lambda z, t, theta: z + RNG.normal(), [1.0])) == {"determinism"}


def test_purity():
    def doubles(z, t, theta):
        z *= 2
        return z
    assert wrong(rn.check_dynamics(doubles, [1.0, 2.0])) == {"purity"}
    theta = np.ones(2)

    def counts(z, t, _):
        theta[0] += 1
        return -z
    assert "purity" in wrong(rn.check_dynamics(counts, [1.0, 2.0], 0.0, theta))


def test_single_precision_inside():
    report = rn.check_dynamics(lambda z, t, theta: np.tanh(z.astype(np.float32) * theta).astype(np.float64), [0.3, 0.7], 0.0, np.float32(1.7))
    assert "precision" in wrong(report)


def test_rows_that_interact_are_noted():
    report = rn.check_dynamics(lambda z, t, theta: z - z.mean(0), RNG.normal(size=(3, 2)))
    assert report.ok
    assert any(finding.name == "rows" and finding.verdict == "note" for finding in report.findings)


def test_a_wrong_pullback_of_its_own():
    def f(z, t, theta):
        return theta * z

    f.pullback = lambda z, t, theta: (theta * z, lambda g: (theta * g, 0.0, 1.001 * np.sum(g * z)))
    assert wrong(rn.check_dynamics(f, [1.0, 2.0], 0.0, 0.7)) == {"pullback"}
    f.pullback = lambda z, t, theta: (theta * z, lambda g: (theta * g, 0.0, None))
    assert wrong(rn.check_dynamics(f, [1.0, 2.0], 0.0, 0.7)) == {"pullback"}
    f.pullback = lambda z, t, theta: (theta * z, lambda g: (theta * g, 0.0, np.sum(g * z)))
    assert rn.check_dynamics(f, [1.0, 2.0], 0.0, 0.7).ok


def test_what_can_be_solved_but_not_differentiated():
    report = rn.check_dynamics(lambda z, t, theta: z * math.sin(z[0]), [0.4, 0.7])
    assert wrong(report) == {"pullback"}
    assert "np.sin" in str(report)


def test_exceptions_inside_f_surface_unchanged():
    with pytest.raises(KeyError, match="missing"):
        rn.check_dynamics(lambda z, t, theta: {}["missing"], [1.0])
