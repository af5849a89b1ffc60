"""Classification (Table 1): a perceptron, a ResNet, an RK-Net and an ODE-Net, and the model without a block that the table lacks, on digits.

scikit-learn's digits (1797 images of 8 x 8), split 75 to 25, stratified; linear 64 -> 16, a block, linear 16 -> 10; Adam at 5e-3, batches of 64,
60 epochs. ResNet: six blocks of their own; RK-Net: the discrete gradient of four steps of RK4; ODE-Net: dopri5 at 1e-3 with the adjoint.
Paper: sec. 3, Table 1
Deviation: digits and linear layers instead of MNIST and convolutions, which are in `mnist` (`refnode paper X1 --mnist DIR`).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.pictures import draw_x1
from refnode.experiments.paper.results import Claim, Outcome, Results, claim, with_bar
from refnode.flows.training import load, save, start, train
from refnode.models.nets import mlp_init
from refnode.models.odenet import (
    classifier_init,
    classify,
    cross_entropy,
    dynamics,
    dynamics_init,
    error_percent,
    no_block,
    ode_block,
    residual_blocks,
)
from refnode.tree import leaves

FULL: dict[str, Any] = {"epochs": 60, "batch": 64, "rate": 5e-3, "state": 16, "hidden": 32, "MLP": 32, "blocks": 6, "steps": 4,
                        "tolerance": 1e-3, "repeats": 9, "memory tolerances": [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]}
QUICK: dict[str, Any] = FULL | {"epochs": 4, "memory tolerances": [1e-2, 1e-5, 1e-8]}
MODELS = ("1-layer MLP", "no block", "ResNet", "RK-Net", "ODE-Net")
PAPER = {"1-layer MLP": "1.60 %", "no block": "-", "ResNet": "0.41 %", "RK-Net": "0.47 %", "ODE-Net": "0.42 %"}
PIECE = 450  # images that are tested at a time
Block = Callable[[Any, Any], Any]
Logits = Callable[..., Any]
f = rn.compiled(dynamics)


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Trains what is not trained yet, and compares. Paper: Table 1. Statement: S22"""
    results = Results(folder, "X1-quick" if quick else "X1", QUICK if quick else FULL)
    for seed in seeds:
        for model in MODELS:
            results.part(part_name(model, seed), trained, results, model, seed)
    memory = results.part("memory", digits_memory, results, seeds[0])
    picture = folder / f"{results.name}.png"
    draw_x1({model: [results.parts[part_name(model, seed)]["error by epoch"] for seed in seeds] for model in MODELS}, memory, picture)
    lines = summary(results, seeds, memory, f"{results.settings['epochs']} epochs on digits")
    return Outcome(lines, claims(results, seeds, memory), [picture], results)


def part_name(model: str, seed: int) -> str:
    return f"{model.replace(' ', '-')}-seed{seed}"


# the data and the models

def digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x and labels to train on, x and labels to test on; x (n, 64) in [0, 1]."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, labels = load_digits(return_X_y=True)
    x, x_test, labels, labels_test = train_test_split(x / 16, labels, test_size=0.25, stratify=labels, random_state=seed)
    return x, labels, x_test, labels_test


def model_at_start(settings: dict[str, Any], model: str, rng: np.random.Generator) -> Any:
    """theta = (first, block, last)."""
    n, hidden = settings["state"], settings["hidden"]
    if model == "1-layer MLP":
        return classifier_init(rng, 64, settings["MLP"], 10, ())
    if model == "ResNet":
        return classifier_init(rng, 64, n, 10, tuple(mlp_init(rng, (n, hidden, n)) for _ in range(settings["blocks"])))
    return classifier_init(rng, 64, n, 10, () if model == "no block" else dynamics_init(rng, n, hidden))


def block_of(settings: dict[str, Any], model: str, **solver: Any) -> Block:
    if model == "RK-Net":
        return ode_block(f, **{"gradient": "discrete", "method": "rk4", "steps": settings["steps"]} | solver)
    if model == "ODE-Net":
        return ode_block(f, **{"rtol": settings["tolerance"], "atol": settings["tolerance"]} | solver)
    return residual_blocks if model == "ResNet" else no_block


