"""A second computation of what has been proved: SciPy's DOP853 on the equations of z, dz/dz0 and dz/dtheta, in floats.

It shares nothing with the certificates but the dynamics, and is there against blunders, not for digits.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..ir.calculus import with_trace
from ..ir.duals import duals, parts, variables
from ..ir.dynamics import Dynamics, evaluate
from ..ir.floats import FLOATS

RTOL = 1e-12
AGREEMENT = 1e-8  # relative to the largest entry


def corroborated(dynamics: Dynamics, request: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """["scipy DOP853 1e-12"], after comparing all expected values; ValueError, naming the quantity, if they differ."""
    inputs = request["inputs"]
    z0, theta, ts = (np.array(inputs[key], float) for key in ("z0", "theta", "ts"))
    g = np.array(inputs["cotangents"], float)
    z, S, T = solution(dynamics, z0, theta, ts)
    f = np.array([evaluate(dynamics, FLOATS, z[i], ts[i], theta) for i in range(len(ts))], float)
    found: dict[str, Any] = {
        "z": z, "dz_dz0": S, "dz_dtheta": T, "dL_dz0": np.einsum("ij,ijk->k", g, S), "dL_dtheta": np.einsum("ij,ijk->k", g, T),
        "dL_dts": np.concatenate([[-np.einsum("ij,ijk->k", g[1:], S[1:]) @ f[0]], np.sum(g[1:] * f[1:], axis=1)]),
    }  # fmt: skip
    if request["flow"]:
        found |= _density(dynamics, z0, theta, ts)
    for name, value in found.items():
        balls = np.array(expected[name], dtype=object)
        middles = balls[..., 0].astype(float) if balls.size else np.zeros(np.shape(value))
        scale = max(1.0, float(np.abs(value).max(initial=0.0)))
        if not np.max(np.abs(middles - value), initial=0.0) <= AGREEMENT * scale:
            raise ValueError(f"{request['id']}: {name} is not what SciPy finds: {middles} against {value}")
    return [f"scipy DOP853 {RTOL:g}"]


def solution(dynamics: Dynamics, z0: np.ndarray, theta: np.ndarray, ts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z (N, D), dz/dz0 (N, D, D) and dz/dtheta (N, D, P) at ts."""
    from scipy.integrate import solve_ivp

    D, P = len(z0), len(theta)
    algebra = duals(FLOATS)

    def rhs(t, flat):
        z, S = flat[:D], flat[D:].reshape(D, D + P)
        values = [parts(x) for x in evaluate(dynamics, algebra, variables(list(z)), t, variables(list(theta), first=D))]
        J = np.array([[partials.get(k, 0.0) for k in range(D + P)] for _, partials in values], float)
        moved = J[:, :D] @ S
        moved[:, D:] += J[:, D:]
        return np.concatenate([[value for value, _ in values], moved.ravel()])

    states = [np.concatenate([z0, np.eye(D, D + P).ravel()])]
    for t, t1 in itertools.pairwise(ts):
        end = states[-1] if t == t1 else solve_ivp(rhs, (t, t1), states[-1], method="DOP853", rtol=RTOL, atol=RTOL).y[:, -1]
        states.append(end)
    flat = np.array(states)
    S = flat[:, D:].reshape(len(ts), D, D + P)
    return flat[:, :D], S[:, :, :D], S[:, :, D:]


def _density(dynamics: Dynamics, x: np.ndarray, theta: np.ndarray, ts: np.ndarray) -> dict[str, Any]:
    """log p = log base(z) - l at the end of the solution (z, l), l' = -tr df/dz."""
    pair = with_trace(dynamics)
    states, S, T = solution(pair, np.append(x, 0.0), theta, ts)
    z, change = states[-1, :-1], states[:, -1]
    w = np.append(-z, -1.0)
    ends = [np.array(evaluate(pair, FLOATS, states[i], ts[i], theta), float) for i in (0, -1)]
    return {
        "int_minus_trace": change,
        "log_p": -z @ z / 2 - len(z) * np.log(2 * np.pi) / 2 - change[-1],
        "dlogp_dx": (w @ S[-1])[:-1],
        "dlogp_dtheta": w @ T[-1],
        "dlogp_dts": np.array([-w @ S[-1] @ ends[0], w @ ends[1]]),
    }
