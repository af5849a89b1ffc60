"""Derivatives in the language itself: the Jacobian of f, its trace, and dynamics with more states, such as log p's own equation.

Forward differentiation: a Dual is a term with its partial derivatives, and the dynamics are evaluated once in duals of terms. A dual has
no slope for what it does not depend on, and factors of 1 are left out, so that the results are as short as those written by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .build import variables
from .dynamics import Dynamics, evaluate
from .sharing import written
from .terms import TERMS, Term, term

Key = tuple  # ("z", i), ("theta", j) or ("t",)


def with_trace(dynamics: Dynamics) -> Dynamics:
    """The dynamics of (z, log p), D + 1 states: d log p(z(t))/dt = -trace(df/dz). Statement: S52"""
    return with_states(dynamics, [_negated(trace(dynamics))])


def with_states(dynamics: Dynamics, extra: Sequence[Term]) -> Dynamics:
    """The dynamics with the states D, D + 1, ... more, whose derivatives extra gives: terms in all the states, t and theta.

    z, t, theta = variables(D + len(extra), P) are the terms to write them with.
    """
    return written(dynamics.dim + len(extra), dynamics.params, [*terms(dynamics), *extra])


def trace(dynamics: Dynamics) -> Term:
    """sum_i df_i/dz_i."""
    return functools.reduce(_plus, [x for x in jacobian(dynamics).diagonal() if not _is(x, 0)] or [ZERO])


def jacobian(dynamics: Dynamics, by: str = "z") -> np.ndarray:
    """df/dz (D, D), df/dtheta (D, P) or df/dt (D, 1), for by "z", "theta" or "t": an array of terms, the constant 0 where nothing depends.

    Numbers come from evaluate(written(D, P, J.ravel()), ...). ValueError where relu is to be differentiated: its derivative is not in the
    language.
    """
    z, t, theta = variables(dynamics.dim, dynamics.params)
    keys = {"z": [("z", i) for i in range(len(z))], "theta": [("theta", j) for j in range(len(theta))], "t": [("t",)]}
    if by not in keys:
        raise ValueError(f"by is {by!r}; it must be 'z', 'theta' or 't'")
    seeds = [Dual(x, {(x.head, *x.operands): ONE} if x.head == by else {}) for x in (*z, t, *theta)]
    rows = evaluate(dynamics, DUALS, seeds[: len(z)], seeds[len(z)], seeds[len(z) + 1 :])
    J = np.array([[row.slopes.get(key, ZERO) for key in keys[by]] for row in rows], dtype=object)
    return J.reshape(dynamics.dim, len(keys[by]))


def terms(dynamics: Dynamics) -> list[Term]:
    """f as D terms, to go on writing with."""
    z, t, theta = variables(dynamics.dim, dynamics.params)
    return evaluate(dynamics, TERMS, z, t, theta)


class Dual(NamedTuple):
    """A term and its partial derivatives."""

    value: Term
    slopes: dict[Key, Term]


def _chain(name: str, factor: Callable[[Term, Term], Term]) -> Callable[[Dual], Dual]:
    """The function `name` of duals; factor(x, y) is its derivative at x, where its value is y."""

    def function(x: Dual) -> Dual:
        y = Term(name, x.value)
        return Dual(y, _scaled(x.slopes, factor(x.value, y)) if x.slopes else {})

    return function


def _add(x: Dual, y: Dual) -> Dual:
    return Dual(x.value + y.value, _sum(x.slopes, y.slopes))


def _sub(x: Dual, y: Dual) -> Dual:
    return Dual(x.value - y.value, _sum(x.slopes, _scaled(y.slopes, MINUS_ONE)))


def _mul(x: Dual, y: Dual) -> Dual:
    return Dual(x.value * y.value, _sum(_scaled(x.slopes, y.value), _scaled(y.slopes, x.value)))


def _div(x: Dual, y: Dual) -> Dual:
    """d(x/y) = dx/y - (x/y) dy/y."""
    value = x.value / y.value
    slopes = _sum(x.slopes, _scaled(y.slopes, _negated(value))) if y.slopes else x.slopes
    return Dual(value, {key: slope / y.value for key, slope in slopes.items()})


def _pow(x: Dual, n: int) -> Dual:
    return Dual(x.value**n, _scaled(x.slopes, n * x.value ** (n - 1)))


def _relu(x: Dual) -> Dual:
    if not x.slopes:
        return Dual(Term("relu", x.value), {})
    raise ValueError("relu has no derivative in the language: use softplus or another smooth function")


DUALS: dict[str, Callable[..., Any]] = {
    "constant": lambda s: Dual(term(s), {}),
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "neg": lambda x: Dual(-x.value, _scaled(x.slopes, MINUS_ONE)),
    "tanh": _chain("tanh", lambda x, y: 1 - y * y),
    "sin": _chain("sin", lambda x, y: Term("cos", x)),
    "cos": _chain("cos", lambda x, y: -Term("sin", x)),
    "exp": _chain("exp", lambda x, y: y),
    "log": _chain("log", lambda x, y: 1 / x),
    "sqrt": _chain("sqrt", lambda x, y: 1 / (2 * y)),
    "softplus": _chain("softplus", lambda x, y: Term("sigmoid", x)),
    "sigmoid": _chain("sigmoid", lambda x, y: y * (1 - y)),
    "relu": _relu,
}
ZERO, ONE, MINUS_ONE = term(0), term(1), term(-1)


def _sum(a: dict[Key, Term], b: dict[Key, Term]) -> dict[Key, Term]:
    return a | {key: _plus(a[key], slope) if key in a else slope for key, slope in b.items()}


def _scaled(slopes: dict[Key, Term], factor: Term) -> dict[Key, Term]:
    return {} if _is(factor, 0) else {key: _times(slope, factor) for key, slope in slopes.items()}


def _plus(a: Term, b: Term) -> Term:
    return a - b.operands[0] if b.head == "neg" else b - a.operands[0] if a.head == "neg" else a + b


def _times(a: Term, b: Term) -> Term:
    """a b, the signs drawn out and factors of 1 left out."""
    for x, y in ((a, b), (b, a)):
        if _is(x, 1):
            return y
        if _is(x, -1):
            return _negated(y)
        if x.head == "neg":
            return _negated(_times(x.operands[0], y))
    return a * b


def _negated(x: Term) -> Term:
    if x.head == "neg":
        return x.operands[0]
    if x.head == "sub":
        return Term("sub", x.operands[1], x.operands[0])
    if x.head == "constant":
        return x if _is(x, 0) else term(x.operands[0].removeprefix("-") if x.operands[0].startswith("-") else "-" + x.operands[0])
    return -x


def _is(x: Term, number: int) -> bool:
    return x.head == "constant" and float(x.operands[0]) == number
