"""Statistics of a trained ODE-Net (Figure 3): error, time and evaluations by tolerance, forwards and backwards, and in the course of training.

The ODE-Nets of X1 (trained here, if they are not there yet) on 64 test images, by dopri5 and by Adams' method, at tolerances from 1e-2 to 1e-10.
Backwards it is Algorithm 1 as the paper has it: rtol and atol hold for (z, a, dL/dtheta) as they are, so that the evaluations depend on the scale of
the loss. `rn.odeint` measures backward_atol in units of dL/dz(t1) instead, and they do not.
Paper: sec. 3, Figure 3
Deviation: refnode's Adams method predicts, evaluates, corrects, evaluates; the paper's LSODE and VODE iterate the corrector.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper import x1
from refnode.experiments.paper.pictures import draw_x2
from refnode.experiments.paper.results import Claim, Outcome, Results, claim
from refnode.models.odenet import classify, cross_entropy, error_percent, ode_block
from refnode.tree import Raveler

FULL: dict[str, Any] = {"batch": 64, "tolerances": [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1.5e-8, 1e-9, 1e-10], "scales": [1e-4, 1e-2, 1.0, 1e2, 1e4],
                        "scales at": 1e-3, "repeats": 25}
QUICK: dict[str, Any] = FULL | {"tolerances": [1e-2, 1e-3, 1e-5, 1e-6, 1.5e-8], "repeats": 2}
METHODS = ("dopri5", "adams")
HALF = (0.4, 0.6)


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Measures what is not measured yet. Paper: Figure 3. Statement: S23, S24, S25, S26, S27, S28, S29, S30, S31"""
    results = Results(folder, "X2-quick" if quick else "X2", QUICK if quick else FULL)
    nets = Results(folder, "X1-quick" if quick else "X1", x1.QUICK if quick else x1.FULL)
    for seed in seeds:
        nets.part(x1.part_name("ODE-Net", seed), x1.trained, nets, "ODE-Net", seed)
        for method in METHODS:
            results.part(f"{method}-seed{seed}", by_tolerance, results, nets, method, seed)
            results.part(f"scales-{method}-seed{seed}", by_scale, results, nets, method, seed)
        results.part(f"inputs-seed{seed}", by_input, results, nets, seed)
    depths = [nets.parts[x1.part_name("ODE-Net", seed)]["evaluations by epoch"] for seed in seeds]
    picture = folder / f"{results.name}.png"
    draw_x2([results.parts[f"dopri5-seed{seed}"] for seed in seeds], [results.parts[f"adams-seed{seed}"] for seed in seeds], depths, picture)
    return Outcome(summary(results, seeds), claims(results, seeds, np.array(depths)), [picture], results)


# what is measured

class Problem:
    """A trained ODE-Net's solve on a batch: h0, theta, the loss as a function of h1, and by tight solves h1, dL/dh1 and dL/dtheta."""

    def __init__(self, results: Results, nets: Results, seed: int):
        _, _, x, labels = x1.digits(seed)
        self.theta_all, n = x1.trained_theta(nets, "ODE-Net", seed), results.settings["batch"]
        (W, b), self.theta, last = self.theta_all
        self.x, self.labels, self.h0, one_hot = x, labels, x[:n] @ W + b, np.eye(10)[labels[:n]]
        self.loss = lambda h1: cross_entropy(h1 @ last[0] + last[1], one_hot)
        self.h1 = rn.ODESolve(self.h0, x1.f, 0.0, 1.0, self.theta, method="dop853", rtol=1e-12, atol=1e-13)
        self.g = rn.grad(self.loss)(self.h1)
        self.way = Raveler(self.theta)
        self.gradient = self.way.ravel(rn.adjoint(self.h1, self.g, x1.f, 0.0, 1.0, self.theta, method="dop853", rtol=1e-11, atol=1e-14)[2])

    def backward(self, method: str, tolerance: float, scale: float = 1.0) -> tuple[int, float]:
        """Evaluations of Algorithm 1 for the loss times scale, after a forward solve at the same tolerance; relative error of dL/dtheta."""
        stats, solver = rn.Stats(), {"method": method, "rtol": tolerance, "atol": tolerance}
        h1 = rn.ODESolve(self.h0, x1.f, 0.0, 1.0, self.theta, **solver)
        found = rn.adjoint(h1, scale * rn.grad(self.loss)(h1), x1.f, 0.0, 1.0, self.theta, stats=stats, **solver)[2]
        return stats.forward.nfe, float(np.linalg.norm(self.way.ravel(found) / scale - self.gradient) / np.linalg.norm(self.gradient))


