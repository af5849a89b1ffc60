"""Other right-hand sides that are not in order."""

import math

import numpy as np

z0 = np.array([0.6, 0.3])
ts = np.linspace(0.0, 2.0, 5)
theta = np.array([[-0.3, 1.0], [-1.0, -0.2]])
b = np.ones((2, 1))
t0 = 0.5


def in_place(z, t, theta):
    z *= 2
    return theta @ z


def in_place_theta(z, t, theta):
    theta /= np.linalg.norm(theta)
    return theta @ z


def broadcast(z, t, theta):
    return theta @ z + b


def column(z, t, theta):
    return theta @ z.reshape(2, 1)


def no_return(z, t, theta):
    theta @ z


def wrong_order(t, z, theta):
    return theta @ z


def domain(z, t, theta):
    """sqrt(z) is left at t = 1.1: z falls below 0."""
    return np.array([-np.sqrt(z[0]), -z[1]]) - 0.1


def not_at_the_start(z, t, theta):
    return np.log(z - 0.6)


def blow_up(z, t, theta):
    return z * z * 3


def switched(z, t, theta):
    return theta @ z + (1.0 if t > 0.777 else 0.0)


def whole_seconds(z, t, theta):
    return theta @ z * (1 + int(3 * t))


def friction(z, t, theta):
    return np.array([z[1], -z[0] - 0.4 * np.sign(z[1])])


def kinked(z, t, theta):
    return theta @ z + abs(t - 0.777)


def raises(z, t, theta):
    if t > 1:
        raise KeyError("no data")
    return theta @ z


def by_float(z, t, theta):
    """Can be solved, but not traced."""
    return np.stack([math.sin(z[1]), -z[0]])


def stiff(z, t, theta):
    x, y = z
    return np.array([y, 1000.0 * (1 - x * x) * y - x])


def contracting(z, t, theta):
    return -12.0 * (z - np.sin(t))


def cancelled(z, t, theta):
    return (theta @ z + 1e9) - 1e9


def unused(z, t, theta):
    return np.array([z[1], -z[0]])


def walled(z, t, theta):
    """z' = -z, and NaN where the second component leaves exp(-t) by 2e-3: the solution does not, trial stages do."""
    return np.where(abs(z[1] / 0.3 - np.exp(-t)) > 2e-3, np.nan, -z)


def aliased(z, t, theta):
    return theta @ z + np.cos(8 * np.pi * t)


def fast(z, t, theta):
    return theta @ z + np.cos(300 * t)
