"""Density matching (Figure 4): planar normalizing flows of K layers against continuous ones of M units, on three energies.

Minimised is KL(q || p), as E_q[log q + U] over 256 samples a step. The continuous flow has M gated units (Adam, dopri5 at 1e-5); the normalizing
flow has K invertible layers (RMSprop, as in the paper). The budgets are far below the paper's (10,000 and 500,000 steps), so that this compares
what is learned within them, not what the two could represent. KL is then estimated from 20,000 samples, and log Z is found by quadrature.
Paper: sec. 4.1, Figure 4.
Deviation: the paper names neither its energies nor its units' gates in detail; here are U1 to U3 of Rezende and Mohamed, and `gated`.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.pictures import draw_x3
from refnode.experiments.paper.results import Claim, Outcome, Results, as_json, claim, compiled, cosine, verdict
from refnode.experiments.paper.targets import TARGETS, Energy, log_Z
from refnode.flows.guards import guards
from refnode.flows.planar import gated, planar_nf
from refnode.flows.training import Loss, density_matching, load, start
from refnode.models.optimisers import rmsprop_init, rmsprop_step

FULL: dict[str, Any] = {"sizes": [2, 8, 32], "CNF steps": 1000, "NF steps": 4000, "batch": 256, "CNF rate": 1e-2, "NF rate": 1e-3, "samples": 20_000}
QUICK: dict[str, Any] = FULL | {"sizes": [2, 4], "CNF steps": 30, "NF steps": 60, "samples": 2000}
BASE = rn.standard_normal(2)
CONTINUOUS = rn.CNF(compiled(gated), base=BASE, gradient="discrete", rtol=1e-5, atol=1e-5)
layers = rn.compiled(planar_nf)


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Trains what is not trained yet, and compares. Paper: Figure 4. Statement: S45"""
    settings = QUICK if quick else FULL
    results = Results(folder, "X3-quick" if quick else "X3", settings)
    for target, U in TARGETS.items():
        for size in settings["sizes"]:
            for seed in seeds:
                for kind, part in (("CNF", continuous), ("NF", discrete)):
                    results.part(name(target, kind, size, seed), part, results, target, U, size, seed)
    picture = folder / f"{results.name}.png"
    draw_x3(functools.partial(divergences, results, seeds), functools.partial(samples, results, seeds[0]), settings["sizes"], picture)
    return Outcome(summary(results, seeds), claims(results, seeds), [picture], results)


def name(target: str, kind: str, size: int, seed: int) -> str:
    return f"{target.replace(' ', '-')}-{kind}-{size}-seed{seed}"


def continuous_start(size: int, seed: int) -> Any:
    """Units (U, W, b, alpha, beta) that move slowly at first."""
    rng = np.random.default_rng([seed, size])
    return (0.1 * rng.normal(size=(size, 2)), rng.normal(size=(size, 2)), rng.normal(size=size), rng.normal(size=size), rng.normal(size=size))


def continuous(results: Results, target: str, U: Energy, size: int, seed: int) -> dict[str, Any]:
    """dz/dt = sum_n sigma_n(t) u_n tanh(w_n^T z + b_n): trained, measured, guarded."""
    settings, began = results.settings, time.perf_counter()
    loss = density_matching(CONTINUOUS, U, settings["batch"])
    state = results.trained(name(target, "CNF", size, seed), loss, start(continuous_start(size, seed), seed), settings["CNF steps"],
                            learning_rate=cosine(settings["CNF rate"], settings["CNF steps"]), longest=10.0)
    rng = np.random.default_rng([seed, 1])
    x, log_q = CONTINUOUS.sample_and_log_prob(state.theta, rng, settings["samples"])
    return measured(x, log_q, U) | {"guards": as_json(guards(CONTINUOUS, state.theta, rng, n=300, grid=200)), "seconds": time.perf_counter() - began}


def discrete_start(size: int, seed: int) -> Any:
    rng = np.random.default_rng([seed, size])
    return 0.1 * rng.normal(size=(size, 2)), rng.normal(size=(size, 2)), rng.normal(size=size)


