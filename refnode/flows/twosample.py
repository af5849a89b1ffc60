"""Do two samples come from the same distribution? The energy distance, with a p-value by permutation."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.ode.arguments import whole_number


def energy_test(x: Any, y: Any, rng: np.random.Generator, permutations: int = 999) -> float:
    """The p-value of the hypothesis that x (n, D) and y (m, D) are samples of one distribution: small where they are not.

        p = (1 + #{permutations whose energy distance is at least that of (x, y)}) / (1 + permutations)

    Under the hypothesis all permutations are alike, so that P(p <= a) <= a for any a, n, m and D.
    Source: Szekely and Rizzo 2013; Gretton et al. 2012, for the kernel -|x - y|
    """
    x, y = (np.asarray(points, float) for points in (x, y))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"energy_test takes two samples (n, D) and (m, D) of at least two points, not of shapes {x.shape} and {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("energy_test takes finite points.")
    together, n, permutations = np.concatenate([x, y]), len(x), whole_number("permutations", permutations)
    distances = pairwise(together)
    total, labels = len(together), np.zeros((len(together), permutations + 1))
    labels[:n] = 1.0
    for column in labels.T[1:]:
        rng.shuffle(column)
    # with s the indicator of x: the sums of |.| within x, within y and between are quadratic forms in s
    D_s, row = distances @ labels, distances.sum(axis=1)
    within_x = np.sum(labels * D_s, axis=0)
    between = row @ labels - within_x
    within_y = row.sum() - 2 * between - within_x
    m = total - n
    energy = 2 * between / (n * m) - within_x / n**2 - within_y / m**2
    return float(np.mean(energy >= energy[0] - 1e-12 * abs(energy[0])))


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, of the two empirical distributions: not negative, and zero only where they are the same."""
    D, n = pairwise(np.concatenate([x, y])), len(x)
    return float(2 * D[:n, n:].mean() - D[:n, :n].mean() - D[n:, n:].mean())


def pairwise(x: np.ndarray) -> np.ndarray:
    """|x_i - x_j|, (n, n)."""
    return np.sqrt(np.sum((x[:, None] - x[None]) ** 2, axis=-1))
