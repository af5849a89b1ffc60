"""Cases and replies as JSON, and back: what goes over the wire.

Numbers in requests are decimal strings that read back to the same double, and "NaN", "INF", "-INF". In answers they are JSON numbers, or
strings with hexadecimal digits such as "0x1.8p+1", or these three. Dynamics are those of ir/dynamics.py.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import case as cases
from ..case import Case, Reply
from ..ir.build import traced
from ..ir.dynamics import Dynamics, parse
from ..ir.source import function
from ..problems.problem import Gaussian

PROTOCOL = 1
STATES = {"refused": "message", "errored": "message", "unsupported": "capability"}  # an answer without results: what it tells


class NotProtocol(Exception):
    """A line is not what the protocol has. The argument says in what."""


def decoded(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; NotProtocol if it is none."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise NotProtocol(f"invalid UTF-8 at byte {error.start}: {_shown(line)}") from None
    except (ValueError, RecursionError) as error:
        raise NotProtocol(f"not JSON ({error}): {_shown(line)}") from None
    if not isinstance(value, dict):
        raise NotProtocol(f"not a JSON object: {_shown(line)}")
    return value


def text(x: Any) -> Any:
    """A number, or nested lists or arrays of numbers, as strings."""
    if isinstance(x, np.ndarray):
        x = x.tolist()
    if isinstance(x, list | tuple):
        return [text(entry) for entry in x]
    x = float(x)
    return repr(x) if math.isfinite(x) else "NaN" if math.isnan(x) else "INF" if x > 0 else "-INF"


def number(x: Any) -> Any:
    """A number of a request or of an answer, or nested lists of them, as floats. ValueError for other strings."""
    if isinstance(x, list):
        return [number(entry) for entry in x]
    return float.fromhex(x) if isinstance(x, str) and "x" in x.lower() else float(x)


def plain(x: np.ndarray) -> Any:
    """An array as an answer has it: JSON numbers with all their digits, and strings for what JSON does not know."""
    return [plain(entry) for entry in x] if x.ndim else float(x) if np.isfinite(x) else text(x)


def case_to_json(case: Case) -> dict[str, Any]:
    """The question without what this process counts and records."""
    base = case._base and {"mean": text(case._base.mean), "covariance": text(case._base.covariance)}
    return {
        "dynamics": _dynamics(case._rhs, case.z0.size, case.theta.size).to_json(),
        **{name: text(getattr(case, name)) for name in ("z0", "ts", "theta", "weights", "direction", "rtol", "atol")},
        **{name: getattr(case, name) for name in ("method", "steps", "dtype", "max_steps", "max_calls")},
        "wants": list(case.wants),
        "base": base,
    }


def case_from_json(data: dict[str, Any], record: list | None) -> Case:
    """The Case that was written by case_to_json; keys that are not known are ignored."""
    z0, ts, theta, weights, direction = (np.array(number(data[name])) for name in ("z0", "ts", "theta", "weights", "direction"))
    base = data["base"] and Gaussian(np.array(number(data["base"]["mean"])), np.array(number(data["base"]["covariance"])))
    problem = SimpleNamespace(rhs=function(parse(data["dynamics"])), theta=theta, base=base)
    task = SimpleNamespace(problem=problem, z0=z0, ts=ts, weights=weights, direction=direction)
    request = {name: data[name] for name in ("method", "steps", "dtype", "max_steps")}
    case = Case(task, number(data["rtol"]), tuple(data["wants"]), record, atol=number(data["atol"]), **request)
    case.max_calls = data["max_calls"]
    return case


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """An answer without its seq. Of stats, what the protocol knows."""
    answer: dict[str, Any] = {"calls": reply.calls, "warnings": list(reply.warnings)}
    if reply.state == "answered":
        answer["results"] = {key: plain(array) for key, array in reply.arrays.items()}
        answer["stats"] = {"nfe": int(reply.stats["nfe"])} if "nfe" in reply.stats else {}
        return answer
    state = next((state for state in STATES if state == reply.state), "errored")
    return answer | {state: {STATES[state]: reply.message}}


def reply_from_json(answer: dict[str, Any], case: Case) -> Reply:
    """The Reply of an answer that is valid under answers.schema.json; an error if its arrays are not those that were asked for."""
    said = {"calls": answer.get("calls", 0), "warnings": tuple(answer.get("warnings", ()))}
    for state, what in STATES.items():
        if state in answer:
            return Reply("error" if state == "errored" else state, message=answer[state][what], **said)
    try:
        results = {key: _array(key, value, case.dtype) for key, value in answer["results"].items()}
        arrays, stats = cases.arrays_of({**results, "stats": answer.get("stats", {})}, case)
    except ValueError as error:
        return Reply("error", message=str(error), **said)
    return Reply("answered", arrays, stats, **said)


def _array(key: str, value: Any, dtype: str) -> np.ndarray:
    try:
        array = np.array(number(value), dtype=np.float64)
    except ValueError:
        raise ValueError(f"{key} has rows of different lengths") from None
    if dtype == "f32":
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float32)
        if not np.array_equal(narrow, array, equal_nan=True):
            raise ValueError(f"{key} has numbers that are not of float32")
        return narrow
    return array


@functools.lru_cache(maxsize=64)
def _dynamics(rhs: Callable[..., Any], dim: int, params: int) -> Dynamics:
    return traced(rhs, dim, params)


def _no_constant(word: str) -> Any:
    raise ValueError(f'{word} is not in JSON: write "NaN", "INF" or "-INF"')


def _shown(line: bytes) -> str:
    """The beginning of a line."""
    shown = line[:80].decode("utf-8", "backslashreplace").strip()
    return repr(shown) + ("..." if len(line) > 80 else "")
