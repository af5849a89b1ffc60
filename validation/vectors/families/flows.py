"""Continuous normalizing flows: log p(x), x where the flow is at the first time, the standard normal density at the last."""

from __future__ import annotations

from functools import partial

from ...ir.build import exp, mlp, sigmoid, sin, tanh
from .request import FLOW, parameters, request

_vector = partial(request, "flows", "families/flows.py", statements=FLOW, flow=True)
SIGNS = "trace_sign density_direction base_at_wrong_end"
PLANAR = f"{FLOW} S38 S40"
GATED = f"{PLANAR} S43"
DATA_TO_BASE = [1, 0.5, 0]  # as in the paper: data at t1 = 1, base at t0 = 0


def _planar(D, M, gates=False):
    """sum_n u_n tanh(w_n . z + b_n), each unit with a gate sigmoid(c_n t + d_n) if there are gates; theta unit by unit u, w, b (c, d)."""
    size = 2 * D + 1 + 2 * gates

    def f(z, t, theta):
        units = theta.reshape(M, size)
        total = 0
        for unit in units:
            u, w, b = unit[:D], unit[D : 2 * D], unit[2 * D]
            h = tanh(w @ z + b)
            total = total + u * (h * sigmoid(unit[2 * D + 1] * t + unit[2 * D + 2]) if gates else h)
        return total

    return f, M * size


def _units(id, title, z0, ts, M, gates=False, start=0, **words):
    f, n = _planar(len(z0), M, gates)
    return _vector(id, title, f, z0, parameters(n, start), ts, statements=GATED if gates else PLANAR, **words)


def _net(id, title, layers, activation, z0, ts, start, **words):
    f, _, n = mlp(layers, activation)
    return _vector(id, title, f, z0, parameters(n, start), ts, flags="Net", **words)


def _matrix(z, t, theta):
    return theta.reshape(len(z), len(z)) @ z


def _affine_in_time(z, t, theta):
    """A Gaussian at every time: rates a + b t on the diagonal, a drift that rotates."""
    a, b, c = theta
    return [(a + b * t) * z[0] + c * z[1], (b - a * t) * z[1] + sin(t)]


def _hamiltonian(z, t, theta):
    """Each half moves by a function of the other."""
    a, b, c, d = theta
    return [a * tanh(b * z[1]) + z[1] / 4, c * tanh(d * z[0]) - z[0] / 2]


def _residual(z, t, theta):
    return tanh(theta[:4].reshape(2, 2) @ z + theta[4:6] + t * theta[6:]) - z


def _ornstein_uhlenbeck(z, t, theta):
    """The probability flow of dz = -b z dt + s dW from N(m, v): z' = -b z + s^2 (z - mu(t))/(2 v(t))."""
    b, s, m, v = theta
    limit = s**2 / (2 * b)
    mean, variance = m * exp(-b * t), limit + (v - limit) * exp(-2 * b * t)
    return [-b * z[0] + s**2 * (z[0] - mean) / (2 * variance)]


