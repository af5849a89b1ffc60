"""Scalar autonomous problems: for each, the dynamics pNN_rhs and the exact flow pNN with its derivatives.

Notation: delta = t1 - t0, E an exponential of delta, Q a denominator; for autonomous f, dz1/dt1 = f(z1) and dz1/dt0 = -f(z1).
"""

from __future__ import annotations

import numpy as np

from .problem import Flow


def p01_rhs(xp, z, t, theta):
    """z' = lam z."""
    (lam,) = theta
    return lam * z


def p01(z0, t0, t1, theta):
    """z1 = z0 e^{lam delta}."""
    (z0,), (lam,), delta = z0, theta, t1 - t0
    E = np.exp(lam * delta)
    z1 = z0 * E
    return autonomous_flow(z1, dz0=E, dtheta=[delta * z1], f1=lam * z1)


def p02_rhs(xp, z, t, theta):
    """z' = a z + b."""
    a, b = theta
    return a * z + b


def p02(z0, t0, t1, theta):
    """z1 = E z0 + b phi, E = e^{a delta}, phi = (E - 1)/a."""
    (z0,), (a, b), delta = z0, theta, t1 - t0
    E = np.exp(a * delta)
    phi = (E - 1) / a
    z1 = E * z0 + b * phi
    da = delta * E * z0 + b * (delta * E - phi) / a
    return autonomous_flow(z1, dz0=E, dtheta=[da, phi], f1=a * z1 + b)


def p06_rhs(xp, z, t, theta):
    """Logistic growth z' = r z (1 - z/K)."""
    r, K = theta
    return r * z * (1 - z / K)


def p06(z0, t0, t1, theta):
    """z1 = K z0/Q, Q = z0 + (K - z0) E, E = e^{-r delta}."""
    (z0,), (r, K), delta = z0, theta, t1 - t0
    E = np.exp(-r * delta)
    Q = z0 + (K - z0) * E
    z1 = K * z0 / Q
    dr = K * z0 * (K - z0) * delta * E / Q**2
    dK = z0**2 * (1 - E) / Q**2
    return autonomous_flow(z1, dz0=K**2 * E / Q**2, dtheta=[dr, dK], f1=r * z1 * (1 - z1 / K))


def p07_rhs(xp, z, t, theta):
    """Bernoulli z' = a z + b z^n, n = 3."""
    a, b = theta
    return a * z + b * z * z * z


def p07(z0, t0, t1, theta):
    """z1 = w1^{1/m}, w1 = E (z0^m + b/a) - b/a, m = 1 - n, E = e^{m a delta}; n = 3."""
    (z0,), (a, b), delta, n = z0, theta, t1 - t0, 3
    m = 1 - n
    E = np.exp(m * a * delta)
    z1 = (E * (z0 ** float(m) + b / a) - b / a) ** (1 / m)
    da = z1**n / m * (m * delta * E * (z0 ** float(m) + b / a) - (b / a**2) * (E - 1))
    db = z1**n / m * (E - 1) / a
    return autonomous_flow(z1, dz0=(z1 / z0) ** n * E, dtheta=[da, db], f1=a * z1 + b * z1**n)


def p08a_rhs(xp, z, t, theta):
    """z' = k (1 - z^2)."""
    (k,) = theta
    return k * (1 - z * z)


def p08a(z0, t0, t1, theta):
    """z1 = tanh(k delta + artanh z0)."""
    (z0,), (k,), delta = z0, theta, t1 - t0
    z1 = np.tanh(k * delta + np.arctanh(z0))
    return autonomous_flow(z1, dz0=(1 - z1**2) / (1 - z0**2), dtheta=[delta * (1 - z1**2)], f1=k * (1 - z1**2))


def p08b_rhs(xp, z, t, theta):
    """Riccati z' = a + b z^2, a b > 0."""
    a, b = theta
    return a + b * z * z


def p08b(z0, t0, t1, theta):
    """z1 = N/Q, N = z0 c + a S, Q = c - b z0 S, s = sqrt(a b), c = cos(s delta), S = sin(s delta)/s.

    c_a, S_a, ... are partial derivatives.
    """
    (z0,), (a, b), delta = z0, theta, t1 - t0
    s = np.sqrt(a * b)
    c, S = np.cos(s * delta), np.sin(s * delta) / s
    c_a, c_b = -b * delta * S / 2, -a * delta * S / 2
    S_a, S_b = (delta * c - S) / (2 * a), (delta * c - S) / (2 * b)
    Q = c - b * z0 * S
    z1 = (z0 * c + a * S) / Q
    da = ((z0 * c_a + S + a * S_a) - z1 * (c_a - b * z0 * S_a)) / Q
    db = ((z0 * c_b + a * S_b) - z1 * (c_b - z0 * S - b * z0 * S_b)) / Q
    return autonomous_flow(z1, dz0=1 / Q**2, dtheta=[da, db], f1=a + b * z1**2)


def p08c_rhs(xp, z, t, theta):
    """z' = th z^2, which blows up at delta = 1/(th z0)."""
    (th,) = theta
    return th * z * z


def p08c(z0, t0, t1, theta):
    """z1 = z0/(1 - th z0 delta)."""
    (z0,), (th,), delta = z0, theta, t1 - t0
    z1 = z0 / (1 - th * z0 * delta)
    return autonomous_flow(z1, dz0=(z1 / z0) ** 2, dtheta=[delta * z1**2], f1=th * z1**2)


def p13_rhs(xp, z, t, theta):
    """Gompertz z' = al z ln(K/z)."""
    al, K = theta
    return al * z * xp.log(K / z)


def p13(z0, t0, t1, theta):
    """z1 = K e^{ell E}, ell = ln(z0/K), E = e^{-al delta}."""
    (z0,), (al, K), delta = z0, theta, t1 - t0
    E = np.exp(-al * delta)
    ell = np.log(z0 / K)
    z1 = K * np.exp(ell * E)
    return autonomous_flow(z1, dz0=z1 * E / z0, dtheta=[-delta * E * ell * z1, z1 * (1 - E) / K], f1=al * z1 * np.log(K / z1))


def p14_rhs(xp, z, t, theta):
    """Cubic decay z' = -th z^3."""
    (th,) = theta
    return -th * z * z * z


def p14(z0, t0, t1, theta):
    """z1 = z0/sqrt(q), q = 1 + 2 th z0^2 delta."""
    (z0,), (th,), delta = z0, theta, t1 - t0
    q = 1 + 2 * th * z0**2 * delta
    z1 = z0 / np.sqrt(q)
    return autonomous_flow(z1, dz0=q**-1.5, dtheta=[-(z0**3) * delta * q**-1.5], f1=-th * z1**3)


def scalar_flow(z1, dz0, dtheta, dt0, dt1) -> Flow:
    """Scalars brought to the shapes of Flow, D = 1."""
    return Flow(np.array([z1]), np.array([[dz0]]), np.array([dtheta]), np.array([dt0]), np.array([dt1]))


def autonomous_flow(z1, dz0, dtheta, f1) -> Flow:
    """As scalar_flow, with dz1/dt1 = f(z1) and dz1/dt0 = -f(z1) (identity I3)."""
    return scalar_flow(z1, dz0, dtheta, dt0=-f1, dt1=f1)
