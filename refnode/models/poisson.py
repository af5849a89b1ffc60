"""Inhomogeneous Poisson processes whose rate follows a latent state: likelihood, simulation, and what tells whether they fit.

    dz/dt = f(z, t, theta),   lambda(t) = exp(log_rate(z(t), theta)),   Lambda(t) = int_{t0}^{t} lambda
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.gradients.select import odeint
from refnode.ode.arguments import whole_number

LogRate = Callable[[Any, Any], Any]


def with_intensity(f: Callable[..., Any], log_rate: LogRate) -> Callable[..., Any]:
    """The dynamics of (z, Lambda): d/dt (z, Lambda) = (f(z, t, theta), exp(log_rate(z, theta))).

    Paper: sec. 5, Poisson process likelihoods. Statement: S62
    """
    def aug_dynamics(state: Any, t: Any, theta: Any) -> Any:
        z, _ = state
        return f(z, t, theta), np.exp(log_rate(z, theta))

    return aug_dynamics


def latent_and_intensity(f: Callable[..., Any], log_rate: LogRate, z0: Any, ts: Any, theta: Any, **solver: Any) -> tuple[Any, Any]:
    """z(t_i) and Lambda(t_i) = int_{t_0}^{t_i} lambda at the times ts (m,), in one solve of the two together.

    f(z, t, theta) and log_rate(z, theta), which returns one number for each state: (...) for z (..., D), so that a component is z[..., 0]; both
    take the same theta. z0: (D,), or (B, D). Returns (m, *z0.shape) and (m,) or (m, B). solver: keywords of `odeint`.
    Raises ValueError for a log_rate that returns something else.
    Paper: sec. 5, Poisson process likelihoods. Statement: S62
    """
    if not np.ndim(z0):
        raise ValueError(f"z0 must be a state (D,) or states (B, D), not the number {z0!r}; write [{z0!r}].")
    one_for_each(np.stack([z0]), log_rate, theta)  # before the solve, and as one state of many: z[0] for z[..., 0] may else go unnoticed
    at_first = np.zeros(np.shape(z0)[:-1])
    return odeint(with_intensity(f, log_rate), (z0, at_first), ts, theta, **solver)


def poisson_log_prob(f: Callable[..., Any], log_rate: LogRate, z0: Any, events: Any, t0: Any, t1: Any, theta: Any, realisations: int = 1,
                     **solver: Any) -> Any:
    """log p(t_1, ..., t_N | t0, t1) of the events in [t0, t1], differentiable in z0, the events, t0, t1 and theta; one solve.

        log p = sum_i log lambda(z(t_i)) - int_{t0}^{t1} lambda(z(t)) dt

    z0: (D,), z(t0); or (B, D), and (B,) comes back: the same events under B latent states. events: (N,), none before the last; N may be 0.
    realisations: how many independent realisations the events come from, all in one list; the integral counts so many times. The value moves
    with an event by d log lambda/dz . f at its time.
    Raises ValueError for events that are not in order or not within [t0, t1].
    Paper: sec. 5, Poisson process likelihoods. Statement: S61, S63, S64
    """
    n = whole_number("realisations", realisations)
    if np.ndim(events) != 1:
        raise ValueError(f"events must be times (N,), of one realisation or of all in one list, not of the shape {np.shape(events)}.")
    ts = np.concatenate([np.stack([t0]), events, np.stack([t1])])
    if not np.all(ts[1:] >= ts[:-1]):
        raise ValueError(f"events must be finite, in increasing order and within [t0, t1] = [{t0}, {t1}]; sort them, or leave out those beyond.")
    zs, Lambdas = latent_and_intensity(f, log_rate, z0, ts, theta, **solver)
    return np.sum(one_for_each(zs[1:-1], log_rate, theta), axis=0) - n * Lambdas[-1]


def one_for_each(states: Any, log_rate: LogRate, theta: Any) -> Any:
    """log_rate of states (..., D), in the shape (...) that it must have."""
    rates = log_rate(states, theta)
    if np.shape(rates) != np.shape(states)[:-1]:
        raise ValueError(f"log_rate must return one number for each state, shape {np.shape(states)[:-1]} for states {np.shape(states)}, not "
                         f"shape {np.shape(rates)}; the first component of states (..., D) is z[..., 0].")
    return rates


def homogeneous_log_prob(N: int, duration: float, realisations: int = 1) -> float:
    """The largest log p that a constant rate gives to N events in `duration`: N log(N / T) - N, with T = duration * realisations; 0 for N = 0.

    Statement: S61
    """
    return N * float(np.log(N / (duration * realisations))) - N if N else 0.0


# simulation

def thinned(rng: np.random.Generator, rate: Callable[[np.ndarray], np.ndarray], t0: float, t1: float, bound: float) -> np.ndarray:
    """The events (N,) of one realisation in [t0, t1]: those of rate `bound`, each kept with probability rate(t) / bound.

    rate: of times (n,), (n,), nowhere above bound; ValueError where it is found to be. Source: Lewis and Shedler 1979
    """
    if not t0 <= t1:
        raise ValueError(f"t1 must not be before t0, but they are {t1} and {t0}.")
    candidates = np.sort(rng.uniform(t0, t1, rng.poisson(bound * (t1 - t0))))
    rates = np.asarray(rate(candidates))
    if candidates.size and not 0 <= rates.min() <= rates.max() <= bound:
        raise ValueError(f"the rate must lie between 0 and the bound {bound:g} everywhere; it is in [{rates.min():g}, {rates.max():g}] here.")
    return candidates[rng.uniform(0, bound, candidates.size) < rates]


# goodness of fit

def rescaled_gaps(Lambdas: Sequence[Any], total: float) -> np.ndarray:
    """Gaps between events in the time Lambda, which are independent Exp(1) if the rate is right. (Time rescaling)

    Lambdas: for each realisation Lambda at its events (N_k,); total: Lambda(t1). The realisations follow each other on one axis of length
    total * len(Lambdas), where rescaled events are a process of rate 1, so that only the gap after the very last event is lost; gaps within
    short realisations alone would be too short. Source: Brown et al. 2002. Statement: S61
    """
    along = np.concatenate([k * total + np.asarray(Lambda) for k, Lambda in enumerate(Lambdas)])
    return np.diff(along, prepend=0.0)


def ks_exponential(gaps: np.ndarray) -> float:
    """The p-value of Kolmogorov and Smirnov's test of the gaps against Exp(1). Statement: S61"""
    from scipy.stats import kstest

    if not len(gaps):
        raise ValueError("without events there is no gap to be tested.")
    return float(kstest(gaps, "expon").pvalue)
