"""From a request to a vector: expected values proved and corroborated, condition numbers, notes, provenance and sha256."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..ir.dynamics import Dynamics, parse
from . import VERSION, facts, rules, store
from .corroborate import corroborated
from .text import content_sum

DEFAULTS = {
    "flags": [], "difficulty": "average", "tier": "default", "result": "required", "acceptable_if": None, "negative": None, "flow": None,
    "closed_form": None, "authored_by": "request", "supersedes": None,
}  # fmt: skip
PROVENANCE = ("method", "trust", "digits", "closed_form", "authored_by", "corroborated_by")
ORDER = (
    "schema", "id", "vectors_version", "title", "family", "statements", "flags", "notes", "difficulty", "tier", "result", "acceptable_if",
    "negative", "discriminates", "dynamics", "flow", "inputs", "expected", "condition", "provenance", "supersedes", "sha256",
)  # fmt: skip


def vector(request: dict[str, Any], root: Path = store.ROOT, version: str = VERSION) -> dict[str, Any]:
    """The vector that a request asks for. ValueError, in one sentence, if the request is not in order or cannot be certified."""
    request = completed(request, root)
    dynamics, notes = parse(request["dynamics"]), store.notes(root)
    for flag in request["flags"]:
        if flag not in notes["flags"]:
            raise ValueError(f"the flag {flag} is not explained in notes.json: write there what it means")
    said = {key: request.pop(key) for key in ("closed_form", "authored_by")}
    made = request | {
        "schema": "refnode-vector-1",
        "vectors_version": version,
        "notes": {flag: notes["flags"][flag]["meaning"] for flag in request["flags"]},
    }
    made |= _refuted(dynamics, request) if request["negative"] else _proved(dynamics, request, said["closed_form"])
    made["provenance"] |= said
    made["sha256"] = content_sum(made)
    made["provenance"] = {key: made["provenance"][key] for key in PROVENANCE}
    made = {key: made[key] for key in ORDER}
    if found := rules.faults(made, notes):
        raise ValueError(f"{request['id']}: {found[0]}")
    return made


def request_of(made: dict[str, Any]) -> dict[str, Any]:
    """The request that a vector answers."""
    kept = ("id", "title", "family", "statements", "flags", "difficulty", "tier", "result", "acceptable_if", "negative", "discriminates")
    request = {key: made[key] for key in (*kept, "dynamics", "flow", "inputs", "supersedes")}
    return request | {key: made["provenance"][key] for key in ("closed_form", "authored_by")}


def completed(request: dict[str, Any], root: Path = store.ROOT) -> dict[str, Any]:
    """The request with defaults and with the flags that follow from it, in alphabetical order; ValueError if its form is not right."""
    import jsonschema

    if isinstance(request, dict) and "dynamics" in request:
        parse(request["dynamics"])  # its sentences say more than the schema's
    errors = list(jsonschema.Draft202012Validator(store.schema("request-1", root)).iter_errors(request))
    if errors:
        place = "/".join(map(str, errors[0].path)) or "the top"
        raise ValueError(f"the request is not in order at {place}: {errors[0].message[:200]}")
    request = DEFAULTS | request
    return request | {"flags": sorted({*request["flags"]} - facts.FACTS | facts.flags(request))}


def closed_form(name: str, dim: int, params: int) -> Callable[..., Any]:
    """The formula of that name: "linear" for z' = A z + b, theta = A row by row and b (or A alone), or that of a catalog problem, "P06".

    ValueError, in one sentence, if there is none, or if it is for another number of components (dim) or parameters.
    """
    from ..certify.closed_forms import linear
    from ..problems.catalog import FORMULAS, problems

    if name != "linear" and name not in FORMULAS:
        raise ValueError(f"there is no closed form {name!r}; there are linear, {', '.join(FORMULAS)}")
    if name == "linear":
        least, most = dim * dim, dim * dim + dim
        if params not in (least, most):
            raise ValueError(f"linear takes {least} parameter{'s' * (least != 1)} for A, or {most} for A and b, the request has {params}")
        return linear
    problem = problems()[name]
    for number, given, what in ((problem.z0.size, dim, "component"), (problem.theta.size, params, "parameter")):
        if number != given:
            raise ValueError(f"{name} takes {number} {what}{'s' * (number != 1)}, the request has {given}")
    return FORMULAS[name][2]


def _proved(dynamics: Dynamics, request: dict[str, Any], formula: str | None) -> dict[str, Any]:
    """Expected values and condition numbers, proved by Taylor series; and once more by the formula, if there is one, to the same digits."""
    from ..certify.balls import DIGITS, rounded_up
    from ..certify.certificate import certify
    from ..certify.closed_forms import certify_closed_form

    inputs = request["inputs"]
    exact = closed_form(formula, dynamics.dim, dynamics.params) if formula else None
    numbers = [inputs[key] for key in ("z0", "ts", "theta", "cotangents")]
    try:
        proof = certify(dynamics, *numbers)
    except ArithmeticError as error:  # NoBox
        raise ValueError(f"{request['id']}: {error}") from None
    expected = _solution(proof)
    method, trust, by = "interval-taylor", "proved", []
    if exact:
        if _solution(certify_closed_form(exact, dynamics, *numbers)) != expected:
            raise ValueError(f"{request['id']}: the closed form {formula} and the Taylor series differ")
        if request["flow"]:  # the formula is that of z, not of log p
            by = [f"closed form {formula} of z, the same digits"]
        else:
            method, trust, by = "closed-form", "closed-form", ["interval-taylor, the same digits"]
    condition = {name: rounded_up(getattr(proof, name)) for name in ("value_gamma", "gradient_gamma", "reconstruction_gamma")}
    if request["flow"]:
        more, gammas = _density(dynamics, inputs)
        expected, condition = expected | more, condition | gammas
    by += corroborated(dynamics, request, expected)
    provenance = {"method": method, "trust": trust, "digits": DIGITS, "corroborated_by": by}
    return {"expected": expected, "condition": condition, "provenance": provenance}


def _solution(proof: Any) -> dict[str, Any]:
    """The printed balls of a certificate."""
    return {
        "z": _printed(proof.z, "z"),
        "dz_dz0": _printed([m.tolist() for m in proof.dz_dz0], "dz_dz0"),
        "dz_dtheta": _printed([m.tolist() for m in proof.dz_dtheta], "dz_dtheta"),
        "dL_dz0": _printed(proof.gradients.dz0, "dL_dz0"),
        "dL_dtheta": _printed(proof.gradients.dtheta, "dL_dtheta"),
        "dL_dts": _printed(proof.gradients.dts, "dL_dts"),
    }


def _density(dynamics: Dynamics, inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    from flint import arb

    from ..certify.balls import rounded_up
    from ..certify.density import certify_density
    from ..certify.numbers import working
    from ..certify.trajectory import norm

    proof = certify_density(dynamics, inputs["z0"], inputs["ts"], inputs["theta"])
    names = ("int_minus_trace", "log_p", "dlogp_dx", "dlogp_dtheta", "dlogp_dts")
    with working(proof.trajectory.rung.bits):
        back = norm(proof.trajectory.dz0[-1].inv()).max(arb(1))  # at once: nothing is observed on the way
    gammas = {"value_gamma": proof.value_gamma, "largest": proof.value_scale, "gradient_gamma": proof.gradient_gamma}
    gammas["reconstruction_gamma"] = back
    return {name: _printed(getattr(proof, name), name) for name in names}, {f"flow_{name}": rounded_up(x) for name, x in gammas.items()}


def _refuted(dynamics: Dynamics, request: dict[str, Any]) -> dict[str, Any]:
    """A negative vector: where the inputs are numbers in order, no certificate may be found (but for a limit of steps)."""
    from ..certify.certificate import certify

    inputs, by = request["inputs"], []
    if request["negative"]["kind"] in ("blow-up", "leaves-domain", "nonfinite-dynamics") and not _special(inputs):
        try:
            certify(dynamics, inputs["z0"], inputs["ts"], inputs["theta"], inputs["cotangents"])
        except (ArithmeticError, ValueError):
            by = ["interval-taylor: no enclosure found"]
        else:
            raise ValueError(f"{request['id']} has a solution, which can be proved")
    return {"expected": None, "condition": None, "provenance": {"method": "none", "trust": "argued", "digits": None, "corroborated_by": by}}


def _special(inputs: dict[str, Any]) -> bool:
    return any(word in inputs[key] for key in ("z0", "theta", "ts") for word in ("NaN", "INF", "-INF"))


def _printed(balls: Any, name: str) -> Any:
    from flint import arb

    from ..certify.balls import printed

    return printed(balls, name) if isinstance(balls, arb) else [_printed(ball, f"{name}[{i}]") for i, ball in enumerate(balls)]