def discrete(results: Results, target: str, U: Energy, size: int, seed: int) -> dict[str, Any]:
    """z_{k+1} = z_k + u_k tanh(w_k^T z_k + b_k), each layer made invertible: trained and measured."""
    settings, began = results.settings, time.perf_counter()
    at = start(discrete_start(size, seed), seed, rmsprop_init)
    state = results.trained(name(target, "NF", size, seed), discrete_loss(U, settings["batch"]), at, settings["NF steps"],
                            learning_rate=settings["NF rate"], step=rmsprop_step, longest=10.0)
    x, log_q = discrete_samples(state.theta, np.random.default_rng([seed, 1]), settings["samples"])
    return measured(x, log_q, U) | {"seconds": time.perf_counter() - began}


def discrete_samples(units: Any, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    z0 = BASE.sample(rng, n)
    x, log_det = layers(z0, units)
    return x, BASE.log_prob(z0) - log_det


def discrete_loss(U: Energy, n: int) -> Loss:
    def loss(units: Any, rng: np.random.Generator) -> Any:
        x, log_q = discrete_samples(units, rng, n)
        return np.mean(log_q + U(x))

    return loss


def measured(x: np.ndarray, log_q: np.ndarray, U: Energy) -> dict[str, Any]:
    """KL(q || p) = E_q[log q + U] + log Z with its standard error, and the share of samples with z_1 < 0: 1/2 for both modes of the first target."""
    terms = log_q + U(x) + log_Z(U)
    return {"KL": float(terms.mean()), "standard error": float(terms.std() / np.sqrt(len(terms))), "share on the left": float(np.mean(x[:, 0] < 0))}


def divergences(results: Results, seeds: list[int], target: str, kind: str, size: int) -> np.ndarray:
    """KL for each seed."""
    return np.array([results.parts[name(target, kind, size, seed)]["KL"] for seed in seeds])


def samples(results: Results, seed: int, target: str, kind: str, size: int, n: int) -> np.ndarray:
    """n points of a trained flow, from its checkpoint."""
    rng, at = np.random.default_rng(5), results.checkpoint(name(target, kind, size, seed))
    if kind == "CNF":
        return CONTINUOUS.sample(load(at, start(continuous_start(size, seed), seed)).theta, rng, n)
    return discrete_samples(load(at, start(discrete_start(size, seed), seed, rmsprop_init)).theta, rng, n)[0]


def claims(results: Results, seeds: list[int]) -> list[Claim]:
    means = {kind: [divergences(results, seeds, target, kind, size).mean() for target in TARGETS for size in results.settings["sizes"]]
             for kind in ("CNF", "NF")}
    lower = [cnf < nf for cnf, nf in zip(means["CNF"], means["NF"], strict=True)]
    return [claim("S45", "a planar CNF of M units reaches a lower KL(q || p) than K = M planar layers", "a curve, no number (Figure 4d)",
                  f"lower in {sum(lower)} of {len(lower)} cases, mean KL {np.mean(means['CNF']):.3f} against {np.mean(means['NF']):.3f}",
                  "for each target and size: the mean KL over the seeds is the lower one", lower)]


def summary(results: Results, seeds: list[int]) -> list[str]:
    """Mean KL over the seeds, per target and size, and whether the continuous flow's is the smaller one."""
    lines, smaller = [f"KL(q || p), mean over seeds {seeds}, (least, largest)", f"{'target':11} M = K  continuous              planar layers"], []
    for target in TARGETS:
        for size in results.settings["sizes"]:
            found = {kind: divergences(results, seeds, target, kind, size) for kind in ("CNF", "NF")}
            columns = (f"{values.mean():.3f} ({values.min():.3f}, {values.max():.3f})" for values in found.values())
            smaller.append(np.mean(found["CNF"]) < np.mean(found["NF"]))
            lines.append(f"{target:11} {size:5}  {'    '.join(f'{column:20}' for column in columns)}".rstrip())
    lines.append(f"The mean of the continuous flow is below that of the planar layers in {sum(smaller)} of {len(smaller)} rows.")
    return [*lines, "Guards of the continuous flows: " + verdict(part["guards"] for part in results.parts.values() if "guards" in part)]
