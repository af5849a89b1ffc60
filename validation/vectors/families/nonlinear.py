"""Nonlinear autonomous dynamics, in one to four dimensions; most of the scalar ones have closed forms in textbooks."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, exp, log, sigmoid, sin, softplus, sqrt, tanh
from .request import request

_vector = partial(request, "nonlinear", "families/nonlinear.py")


def _stuart_landau(z, t, theta):
    mu, w = theta
    g = mu - z[0] ** 2 - z[1] ** 2
    return [g * z[0] - w * z[1], g * z[1] + w * z[0]]


def _lotka_volterra(z, t, theta):
    a, b, c, d = theta
    return [a * z[0] - b * z[0] * z[1], c * z[0] * z[1] - d * z[1]]


def _cubes(z, t, theta):
    return theta.reshape(2, 2) @ z**3


def _lorenz(z, t, theta):
    s, r, b = theta
    return [s * (z[1] - z[0]), z[0] * (r - z[2]) - z[1], z[0] * z[1] - b * z[2]]


def _enzyme(z, t, theta):
    """Michaelis and Menten: substrate is turned into product at the rate v s/(k + s), and the product slows it down."""
    v, k, i, d = theta
    rate = v * z[0] / (k + z[0] + i * z[1])
    return [-rate, rate - d * z[1]]


def _epidemic(z, t, theta):
    infection, recovery = theta[0] * z[0] * z[1], theta[1] * z[1]
    return [-infection, infection - recovery, recovery]


def _everything(z, t, theta):
    """Every operation of the language, none of them idle."""
    x, y, w = z
    a, b, c = theta
    return [
        a * sin(y) - tanh(x * w) + cos(t) / 4,
        b * sqrt(1 + x**2) - exp(-(y**2)) * softplus(w) / 2,
        c * log(2 + y**2) - sigmoid(x) * w / (1 + t**2) - w**3 / 8,
    ]


REQUESTS = [
    _vector(
        "nonlinear-logistic", "Logistic growth towards K: two parameters, dL/dK from the nonlinear term alone",
        lambda z, t, theta: [theta[0] * z[0] * (1 - z[0] / theta[1])], [0.25], [1.5, 2], [0, 0.5, 1.5, 3], flags="Division",
        discriminates="theta_sign no_jump", difficulty="lower", closed_form="P06",
    ),
    _vector(
        "nonlinear-bernoulli", "z' = a z + b z^3: growth held by a cubic",
        lambda z, t, theta: [theta[0] * z[0] + theta[1] * z[0] ** 3], [0.5], [1, -0.5], [0, 0.5, 1, 2], flags="OddPowers",
        discriminates="theta_sign", closed_form="P07",
    ),
    _vector(
        "nonlinear-tanh", "z' = k (1 - z^2): the hyperbolic tangent as a solution",
        lambda z, t, theta: [theta[0] * (1 - z[0] ** 2)], [-0.5], [0.75], [0, 0.5, 1.5, 2], discriminates="adjoint_sign",
        difficulty="lower", closed_form="P08a",
    ),
    _vector(
        "nonlinear-tangent", "z' = a + b z^2: the tangent, three fifths of the way to its pole",
        lambda z, t, theta: [theta[0] + theta[1] * z[0] ** 2], [0.25], [1.5, 0.5], [0, 0.25, 0.5, 1], flags="Growing",
        discriminates="theta_sign wrong_error_estimate", closed_form="P08b",
    ),
    _vector(
        "nonlinear-before-the-pole", "z' = theta z^2 at 7/8 of the way to its blow-up: errors grow 64-fold by themselves",
        lambda z, t, theta: [theta[0] * z[0] ** 2], [1], [0.5], [0, 0.5, 1, 1.75], flags="Growing",
        discriminates="wrong_error_estimate", difficulty="higher", closed_form="P08c",
    ),
    _vector(
        "nonlinear-gompertz", "z' = a z (log K - log z): a logarithm of the state and one of a parameter",
        lambda z, t, theta: [theta[0] * z[0] * (log(theta[1]) - log(z[0]))], [0.25], [0.75, 3], [0, 0.5, 1.5, 3], flags="Logarithm",
        discriminates="theta_sign", closed_form="P13",
    ),
    _vector(
        "nonlinear-cubic", "z' = -theta z^3: the slowest of decays",
        lambda z, t, theta: [-theta[0] * z[0] ** 3], [1.5], [0.75], [0, 0.25, 1, 4], flags="OddPowers Decaying",
        discriminates="adjoint_sign", difficulty="lower", closed_form="P14",
    ),
    _vector(
        "nonlinear-stuart-landau", "A limit cycle: contraction in radius, none in phase",
        _stuart_landau, [0.5, 0.25], [1, 2], [0, 0.5, 1, 2.5], flags="OddPowers", discriminates="transpose adjoint_sign linear_outputs",
        closed_form="P28",
    ),
    _vector(
        "nonlinear-lotka-volterra", "Predators and prey: four parameters in bilinear terms",
        _lotka_volterra, [1.5, 0.75], [1.5, 1, 0.75, 1], [0, 0.75, 1.5, 3],
        discriminates="theta_sign parameter_order first_interval_only",
    ),
    _vector(
        "nonlinear-pendulum", "A damped pendulum: the sine of the state",
        lambda z, t, theta: [z[1], -theta[0] * sin(z[0]) - theta[1] * z[1]], [1.25, -0.5], [2, 0.25], [0, 0.5, 1.5, 3],
        discriminates="transpose theta_sign",
    ),
    _vector(
        "nonlinear-cubes", "z' = A z^3: the spiral of the demonstrations, with the four entries of A as parameters",
        _cubes, [1.5, 0.25], [-0.125, 2, -2, -0.125], [0, 0.5, 1, 2], flags="OddPowers NonNormal",
        discriminates="transpose theta_sign parameter_order",
    ),
    _vector(
        "nonlinear-lorenz", "The Lorenz equations for a short time: errors grow, and 8/3 stands as 2.625",
        _lorenz, [1, 0.5, 16], [10, 28, 2.625], [0, 0.125, 0.25, 0.5], flags="Chaotic Growing",
        discriminates="wrong_error_estimate silent_float32", difficulty="higher",
    ),
    _vector(
        "nonlinear-enzyme", "A rate v s/(k + s + i p): division by the state",
        _enzyme, [2, 0.25], [1.5, 0.5, 0.75, 0.25], [0, 0.5, 1, 2], flags="Division", discriminates="theta_sign parameter_order",
    ),
    _vector(
        "nonlinear-epidemic", "Infection and recovery: the sum of the three components is kept, the third feeds nothing back",
        _epidemic, [0.875, 0.125, 0], [3, 0.75], [0, 0.5, 1.5, 3], flags="ExtraState Invariant", discriminates="transpose theta_sign",
    ),
    _vector(
        "nonlinear-everything", "Every operation of the language in one field: what a translation of the dynamics has to get right",
        _everything, [0.5, -0.25, 1], [0.75, 0.5, -0.5], [0, 0.5, 1, 1.5], flags="Division SquareRoot Logarithm OddPowers",
        discriminates="transpose clock_backwards translation",
    ),
]
