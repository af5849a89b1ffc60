"""Dynamics in which the time stands: what an autonomous problem cannot see (a clock that runs backwards, time gradients, nodes c_i)."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, exp, sin, sqrt
from .request import request

_vector = partial(request, "forced", "families/forced.py")
TIMES = "wrong_node t_sign no_t0 t0_with_g0 t_reversed"
CLOCK = f"clock_backwards {TIMES}"  # not where f = g(t) h(z): there a clock that runs backwards comes to the same integrals


def _driven(z, t, theta):
    """A damped spring with a push of its own frequency."""
    k, c, a, w = theta
    return [z[1], -k * z[0] - c * z[1] + a * cos(w * t)]


def _turning(z, t, theta):
    rate = theta[0] * (1 + cos(theta[1] * t))
    return [-rate * z[1], rate * z[0]]


def _parametric(z, t, theta):
    """Mathieu: the stiffness of the spring varies."""
    return [z[1], -(theta[0] + theta[1] * cos(2 * t)) * z[0]]


REQUESTS = [
    _vector(
        "forced-sine", "z' = -k z + a sin(w t) with four observations, the first included: the smallest problem that sees most bugs",
        lambda z, t, theta: [theta[1] * sin(theta[2] * t) - theta[0] * z[0]], [0.5], [0.75, 1.5, 2], [0.25, 0.75, 1.5, 2.5],
        discriminates=CLOCK, difficulty="lower", closed_form="P10",
    ),
    _vector(
        "forced-modulated", "z' = theta cos(w t) z: the rate itself changes sign",
        lambda z, t, theta: [theta[0] * cos(theta[1] * t) * z[0]], [0.75], [1.25, 2], [0.5, 1, 1.5, 3], discriminates=TIMES,
        closed_form="P09",
    ),
    _vector(
        "forced-time-quadratic", "z' = theta t z^2: time and state in one product",
        lambda z, t, theta: [theta[0] * t * z[0] ** 2], [0.75], [0.5], [0.5, 1, 1.5, 2], flags="Growing", discriminates=TIMES,
        closed_form="P12",
    ),
    _vector(
        "forced-rotation", "A rotation whose speed varies: the norm is kept whatever the clock says, the angle is not",
        _turning, [1, 0.25], [0.75, 1.5], [0.25, 1, 1.75, 3], flags="TraceZero", discriminates=f"transpose {TIMES}",
    ),
    _vector(
        "forced-oscillator", "A driven, damped oscillator: all four parameters, five times",
        _driven, [0.5, 0.25], [2, 0.25, 1, 1.5], [0.5, 1, 2, 3, 4], discriminates=f"{CLOCK} parameter_order",
    ),
    _vector(
        "forced-parametric", "A spring whose stiffness varies: df/dz depends on the time",
        _parametric, [1, 0.25], [1.5, 0.75], [0.25, 1, 2, 3], flags="TraceZero", discriminates=f"transpose {CLOCK}",
    ),
    _vector(
        "forced-power", "z' = theta t^3: df/dz = 0, so that it tells nothing of the adjoint; only of the nodes of a method",
        lambda z, t, theta: [theta[0] * t**3], [0.5], [0.75], [0.5, 1, 1.5, 2], flags="NoFeedback", discriminates="wrong_node",
        difficulty="lower", result="informative",
    ),
    _vector(
        "forced-two-clocks", "Two components with clocks of their own and a coupling that fades as e^(-t)",
        lambda z, t, theta: [sin(theta[0] * t) - z[0] * z[1], theta[1] * exp(-t) * z[0] - z[1] / 2], [0.75, 0.5], [3, 1.5],
        [0, 0.5, 1.5, 2.5], discriminates=CLOCK,
    ),
    _vector(
        "forced-edge-of-domain", "sqrt(t - 31/32) from t = 1 on: a stage before the first time has no value",
        lambda z, t, theta: [theta[0] * sqrt(t - "0.96875") * z[1] - z[0], -theta[1] * z[0]], [1, -0.5], [1.5, 0.75], [1, 1.25, 1.5, 2],
        flags="SquareRoot", discriminates="time_outside clock_backwards", difficulty="higher",
    ),
]