REQUESTS = [
    _units(
        "flow-planar-1", "One planar unit in the plane",
        [0.5, -0.25], DATA_TO_BASE, 1, start=4, discriminates=SIGNS, difficulty="lower",
    ),
    _units(
        "flow-planar-3d", "One planar unit in three dimensions",
        [0.5, -1, 0.25], DATA_TO_BASE, 1, start=20, discriminates=SIGNS, closed_form="P18a",
    ),
    _units(
        "flow-planar-3-units", "Three planar units: the trace is the sum of theirs, with the minus sign that eq. (10) lacks in print",
        [0.75, 0.25], DATA_TO_BASE, 3, start=7, discriminates=f"{SIGNS} trace_of_one_unit", flags="ManyUnits",
    ),
    _units(
        "flow-gated-2-units", "Two planar units with gates that know the time",
        [-0.5, 0.5], DATA_TO_BASE, 2, gates=True, start=2, discriminates=f"{SIGNS} clock_backwards", flags="ManyUnits",
    ),
    _units(
        "flow-gated-3-units-forward", "Three gated units, with the data at the first time: the flow runs with the clock",
        [0.25, -0.75], [0, 0.5, 1.5], 3, gates=True, start=13, discriminates=f"{SIGNS} clock_backwards", flags="ManyUnits",
    ),
    _vector(
        "flow-linear", "z' = A z with a matrix that is neither symmetric nor diagonal: Gaussian to Gaussian, the trace is a constant",
        _matrix, [0.75, -0.5], [0.25, 2, -1, 0.125], [1, 0.5, 0], flags="NonNormal", discriminates=f"{SIGNS} trace_entry",
        difficulty="lower", closed_form="linear",
    ),
    _vector(
        "flow-linear-3d", "A matrix in three dimensions with a trace far below the sum of its entries",
        _matrix, [0.5, 0.25, -1], [0.5, 1, -0.75, 0.25, -0.75, 0.5, 1.25, -0.5, 0.375], [1, 0.5, 0], flags="NonNormal",
        discriminates=f"{SIGNS} trace_entry", closed_form="linear",
    ),
    _vector(
        "flow-affine-in-time", "Rates that change with the time, and a drift: a Gaussian with moving mean and covariance",
        _affine_in_time, [0.5, 1], [0.5, -0.75, 1.25], [1.5, 0.75, 0], discriminates=f"{SIGNS} clock_backwards",
    ),
    _vector(
        "flow-rotation", "A rotation: the trace is zero and log p is that of the base, wherever the flow goes",
        lambda z, t, theta: [-theta[0] * (1 + t) * z[1], theta[0] * (1 + t) * z[0]], [1, -0.5], [0.75], [1, 0.5, 0], flags="TraceZero",
        discriminates="transpose t_sign", difficulty="lower",
        result="recommended",  # dlogp/dtheta is 0: no error is relative to it
    ),
    _vector(
        "flow-hamiltonian", "Each half moves by a function of the other: volume is kept, the density is not that of a rotation",
        _hamiltonian, [0.5, 0.75], [1.5, 0.75, -1.25, 0.5], [1.5, 0.75, 0], statements=f"{FLOW} S49", flags="TraceZero",
        discriminates="trace_entry",
    ),
    _net(
        "flow-net-2-3-2", "A net with the time as an input, as a flow",
        (2, 3, 2), "tanh", [0.25, -0.5], DATA_TO_BASE, 6, discriminates=f"{SIGNS} trace_entry clock_backwards",
    ),
    _net(
        "flow-net-3-3-3", "A net in three dimensions: an estimate of the trace left on at evaluation is seen",
        (3, 3, 3), "tanh", [0.25, -0.5, 0.75], DATA_TO_BASE, 15, discriminates=f"{SIGNS} trace_entry estimate_at_evaluation",
    ),
    _net(
        "flow-net-softplus", "softplus: the trace passes through the logistic function",
        (2, 3, 2), "softplus", [-0.5, 0.25], [1, 0.25, 0], 22, discriminates=SIGNS,
    ),
    _vector(
        "flow-residual", "tanh(W z + b + w t) - z: a trace that forgets the minus z is off by two",
        _residual, [0.5, -0.75], parameters(8, 11), [0, 0.5, 1], flags="Net Decaying",
        discriminates=f"{SIGNS} trace_without_minus_d absolute_trace",
    ),
    _vector(
        "flow-ornstein-uhlenbeck", "The probability flow of an Ornstein-Uhlenbeck process (Fokker-Planck equation)",
        _ornstein_uhlenbeck, [0.75], [0.75, 1, -0.5, 0.625], [1.5, 0.75, 0.25], statements=f"{FLOW} S53", flags="Division",
        discriminates=f"{SIGNS} clock_backwards",
    ),
]
