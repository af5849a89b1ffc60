"""Class B: small systems."""

from __future__ import annotations

import numpy as np
from scipy.special import ellipj, i0, i1, k0, k1

from .problem import problem


def _b1_f(z, t, _):
    prey, predators = z
    return np.array([2 * prey * (1 - predators), -predators * (1 - prey)])


def _b2_f(z, t, _):
    a, b, c = z
    return np.array([b - a, a - 2 * b + c, b - c])


def _b2(ts):
    """The modes (1, 1, 1), (1, 0, -1), (1, -2, 1) decay with rates 0, 1, 3."""
    e, e3 = np.exp(-ts) / 2, np.exp(-3 * ts) / 2
    return np.stack([1 + e + e3, 1 - 2 * e3, 1 - e + e3], axis=1)


def _b3_f(z, t, _):
    a, b, _c = z
    return np.array([-a, a - b * b, b * b])


def _b3(ts):
    """z2 = u'/u with u'' = e^-t u, that is u = K1(2) I0(s) + I1(2) K0(s), s = 2 e^{-t/2}."""
    s = 2 * np.exp(-ts / 2)
    z2 = -s / 2 * (k1(2) * i1(s) - i1(2) * k1(s)) / (k1(2) * i0(s) + i1(2) * k0(s))
    return np.stack([np.exp(-ts), z2, 1 - np.exp(-ts) - z2], axis=1)


def _b4_f(z, t, _):
    x, y, height = z
    r = np.sqrt(x * x + y * y)
    return np.array([-y - x * height / r, x - y * height / r, x / r])


def _b4(ts):
    """Once around the axis of the torus in the time of once around its tube."""
    r = 2 + np.cos(ts)
    return np.stack([r * np.cos(ts), r * np.sin(ts), np.sin(ts)], axis=1)


def _b4_phase(z, t):
    """sin(phi - t), phi the angle around the axis."""
    x, y, _height = z
    return (y * np.cos(t) - x * np.sin(t)) / np.sqrt(x * x + y * y)


def _b5_f(z, t, _):
    x, y, w = z
    return np.array([y * w, -x * w, -0.51 * x * y])


CLASS_B = [
    problem("B1", "predators and prey", [1, 3], _b1_f, orbit=lambda z, t: z[0] - np.log(z[0]) + 2 * (z[1] - np.log(z[1]))),
    problem("B2", "a linear chemical reaction", [2, 0, 1], _b2_f, _b2, mass=lambda z, t: np.sum(z)),
    problem("B3", "a nonlinear chemical reaction", [1, 0, 0], _b3_f, _b3, mass=lambda z, t: np.sum(z)),
    problem("B4", "the surface of a torus", [3, 0, 0], _b4_f, _b4, phase=_b4_phase),
    problem(
        "B5", "a free rigid body", [0, 1, 1], _b5_f, lambda ts: np.stack(ellipj(ts, 0.51)[:3], axis=1),
        circle=lambda z, t: z[0] ** 2 + z[1] ** 2, ellipse=lambda z, t: 0.51 * z[0] ** 2 + z[2] ** 2,
    ),
]
