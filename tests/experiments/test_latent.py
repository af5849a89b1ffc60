"""X5, X6 and X9: that they run, resume and draw; and that what they measure is what it is said to be."""

import json

import numpy as np
import pytest

import refnode as rn
from refnode.cli import main
from refnode.experiments.paper import x5, x6, x9
from refnode.experiments.paper.results import Results
from refnode.models.latent_ode import Series
from refnode.models.recurrent import predict_next, rnn_init

TINY_X5 = x5.FULL | {"sequences": 4, "starts": [1.0, 1.5], "steps": 10, "rate": 0.1}
TINY_X6 = x6.FULL | {"observed": [5], "steps": 3, "batch": 8, "train": 20, "test": 10}
TINY_X9 = {name: settings | {"steps": 3, "states": 32} for name, settings in x9.FULL.items()}


def shown(name, module, tiny, tmp_path, monkeypatch, capsys):
    """What the command prints, and the stored parts."""
    monkeypatch.setattr(module, "QUICK", tiny)
    assert main(["paper", name, "--quick", "--output", str(tmp_path), "--seeds", "3"]) == 0
    assert (tmp_path / f"{name}-quick.png").read_bytes().startswith(b"\x89PNG")
    return capsys.readouterr().out, json.loads((tmp_path / f"{name}-quick.json").read_text())["parts"]


def test_x5(tmp_path, monkeypatch, capsys):
    """S65: ten steps from two frequencies are better than a constant rate."""
    out, parts = shown("X5", x5, TINY_X5, tmp_path, monkeypatch, capsys)
    assert "omega = 1.3" in out
    assert parts["seed3"]["gain on the events that were fitted"] > 0.05
    assert len(parts["seed3"]["log-likelihoods"]) == 2


def test_x5_knows_the_truth():
    """S65: the oscillator at the true parameters has the true rate; its Lambda is that of a trapezoidal rule on 20,001 points, 1e-6."""
    phi, many = x5.sequences(TINY_X5, 3, 0)
    theta = {"omega": np.array(1.3), "a": np.array(0.2), "b": np.array(1.0), "z0": np.array([np.cos(phi), np.sin(phi)])}
    ts = np.linspace(0, 10, 20_001)
    rate = x5.true_rate(TINY_X5, phi, ts)
    zs = rn.odeint(x5.oscillator, theta["z0"], ts[::1000], theta, rtol=1e-10, atol=1e-12)
    assert np.abs(np.exp(x5.log_rate(zs, theta)) - rate[::1000]).max() < 1e-8
    Lambdas, total = x5.rescaled(theta, TINY_X5, many)
    assert total == pytest.approx(np.sum((rate[:-1] + rate[1:]) / 2) * ts[1], rel=1e-5)
    assert [len(Lambda) for Lambda in Lambdas] == [len(events) for events in many]
    _, new = x5.sequences(TINY_X5, 3, 1)
    assert not set(new[0]) & set(many[0])


def test_x6(tmp_path, monkeypatch, capsys):
    """S57, S66: the table has a row for each model, and the claims their numbers; nothing is computed twice."""
    out, parts = shown("X6", x6, TINY_X6, tmp_path, monkeypatch, capsys)
    for kind in x6.KINDS:
        assert f"5 {kind} seed3" in parts
        assert kind in out
    assert set(parts["5 directions seed3"]) == {"plane", "quadric"}
    latent = parts["5 latent ODE seed3"]
    assert latent["half steps"] < 1e-2 * latent["beyond"]
    assert "RNN 0.3937, latent ODE 0.1642" in (tmp_path / "report-quick.md").read_text()
    monkeypatch.setattr(x6, "metrics", lambda *args: pytest.fail("a finished part was computed again"))
    assert shown("X6", x6, TINY_X6, tmp_path, monkeypatch, capsys) == (out, parts)


@pytest.mark.parametrize("further", [0, 1])
def test_an_rnn_goes_on_from_its_own_predictions(further):
    """What `continued` says is what the network says, read in one go, of the observations and of its own first predictions."""
    rng = np.random.default_rng(0)
    x = Series(np.sort(rng.uniform(0, 3, (4, 2)), axis=0), rng.normal(size=(4, 2, 2)), np.ones((4, 2), bool))
    theta = rnn_init(rng, 2 + further, 5, 2)
    on = x6.continued(theta, x, further)
    fed = np.concatenate([on[:10], np.full((10, 2, further), x6.GRID[1])], axis=-1)
    seen = np.concatenate([x6.inputs(x, further, x6.GRID[x6.WINDOW]), fed])
    assert np.abs(predict_next(seen, theta)[3:] - on[:11]).max() < 1e-13
    if further:
        assert np.allclose(seen[:3, :, 2], np.diff(x.times, axis=0))
        assert np.allclose(seen[3, :, 2], x6.GRID[x6.WINDOW] - x.times[3])


def test_claims_of_x6_are_found_from_its_numbers(tmp_path):
    results = Results(tmp_path, "X6", x6.FULL)
    for n in (15, 25, 50):
        for seed in (0, 1):
            results.parts |= {f"{n} latent ODE seed{seed}": {"beyond": 0.25 + 0.2 * seed, "within": 0.1}, f"{n} RNN seed{seed}": {"beyond": 0.5},
                              f"{n} RNN with time differences seed{seed}": {"beyond": 0.6},
                              f"{n} directions seed{seed}": {"plane": 0.9, "quadric": 1.0}}
    verdicts = [claim.verdict for claim in x6.claims(results, [0, 1])]
    assert verdicts == ["in part", "holds", "holds", "holds", "not here", "holds"]


def test_x9(tmp_path, monkeypatch, capsys):
    out, parts = shown("X9", x9, TINY_X9, tmp_path, monkeypatch, capsys)
    assert "ode_demo" in out
    assert "ode_net" in out
    assert parts["ode_demo seed3"]["backward"] > parts["ode_demo seed3"]["forward"] > 0


def test_the_invariant_of_the_demonstrations():
    """d/dt (y_1^4 + y_2^4) = 4 y^3 . (y^3 A) = -0.4 (y_1^6 + y_2^6) at any state, to rounding, for A = [[-0.1, 2], [-2, -0.1]]."""
    y = np.random.default_rng(0).normal(size=(20, 2))
    slope = np.sum(4 * y**3 * x9.demo.truth(y, 0.0, x9.demo.A), axis=1)
    assert np.allclose(slope, -0.4 * np.sum(y**6, axis=1), rtol=1e-12, atol=1e-14)
