"""The demonstrations of two libraries: torchdiffeq's ode_demo and autograd's ode_net, which learn dy/dt = (y^3) A from its solution.

1. ode_demo: 1000 states on [0, 25] from (2, 0); batches of 20 windows of 10 states; a network 2-50-2 of the cubes with weights from N(0, 0.1^2);
   mean absolute error, RMSprop, dopri5 at 1e-7 and 1e-9.
2. ode_net: 30 states on [0, 1.5]; one trajectory; a network 2-150-2 with ReLU of the state itself; Adam, tolerance 0.01.
The truth loses y_1^4 + y_2^4 at the rate 0.4 (y_1^6 + y_2^6) exactly: that checks the solves. `refnode demo` is a noisy variant of the first.
Paper: sec. 2, Appendix D (the code that these files belong to)
Deviation: fewer steps than there; the optimisers' defaults are ours. ode_net takes the gradient of its steps: the state that is solved backwards
at 0.01 misses the stored one by more than 1 %, which the adjoint refuses, and at 0.001 by so many tolerances that it warns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments import demo
from refnode.experiments.paper.pictures_latent import draw_x9
from refnode.experiments.paper.results import Claim, Outcome, Results, claim, cosine
from refnode.flows.training import Loss, State, start
from refnode.models.nets import mlp
from refnode.models.optimisers import rmsprop_init, rmsprop_step

FULL: dict[str, Any] = {
    "ode_demo": {"t1": 25.0, "states": 1000, "window": 10, "batch": 20, "hidden": 50, "steps": 1000, "rate": 1e-3, "rtol": 1e-7, "atol": 1e-9},
    "ode_net": {"t1": 1.5, "states": 30, "hidden": 150, "steps": 600, "rate": 1e-2, "rtol": 1e-2, "atol": 1e-4}}
QUICK: dict[str, Any] = {name: settings | {"steps": 60} for name, settings in FULL.items()}
Y0 = np.array([2.0, 0.0])
FALLS, KEPT = 10.0, 1e-8
of_cubes = rn.compiled(demo.f)


@rn.compiled
def of_state(z: Any, t: Any, theta: Any) -> Any:
    """dz/dt = max(z W1 + b1, 0) W2 + b2."""
    return mlp(z, theta, lambda x: np.maximum(x, 0.0))


DYNAMICS = {"ode_demo": of_cubes, "ode_net": of_state}


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Trains both, and checks the invariant. Paper: App. D"""
    results = Results(folder, "X9-quick" if quick else "X9", QUICK if quick else FULL)
    exact, picture = results.part("invariant", invariant), folder / f"{results.name}.png"
    parts = {(name, seed): results.part(f"{name} seed{seed}", metrics, results, name, seed) for name in FULL for seed in seeds}
    lines = [f"{'':10}seed   first loss   last loss    ratio   evaluations of f in a gradient at the end, forward and backward"]
    lines += [f"{name:10}{seed:4} {part['first']:12.4f} {part['last']:11.4f} {part['first'] / part['last']:8.1f}   {part['forward']} and "
              f"{part['backward']}" for (name, seed), part in parts.items()]
    draw_x9([(name, *solutions(results, name, seeds[0])) for name in FULL], picture)
    return Outcome(lines, claims(exact, parts), [picture], results)


def claims(exact: dict[str, Any], parts: dict[tuple[str, int], dict[str, Any]]) -> list[Claim]:
    made = [claim("-", f"{name} learns its trajectory", "an animation" if name == "ode_demo" else "a picture",
                  "loss divided by " + ", ".join(f"{part['first'] / part['last']:.1f}" for (which, _), part in parts.items() if which == name),
                  f"each seed: the mean loss of the last 20 steps is at most that of the first 20 divided by {FALLS:g}",
                  [part["last"] <= part["first"] / FALLS for (which, _), part in parts.items() if which == name]) for name in FULL]
    return [*made, claim("-", "d/dt (y_1^4 + y_2^4) = -0.4 (y_1^6 + y_2^6) along the truth", "-", f"the sum moves by {exact['moved']:.1e}",
                         f"y_1^4 + y_2^4 + 0.4 int (y_1^6 + y_2^6) on [0, 25]: within {KEPT:g} of 16", [exact["moved"] < KEPT])]


