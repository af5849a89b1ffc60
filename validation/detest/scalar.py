"""Class A: single equations."""

from __future__ import annotations

import numpy as np

from .problem import problem


def _a5(ts):
    """In polar coordinates t = r cos(phi), z = r sin(phi) the spiral is r = 4 e^{pi/2 - phi}.

    t/4 = e^{pi/2 - phi} cos(phi) falls with phi and is convex where phi > 0, so that Newton's method from phi = 0 cannot overshoot there.
    """
    phi = np.zeros_like(ts)
    for _ in range(20):
        residual = np.exp(np.pi / 2 - phi) * np.cos(phi) - ts / 4
        phi = phi + residual / (np.exp(np.pi / 2 - phi) * (np.cos(phi) + np.sin(phi)))
    return 4 * np.exp(np.pi / 2 - phi) * np.sin(phi)


def _a5_spiral(z, t):
    """ln(r) + phi, with phi = 2 arctan(z/(r + t)), the angle without a jump at z = 0."""
    r = np.sqrt(t * t + z[0] * z[0])
    return np.log(r) + 2 * np.arctan(z[0] / (r + t))


CLASS_A = [
    problem("A1", "exponential decay", [1], lambda z, t, _: -z, lambda ts: np.exp(-ts)[:, None]),
    problem("A2", "a Riccati equation", [1], lambda z, t, _: -(z**3) / 2, lambda ts: (1 / np.sqrt(1 + ts))[:, None]),
    problem("A3", "an oscillation", [1], lambda z, t, _: z * np.cos(t), lambda ts: np.exp(np.sin(ts))[:, None]),
    problem("A4", "logistic growth", [1], lambda z, t, _: z / 4 * (1 - z / 20), lambda ts: (20 / (1 + 19 * np.exp(-ts / 4)))[:, None]),
    problem(
        "A5", "a spiral", [4], lambda z, t, _: (z - t) / (z + t), lambda ts: _a5(ts)[:, None],
        spiral=_a5_spiral,
    ),
]
