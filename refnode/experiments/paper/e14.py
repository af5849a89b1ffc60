"""Augmented neural ODEs (Dupont et al. 2019): what a flow cannot represent, and can with one more dimension: g(x) = -x, and a ball in a shell.

A plain and an augmented ODE of the same network, trained on (1) g(x) = -x on [-1, 1], squared error; no flow of the line does better than the best
increasing function, which is constant: the variance of x. (2) ball |x| < 0.5 against shell 1 < |x| < 1.5 in the plane, logistic loss on a linear
readout of h(1); a homeomorphism of the plane cannot have all of the shell on one side of a line and the ball on the other.
Source: arXiv 1904.01681. (The paper says in section 3 that the state must be sufficient, and leaves it at that.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.pictures import draw_e14
from refnode.experiments.paper.results import Claim, Outcome, Results, claim
from refnode.flows.training import Loss, load, start
from refnode.models.augmented import augmented_solve, half_turn, lift
from refnode.models.nets import mlp_init
from refnode.models.odenet import dynamics, dynamics_init

FULL: dict[str, Any] = {"hidden": 16, "steps": 400, "rate": 2e-2, "points": 200, "tolerance": 1e-4, "tests": 4000}
QUICK: dict[str, Any] = FULL | {"steps": 40}
MODELS = {"plain": 0, "augmented": 1}
GOOD = 1e-2
f = rn.compiled(dynamics)


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Trains what is not trained yet, and compares. Statement: E14"""
    results = Results(folder, "E14-quick" if quick else "E14", QUICK if quick else FULL)
    for seed in seeds:
        for model, extra in MODELS.items():
            results.part(f"line-{model}-seed{seed}", line_metrics, results, extra, seed)
            results.part(f"rings-{model}-seed{seed}", rings_metrics, results, extra, seed)
    exact = results.part("exact", exact_errors)
    picture = folder / f"{results.name}.png"
    x, rings = np.linspace(-1, 1, 101)[:, None], ring_points(np.random.default_rng(9), results.settings["tests"])
    draw_e14({model: outputs(results, "line", extra, seeds[0], x)[:, 0] for model, extra in MODELS.items()}, {"x": x[:, 0], "target": -x[:, 0]},
             {model: divided(outputs(results, "rings", extra, seeds[0], rings[0])[:, 0], rings[1]) for model, extra in MODELS.items()}, picture)
    return Outcome(summary(results, seeds), claims(results, seeds, exact), [picture], results)


# the two problems

def line_points(n: int) -> np.ndarray:
    return np.linspace(-1, 1, n)[:, None]


