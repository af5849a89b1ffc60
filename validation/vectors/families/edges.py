"""Corners of the domain in which software fails rather than mathematics: unused parameters, far times, tiny spans, rest, scales."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, exp, sin
from .request import request

_vector = partial(request, "edges", "families/edges.py")


def _unused(z, t, theta):
    """theta[1] and theta[3] are not used."""
    return [theta[0] * z[1] - z[0] / 2, -theta[2] * sin(z[0]) + cos(t)]


def _slow(z, t, theta):
    k, a = theta
    return [a * sin(t / 8) - k * z[0], z[0] / 16 - k * z[1]]


def _scales(z, t, theta):
    """A component of the size of 1000 drives one of the size of 1/1000."""
    k, c = theta
    return [-k * z[0], c * z[0] / 1048576 - 2 * k * z[1]]


def _rest(z, t, theta):
    """At rest in (a, b), for ever; a neighbour moves away or comes near."""
    a, b = theta
    x, y = z[0] - a, z[1] - b
    return [2 * y - x / 2, -x / 2 + y / 4 + x * y]


def _kick(z, t, theta):
    """A calm rotation, and a push of the width 1/4 at t = 5."""
    w, a = theta
    return [w * z[1] - z[0] / 8, -w * z[0] + a * exp(-16 * (t - 5) ** 2)]


def _fast(z, t, theta):
    w, c = theta
    return [w * z[1], -w * z[0] + c * cos(t) * z[1]]


REQUESTS = [
    _vector(
        "edge-unused-parameter", "Two of four parameters are not used: their gradients are zeros, neither missing nor noise",
        _unused, [0.75, -0.5], [1, 0.5, 1.5, -2], [0, 0.5, 1.5, 2.5], discriminates="unused_parameter theta_sign",
    ),
    _vector(
        "edge-no-parameters", "No parameters at all: dL/dtheta is an empty list",
        lambda z, t, theta: [z[1], -sin(z[0]) + cos(t) / 2], [1, 0.25], [], [0, 0.5, 1.5, 2.5], flags="TraceZero",
        discriminates="no_parameters transpose",
    ),
    _vector(
        "edge-far-from-zero", "From t = 1024 on: the clock must keep its digits, and be the clock, not the time since the start",
        _slow, [1, -0.5], [0.0625, 0.25], [1024, 1032, 1040, 1056], discriminates="clock_backwards clock_from_start silent_float32",
    ),
    _vector(
        "edge-tiny-span", "A span of 1/64: gradients are small differences, and absolute floors are seen",
        _unused, [0.75, -0.5], [1, 0.5, 1.5, -2], [0.5, 0.50390625, 0.5078125, 0.515625], discriminates="no_jump absolute_floor",
    ),
    _vector(
        "edge-scales", "Components of the sizes 1024 and 1/1024",
        _scales, [1024, 0.0009765625], [0.5, 3], [0, 0.5, 1, 2], flags="ScaleSeparation", discriminates="tolerances_swapped",
        difficulty="higher",
    ),
    _vector(
        "edge-start-at-zero", "z0 = 0: a first step in units of |z0| is none",
        lambda z, t, theta: [theta[0] * cos(t) - z[1], theta[1] * z[0] - z[1] / 2], [0, 0], [1.5, 0.75], [0, 0.5, 1.5, 2.5],
        discriminates="first_step",
    ),
    _vector(
        "edge-at-rest", "The state does not move, the gradients do: step sizes chosen for z are far too long for the adjoint",
        _rest, [0.5, -0.25], [0.5, -0.25], [0, 1, 2, 4], flags="AtRest", discriminates="adjoint_without_error_control",
        result="recommended", difficulty="higher",
    ),
    _vector(
        "edge-kick", "A short push at t = 5 after a long calm: a step that is too long passes it by",
        _kick, [0.5, 0.25], [0.5, 1.5], [0, 2, 4, 8], discriminates="step_too_long wrong_error_estimate", result="recommended",
        difficulty="higher",
    ),
    _vector(
        "edge-fast-rotation", "Ten turns between the first time and the last",
        _fast, [0.75, 0.5], [32, 0.5], [0, 0.5, 1, 2], discriminates="linear_outputs wrong_error_estimate silent_float32",
        difficulty="higher",
    ),
]
