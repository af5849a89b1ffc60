"""Augmented neural ODEs: dimensions that start at zero, so that trajectories can go around each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.gradients.select import ODESolve


def augmented(x: Any, extra: int) -> Any:
    """(x, 0): points (n, D) with `extra` zeros appended, (n, D + extra). Statement: E14"""
    return np.concatenate([x, np.zeros((len(x), extra))], axis=1) if extra else x


def augmented_solve(x: Any, f: Any, t0: float, t1: float, theta: Any, extra: int, **keywords: Any) -> Any:
    """h(t1) of d/dt [h, a] = f([h, a], t, theta), h(t0) = x, a(t0) = 0: (n, D + extra); with extra = 0 a plain neural ODE.

    A flow is a homeomorphism: on a line it keeps the order of points, and what one sphere encloses stays enclosed by its image. With dimensions
    beside those of x, x -> h(t1) is an embedding, which need do neither. Keywords: those of `odeint`.
    Source: Dupont, Doucet, Teh 2019 (arXiv 1904.01681). Statement: E14
    """
    return ODESolve(augmented(x, extra), f, t0, t1, theta, **keywords)


def half_turn(z: Any, t: Any, theta: Any) -> Any:
    """dz/dt = pi (-z_2, z_1): from t = 0 to 1 it maps (x, 0) to (-x, 0), which no flow of the line does. Statement: E14"""
    return np.pi * np.stack([-z[..., 1], z[..., 0]], axis=-1)


def lift(z: Any, t: Any, theta: Any) -> Any:
    """dh/dt = 0, da/dt = |h|^2 - theta: a(1) = |x|^2 - theta is negative in the ball of radius sqrt(theta), positive outside. Statement: E14"""
    h = z[..., :-1]
    return np.concatenate([0 * h, np.sum(h * h, axis=-1, keepdims=True) - theta], axis=-1)
