"""Toy data with closed forms, from a generator: spirals, series of which a part is observed, event times."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refnode.models.latent_ode import Series


class Spirals(NamedTuple):
    """Exact spirals x(t) (m, B, 2) at ts (m,), and what determines them: +1 for anticlockwise or -1 (B,), radius r (B,) and angle phi (B,) at 0."""

    ts: np.ndarray
    x: np.ndarray
    direction: np.ndarray
    r: np.ndarray
    phi: np.ndarray


def spirals(rng: np.random.Generator, n: int, ts: Any, alpha: float = 0.1, beta: float = 1.2) -> Spirals:
    """n spirals, half of them clockwise: x(t) = r e^{-alpha t} (cos(phi + d beta t), sin(phi + d beta t)), d = 1 or -1.

    r is uniform in [0.5, 1.5], phi in [0, 2 pi). Each solves x' = A x with A = [[-alpha, -d beta], [d beta, -alpha]].
    Paper: sec. 5.1. Deviation: the paper gives neither radius nor speed nor noise.
    """
    ts = np.asarray(ts, float)
    direction, r, phi = np.where(np.arange(n) % 2, -1.0, 1.0), rng.uniform(0.5, 1.5, n), rng.uniform(0, 2 * np.pi, n)
    angle = phi + beta * direction * ts[:, None]
    x = (r * np.exp(-alpha * ts[:, None]))[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return Spirals(ts, x, direction, r, phi)


def observed(rng: np.random.Generator, ts: Any, x: Any, n: int, noise: float) -> Series:
    """For each series of x (m, B, D) n of the m times, without replacement and in order, and x there with Gaussian noise."""
    m, B, _ = x.shape
    if not 0 < n <= m:
        raise ValueError(f"n must be one of 1, ..., {m}, the number of times, not {n}.")
    rows = np.sort(rng.permuted(np.tile(np.arange(m)[:, None], (1, B)), axis=0)[:n], axis=0)
    values = x[rows, np.arange(B)]
    return Series(np.asarray(ts, float)[rows], values + noise * rng.standard_normal(values.shape), np.ones((n, B), bool))
