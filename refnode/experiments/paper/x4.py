"""Maximum likelihood (Figure 5): two circles and two moons, and torchdiffeq's cnf example in refnode and in torchdiffeq.

1. A continuous flow of 64 gated units (Adam, dopri5 at 1e-5, batches of 256), and a normalizing flow of 64 planar layers, each trained on samples
   of the two data sets; NLL on 5,000 new samples; densities and samples on the way, at 5, 20, 40, 60, 80 and 100 % of the time; the guards.
2. The network of torchdiffeq's cnf.py (units from a hypernetwork, base N(0, 0.1 I), t from 0 to 10, circles, Adam), in both libraries, from the
   same parameters, with the same batches in the same order: the losses must agree. Skipped where torchdiffeq is not installed.
Paper: sec. 4.1, Figure 5
Deviation: the planar layers map the data to the base here, so that likelihoods are direct; the paper does not say which way it takes.
"""

from __future__ import annotations

import functools
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.peer import installed, torchdiffeq_losses
from refnode.experiments.paper.pictures import draw_flow
from refnode.experiments.paper.results import Claim, Outcome, Results, as_json, claim, compiled, cosine, verdict
from refnode.experiments.paper.targets import DATA, circles
from refnode.flows.guards import guards
from refnode.flows.planar import gated, hypernetwork, planar_nf
from refnode.flows.training import State, maximum_likelihood, rows, start
from refnode.models.nets import Layers

EXAMPLE: dict[str, Any] = {"units": 64, "hidden": 32, "variance": 0.1, "t1": 10.0, "batch": 512, "tolerance": 1e-5, "rate": 1e-3}
FULL: dict[str, Any] = {"units": 64, "CNF steps": 2000, "NF steps": 2000, "batch": 256, "CNF rate": 1e-2, "NF rate": 5e-3, "train": 20_000,
                        "test": 5000, "example": EXAMPLE | {"steps": 300}}