def epochs(x: np.ndarray, one_hot: np.ndarray, n: int) -> Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]:
    """Batches of n rows: all rows in a new order, then again; what is left over at the end of an epoch waits for the next one."""
    order: Iterator[Any] = iter(())

    def batch(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        nonlocal order
        rows = next(order, None)
        if rows is None:
            order = iter(rng.permutation(len(x))[: len(x) // n * n].reshape(-1, n))
            rows = next(order)
        return x[rows], one_hot[rows]

    return batch


# what is measured

def trained(results: Results, model: str, seed: int) -> dict[str, Any]:
    """Trained from the start, on digits."""
    settings, data = results.settings, digits(seed)
    per_epoch = len(data[0]) // settings["batch"]
    theta = model_at_start(settings, model, np.random.default_rng(seed))
    return fit(results, model, seed, theta, digits_logits(settings, model), data, settings["epochs"] * per_epoch, per_epoch)


def digits_logits(settings: dict[str, Any], model: str) -> Logits:
    return lambda theta, x, **solver: classify(x, theta, block_of(settings, model, **solver))


def fit(results: Results, model: str, seed: int, theta: Any, logits: Logits, data: tuple[np.ndarray, ...], steps: int, every: int) -> dict[str, Any]:
    """Trains by Adam and measures on the way, after the first step and after each `every` steps; the parameters are left in the part's checkpoint.

    It starts at the first step again where it was interrupted. logits(theta, x, **solver); data: x and labels to train on, x and labels to test on.
    """
    (x, labels, x_test, labels_test), settings = data, results.settings
    one_hot, n, errors, depths = np.eye(10)[labels], settings["batch"], [], []
    batches = epochs(x, one_hot, n)

    def loss(theta: Any, rng: np.random.Generator) -> Any:
        batch, target = batches(rng)
        return cross_entropy(logits(theta, batch), target)

    states = train(loss, start(theta, seed), steps, learning_rate=settings["rate"])
    for state in with_bar(states, steps, f"{results.name} {model} seed {seed}"):
        if len(state.losses) in (1, *range(every, steps + 1, every)):
            pieces = [logits(state.theta, x_test[i:i + PIECE]) for i in range(0, len(x_test), PIECE)]
            errors.append(error_percent(np.concatenate(pieces), labels_test))
            if model == "ODE-Net":
                depths.append(evaluations(functools.partial(logits, state.theta, x_test[:n]), settings["tolerance"], 1e-5))
    save(results.checkpoint(part_name(model, seed)), state)
    gradient = rn.value_and_grad(lambda theta: cross_entropy(logits(theta, x[:n]), one_hot[:n]))
    return {"parameters": sum(np.size(leaf) for leaf in leaves(theta)), "error": errors[-1], "error by epoch": errors,
            "loss": float(state.losses[-1]), "evaluations by epoch": depths,
            "milliseconds": 1e3 * processor_seconds(lambda: gradient(state.theta), settings["repeats"])}


def evaluations(forward: Callable[..., Any], *tolerances: float) -> list[int]:
    """L~, the number of evaluations of f in a forward pass, for each tolerance. forward(rtol=, atol=, stats=). Statement: S22"""
    found = []
    for tolerance in tolerances:
        stats = rn.Stats()
        forward(rtol=tolerance, atol=tolerance, stats=stats)
        found.append(stats.forward.nfe)
    return found


def processor_seconds(function: Callable[[], Any], repeats: int) -> float:
    """The least processor time of some calls: the machine may be at work for others."""
    function()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return min(times)


def trained_theta(results: Results, model: str, seed: int) -> Any:
    """The parameters in a part's checkpoint."""
    return load(results.checkpoint(part_name(model, seed)),
                start(model_at_start(results.settings, model, np.random.default_rng(seed)), seed)).theta


def digits_memory(results: Results, seed: int) -> dict[str, Any]:
    theta, (x, labels, _, _), n = trained_theta(results, "ODE-Net", seed), digits(seed), results.settings["batch"]
    return memory_by_tolerance(results.settings, digits_logits(results.settings, "ODE-Net"), theta, x[:n], labels[:n])


def memory_by_tolerance(settings: dict[str, Any], logits: Logits, theta: Any, x: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """For the trained ODE-Net, by tolerance: evaluations forwards, and the peak of the memory (bytes, tracemalloc) of a gradient of a batch's loss
    with the adjoint and through the integrator, both by dopri5."""
    one_hot, tolerances = np.eye(10)[labels], settings["memory tolerances"]
    found: dict[str, Any] = {"tolerances": tolerances, "evaluations": evaluations(functools.partial(logits, theta, x), *tolerances)}
    for name in ("adjoint", "discrete"):
        losses = [lambda theta, solver={"rtol": tolerance, "atol": tolerance, "gradient": name}: cross_entropy(logits(theta, x, **solver), one_hot)
                  for tolerance in tolerances]
        found[name] = [peak_bytes(functools.partial(rn.grad(loss), theta)) for loss in losses]
    return found


def peak_bytes(function: Callable[[], Any]) -> int:
    import tracemalloc

    function()  # what is made once and kept, such as compiled sources, does not count
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# what is said

def errors_of(results: Results, seeds: list[int], model: str) -> np.ndarray:
    return np.array([results.parts[part_name(model, seed)]["error"] for seed in seeds])


def summary(results: Results, seeds: list[int], memory: dict[str, Any], after: str) -> list[str]:
    depth = {"ResNet": f"L = {results.settings['blocks']}", "RK-Net": f"L~ = {4 * results.settings['steps']}"}
    depth["ODE-Net"] = f"L~ = {results.parts[part_name('ODE-Net', seeds[0])]['evaluations by epoch'][-1][0]}"
    lines = [f"Test error after {after}, seeds {seeds}; milliseconds of processor time for a gradient of "
             f"{results.settings['batch']} images"]
    lines.append(f"{'':12} {'paper (MNIST)':>13} {'mean':>7}  {'by seed':20} {'parameters':>10} {'depth':>8} {'ms':>6}")
    for model in MODELS:
        errors, part = errors_of(results, seeds, model), results.parts[part_name(model, seeds[0])]
        by_seed = " ".join(f"{error:5.2f}" for error in errors)
        lines.append(f"{model:12} {PAPER[model]:>13} {errors.mean():6.2f}%  {by_seed:20} {part['parameters']:10} "
                     f"{depth.get(model, '-'):>8} {part['milliseconds']:6.1f}")
    lines.append("Peak memory of a gradient of the block (kB), by dopri5 at the same tolerances:")
    lines += [f"{label:12} " + " ".join(f"{value:>8}" for value in values) for label, values in (
        ("tolerance", [f"{tolerance:g}" for tolerance in memory["tolerances"]]), ("evaluations", memory["evaluations"]),
        ("adjoint", [f"{peak / 1024:.0f}" for peak in memory["adjoint"]]), ("discrete", [f"{peak / 1024:.0f}" for peak in memory["discrete"]]))]
    return lines


def claims(results: Results, seeds: list[int], memory: dict[str, Any]) -> list[Claim]:
    mean = {model: float(errors_of(results, seeds, model).mean()) for model in MODELS}
    size = {model: results.parts[part_name(model, seeds[0])]["parameters"] for model in MODELS}
    grows = {name: memory[name][-1] / memory[name][0] for name in ("evaluations", "adjoint", "discrete")}

    def errors(*models: str) -> tuple[str, str]:
        return " and ".join(f"{PAPER[model]} ({model})" for model in models), " and ".join(f"{mean[model]:.2f} % ({model})" for model in models)

    return [
        claim("S22", "the ODE-Net is as accurate as the RK-Net", *errors("ODE-Net", "RK-Net"),
              "mean errors at most 1.5 points apart; each at most 6 %",
              [abs(mean["ODE-Net"] - mean["RK-Net"]) <= 1.5, mean["ODE-Net"] <= 6, mean["RK-Net"] <= 6]),
        claim("S22", "the ODE-Net is about as accurate as the ResNet", *errors("ODE-Net", "ResNet"),
              "mean error at most 1.5 points above the ResNet's", [mean["ODE-Net"] <= mean["ResNet"] + 1.5]),
        claim("S22", "with about a third of the ResNet's parameters", "0.22 M and 0.60 M", f"{size['ODE-Net']} and {size['ResNet']}",
              "at most 0.37 of them, as in the paper", [size["ODE-Net"] / size["ResNet"] <= 0.37]),
        claim("S22", "both are more accurate than a perceptron of one hidden layer", *errors("1-layer MLP", "ResNet", "ODE-Net"),
              "ResNet, ODE-Net: mean error below the perceptron's", [mean[model] < mean["1-layer MLP"] for model in ("ResNet", "ODE-Net")]),
        claim("-", "the block is what makes the difference (not in the paper, whose table has no model without one)", *errors("no block", "ODE-Net"),
              "the ODE-Net's mean error is below that of the model without a block", [mean["ODE-Net"] < mean["no block"]]),
        claim("S19", "memory O(1) with the adjoint, O(L~) through the integrator", "O(1) and O(L~)",
              f"times {grows['adjoint']:.2f} and {grows['discrete']:.1f} where evaluations grow by {grows['evaluations']:.1f}",
              "from the widest to the tightest tolerance: below 1.2 with the adjoint; through the integrator more than half of evaluations' growth",
              [grows["adjoint"] < 1.2, grows["discrete"] > grows["evaluations"] / 2])]
