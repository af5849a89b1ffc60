"""Drawn dynamics: draw(seed) is always the same problem, and its id, draw-<seed>, is enough to have it again.

Four families in turn: a small network with a clock, a linear system, a forced scalar equation, a cubic system. The Lipschitz constant L
along the solution is bounded so that errors grow by at most e^3 or so; the grid is uneven, runs backwards in one of three, and starts
far from 0 in two of three; one row of the loss weights is zero.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from .posed import Posed

Array = np.ndarray


@functools.cache
def draw(seed: int) -> Posed:
    """The problem of a seed, an integer of at least 0."""
    rng = np.random.default_rng(seed)
    sign = -1.0 if rng.random() < 1 / 3 else 1.0
    start = 0.0 if rng.random() < 1 / 3 else rng.uniform(-20, 20)
    family = (_network, _linear, _forced, _cubic)[seed % 4]
    rhs, theta, z0, L = family(rng, sign)
    span = min(2.0, 2.5 / L) * rng.uniform(0.6, 1.0)
    gaps = rng.uniform(0.3, 1.0, int(rng.integers(2, 5)))
    ts = start + sign * span * np.append(0.0, np.cumsum(gaps)) / gaps.sum()
    weights = rng.standard_normal((len(ts), z0.size))
    weights[rng.integers(len(ts) - 1)] = 0.0
    return Posed(f"draw-{seed}", rhs, theta, z0, ts, weights)


def seed_of(name: str) -> int | None:
    """The seed in the name draw-<seed>; None for other names."""
    match = re.fullmatch(r"draw-(\d{1,9})", name)
    return int(match[1]) if match else None


def _network(rng: np.random.Generator, sign: float):
    """f = W2 tanh(W1 z + c sin(w t) + b), all in theta; L = |W2| |W1| by their 2-norms."""
    D, H = int(rng.integers(2, 4)), int(rng.integers(3, 6))
    W1, W2 = rng.standard_normal((H, D)), rng.standard_normal((D, H))
    L = rng.uniform(0.5, 2.0)
    W1, W2 = W1 / np.linalg.norm(W1, 2), L * W2 / np.linalg.norm(W2, 2)
    c, b = rng.standard_normal((2, H))

    def rhs(xp, z, t, theta):
        W1, W2 = xp.reshape(theta[: H * D], (H, D)), xp.reshape(theta[H * D : 2 * H * D], (D, H))
        c, b, w = theta[2 * H * D : 2 * H * D + H], theta[2 * H * D + H : 2 * H * D + 2 * H], theta[-1]
        return W2 @ xp.tanh(W1 @ z + c * xp.sin(w * t) + b)

    theta = np.concatenate([W1.ravel(), W2.ravel(), c, b, [rng.uniform(0.5, 2.5)]])
    return rhs, theta, rng.standard_normal(D), L


def _linear(rng: np.random.Generator, sign: float):
    """f = A z, A = S B S^-1: B has eigenvalues between -1.5 and 0.5, with imaginary parts up to 2, and S is not orthogonal."""
    D = int(rng.integers(2, 4))
    B = np.diag(rng.uniform(-1.5, 0.5, D))
    B[:2, :2] = B[0, 0] * np.eye(2) + rng.uniform(0.5, 2.0) * np.array([[0, 1], [-1, 0]])
    S = np.eye(D) + 0.4 * rng.uniform(-1, 1, (D, D))
    A = sign * S @ B @ np.linalg.inv(S)

    def rhs(xp, z, t, theta):
        return xp.reshape(theta, (D, D)) @ z

    return rhs, A.ravel(), rng.standard_normal(D), float(np.linalg.norm(A, 2))


def _forced(rng: np.random.Generator, sign: float):
    """f = a sin(z) + b cos(w t) z + c; L = |a| + |b|."""
    theta = np.append(rng.uniform(-1, 1, 3), rng.uniform(0.5, 2.5))

    def rhs(xp, z, t, theta):
        a, b, c, w = theta
        return a * xp.sin(z) + b * xp.cos(w * t) * z + c

    return rhs, theta, rng.uniform(-1.5, 1.5, 1), float(np.abs(theta[:2]).sum())


def _cubic(rng: np.random.Generator, sign: float):
    """f = A z - c |z|^2 z + d cos(w t), |z0| <= 1, c so that |z| falls in the direction of time; L = |A| + 3 |c|, for |z| about 1."""
    D = int(rng.integers(2, 4))
    A, c, d, w = rng.uniform(-0.5, 0.5, (D, D)), sign * rng.uniform(0.3, 0.6), 0.3 * rng.uniform(-1, 1), rng.uniform(0.5, 2.5)

    def rhs(xp, z, t, theta):
        A, c, d, w = xp.reshape(theta[: D * D], (D, D)), theta[-3], theta[-2], theta[-1]
        return A @ z - c * xp.sum(z * z) * z + d * xp.cos(w * t)

    z0 = rng.standard_normal(D)
    return rhs, np.append(A.ravel(), [c, d, w]), z0 / np.linalg.norm(z0), float(np.linalg.norm(A, 2) + 3 * abs(c))
