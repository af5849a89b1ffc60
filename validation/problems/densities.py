"""Continuous normalizing flows with closed forms: for each, the dynamics pNN_rhs, the exact flow pNN, and log |det dz1/dz0|, pNN_log_det.

Notation: delta = t1 - t0; a planar unit moves z along u as s = w.z + b says, and s' = kappa tanh s, kappa = w.u, has the solution
sinh s1 = e^{kappa delta} sinh s0. All formulas are analytic in every argument.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from .planar import frechet
from .problem import Flow

# The two decoupled units of P18c: u_m in the rows of UNITS, b_m, and w_m dual to u_n (w_m . u_n = 0 for m != n, 1 for m = n).
UNITS, OFFSETS = np.array([[1.0, 0.4], [-0.3, 0.8]]), np.array([0.2, -0.1])
DUALS = np.linalg.inv(UNITS).T
# P20: the process starts at time 0 from N(MU0, V0).
MU0, V0 = -0.5, 0.6


def p18a_rhs(xp, z, t, theta):
    """The planar flow z' = u tanh(w.z + b), D = 3; theta = u, w, b."""
    u, w, b = theta[:3], theta[3:6], theta[6]
    return u * xp.tanh(xp.sum(w * z) + b)


def p18a(z0, t0, t1, theta):
    """z1 = z0 + u (s1 - s0)/kappa; c1 = (m - 1)/kappa, m = ds1/ds0; c2 the derivative of (s1 - s0)/kappa by kappa."""
    z1, dz0, dtheta, _, speed = _planar(z0, t1 - t0, theta)
    return Flow(z1, dz0=dz0, dtheta=dtheta, dt0=-speed, dt1=speed)


def p18a_log_det(z0, t0, t1, theta):
    """kappa delta + ln cosh s0 - ln cosh s1."""
    return _planar_log_det(z0, t1 - t0, theta)


def p18b_rhs(xp, z, t, theta):
    """The gated planar flow z' = sigma(al t + be) u tanh(w.z + b), D = 2; theta = u, w, b, al, be; sigma(x) = 1/(1 + e^-x)."""
    u, w, b, al, be = theta[:2], theta[2:4], theta[4], theta[5], theta[6]
    return u * xp.tanh(xp.sum(w * z) + b) / (1 + xp.exp(-(al * t + be)))


def p18b(z0, t0, t1, theta):
    """P18a with delta replaced by T = int sigma(al t + be) dt = [softplus(al t + be)]/al; speed is u tanh s1."""
    al, be = theta[5:]
    (sigma0, sigma1), T = (_logistic(al * t + be) for t in (t0, t1)), _gate_time(t0, t1, theta)
    z1, dz0, dtheta, start, speed = _planar(z0, T, theta[:5])
    dT = [(t1 * sigma1 - t0 * sigma0 - T) / al, (sigma1 - sigma0) / al]
    dtheta = np.concatenate([dtheta, np.multiply.outer(speed, dT)], axis=1)
    return Flow(z1, dz0=dz0, dtheta=dtheta, dt0=-sigma0 * dz0 @ start, dt1=sigma1 * speed)


def p18b_log_det(z0, t0, t1, theta):
    """P18a's with T for delta."""
    return _planar_log_det(z0, _gate_time(t0, t1, theta), theta[:5])


def p18c_rhs(xp, z, t, theta):
    """Two decoupled units z' = sum_m c_m u_m tanh(w_m.z + b_m), D = 2; theta = c."""
    z_1, z_2 = z
    h = [theta[m] * xp.tanh(float(w[0]) * z_1 + float(w[1]) * z_2 + float(b)) for m, (w, b) in enumerate(zip(DUALS, OFFSETS, strict=True))]
    return xp.stack([float(UNITS[0, i]) * h[0] + float(UNITS[1, i]) * h[1] for i in range(2)])


