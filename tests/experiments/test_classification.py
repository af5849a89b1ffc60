"""X1 and X2 at a tiny size; and what they say of ODE-Nets, on networks with random parameters."""

import functools
import json

import numpy as np
import pytest

import refnode as rn
from refnode.cli import main
from refnode.experiments.paper import x1, x2
from refnode.experiments.paper.results import Results
from refnode.models.odenet import dynamics, dynamics_init
from refnode.tree import leaves

TINY_X1 = x1.FULL | {"epochs": 1, "blocks": 2, "steps": 1, "repeats": 1, "memory tolerances": [1e-2, 1e-6]}
TINY_X2 = x2.FULL | {"batch": 8, "tolerances": [1e-2, 1e-3, 1e-5, 1e-6], "scales": [1.0, 1e4], "repeats": 1}
RNG = np.random.default_rng(11)
H0, G = RNG.normal(size=(6, 4)), RNG.normal(size=(6, 4))
THETA = tuple(2 * leaf for leaf in dynamics_init(RNG, 4, 8))
SOLVER = {"rtol": 1e-3, "atol": 1e-3}


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in leaves(tree)])


EXACT = flat(rn.grad(lambda theta: np.sum(G * rn.ODESolve(H0, dynamics, 0.0, 1.0, theta, gradient="discrete", rtol=1e-11, atol=1e-12)))(THETA))


