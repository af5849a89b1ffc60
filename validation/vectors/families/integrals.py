"""Integrals along the way as extra states: the Poisson likelihood of event times, and running costs. f does not depend on these states."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, exp, mlp, softplus, tanh
from .request import GRADIENTS, parameters, request

_poisson = partial(
    request, "poisson", "families/integrals.py", flags="ExtraState", discriminates="extra_state_dropped no_jump theta_sign t_reversed",
)
_cost = partial(
    request, "running-cost", "families/integrals.py", flags="ExtraState", discriminates="extra_state_dropped transpose theta_sign",
)


def _exponential(z, t, theta):
    """The rate e^x of a state x that moves at the speed b; the second state is its integral."""
    return [theta[0], exp(z[0])]


def _oscillator(z, t, theta):
    """A latent spiral with the rate exp(a + c x)."""
    alpha, w, a, c = theta
    return [-alpha * z[0] + w * z[1], -w * z[0] - alpha * z[1], exp(a + c * z[0])]


def _latent_net(z, t, theta):
    """A latent net, autonomous as in section 5, with the rate softplus(c . z + d)."""
    f, _, n = mlp((2, 3, 2), "tanh", time=False)
    return [*f(z[:2], t, theta[:n]), softplus(theta[n] * z[0] + theta[n + 1] * z[1] + theta[n + 2])]


def _quadratic(z, t, theta):
    """z' = A z with the cost |z|^2/2."""
    x = theta.reshape(2, 2) @ z[:2]
    return [*x, (z[0] ** 2 + z[1] ** 2) / 2]


def _kinetic(z, t, theta):
    """A net with the cost |f|^2."""
    f, _, _ = mlp((2, 3, 2), "tanh")
    x = f(z[:2], t, theta)
    return [*x, x[0] ** 2 + x[1] ** 2]


def _jacobian(z, t, theta):
    """z' = tanh(W z + b cos t) with the cost |df/dz|_F^2 = sum_i (1 - h_i^2)^2 |W_i|^2."""
    W, b = theta[:4].reshape(2, 2), theta[4:]
    h = tanh(W @ z[:2] + b * cos(t))
    return [*h, sum((1 - h[i] ** 2) ** 2 * (W[i, 0] ** 2 + W[i, 1] ** 2) for i in range(2))]


REQUESTS = [
    _poisson(
        "poisson-exponential-rate", "Log rates at three events minus the integral of the rate, log rate linear in time: a closed form",
        _exponential, [-0.5, 0], [0.75], [0, 0.5, 1.25, 1.75, 2.5], [[0, 0], [1, 0], [1, 0], [1, 0], [0, -1]],
        flags="ExtraState TraceZero", statements="S3 S6 S8 S9 S12 S13 S78 S79 S81", difficulty="lower",
    ),
    _poisson(
        "poisson-oscillator", "A latent spiral whose first component is the logarithm of the rate: states and likelihood in one solve",
        _oscillator, [1, -0.5, 0], [0.125, 1.5, 0.25, 1], [0, 0.5, 1, 1.75, 2.5, 3],
        [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, -1]], statements="S3 S6 S8 S9 S12 S13 S78 S79 S81",
    ),
    _poisson(
        "poisson-latent-net", "A latent net and the rate softplus(c . z + d), with data terms beside the events",
        _latent_net, [0.5, -0.5, 0], [*parameters(17, 8), 0.75, -0.5, 0.25], [0, 0.5, 1, 1.5, 2],
        [[0, 0, 0], [1, -0.25, 0], [0.5, 0.75, 0], [-1, 0.5, 0], [0.25, 0, -1]],
    ),
    _cost(
        "running-cost-quadratic", "z' = A z with the integral of |z|^2/2",
        _quadratic, [1, -0.5, 0], [-0.5, 1.5, -1, 0.25], [0, 0.5, 1, 2], difficulty="lower",
    ),
    _cost(
        "running-cost-kinetic", "A net with its kinetic energy, as regularised flows have it",
        _kinetic, [0.5, -0.25, 0], parameters(20, 19), [0, 0.25, 0.75, 1.5], statements=f"{GRADIENTS} E12",
    ),
    _cost(
        "running-cost-jacobian", "The integral of |df/dz|_F^2 along a net of one layer",
        _jacobian, [0.25, 0.75, 0], [1.25, -0.75, 0.5, -1, 0.75, -0.5], [0, 0.5, 1, 2], statements=f"{GRADIENTS} E12",
    ),
]
