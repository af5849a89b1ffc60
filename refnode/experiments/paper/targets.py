"""Two-dimensional targets: the energies of Rezende and Mohamed, and the samples of Figure 5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Energy = Callable[[Any], Any]


def two_modes(z: Any) -> Any:
    """U1: a ring of radius 2 with a mode on the left and one on the right."""
    ring = 0.5 * ((np.sqrt(np.sum(z * z, axis=-1)) - 2) / 0.4) ** 2
    return ring - np.logaddexp(-0.5 * ((z[..., 0] - 2) / 0.6) ** 2, -0.5 * ((z[..., 0] + 2) / 0.6) ** 2)


def wave(z: Any) -> Any:
    """U2: a band along a sine."""
    return 0.5 * ((z[..., 1] - sine(z)) / 0.4) ** 2 + wall(z)


def split_wave(z: Any) -> Any:
    """U3: the same band, which parts in two around z_1 = 1."""
    w1, w2 = sine(z), 3 * np.exp(-0.5 * ((z[..., 0] - 1) / 0.6) ** 2)
    return -np.logaddexp(-0.5 * ((z[..., 1] - w1) / 0.35) ** 2, -0.5 * ((z[..., 1] - w1 + w2) / 0.35) ** 2) + wall(z)


def sine(z: Any) -> Any:
    return np.sin(np.pi * z[..., 0] / 2)


def wall(z: Any) -> Any:
    """0 for |z_1| < 4, then as steep as a Gaussian of width 0.4: e^{-U2} and e^{-U3} have no finite integral without it.

    Deviation: Rezende and Mohamed draw [-4, 4] and do not say what is beyond.
    """
    return 0.5 * (np.maximum(np.abs(z[..., 0]) - 4, 0) / 0.4) ** 2


TARGETS: dict[str, Energy] = {"two modes": two_modes, "wave": wave, "split wave": split_wave}
EDGE = 7.0  # beyond |z_i| = 7 all e^{-U} are below 1e-11


def log_Z(U: Energy, n: int = 1401) -> float:
    """log of the integral of e^{-U} over [-7, 7]^2, by the trapezoidal rule, which converges faster than any power for functions that decay."""
    axis = np.linspace(-EDGE, EDGE, n)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    return float(np.log(np.sum(np.exp(-U(points))) * (axis[1] - axis[0]) ** 2))


def circles(n: int, seed: int) -> np.ndarray:
    """Two circles of radius 1.5 and 0.75 with noise 0.09 (scikit-learn's make_circles, times 1.5). Paper: Figure 5"""
    from sklearn.datasets import make_circles

    return 1.5 * make_circles(n, noise=0.06, factor=0.5, random_state=seed)[0]


def moons(n: int, seed: int) -> np.ndarray:
    """Two moons with noise 0.09, around the origin (scikit-learn's make_moons, times 1.5). Paper: Figure 5"""
    from sklearn.datasets import make_moons

    return 1.5 * (make_moons(n, noise=0.06, random_state=seed)[0] - [0.5, 0.25])


DATA = {"circles": circles, "moons": moons}
