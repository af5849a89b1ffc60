"""Scalar non-autonomous problems: for each, the dynamics pNN_rhs and the exact flow pNN with its derivatives.

These are the problems that see a clock that runs the wrong way, a wrong node c_i, and wrong time gradients.
"""

from __future__ import annotations

import numpy as np

from .problem import Flow
from .scalar import scalar_flow


def p09_rhs(xp, z, t, theta):
    """z' = th cos(w t) z."""
    th, w = theta
    return th * xp.cos(w * t) * z


def p09(z0, t0, t1, theta):
    """z1 = z0 e^{th S/w}, S = sin w t1 - sin w t0."""
    (z0,), (th, w) = z0, theta
    S = np.sin(w * t1) - np.sin(w * t0)
    z1 = z0 * np.exp(th * S / w)
    dw = z1 * th * ((t1 * np.cos(w * t1) - t0 * np.cos(w * t0)) / w - S / w**2)
    return scalar_flow(z1, dz0=z1 / z0, dtheta=[z1 * S / w, dw], dt0=-th * np.cos(w * t0) * z1, dt1=th * np.cos(w * t1) * z1)


def p10_rhs(xp, z, t, theta):
    """z' = -k z + A sin(w t)."""
    k, A, w = theta
    return -k * z + A * xp.sin(w * t)


def p10(z0, t0, t1, theta):
    """z1 = E (z0 - zp(t0)) + zp(t1), E = e^{-k delta}, zp(t) = A (k sin wt - w cos wt)/q, q = k^2 + w^2.

    zk and zw are d zp/dk and d zp/dw.
    """
    (z0,), (k, A, w), delta = z0, theta, t1 - t0
    q = k**2 + w**2
    E = np.exp(-k * delta)

    def zp(t):
        return A * (k * np.sin(w * t) - w * np.cos(w * t)) / q

    def zk(t):
        return A * np.sin(w * t) / q - 2 * k * zp(t) / q

    def zw(t):
        return A * (k * t * np.cos(w * t) - np.cos(w * t) + w * t * np.sin(w * t)) / q - 2 * w * zp(t) / q

    z1 = E * (z0 - zp(t0)) + zp(t1)
    dk = -delta * E * (z0 - zp(t0)) - E * zk(t0) + zk(t1)
    dA = (zp(t1) - E * zp(t0)) / A
    dw = -E * zw(t0) + zw(t1)
    f0 = -k * z0 + A * np.sin(w * t0)
    f1 = -k * z1 + A * np.sin(w * t1)
    return scalar_flow(z1, dz0=E, dtheta=[dk, dA, dw], dt0=-E * f0, dt1=f1)


def p11_rhs(xp, z, t, theta):
    """A quadrature, z' = th t^n, n = 4; 0*z gives the shape of z."""
    (th,) = theta
    return th * t * t * t * t + 0 * z


def p11(z0, t0, t1, theta):
    """z1 = z0 + th (t1^{n+1} - t0^{n+1})/(n+1), n = 4."""
    (z0,), (th,), n = z0, theta, 4
    bracket = (t1 ** (n + 1) - t0 ** (n + 1)) / (n + 1)
    return scalar_flow(z0 + th * bracket, dz0=1.0, dtheta=[bracket], dt0=-th * t0**n, dt1=th * t1**n)


def p12_rhs(xp, z, t, theta):
    """z' = th t z^2."""
    (th,) = theta
    return th * t * z * z


def p12(z0, t0, t1, theta):
    """z1 = 1/(1/z0 - th (t1^2 - t0^2)/2)."""
    (z0,), (th,) = z0, theta
    half = (t1**2 - t0**2) / 2
    z1 = 1 / (1 / z0 - th * half)
    return scalar_flow(z1, dz0=(z1 / z0) ** 2, dtheta=[z1**2 * half], dt0=-th * t0 * z1**2, dt1=th * t1 * z1**2)


def p27_rhs(xp, z, t, theta):
    """Prothero-Robinson z' = lam (z - sin t) + cos t: for lam < 0 stiff, and unstable when run backwards."""
    (lam,) = theta
    return lam * (z - xp.sin(t)) + xp.cos(t)


def p27(z0, t0, t1, theta):
    """z1 = sin t1 + (z0 - sin t0) e^{lam delta}."""
    (z0,), (lam,), delta = z0, theta, t1 - t0
    E = np.exp(lam * delta)
    z1 = np.sin(t1) + (z0 - np.sin(t0)) * E
    f0 = lam * (z0 - np.sin(t0)) + np.cos(t0)
    f1 = lam * (z1 - np.sin(t1)) + np.cos(t1)
    return scalar_flow(z1, dz0=E, dtheta=[delta * (z0 - np.sin(t0)) * E], dt0=-E * f0, dt1=f1)


def p30_rhs(xp, z, t, theta):
    """Forced Gompertz z' = z (A sin(w t) - k ln z): neither linear in z nor a product g(t) h(z).

    For linear scalar dynamics and for products, dL/dz0 is the same if the clock of the backward solve runs the wrong way between two
    observations; this is the problem that sees it.
    """
    k, A, w = theta
    return z * (A * xp.sin(w * t) - k * xp.log(z))


def p30(z0, t0, t1, theta):
    """z1 = e^{u1}, where u = ln z solves P10, u' = -k u + A sin(w t); dz0 = (z1/z0) du1/du0, all other derivatives z1 times those of u1."""
    u = p10(np.log(z0), t0, t1, theta)
    z1 = np.exp(u.z1)
    return Flow(z1, dz0=z1[:, None] * u.dz0 / z0, dtheta=z1[:, None] * u.dtheta, dt0=z1 * u.dt0, dt1=z1 * u.dt1)
