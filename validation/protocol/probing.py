"""The request `probe`: dynamics with every operation, at points where their values and pullbacks are known."""

from __future__ import annotations

import math
from typing import Any

from ..ir.duals import duals, parts, variables
from ..ir.dynamics import evaluate, parse
from ..ir.floats import FLOATS
from .wire import number, text

RTOL = 1e-12  # of the largest number of a point: evaluators may round otherwise

# One component for each way in which an evaluator may go wrong: order of operands, n-ary sums, let in let, each function, each index.
DYNAMICS = {
    "dim": 4,
    "params": 3,
    "let": [["sub", ["z", 0], ["mul", ["theta", 0], ["t"]]], ["div", ["let", 0], ["add", "2.5", ["pow", ["z", 1], 2]]]],
    "rhs": [
        ["add", ["tanh", ["let", 0]], ["sin", ["let", 1]], ["neg", ["cos", ["z", 2]]], ["theta", 1]],
        ["sub", ["exp", ["let", 1]], ["mul", ["log", ["add", "3", ["z", 1]]], ["theta", 2], ["let", 0]]],
        ["mul", ["sqrt", ["add", "1e1", ["z", 2]]], ["softplus", ["z", 3]], ["sigmoid", ["let", 0]]],
        ["add", ["relu", ["z", 0]], ["relu", ["z", 1]], ["pow", ["let", 1], 5], ["div", ["theta", 1], ["theta", 2]], "-0.125"],
    ],
}
POINTS = [
    {"z": [0.5, -0.25, 1.5, -2.0], "t": 0.75, "theta": [1.25, -0.5, 2.0], "a": [1.0, -0.5, 0.25, 2.0]},
    {"z": [-1.5, 0.1, -0.3, 40.0], "t": -3.0, "theta": [0.1, 0.7, -1.1], "a": [0.0, 1.0, -1.0, 0.5]},
]


def request() -> dict[str, Any]:
    """Without its seq."""
    return {"cmd": "probe", "dynamics": DYNAMICS, "points": [{name: text(value) for name, value in point.items()} for point in POINTS]}


def fault(answer: dict[str, Any]) -> str:
    """The empty string for an answer, valid under its schema, that is right; else one sentence."""
    if "errored" in answer:
        return f"the probe of the dynamics ended as error: {answer['errored']['message']}"
    if len(answer["points"]) != len(POINTS):
        return f"the probe has {len(POINTS)} points, the answer {len(answer['points'])}"
    for at, (point, got) in enumerate(zip(POINTS, answer["points"], strict=True)):
        expected = _expected(point)
        for name, value in got.items():
            if not _close(number(value), expected[name]):
                return f"{name} of the dynamics at point {at} of the probe is {value}, expected {expected[name]}"
    return ""


def _expected(point: dict[str, Any]) -> dict[str, list[float]]:
    """f, and a^T df/dz, a^T df/dtheta by dual numbers."""
    z, t, theta, a = (point[name] for name in ("z", "t", "theta", "a"))
    rows = [parts(x) for x in evaluate(parse(DYNAMICS), duals(FLOATS), variables(z), t, variables(theta, first=len(z)))]
    vjp = [sum(weight * slopes.get(j, 0.0) for weight, (_, slopes) in zip(a, rows, strict=True)) for j in range(len(z) + len(theta))]
    return {"f": [value for value, _ in rows], "vjp_z": vjp[: len(z)], "vjp_theta": vjp[len(z) :]}


def _close(got: list[float], expected: list[float]) -> bool:
    scale = max(1.0, *map(abs, expected))
    return len(got) == len(expected) and all(math.isfinite(x) and abs(x - y) <= RTOL * scale for x, y in zip(got, expected, strict=True))
