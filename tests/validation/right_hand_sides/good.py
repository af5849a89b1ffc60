"""Right-hand sides in order, each with its z0, ts and theta: ARGUMENTS[name]. No check may call any of them wrong."""

import numpy as np

import refnode as rn
from refnode.models.nets import mlp, mlp_init
from tests import zoo

RNG = np.random.default_rng(7)
SPIRAL = np.array([[-0.1, 2.0], [-2.0, -0.1]])


def cubed(z, t, layers):
    return mlp(z**3, layers)


def lotka_volterra(z, t, theta):
    x, y = z
    a, b, c, d = theta
    return np.array([a * x - b * x * y, -c * y + d * x * y])


def listed(z, t, theta):
    x, y = z
    return [y, theta["mu"] * (1 - x * x) * y - x]


def relu_net(z, t, theta):
    W1, b1, W2 = theta
    return np.maximum(z @ W1 + b1, 0) @ W2 - z


def driven(z, t, theta):
    return theta["u"](t) - theta["W"] @ z


def complex_tree(z, t, theta):
    return {"psi": 1j * (theta["H"] @ z["psi"]), "n": -0.3 * z["n"]}


def scalar(z, t, k):
    return -k * z * (1 + 0.2 * np.sin(t))


def counted(z, t, theta):
    global calls
    calls += 1
    return np.tanh(theta @ z)


calls = 0


def with_trace(state, t, layers):
    """The augmented dynamics of a continuous normalizing flow, for z -> tanh(z W + b) V."""
    (W, b), (V, c) = layers
    z, _ = state
    a = np.tanh(z @ W + b)
    return a @ V + c, -np.sum((1 - a * a) * np.sum(W * V.T, axis=0), axis=-1)


def large(z, t, theta):
    return np.array([theta[0] * (z[1] - z[0]), theta[1] * (z[0] - z[1]) + 1e7 * np.cos(t)])


def tiny(z, t, theta):
    return theta @ z


def constant(z, t, theta):
    return np.array([1.0, -2.0])


def zero(z, t, theta):
    return 0 * z


def in_parts(z, t, theta):
    q, p = z
    return p, -theta * np.sin(q)


def brings_its_own(z, t, theta):
    return np.tanh(theta[0] @ z) * np.cos(theta[1] * t)


def own_pullback(z, t, theta):
    W, w = theta
    h = np.tanh(W @ z)

    def back(g):
        inner = g * np.cos(w * t) * (1 - h * h)
        by_clock = -np.sum(g * h) * np.sin(w * t)
        return W.T @ inner, by_clock * w, (np.outer(inner, z), by_clock * t)

    return h * np.cos(w * t), back


brings_its_own.pullback = own_pullback
forced, linear, timed_mlp = zoo.forced, zoo.linear, zoo.mlp
compiled = rn.compiled(timed_mlp)


class Oscillator:
    """A callable object with a setting."""

    def __init__(self):
        self.damping = 0.3

    def __call__(self, z, t, theta):
        return np.stack([z[1], -theta * z[0] - self.damping * z[1]])


oscillator = Oscillator()
U = rn.interpolate(np.linspace(0, 2, 5), RNG.normal(size=(5, 2)), "constant")
LINES = rn.interpolate(np.linspace(0, 2, 5), RNG.normal(size=(5, 2)), "linear")
TS = np.linspace(0.0, 2.0, 6)
Z2 = np.array([0.7, -0.4])
H = RNG.normal(size=(2, 2))

ARGUMENTS = {
    "forced": (Z2, TS, zoo.FORCED_THETA),
    "linear": (np.array([0.3, -1.2]), TS, SPIRAL),
    "timed_mlp": (RNG.normal(size=(4, 2)), TS, zoo.mlp_parameters(RNG, 2, 8)),
    "compiled": (RNG.normal(size=(4, 2)), TS, zoo.mlp_parameters(RNG, 2, 8)),
    "cubed": (np.array([2.0, 0.0]), TS, mlp_init(RNG, (2, 16, 2))),
    "lotka_volterra": ([1.0, 1.5], TS, np.array([1.5, 1.0, 3.0, 1.0])),
    "listed": ([2.0, 0.0], TS, {"mu": 1.3}),
    "relu_net": (RNG.normal(size=3), TS, (RNG.normal(size=(3, 12)), RNG.normal(size=12), RNG.normal(size=(12, 3)))),
    "driven": (Z2, TS, {"W": np.eye(2) + 0.3 * H, "u": U}),
    "complex_tree": ({"psi": np.array([1.0 + 0j, 0.5j]), "n": 2.0}, TS, {"H": H + H.T}),
    "scalar": (1.5, TS, 0.8),
    "counted": (Z2, TS, SPIRAL),
    "with_trace": ((RNG.normal(size=(5, 2)), np.zeros(5)), TS, mlp_init(RNG, (2, 8, 2))),
    "large": (np.array([1e8, -3e8]), TS, np.array([0.7, 1.1])),
    "tiny": (np.array([1e-12, -4e-12]), TS, SPIRAL),
    "constant": (Z2, TS, ()),
    "zero": (Z2, TS, ()),
    "in_parts": ((np.array([0.5, 1.0]), np.array([0.1, -0.3])), TS, 2.0),
    "brings_its_own": (Z2, TS, (H, 1.7)),
    "oscillator": (Z2, TS[::-1].copy(), 4.0),
    "single": (np.array([0.7, -0.4], np.float32), TS, np.array([1.7, 0.2, 0.6, 1.3], np.float32)),
    "late": (Z2, TS + 1e4, zoo.FORCED_THETA),
}
single = late = forced
