"""Class E: equations of the second order, as z = (y, y')."""

from __future__ import annotations

import numpy as np

from .problem import problem


def _bessel_f(z, t, _):
    s = t + 1
    return np.array([z[1], -z[1] / s - (1 - 0.25 / (s * s)) * z[0]])


def _bessel(ts):
    """y = J_{1/2}(t + 1) = sqrt(2/(pi s)) sin(s), s = t + 1."""
    s = ts + 1
    root = np.sqrt(2 / (np.pi * s))
    return np.stack([root * np.sin(s), root * (np.cos(s) - np.sin(s) / (2 * s))], axis=1)


def _van_der_pol_f(z, t, _):
    return np.array([z[1], (1 - z[0] * z[0]) * z[1] - z[0]])


def _duffing_f(z, t, _):
    return np.array([z[1], z[0] ** 3 / 6 - z[0] + 2 * np.sin(2.78535 * t)])


def _falling_f(z, t, _):
    return np.array([z[1], 0.032 - 0.4 * z[1] * z[1]])


def _falling(ts):
    """y' = sqrt(0.08) tanh(w t), y = 30 + ln(cosh(w t))/0.4, w = sqrt(0.032 0.4)."""
    wt = np.sqrt(0.0128) * ts
    return np.stack([30 + np.log(np.cosh(wt)) / 0.4, np.sqrt(0.08) * np.tanh(wt)], axis=1)


def _pursuit_f(z, t, _):
    return np.array([z[1], np.sqrt(1 + z[1] * z[1]) / (25 - t)])


def _pursuit(ts):
    """y' = sinh(u), u = ln(25/(25 - t)); with q = 1 - t/25: y' = (1/q - q)/2, y = -25 (ln(q) + (1 - q^2)/2)/2."""
    q = 1 - ts / 25
    return np.stack([-12.5 * (np.log(q) + (1 - q * q) / 2), (1 / q - q) / 2], axis=1)


CLASS_E = [
    problem("E1", "Bessel's equation of order 1/2", _bessel(np.zeros(1))[0], _bessel_f, _bessel),
    problem("E2", "Van der Pol's equation", [2, 0], _van_der_pol_f),
    problem("E3", "Duffing's equation with a forcing", [0, 0], _duffing_f),
    problem(
        "E4", "a fall with quadratic drag", [30, 0], _falling_f, _falling,
        orbit=lambda z, t: (0.08 - z[1] ** 2) * np.exp(0.8 * (z[0] - 30)),
    ),
    problem(
        "E5", "a pursuit", [0, 0], _pursuit_f, _pursuit,
        slope=lambda z, t: (z[1] + np.sqrt(1 + z[1] ** 2)) * (25 - t),
    ),
]
