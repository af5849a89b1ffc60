"""Stiff problems: f(z, t, theta), its Jacobian, start, span, solution at the end, and what is small in them.

Robertson, van der Pol, HIRES, E5: the standard ones of Hairer and Wanner IV.10 and of the Test Set for IVP Solvers (Bari), whose reference
solutions the first three are. E5 ends at 1e3 (later, z_1 - z_2 - z_3 = 0 is lost in the rounding errors of f): SciPy's Radau at rtol 1e-12 and
3e-13 with atol 1e-26 agrees to 12, 11, 11, 11 digits. Prothero-Robinson: z(t) = sin t + (z0 - sin t0) exp(lam (t - t0)).
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Problem:
    """atol: relative to rtol, so that all components that matter count."""

    f: object
    jac: object
    z0: list
    span: tuple
    end: list
    atol: float


def robertson(z, t, _):
    a, b, c = 0.04 * z[0], 1e4 * z[1] * z[2], 3e7 * z[1] ** 2
    return np.array([b - a, a - b - c, c])


def robertson_jac(z, t):
    x, y = 1e4 * z[2], 1e4 * z[1]
    return np.array([[-0.04, x, y], [0.04, -x - 6e7 * z[1], -y], [0, 6e7 * z[1], 0]])


def van_der_pol(z, t, _):
    return np.array([z[1], 1e3 * (1 - z[0] ** 2) * z[1] - z[0]])


def van_der_pol_jac(z, t):
    return np.array([[0, 1], [-2e3 * z[0] * z[1] - 1, 1e3 * (1 - z[0] ** 2)]])


HIRES_LINEAR = np.array([
    [-1.71, 0.43, 8.32, 0, 0, 0, 0, 0],
    [1.71, -8.75, 0, 0, 0, 0, 0, 0],
    [0, 0, -10.03, 0.43, 0.035, 0, 0, 0],
    [0, 8.32, 1.71, -1.12, 0, 0, 0, 0],
    [0, 0, 0, 0, -1.745, 0.43, 0.43, 0],
    [0, 0, 0, 0.69, 1.71, -0.43, 0.69, 0],
    [0, 0, 0, 0, 0, 0, -1.81, 0],
    [0, 0, 0, 0, 0, 0, 1.81, 0]])
HIRES_PRODUCT = np.array([0, 0, 0, 0, 0, -280.0, 280.0, -280.0])


def hires(z, t, _):
    dz = HIRES_LINEAR @ z + HIRES_PRODUCT * (z[5] * z[7])
    dz[0] += 0.0007
    return dz


def hires_jac(z, t):
    return HIRES_LINEAR + np.outer(HIRES_PRODUCT, z[7] * np.eye(8)[5] + z[5] * np.eye(8)[7])


LAM = -1e6


def prothero_robinson(z, t, _):
    return LAM * (z - math.sin(t)) + math.cos(t)


A, B, C, M = 7.89e-10, 1.1e7, 1.13e3, 1e6


def e5(z, t, _):
    a, b, c, d = A * z[0], B * z[0] * z[2], M * C * z[1] * z[2], C * z[3]
    return np.array([-a - b, a - c, a - b - c + d, b - d])


def e5_jac(z, t):
    return np.array([[-A - B * z[2], 0, -B * z[0], 0], [A, -M * C * z[2], -M * C * z[1], 0],
                     [A - B * z[2], -M * C * z[2], -B * z[0] - M * C * z[1], C], [B * z[2], 0, B * z[0], -C]])


PROBLEMS = {
    "Robertson": Problem(robertson, robertson_jac, [1.0, 0, 0], (0.0, 1e11),
                         [2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050], 1e-10),
    "van der Pol": Problem(van_der_pol, van_der_pol_jac, [2.0, 0], (0.0, 2000.0), [1.706167732170483, -8.928097010247975e-4], 1e-3),
    "HIRES": Problem(hires, hires_jac, [1.0, 0, 0, 0, 0, 0, 0, 0.0057], (0.0, 321.8122),
                     [7.371312573325668e-4, 1.442485726316185e-4, 5.888729740967575e-5, 1.175651343283149e-3, 2.386356198831331e-3,
                      6.238968252742796e-3, 2.849998395185769e-3, 2.850001604814231e-3], 1e-4),
    "Prothero-Robinson": Problem(prothero_robinson, lambda z, t: np.array([[LAM]]), [0.0], (0.0, 10.0), [math.sin(10.0)], 1e-2),
    "E5": Problem(e5, e5_jac, [1.76e-3, 0, 0, 0], (0.0, 1e3),
                  [1.61807699990720e-3, 1.38223703049595e-10, 8.25157350070e-12, 1.299721295495e-10], 1e-12),
}