QUICK: dict[str, Any] = FULL | {"units": 8, "CNF steps": 30, "NF steps": 30, "test": 500, "example": EXAMPLE | {"units": 8, "batch": 64, "steps": 5}}
TIMES = (0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
BASE = rn.standard_normal(2)
FLOW = rn.CNF(compiled(gated), base=BASE, gradient="discrete", rtol=1e-5, atol=1e-5)
CLOSE = 0.05
layers = rn.compiled(planar_nf)


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Trains what is not trained yet, draws, and compares. Paper: Figure 5"""
    results = Results(folder, "X4-quick" if quick else "X4", QUICK if quick else FULL)
    drawn, others = [], {}
    for data in DATA:
        for seed in seeds:
            results.part(f"{data}-CNF-seed{seed}", continuous_metrics, results, data, seed)
            results.part(f"{data}-NF-seed{seed}", discrete_metrics, results, data, seed)
        drawn.append((data, FLOW, continuous(results, data, seeds[0]).theta, test_data(results, data)))
        others[data] = functools.partial(discrete_log_prob, discrete(results, data, seeds[0]).theta)
    picture = folder / f"{results.name}.png"
    draw_flow(drawn, TIMES, picture, others)
    examples = [example(results, seed) for seed in seeds]
    return Outcome([*summary(results, seeds), *(line for line, _ in examples)], claims(results, seeds, [apart for _, apart in examples]), [picture],
                   results)


# the two data sets

def continuous(results: Results, data: str, seed: int) -> State:
    """dz/dt = sum_n sigma_n(t) u_n tanh(w_n^T z + b_n), solved from the data back to the base."""
    settings, rng = results.settings, np.random.default_rng(seed)
    M = settings["units"]
    units = 0.1 * rng.normal(size=(M, 2)), 3 * rng.normal(size=(M, 2)), 4 * rng.normal(size=M), rng.normal(size=M), rng.normal(size=M)
    loss = maximum_likelihood(FLOW, rows(DATA[data](settings["train"], 0), settings["batch"]))
    return results.trained(f"{data}-CNF-seed{seed}", loss, start(units, seed), settings["CNF steps"],
                           learning_rate=cosine(settings["CNF rate"], settings["CNF steps"]), longest=10.0)


def continuous_metrics(results: Results, data: str, seed: int) -> dict[str, Any]:
    began, state, x, stats = time.perf_counter(), continuous(results, data, seed), test_data(results, data), rn.Stats()
    log_p = rn.CNF(FLOW.f, base=BASE, stats=stats).log_prob(state.theta, x)
    return {"NLL": float(-log_p.mean()), "standard error": float(log_p.std() / np.sqrt(len(x))), "NLL at first": float(state.losses[0]),
            "evaluations at default tolerances": stats.forward.nfe, "guards": as_json(guards(FLOW, state.theta, np.random.default_rng(seed), x)),
            "seconds": time.perf_counter() - began}


def discrete_log_prob(units: Any, x: Any) -> Any:
    """log q(x) = log p_base(g(x)) + log |det dg/dx|, g of K planar layers. Paper: eq. (6)"""
    z, log_det = layers(x, units)
    return BASE.log_prob(z) + log_det


def discrete(results: Results, data: str, seed: int) -> State:
    settings, rng = results.settings, np.random.default_rng(seed)
    K = settings["units"]
    units = 0.1 * rng.normal(size=(K, 2)), rng.normal(size=(K, 2)), rng.normal(size=K)
    batches = rows(DATA[data](settings["train"], 0), settings["batch"])
    return results.trained(f"{data}-NF-seed{seed}", lambda units, rng: -np.mean(discrete_log_prob(units, batches(rng))), start(units, seed),
                           settings["NF steps"], learning_rate=cosine(settings["NF rate"], settings["NF steps"]), longest=10.0)


def discrete_metrics(results: Results, data: str, seed: int) -> dict[str, Any]:
    began, state = time.perf_counter(), discrete(results, data, seed)
    log_p = discrete_log_prob(state.theta, test_data(results, data))
    return {"NLL": float(-log_p.mean()), "NLL at first": float(state.losses[0]), "seconds": time.perf_counter() - began}


def test_data(results: Results, data: str) -> np.ndarray:
    return DATA[data](results.settings["test"], 1)


def summary(results: Results, seeds: list[int]) -> list[str]:
    lines = [f"NLL on {results.settings['test']} new samples (nats), {results.settings['units']} units or layers"]
    lines.append(f"{'data':9} seed  continuous (first batch)  planar layers")
    for data in DATA:
        for seed in seeds:
            flow, nf = (results.parts[f"{data}-{kind}-seed{seed}"] for kind in ("CNF", "NF"))
            lines.append(f"{data:9} {seed:4}  {flow['NLL']:10.3f} {'(' + format(flow['NLL at first'], '.3f') + ')':>13}  {nf['NLL']:13.3f}")
    return [*lines, "Guards: " + verdict(part["guards"] for part in results.parts.values() if "guards" in part)]


def claims(results: Results, seeds: list[int], apart: list[float | None]) -> list[Claim]:
    nll = {(data, kind): np.array([results.parts[f"{data}-{kind}-seed{seed}"]["NLL"] for seed in seeds]) for data in DATA for kind in ("CNF", "NF")}
    fell = [results.parts[f"{data}-CNF-seed{seed}"]["NLL at first"] - nll[data, "CNF"][i] for data in DATA for i, seed in enumerate(seeds)]
    gaps = [nll[data, "NF"].mean() - nll[data, "CNF"].mean() for data in DATA]
    held = [holds for data in DATA for seed in seeds for _, holds in results.parts[f"{data}-CNF-seed{seed}"]["guards"].values()]
    found = [
        claim("S47", "a CNF trained by maximum likelihood fits two circles and two moons", "a picture (Figure 5)",
              "NLL " + ", ".join(f"{nll[data, 'CNF'].mean():.2f} ({data})" for data in DATA) + f", fell by {min(fell):.2f} nats or more",
              "each training: NLL falls by 1 nat or more", [drop >= 1 for drop in fell]),
        claim("S45", "planar layers do not fit them as well, the moons above all", "a picture (Figure 5)",
              "NLL of layers minus NLL of the flow: " + ", ".join(f"{gap:.2f} ({data})" for gap, data in zip(gaps, DATA, strict=True)),
              "each data set: the flow's mean NLL is the lower one", [gap > 0 for gap in gaps]),
        claim("S48", "the trained flows are densities: mass 1, there and back, samples that agree", "-", f"{sum(held)} of {len(held)} guards hold",
              "each guard of each flow", held)]
    if together := [value for value in apart if value is not None]:
        found.append(claim("-", "torchdiffeq's cnf example, trained by both libraries, ends at the same NLL", "-",
                           f"at most {max(together):.1e} nats apart", f"each seed: less than {CLOSE} apart", [value < CLOSE for value in together]))
    return found


# torchdiffeq's example

def example(results: Results, seed: int) -> tuple[str, float | None]:
    """The same training in both libraries: a line, and how far apart the losses are; None without torchdiffeq."""
    settings = results.settings["example"]
    start_layers, steps = example_layers(settings, seed), settings["steps"]
    ours = results.part(f"example-refnode-seed{seed}", refnode_losses, results, start_layers, seed)
    if not installed():
        return (f"torchdiffeq's cnf example, seed {seed}, refnode alone: NLL {ours['NLL']:.3f} after {steps} steps. "
                "Skipped: the same in torchdiffeq, which is not installed (pip install torch torchdiffeq)."), None
    theirs = results.part(f"example-torchdiffeq-seed{seed}", peer_losses, results, start_layers, seed)
    apart = abs(ours["NLL"] - theirs["NLL"])
    return (f"torchdiffeq's cnf example, seed {seed}, {steps} steps: NLL {ours['NLL']:.4f} in refnode ({ours['seconds']:.0f} s), "
            f"{theirs['NLL']:.4f} in torchdiffeq ({theirs['seconds']:.0f} s), apart {apart:.1e}: "
            f"{'within' if apart < CLOSE else 'NOT within'} {CLOSE}"), apart


def example_layers(settings: dict[str, Any], seed: int) -> Layers:
    """PyTorch's default for linear layers: W and b uniform in +- 1 / sqrt(inputs)."""
    rng, sizes = np.random.default_rng(seed), (1, settings["hidden"], settings["hidden"], 7 * settings["units"])
    return tuple((rng.uniform(-1, 1, (n, m)) / np.sqrt(n), rng.uniform(-1, 1, m) / np.sqrt(n)) for n, m in itertools.pairwise(sizes))


def example_batch(settings: dict[str, Any], seed: int, k: int) -> np.ndarray:
    """The k-th batch: new circles each time, of radius 1 and 1/2 as in that example."""
    return circles(settings["batch"], 100_000 * seed + k + 1) / 1.5


def example_flow(settings: dict[str, Any]) -> rn.CNF:
    """torchdiffeq's dopri5 has Shampine's error weights."""
    base = rn.normal(np.zeros(2), settings["variance"] * np.eye(2))
    return rn.CNF(compiled(hypernetwork), 0.0, settings["t1"], base, gradient="discrete", method="dopri5_shampine", rtol=settings["tolerance"],
                  atol=settings["tolerance"])


def refnode_losses(results: Results, at: Layers, seed: int) -> dict[str, Any]:
    settings, began = results.settings["example"], time.perf_counter()
    flow, count = example_flow(settings), iter(range(10**9))
    name = f"example-refnode-seed{seed}"
    results.checkpoint(name).unlink(missing_ok=True)  # batches are counted, so that this part starts at the first
    loss = maximum_likelihood(flow, lambda rng: example_batch(settings, seed, next(count)))
    state = results.trained(name, loss, start(at, seed), settings["steps"], learning_rate=settings["rate"])
    return example_metrics(settings, state.losses.tolist(), state.theta, seed, time.perf_counter() - began)


def peer_losses(results: Results, at: Layers, seed: int) -> dict[str, Any]:
    settings, began = results.settings["example"], time.perf_counter()
    losses, trained = torchdiffeq_losses(at, lambda k: example_batch(settings, seed, k), settings["steps"], settings)
    return example_metrics(settings, losses, trained, seed, time.perf_counter() - began)


def example_metrics(settings: dict[str, Any], losses: list[float], trained: Layers, seed: int, seconds: float) -> dict[str, Any]:
    """NLL of the trained parameters on a batch that was not seen, by refnode at default tolerances, for both."""
    flow = example_flow(settings | {"tolerance": 1e-6})
    return {"NLL": float(-np.mean(flow.log_prob(trained, example_batch(settings, seed, 90_000)))), "losses": losses, "seconds": seconds}
