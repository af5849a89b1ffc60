"""Dynamics written in Python: f(z, t, theta) becomes data.

    from refnode_validation.ir.build import dynamics, mlp, sin
    pendulum = dynamics(lambda z, t, theta: [z[1], -theta[0] * sin(z[0])], dim=2, params=1)
    net = dynamics(*mlp((2, 3, 2), "tanh"))

z (D,) and theta (P,) are NumPy arrays of terms, so that slices, reshape, @, np.sum and np.stack work; the functions of the language are
here by name, and np.tanh, np.exp, ... do the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .dynamics import Dynamics
from .sharing import written
from .terms import FUNCTIONS, SYMBOLS, Term, term

tanh, sin, cos, exp, log, sqrt = (FUNCTIONS[name] for name in ("tanh", "sin", "cos", "exp", "log", "sqrt"))
softplus, sigmoid, relu = (FUNCTIONS[name] for name in ("softplus", "sigmoid", "relu"))


def dynamics(f: Callable[[Any, Any, Any], Any], dim: int, params: int = 0) -> Dynamics:
    """f(z, t, theta) as data; it returns dz/dt, D terms or numbers in a list or an array. Numbers are kept exactly."""
    components = [term(x) for x in np.ravel(_object_array(f(*variables(dim, params))))]
    if len(components) != dim:
        raise ValueError(f"f returned {len(components)} components, but dim is {dim}")
    return written(dim, params, components)


def traced(rhs: Callable[[Any, Any, Any, Any], Any], dim: int, params: int) -> Dynamics:
    """rhs(xp, z, t, theta), written for every array namespace like the right-hand sides of the closed-form problems, as data."""
    return dynamics(lambda z, t, theta: rhs(SYMBOLS, z, t, theta), dim, params)


def variables(dim: int, params: int) -> tuple[np.ndarray, Term, np.ndarray]:
    """z (D,), t and theta (P,), as terms."""
    return _object_array([Term("z", i) for i in range(dim)]), Term("t"), _object_array([Term("theta", j) for j in range(params)])


def mlp(layers: Sequence[int], activation: str, time: bool = True) -> tuple[Callable[[Any, Any, Any], Any], int, int]:
    """A net as (f, D, P), for dynamics(*mlp(...)); layers are D, the numbers of hidden units, D: (2, 3, 2).

    Layer by layer x -> W x + b, between them the activation, a function of the language by name. With time, t is the last input of the
    first layer, after the state. The order of theta: layer by layer W (outputs, inputs) row by row, then b (outputs,).
    """
    if len(layers) < 2 or layers[0] != layers[-1]:
        raise ValueError(f"layers are {tuple(layers)!r}; the first and the last must both be the dimension of the state")
    if activation not in FUNCTIONS:
        raise ValueError(f"unknown activation {activation!r}; there are {', '.join(FUNCTIONS)}")
    shapes = [(m, n + (time and k == 0)) for k, (n, m) in enumerate(itertools.pairwise(layers))]

    def f(z: Any, t: Any, theta: Any) -> Any:
        x, at = np.append(z, t) if time else z, 0
        for k, (m, n) in enumerate(shapes):
            x = x if k == 0 else FUNCTIONS[activation](x)
            W, b = theta[at : at + m * n].reshape(m, n), theta[at + m * n : at + m * n + m]
            x, at = W @ x + b, at + m * n + m
        return x

    return f, layers[0], sum(m * n + m for m, n in shapes)


def _object_array(x: Any) -> np.ndarray:
    return np.array(x, dtype=object)
