"""The vectors as tasks for the checks: what is in the JSON files, as float64 arrays. Reading needs nothing but a JSON parser.

    vectors()["forced-sine"]     the JSON object
    task(vector)                 z0, ts, weights and all that is expected, with the attributes of problems.exact.Task
    alone(task, i)               the same with the weights of one observation only, from the stored sensitivities
    flow(vector)                 the task of log p(x), which has the first and the last time only
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..ir.dynamics import parse
from ..ir.source import function
from ..problems.problem import Array, Gaussian

FOLDER = Path(__file__).parent


@functools.cache
def vectors() -> dict[str, dict[str, Any]]:
    """The JSON objects by id, in the order of the manifest."""
    entries = json.loads((FOLDER / "MANIFEST.json").read_text(encoding="ascii"))["vectors"]
    return {e["id"]: json.loads((FOLDER / e["family"] / f"{e['id']}.json").read_text(encoding="ascii")) for e in entries}


@dataclass(frozen=True)
class VectorProblem:
    """The part of problems.problem.Problem that a question consists of: dynamics and numbers, without a closed form."""

    id: str
    title: str
    z0: Array
    theta: Array
    ts: Array
    weights: Array
    autonomous: bool
    rhs: Callable[[Any, Any, Any, Any], Any]
    base: Gaussian | None

    @property
    def t0(self) -> float:
        """The first time."""
        return float(self.ts[0])

    @property
    def t1(self) -> float:
        """The last."""
        return float(self.ts[-1])

    def f(self, z: Array, t: float, theta: Array) -> Array:
        """The dynamics in NumPy, (D,)."""
        return self.rhs(np, z, t, theta)


@dataclass(frozen=True)
class VectorDensity:
    """What is expected of log p(x): the quantities of problems.density. value_condition is (Gamma, max |x|) of the verdict on log p."""

    log_p: float
    gradients: dict[str, Array]
    value_condition: tuple[float, float]
    gradient_gamma: float
    reconstruction_gamma: float


@dataclass(frozen=True)
class VectorTask:
    """A vector posed with some weights (N, D), and the middles of what is expected, rounded to float64.

    values (N, D), dz_dz0 (N, D, D), dz_dtheta (N, D, P); gradients of L = sum_i weights[i] . z(ts[i]) by "dL/dz0", "dL/dtheta", "dL/dt".
    density is there where log p is asked for: then x = z0.
    """

    problem: VectorProblem
    z0: Array
    ts: Array
    weights: Array
    values: Array
    dz_dz0: Array
    dz_dtheta: Array
    gradients: dict[str, Array]
    value_gamma: float
    gradient_gamma: float
    reconstruction_gamma: float
    density: VectorDensity | None = None

    @property
    def direction(self) -> Array:
        """The direction of second derivatives, (D + P,), as in problems.exact; vectors expect none."""
        n = np.arange(1, self.z0.size + self.problem.theta.size + 1)
        return (-1.0) ** (n + 1) / n


@functools.cache
def problem(id: str) -> VectorProblem:
    """The problem that a vector poses. Negative ones, too: their NaN and INF become those of float64."""
    vector = vectors()[id]
    inputs, dynamics = vector["inputs"], parse(vector["dynamics"])
    z0, theta, ts, g = (_numbers(inputs[key]) for key in ("z0", "theta", "ts", "cotangents"))
    base = Gaussian(np.zeros(dynamics.dim), np.eye(dynamics.dim)) if vector["flow"] else None
    return VectorProblem(id, vector["title"], z0, theta, ts, g, "NonAutonomous" not in vector["flags"], function(dynamics), base)


@functools.cache
def task(id: str) -> VectorTask:
    """A vector as it stands. ValueError for negative ones, of which nothing is expected."""
    expected, gammas = _expected(id)
    posed = problem(id)
    D, P, N = len(posed.z0), len(posed.theta), len(posed.ts)
    shapes = {"z": (N, D), "dz_dz0": (N, D, D), "dz_dtheta": (N, D, P), "dL_dz0": (D,), "dL_dtheta": (P,), "dL_dts": (N,)}
    z, S, T, dz0, dtheta, dts = (middles(expected[name]).reshape(shape) for name, shape in shapes.items())
    gradients = {"dL/dz0": dz0, "dL/dtheta": dtheta, "dL/dt": dts}
    g = tuple(float(gammas[name]) for name in ("value_gamma", "gradient_gamma", "reconstruction_gamma"))
    return VectorTask(posed, posed.z0, posed.ts, posed.weights, z, S, T, gradients, *g)


def alone(task: VectorTask, observed: int) -> VectorTask:
    """The loss reads ts[observed] alone: same values and sensitivities, other gradients; Gamma is that of all the weights, and larger."""
    weights = np.where(np.arange(len(task.ts))[:, None] == observed, task.weights, 0.0)
    return replace(task, weights=weights, gradients=_gradients(task, weights))


@functools.cache
def flow(id: str) -> VectorTask:
    """What a flow expects of log p(x): x at the first time, the standard normal density at the last. It has these two times only."""
    expected, gammas = _expected(id)
    whole, ends = task(id), [0, -1]
    gradients = {f"dlogp/d{name}": middles(expected[f"dlogp_d{key}"]) for name, key in (("x", "x"), ("theta", "theta"), ("t", "ts"))}
    names = ("value_gamma", "largest", "gradient_gamma", "reconstruction_gamma")
    value, largest, adjoint, back = (float(gammas[f"flow_{name}"]) for name in names)
    return replace(
        whole,
        ts=whole.ts[ends],
        weights=whole.weights[ends],
        values=whole.values[ends],
        dz_dz0=whole.dz_dz0[ends],
        dz_dtheta=whole.dz_dtheta[ends],
        gradients={},
        density=VectorDensity(float(middles(expected["log_p"])), gradients, (value, largest), adjoint, back),
    )


def middles(balls: Any) -> Array:
    """The middles of nested balls [middle, radius], rounded to float64: radii are below that."""
    return _numbers(_first(balls))


def _gradients(task: VectorTask, g: Array) -> dict[str, Array]:
    """From the sensitivities (P24): dL/dt_i = g_i . f(z_i, t_i, theta), and -sum_{i>=1} g_i . Phi_i f(z0, t0, theta) at 0."""
    f = [task.problem.f(z, float(t), task.problem.theta) for z, t in zip(task.values, task.ts, strict=True)]
    dt0 = -np.einsum("ij,ijk,k->", g[1:], task.dz_dz0[1:], f[0])
    return {
        "dL/dz0": np.einsum("ij,ijk->k", g, task.dz_dz0),
        "dL/dtheta": np.einsum("ij,ijk->k", g, task.dz_dtheta),
        "dL/dt": np.array([dt0, *(g[i] @ f[i] for i in range(1, len(g)))]),
    }


def _expected(id: str) -> tuple[dict[str, Any], dict[str, str]]:
    vector = vectors()[id]
    if vector["expected"] is None:
        raise ValueError(f"{id} is negative: nothing is expected of it but a refusal")
    return vector["expected"], vector["condition"]


def _first(balls: Any) -> Any:
    return balls[0] if balls and isinstance(balls[0], str) else [_first(entry) for entry in balls]


def _numbers(words: Any) -> Array:
    """Nested decimal strings as float64; float() reads NaN, INF and -INF as well."""
    return np.array(words, dtype=object).astype(np.float64)
