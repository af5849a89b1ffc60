"""Adam, RMSprop and gradient descent with momentum, as functions from parameters, gradients and their state to new ones; gradients that are too
long, shortened; and SciPy's L-BFGS, for losses without noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refnode.autodiff.transforms import value_and_grad
from refnode.tree import Tree, leaves, rebuild, tree_map


class AdamState(NamedTuple):
    """The number of steps taken, and the running means of the gradient and of its square, trees like theta."""

    k: int
    mean: Tree
    square: Tree


def adam_init(theta: Tree) -> AdamState:
    zeros = tree_map(lambda x: np.zeros_like(x, dtype=float), theta)
    return AdamState(0, zeros, zeros)


def adam_step(theta: Tree, gradient: Tree, state: AdamState, learning_rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999,
              eps: float = 1e-8) -> tuple[Tree, AdamState]:
    """One step; theta and the state are new trees, the old ones stay as they are.

        m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
        theta = theta - learning_rate (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + eps)

    Leaves of the gradient that are None (static parameters) leave their parameter as it is. (Kingma and Ba 2015, Algorithm 1)
    """
    k = state.k + 1
    stepped: tuple[list[Any], list[Any], list[Any]] = ([], [], [])

    def step(x: Any, m: Any, v: Any, g: Any) -> None:
        if g is not None:
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
            x = x - learning_rate * (m / (1 - beta1**k)) / (np.sqrt(v / (1 - beta2**k)) + eps)
        for found, value in zip(stepped, (x, m, v), strict=True):
            found.append(value)

    tree_map(step, theta, state.mean, state.square, gradient)
    new, mean, square = (rebuild(theta, iter(found)) for found in stepped)
    return new, AdamState(k, mean, square)


class RMSpropState(NamedTuple):
    """The running mean of the square of the gradient, a tree like theta."""

    square: Tree


def rmsprop_init(theta: Tree) -> RMSpropState:
    return RMSpropState(tree_map(lambda x: np.zeros_like(x, dtype=float), theta))


def rmsprop_step(theta: Tree, gradient: Tree, state: RMSpropState, learning_rate: float = 1e-3, rho: float = 0.9,
                 eps: float = 1e-8) -> tuple[Tree, RMSpropState]:
    """One step; theta and the state are new trees. Leaves of the gradient that are None leave their parameter as it is.

        v = rho v + (1 - rho) g^2,   theta = theta - learning_rate g / (sqrt(v) + eps)

    Source: Tieleman and Hinton 2012, lecture 6.5
    """
    square = tree_map(lambda v, g: v if g is None else rho * v + (1 - rho) * g * g, state.square, gradient)
    new = tree_map(lambda x, v, g: x if g is None else x - learning_rate * g / (np.sqrt(v) + eps), theta, square, gradient)
    return new, RMSpropState(square)


class SGDState(NamedTuple):
    """The velocity, a tree like theta."""

    velocity: Tree


def sgd_init(theta: Tree) -> SGDState:
    return SGDState(tree_map(lambda x: np.zeros_like(x, dtype=float), theta))


def sgd_step(theta: Tree, gradient: Tree, state: SGDState, learning_rate: float = 1e-2, momentum: float = 0.9) -> tuple[Tree, SGDState]:
    """One step; theta and the state are new trees. Leaves of the gradient that are None leave their parameter as it is.

        v = momentum v + g,   theta = theta - learning_rate v

    Source: Polyak 1964
    """
    velocity = tree_map(lambda v, g: v if g is None else momentum * v + g, state.velocity, gradient)
    new = tree_map(lambda x, v, g: x if g is None else x - learning_rate * v, theta, velocity, gradient)
    return new, SGDState(velocity)


def lbfgs(loss: Callable[[Tree], Any], theta: Tree, *, steps: int = 200, **options: Any) -> tuple[Tree, Any]:
    """A minimum of loss(theta) near theta, by SciPy's L-BFGS-B: (theta there, SciPy's `OptimizeResult`; its .message says why it ended).

    loss: traceable, without noise: the same number each time. steps: at most so many. options: SciPy's, such as gtol, ftol, maxcor.
    Parameters that have no gradient (static leaves) stay as they are. Raises ValueError if the loss is not finite where it is asked, SolverError
    if a solve in it fails: L-BFGS tries long steps at first; a start from some steps of Adam helps. Source: Liu, Nocedal 1989
    """
    from scipy.optimize import minimize

    both = value_and_grad(lambda theta: loss(theta))
    _, like = both(theta)

    def flat(tree: Tree) -> np.ndarray:
        found: list[np.ndarray] = []
        tree_map(lambda x, g: None if g is None else found.append(np.ravel(x)), tree, like)
        return np.concatenate(found)

    def unflat(vector: np.ndarray) -> Tree:
        ends, start = iter(np.cumsum([np.size(g) for g in leaves(like)])), [0]

        def piece(x: Any, g: Any) -> Any:
            if g is None:
                return x
            first, start[0] = start[0], int(next(ends))
            return vector[first:start[0]].reshape(np.shape(x))

        return tree_map(piece, theta, like)

    def value_and_flat(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = both(unflat(vector))
        if not np.isfinite(value):
            raise ValueError(f"the loss is {value} at a point that L-BFGS tried; start from parameters that some steps of Adam made.")
        return float(value), flat(gradient)

    result = minimize(value_and_flat, flat(theta), jac=True, method="L-BFGS-B", options={"maxiter": steps} | options)
    return unflat(result.x), result


def clipped(gradient: Tree, longest: float) -> Tree:
    """g min(1, longest / |g|), |g| the Euclidean norm over all leaves: the direction stays, None stays None."""
    norm = np.sqrt(sum(float(np.sum(np.square(g))) for g in leaves(gradient)))
    return tree_map(lambda g: g * min(1.0, longest / norm), gradient) if norm > longest else gradient
