"""Problems that have no answer: the only right one is a refusal, and a finite number is wrong however plausible."""

from __future__ import annotations

from functools import partial

from ...ir.build import log, sqrt
from .request import request

_vector = partial(request, "negative", "families/negative.py", statements="S3")


def _no(phase, kind, why, max_steps=None):
    return {"phase": phase, "kind": kind, "why": why, "max_steps": max_steps}


def _spiral(z, t, theta):
    alpha, beta = theta
    return [beta * z[1] - alpha * z[0], -beta * z[0] - alpha * z[1]]


TWO = [[1, -0.5], [0.5, 0.25], [-1, 0.75]]

REQUESTS = [
    _vector(
        "negative-nan-in-z0", "The initial state has a NaN",
        _spiral, ["NaN", 1], [0.25, 2], [0, 0.5, 1], TWO, discriminates="nonfinite_silent",
        negative=_no("input", "nonfinite-input", "z0 is not a number, so neither is anything after it"),
    ),
    _vector(
        "negative-infinite-parameter", "A parameter is infinite",
        _spiral, [1, -0.5], [0.25, "INF"], [0, 0.5, 1], TWO, discriminates="nonfinite_silent",
        negative=_no("start", "nonfinite-dynamics", "f is not finite at the first time"),
    ),
    _vector(
        "negative-nan-in-ts", "One of the times is a NaN",
        _spiral, [1, -0.5], [0.25, 2], [0, "NaN", 1], TWO, discriminates="nonfinite_silent",
        negative=_no("input", "nonfinite-input", "a time is not a number"),
    ),
    _vector(
        "negative-unsorted-times", "Times that go up, down and up",
        _spiral, [1, -0.5], [0.25, 2], [0, 1, 0.5, 2], [*TWO, [0.5, -1]], discriminates="unsorted_silent",
        negative=_no("input", "unsorted-times", "times must increase or decrease throughout"),
    ),
    _vector(
        "negative-blow-up", "z' = theta z^2 past its pole at t = 2",
        lambda z, t, theta: [theta[0] * z[0] ** 2, z[0]], [1, 0], [0.5], [0, 1, 3], TWO, discriminates="blow_up_silent endless_loop",
        negative=_no("solve", "blow-up", "z(t) = 1/(1 - t/2) does not exist from t = 2 on"),
    ),
    _vector(
        "negative-blow-up-cubic", "z' = z^3 + z blows up between two observations, in a rotation",
        lambda z, t, theta: [theta[0] * z[0] ** 3 + z[0] - z[1], theta[0] * z[1] ** 3 + z[1] + z[0]], [1.5, 0.5], [1], [0, 0.125, 4],
        TWO, discriminates="blow_up_silent endless_loop",
        negative=_no("solve", "blow-up", "s = |z|^2 has s' >= s^2 + 2 s, s(0) = 2.5: infinite before t = log(1.8)/2 < 0.3"),
    ),
    _vector(
        "negative-pole-in-time", "z' = z/(1 - t) across t = 1: on the far side the formula of the solution has finite values again",
        lambda z, t, theta: [theta[0] * z[0] / (1 - t), -z[1]], [1, 1], [1], [0, 0.5, 2], TWO,
        discriminates="blow_up_silent endless_loop",
        negative=_no("solve", "blow-up", "z(t) = 1/(1 - t) does not exist at t = 1, and nothing connects it with what comes after"),
    ),
    _vector(
        "negative-square-root", "z' = -1 - theta sqrt(z) reaches zero, and goes on",
        lambda z, t, theta: [-1 - theta[0] * sqrt(z[0]), z[0]], [1, 0], [1], [0, 0.25, 2], TWO,
        discriminates="nonfinite_silent endless_loop",
        negative=_no("solve", "leaves-domain", "z = 0 is reached at t = 2 - 2 log 2 < 1 with the speed -1; the root ends there"),
    ),
    _vector(
        "negative-logarithm", "z' = log(z)/4 - 1 reaches zero",
        lambda z, t, theta: [theta[0] * log(z[0]) - 1, -z[1]], [0.5, 1], [0.25], [0, 0.25, 2], TWO,
        discriminates="nonfinite_silent endless_loop",
        negative=_no("solve", "leaves-domain", "z falls with a speed of at least 1 from 1/2, so that zero is reached before t = 1/2"),
    ),
    _vector(
        "negative-division-at-start", "1/z at z = 0",
        lambda z, t, theta: [theta[0] / z[0], z[0] - z[1]], [0, 1], [1], [0, 0.5, 1], TWO,
        discriminates="nonfinite_silent endless_loop", negative=_no("start", "nonfinite-dynamics", "f is not finite at the first time"),
    ),
    _vector(
        "negative-step-limit", "Three steps are not enough for ten turns: the limit is an error, not an end",
        _spiral, [1, -0.5], [0.125, 32], [0, 1, 2], TWO, discriminates="limit_silent",
        negative=_no("solve", "max-steps", "three steps of one step method or another do not resolve ten turns", 3),
    ),
]