def p18c(z0, t0, t1, theta):
    """Each s_m moves alone, with kappa_m = c_m: z1 = z0 + sum_m u_m (s_m1 - s_m0). The test of eq. (10), and of its sign."""
    delta = t1 - t0
    s0, s1 = _decoupled(z0, delta, theta)
    m = np.exp(theta * delta) * np.cosh(s0) / np.cosh(s1)
    f1 = (theta * np.tanh(s1)) @ UNITS
    dz0 = np.eye(2) + UNITS.T @ ((m - 1)[:, None] * DUALS)
    return Flow(z0 + (s1 - s0) @ UNITS, dz0=dz0, dtheta=UNITS.T * (delta * np.tanh(s1)), dt0=-f1, dt1=f1)


def p18c_log_det(z0, t0, t1, theta):
    """sum_m c_m delta + ln cosh s_m0 - ln cosh s_m1."""
    s0, s1 = _decoupled(z0, t1 - t0, theta)
    return np.sum(theta * (t1 - t0) + np.log(np.cosh(s0)) - np.log(np.cosh(s1)))


def p19_rhs(xp, z, t, theta):
    """z' = A z, D = 3, theta = A row by row. N(mu, S) at t0 becomes N(E mu, E S E^T), E = e^{A delta}."""
    return xp.reshape(theta, (3, 3)) @ z


def p19(z0, t0, t1, theta):
    """P03 in three dimensions."""
    A, delta = np.reshape(theta, (3, 3)), t1 - t0
    z1 = expm(delta * A) @ z0
    dtheta = np.stack([frechet(delta * A, delta * E) @ z0 for E in np.eye(9).reshape(9, 3, 3)], axis=1)
    return Flow(z1, dz0=expm(delta * A), dtheta=dtheta, dt0=-A @ z1, dt1=A @ z1)


def p19_log_det(z0, t0, t1, theta):
    """delta tr A."""
    return (t1 - t0) * np.trace(np.reshape(theta, (3, 3)))


def p20_rhs(xp, z, t, theta):
    """The probability flow of z = -be z dt + si dW: z' = -be z + (si^2/2) (z - mu(t))/v(t)."""
    be, si = theta
    v_inf = si * si / (2 * be)
    E = xp.exp(-be * t)
    return -be * z + si * si / 2 * (z - MU0 * E) / (v_inf + (V0 - v_inf) * E * E)


def p20(z0, t0, t1, theta):
    """z1 = mu(t1) + (z0 - mu(t0)) r, r = sqrt(v(t1)/v(t0)); the density is N(mu(t), v(t)) at every t."""
    (z0,), (be, si) = z0, theta
    (mu0, v0, mu0_be, v0_be, v0_si), (mu1, v1, mu1_be, v1_be, v1_si) = (_ou(t, theta) for t in (t0, t1))
    r = np.sqrt(v1 / v0)
    z1 = mu1 + (z0 - mu0) * r
    dbe = mu1_be - mu0_be * r + (z0 - mu0) * r / 2 * (v1_be / v1 - v0_be / v0)
    dsi = (z0 - mu0) * r / 2 * (v1_si / v1 - v0_si / v0)
    f0, f1 = (-be * z + si**2 / 2 * (z - mu) / v for z, mu, v in ((z0, mu0, v0), (z1, mu1, v1)))
    return Flow(np.array([z1]), dz0=np.array([[r]]), dtheta=np.array([[dbe, dsi]]), dt0=np.array([-r * f0]), dt1=np.array([f1]))


def p20_log_det(z0, t0, t1, theta):
    """ln r."""
    return 0.5 * np.log(_ou(t1, theta)[1] / _ou(t0, theta)[1])


def p21_rhs(xp, z, t, theta):
    """The linear Hamiltonian pair q' = a p, p' = b q."""
    a, b = theta
    q, p = z
    return xp.stack([a * p, b * q])


