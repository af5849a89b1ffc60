"""Classification (Table 1) on MNIST, by the convolutional model: `refnode paper X1 --mnist DIR`, where DIR holds MNIST's four files.

The layers of torchdiffeq's odenet_mnist.py with 8 channels instead of 64, Adam at 5e-3, 1000 batches of 32 images, a test on 2,000 images: a size for
a processor, far from the paper's. A convolution, two that halve the image, then six residual blocks, an ODE block, or nothing.
Paper: sec. 3, Table 1
Deviation: fewer channels and far fewer steps; the adjoint's backward solve takes its steps by z and a alone (backward_norm="seminorm").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper import x1
from refnode.experiments.paper.idx import BadFile, load_mnist
from refnode.experiments.paper.pictures import draw_x1
from refnode.experiments.paper.results import Outcome, Results
from refnode.flows.training import load, start
from refnode.models.convolutional import (
    conv_classifier_init,
    conv_classify,
    conv_dynamics,
    conv_dynamics_init,
    conv_residual,
    conv_residual_init,
)
from refnode.models.nets import mlp, mlp_init
from refnode.models.odenet import ode_block

FULL: dict[str, Any] = {"channels": 8, "groups": 4, "steps of Adam": 1000, "every": 100, "batch": 32, "rate": 5e-3, "MLP": 300, "blocks": 6,
                        "steps": 2, "tolerance": 1e-3, "test": 2000, "memory tolerances": [1e-2, 1e-3, 1e-4, 1e-5], "repeats": 2}
QUICK: dict[str, Any] = FULL | {"channels": 4, "steps of Adam": 4, "every": 2, "batch": 8, "test": 40, "memory tolerances": [1e-2, 1e-4],
                                "repeats": 1}
f = rn.compiled(conv_dynamics(FULL["groups"]))


def run(folder: Path, seeds: list[int], quick: bool, directory: Path) -> Outcome:
    """Trains what is not trained yet, and compares. directory: that of MNIST's files; raises `BadFile`. Paper: Table 1. Statement: S22"""
    x, labels, x_test, labels_test = load_mnist(directory)
    settings = (QUICK if quick else FULL) | {"images": list(x.shape)}
    if len(x) < settings["batch"]:
        raise BadFile(f"{directory}: {len(x)} images to train on are less than a batch of {settings['batch']}.")
    data = (x, labels, x_test[:settings["test"]], labels_test[:settings["test"]])
    results = Results(folder, "MNIST-quick" if quick else "MNIST", settings)
    for seed in seeds:
        for model in x1.MODELS:
            results.part(x1.part_name(model, seed), trained, results, model, seed, data)
    memory = results.part("memory", memory_of, results, seeds[0], data)
    picture = folder / f"{results.name}.png"
    draw_x1({model: [results.parts[x1.part_name(model, seed)]["error by epoch"] for seed in seeds] for model in x1.MODELS}, memory, picture,
            f"{settings['every']} steps")
    lines = x1.summary(results, seeds, memory, f"{settings['steps of Adam']} steps on MNIST")
    return Outcome(lines, x1.claims(results, seeds, memory), [picture], results)


def model_at_start(settings: dict[str, Any], model: str, rng: np.random.Generator) -> Any:
    c, (height, width) = settings["channels"], settings["images"][1:3]
    if model == "1-layer MLP":
        return mlp_init(rng, (height * width, settings["MLP"], 10))
    if model == "ResNet":
        return conv_classifier_init(rng, c, 10, conv_residual_init(rng, c, settings["blocks"]))
    return conv_classifier_init(rng, c, 10, () if model == "no block" else conv_dynamics_init(rng, c))


def logits_of(settings: dict[str, Any], model: str) -> x1.Logits:
    """logits(theta, x, **solver) of images x (n, height, width, 1)."""
    groups = settings["groups"]
    own: dict[str, Any] = {"rtol": settings["tolerance"], "atol": settings["tolerance"]}
    if model == "RK-Net":
        own = {"gradient": "discrete", "method": "rk4", "steps": settings["steps"]}

    def logits(theta: Any, x: Any, **solver: Any) -> Any:
        if model == "1-layer MLP":
            return mlp(np.reshape(x, (len(x), -1)), theta)
        if model in ("ResNet", "no block"):
            return conv_classify(x, theta, conv_residual(groups) if model == "ResNet" else lambda h, theta: h, groups)
        keywords = own | solver
        seminorm = {} if "gradient" in keywords else {"backward_norm": "seminorm"}
        return conv_classify(x, theta, ode_block(f, **keywords, **seminorm), groups)

    return logits


def trained(results: Results, model: str, seed: int, data: tuple[np.ndarray, ...]) -> dict[str, Any]:
    settings = results.settings
    theta = model_at_start(settings, model, np.random.default_rng(seed))
    return x1.fit(results, model, seed, theta, logits_of(settings, model), data, settings["steps of Adam"], settings["every"])


def memory_of(results: Results, seed: int, data: tuple[np.ndarray, ...]) -> dict[str, Any]:
    n, like = results.settings["batch"], model_at_start(results.settings, "ODE-Net", np.random.default_rng(seed))
    theta = load(results.checkpoint(x1.part_name("ODE-Net", seed)), start(like, seed)).theta
    return x1.memory_by_tolerance(results.settings, logits_of(results.settings, "ODE-Net"), theta, data[0][:n], data[1][:n])
