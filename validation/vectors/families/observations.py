"""Where the loss looks: several times, the first one, none at the end, decreasing times, equal times, one time only."""

from __future__ import annotations

from functools import partial

from ...ir.build import cos, mlp, sin
from .request import parameters, request

_AUTHOR = "families/observations.py"
_observed, _reversed, _repeated = (partial(request, family, _AUTHOR) for family in ("observations", "reversed", "repeated"))
REFUSES_REPEATS = "equal times may be declined, if the message says that times must be distinct; numbers that are not these are a failure"
REFUSES_ONE = "a grid of one time may be declined, if the message says so"


def _driven(z, t, theta):
    """A spring that stiffens, driven by the clock."""
    k, a, w = theta
    return [z[1], -k * z[0] - z[0] ** 3 / 4 + a * sin(w * t)]


def _rotor(z, t, theta):
    alpha, beta = theta
    return [-alpha * z[0] + beta * cos(t) * z[1], -beta * cos(t) * z[0] - alpha * z[1] + t / 4]


_NET, _D, _N = mlp((2, 3, 2), "tanh")

REQUESTS = [
    _observed(
        "observations-start-and-zero-rows", "Weights at the first time and at two others, nothing at the rest nor at the end",
        _driven, [0.75, -0.5], [1.5, 0.75, 2], [0, 0.5, 1, 1.5, 2.5, 3], [[1, -0.5], [0, 0], [-0.75, 1.25], [0, 0], [0.5, -1], [0, 0]],
        flags="TraceZero", discriminates="no_observation_at_t0 no_jump t0_with_g0 wrong_observation",
    ),
    _observed(
        "observations-start-only", "The loss reads z(t0) alone: dL/dz0 is that weight, and everything else is exactly zero",
        _driven, [0.75, -0.5], [1.5, 0.75, 2], [0, 0.5, 1], [[1, -0.5], [0, 0], [0, 0]], flags="TraceZero",
        discriminates="no_observation_at_t0 t0_with_g0", result="recommended",
    ),
    _observed(
        "observations-inside-only", "One interior time is read: the gradients are those of the problem cut there",
        _rotor, [1, 0.5], [0.25, 1.5], [0.5, 1, 1.75, 2.5, 4], [[0, 0], [0, 0], [1, -0.75], [0, 0], [0, 0]],
        discriminates="no_jump wrong_observation clock_backwards", result="recommended",
    ),
    _observed(
        "observations-many", "Twenty irregular times: each jump of the adjoint at its own place",
        _rotor, [0.75, -1], [0.125, 2],
        [0, 0.125, 0.1875, 0.5, 0.5625, 0.75, 0.875, 1, 1.125, 1.375, 1.5, 1.75, 1.875, 2, 2.125, 2.25, 2.5, 2.625, 2.75, 3],
        discriminates="no_jump wrong_observation drifting_clock t_reversed",
    ),
    _observed(
        "observations-clustered", "Times 1/128 apart beside a gap of two: steps that end at outputs become tiny, then large",
        _driven, [-0.5, 1], [2, 0.5, 1.5], [0, 0.0078125, 0.015625, 0.0234375, 2, 2.015625, 2.03125], flags="TraceZero",
        discriminates="no_jump wrong_observation linear_outputs",
    ),
    _observed(
        "observations-one-time", "A grid of one time: the state is z0, dL/dz0 the weight, and dL/dtheta exactly zero, not missing",
        _driven, [0.75, -0.5], [1.5, 0.75, 2], [0.5], [[1, -0.5]], flags="TraceZero", discriminates="one_time", result="recommended",
        may_refuse=REFUSES_ONE,
    ),
    _reversed(
        "reversed-sine", "The smallest telling problem with decreasing times",
        lambda z, t, theta: [theta[1] * sin(theta[2] * t) - theta[0] * z[0]], [0.5], [0.75, 1.5, 2], [2.5, 1.5, 0.75, 0.25],
        discriminates="step_backwards clock_backwards t_sign no_t0 t_reversed", difficulty="lower", closed_form="P10",
    ),
    _reversed(
        "reversed-driven-spring", "A driven spring, from 2 down to -1: through the time zero",
        _driven, [0.5, 0.75], [1.5, 0.75, 2], [2, 1.25, 0.5, -0.5, -1], flags="TraceZero",
        discriminates="step_backwards clock_backwards t_sign no_t0",
    ),
    _reversed(
        "reversed-rotor", "Damping becomes growth when the time decreases",
        _rotor, [0.5, -0.25], [0.5, 1.5], [3, 2, 1.25, 0.5], discriminates="step_backwards clock_backwards t_reversed",
    ),
    _reversed(
        "reversed-net", "A net with the time as an input, backwards",
        _NET, [0.25, 0.5], parameters(_N, 17), [1.5, 1, 0.25, 0], flags="Net",
        discriminates="step_backwards clock_backwards transpose theta_sign t_reversed",
    ),
    _reversed(
        "reversed-negative-times", "All times negative and decreasing",
        _rotor, [1, -0.75], [-0.25, 2], [-0.5, -1, -2, -3], discriminates="step_backwards clock_backwards t_sign",
    ),
    _repeated(
        "repeated-inside-and-end", "Two equal times inside and two at the end: equal rows, and their weights add up",
        _driven, [0.75, -0.5], [1.5, 0.75, 2], [0, 0.5, 0.5, 1.5, 1.5], flags="TraceZero", discriminates="repeated_times",
        result="recommended", may_refuse=REFUSES_REPEATS,
    ),
    _repeated(
        "repeated-start", "The first time twice: the second of the two moves the state, the first does not",
        _rotor, [1, 0.5], [0.25, 1.5], [0.5, 0.5, 1, 2], discriminates="repeated_times t0_with_g0", result="recommended",
        may_refuse=REFUSES_REPEATS,
    ),
    _repeated(
        "repeated-reversed", "Three equal times on a decreasing grid",
        _rotor, [-0.5, 0.75], [0.25, 1.5], [2, 1, 1, 1, 0.25], discriminates="repeated_times step_backwards", result="recommended",
        may_refuse=REFUSES_REPEATS,
    ),
]
