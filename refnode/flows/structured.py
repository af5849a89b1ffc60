"""Flows whose dynamics have a form of their own: Hamiltonian pairs (continuous NICE), and FFJORD's concat-squash network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from refnode.flows.planar import logistic
from refnode.flows.traces import with_trace
from refnode.models.nets import Layers, mlp

SquashLayers = tuple[tuple[Any, Any, Any, Any, Any], ...]


@with_trace
def hamiltonian(z: Any, t: Any, theta: tuple[Layers, Layers]) -> Any:
    """dz_{1:d}/dt = f(z_{d+1:D}), dz_{d+1:D}/dt = g(z_{1:d}): the trace is 0, volume is preserved, and log p is carried along unchanged.

    theta: the layers of two networks `mlp`, f from D - d to d numbers and g from d to D - d; d is what f returns.
    Paper: eq. (29). Statement: S49
    """
    f, g = theta
    d = f[-1][0].shape[1]
    return np.concatenate([mlp(z[..., d:], f), mlp(z[..., :d], g)], axis=-1), np.zeros(z.shape[:-1], z.dtype)


def concatsquash(z: Any, t: Any, layers: SquashLayers) -> Any:
    """FFJORD's network: layers (x W + b) sigma(w_gate t + b_gate) + w_shift t, with tanh between them.

    layers: ((W, b, w_gate, b_gate, w_shift), ...), W (n_{k-1}, n_k) and four vectors (n_k,) each, from D to D numbers (`concatsquash_init`).
    It declares no trace: D cotangents, or Hutchinson's estimate.
    Source: Grathwohl et al. 2019 (arXiv 1810.01367). Statement: E11
    """
    for k, (W, b, w_gate, b_gate, w_shift) in enumerate(layers):
        z = np.tanh(z) if k else z
        z = (z @ W + b) * logistic(w_gate * t + b_gate) + w_shift * t
    return z


def concatsquash_init(rng: np.random.Generator, sizes: Sequence[int]) -> SquashLayers:
    """Layers of the given sizes, (D, hidden, ..., D): W normal with variance 1 / n_{k-1}, the gate's and shift's vectors standard normal, b = 0."""
    return tuple((rng.normal(scale=1 / np.sqrt(n), size=(n, m)), np.zeros(m), rng.normal(size=m), np.zeros(m), rng.normal(size=m))
                 for n, m in itertools.pairwise(sizes))
