"""The rules for a single vector that its schema cannot say."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from .. import statements
from ..certify.trust import decides
from ..ir.duals import duals, parts, variables
from ..ir.dynamics import Dynamics, evaluate, parse
from ..ir.floats import ARRAYS, FLOATS
from . import VERSION, facts
from .text import content_sum, dyadic_fault

LARGEST_RADIUS = Fraction(1, 10**20)  # times max(1, |mid|)


def faults(vector: dict[str, Any], notes: dict[str, Any]) -> list[str]:
    """Sentences, each with the name of its rule first. The vector is valid under its schema."""
    found = [*_sums(vector), *_inputs(vector), *_words(vector, notes)]
    try:
        dynamics = parse(vector["dynamics"])
    except ValueError as error:
        return [*found, f"dynamics: {error}"]
    found += _shapes(vector, dynamics)
    if found or vector["negative"]:
        return found
    found += [*_start(vector, dynamics), *_radii(vector)]
    return found or [*_gates(vector), *_consistency(vector, dynamics), *_condition(vector)]


def _sums(vector: dict[str, Any]) -> list[str]:
    if vector["sha256"] != content_sum(vector):
        return ["sha256: is not that of dynamics, flow, inputs and expected"]
    return []


def _inputs(vector: dict[str, Any]) -> list[str]:
    inputs = vector["inputs"]
    numbers = [*inputs["z0"], *inputs["theta"], *inputs["ts"], *(x for row in inputs["cotangents"] for x in row)]
    special = [x for x in numbers if x in ("NaN", "INF", "-INF")]
    found = [f"inputs: {x!r} {dyadic_fault(x)}" for x in numbers if x not in special and dyadic_fault(x)]
    if special and not vector["negative"]:
        found.append(f"inputs: {special[0]} stands in a vector that is not negative")
    return found


def _words(vector: dict[str, Any], notes: dict[str, Any]) -> list[str]:
    flags, known = vector["flags"], statements.statements()
    found = [f"flags: {flag} is not explained in notes.json" for flag in flags if flag not in notes["flags"]]
    found += [f"discriminates: {bug} is not explained in notes.json" for bug in vector["discriminates"] if bug not in notes["bugs"]]
    if not found and vector["notes"] != {flag: notes["flags"][flag]["meaning"] for flag in flags}:
        found.append("notes: are not those of its flags in notes.json")
    must = facts.flags(vector)
    found += [f"flags: {flag} is missing" for flag in sorted(must - set(flags))]
    found += [f"flags: {flag} does not hold" for flag in sorted(facts.FACTS & set(flags) - must)]
    found += [f"statements: {id} is not in statements.json" for id in vector["statements"] if id not in known]
    if _version(vector["vectors_version"]) > _version(VERSION):
        found.append(f"version: {vector['vectors_version']} is later than the collection's {VERSION}")
    return found


def _shapes(vector: dict[str, Any], dynamics: Dynamics) -> list[str]:
    inputs, expected = vector["inputs"], vector["expected"]
    D, P, N = dynamics.dim, dynamics.params, len(inputs["ts"])
    found = [(f"inputs/{name}", _shape(inputs[name], 0), shape) for name, shape in
             (("z0", (D,)), ("theta", (P,)), ("cotangents", (N, D)))]  # fmt: skip
    if expected:
        shapes = {
            "z": (N, D), "dz_dz0": (N, D, D), "dz_dtheta": (N, D, P), "dL_dz0": (D,), "dL_dtheta": (P,), "dL_dts": (N,),
            "int_minus_trace": (N,), "log_p": (), "dlogp_dx": (D,), "dlogp_dtheta": (P,), "dlogp_dts": (2,),
        }  # fmt: skip
        found += [(f"expected/{name}", _shape(balls, 1), shapes[name]) for name, balls in expected.items()]
    return [f"shapes: {name} has shape {have}, expected {want}" for name, have, want in found if have != want]


def _start(vector: dict[str, Any], dynamics: Dynamics) -> list[str]:
    """f is finite where the solution starts."""
    inputs = vector["inputs"]
    f = _f(dynamics, [float(x) for x in inputs["z0"]], float(inputs["ts"][0]), [float(x) for x in inputs["theta"]])
    ts = [Fraction(t) for t in inputs["ts"]]
    sorted_ts = ts in (sorted(ts), sorted(ts, reverse=True))
    found = [] if np.isfinite(f).all() else ["dynamics: f is not finite at the first time"]
    return found if sorted_ts else [*found, "inputs: ts are not sorted"]


def _radii(vector: dict[str, Any]) -> list[str]:
    found = []
    for name, balls in vector["expected"].items():
        for mid, radius in _balls(balls):
            if not 0 <= Fraction(radius) <= LARGEST_RADIUS * max(1, abs(Fraction(mid))):
                found.append(f"radius: expected/{name} has a ball of radius {radius} around {mid}")
    return found[:1]


def _gates(vector: dict[str, Any]) -> list[str]:
    """The ban list: what may not decide about conformance."""
    if vector["result"] != "required":
        return []
    weights = [[Fraction(x) for x in row] for row in vector["inputs"]["cotangents"]]
    found = []
    if not decides(vector["provenance"]["trust"]):
        found.append(f"gating: its trust is {vector['provenance']['trust']}, which never gates")
    if sum(any(row) for row in weights) < 2:
        found.append('gating: the loss reads one time only: give two rows of cotangents that are not zero, or "result": "informative"')
    if not any(x > 0 for row in weights for x in row) or not any(x < 0 for row in weights for x in row):
        found.append("gating: all weights have one sign")
    phi = facts.middles(vector["expected"]["dz_dz0"])[-1]
    if all(abs(x - (i == j)) < LARGEST_RADIUS for i, row in enumerate(phi) for j, x in enumerate(row)):
        found.append("gating: df/dz is zero along the solution")
    return found


def _consistency(vector: dict[str, Any], dynamics: Dynamics) -> list[str]:
    """What follows from other expected values, in exact arithmetic on the middles; f and logarithms in floats."""
    inputs, expected = vector["inputs"], facts.middles_of(vector["expected"])
    D, P, N = dynamics.dim, dynamics.params, len(inputs["ts"])
    g = [[Fraction(x) for x in row] for row in inputs["cotangents"]]
    S, T, z = expected["dz_dz0"], expected["dz_dtheta"], expected["z"]
    pairs = [("z", z[0], [Fraction(x) for x in inputs["z0"]])]
    pairs += [("dz_dz0", S[0][i], [Fraction(int(i == j)) for j in range(D)]) for i in range(D)]
    pairs += [("dz_dtheta", T[0][i], [Fraction(0)] * P) for i in range(D)]
    pairs.append(("dL_dz0", expected["dL_dz0"], [sum(g[i][j] * S[i][j][k] for i in range(N) for j in range(D)) for k in range(D)]))
    pairs.append(("dL_dtheta", expected["dL_dtheta"], [sum(g[i][j] * T[i][j][k] for i in range(N) for j in range(D)) for k in range(P)]))
    size = 1 + sum(abs(x) for row in g for x in row)
    largest = max(1, *(abs(x) for m in (*S, *T) for row in m for x in row))
    slack = 2 * LARGEST_RADIUS * size * largest
    found = [f"consistency: expected/{name} does not follow from the sensitivities" for name, have, want in pairs
             if any(abs(x - y) > slack for x, y in zip(have, want, strict=True))]  # fmt: skip
    theta = [float(x) for x in inputs["theta"]]
    f = [_f(dynamics, [float(x) for x in z[i]], float(inputs["ts"][i]), theta) for i in range(N)]
    back = [sum(float(g[i][j]) * float(S[i][j][k]) for i in range(1, N) for j in range(D)) for k in range(D)]
    dts = [-float(np.dot(back, f[0])), *(float(np.dot([float(x) for x in g[i]], f[i])) for i in range(1, N))]
    scale = float(size) * max(1.0, float(largest)) * max(1.0, float(np.abs(f).max()))
    if not np.allclose(dts, [float(x) for x in expected["dL_dts"]], rtol=0, atol=1e-13 * scale):
        found.append("consistency: expected/dL_dts is not g . f")
    return found + (_flow(vector, dynamics, f, 1e-13 * scale) if vector["flow"] else [])


def _flow(vector: dict[str, Any], dynamics: Dynamics, f: list[np.ndarray], slack: float) -> list[str]:
    """log p itself, and Liouville's equation at both ends: d log p/dt = -f . grad log p - tr for x, -z . f + tr for the base."""
    inputs, expected = vector["inputs"], {name: np.array(x, float) for name, x in facts.middles_of(vector["expected"]).items()}
    z, changes, theta = expected["z"], expected["int_minus_trace"], [float(x) for x in inputs["theta"]]
    traces = []
    for i in (0, -1):
        found = evaluate(dynamics, duals(FLOATS), variables(z[i].tolist()), float(inputs["ts"][i]), theta)
        traces.append(sum(parts(x)[1].get(j, 0.0) for j, x in enumerate(found)))
    log_p = -z[-1] @ z[-1] / 2 - dynamics.dim * math.log(2 * math.pi) / 2 - changes[-1]
    dts = [-expected["dlogp_dx"] @ f[0] - traces[0], -z[-1] @ f[-1] + traces[1]]
    largest = max(np.abs(z).max(), np.abs(changes).max())
    largest_said = float(vector["condition"]["flow_largest"])
    checks = [
        (abs(expected["log_p"] - log_p) <= slack, "consistency: expected/log_p is not log base(z) - int_minus_trace"),
        (np.abs(expected["dlogp_dts"] - dts).max() <= slack, "consistency: expected/dlogp_dts does not satisfy Liouville's equation"),
        (math.isclose(largest_said, largest, rel_tol=1e-3), "condition: flow_largest is not the largest of z and l"),
    ]
    return [sentence for holds, sentence in checks if not holds]


