"""Derivatives while evaluating: numbers with partial derivatives, over any numbers whatever.

    value, partials of f:   evaluate(dynamics, duals(algebra), variables(z), t, variables(theta, first=len(z)))

algebra is one for evaluate(): of floats, of power series, of duals again (then the partial derivatives are duals themselves: second
derivatives).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .dynamics import PYTHON, Algebra


class Dual:
    """value + sum_j partials[j] e_j with e_j e_k = 0. A partial derivative that is not listed is zero."""

    __slots__ = ("partials", "value")

    def __init__(self, value: Any, partials: dict[int, Any]):
        self.value, self.partials = value, partials

    def __add__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.partials)
        partials = dict(self.partials)
        for j, d in other.partials.items():
            partials[j] = partials[j] + d if j in partials else d
        return Dual(self.value + other.value, partials)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return Dual(-self.value, {j: -d for j, d in self.partials.items()})

    def __sub__(self, other: Any) -> Dual:
        return self + (-other)

    def __rsub__(self, other: Any) -> Dual:
        return (-self) + other

    def __mul__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return _chain(self, self.value * other, other)
        return _chain(self, self.value * other.value, other.value) + Dual(0, _scaled(other.partials, self.value))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value / other, {j: d / other for j, d in self.partials.items()})
        quotient, inverse = self.value / other.value, 1 / other.value
        return _chain(self, quotient, inverse) + Dual(0, _scaled(other.partials, -quotient * inverse))

    def __rtruediv__(self, other: Any) -> Dual:
        quotient = other / self.value
        return _chain(self, quotient, -quotient / self.value)


def variables(values: Sequence[Any], first: int = 0) -> list[Dual]:
    """One independent variable for each value, numbered from first."""
    return [Dual(value, {first + j: 1}) for j, value in enumerate(values)]


def parts(x: Any) -> tuple[Any, dict[int, Any]]:
    """Value and partial derivatives of a result of evaluate(), which is no Dual where no variable enters it."""
    return (x.value, x.partials) if isinstance(x, Dual) else (x, {})


def duals(base: Algebra) -> Algebra:
    """The algebra of duals over the numbers of base; numbers of base may be mixed with duals.

    relu'(x) is relu(x)/x: 1 or 0, and an error at the kink.
    """
    power = base.get("pow", PYTHON["pow"])

    def lifted(name: str) -> Any:
        function, derivative = base[name], DERIVATIVES[name]

        def apply(x: Any) -> Any:
            if not isinstance(x, Dual):
                return function(x)
            value = function(x.value)
            return _chain(x, value, derivative(base, x.value, value))

        return apply

    def pow_(x: Any, n: int) -> Any:
        if not isinstance(x, Dual):
            return power(x, n)
        return _chain(x, power(x.value, n), n * (x.value if n == 2 else power(x.value, n - 1)))

    return {"constant": base["constant"], "pow": pow_, **{name: lifted(name) for name in DERIVATIVES if name in base}}


# f'(x) from x and y = f(x).
DERIVATIVES: dict[str, Any] = {
    "tanh": lambda a, x, y: 1 - y * y,
    "sin": lambda a, x, y: a["cos"](x),
    "cos": lambda a, x, y: -a["sin"](x),
    "exp": lambda a, x, y: y,
    "log": lambda a, x, y: 1 / x,
    "sqrt": lambda a, x, y: 1 / (2 * y),
    "softplus": lambda a, x, y: a["sigmoid"](x),
    "sigmoid": lambda a, x, y: y * (1 - y),
    "relu": lambda a, x, y: y / x,
}


def _chain(x: Dual, value: Any, derivative: Any) -> Dual:
    return Dual(value, _scaled(x.partials, derivative))


def _scaled(partials: dict[int, Any], factor: Any) -> dict[int, Any]:
    return {j: factor if type(d) is int and d == 1 else d * factor for j, d in partials.items()}
