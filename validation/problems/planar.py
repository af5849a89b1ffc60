"""Problems in the plane: linear systems with all entries as parameters, an oscillator, a spiral, a limit cycle."""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from .problem import Flow


def p03_rhs(xp, z, t, theta):
    """z' = A z, theta = A row by row."""
    return xp.reshape(theta, (2, 2)) @ z


def p03(z0, t0, t1, theta):
    """z1 = e^{A delta} z0; the derivative in direction E is L_exp(delta A, delta E) z0 (Frechet derivative of the exponential)."""
    A, delta = np.reshape(theta, (2, 2)), t1 - t0
    z1 = expm(delta * A) @ z0
    dtheta = np.stack([frechet(delta * A, delta * E) @ z0 for E in np.eye(4).reshape(4, 2, 2)], axis=1)
    return Flow(z1, dz0=expm(delta * A), dtheta=dtheta, dt0=-A @ z1, dt1=A @ z1)


def p04_rhs(xp, z, t, theta):
    """z' = A z + b, theta = A row by row, then b."""
    return xp.reshape(theta[:4], (2, 2)) @ z + theta[4:]


def p04(z0, t0, t1, theta):
    """P03 for the state (z, 1) and the matrix M = [[A, b], [0, 0]]."""
    A, b, delta = np.reshape(theta[:4], (2, 2)), theta[4:], t1 - t0
    state = np.append(z0, 1.0)
    z1 = (expm(delta * _with_offset(theta)) @ state)[:2]
    dtheta = np.stack([(frechet(delta * _with_offset(theta), delta * _with_offset(e)) @ state)[:2] for e in np.eye(6)], axis=1)
    return Flow(z1, dz0=expm(delta * A), dtheta=dtheta, dt0=-(A @ z1 + b), dt1=A @ z1 + b)


def p05a_rhs(xp, z, t, theta):
    """Oscillator q' = p, p' = -w^2 q."""
    (w,) = theta
    q, p = z
    return xp.stack([p, -w * w * q])


def p05a(z0, t0, t1, theta):
    """q1 = q0 cos x + (p0/w) sin x, p1 = -q0 w sin x + p0 cos x, x = w delta."""
    (q0, p0), (w,), delta = z0, theta, t1 - t0
    x = w * delta
    c, s = np.cos(x), np.sin(x)
    q1, p1 = q0 * c + p0 / w * s, -q0 * w * s + p0 * c
    dq1 = -q0 * delta * s + p0 * (delta * c / w - s / w**2)
    dp1 = -q0 * (s + x * c) - p0 * delta * s
    f1 = np.array([p1, -(w**2) * q1])
    return Flow(np.array([q1, p1]), dz0=np.array([[c, s / w], [-w * s, c]]), dtheta=np.array([[dq1], [dp1]]), dt0=-f1, dt1=f1)


def p05b_rhs(xp, z, t, theta):
    """Spiral z' = A z, A = [[-al, be], [-be, -al]]."""
    al, be = theta
    z_1, z_2 = z
    return xp.stack([-al * z_1 + be * z_2, -be * z_1 - al * z_2])


def p05b(z0, t0, t1, theta):
    """z1 = e^{-al delta} R z0, R = [[cos, sin], [-sin, cos]](be delta); dz1/dbe = delta j(z1), j(z) = (z_2, -z_1)."""
    (al, be), delta = theta, t1 - t0
    c, s = np.cos(be * delta), np.sin(be * delta)
    phi = np.exp(-al * delta) * np.array([[c, s], [-s, c]])
    z1 = phi @ z0
    j = np.array([z1[1], -z1[0]])
    f1 = -al * z1 + be * j
    return Flow(z1, dz0=phi, dtheta=np.stack([-delta * z1, delta * j], axis=1), dt0=-f1, dt1=f1)


def p28_rhs(xp, z, t, theta):
    """Stuart-Landau z' = (mu - |z|^2) z + w (-z_2, z_1)."""
    mu, w = theta
    z_1, z_2 = z
    growth = mu - z_1 * z_1 - z_2 * z_2
    return xp.stack([growth * z_1 - w * z_2, growth * z_2 + w * z_1])


def p28(z0, t0, t1, theta):
    """z1 = k R z0, k = sqrt(G/q), G = e^{2 mu delta}, q = 1 + |z0|^2 (G - 1)/mu, R the rotation by w delta."""
    (mu, w), delta = theta, t1 - t0
    G = np.exp(2 * mu * delta)
    r0 = z0 @ z0
    q = 1 + r0 * (G - 1) / mu
    c, s = np.cos(w * delta), np.sin(w * delta)
    kR = np.sqrt(G / q) * np.array([[c, -s], [s, c]])
    z1 = kR @ z0
    dz0 = kR @ (np.eye(2) - (G - 1) / (mu * q) * np.outer(z0, z0))
    turned = np.array([-z1[1], z1[0]])
    dmu = z1 * (delta - r0 / (2 * q) * (2 * delta * G / mu - (G - 1) / mu**2))
    f1 = (mu - z1 @ z1) * z1 + w * turned
    return Flow(z1, dz0=dz0, dtheta=np.stack([dmu, delta * turned], axis=1), dt0=-f1, dt1=f1)


def frechet(A, E):
    """L_exp(A, E) = d/ds expm(A + s E) at s = 0: the upper right block of expm([[A, E], [0, A]])."""
    n = len(A)
    return expm(np.block([[A, E], [np.zeros_like(A), A]]))[:n, n:]


def _with_offset(theta):
    """[[A, b], [0, 0]] for theta = (A, b)."""
    return np.block([[np.reshape(theta[:4], (2, 2)), np.reshape(theta[4:], (2, 1))], [np.zeros((1, 3))]])
