"""Numbers that write down where they come from, in the language of expressions: +, -, *, / and its functions are its words, others are spelled.

NumPy computes with arrays of them, dtype object: it takes operators for its ufuncs, and a method for each function (np.tanh calls x.tanh()).
"""

from __future__ import annotations

import decimal
import math
from typing import Any

import numpy as np

from refnode.errors import TraceError

Expression = Any  # JSON: a decimal string, or a list that begins with a word
DEPTH = 16  # expressions that are deeper are cut, since who reads them recurses


class Writer:
    """All operations so far, operands first, each once: equal operations on the same operands are the same number."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []  # a word and the places of its operands, or what a leaf has
        self.values: list[float] = []
        self.known: dict[tuple[Any, ...], int] = {}

    def symbol(self, value: float, head: str, *operands: Any) -> Symbol:
        entry = (head, *(x.place if isinstance(x, Symbol) else x for x in operands))
        if entry not in self.known:
            self.known[entry] = len(self.entries)
            self.entries.append(entry)
            self.values.append(float(value))
        return Symbol(self, self.known[entry])

    def number(self, x: Any) -> Symbol:
        """A constant, exactly."""
        if isinstance(x, Symbol):
            return x
        if isinstance(x, (complex, np.complexfloating)) or not isinstance(x, (int, float, np.generic)):
            raise TypeError(f"{x!r} is no number of the language")
        if not math.isfinite(x):
            raise TraceError(f"f uses the constant {float(x)}, which is no number in the language of expressions; use a finite one.")
        return self.symbol(float(x), "number", str(decimal.Decimal(int(x) if isinstance(x, (int, np.integer, np.bool_)) else float(x))))

    def written(self, outputs: list[Symbol]) -> dict[str, list[Expression]]:
        """{"let": ..., "rhs": ...}: what is used more than once, or lies deeper than DEPTH, is an entry of let."""
        uses = [0] * len(self.entries)
        for symbol in outputs:
            uses[symbol.place] += 1
        for place in range(len(uses) - 1, -1, -1):
            if uses[place]:
                for operand in self.operands(place):
                    uses[operand] += 1
        let: list[Expression] = []
        texts: dict[int, Expression] = {}
        depths: dict[int, int] = {}
        for place, (head, *rest) in enumerate(self.entries):
            if not uses[place]:
                continue
            operands = self.operands(place)
            parts = [texts[operand] for operand in operands]
            depth = 1 + max((depths[operand] for operand in operands), default=-1)
            if head in ("add", "mul") and type(parts[0]) is list and parts[0][0] == head:  # (a + b) + c is a + b + c
                parts[:1] = parts[0][1:]
                depth = max(depths[operands[0]], 1 + depths[operands[1]])
            text: Expression = rest[0] if head == "number" else [head, *parts, *rest[len(operands):]]
            if operands and (uses[place] > 1 or depth >= DEPTH):
                let.append(text)
                text, depth = ["let", len(let) - 1], 0
            texts[place], depths[place] = text, depth
        return {"let": let, "rhs": [texts[symbol.place] for symbol in outputs]}

    def operands(self, place: int) -> tuple[int, ...]:
        head, *rest = self.entries[place]
        return () if head in ("number", "z", "theta", "t") else tuple(rest[:1]) if head == "pow" else tuple(rest)


class Symbol:
    """One number: a place among the writer's entries."""

    __slots__ = ("place", "writer")

    def __init__(self, writer: Writer, place: int):
        self.writer, self.place = writer, place

    @property
    def value(self) -> float:
        return self.writer.values[self.place]

    @property
    def constant(self) -> float | None:
        return self.value if self.writer.entries[self.place][0] == "number" else None

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b if a.constant == 0 else a if b.constant == 0 else a.word("add", a.value + b.value, b))

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a if b.constant == 0 else a.word("sub", a.value - b.value, b))

    def __mul__(self, other: Any) -> Any:
        return self._with(other, times)

    def __truediv__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a if b.constant == 1 else a.word("div", np.float64(a.value) / np.float64(b.value), b))

    def __radd__(self, other: Any) -> Any:
        return self.writer.number(other) + self

    def __rsub__(self, other: Any) -> Any:
        return self.writer.number(other) - self

    def __rmul__(self, other: Any) -> Any:
        return self.writer.number(other) * self

    def __rtruediv__(self, other: Any) -> Any:
        return self.writer.number(other) / self

    def __rpow__(self, other: Any) -> Any:
        return self.writer.number(other) ** self

    def __neg__(self) -> Symbol:
        return self.word("neg", -self.value) if self.constant is None else self.writer.number(-self.value)

    def __pos__(self) -> Symbol:
        return self

    def conjugate(self) -> Symbol:
        return self

    def __pow__(self, other: Any) -> Any:
        return self._with(other, power)

    def _with(self, other: Any, operation: Any) -> Any:
        return NotImplemented if isinstance(other, np.ndarray) else operation(self, self.writer.number(other))

    def word(self, head: str, value: float, *more: Any) -> Symbol:
        return self.writer.symbol(value, head, self, *more)

    # the functions of the language

    def tanh(self) -> Symbol:
        return self.word("tanh", np.tanh(self.value))

    def sin(self) -> Symbol:
        return self.word("sin", np.sin(self.value))

    def cos(self) -> Symbol:
        return self.word("cos", np.cos(self.value))

    def exp(self) -> Symbol:
        return self.word("exp", np.exp(self.value))

    def log(self) -> Symbol:
        return self.word("log", np.log(self.value))

    def sqrt(self) -> Symbol:
        return self.word("sqrt", np.sqrt(self.value))

    def softplus(self) -> Symbol:
        return self.word("softplus", np.logaddexp(self.value, 0.0))

    def sigmoid(self) -> Symbol:
        return self.word("sigmoid", np.exp(-np.logaddexp(-self.value, 0.0)))

    def relu(self) -> Symbol:
        return self.word("relu", max(self.value, 0.0))

    # what can be said with them, without losing digits where that is possible

    def expm1(self) -> Symbol:
        """e^x - 1 = tanh(x/2) (e^x + 1)."""
        return (self / 2).tanh() * (self.exp() + 1)

    def log1p(self) -> Symbol:
        head, *operands = self.writer.entries[self.place]
        return Symbol(self.writer, operands[0]).softplus() if head == "exp" else (1 + self).log()

    def cosh(self) -> Symbol:
        return (self.exp() + (-self).exp()) / 2

    def sinh(self) -> Symbol:
        return self.tanh() * self.cosh()

    def tan(self) -> Symbol:
        return self.sin() / self.cos()

    def exp2(self) -> Symbol:
        return (self * self.writer.number(2).log()).exp()

    def log2(self) -> Symbol:
        return self.log() / self.writer.number(2).log()

    def log10(self) -> Symbol:
        return self.log() / self.writer.number(10).log()

    def fabs(self) -> Symbol:
        return self.relu() + (-self).relu()

    __abs__ = fabs

    def hypot(self, other: Any) -> Symbol:
        return (self * self + other * other).sqrt()

    def logaddexp(self, other: Any) -> Symbol:
        """log(e^x + e^y) = y + log(1 + e^(x - y))."""
        return other + (self - other).softplus() if self.constant != 0 else self + other.softplus()

    def maximum(self, other: Any) -> Symbol:
        return other + (self - other).relu() if self.constant != 0 else self + other.relu()

    def minimum(self, other: Any) -> Symbol:
        return self - (self - other).relu() if 0 not in (self.constant, other.constant) else -(-self).maximum(-other)

    def log_expit(self) -> Symbol:
        return -(-self).softplus()

    expit = sigmoid
    fmax, fmin = maximum, minimum

    def _compared(self, *_: Any) -> Any:
        raise TypeError("a comparison of expressions")

    __bool__ = __float__ = __int__ = __index__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _compared
    __hash__ = None  # type: ignore[assignment]


def times(a: Symbol, b: Symbol) -> Symbol:
    for x, y in ((a, b), (b, a)):
        if x.constant in (0, 1):
            return x if x.constant == 0 else y
    return a.word("mul", a.value * b.value, b)


def power(x: Symbol, p: Symbol) -> Symbol:
    """Products for integers; e^(p log x) for others, which like NumPy's power has no value for negative x."""
    n = p.constant
    if n is None or n != int(n):
        return x.sqrt() if n == 0.5 else (p * x.log()).exp()
    if n < 0:
        return 1 / power(x, -p if n is None else x.writer.number(-n))
    return x.writer.number(1) if n == 0 else x if n == 1 else x.word("pow", np.float64(x.value) ** int(n), int(n))