def invariant() -> dict[str, Any]:
    """How far y_1^4 + y_2^4 + 0.4 int (y_1^6 + y_2^6) dt moves along the truth, solved together by dop853 at 1e-11."""
    def with_loss(state: Any, t: Any, A: Any) -> Any:
        y, _ = state
        return demo.truth(y, t, A), 0.4 * np.sum(y**6)

    ys, lost = rn.odeint(with_loss, (Y0, np.zeros(())), np.linspace(0, 25, 100), demo.A, method="dop853", rtol=1e-11, atol=1e-13)
    kept = np.sum(ys**4, axis=1) + lost
    return {"moved": float(np.abs(kept - 16.0).max())}


def data(settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Times and the true states there."""
    ts = np.linspace(0.0, settings["t1"], settings["states"])
    return ts, rn.odeint(demo.truth, Y0, ts, demo.A, rtol=1e-9, atol=1e-11)


def losses(settings: dict[str, Any], name: str, stats: rn.Stats | None = None) -> Loss:
    """The mean absolute error on windows that start at true states, or on the whole trajectory."""
    ts, ys = data(settings)
    solver: dict[str, Any] = {"rtol": settings["rtol"], "atol": settings["atol"], "stats": stats}

    def windows(theta: Any, rng: np.random.Generator) -> Any:
        n = settings["window"]
        starts = rng.choice(len(ts) - n, settings["batch"], replace=False)
        seen = np.stack([ys[starts + k] for k in range(n)])
        return np.mean(np.abs(rn.odeint(of_cubes, seen[0], ts[:n], theta, **solver) - seen))

    def whole(theta: Any, rng: np.random.Generator) -> Any:
        return np.mean(np.abs(rn.odeint(of_state, Y0, ts, theta, gradient="discrete", **solver) - ys))

    return windows if name == "ode_demo" else whole


def trained(results: Results, name: str, seed: int) -> State:
    settings, rng = results.settings[name], np.random.default_rng(seed)
    H = settings["hidden"]
    theta = ((0.1 * rng.normal(size=(2, H)), np.zeros(H)), (0.1 * rng.normal(size=(H, 2)), np.zeros(2)))
    loss, checkpoint = losses(settings, name), f"{name}-seed{seed}"
    if name == "ode_demo":
        return results.trained(checkpoint, loss, start(theta, seed, rmsprop_init), settings["steps"], step=rmsprop_step,
                               learning_rate=settings["rate"])
    return results.trained(checkpoint, loss, start(theta, seed), settings["steps"], learning_rate=cosine(settings["rate"], settings["steps"]))


def metrics(results: Results, name: str, seed: int) -> dict[str, Any]:
    """The losses at first and at the end, the error of the whole trajectory, and the evaluations of f that one more gradient takes."""
    state, stats, (_, ys, fitted) = trained(results, name, seed), rn.Stats(), solutions(results, name, seed)[:3]
    rn.value_and_grad(losses(results.settings[name], name, stats))(state.theta, np.random.default_rng(seed))
    return {"first": float(state.losses[:20].mean()), "last": float(state.losses[-20:].mean()), "forward": stats.forward.nfe,
            "backward": stats.backward.nfe, "whole trajectory": float(np.mean(np.abs(fitted - ys)))}


def solutions(results: Results, name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times, the truth and the fit from the same start, and the losses; rows that a failed solve did not reach are NaN."""
    settings, state = results.settings[name], trained(results, name, seed)
    ts, ys = data(settings)
    return ts, ys, rn.solve(DYNAMICS[name], Y0, ts, state.theta, throw=False).zs, state.losses
