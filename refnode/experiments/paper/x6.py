"""Irregular spirals (Table 2, Figures 8 to 10): a latent ODE and two recurrent networks, from 15, 25 or all 50 of 50 noisy observations.

256 series for training and 64 for the test, half of them clockwise, on the window [0, 3]; asked is the root mean square error on 50 times beyond
it, in (3, 6], against the exact spirals. The sizes are the paper's: 25 recurrent units, 4 latent dimensions, 20 hidden units in f and in the
decoder; the second RNN also sees the time to the next observation. All three are trained for as many steps, with Adam. The latent ODE is solved
by rk4 over the union of times, with the gradient of the steps, and the latent state is read at the mean of q.
Paper: sec. 5.1, Table 2
Deviation: the paper's 1000 series of 100 times are 256 of 50 here; its speed, radii and noise are not given; tolerance 1.5e-8 there, fixed steps
here, checked against half of their size; the RNN's variance is not learned, which leaves its means as they are.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.pictures_latent import draw_x6
from refnode.experiments.paper.results import Results, cosine
from refnode.flows.training import State, start
from refnode.models import recurrent
from refnode.models.latent_ode import LatentODE, Series, dynamics, latent_ode_init
from refnode.models.nets import mlp
from refnode.models.recurrent import predict_next, rnn_init, rnn_output, rnn_step
from refnode.models.toy_data import Spirals, observed, spirals

FULL: dict[str, Any] = {"observed": [15, 25, 50], "steps": 1500, "batch": 64, "rate": 1e-2, "train": 256, "test": 64, "noise": 0.1}
QUICK: dict[str, Any] = FULL | {"observed": [15, 50], "steps": 40, "train": 64}
WINDOW, GRID = 50, np.linspace(0.0, 6.0, 100)
SOLVER = {"method": "rk4", "step_size": 3 / 8, "gradient": "discrete"}
KINDS = {"latent ODE": None, "RNN": 0, "RNN with time differences": 1}  # how many further inputs an RNN has
MARGIN, RECONSTRUCTED = 0.1, 0.3
predict = rn.compiled(predict_next)


def run(folder: Path, seeds: list[int] | None, quick: bool) -> list[str]:
    """Trains the three, and compares. Paper: Table 2, Figure 8. Statement: S57, S66"""
    results, seeds = Results(folder, "X6-quick" if quick else "X6", QUICK if quick else FULL), seeds or [0, 1, 2]
    for n in results.settings["observed"]:
        for seed in seeds:
            for kind in KINDS:
                results.part(f"{n} {kind} seed{seed}", metrics, results, n, seed, kind)
    draw_x6(*drawn(results, seeds), folder / f"{results.name}.png")
    return [*table(results, seeds), f"Numbers: {results.path}. Picture: {folder / results.name}.png"]


# data and models

def data(settings: dict[str, Any], n: int, seed: int, part: int) -> tuple[Spirals, Series]:
    """The spirals of part 0 (training) or 1 (test), and n noisy observations of each, within the window."""
    rng = np.random.default_rng((seed, part))
    whole = spirals(rng, settings[("train", "test")[part]], GRID)
    return whole, observed(rng, GRID[:WINDOW], whole.x[:WINDOW], n, settings["noise"])


def model(settings: dict[str, Any], **solver: Any) -> LatentODE:
    return LatentODE(settings["noise"], f=COMPILED["f"], recognise=COMPILED["recognise"], decode=COMPILED["decode"], solver=SOLVER | solver)


COMPILED = {"f": rn.compiled(dynamics), "recognise": rn.compiled(recurrent.recognise), "decode": rn.compiled(lambda z, theta: mlp(z, theta))}


def inputs(x: Series, further: int, t_next: float) -> np.ndarray:
    """What an RNN sees at each observation: the values, and with further = 1 the time to the next one, of which the last is at t_next."""
    ahead = np.diff(np.concatenate([x.times, np.full_like(x.times[:1], t_next)]), axis=0)
    return np.concatenate([x.values, ahead[..., None]], axis=-1) if further else x.values


def continued(theta: Any, x: Series, further: int) -> np.ndarray:
    """The RNN after all observations, on its own predictions at the times beyond the window: (50, B, 2)."""
    h: Any = np.zeros((x.values.shape[1], len(theta.b)))
    for row in inputs(x, further, GRID[WINDOW]):
        h = rnn_step(h, row, theta)
    out = []
    for _ in GRID[WINDOW:]:
        out.append(rnn_output(h, theta))
        h = rnn_step(h, np.concatenate([out[-1], np.full((len(h), further), GRID[1])], axis=-1), theta)
    return np.stack(out)


# training

def trained(results: Results, n: int, seed: int, kind: str) -> State:
    settings, further, rng = results.settings, KINDS[kind], np.random.default_rng(seed)
    _, x = data(settings, n, seed, 0)
    latent = model(settings)

    def batch(rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(settings["train"])[:settings["batch"]]

    def bound(theta: Any, rng: np.random.Generator) -> Any:
        rows = batch(rng)
        part = Series(*(array[:, rows] for array in x))
        return -np.mean(latent.elbo(theta, part, rng.standard_normal((len(rows), 4)))) / n

    def squares(theta: Any, rng: np.random.Generator) -> Any:
        rows = batch(rng)
        return np.mean((predict(seen[:-1, rows], theta) - x.values[1:, rows]) ** 2)

    if further is None:
        loss, theta = bound, latent_ode_init(rng, 2)
    else:
        loss, theta, seen = squares, rnn_init(rng, 2 + further, 25, 2), inputs(x, further, GRID[WINDOW])
    return results.trained(f"{n}-{kind.replace(' ', '-')}-seed{seed}", loss, start(theta, seed), settings["steps"],
                           learning_rate=cosine(settings["rate"], settings["steps"]), longest=10.0)


# what comes out

def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error * error)))


def metrics(results: Results, n: int, seed: int, kind: str) -> dict[str, Any]:
    """Errors beyond the window; of the latent ODE also within it, what halved steps change, and how well z0 tells the direction."""
    began, settings, further = time.process_time(), results.settings, KINDS[kind]
    state = trained(results, n, seed, kind)
    whole, x = data(settings, n, seed, 1)
    found = {"seconds": time.process_time() - began, "loss": float(state.losses[-100:].mean()), "rms of the data": rms(whole.x[WINDOW:])}
    if further is not None:
        return found | {"beyond": rms(continued(state.theta, x, further) - whole.x[WINDOW:])}
    latent = model(settings)
    mean, _ = latent.encode(state.theta, x)
    xs = latent.predict(state.theta, mean, GRID)
    finer = model(settings, step_size=SOLVER["step_size"] / 2).predict(state.theta, mean, GRID)
    return found | {"beyond": rms(xs[WINDOW:] - whole.x[WINDOW:]), "within": rms((xs - whole.x)[:WINDOW]), "half steps": rms(finer - xs),
                    "directions": directions(results, n, seed)}


def directions(results: Results, n: int, seed: int) -> float:
    """How many of the test series have their direction told by a plane through the means of q, fitted to the training series (least squares)."""
    settings, theta = results.settings, trained(results, n, seed, "latent ODE").theta
    sides = []
    for part in (0, 1):
        whole, x = data(settings, n, seed, part)
        mean, _ = model(settings).encode(theta, x)
        sides.append((np.concatenate([mean, np.ones((len(mean), 1))], axis=1), whole.direction))
    (z, d), (z_test, d_test) = sides
    plane = np.linalg.lstsq(z, d, rcond=None)[0]
    return float(np.mean(np.sign(z_test @ plane) == d_test))


def table(results: Results, seeds: list[int]) -> list[str]:
    rows = [f"Root mean square error beyond the window (data: {results.parts[f'15 RNN seed{seeds[0]}']['rms of the data']:.2f}), seeds {seeds}",
            f"{'':27}" + "".join(f"{f'{n}/{WINDOW}':>22}" for n in results.settings["observed"])]
    for kind in KINDS:
        errors = [" ".join(f"{results.parts[f'{n} {kind} seed{seed}']['beyond']:.3f}" for seed in seeds) for n in results.settings["observed"]]
        rows.append(f"{kind:27}" + "".join(f"{error:>22}" for error in errors))
    for name, label in (("within", "latent ODE, within"), ("directions", "directions told from z0")):
        errors = [" ".join(f"{results.parts[f'{n} latent ODE seed{seed}'][name]:.3f}" for seed in seeds) for n in results.settings["observed"]]
        rows.append(f"{label:27}" + "".join(f"{error:>22}" for error in errors))
    return rows


def drawn(results: Results, seeds: list[int]) -> tuple[Any, ...]:
    """For the picture: errors by kind, number of observations and seed; for the fewest observations and the first seed eight test series, what
    was seen of them, and what the models make of them; latent trajectories; directions."""
    settings, seed, n = results.settings, seeds[0], results.settings["observed"][0]
    errors = {kind: np.array([[results.parts[f"{m} {kind} seed{s}"]["beyond"] for s in seeds] for m in settings["observed"]]) for kind in KINDS}
    whole, x = data(settings, n, seed, 1)
    theta, latent = trained(results, n, seed, "latent ODE").theta, model(settings)
    mean, _ = latent.encode(theta, x)
    kind = "RNN with time differences"
    return (settings["observed"], errors, whole, x, WINDOW, latent.predict(theta, mean, GRID),
            continued(trained(results, n, seed, kind).theta, x, 1), latent.latent(theta, mean, GRID))