def p21(z0, t0, t1, theta):
    """q1 = q0 c + a p0 S, p1 = p0 c + b q0 S, c = cos(w delta), S = sin(w delta)/w, w^2 = -a b =: W.

    dc/dW = -delta S/2, dS/dW = (delta c - S)/(2 W).
    """
    (q0, p0), (a, b), delta = z0, theta, t1 - t0
    W = -a * b
    w = np.sqrt(W)
    c, S = np.cos(w * delta), np.sin(w * delta) / w
    c_W, S_W = -delta * S / 2, (delta * c - S) / (2 * W)
    q1, p1 = q0 * c + a * p0 * S, p0 * c + b * q0 * S
    da = [-b * (q0 * c_W + a * p0 * S_W) + p0 * S, -b * (p0 * c_W + b * q0 * S_W)]
    db = [-a * (q0 * c_W + a * p0 * S_W), -a * (p0 * c_W + b * q0 * S_W) + q0 * S]
    f1 = np.array([a * p1, b * q1])
    return Flow(np.array([q1, p1]), dz0=np.array([[c, a * S], [b * S, c]]), dtheta=np.array([da, db]).T, dt0=-f1, dt1=f1)


def p21_log_det(z0, t0, t1, theta):
    """0: volume is preserved."""
    return 0.0 * (t1 - t0)


def p28_log_det(z0, t0, t1, theta):
    """4 ln k - 2 mu delta, k^2 = G/q as in p28."""
    mu, delta = theta[0], t1 - t0
    G = np.exp(2 * mu * delta)
    return 2 * np.log(G / (1 + z0 @ z0 * (G - 1) / mu)) - 2 * mu * delta


def _planar(z0, T, theta):
    """z1, dz1/dz0, dz1/d(u, w, b), u tanh s0 and u tanh s1 after the time T."""
    D = (len(theta) - 1) // 2
    u, w = theta[:D], theta[D : 2 * D]
    kappa, s0, s1 = _activations(z0, T, theta)
    m = np.exp(kappa * T) * np.cosh(s0) / np.cosh(s1)
    c0, c1 = (s1 - s0) / kappa, (m - 1) / kappa
    c2 = T * np.tanh(s1) / kappa - (s1 - s0) / kappa**2
    du = c0 * np.eye(D) + c2 * np.outer(u, w)
    dw = np.outer(u, c1 * z0 + c2 * u)
    dtheta = np.concatenate([du, dw, (c1 * u)[:, None]], axis=1)
    return z0 + c0 * u, np.eye(D) + c1 * np.outer(u, w), dtheta, u * np.tanh(s0), u * np.tanh(s1)


def _planar_log_det(z0, T, theta):
    kappa, s0, s1 = _activations(z0, T, theta)
    return kappa * T + np.log(np.cosh(s0)) - np.log(np.cosh(s1))


def _activations(z0, T, theta):
    D = (len(theta) - 1) // 2
    u, w, b = theta[:D], theta[D : 2 * D], theta[2 * D]
    kappa, s0 = w @ u, w @ z0 + b
    return kappa, s0, np.arcsinh(np.exp(kappa * T) * np.sinh(s0))


def _decoupled(z0, delta, theta):
    s0 = DUALS @ z0 + OFFSETS
    return s0, np.arcsinh(np.exp(theta * delta) * np.sinh(s0))


def _logistic(x):
    return 1 / (1 + np.exp(-x))


def _gate_time(t0, t1, theta):
    al, be = theta[5:]
    return (np.log(1 + np.exp(al * t1 + be)) - np.log(1 + np.exp(al * t0 + be))) / al


def _ou(t, theta):
    """mu, v, and their derivatives mu_be, v_be, v_si, at t."""
    be, si = theta
    v_inf, E = si**2 / (2 * be), np.exp(-be * t)
    v = v_inf + (V0 - v_inf) * E**2
    v_be = -(si**2) / (2 * be**2) * (1 - E**2) - 2 * t * (V0 - v_inf) * E**2
    return MU0 * E, v, -t * MU0 * E, v_be, si / be * (1 - E**2)
