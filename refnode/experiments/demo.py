"""The demonstration: a network learns the vector field of a spiral from noisy samples, with the adjoint gradient.

The truth is dy/dt = (y^3) A with A = [[-0.1, 2], [-2, -0.1]], from y(0) = (1.3, 0). What is seen are 400 noisy samples on [0, 12]; what is
fitted is dz/dt = mlp(z^3), on windows of ten observations, 1 to 10 samples
apart, that start at random samples: short windows for the fast outer turns, long ones for the slow inner ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.models.nets import mlp, mlp_init
from refnode.models.optimisers import adam_init, adam_step

A = np.array([[-0.1, 2.0], [-2.0, -0.1]])
Y0 = np.array([1.3, 0.0])
SAMPLES, T_END, NOISE = 400, 12.0, 0.03
WINDOW, LONGEST_STRIDE, BATCH, HIDDEN = 10, 10, 48, 50


def truth(y: Any, t: Any, A: Any) -> Any:
    return (y * y * y) @ A


def f(z: Any, t: Any, theta: Any) -> Any:
    """The dynamics to be learned: a network of the cubes."""
    return mlp(z * z * z, theta)


def loss(theta: Any, windows: Any, ts: Any, stats: Any = None) -> Any:
    """The mean absolute distance between windows (len(ts), batch, 2) and the solves that start at their first samples."""
    zs = rn.odeint(f, windows[0], ts, theta, rtol=1e-4, atol=1e-5, backward_norm="seminorm", stats=stats)
    return np.mean(np.abs(zs - windows))


@dataclass
class Progress:
    """One iteration: its loss, and the evaluations of f that the solve and its gradient took."""

    iteration: int
    loss: float
    forward: int
    backward: int


@dataclass
class Result:
    """The samples (n, 2) at ts (n,); the true and the fitted states (m, 2), from the same start, at finer times; parameters; history."""

    ts: np.ndarray
    samples: np.ndarray
    fine: np.ndarray
    true: np.ndarray
    theta: Any
    fitted: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 2)))
    history: list[Progress] = dataclasses.field(default_factory=list)

    def field(self, z: np.ndarray) -> np.ndarray:
        """The learned dz/dt at states (..., 2)."""
        return f(z, 0.0, self.theta)

    def error(self) -> float:
        """The mean distance between the fitted and the true trajectory over the whole of [0, 12]."""
        return float(np.mean(np.linalg.norm(self.fitted - self.true, axis=1)))


def train(seed: int = 0, iterations: int = 500, learning_rate: float = 0.02) -> Iterator[Result]:
    """The state of training after each iteration, the same object every time; `fitted` is there at the last."""
    rng = np.random.default_rng(seed)
    fine = np.linspace(0.0, T_END, 4 * (SAMPLES - 1) + 1)
    true = rn.odeint(truth, Y0, fine, A, rtol=1e-9, atol=1e-11)
    ts, samples = fine[::4], true[::4] + NOISE * rng.standard_normal((SAMPLES, 2))
    result = Result(ts, samples, fine, true, mlp_init(rng, (2, HIDDEN, 2), scale=0.3))
    state = adam_init(result.theta)
    for iteration in range(iterations):
        stride = int(rng.integers(1, LONGEST_STRIDE + 1))
        starts = rng.integers(0, SAMPLES - stride * WINDOW, BATCH)
        windows = np.stack([samples[starts + stride * k] for k in range(WINDOW)])
        stats = rn.Stats()
        value, gradient = rn.value_and_grad(loss)(result.theta, windows, ts[: stride * WINDOW : stride], stats)
        rate = learning_rate * 0.5 * (1 + np.cos(np.pi * iteration / iterations))
        result.theta, state = adam_step(result.theta, gradient, state, rate)
        result.history.append(Progress(iteration, float(value), stats.forward.nfe, stats.backward.nfe))
        if iteration == iterations - 1:
            result.fitted = rn.solve(f, Y0, fine, result.theta, rtol=1e-6, atol=1e-8, throw=False).zs
        yield result


def run(argv: list[str]) -> int:
    """`refnode demo`: train, print a line, draw the picture."""
    import argparse
    import time

    parser = argparse.ArgumentParser("refnode demo", description="A network learns a spiral's vector field from noisy samples, with the adjoint.")
    parser.add_argument("--iterations", type=int, default=500, help="gradient steps (default 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise, the network and the batches (default 0)")
    parser.add_argument("--output", default="demo.png", help="where the picture goes (default demo.png)")
    options = parser.parse_args(argv)
    if options.iterations < 1:
        parser.error("--iterations must be at least 1")
    if not Path(options.output).absolute().parent.is_dir():
        parser.error(f"--output {options.output}: there is no such folder")
    from tqdm import tqdm

    from refnode.plots import draw_demo

    started = time.perf_counter()
    with tqdm(train(options.seed, options.iterations), total=options.iterations, unit="step", disable=None) as bar:
        for result in bar:
            last = result.history[-1]
            bar.set_postfix_str(f"loss {last.loss:.4f}, evaluations {last.forward}+{last.backward}", refresh=False)
    draw_demo(result, options.output)
    evaluations = sum(p.forward + p.backward for p in result.history)
    print(f"{options.iterations} steps in {time.perf_counter() - started:.1f} s, {evaluations} evaluations of f; the loss fell from "
          f"{result.history[0].loss:.3f} to {np.mean([p.loss for p in result.history[-20:]]):.3f} (the noise "
          f"alone is about {NOISE * np.sqrt(2 / np.pi):.3f}).")
    print(f"Mean distance from the true trajectory over t in [0, {T_END:.0f}]: {result.error():.3f}. Picture: {options.output}")
    return 0
