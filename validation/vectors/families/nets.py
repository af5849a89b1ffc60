"""Neural networks as dynamics, with the time as an input where nothing else is said; theta layer by layer, W row by row, then b."""

from __future__ import annotations

from functools import partial

from ...ir.build import mlp, sigmoid, tanh
from .request import parameters, request

_vector = partial(request, "nets", "families/nets.py")
NET = "transpose clock_backwards theta_sign parameter_order first_interval_only t_reversed"


def _residual(z, t, theta):
    """tanh(W z + w t + b) - z: the net draws z to itself."""
    W, w, b = theta[:4].reshape(2, 2), theta[4:6], theta[6:]
    return tanh(W @ z + w * t + b) - z


def _cubic(z, t, theta):
    """The net of the spiral demonstration: W2 tanh(W1 z^3 + b1) + b2."""
    W1, b1, W2, b2 = theta[:6].reshape(3, 2), theta[6:9], theta[9:15].reshape(2, 3), theta[15:]
    return W2 @ tanh(W1 @ z**3 + b1) + b2


def _gated(z, t, theta):
    """tanh(A z + a) sigmoid(B z + c t): each component through a gate."""
    A, a, B, c = theta[:4].reshape(2, 2), theta[4:6], theta[6:10].reshape(2, 2), theta[10:]
    return tanh(A @ z + a) * sigmoid(B @ z + c * t)


def _shared(z, t, theta):
    """Both layers use the same W, one of them transposed: W^T tanh(W z + b t)."""
    W, b = theta[:6].reshape(3, 2), theta[6:]
    return W.T @ tanh(W @ z + b * t) - z / 2


def _net(id, title, layers, activation, z0, ts, time=True, **words):
    f, _, n = mlp(layers, activation, time)
    return _vector(id, title, f, z0, parameters(n, len(id)), ts, flags="Net", **words)


REQUESTS = [
    _net(
        "net-tanh-2-3-2", "tanh, two inputs and the time, three units: the standard case",
        (2, 3, 2), "tanh", [0.5, -0.25], [0, 0.5, 1, 2], discriminates=NET,
    ),
    _net(
        "net-softplus-2-3-2", "softplus: its vjp is the logistic function",
        (2, 3, 2), "softplus", [-0.5, 0.75], [0, 0.25, 0.75, 1.5], discriminates=NET,
    ),
    _net(
        "net-sin-2-3-2", "Sines as units: derivatives of both signs",
        (2, 3, 2), "sin", [0.75, 0.5], [0, 0.5, 1, 2], discriminates=NET,
    ),
    _net(
        "net-sigmoid-2-4-2", "The logistic function as unit, autonomous: the time gradients add up to zero",
        (2, 4, 2), "sigmoid", [0.25, -0.75], [0, 0.5, 1, 2], time=False,
        discriminates="transpose theta_sign parameter_order t_reversed no_t0 no_last_time",
    ),
    _net(
        "net-tanh-1-4-1", "One component, four units: a scalar state with many parameters",
        (1, 4, 1), "tanh", [0.5], [0, 0.5, 1.5, 3], discriminates="clock_backwards theta_sign parameter_order scalar_state",
    ),
    _net(
        "net-tanh-3-4-3", "Three components and 31 parameters",
        (3, 4, 3), "tanh", [0.5, -0.25, 1], [0, 0.5, 1, 1.5], discriminates=NET,
    ),
    _net(
        "net-softplus-3-4-3", "softplus in three components",
        (3, 4, 3), "softplus", [-0.25, 0.5, 0.25], [0, 0.25, 0.5, 1], discriminates=NET,
    ),
    _net(
        "net-tanh-2-3-3-2", "Two hidden layers: the vjp goes through one more product",
        (2, 3, 3, 2), "tanh", [0.25, 0.5], [0, 0.5, 1, 2], discriminates=NET,
    ),
    _net(
        "net-tanh-4-2-4", "Four components through a waist of two units: df/dz has rank two",
        (4, 2, 4), "tanh", [0.5, -0.5, 0.25, 1], [0, 0.5, 1, 2], discriminates=NET,
    ),
    _vector(
        "net-residual", "tanh(W z + w t + b) - z: a net that forgets",
        _residual, [1, -0.75], parameters(8), [0, 0.5, 1.5, 2.5], flags="Net Decaying", discriminates=NET,
    ),
    _vector(
        "net-cubic", "The net of the spiral demonstration, which sees the cubes of the state",
        _cubic, [0.75, 0.5], parameters(17, 5), [0, 0.25, 0.75, 1], flags="Net OddPowers",
        discriminates="transpose theta_sign parameter_order",
    ),
    _vector(
        "net-gated", "Each component through a gate, and the gate knows the time",
        _gated, [0.5, -0.5], parameters(12, 9), [0, 0.5, 1, 2], flags="Net", discriminates=NET,
    ),
    _vector(
        "net-shared-weights", "W and its transpose in one field: two uses of a parameter add up",
        _shared, [0.5, -1], parameters(9, 3), [0, 0.5, 1, 2], flags="Net SharedParameter",
        discriminates="clock_backwards theta_sign parameter_order t_reversed shared_parameter",
    ),
]
