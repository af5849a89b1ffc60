"""Classifiers of Table 1: a linear layer into a hidden state, a block, a linear layer to the classes; the block is what they differ in.

theta = (first, block, last), first and last pairs (W, b) as in `nets`. The dynamics and the residual functions are networks of one hidden layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.gradients.select import ODESolve
from refnode.models.nets import Layers, mlp, mlp_init
from refnode.models.resnet import resnet


def classify(x: Any, theta: Any, block: Callable[[Any, Any], Any]) -> Any:
    """The logits (n, classes) of the inputs x (n, features): block(x W + b, theta_block) W' + b'."""
    (W, b), of_block, last = theta
    return mlp(block(x @ W + b, of_block), (last,))


def no_block(h: Any, theta: Any) -> Any:
    """tanh h: with it `classify` is a multilayer perceptron of one hidden layer; theta is not used."""
    return np.tanh(h)


def residual_blocks(h: Any, thetas: Sequence[Layers]) -> Any:
    """ResNet: h_{t+1} = h_t + mlp(h_t, theta_t). Paper: eq. (1), Table 1"""
    return resnet(h, lambda h, t, layers: mlp(h, layers), thetas)


def ode_block(f: Callable[..., Any], **solver: Any) -> Callable[[Any, Any], Any]:
    """h(1) for dh/dt = f(h, t, theta), h(0) = h, f such as `dynamics`; keywords as for `odeint`.

    With the default gradient this is the ODE-Net of Table 1, with gradient="discrete" its RK-Net. Paper: sec. 3, Table 1. Statement: S22
    """
    return lambda h, theta: ODESolve(h, f, 0.0, 1.0, theta, **solver)


def dynamics(h: Any, t: Any, theta: Any) -> Any:
    """f(h, t, theta) = tanh([h, t] W1 + b1) W2 + b2, with W1 as two leaves: its rows for h, and its row w for t."""
    W1, w, b1, W2, b2 = theta
    return np.tanh(h @ W1 + t * w + b1) @ W2 + b2


def dynamics_init(rng: np.random.Generator, n: int, hidden: int) -> tuple[Any, ...]:
    """Parameters of `dynamics` for a state of n numbers."""
    (W, b1), (W2, b2) = mlp_init(rng, (n + 1, hidden, n))
    return W[:-1].copy(), W[-1].copy(), b1, W2, b2


def classifier_init(rng: np.random.Generator, features: int, n: int, classes: int, block: Any) -> Any:
    """(first, block, last) around the parameters of a block, for a hidden state of n numbers."""
    return mlp_init(rng, (features, n))[0], block, mlp_init(rng, (n, classes))[0]


def cross_entropy(logits: Any, one_hot: Any) -> Any:
    """-(1/n) sum_i log softmax(logits_i)[label_i]; one_hot: (n, classes), 1 at the label."""
    highest = np.max(logits, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(logits - highest), axis=1)) + highest[:, 0] - np.sum(logits * one_hot, axis=1))


def error_percent(logits: Any, labels: np.ndarray) -> float:
    """The share of rows whose largest logit is not at the label, in percent."""
    return 100 * float(np.mean(np.argmax(logits, axis=1) != labels))
