"""Events from a latent ODE (Figure 7): a Poisson process whose rate follows an oscillator, fitted to event times alone.

Fifty sequences of events on [0, 10] are simulated by thinning at the rate lambda(t) = exp(a + c cos(omega t + phi)). Fitted are omega, a, b and
z0 of dz/dt = omega J z, lambda = exp(a + b z_1), by the gradient of the likelihood through one solve of (z, Lambda), from five frequencies;
the best is kept. Asked is, on fifty new sequences: the gain in log-likelihood over the best constant rate of the first ones, whether their
rescaled gaps are Exp(1), and how far the frequency is off.
Paper: sec. 5, Poisson process likelihoods, Figure 7
Deviation: the paper says nothing of its toy data; here the latent dynamics are those of the truth, with parameters that are to be found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.paper.pictures_latent import draw_x5
from refnode.experiments.paper.results import Results, cosine
from refnode.flows.training import last, start, train
from refnode.models.poisson import homogeneous_log_prob, ks_exponential, latent_and_intensity, poisson_log_prob, rescaled_gaps, thinned

FULL: dict[str, Any] = {"omega": 1.3, "a": 0.2, "c": 1.0, "T": 10.0, "sequences": 50, "starts": [0.5, 1.0, 1.5, 2.0, 2.5], "steps": 200, "rate": 0.05}
QUICK: dict[str, Any] = FULL | {"sequences": 20, "starts": [1.0, 1.5], "steps": 60}
J = np.array([[0.0, 1.0], [-1.0, 0.0]])
GAIN, OFF, P = 0.1, 0.05, 1e-3


def run(folder: Path, seeds: list[int] | None, quick: bool) -> list[str]:
    """Simulates, fits, and asks. Paper: Figure 7. Statement: S65"""
    results, seeds = Results(folder, "X5-quick" if quick else "X5", QUICK if quick else FULL), seeds or [0, 1, 2]
    settings = results.settings
    lines = [f"Poisson process of {settings['sequences']} sequences on [0, {settings['T']:g}], omega = {settings['omega']}"]
    for seed in seeds:
        part = results.part(f"seed{seed}", fitted, settings, seed)
        lines.append(f"seed {seed}: {part['events']} events, omega {part['omega']:.3f}, gain {part['gain']:.3f} nats an event "
                     f"(of the true rate: {part['gain of the truth']:.3f}), p = {part['p']:.2g} (constant rate: {part['p of a constant rate']:.1g})")
    draw_x5([(seed, *curves(settings, seed, results.parts[f"seed{seed}"])) for seed in seeds], settings["T"], folder / f"{results.name}.png")
    return [*lines, f"Numbers: {results.path}. Picture: {folder / results.name}.png"]


@rn.compiled
def oscillator(z: Any, t: Any, theta: Any) -> Any:
    """dz/dt = omega J z: a circle."""
    return theta["omega"] * (z @ J)


def log_rate(z: Any, theta: Any) -> Any:
    return theta["a"] + theta["b"] * z[..., 0]


def true_rate(settings: dict[str, Any], phi: float, t: Any) -> Any:
    return np.exp(settings["a"] + settings["c"] * np.cos(settings["omega"] * t + phi))


def sequences(settings: dict[str, Any], seed: int, part: int) -> tuple[float, list[np.ndarray]]:
    """The phase of this seed, and the events of each sequence; part: 0 for those to be fitted, 1 for new ones."""
    phi, rng = np.random.default_rng(seed).uniform(0, 2 * np.pi), np.random.default_rng((seed, part))
    bound = np.exp(settings["a"] + settings["c"])
    return phi, [thinned(rng, lambda t: true_rate(settings, phi, t), 0.0, settings["T"], bound) for _ in range(settings["sequences"])]


def log_likelihood(theta: Any, settings: dict[str, Any], many: list[np.ndarray]) -> Any:
    """Of all sequences, through one solve over the union of their events."""
    return poisson_log_prob(oscillator, log_rate, theta["z0"], np.sort(np.concatenate(many)), 0.0, settings["T"], theta, len(many),
                            gradient="discrete")


def fitted(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """The best of the fits, and what it says of new sequences."""
    phi, seen = sequences(settings, seed, 0)
    _, new = sequences(settings, seed, 1)
    N, T, n = sum(map(len, seen)), settings["T"], len(seen)

    def loss(theta: Any, rng: np.random.Generator) -> Any:
        return -log_likelihood(theta, settings, seen) / N

    fits = [last(train(loss, start({"omega": np.array(omega), "a": np.array(0.0), "b": np.array(1.0), "z0": np.array([0.1, 0.1])}, seed),
                       settings["steps"], learning_rate=cosine(settings["rate"], settings["steps"]))) for omega in settings["starts"]]
    theta = min(fits, key=lambda state: state.losses[-1]).theta
    count, constant = sum(map(len, new)), N / (n * T)
    homogeneous = count * np.log(constant) - n * T * constant
    truth = {"omega": np.array(settings["omega"]), "a": np.array(settings["a"]), "b": np.array(settings["c"]),
             "z0": np.array([np.cos(phi), -np.sin(phi)])}
    gains = [float(log_likelihood(which, settings, new) - homogeneous) / count for which in (theta, truth)]
    constant_gaps = rescaled_gaps([constant * events for events in new], constant * T)
    return {"events": N, "new events": count, "omega": abs(float(theta["omega"])), "gain": gains[0], "gain of the truth": gains[1],
            "gain on the events that were fitted": float(log_likelihood(theta, settings, seen) - homogeneous_log_prob(N, T, n)) / N,
            "p": ks_exponential(rescaled_gaps(*rescaled(theta, settings, new))), "p of a constant rate": ks_exponential(constant_gaps),
            "losses": [float(state.losses[-1]) for state in fits], "theta": {name: np.asarray(value).tolist() for name, value in theta.items()}}


def rescaled(theta: Any, settings: dict[str, Any], many: list[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Lambda at the events of each sequence, and at the end."""
    ts = np.concatenate([[0.0], np.sort(np.concatenate(many)), [settings["T"]]])
    _, Lambdas = latent_and_intensity(oscillator, log_rate, theta["z0"], ts, theta)
    return [np.interp(events, ts, Lambdas) for events in many], float(Lambdas[-1])


def curves(settings: dict[str, Any], seed: int, part: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Times, the true and the fitted rate there, and the events."""
    phi, seen = sequences(settings, seed, 0)
    theta = {name: np.array(value) for name, value in part["theta"].items()}
    ts = np.linspace(0, settings["T"], 400)
    return ts, true_rate(settings, phi, ts), np.exp(log_rate(rn.odeint(oscillator, theta["z0"], ts, theta), theta)), seen
