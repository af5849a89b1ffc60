"""The language: dynamics f(z, t, theta) as JSON, read, checked and evaluated.

    expression = "0.75"                 a number, as a decimal string (exact)
               | ["z", i]               component i of the state
               | ["theta", j]           parameter j
               | ["t"]                  the time
               | ["let", k]             the value of an earlier entry of "let"
               | [operation, operand, ...]

    dynamics = {"dim": D, "params": P, "let": [expression, ...], "rhs": [expression, ...]}

An entry of "let" may use the entries before it; "rhs" has D expressions, dz_i/dt. Operands of add and mul: two or more; the last operand of
pow is an integer of at least 2, written as a JSON number. softplus(x) = log(1 + e^x), sigmoid(x) = 1/(1 + e^-x), relu(x) = max(x, 0).
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Expression = Any  # a str or a tuple, as in the grammar above
Algebra = Mapping[str, Callable]

NARY = ("add", "mul")
BINARY = ("sub", "div")
UNARY = ("neg", "tanh", "sin", "cos", "exp", "log", "sqrt", "softplus", "sigmoid", "relu")
OPERATIONS = (*NARY, *BINARY, "pow", *UNARY)
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?(?P<exponent>\d+))?")


@dataclass(frozen=True)
class Dynamics:
    """f(z, t, theta) with z (D,), theta (P,); expressions are nested tuples. Made by parse() from JSON, or by ir.build from Python."""

    dim: int
    params: int
    let: tuple[Expression, ...]
    rhs: tuple[Expression, ...]

    def to_json(self) -> dict[str, Any]:
        """The JSON form; parse() reads it back."""
        return {"dim": self.dim, "params": self.params, "let": _lists(self.let), "rhs": _lists(self.rhs)}


def parse(data: Any) -> Dynamics:
    """The Dynamics that a JSON object stands for. ValueError, in one sentence that names the place, if it is not in the language."""
    if not isinstance(data, dict) or set(data) != {"dim", "params", "let", "rhs"}:
        raise ValueError("dynamics are an object with the keys dim, params, let and rhs, and no others")
    dim, params = data["dim"], data["params"]
    for name, value, least in (("dim", dim, 1), ("params", params, 0)):
        if type(value) is not int or value < least:
            raise ValueError(f"{name} is {value!r}; it must be an integer of at least {least}")
    for name in ("let", "rhs"):
        if not isinstance(data[name], list):
            raise ValueError(f"{name} must be a list of expressions")
    if len(data["rhs"]) != dim:
        raise ValueError(f"rhs has {len(data['rhs'])} expressions, but dim is {dim}")
    let = tuple(_expression(entry, f"let[{k}]", dim, params, k) for k, entry in enumerate(data["let"]))
    rhs = tuple(_expression(entry, f"rhs[{i}]", dim, params, len(let)) for i, entry in enumerate(data["rhs"]))
    return Dynamics(dim, params, let, rhs)


def evaluate(dynamics: Dynamics, algebra: Algebra, z: Sequence[Any], t: Any, theta: Sequence[Any]) -> list[Any]:
    """[dz_i/dt] at (z, t, theta), in whatever kind of numbers the algebra is about.

    algebra maps "constant" (of a decimal string) and the operations to functions of these numbers; those of the table below that it leaves
    out are Python's operators.
    """
    functions = {**PYTHON, **algebra}
    values: list[Any] = []

    def value(e: Expression) -> Any:
        if isinstance(e, str):
            return functions["constant"](e)
        head = e[0]
        if head == "z":
            return z[e[1]]
        if head == "theta":
            return theta[e[1]]
        if head == "t":
            return t
        if head == "let":
            return values[e[1]]
        if head == "pow":
            return functions["pow"](value(e[1]), e[2])
        operands = [value(operand) for operand in e[1:]]
        return functools.reduce(functions[head], operands) if head in NARY else functions[head](*operands)

    for entry in dynamics.let:
        values.append(value(entry))
    return [value(entry) for entry in dynamics.rhs]


PYTHON: dict[str, Callable] = {
    "add": operator.add,
    "mul": operator.mul,
    "sub": operator.sub,
    "div": operator.truediv,
    "neg": operator.neg,
    "pow": operator.pow,
}


def _expression(e: Any, place: str, dim: int, params: int, known: int) -> Expression:
    if isinstance(e, str):
        number = NUMBER.fullmatch(e)
        if not number:
            raise ValueError(f"{place}: {e!r} is not a decimal number")
        if len(number["exponent"] or "") > 4:  # exact arithmetic would write all these digits down
            raise ValueError(f"{place}: the exponent of {e!r} has more than 4 digits")
        return e
    if not isinstance(e, list) or not e or not isinstance(e[0], str):
        raise ValueError(f"{place}: {e!r} is neither a decimal string nor a list that begins with a word")
    head, operands = e[0], e[1:]
    limits = {"z": dim, "theta": params, "let": known}
    if head in limits:
        if len(operands) != 1 or type(operands[0]) is not int or not 0 <= operands[0] < limits[head]:
            raise ValueError(f"{place}: {e!r} needs one index, at least 0 and below {limits[head]}")
        return (head, operands[0])
    if head == "t":
        if operands:
            raise ValueError(f'{place}: ["t"] has no operands')
        return ("t",)
    if head not in OPERATIONS:
        raise ValueError(f"{place}: unknown operation {head!r}; there are {', '.join(OPERATIONS)}, and z, theta, t, let")
    if head == "pow":
        if len(operands) != 2 or type(operands[1]) is not int or operands[1] < 2:
            raise ValueError(f"{place}: pow takes an expression and an integer of at least 2")
        return ("pow", _expression(operands[0], place, dim, params, known), operands[1])
    least, most = (2, None) if head in NARY else (2, 2) if head in BINARY else (1, 1)
    if len(operands) < least or (most is not None and len(operands) > most):
        raise ValueError(f"{place}: {head} has {len(operands)} operands; it takes {least}{' or more' if most is None else ''}")
    return (head, *(_expression(operand, place, dim, params, known) for operand in operands))


def _lists(e: Any) -> Any:
    return [_lists(part) for part in e] if isinstance(e, tuple) else e
