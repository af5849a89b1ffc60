"""Problems of DETEST (Hull, Enright, Fellen and Sedgwick 1972), non-stiff: shortened spans, and their constants as parameters."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, sin, sqrt
from .request import request

_vector = partial(request, "detest", "families/detest.py")


def _b1(z, t, theta):
    return [theta[0] * z[0] * (1 - z[1]), -theta[1] * z[1] * (1 - z[0])]


def _b2(z, t, theta):
    k, m = theta
    return [k * (z[1] - z[0]), k * z[0] - (k + m) * z[1] + m * z[2], m * (z[1] - z[2])]


def _b3(z, t, theta):
    k, m = theta
    return [-k * z[0], k * z[0] - m * z[1] ** 2, m * z[1] ** 2]


def _b4(z, t, theta):
    """A curve on a torus; theta is 1 in the original."""
    r = sqrt(z[0] ** 2 + z[1] ** 2)
    return [-z[1] - theta[0] * z[0] * z[2] / r, z[0] - theta[0] * z[1] * z[2] / r, theta[0] * z[0] / r]


def _b5(z, t, theta):
    a, b, c = theta
    return [a * z[1] * z[2], b * z[0] * z[2], c * z[0] * z[1]]


def _c1(z, t, theta):
    """Decays, each into the next, at rates of their own."""
    a, b, c = theta
    return [-a * z[0], a * z[0] - b * z[1], b * z[1] - c * z[2], c * z[2]]


def _c3(z, t, theta):
    """The heat equation on four points."""
    k = theta[0]
    return [k * (z[1] - 2 * z[0]), k * (z[0] - 2 * z[1] + z[2]), k * (z[1] - 2 * z[2] + z[3]), k * (z[2] - 2 * z[3])]


def _d1(z, t, theta):
    """A planet on an ellipse, z = (x, y, x', y')."""
    square = z[0] ** 2 + z[1] ** 2
    pull = theta[0] / (square * sqrt(square))
    return [z[2], z[3], -pull * z[0], -pull * z[1]]


def _e1(z, t, theta):
    """Bessel's equation of order 1/2 at t + 1."""
    s = t + 1
    return [z[1], -z[1] / s - (1 - theta[0] / s**2) * z[0]]


REQUESTS = [
    _vector(
        "detest-a3", "z' = z cos t",
        lambda z, t, theta: [theta[0] * z[0] * cos(t)], [1], [1], [0, 1, 2, 4], discriminates="wrong_node t_sign",
    ),
    _vector(
        "detest-a5", "A spiral: z' = (z - t)/(z + t)",
        lambda z, t, theta: [(z[0] - theta[0] * t) / (z[0] + t)], [4], [1], [0, 1, 2, 3], flags="Division",
        discriminates="clock_backwards wrong_node t_sign",
    ),
    _vector(
        "detest-b1", "Predators and prey, half a period",
        _b1, [1, 3], [2, 1], [0, 0.5, 1, 2.5], discriminates="theta_sign parameter_order",
    ),
    _vector(
        "detest-b2", "A linear chemical reaction: the sum of the components is kept",
        _b2, [2, 0, 1], [1, 1], [0, 0.5, 1, 2], flags="Invariant Decaying", discriminates="theta_sign", difficulty="lower",
    ),
    _vector(
        "detest-b3", "A nonlinear chemical reaction: the second component is a quotient of Bessel functions",
        _b3, [1, 0, 0], [1, 1], [0, 0.5, 1.5, 4], flags="ExtraState Invariant", discriminates="transpose theta_sign",
    ),
    _vector(
        "detest-b4", "A curve on a torus: square roots and quotients of the state",
        _b4, [3, 0, 0], [1], [0, 0.5, 1, 2], flags="Division SquareRoot", discriminates="transpose theta_sign",
    ),
    _vector(
        "detest-b5", "A free rigid body: the solution is made of elliptic functions",
        _b5, [0, 1, 1], [1, -1, -0.5], [0, 0.5, 1.5, 3], flags="TraceZero", discriminates="transpose parameter_order",
    ),
    _vector(
        "detest-c1", "Four of the ten components of a radioactive chain, rates 1, 2 and 3",
        _c1, [1, 0, 0, 0], [1, 2, 3], [0, 0.5, 1, 2], flags="ExtraState Invariant NonNormal", discriminates="transpose parameter_order",
    ),
    _vector(
        "detest-c3", "The heat equation on four points",
        _c3, [1, 0, 0, 0], [1], [0, 0.25, 0.75, 1.5], flags="Decaying", discriminates="theta_sign", difficulty="lower",
    ),
    _vector(
        "detest-d1", "A planet on an ellipse of small eccentricity: four components, the inverse square",
        _d1, [0.875, 0, 0, 1.125], [1], [0, 0.5, 1, 2], flags="Division SquareRoot TraceZero",
        discriminates="transpose wrong_error_estimate",
    ),
    _vector(
        "detest-e1", "Bessel's equation of order 1/2, as a system",
        _e1, [0.75, 0.125], [0.25], [0, 1, 2, 4], flags="Division", discriminates="clock_backwards wrong_node transpose",
    ),
    _vector(
        "detest-e2", "Van der Pol's oscillator",
        lambda z, t, theta: [z[1], theta[0] * (1 - z[0] ** 2) * z[1] - z[0]], [2, 0], [1], [0, 0.5, 1.5, 3], flags="OddPowers",
        discriminates="transpose theta_sign",
    ),
    _vector(
        "detest-e3", "Duffing's oscillator, driven: z'' = z^3/8 - z + 2 sin(2.75 t)",
        lambda z, t, theta: [z[1], theta[0] * z[0] ** 3 - z[0] + theta[1] * sin(theta[2] * t)], [0, 0], [0.125, 2, 2.75],
        [0, 0.5, 1.5, 3], flags="OddPowers TraceZero", discriminates="clock_backwards wrong_node t_sign",
    ),
    _vector(
        "detest-e5", "A curve of pursuit: z'' = sqrt(1 + z'^2)/(25 - t)",
        lambda z, t, theta: [z[1], sqrt(1 + z[1] ** 2) / (theta[0] - t)], [0, 0], [25], [0, 2, 5, 10], flags="Division SquareRoot",
        discriminates="clock_backwards wrong_node", difficulty="lower",
    ),
]
