"""Dynamics used all over the tests: plain NumPy, the paper's order of arguments."""

import numpy as np


def mlp(z, t, theta):
    """A time-dependent tanh network: D -> H -> D, with t as one more input."""
    (W1, w_t, b1), (W2, b2) = theta
    return np.tanh(z @ W1 + w_t * t + b1) @ W2 + b2


def mlp_parameters(rng, D, H, scale=0.8):
    return ((scale * rng.normal(size=(D, H)), scale * rng.normal(size=H), scale * rng.normal(size=H)),
            (scale * rng.normal(size=(H, D)), scale * rng.normal(size=D)))


def autonomous_mlp(z, t, theta):
    (W1, b1), (W2, b2) = theta
    return np.tanh(z @ W1 + b1) @ W2 + b2


def linear(z, t, A):
    return A @ z


def forced(z, t, theta):
    """A damped pendulum, driven: nonlinear and not autonomous."""
    return np.stack([z[1], -theta[0] * np.sin(z[0]) - theta[1] * z[1] + theta[2] * np.cos(theta[3] * t)])


FORCED_THETA = np.array([1.7, 0.2, 0.6, 1.3])
