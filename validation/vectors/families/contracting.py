"""Dynamics that forget: z cannot be solved backwards, and an adjoint that does so has to put the stored state back, or to say so."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, mlp, sin
from .request import parameters, request

_vector = partial(request, "contracting", "families/contracting.py")
LOST = "an adjoint that finds that its reconstruction of z has lost all digits is right to say so and to return no number"
QUARTERS, SIXTEENTHS = [k / 4 for k in range(15)], [k / 16 for k in range(17)]


def _follow(z, t, theta):
    """Both components run after the clock, at rates of their own."""
    k, m = theta
    return [k * (sin(t) - z[0]), m * (cos(t) - z[1]) + z[0]]


def _cubic(z, t, theta):
    k, a = theta
    return [a * z[1] - k * z[0] - z[0] ** 3, -a * z[0] - k * z[1] - z[1] ** 3]


def _net(z, t, theta):
    """A net with a drain: tanh net - k z."""
    f, _, n = mlp((2, 2, 2), "tanh")
    drift = f(z, t, theta[:n])
    return [drift[0] - theta[n] * z[0], drift[1] - theta[n] * z[1]]


REQUESTS = [
    _vector(
        "contracting-few", "Contraction by e^(-20) between two observations: reconstruction loses eight digits",
        _follow, [1, -0.5], [20, 16], [0, 1, 1.125], flags="Contracting", discriminates="lossy_reconstruction", difficulty="higher",
        may_refuse=LOST,
    ),
    _vector(
        "contracting-many", "The same field with seventeen observations: where the stored state is put back at each, all digits stay",
        _follow, [1, -0.5], [20, 16], SIXTEENTHS, flags="Contracting", discriminates="no_reset deaf_to_tolerance", difficulty="higher",
    ),
    _vector(
        "contracting-prothero-robinson", "z' = lambda (z - sin t) + cos t with lambda = -8, in two components",
        lambda z, t, theta: [theta[0] * (z[0] - sin(t)) + cos(t), theta[1] * (z[1] - cos(t)) - sin(t)], [0.5, 0.25], [-8, -4],
        [0, 1, 1.25, 1.5], flags="Contracting", discriminates="lossy_reconstruction clock_backwards", difficulty="higher",
        may_refuse=LOST,
    ),
    _vector(
        "contracting-cubic", "Linear and cubic decay around a rotation: e^21 over the whole, little from one of fifteen times to the next",
        _cubic, [1.5, -0.75], [6, 2], QUARTERS, flags="Contracting OddPowers", discriminates="transpose theta_sign",
    ),
    _vector(
        "contracting-net", "A net with a drain of rate 8, fifteen observations",
        _net, [0.5, -0.75], [*parameters(14, 4), 8], QUARTERS, flags="Contracting Net", discriminates="no_reset theta_sign",
    ),
    _vector(
        "contracting-van-der-pol", "Van der Pol's oscillator with mu = 6, mildly stiff, along its slow branch",
        lambda z, t, theta: [z[1], theta[0] * (1 - z[0] ** 2) * z[1] - z[0]], [2, -0.125], [6], [0, 0.25, 0.5, 1, 1.5],
        flags="Contracting OddPowers", discriminates="lossy_reconstruction wrong_error_estimate", difficulty="higher", may_refuse=LOST,
    ),
]
