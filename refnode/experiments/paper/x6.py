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

from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.pictures_latent import draw_x6
from refnode.experiments.paper.results import Claim, Outcome, Results, claim, cosine
from refnode.flows.training import State, start
from refnode.models import recurrent
from refnode.models.latent_ode import LatentODE, Series, dynamics, latent_ode_init
from refnode.models.nets import mlp
from refnode.models.recurrent import predict_next, rnn_init, rnn_output, rnn_step
from refnode.models.toy_data import Spirals, observed, spirals

FULL: dict[str, Any] = {"observed": [15, 25, 50], "steps": 1500, "batch": 64, "rate": 1e-2, "train": 256, "test": 64, "noise": 0.1}
QUICK: dict[str, Any] = FULL | {"observed": [15], "steps": 40, "train": 64}
WINDOW, GRID = 50, np.linspace(0.0, 6.0, 100)
STEP = 3 / 8
SOLVER: dict[str, Any] = {"method": "rk4", "step_size": STEP, "gradient": "discrete"}
KINDS = {"latent ODE": None, "RNN": 0, "RNN with time differences": 1}  # how many further inputs an RNN has
PAPER = ("RNN 0.3937, latent ODE 0.1642 (30/100)", "RNN 0.3202, latent ODE 0.1502 (50/100)", "RNN 0.1813, latent ODE 0.1346 (100/100)")
MARGIN, RECONSTRUCTED, TOLD = 0.1, 0.3, 0.95
predict = rn.compiled(predict_next)


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Trains the three, and compares. Paper: Table 2, Figure 8. Statement: S57, S66"""
    results = Results(folder, "X6-quick" if quick else "X6", QUICK if quick else FULL)
    picture = folder / f"{results.name}.png"
    for n in results.settings["observed"]:
        for seed in seeds:
            for kind in KINDS:
                results.part(f"{n} {kind} seed{seed}", metrics, results, n, seed, kind)
            results.part(f"{n} directions seed{seed}", directions, results, n, seed)
    draw_x6(picture, *drawn(results, seeds))
    return Outcome(table(results, seeds), claims(results, seeds), [picture], results)


def found(results: Results, seeds: list[int], n: int, kind: str, name: str = "beyond") -> list[float]:
    """One metric, for each seed."""
    return [results.parts[f"{n} {kind} seed{seed}"][name] for seed in seeds]


def claims(results: Results, seeds: list[int]) -> list[Claim]:
    """One for each number of observations: the paper's order at each; and what is claimed of reconstructions and of directions."""
    first, made = results.settings["observed"][0], []
    for n, paper in zip(results.settings["observed"], PAPER, strict=False):
        ours = {kind: found(results, seeds, n, kind) for kind in KINDS}
        means = {kind: float(np.mean(values)) for kind, values in ours.items()}
        by = MARGIN if n == first else 0.0
        made.append(claim("S57", f"beyond the window the latent ODE is better than the RNN, {n} of {WINDOW} observed", paper,
                          ", ".join(f"{kind} {mean:.3f}" for kind, mean in means.items()),
                          "each seed: below the better of the two RNNs" + (f" by {by} or more" if by else ""),
                          [value <= min(ours[kind][k] for kind in list(KINDS)[1:]) - by for k, value in enumerate(ours["latent ODE"])]))
    within = [value for n in results.settings["observed"] for value in found(results, seeds, n, "latent ODE", "within")]
    told = {name: [value for n in results.settings["observed"] for value in found(results, seeds, n, "directions", name)]
            for name in ("plane", "quadric")}
    return [*made,
            claim("S57", "within the window series are reconstructed from irregular observations", "a picture (Figure 8)",
                  f"errors {min(within):.3f} to {max(within):.3f}", f"each: below {RECONSTRUCTED}", [value < RECONSTRUCTED for value in within]),
            claim("S66", "the directions are two clusters in the latent space", "a picture (Figure 9)",
                  f"{100 * min(told['plane']):.0f} to {100 * max(told['plane']):.0f} % told by a plane through z0",
                  f"each, on new series: above {100 * TOLD:g} %", [value > TOLD for value in told["plane"]]),
            claim("S66", "the directions are apart in the latent space, in whatever shape", "a picture (Figure 9)",
                  f"{100 * min(told['quadric']):.0f} to {100 * max(told['quadric']):.0f} % told by a quadric through z0",
                  f"each, on new series: above {100 * TOLD:g} %", [value > TOLD for value in told["quadric"]])]


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
        loss, first = bound, start(latent_ode_init(rng, 2), seed)
    else:
        loss, first, seen = squares, start(rnn_init(rng, 2 + further, 25, 2), seed), inputs(x, further, GRID[WINDOW])
    return results.trained(f"{n}-{kind.replace(' ', '-')}-seed{seed}", loss, first, settings["steps"],
                           learning_rate=cosine(settings["rate"], settings["steps"]), longest=10.0)