def ring_points(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n points (n, 2), uniform by radius in the ball or the shell, and whether they are in the shell."""
    shell = np.arange(n) % 2 == 1
    radius, angle = np.where(shell, rng.uniform(1, 1.5, n), rng.uniform(0, 0.5, n)), rng.uniform(0, 2 * np.pi, n)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), shell


def divided(scores: np.ndarray, shell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return scores[~shell], scores[shell]


def solved(results: Results, x: Any, theta: Any, extra: int, stats: Any = None) -> Any:
    tolerance = results.settings["tolerance"]
    return augmented_solve(x, f, 0.0, 1.0, theta, extra, gradient="discrete", rtol=tolerance, atol=tolerance, stats=stats)


def line_loss(results: Results, extra: int) -> Loss:
    """The mean of (h(1) - g(x))^2, g(x) = -x."""
    x = line_points(results.settings["points"])
    return lambda theta, rng: np.mean((solved(results, x, theta, extra)[:, 0] + x[:, 0]) ** 2)


def rings_loss(results: Results, extra: int) -> Loss:
    """The logistic loss of the score w^T h(1) + b, positive in the shell."""
    x, shell = ring_points(np.random.default_rng(8), results.settings["points"])
    sign = np.where(shell, 1.0, -1.0)

    def loss(theta: Any, rng: np.random.Generator) -> Any:
        of_f, (w, b) = theta
        return np.mean(np.logaddexp(0.0, -sign * (solved(results, x, of_f, extra) @ w + b)[:, 0]))

    return loss


def at_start(results: Results, problem: str, extra: int, seed: int) -> Any:
    rng, D = np.random.default_rng(seed), (1 if problem == "line" else 2) + extra
    of_f = dynamics_init(rng, D, results.settings["hidden"])
    return of_f if problem == "line" else (of_f, mlp_init(rng, (D, 1))[0])


def name(problem: str, extra: int, seed: int) -> str:
    return f"{problem}-{'augmented' if extra else 'plain'}-seed{seed}"


def trained(results: Results, problem: str, extra: int, seed: int) -> Any:
    loss = (line_loss if problem == "line" else rings_loss)(results, extra)
    return results.trained(name(problem, extra, seed), loss, start(at_start(results, problem, extra, seed), seed), results.settings["steps"],
                           learning_rate=results.settings["rate"], longest=10.0)


def outputs(results: Results, problem: str, extra: int, seed: int, x: np.ndarray) -> np.ndarray:
    """h(1), or the score, of a trained model."""
    theta = load(results.checkpoint(name(problem, extra, seed)), start(at_start(results, problem, extra, seed), seed)).theta
    if problem == "line":
        return solved(results, x, theta, extra)
    return solved(results, x, theta[0], extra) @ theta[1][0] + theta[1][1]


# what is measured

def line_metrics(results: Results, extra: int, seed: int) -> dict[str, Any]:
    theta, x, stats = trained(results, "line", extra, seed).theta, line_points(results.settings["points"]), rn.Stats()
    h1 = solved(results, x, theta, extra, stats)[:, 0]
    return {"loss": float(np.mean((h1 + x[:, 0]) ** 2)), "bound": float(x.var()), "evaluations": stats.forward.nfe,
            "order kept": bool(np.all(np.diff(h1) > 0))}


def rings_metrics(results: Results, extra: int, seed: int) -> dict[str, Any]:
    state, (x, shell), stats = trained(results, "rings", extra, seed), ring_points(np.random.default_rng(9), results.settings["tests"]), rn.Stats()
    (w, b) = state.theta[1]
    scores = (solved(results, x, state.theta[0], extra, stats) @ w + b)[:, 0]
    return {"loss": float(state.losses[-1]), "error": 100 * float(np.mean((scores > 0) != shell)), "evaluations": stats.forward.nfe}


def exact_errors() -> dict[str, float]:
    """The closed forms: (x, 0) -> (-x, 0) by half a turn, and a(1) = |x|^2 - c."""
    x, points = line_points(21), ring_points(np.random.default_rng(1), 200)[0]
    turned = augmented_solve(x, half_turn, 0.0, 1.0, (), 1, rtol=1e-10, atol=1e-12)
    lifted = augmented_solve(points, lift, 0.0, 1.0, 0.5625, 1, rtol=1e-10, atol=1e-12)
    return {"half turn": float(np.abs(turned - np.concatenate([-x, 0 * x], axis=1)).max()),
            "lift": float(np.abs(lifted[:, 2] - (np.sum(points**2, axis=1) - 0.5625)).max())}


# what is said

def of(results: Results, problem: str, seeds: list[int], field: str) -> dict[str, list[Any]]:
    return {model: [results.parts[name(problem, extra, seed)][field] for seed in seeds] for model, extra in MODELS.items()}


def summary(results: Results, seeds: list[int]) -> list[str]:
    lines = [f"Trained {results.settings['steps']} steps, seeds {seeds}; evaluations in a solve at {results.settings['tolerance']:g}"]
    for problem, fields in (("line", ("loss", "evaluations")), ("rings", ("loss", "error", "evaluations"))):
        for model in MODELS:
            parts = [f"{field} " + " ".join(f"{value:.3g}" for value in of(results, problem, seeds, field)[model]) for field in fields]
            lines.append(f"{problem:5} {model:9}  " + "; ".join(parts))
    return lines


def claims(results: Results, seeds: list[int], exact: dict[str, float]) -> list[Claim]:
    line, error, loss = (of(results, problem, seeds, field) for problem, field in (("line", "loss"), ("rings", "error"), ("rings", "loss")))
    bound, kept = of(results, "line", seeds, "bound")["plain"], of(results, "line", seeds, "order kept")["plain"]
    evaluations = of(results, "rings", seeds, "evaluations")
    return [
        claim("E14", "no flow of the line is g(x) = -x: it keeps the order of points", "a theorem",
              f"squared error {min(line['plain']):.4f} or more; the variance of x is {bound[0]:.4f}",
              "each seed: order kept, and no error below the variance", [order and value > 0.999 * least for order, value, least in zip(
                  kept, line["plain"], bound, strict=True)]),
        claim("E14", "with one more dimension it is: half a turn", "a theorem", f"exact {exact['half turn']:.0e}; trained, squared error "
              f"{max(line['augmented']):.1e} or less", f"half a turn to 1e-8; each seed: below {GOOD:g}",
              [exact["half turn"] < 1e-8, *(value < GOOD for value in line["augmented"])]),
        claim("E14", "a flow of the plane cannot part a ball from the shell around it by a line", "a theorem",
              f"test error {', '.join(f'{value:.2f}' for value in error['plain'])} %", "each seed: above 0", [value > 0 for value in error["plain"]]),
        claim("E14", "with one more dimension it can: a(1) = |x|^2 - c", "a theorem", f"exact {exact['lift']:.0e}; trained, test error "
              f"{', '.join(f'{value:.2f}' for value in error['augmented'])} %", "a(1) to 1e-8; each seed: no test point wrong",
              [exact["lift"] < 1e-8, *(value == 0 for value in error["augmented"])]),
        claim("E14", "augmented, it learns faster and takes fewer evaluations", "a plot", f"loss {np.mean(loss['augmented']):.1e} against "
              f"{np.mean(loss['plain']):.1e}; evaluations {np.mean(evaluations['augmented']):.0f} against {np.mean(evaluations['plain']):.0f}",
              "each seed: lower loss on the rings; no more evaluations", [case for a, b, m, n in zip(
                  loss["augmented"], loss["plain"], evaluations["augmented"], evaluations["plain"], strict=True) for case in (a < b, m <= n)])]
