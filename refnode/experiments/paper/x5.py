"""Events from a latent ODE (Figure 7): a Poisson process whose rate follows an oscillator, fitted to event times alone.

Fifty sequences of events on [0, 10] are simulated by thinning at the rate lambda(t) = exp(a + c cos(omega t + phi)). Fitted are omega, a, b and
z0 of dz/dt = omega J z, lambda = exp(a + b z_1), by the gradient of the likelihood through one solve of (z, Lambda), from five frequencies at
once; the best is kept. Asked is, on fifty new sequences: the gain in log-likelihood over the best constant rate of the first ones, whether their
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
from refnode.experiments.paper.results import Claim, Outcome, Results, claim, cosine
from refnode.flows.training import last, start, train
from refnode.models.poisson import homogeneous_log_prob, ks_exponential, latent_and_intensity, poisson_log_prob, rescaled_gaps, thinned

FULL: dict[str, Any] = {"omega": 1.3, "a": 0.2, "c": 1.0, "T": 10.0, "sequences": 50, "starts": [0.5, 1.0, 1.5, 2.0, 2.5], "steps": 200, "rate": 0.05}
QUICK: dict[str, Any] = FULL | {"sequences": 20, "steps": 60}
J = np.array([[0.0, 1.0], [-1.0, 0.0]])
GAIN, OFF, P = 0.1, 0.05, 1e-3


def run(folder: Path, seeds: list[int], quick: bool) -> Outcome:
    """Simulates, fits, and asks. Paper: Figure 7. Statement: S65"""
    results = Results(folder, "X5-quick" if quick else "X5", QUICK if quick else FULL)
    settings, picture = results.settings, folder / f"{results.name}.png"
    parts = [results.part(f"seed{seed}", fitted, settings, seed) for seed in seeds]
    draw_x5([(seed, *curves(settings, seed, part)) for seed, part in zip(seeds, parts, strict=True)], settings["T"], picture)
    lines = [f"{settings['sequences']} sequences of events on [0, {settings['T']:g}], omega = {settings['omega']}; p of rescaled gaps",
             "seed  events   omega   gain (true rate)       p  (constant rate)"]
    lines += [f"{seed:4} {part['events']:7} {part['omega']:7.3f} {part['gain']:6.3f} {part['gain of the truth']:11.3f}  {part['p']:6.2g} "
              f"{part['p of a constant rate']:16.1g}" for seed, part in zip(seeds, parts, strict=True)]
    return Outcome(lines, claims(settings, parts), [picture], results)


def claims(settings: dict[str, Any], parts: list[dict[str, Any]]) -> list[Claim]:
    def found(name: str) -> str:
        return ", ".join(f"{part[name]:.3g}" for part in parts)

    off = [abs(part["omega"] / settings["omega"] - 1) for part in parts]
    return [
        claim("S65", "the learned rate follows the density of the events", "a picture (Figure 7)",
              f"gain over a constant rate, nats an event: {found('gain')}",
              f"on new sequences, each seed: at least {GAIN}", [part["gain"] >= GAIN for part in parts]),
        claim("S61", "rescaled by the learned rate, the events are a process of rate 1", "-", f"Kolmogorov and Smirnov: p = {found('p')}",
              f"on new sequences, each seed: p > {P:g}", [part["p"] > P for part in parts]),
        claim("S65", "the latent frequency is found from the events alone", "-", f"omega = {found('omega')}; the truth is {settings['omega']}",
              f"each seed: within {100 * OFF:g} %", [each <= OFF for each in off]),
    ]


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


def log_likelihood(theta: Any, settings: dict[str, Any], many: list[np.ndarray], **solver: Any) -> Any:
    """Of all sequences, through one solve over the union of their events."""
    return poisson_log_prob(oscillator, log_rate, theta["z0"], np.sort(np.concatenate(many)), 0.0, settings["T"], theta, len(many),
                            gradient="discrete", **solver)


def fitted(settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """The best of the fits, and what it says of new sequences."""
    phi, seen = sequences(settings, seed, 0)
    _, new = sequences(settings, seed, 1)
    N, T, n, k = sum(map(len, seen)), settings["T"], len(seen), len(settings["starts"])

    def loss(theta: Any, rng: np.random.Generator) -> Any:
        return -np.sum(log_likelihood(theta, settings, seen, rtol=1e-4, atol=1e-6)) / N

    first = {"omega": np.array(settings["starts"])[:, None], "a": np.zeros(k), "b": np.ones(k), "z0": np.full((k, 2), 0.1)}
    state = last(train(loss, start(first, seed), settings["steps"], learning_rate=cosine(settings["rate"], settings["steps"])))
    values = log_likelihood(state.theta, settings, seen)
    theta = {name: value[np.argmax(values)] for name, value in state.theta.items()}
    count, constant = sum(map(len, new)), N / (n * T)
    homogeneous = count * np.log(constant) - n * T * constant
    truth = {"omega": np.array(settings["omega"]), "a": np.array(settings["a"]), "b": np.array(settings["c"]),
             "z0": np.array([np.cos(phi), np.sin(phi)])}
    gains = [float(log_likelihood(which, settings, new) - homogeneous) / count for which in (theta, truth)]
    constant_gaps = rescaled_gaps([constant * events for events in new], constant * T)
    return {"events": N, "new events": count, "omega": float(np.abs(theta["omega"]).item()), "gain": gains[0], "gain of the truth": gains[1],
            "gain on the events that were fitted": float(values.max() - homogeneous_log_prob(N, T, n)) / N,
            "p": ks_exponential(rescaled_gaps(*rescaled(theta, settings, new))), "p of a constant rate": ks_exponential(constant_gaps),
            "log-likelihoods": values.tolist(), "theta": {name: value.tolist() for name, value in theta.items()}}


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