def test_x1_and_x2_write_numbers_pictures_and_verdicts(tmp_path, monkeypatch, capsys):
    """S29 on the way: an ODE-Net after one epoch has the same test error at 1e-2 as at 1e-6, within a point."""
    monkeypatch.setattr(x1, "QUICK", TINY_X1)
    monkeypatch.setattr(x2, "QUICK", TINY_X2)
    assert main(["paper", "X1", "X2", "--quick", "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "no block" in out
    for name in ("X1-quick", "X2-quick"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    parts = json.loads((tmp_path / "X1-quick.json").read_text())["parts"]
    assert parts["ODE-Net-seed0"]["parameters"] == 2314
    assert parts["no-block-seed0"]["parameters"] == 1210
    assert parts["ResNet-seed0"]["parameters"] == 1210 + 2 * 1072
    assert len(parts["ODE-Net-seed0"]["error by epoch"]) == 2
    assert parts["ODE-Net-seed0"]["error by epoch"][0] > 60 > parts["ODE-Net-seed0"]["error"]
    errors = json.loads((tmp_path / "X2-quick.json").read_text())["parts"]["dopri5-seed0"]["test error"]
    assert max(errors) - min(errors) <= 1
    report = (tmp_path / "report-quick.md").read_text()
    for id in ("S19", *(f"S{n}" for n in range(22, 32))):
        assert f"| {id} |" in report
    monkeypatch.setattr(x1, "train", lambda *args, **keywords: pytest.fail("a finished part was trained again"))
    assert main(["paper", "X2", "--quick", "--output", str(tmp_path)]) == 0


def test_training_is_repeatable(tmp_path):
    settings = TINY_X1 | {"epochs": 1}
    found = [x1.trained(Results(tmp_path, f"X1-{k}", settings), "RK-Net", 3) for k in range(2)]
    assert found[0]["loss"] == found[1]["loss"]
    assert found[0]["error by epoch"] == found[1]["error by epoch"]


def test_epochs_show_each_row_once():
    x = np.arange(10.0)[:, None]
    batch, rng = x1.epochs(x, x, 3), np.random.default_rng(0)
    for _ in range(3):
        rows = np.concatenate([batch(rng)[0] for _ in range(3)])[:, 0]
        assert len(set(rows)) == 9


def test_depth_is_the_number_of_evaluations():
    """S22, S24: the implicit number of layers is the number of calls of f, exactly, and so is the work: two matrix products each."""
    calls = 0

    def counted(h, t, theta):
        nonlocal calls
        calls += 1
        return dynamics(h, t, theta)

    for tolerance in (1e-2, 1e-5, 1e-8):
        calls, stats = 0, rn.Stats()
        rn.ODESolve(H0, counted, 0.0, 1.0, THETA, rtol=tolerance, atol=tolerance, stats=stats)
        assert calls == stats.forward.nfe
        assert x1.evaluations(functools.partial(forward, THETA), tolerance) == [calls]


def forward(theta, **solver):
    return rn.ODESolve(H0, dynamics, 0.0, 1.0, theta, **solver)


def spiral(z, t, theta):
    decay, turn = theta
    return z @ np.array([[-decay, -turn], [turn, -decay]])


def test_tolerance_controls_error_and_evaluations():
    """S23, on P05b over [0, 6]: error ~ tol, NFE ~ tol^(-1/5), by least squares; NFE never falls."""
    tolerances, errors, counts = 10.0 ** -np.arange(3, 12), [], []
    exact = np.exp(-0.6) * np.array([np.cos(12.0), -np.sin(12.0)])
    for tolerance in tolerances:
        stats = rn.Stats()
        found = rn.ODESolve(np.array([1.0, 0.0]), spiral, 0.0, 6.0, (0.1, 2.0), rtol=tolerance, atol=tolerance, stats=stats)
        errors.append(np.abs(found - exact).max())
        counts.append(stats.forward.nfe)
    assert 0.7 <= np.polyfit(np.log(tolerances), np.log(errors), 1)[0] <= 1.2
    assert np.all(np.diff(counts) >= 0)
    assert abs(np.polyfit(np.log(tolerances[3:]), np.log(counts[3:]), 1)[0] + 0.2) <= 0.05


def test_scale_of_the_loss():
    """S25, S26: Algorithm 1 takes more evaluations for a larger loss, and its gradient is no worse; odeint's is c times the same."""
    h1, counts, errors, own = rn.ODESolve(H0, dynamics, 0.0, 1.0, THETA, **SOLVER), [], [], []
    for c in (1e-4, 1e-2, 1.0, 1e2, 1e4):
        stats, odeints = rn.Stats(), rn.Stats()
        dLdtheta = rn.adjoint(h1, c * G, dynamics, 0.0, 1.0, THETA, stats=stats, **SOLVER)[2]
        counts.append(stats.forward.nfe)
        errors.append(np.linalg.norm(flat(dLdtheta) / c - EXACT))
        own.append(flat(rn.grad(lambda theta, c=c, stats=odeints: c * np.sum(G * rn.ODESolve(
            H0, dynamics, 0.0, 1.0, theta, stats=stats, **SOLVER)))(THETA)) / c)
        assert np.allclose(own[-1], own[0], rtol=1e-9, atol=1e-9 * np.abs(own[0]).max())
    assert np.all(np.diff(counts) >= 0)
    assert counts[-1] > counts[0]
    assert np.all(errors <= 2 * np.minimum.accumulate(errors))


def test_cost_of_both_gradients():
    """S27: through the integrator one pullback for each evaluation in an accepted step, six; by the adjoint one for each of its own evaluations."""
    stats = {name: rn.Stats() for name in ("discrete", "adjoint")}
    for name, found in stats.items():
        rn.grad(lambda theta, name=name, found=found: np.sum(G * rn.ODESolve(
            H0, dynamics, 0.0, 1.0, theta, gradient=name, stats=found, **SOLVER)))(THETA)
    steps = stats["discrete"].forward.accepted
    assert 6 * steps <= stats["discrete"].backward.nvjp <= 6 * steps + 1
    assert abs(stats["adjoint"].backward.nvjp - stats["adjoint"].backward.nfe) <= 2


def test_larger_weights_take_more_evaluations():
    """S28, by its mechanism: training makes the dynamics larger, and larger dynamics need more steps."""
    counts = [x1.evaluations(functools.partial(forward, tuple(scale * leaf for leaf in THETA)), 1e-5)[0] for scale in (0.5, 1.0, 2.0, 3.0)]
    assert np.all(np.diff(counts) >= 0)
    assert counts[-1] > counts[0]


def test_depth_depends_on_the_input():
    """S30: each row of an independent solve takes as many evaluations as alone, and not all of them the same."""
    h0 = np.array([1e-3, 1.0, 3.0, 9.0])[:, None] * H0[:4]
    together = rn.solve(dynamics, h0, [0.0, 1.0], THETA, independent=True, rtol=1e-5, atol=1e-5).stats.nfe
    alone = [rn.solve(dynamics, row[None], [0.0, 1.0], THETA, rtol=1e-5, atol=1e-5).stats.nfe for row in h0]
    assert together.tolist() == alone
    assert max(alone) > min(alone)


def test_adams_and_its_adjoint():
    """S31: nothing in Algorithm 1 asks how the solver works; with Adams' method it gives the same gradient."""
    solver = {"method": "adams", "rtol": 1e-8, "atol": 1e-9}
    h1 = rn.ODESolve(H0, dynamics, 0.0, 1.0, THETA, **solver)
    found = flat(rn.adjoint(h1, G, dynamics, 0.0, 1.0, THETA, **solver)[2])
    assert np.linalg.norm(found - EXACT) < 1e-6 * np.linalg.norm(EXACT)