def _condition(vector: dict[str, Any]) -> list[str]:
    """The condition numbers, computed again from the sensitivities; they are rounded up, so they may be a little larger."""
    phis = facts.middles(vector["expected"]["dz_dz0"])
    largest = max(abs(Fraction(x)) for row in vector["inputs"]["cotangents"] for x in row)
    want = {
        "value_gamma": facts.value_gamma(phis),
        "gradient_gamma": facts.gradient_gamma(phis, largest),
        "reconstruction_gamma": facts.reconstruction_gamma(phis),
    }
    have = {name: float(vector["condition"][name]) for name in want}
    return [f"condition: {name} is {have[name]:g}, the sensitivities say {want[name]:.6g}" for name in want
            if not -1e-9 <= have[name] / want[name] - 1 <= 2e-3]  # fmt: skip


def _f(dynamics: Dynamics, z: list[float], t: float, theta: list[float]) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.array(evaluate(dynamics, ARRAYS, z, t, theta), float)


def _shape(value: Any, leaf: int) -> tuple[int, ...]:
    """The shape of nested lists whose innermost `leaf` levels are one number; () also stands for ragged ones."""
    if isinstance(value, str) or (leaf and value and isinstance(value[0], str)):
        return ()
    inner = {_shape(entry, leaf) for entry in value}
    return (len(value), *(inner.pop() if len(inner) == 1 else ()))


def _balls(value: Any):
    if value and isinstance(value[0], str):
        yield value
    else:
        for entry in value:
            yield from _balls(entry)


def _version(word: str) -> tuple[int, ...]:
    return tuple(map(int, word.split(".")))
