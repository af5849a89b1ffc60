"""The five problems by name, and their solutions."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """z' = f(z, t, theta), z(ts[0]) = z0 with D components; the numbers stand in f, theta is an empty tuple.

    f is analytic, written in plain NumPy, and takes complex and longdouble arguments as well. jac(z, t) is df/dz, (D, D), written out.
    ts: where solutions are compared. small: sizes of z below this do not matter; solvers are given atol = small rtol.
    exact(ts) is the solution as (N, D), None where there is no closed form. conserved: weights w with w . z constant, or None.
    """

    name: str
    title: str
    z0: Array
    ts: Array
    small: float
    f: Callable[[Array, float, tuple], Array]
    jac: Callable[[Array, float], Array]
    exact: Callable[[Array], Array] | None = None
    conserved: Array | None = None


def _robertson(z, t, _):
    x, y, w = z
    slow, back, fast = 0.04 * x, 1e4 * y * w, 3e7 * y * y
    return np.array([back - slow, slow - back - fast, fast])


def _robertson_jac(z, t):
    _x, y, w = z
    return np.array([[-0.04, 1e4 * w, 1e4 * y], [0.04, -1e4 * w - 6e7 * y, -1e4 * y], [0, 6e7 * y, 0]])


MU = 1e3


def _van_der_pol(z, t, _):
    x, v = z
    return np.array([v, MU * (1 - x * x) * v - x])


def _van_der_pol_jac(z, t):
    x, v = z
    return np.array([[0, 1], [-2 * MU * x * v - 1, MU * (1 - x * x)]])


def _hires(z, t, _):
    a, b, c, d, e, f, g, h = z
    bound = 280 * f * h
    return np.array([
        -1.71 * a + 0.43 * b + 8.32 * c + 0.0007,
        1.71 * a - 8.75 * b,
        -10.03 * c + 0.43 * d + 0.035 * e,
        8.32 * b + 1.71 * c - 1.12 * d,
        -1.745 * e + 0.43 * f + 0.43 * g,
        -bound + 0.69 * d + 1.71 * e - 0.43 * f + 0.69 * g,
        bound - 1.81 * g,
        -bound + 1.81 * g])


def _hires_jac(z, t):
    f, h = 280 * z[5], 280 * z[7]
    return np.array([
        [-1.71, 0.43, 8.32, 0, 0, 0, 0, 0],
        [1.71, -8.75, 0, 0, 0, 0, 0, 0],
        [0, 0, -10.03, 0.43, 0.035, 0, 0, 0],
        [0, 8.32, 1.71, -1.12, 0, 0, 0, 0],
        [0, 0, 0, 0, -1.745, 0.43, 0.43, 0],
        [0, 0, 0, 0.69, 1.71, -0.43 - h, 0.69, -f],
        [0, 0, 0, 0, 0, h, -1.81, f],
        [0, 0, 0, 0, 0, -h, 1.81, -f]])


LAM, START = -1e6, 0.9


def _prothero_robinson(z, t, _):
    return LAM * (z - math.sin(t)) + math.cos(t)


def _prothero_robinson_exact(ts):
    return (np.sin(ts) + START * np.exp(LAM * ts))[:, None]


def _e5(z, t, _):
    a, b, c, d = z
    slow, fast, pair, back = 7.89e-10 * a, 1.1e7 * a * c, 1.13e9 * b * c, 1.13e3 * d
    return np.array([-slow - fast, slow - pair, slow - fast + back - pair, fast - back])


def _e5_jac(z, t):
    a, b, c, _d = z
    A, B, C, CM = 7.89e-10, 1.1e7, 1.13e3, 1.13e9
    return np.array([[-A - B * c, 0, -B * a, 0], [A, -CM * c, -CM * b, 0], [A - B * c, -CM * c, -B * a - CM * b, C], [B * c, 0, B * a, -C]])


_ALL = [
    Problem("Robertson", "three chemical species", np.array([1.0, 0, 0]), np.array([0, 40, 4e4, 4e7, 1e11]), 1e-10,
            _robertson, _robertson_jac, conserved=np.array([1.0, 1, 1])),
    Problem("van der Pol", "mu = 1000: two jumps and what is between them", np.array([2.0, 0]), np.array([0, 500.0, 1000, 1500, 2000]),
            1e-3, _van_der_pol, _van_der_pol_jac),
    Problem("HIRES", "high irradiance response of a plant", np.array([1.0, 0, 0, 0, 0, 0, 0, 0.0057]),
            np.array([0, 5, 50, 150, 321.8122]), 1e-4, _hires, _hires_jac, conserved=np.array([0, 0, 0, 0, 0, 0, 1.0, 1])),
    Problem("Prothero-Robinson", "P27 with lam = -1e6: z' = lam (z - sin t) + cos t", np.array([START]),
            np.array([0, 2.5, 5, 7.5, 10]), 1e-2, _prothero_robinson, lambda z, t: np.array([[LAM]]), _prothero_robinson_exact),
    # Its usual end is 1e13; from about 1e3 on the invariant is lost in the rounding errors of f.
    Problem("E5", "a chemical pyrolysis", np.array([1.76e-3, 0, 0, 0]), np.array([0, 1.0, 10, 100, 1000]), 1e-12, _e5, _e5_jac,
            conserved=np.array([0, 1.0, -1, -1])),
]
PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in _ALL}


@functools.cache
def solution(name: str) -> Array:
    """z at the problem's times, (N, D): the closed form, or the values of reference.json."""
    problem = PROBLEMS[name]
    values = problem.exact(problem.ts) if problem.exact is not None else np.array(reference()["values"][name])
    values.flags.writeable = False
    return values


@functools.cache
def reference() -> dict:
    """The content of reference.json."""
    return json.loads(Path(__file__).with_name("reference.json").read_text())


def error(name: str, i: int, z: Array) -> float:
    """max |z - z(ts[i])| / (small + |z(ts[i])|): to be compared with rtol."""
    expected = solution(name)[i]
    return float(np.max(np.abs(z - expected) / (PROBLEMS[name].small + np.abs(expected))))
