"""Class C: moderate systems. C1 to C4 are linear; C5 is the five outer planets around the sun."""

from __future__ import annotations

import numpy as np
from scipy.special import factorial, gammainc

from .problem import problem

_ZERO = np.zeros(1)
_FIRST_OF_10 = np.eye(10)[0]


def _c1_f(z, t, _):
    """Nine decays at rate 1, each into the next; the tenth component is stable."""
    flow = z[:-1]
    return np.concatenate([-flow, _ZERO]) + np.concatenate([_ZERO, flow])


def _c1(ts):
    """Poisson probabilities t^i e^-t / i!, and the rest."""
    i = np.arange(9)
    t = ts[:, None]
    return np.concatenate([t**i * np.exp(-t) / factorial(i), gammainc(9, t)], axis=1)


def _c2_f(z, t, _):
    """The same with rates 1, 2, ..., 9."""
    flow = np.arange(1, 10) * z[:-1]
    return np.concatenate([-flow, _ZERO]) + np.concatenate([_ZERO, flow])


def _c2(ts):
    """The birth process of Yule: e^-t (1 - e^-t)^i, and the rest."""
    t = ts[:, None]
    born = -np.expm1(-t)
    return np.concatenate([np.exp(-t) * born ** np.arange(9), born**9], axis=1)


def _heat_f(z, t, _):
    """The heat equation by differences: z_i' = z_{i-1} - 2 z_i + z_{i+1}, with 0 beyond both ends."""
    return np.concatenate([_ZERO, z[:-1]]) - 2 * z + np.concatenate([z[1:], _ZERO])


def _heat(n, ts):
    """Sine modes sin(i j pi/(n + 1)) decay with rates 4 sin^2(j pi/(2 (n + 1)))."""
    angle = np.pi * np.arange(1, n + 1) / (n + 1)
    modes = np.sin(np.outer(np.arange(1, n + 1), angle))
    return 2 / (n + 1) * (np.exp(-4 * np.sin(angle / 2) ** 2 * ts[:, None]) * modes[0]) @ modes


GRAVITY = 2.95912208286  # in au, solar masses and thousands of days
SUN = 1.00000597682  # with the inner planets
MASSES = np.array([0.000954786104043, 0.000285583733151, 0.0000437273164546, 0.0000517759138449, 0.00000277777777778])
POSITIONS = np.array([  # of Jupiter, Saturn, Uranus, Neptune, Pluto, seen from the sun
    [3.42947415189, 3.35386959711, 1.35494901715],
    [6.64145542550, 5.97156957878, 2.18231499728],
    [11.2630437207, 14.6952576794, 6.27960525067],
    [-30.1552268759, 1.65699966404, 1.43785752721],
    [-21.1238353380, 28.4465098142, 15.3882659679],
])
VELOCITIES = np.array([
    [-0.557160570446, 0.505696783289, 0.230578543901],
    [-0.415570776342, 0.365682722812, 0.169143213293],
    [-0.325325669158, 0.189706021964, 0.0877265322780],
    [-0.0240476254170, -0.287659532608, -0.117219543175],
    [-0.176860753121, -0.216393453025, -0.0148647893090],
])


def _c5_f(z, t, _):
    """z holds the positions x_j and then the velocities of the planets, with the sun at the origin:

    x_j'' = G (-(M + m_j) x_j/|x_j|^3 + sum_{k != j} m_k ((x_k - x_j)/|x_k - x_j|^3 - x_k/|x_k|^3)).
    """
    x, v = z.reshape(2, 5, 3)
    pull = x / np.sum(x * x, axis=1, keepdims=True) ** 1.5
    apart = x[None, :, :] - x[:, None, :]
    cubes = np.sum(apart * apart, axis=2, keepdims=True) ** 1.5 + np.eye(5)[:, :, None]  # no division by 0 where j = k
    m = MASSES[:, None]
    # the sum over k != j of m_k x_k/|x_k|^3 is the sum over all k without m_j x_j/|x_j|^3, which cancels against -m_j x_j/|x_j|^3
    a = GRAVITY * (-SUN * pull - np.sum(m * pull, axis=0) + np.sum(m * apart / cubes, axis=1))
    return np.concatenate([v.reshape(-1), a.reshape(-1)])


def _about_the_centre_of_mass(z):
    x, v = z.reshape(2, 5, 3)
    total = SUN + MASSES.sum()
    return x, v, MASSES @ x / total, MASSES @ v / total, total


def _c5_energy(z, t):
    x, v, _, drift, total = _about_the_centre_of_mass(z)
    kinetic = MASSES @ np.sum(v * v, axis=1) / 2 - total * np.sum(drift * drift) / 2
    j, k = np.triu_indices(5, 1)
    among = np.sum(MASSES[j] * MASSES[k] / np.sqrt(np.sum((x[j] - x[k]) ** 2, axis=1)))
    return kinetic - GRAVITY * (SUN * np.sum(MASSES / np.sqrt(np.sum(x * x, axis=1))) + among)


def _c5_spin(z, t):
    x, v, centre, drift, total = _about_the_centre_of_mass(z)
    return MASSES @ np.cross(x, v) - total * np.cross(centre, drift)


CLASS_C = [
    problem("C1", "radioactive decay, equal rates", _FIRST_OF_10, _c1_f, _c1, mass=lambda z, t: np.sum(z)),
    problem("C2", "radioactive decay, rates 1 to 9", _FIRST_OF_10, _c2_f, _c2, mass=lambda z, t: np.sum(z)),
    problem("C3", "heat on 10 points", _FIRST_OF_10, _heat_f, lambda ts: _heat(10, ts)),
    problem("C4", "heat on 51 points", np.eye(51)[0], _heat_f, lambda ts: _heat(51, ts)),
    problem(
        "C5", "five planets", np.concatenate([POSITIONS, VELOCITIES]).reshape(-1), _c5_f,
        energy=_c5_energy, angular_momentum=_c5_spin,
    ),
]
