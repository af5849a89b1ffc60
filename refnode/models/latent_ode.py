"""The latent ODE: a series is a trajectory of one differential equation, from a random initial state, seen through a decoder.

    q(z0 | x) = N(mean, variance) = recognise(x),   z(t_1), ..., z(t_n) = odeint(f, z0, ...),   x_i ~ N(decode(z(t_i)), sigma^2 I)

All series of a batch are solved as one state (B, L), over the union of their times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refnode.autodiff.trace import plain
from refnode.gradients.select import odeint
from refnode.models import recurrent
from refnode.models.elbo import elbo, gaussian_log_prob, reparametrised
from refnode.models.nets import Layers, mlp, mlp_init
from refnode.models.recurrent import RNN, rnn_init


class Series(NamedTuple):
    """A batch of irregular series: times (n, B), values (n, B, D), mask (n, B); see `refnode.models.recurrent`."""

    times: np.ndarray
    values: np.ndarray
    mask: np.ndarray


class Parameters(NamedTuple):
    """Of the recognition network, of f, and of the decoder."""

    recognition: RNN
    dynamics: Layers
    decoder: Layers


def latent_ode_init(rng: np.random.Generator, data: int, latent: int = 4, hidden: int = 20, recognition: int = 25) -> Parameters:
    """Parameters for series of `data` values at a time; the default sizes are the paper's. Paper: sec. 5.1"""
    return Parameters(rnn_init(rng, data + 1, recognition, 2 * latent), mlp_init(rng, (latent, hidden, latent)),
                      mlp_init(rng, (latent, hidden, data)))


def dynamics(z: Any, t: Any, theta: Layers) -> Any:
    """f(z): a network that does not see t, so that a trajectory is determined by any one of its states. Paper: sec. 5. Statement: S56"""
    return mlp(z, theta)


@dataclass(frozen=True)
class LatentODE:
    """The model; it holds no parameters.

    t0: the time of the latent state that is inferred. sigma: the standard deviation of the observations. f(z, t, theta), recognise(values,
    gaps, mask, theta) and decode(z, theta) may be replaced, by compiled ones for instance. solver: keywords of `odeint`.
    Paper: eq. (11), (12), (13), App. E. Statement: S55, S57, S59, S60
    """

    sigma: float
    t0: float = 0.0
    f: Callable[..., Any] = dynamics
    recognise: Callable[..., Any] = recurrent.recognise
    decode: Callable[..., Any] = mlp
    solver: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (isinstance(self.sigma, (int, float, np.number)) and 0 < self.sigma < np.inf):
            raise ValueError(f"sigma must be a positive, finite standard deviation, not {self.sigma!r}.")
        if not np.isfinite(self.t0):
            raise ValueError(f"t0 must be a finite time, not {self.t0!r}.")

    def encode(self, theta: Parameters, x: Series) -> tuple[Any, Any]:
        """Mean and log-variance of q(z(t0) | x), (B, L) each. ValueError for values that are not finite where the mask is True, and wrong shapes."""
        values, mask = plain(x.values), np.asarray(x.mask)
        if np.ndim(values) != 3 or np.shape(values)[:2] != mask.shape:
            raise ValueError(f"values must have a shape (n, B, D) and the mask (n, B); they have {np.shape(values)} and {mask.shape}.")
        if not np.all(np.isfinite(values[mask.astype(bool)])):
            raise ValueError("an observed value is not finite: set the mask to False where a value is missing.")
        return self.recognise(x.values, recurrent.gaps(x.times, x.mask, self.t0), x.mask, theta.recognition)

    def latent(self, theta: Parameters, z0: Any, ts: Any) -> Any:
        """z at the times ts (m,), in any order and on both sides of t0, from z(t0) = z0 (B, L): (m, B, L). Paper: eq. (12)"""
        ts, parts = np.asarray(ts, float), []
        if ts.ndim != 1 or not ts.size or not np.all(np.isfinite(ts)):
            raise ValueError(f"ts must be at least one finite time, in one dimension, not {ts}.")
        for side, direction in ((ts >= self.t0, 1), (ts < self.t0, -1)):
            if np.any(side):
                there, back = np.unique(ts[side], return_inverse=True)
                there = there[::direction]
                zs = odeint(self.f, z0, np.concatenate([[self.t0], there]), theta.dynamics, **self.solver)[1:]
                parts.append((side, zs[::direction][back]))
        if len(parts) == 1:
            return parts[0][1]
        order = np.argsort(np.concatenate([np.flatnonzero(side) for side, _ in parts]))
        return np.concatenate([zs for _, zs in parts])[order]

    def predict(self, theta: Parameters, z0: Any, ts: Any) -> Any:
        """The means of x at ts (m,): (m, B, D)."""
        return self.decode(self.latent(theta, z0, ts), theta.decoder)

    def elbo(self, theta: Parameters, x: Series, noise: Any, analytic: bool = True, weight: float = 1.0) -> Any:
        """The bound on log p(x) of each series, (B,), by one sample of q that comes from noise (B, L) of N(0, I). See `refnode.models.elbo`.

        Paper: App. E, Algorithm.
        """
        mean, log_variance = self.encode(theta, x)
        if np.shape(noise) != np.shape(mean):
            raise ValueError(f"noise must have the shape {np.shape(mean)} of the latent states, not {np.shape(noise)}.")
        z0 = reparametrised(mean, log_variance, noise)
        union, where = np.unique(np.where(x.mask, x.times, self.t0), return_inverse=True)
        zs = self.latent(theta, z0, union)[where.reshape(x.mask.shape), np.arange(x.mask.shape[1])]
        values = np.where(x.mask[..., None], x.values, 0.0)
        log_p = gaussian_log_prob(values, self.decode(zs, theta.decoder), 2 * np.log(self.sigma))
        log_p = np.sum(np.where(x.mask, np.sum(log_p, axis=-1), 0.0), axis=0)
        return elbo(log_p, z0, mean, log_variance, analytic, weight)

    def sample(self, theta: Parameters, rng: np.random.Generator, ts: Any, n: int, latent: int) -> tuple[np.ndarray, np.ndarray]:
        """n series from the model: z (m, n, L) and x (m, n, D) at ts (m,), z(t0) from N(0, I). Paper: eq. (11), (12), (13)"""
        zs = self.latent(theta, rng.standard_normal((n, latent)), ts)
        means = self.decode(zs, theta.decoder)
        return zs, means + self.sigma * rng.standard_normal(means.shape)
