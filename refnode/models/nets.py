"""Multilayer perceptrons as plain functions of their input and their parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Layers = tuple[tuple[Any, Any], ...]


def mlp(x: Any, layers: Layers, activation: Callable[[Any], Any] = np.tanh) -> Any:
    """x W1 + b1, the activation, x W2 + b2, ..., without an activation at the end.

    x: (..., n_0). layers: ((W1, b1), (W2, b2), ...) with W_k of shape (n_{k-1}, n_k), b_k of shape (n_k,). Returns (..., n_last).
    With an activation of slope at most 1 it is Lipschitz by the product of the spectral norms of the W_k. Paper: sec. 6. Statement: S69
    """
    for W, b in layers[:-1]:
        x = activation(x @ W + b)
    W, b = layers[-1]
    return x @ W + b


def mlp_init(rng: np.random.Generator, sizes: Sequence[int], scale: float = 1.0) -> Layers:
    """Parameters for layers of the given sizes (n_0, n_1, ..., n_last): W normal with variance scale^2 / n_{k-1}, b = 0. (LeCun et al. 1998)"""
    if len(sizes) < 2 or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1 for n in sizes):
        raise ValueError(f"sizes must be at least two positive whole numbers, not {sizes!r}.")
    return tuple((rng.normal(scale=scale / np.sqrt(n), size=(n, m)), np.zeros(m)) for n, m in itertools.pairwise(sizes))
