"""Mini-batches (section 6): evaluations of f for a batch against those for each of its members alone, and a batch made to be hard.

The ODE-Nets of X1 (trained here, if they are not there yet) on batches of 16 and 128 test images, by dopri5 with the RMS norm over the batch. And K
oscillators with their fast moments one after the other: oscillator k turns fast on [k/K, (k+1)/K] alone, so that the batch must take small steps
all of the time.
Paper: sec. 6, "Minibatching".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper import x1
from refnode.experiments.paper.pictures import draw_x8
from refnode.experiments.paper.results import Claim, Outcome, Results, claim

FULL: dict[str, Any] = {"batches": [16, 128], "tolerances": [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1.5e-8], "oscillators": [2, 4, 8, 16], "fast": 500.0,
                        "norms": ["rms", "max"], "oscillator tolerance": 1e-6}
QUICK: dict[str, Any] = FULL | {"batches": [16], "tolerances": [1e-2, 1e-5], "oscillators": [2, 8]}
SUBSTANTIAL = 1.3
J = np.array([[0.0, 1.0], [-1.0, 0.0]])


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Counts what is not counted yet. Paper: sec. 6. Statement: S68"""
    results = Results(folder, "X8-quick" if quick else "X8", QUICK if quick else FULL)
    nets = Results(folder, "X1-quick" if quick else "X1", x1.QUICK if quick else x1.FULL)
    for seed in seeds:
        nets.part(x1.part_name("ODE-Net", seed), x1.trained, nets, "ODE-Net", seed)
        for K in results.settings["batches"]:
            for tolerance in results.settings["tolerances"]:
                results.part(f"digits-{K}-{tolerance:g}-seed{seed}", digits_batch, nets, seed, K, tolerance)
    for norm in results.settings["norms"]:
        for K in results.settings["oscillators"]:
            results.part(f"oscillators-{norm}-{K}", oscillators, results.settings, norm, K)
    picture = folder / f"{results.name}.png"
    found = {"digits": [part for seed in seeds for part in of(results, "digits", f"-seed{seed}")],
             **{norm: of(results, f"oscillators-{norm}") for norm in results.settings["norms"]}}
    draw_x8(found, picture)
    return Outcome(summary(results, seeds), claims(found), [picture], results)


def of(results: Results, start: str, end: str = "") -> list[dict[str, Any]]:
    return [part for name, part in results.parts.items() if name.startswith(start) and name.endswith(end)]


def digits_batch(nets: Results, seed: int, K: int, tolerance: float) -> dict[str, Any]:
    """Evaluations for K test images together, and for each alone."""
    (W, b), theta, _ = x1.trained_theta(nets, "ODE-Net", seed)
    h0 = x1.digits(seed)[2][:K] @ W + b

    def evaluations(h0: np.ndarray) -> int:
        return rn.solve(x1.f, h0, [0.0, 1.0], theta, rtol=tolerance, atol=tolerance).stats.nfe

    return {"K": K, "batch": evaluations(h0), "alone": [evaluations(h0[k:k + 1]) for k in range(K)]}


def one_after_the_other(z: Any, t: float, theta: tuple[np.ndarray, float, float]) -> Any:
    """dz_k/dt = (1 + fast sin^2(pi s)) J z_k for s = K t - k within 0 and 1, else J z_k. theta = (k (rows,), K, fast); z (rows, 2)."""
    k, K, fast = theta
    s = np.clip(t * K - k, 0, 1)
    return (1 + fast * np.sin(np.pi * s) ** 2)[:, None] * (z @ J)


def oscillators(settings: dict[str, Any], norm: str, K: int) -> dict[str, Any]:
    """Evaluations for K oscillators together, and for each alone; steps of at most half a window, so that none is passed over."""
    tolerance = settings["oscillator tolerance"]

    def evaluations(k: np.ndarray) -> int:
        return rn.solve(one_after_the_other, np.tile([1.0, 0.0], (len(k), 1)), [0.0, 1.0], (k, float(K), settings["fast"]), norm=norm,
                        rtol=tolerance, atol=tolerance, max_step=0.5 / K).stats.nfe

    return {"K": K, "batch": evaluations(np.arange(K)), "alone": [evaluations(np.array([k])) for k in range(K)]}


def over_most(part: dict[str, Any]) -> float:
    """Evaluations of the batch over those of its most demanding member."""
    return part["batch"] / max(part["alone"])


def summary(results: Results, seeds: list[int]) -> list[str]:
    lines = [f"Evaluations for a batch, and for its members alone (mean, most); trained ODE-Net of seed {seeds[0]}"]
    names = [f"digits-{K}-{tolerance:g}-seed{seeds[0]}" for K in results.settings["batches"] for tolerance in results.settings["tolerances"]]
    names += [f"oscillators-{norm}-{K}" for norm in results.settings["norms"] for K in results.settings["oscillators"]]
    for name in names:
        part = results.parts[name]
        lines.append(f"{name.removesuffix(f'-seed{seeds[0]}').replace('-', ' ', 1):22} {part['batch']:6}   ({np.mean(part['alone']):7.1f}, "
                     f"{max(part['alone']):5})   over the most: {over_most(part):5.2f}")
    return lines


def claims(found: dict[str, list[dict[str, Any]]]) -> list[Claim]:
    everything = [part for parts in found.values() for part in parts]
    hard = [max(parts, key=lambda part: part["K"]) for name, parts in found.items() if name != "digits"]
    K = max(part["K"] for part in hard)
    return [
        claim("S68", "a batch of K may take K times as many evaluations, and no more", "at most K", "batch over the sum of its members: at most "
              f"{max(part['batch'] / sum(part['alone']) for part in everything):.2f}", "each batch: at most the sum of its members' evaluations",
              [part["batch"] <= sum(part["alone"]) for part in everything]),
        claim("S68", "in practice it does not take substantially more than one member", "no number", "batch over its most demanding member: "
              f"{min(map(over_most, found['digits'])):.2f} to {max(map(over_most, found['digits'])):.2f}",
              f"each trained ODE-Net, K and tolerance: at most {SUBSTANTIAL}", [over_most(part) <= SUBSTANTIAL for part in found["digits"]]),
        claim("S68", "batches that take nearly K times as many exist: oscillators with their fast moments one after the other (made here)", "-",
              f"K = {K}: " + ", ".join(f"{over_most(part):.1f} times ({name})" for name, part in zip(
                  (name for name in found if name != "digits"), hard, strict=True)),
              "each norm, at the largest K: above half of K times the most demanding member", [over_most(part) > K / 2 for part in hard])]
