"""The work to be timed, as data: dynamics, initial state, observation times, parameters, tolerances, loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

RTOL, ATOL = 1e-6, 1e-8
KINDS = ("mlp", "lotka-volterra", "cnf")


@dataclass(frozen=True)
class Workload:
    """The gradient of loss(z(ts[0]), ..., z(ts[-1])) by z0 and theta.

    kind: one of KINDS; what has the same kind has the same dynamics, in other sizes. dynamics(xp): f(z, t, theta) in the functions of the
    namespace xp (numpy, autograd.numpy, jax.numpy, torch). z0: an array, ts (N,) increasing, theta: an array or nested tuples of arrays;
    all float64. loss(xp): a function of zs (N, *z0.shape).
    """

    name: str
    title: str
    kind: str
    dynamics: Callable[[Any], Callable[[Any, Any, Any], Any]]
    z0: np.ndarray
    ts: np.ndarray
    theta: Any
    loss: Callable[[Any], Callable[[Any], Any]]
    rtol: float = RTOL
    atol: float = ATOL


@cache
def workloads() -> dict[str, Workload]:
    """All of them by name, in the order of the tables."""
    rows = (
        mlp("2x20", D=2, B=20, H=50),
        mlp("2x512", D=2, B=512, H=64),
        mlp("16x128", D=16, B=128, H=64),
        mlp("64x256", D=64, B=256, H=64),
        lotka_volterra(),
        cnf(),
    )
    return {row.name: row for row in rows}


def mlp(name: str, D: int, B: int, H: int) -> Workload:
    """f(z) = tanh(z^3 W1 + b1) W2 + b2 for B states of D numbers each, H hidden units, 10 observation times.

    z^3 is written as products: a power costs each library something else. The weights are of size 0.3, but above D = 16 those of W1 of size
    1.2 / sqrt(D): else the flow of the widest network would separate neighbouring states faster than any solver can follow it back.
    """
    rng = np.random.default_rng(0)
    theta = (
        (rng.normal(size=(D, H)) * min(0.3, 1.2 / D**0.5), np.zeros(H)),
        (rng.normal(size=(H, D)) * 0.3, np.zeros(D)),
    )
    z0, ts = rng.normal(size=(B, D)), np.linspace(0.0, 1.0, 10)
    return Workload(name, f"tanh network {D}-{H}-{D} of z^3, batch {B}", "mlp", mlp_dynamics, z0, ts, theta, sum_of_squares)


def mlp_dynamics(xp: Any) -> Callable[[Any, Any, Any], Any]:
    """dz/dt = tanh(z^3 W1 + b1) W2 + b2"""

    def f(z, t, theta):
        (W1, b1), (W2, b2) = theta
        return xp.tanh((z * z * z) @ W1 + b1) @ W2 + b2

    return f


def lotka_volterra() -> Workload:
    """Two species, four parameters, 50 observations."""
    theta = np.array([1.5, 1.0, 3.0, 1.0])
    return Workload(
        "lotka-volterra",
        "Lotka-Volterra, 4 parameters, 50 observations",
        "lotka-volterra",
        lotka_volterra_dynamics,
        np.array([1.0, 1.0]),
        np.linspace(0.0, 10.0, 50),
        theta,
        sum_of_squares,
    )


def lotka_volterra_dynamics(xp: Any) -> Callable[[Any, Any, Any], Any]:
    """dx/dt = alpha x - beta x y,   dy/dt = delta x y - gamma y"""

    def f(z, t, theta):
        x, y = z[0], z[1]
        alpha, beta, gamma, delta = theta[0], theta[1], theta[2], theta[3]
        return xp.stack([alpha * x - beta * x * y, delta * x * y - gamma * y])

    return f


def cnf() -> Workload:
    """A continuous normalizing flow in the plane with the exact trace: paper, eq. (8). The state is (z, log-density change), batch 512.

    The loss is the negative log-likelihood of z0 under the flow to a standard normal density, summed over the batch.
    """
    rng = np.random.default_rng(0)
    sizes = (2, 64, 64, 2)
    theta = tuple((rng.normal(size=(m, n)) * 1.5 / np.sqrt(m), 0.1 * rng.normal(size=n)) for m, n in pairwise(sizes))
    z0 = np.concatenate([rng.normal(size=(512, 2)), np.zeros((512, 1))], axis=1)
    ts = np.array([0.0, 1.0])
    return Workload("cnf", "CNF 2-64-64-2, exact trace, batch 512", "cnf", cnf_dynamics, z0, ts, theta, negative_log_likelihood)


def cnf_dynamics(xp: Any) -> Callable[[Any, Any, Any], Any]:
    """dz/dt = tanh(tanh(z W1 + b1) W2 + b2) W3 + b3,   d log p/dt = -tr(df/dz) = -sum_i (df/dz e_i)_i, the products written out."""

    def f(state, t, theta):
        (W1, b1), (W2, b2), (W3, b3) = theta
        h1 = xp.tanh(state[:, :2] @ W1 + b1)
        h2 = xp.tanh(h1 @ W2 + b2)
        s1, s2 = 1 - h1 * h1, 1 - h2 * h2
        along_x = (((s1 * W1[0]) @ W2) * s2) @ W3[:, :1]
        along_y = (((s1 * W1[1]) @ W2) * s2) @ W3[:, 1:]
        return xp.concatenate((h2 @ W3 + b3, -(along_x + along_y)), 1)

    return f


def sum_of_squares(xp: Any) -> Callable[[Any], Any]:
    """Over all observations, the first included."""
    return lambda zs: xp.sum(zs * zs)


def negative_log_likelihood(xp: Any) -> Callable[[Any], Any]:
    """-log p(z(t0)) = -log N(z(t1)) + (log p(z(t1)) - log p(z(t0)))"""

    def loss(zs):
        z, change = zs[-1][:, :2], zs[-1][:, 2]
        return xp.sum(0.5 * (z * z)) + np.log(2 * np.pi) * len(z) + xp.sum(change)

    return loss


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The nested tuples with function(leaf) in the place of each leaf."""
    return tuple(mapped(function, child) for child in tree) if isinstance(tree, tuple) else function(tree)


def leaves(tree: Any) -> list[Any]:
    """The arrays of nested tuples, from left to right."""
    return [leaf for child in tree for leaf in leaves(child)] if isinstance(tree, tuple) else [tree]