def by_tolerance(results: Results, nets: Results, method: str, seed: int) -> dict[str, Any]:
    """For each tolerance: evaluations and error forwards, processor time, evaluations and error backwards, test error, time of both gradients."""
    problem = Problem(results, nets, seed)
    found: dict[str, Any] = {name: [] for name in ("forward", "error", "seconds", "backward", "gradient error", "test error", "adjoint seconds",
                                                   "discrete seconds")}
    for tolerance in results.settings["tolerances"]:
        solver, stats = {"method": method, "rtol": tolerance, "atol": tolerance}, rn.Stats()

        def forward(theta: Any, stats: Any = None, solver: Any = solver, **gradient: str) -> Any:
            return rn.ODESolve(problem.h0, x1.f, 0.0, 1.0, theta, stats=stats, **solver, **gradient)

        h1, seconds = forward(problem.theta, stats), x1.processor_seconds(functools.partial(forward, problem.theta), results.settings["repeats"])
        backward, gradient_error = problem.backward(method, tolerance)
        row: dict[str, Any] = {"forward": stats.forward.nfe, "error": float(np.abs(h1 - problem.h1).max()), "backward": backward,
                               "gradient error": gradient_error, "seconds": seconds}
        row["test error"] = error_percent(classify(problem.x, problem.theta_all, ode_block(x1.f, **solver)), problem.labels)
        for name in ("adjoint", "discrete") if method == "dopri5" else ():
            gradient = functools.partial(rn.grad(lambda theta, name=name: problem.loss(forward(theta, gradient=name))), problem.theta)
            row[f"{name} seconds"] = x1.processor_seconds(gradient, results.settings["repeats"] // 3 + 1)
        for name, value in row.items():
            found[name].append(value)
    return found


def by_scale(results: Results, nets: Results, method: str, seed: int) -> dict[str, Any]:
    """For the loss times c: evaluations backwards by Algorithm 1 and by `rn.odeint`, and the relative error of dL/dtheta. Statement: S25, S26"""
    problem, tolerance = Problem(results, nets, seed), results.settings["scales at"]
    solver = {"method": method, "rtol": tolerance, "atol": tolerance}
    found: dict[str, Any] = {"|dL/dz1|": float(np.abs(problem.g).max()), "backward": [], "gradient error": [], "refnode": []}
    for scale in results.settings["scales"]:
        backward, error = problem.backward(method, tolerance, scale)
        stats = rn.Stats()
        rn.grad(lambda theta, scale=scale, stats=stats: scale * problem.loss(
            rn.ODESolve(problem.h0, x1.f, 0.0, 1.0, theta, stats=stats, **solver)))(problem.theta)
        for name, value in (("backward", backward), ("gradient error", error), ("refnode", stats.backward.nfe)):
            found[name].append(value)
    return found


def by_input(results: Results, nets: Results, seed: int) -> dict[str, Any]:
    """Evaluations for each image alone, by dopri5 at 1e-5. Statement: S30"""
    problem = Problem(results, nets, seed)
    solution = rn.solve(x1.f, problem.h0, [0.0, 1.0], problem.theta, independent=True, rtol=1e-5, atol=1e-5)
    return {"evaluations": np.asarray(solution.stats.nfe).tolist()}


# what is said

def summary(results: Results, seeds: list[int]) -> list[str]:
    """The first seed in full, as in the paper; the others are in the claims."""
    part = {method: results.parts[f"{method}-seed{seeds[0]}"] for method in METHODS}
    head = f"{'F':>4} {'B':>4} {'B/F':>5} {'error':>8} {'dL/dth':>8} {'ms':>5}"
    lines = [f"The ODE-Net of seed {seeds[0]}; F, B: evaluations forwards and backwards; errors of h(1) and, relative, of dL/dtheta; ms: forwards",
             f"{'tolerance':>9}  " + "   ".join(f"{method:>6}: {head}" for method in METHODS)]
    for i, tolerance in enumerate(results.settings["tolerances"]):
        columns = (f"{'':7} {p['forward'][i]:4} {p['backward'][i]:4} {p['backward'][i] / p['forward'][i]:5.2f} {p['error'][i]:8.1e} "
                   f"{p['gradient error'][i]:8.1e} {1e3 * p['seconds'][i]:5.1f}" for p in part.values())
        lines.append(f"{tolerance:9.1e}  " + "   ".join(columns))
    lines.append(f"The loss times c at tolerance {results.settings['scales at']:g}: evaluations backwards by Algorithm 1 (error of dL/dtheta), "
                 "and by rn.odeint")
    for method in METHODS:
        scales = results.parts[f"scales-{method}-seed{seeds[0]}"]
        lines.append(f"{method:>9}  " + "  ".join(f"c = {c:g}: {b} ({e:.0e}), {r}" for c, b, e, r in zip(
            results.settings["scales"], scales["backward"], scales["gradient error"], scales["refnode"], strict=True)))
    return lines


def claims(results: Results, seeds: list[int], depths: np.ndarray) -> list[Claim]:
    tolerances = np.array(results.settings["tolerances"])
    parts = {(method, seed): results.parts[f"{method}-seed{seed}"] for method in METHODS for seed in seeds}
    dopri5 = [parts["dopri5", seed] for seed in seeds]
    scales = [results.parts[f"scales-{method}-seed{seed}"] for method in METHODS for seed in seeds]
    slopes = [float(np.polyfit(np.log(tolerances), np.log(part["error"]), 1)[0]) for part in dopri5]
    more = [float(np.polyfit(np.log(tolerances[tolerances < 1e-4]), np.log(np.array(part["forward"])[tolerances < 1e-4]), 1)[0]) for part in dopri5]
    fits = [float(np.corrcoef(part["forward"], part["seconds"])[0, 1] ** 2) for part in parts.values()]
    ratios = np.array([np.divide(part["backward"], part["forward"]) for part in parts.values()])
    errors = [np.array(part["gradient error"]) for part in scales]
    times = np.array([np.divide(part["adjoint seconds"], part["discrete seconds"]) for part in dopri5])
    loose = np.array([np.array(part["test error"])[tolerances >= 1e-6] - part["test error"][-1] for part in dopri5])
    inputs = [results.parts[f"inputs-seed{seed}"]["evaluations"] for seed in seeds]
    adams = [np.array(parts["adams", seed]["gradient error"])[(tolerances == 1e-3) | (tolerances == 1e-6)] for seed in seeds]
    return [
        claim("S23", "a: the error falls with the tolerance, and evaluations rise", "a plot",
              f"error ~ tol^{between(slopes, '.2f')}, NFE ~ tol^{between(more, '.2f')} (dopri5, from 1e-5 on)",
              "each seed: exponent of the error within 0.7 and 1.2; evaluations never fall",
              [case for slope, part in zip(slopes, dopri5, strict=True) for case in (0.7 <= slope <= 1.2, np.all(np.diff(part["forward"]) >= 0))]),
        claim("S24", "b: time is proportional to the evaluations forwards", "a plot", f"R^2 of a straight line {between(fits, '.3f')}",
              "each method and seed: R^2 above 0.95", [fit > 0.95 for fit in fits]),
        claim("S25", "c: backwards it takes roughly half as many evaluations as forwards", "0.5", f"{between(ratios.ravel(), '.2f')}, median "
              f"{np.median(ratios):.2f}", f"each method, seed and tolerance: ratio within {HALF[0]} and {HALF[1]}",
              [HALF[0] <= ratio <= HALF[1] for ratio in ratios.ravel()]),
        claim("S25", "the ratio depends on the scale of the loss: a larger loss takes more (not in the paper)", "-", "from c = 1e-4 to 1e4: times "
              + between([part["backward"][-1] / part["backward"][0] for part in scales], ".2f") + "; with rn.odeint times "
              + between([part["refnode"][-1] / part["refnode"][0] for part in scales], ".2f"),
              "each method and seed: evaluations of Algorithm 1 never fall as c grows; they are more at the end; those of rn.odeint stay the same",
              [case for part in scales for case in (np.all(np.diff(part["backward"]) >= 0), part["backward"][-1] > part["backward"][0],
                                                    max(part["refnode"]) == min(part["refnode"]))]),
        claim("S26", "a larger loss has no less accurate gradient at the same tolerance (not in the paper)", "-", "error at c = 1e4 over that at "
              f"1e-4: {between([float(error[-1] / error[0]) for error in errors], '.2f')}",
              "each method and seed: no error above 2 times one at a smaller c",
              [np.all(error <= 2 * np.minimum.accumulate(error)) for error in errors]),
        claim("S27", "the adjoint is more efficient than differentiating through the integrator", "no number",
              f"time of a gradient over that of the discrete one: {between(times.ravel(), '.2f')}",
              "each seed and tolerance: below 1 (processor time, dopri5)", [ratio < 1 for ratio in times.ravel()]),
        claim("S28", "d: evaluations grow in the course of training", "a plot", "from the first step to the last epoch, at 1e-3 "
              f"{steps_of(depths[:, :, 0])}, at 1e-5 {steps_of(depths[:, :, 1])}", "each seed and tolerance: more at the end than at first",
              (depths[:, -1] > depths[:, 0]).ravel()),
        claim("S29", "trained at one tolerance, tested at a wider one", "no number",
              f"test error at 1e-2 to 1e-6 off by {np.abs(loose).max():.2f} points or less",
              "each seed and tolerance: within 1 point of that at the tightest", (np.abs(loose) <= 1).ravel()),
        claim("S30", "the depth depends on the input", "no number",
              f"{min(map(min, inputs))} to {max(map(max, inputs))} evaluations for single images at 1e-5",
              "each seed: not the same for all images", [max(found) > min(found) for found in inputs]),
        claim("S31", "Algorithm 1 works with Adams' method, through which it is hard to differentiate", "no number",
              f"error of dL/dtheta at 1e-3 {between([float(e[0]) for e in adams], '.0e')}, at 1e-6 {between([float(e[-1]) for e in adams], '.0e')}",
              "each seed: at least 100 times smaller at 1e-6 than at 1e-3", [error[0] >= 100 * error[-1] for error in adams])]


def between(values: Any, style: str) -> str:
    """The least and the largest."""
    least, most = (format(float(end), style) for end in (np.min(values), np.max(values)))
    return least if least == most else f"{least} to {most}"


def steps_of(depths: np.ndarray) -> str:
    return ", ".join(f"{row[0]} to {row[-1]}" for row in depths)
