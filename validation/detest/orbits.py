"""Class D: the two-body problem, with eccentricities 0.1, 0.3, 0.5, 0.7, 0.9."""

from __future__ import annotations

import numpy as np

from .problem import problem


def _f(z, t, _):
    x, y, vx, vy = z
    cube = (x * x + y * y) ** 1.5
    return np.array([vx, vy, -x / cube, -y / cube])


def _kepler(e, ts):
    """The orbit with semi-major axis 1 that starts at the pericentre: E - e sin(E) = t.

    x = cos(E) - e, y = b sin(E), b = sqrt(1 - e^2), E' = 1/(1 - e cos(E)).
    """
    M = np.remainder(ts + np.pi, 2 * np.pi) - np.pi
    E = M + e * np.sign(M)  # on this side Newton's method comes down monotonically: E - e sin(E) - M is convex there
    for _ in range(20):
        E = E - (E - e * np.sin(E) - M) / (1 - e * np.cos(E))
    b, rate = np.sqrt((1 - e) * (1 + e)), 1 / (1 - e * np.cos(E))
    return np.stack([np.cos(E) - e, b * np.sin(E), -np.sin(E) * rate, b * np.cos(E) * rate], axis=1)


def _energy(z, t):
    return (z[2] ** 2 + z[3] ** 2) / 2 - 1 / np.sqrt(z[0] ** 2 + z[1] ** 2)


def _orbit(name, e):
    return problem(
        name, f"an orbit of eccentricity {e}", [1 - e, 0, 0, np.sqrt((1 + e) / (1 - e))], _f, lambda ts: _kepler(e, ts),
        energy=_energy, angular_momentum=lambda z, t: z[0] * z[3] - z[1] * z[2],
    )


CLASS_D = [_orbit(f"D{i}", (2 * i - 1) / 10) for i in range(1, 6)]
