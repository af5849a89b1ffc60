"""Dynamics and questions that these tests share."""

import functools

import numpy as np
from refnode_validation.ir.build import cos, dynamics, mlp, relu, sqrt, traced
from refnode_validation.problems.catalog import problems


@functools.cache
def catalog(name):
    """The dynamics of a closed-form problem, as data."""
    problem = problems()[name]
    return traced(problem.rhs, problem.z0.size, problem.theta.size)


def numbers(task):
    """z0, ts, theta and cotangents of a task of problems.exact, exactly as floats."""
    return [x.tolist() for x in (task.z0, task.ts, task.problem.theta, task.weights)]


NET = dynamics(*mlp((2, 3, 2), "tanh"))
NET_THETA = (np.random.default_rng(3).integers(-8, 9, NET.params) / 8).tolist()
NET_Z0 = ["0.5", "-0.25"]
NET_COTANGENTS = [["0.25", "-0.5"], ["1", "0.5"], ["-0.75", "0.25"]]

DECAY = dynamics(lambda z, t, theta: [-theta[0] * z[0]], dim=1, params=1)
SQUARE = dynamics(lambda z, t, theta: [z[0] * z[0]], dim=1)
CLOCK = dynamics(lambda z, t, theta: [cos(t) * z[0]], dim=1)
LORENZ = dynamics(
    lambda z, t, theta: [theta[0] * (z[1] - z[0]), z[0] * (theta[1] - z[2]) - z[1], z[0] * z[1] - theta[2] * z[2]], dim=3, params=3
)
REACTION = dynamics(lambda z, t, theta: [-z[0], z[0] - z[1] * z[1], z[1] * z[1]], dim=3)  # B3 of DETEST
RAMP = dynamics(lambda z, t, theta: [1 + relu(z[0])], dim=1)
ORBIT = dynamics(
    lambda z, t, theta: [z[2], z[3], -z[0] / sqrt(z[0] ** 2 + z[1] ** 2) ** 3, -z[1] / sqrt(z[0] ** 2 + z[1] ** 2) ** 3], dim=4
)


def middles(balls):
    return np.array([float(x.mid()) for x in balls])
