"""The same dynamics in another guise. Each function takes a Posed and returns another; rhs stays a function for every namespace xp.

Constants come from the state (0 * s + 1), so that they are arrays of its kind and dtype in every namespace.
"""

from __future__ import annotations

import functools

import numpy as np

from .posed import Posed


def with_clock(task: Posed) -> Posed:
    """Time as a state: s = (z, t), s' = (f(z, t), 1). The grid stays, so that the dynamics no longer read it."""
    D, rhs = task.z0.size, task.rhs

    def clocked(xp, s, t, theta):
        return xp.concatenate([rhs(xp, s[:D], s[D], theta), 0 * s[D:] + 1])

    return task.changed(rhs=clocked, z0=np.append(task.z0, task.ts[0]), weights=_wider(task, 1))


def with_theta(task: Posed) -> Posed:
    """The parameters as states: s = (z, theta), s' = (f(z, t, theta), 0). The parameters themselves are no longer read."""
    D, rhs = task.z0.size, task.rhs

    def constants(xp, s, t, theta):
        return xp.concatenate([rhs(xp, s[:D], t, s[D:]), 0 * s[D:]])

    return task.changed(rhs=constants, z0=np.concatenate([task.z0, task.theta]), weights=_wider(task, task.theta.size))


def shifted(task: Posed, by: float) -> Posed:
    """f(z, t - by, theta) on the grid ts + by."""
    rhs = task.rhs
    return task.changed(rhs=lambda xp, z, t, theta: rhs(xp, z, t - by, theta), ts=task.ts + by)


def scaled(task: Posed, by: float) -> Posed:
    """w = by z: w' = by f(w/by)."""
    rhs = task.rhs
    return task.changed(rhs=lambda xp, w, t, theta: by * rhs(xp, w / by, t, theta), z0=by * task.z0)


def reversed_from(task: Posed, z1: np.ndarray) -> Posed:
    """From z1 at the last time back to the first."""
    return task.changed(z0=z1, ts=task.ts[::-1].copy(), weights=task.weights[::-1].copy())


def together(task: Posed, starts: list[np.ndarray]) -> Posed:
    """Several initial states solved as one state, one after the other."""
    D, rhs, n = task.z0.size, task.rhs, len(starts)

    def rows(xp, s, t, theta):
        return xp.concatenate([rhs(xp, s[i * D : (i + 1) * D], t, theta) for i in range(n)])

    return task.changed(rhs=rows, z0=np.concatenate(starts), weights=np.tile(task.weights, n))


@functools.lru_cache
def with_sensitivity(task: Posed) -> Posed:
    """s = (z, w), w' = df/dz w, w(t0) = v, the task's direction: w is the derivative of z along v.

    df/dz w = [8 (f(z + h w) - f(z - h w)) - (f(z + 2h w) - f(z - 2h w))] / (12 h) + O(h^4): with h = 1e-3 exact to some 1e-12, which is far
    below every tolerance, and needs nothing but f.
    """
    D, rhs, h = task.z0.size, task.rhs, 1e-3
    v = task.direction[:D]

    def pair(xp, s, t, theta):
        z, w = s[:D], s[D:]

        def f(k):
            return rhs(xp, z + k * h * w, t, theta)

        return xp.concatenate([rhs(xp, z, t, theta), (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * h)])

    return task.changed(rhs=pair, z0=np.concatenate([task.z0, v]), weights=_wider(task, D))


@functools.lru_cache
def with_log_det(task: Posed) -> Posed:
    """s = (z, l), l' = -tr df/dz, in NumPy alone, by complex steps: for the condition of log p, never for an answer."""
    D, rhs, step = task.z0.size, task.rhs, 1e-30

    def pair(xp, s, t, theta):
        z = s[:D]
        trace = sum(np.imag(rhs(np, z + 1j * step * e, t, theta))[i] / step for i, e in enumerate(np.eye(D)))
        return np.append(rhs(np, z, t, theta), -trace)

    return task.changed(rhs=pair, z0=np.append(task.z0, 0.0), weights=_wider(task, 1))


def _wider(task: Posed, by: int) -> np.ndarray:
    """The weights with columns of zeros for further states."""
    return np.concatenate([task.weights, np.zeros((len(task.ts), by))], axis=1)