# what comes out

def rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error * error)))


def metrics(results: Results, n: int, seed: int, kind: str) -> dict[str, Any]:
    """Errors beyond the window; of the latent ODE also within it, and what halved steps change."""
    settings, further = results.settings, KINDS[kind]
    state = trained(results, n, seed, kind)
    whole, x = data(settings, n, seed, 1)
    known = {"loss": float(state.losses[-100:].mean()), "rms of the data": rms(whole.x[WINDOW:])}
    if further is not None:
        return known | {"beyond": rms(continued(state.theta, x, further) - whole.x[WINDOW:])}
    latent = model(settings)
    mean, _ = latent.encode(state.theta, x)
    xs = latent.predict(state.theta, mean, GRID)
    finer = model(settings, step_size=STEP / 2).predict(state.theta, mean, GRID)
    return known | {"beyond": rms(xs[WINDOW:] - whole.x[WINDOW:]), "within": rms((xs - whole.x)[:WINDOW]), "half steps": rms(finer - xs)}


def directions(results: Results, n: int, seed: int) -> dict[str, Any]:
    """How many of the test series have their direction told by a plane through the means of q, and by a quadric, fitted to the training series by
    least squares."""
    settings, theta = results.settings, trained(results, n, seed, "latent ODE").theta

    def features(part: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
        whole, x = data(settings, n, seed, part)
        z, _ = model(settings).encode(theta, x)
        columns = [np.ones((len(z), 1)), z] + [z[:, [i]] * z[:, i:] for i in range(z.shape[1]) if degree == 2]
        return np.concatenate(columns, axis=1), whole.direction

    told = {}
    for name, degree in (("plane", 1), ("quadric", 2)):
        surface = np.linalg.lstsq(*features(0, degree), rcond=None)[0]
        z, d = features(1, degree)
        told[name] = float(np.mean(np.sign(z @ surface) == d))
    return told


def table(results: Results, seeds: list[int]) -> list[str]:
    counts = results.settings["observed"]
    scale = found(results, seeds, counts[0], "RNN", "rms of the data")
    lines = [f"Root mean square error beyond the window, seeds {seeds}; of predicting 0: " + " ".join(f"{value:.3f}" for value in scale),
             f"{'observed':29}" + "".join(f"{f'{n} of {WINDOW}':>22}" for n in counts)]
    rows = [(kind, kind, "beyond") for kind in KINDS] + [("latent ODE, within the window", "latent ODE", "within"),
                                                         ("directions told by a plane", "directions", "plane"),
                                                         ("directions told by a quadric", "directions", "quadric")]
    for label, kind, name in rows:
        lines.append(f"{label:29}" + "".join(f"{' '.join(f'{value:.3f}' for value in found(results, seeds, n, kind, name)):>22}" for n in counts))
    halved = max(value for n in counts for value in found(results, seeds, n, "latent ODE", "half steps"))
    return [*lines, f"Halved steps change the latent ODE's predictions by {halved:.1e} at most (root mean square)."]


def drawn(results: Results, seeds: list[int]) -> tuple[Any, ...]:
    """For the picture: errors by kind, number of observations and seed; for the fewest observations and the first seed eight test series, what
    was seen of them, and what the models make of them; latent trajectories; directions."""
    settings, seed, n = results.settings, seeds[0], results.settings["observed"][0]
    errors = {kind: np.array([found(results, seeds, m, kind) for m in settings["observed"]]) for kind in KINDS}
    whole, x = data(settings, n, seed, 1)
    theta, latent = trained(results, n, seed, "latent ODE").theta, model(settings)
    mean, _ = latent.encode(theta, x)
    kind = "RNN with time differences"
    return (settings["observed"], errors, whole, x, WINDOW, latent.predict(theta, mean, GRID),
            continued(trained(results, n, seed, kind).theta, x, 1), latent.latent(theta, mean, GRID))
