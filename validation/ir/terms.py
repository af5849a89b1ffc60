"""Expressions while they are written in Python: terms with operators, in NumPy arrays where that is handy.

A Term is one operation with its operands; a term used twice is one object with two users, so that a deep net stays as small as it is drawn.
NumPy's functions work on arrays of terms (np.tanh, np.sum, np.stack, @, ...), since NumPy hands them on to the operators and methods here.
"""

from __future__ import annotations

import decimal
import functools
import math
import numbers
from types import SimpleNamespace
from typing import Any

import numpy as np

from .dynamics import NUMBER, UNARY, Algebra


class Term:
    """head is "constant", "z", "theta", "t" or an operation; operands are terms (of pow: a term and an int), or what a leaf has: a decimal
    string, an index, nothing."""

    __slots__ = ("head", "operands")

    def __init__(self, head: str, *operands: Any):
        self.head, self.operands = head, operands

    def __add__(self, other: Any) -> Any:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        # The builtin sum() begins with the int 0, which is no part of what was meant.
        return self if type(other) is int and other == 0 else _binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary("div", other, self)

    def __neg__(self) -> Term:
        return Term("neg", self)

    def __pos__(self) -> Term:
        return self

    def __pow__(self, n: Any) -> Any:
        if isinstance(n, np.ndarray):
            return NotImplemented
        if isinstance(n, Term) or n != int(n) or n < 1:
            raise ValueError(f"the exponent of a power is {n!r}; it must be an integer of at least 1: write sqrt, exp(n * log(x)), 1 / x")
        return self if n == 1 else Term("pow", self, int(n))

    def tanh(self) -> Term:
        return Term("tanh", self)

    def sin(self) -> Term:
        return Term("sin", self)

    def cos(self) -> Term:
        return Term("cos", self)

    def exp(self) -> Term:
        return Term("exp", self)

    def log(self) -> Term:
        return Term("log", self)

    def sqrt(self) -> Term:
        return Term("sqrt", self)

    def __repr__(self) -> str:
        leaf = self.head in ("constant", "z", "theta", "t")
        return f"Term({self.head}{''.join(f' {operand}' for operand in self.operands) if leaf else ' ...'})"

    def _no_value(self, *_: Any) -> Any:
        raise TypeError("an expression has no value while dynamics are written: comparisons, branches and float() are not in the language")

    __bool__ = __float__ = __int__ = __index__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _no_value  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def term(x: Any) -> Term:
    """x as a term: a number is kept exactly, a string is a decimal number."""
    if isinstance(x, np.ndarray) and x.shape == ():
        x = x.item()
    return x if isinstance(x, Term) else Term("constant", decimal_string(x))


def decimal_string(x: Any) -> str:
    """The exact decimal expansion of an int or float, a decimal string as it is. 0.1 has 55 digits: for one tenth give the string "0.1"."""
    if isinstance(x, str):
        if not NUMBER.fullmatch(x):
            raise ValueError(f"{x!r} is not a decimal number")
        return x
    if isinstance(x, (bool, np.bool_)) or not isinstance(x, numbers.Real):
        raise TypeError(f"{x!r} is no part of an expression; write it with z, t, theta, ints, floats and decimal strings")
    if isinstance(x, numbers.Integral):
        return str(int(x))
    if not math.isfinite(x):
        raise ValueError(f"the constant {x!r} is not finite")
    return str(decimal.Decimal(float(x)))


def function(name: str) -> Any:
    """The function of the language as a function of terms, numbers and arrays of them."""
    return np.frompyfunc(lambda x: Term(name, term(x)), 1, 1)


FUNCTIONS = {name: function(name) for name in UNARY if name != "neg"}
TERMS: Algebra = {"constant": term, **{name: functools.partial(Term, name) for name in UNARY}}
SYMBOLS = SimpleNamespace(**vars(np))  # the namespace xp of rhs(xp, z, t, theta) for terms: NumPy's functions, by which they are known


def _binary(head: str, x: Any, y: Any) -> Any:
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return NotImplemented  # NumPy then does it element by element
    return Term(head, term(x), term(y))
