"""The three functions of the issue: a hidden state, float32 inside, a wrong pullback of its own."""

import numpy as np

rng = np.random.default_rng(0)
z0 = np.array([0.5, -1.0, 0.25])
ts = np.linspace(0.0, 1.0, 5)
theta = {"W1": rng.normal(size=(3, 16)) / 2, "b1": rng.normal(size=16), "W2": rng.normal(size=(16, 3)) / 4}


def net(z, t, theta):
    return np.tanh(z @ theta["W1"] + t * theta["b1"]) @ theta["W2"]


average = np.zeros(16)


def hidden_state(z, t, theta):
    """Normalises by a running mean of what it has seen."""
    global average
    h = z @ theta["W1"] + t * theta["b1"]
    average = 0.99 * average + 0.01 * h
    return np.tanh(h - average) @ theta["W2"]


def single(z, t, theta):
    return np.tanh(z @ theta["W1"].astype(np.float32) + t * theta["b1"]) @ theta["W2"]


def wrong(z, t, theta):
    return net(z, t, theta)


def pullback(z, t, theta):
    """The derivative of tanh is taken at h in place of 1 - tanh(h)^2, for b1 alone."""
    W1, b1, W2 = theta["W1"], theta["b1"], theta["W2"]
    h = np.tanh(z @ W1 + t * b1)

    def back(g):
        inner = (W2 @ g) * (1 - h * h)
        return W1 @ inner, inner @ b1, {"W1": np.outer(z, inner), "b1": t * (W2 @ g) * (1 - h), "W2": np.outer(h, g)}

    return h @ W2, back


wrong.pullback = pullback
