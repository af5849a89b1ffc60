"""Numbers that NumPy's own functions accept: formulas written for arrays are evaluated in balls, or in power series, as they stand.

NumPy calls, for np.exp and the like on objects, the method of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, arb_series

from .numbers import BALLS, exact


def _binary(operation: Callable[[Any, Any], Any]) -> Any:
    def method(self: Number, other: Any) -> Any:
        # An array takes over, and comes back entry by entry.
        return NotImplemented if isinstance(other, np.ndarray) else Number(operation(self.value, _plain(other)))

    return method


class Number:
    """A ball or a power series. Floats that it meets are taken exactly."""

    __slots__ = ("value",)

    def __init__(self, value: arb | arb_series):
        self.value = value

    __add__ = __radd__ = _binary(lambda x, y: x + y)
    __mul__ = __rmul__ = _binary(lambda x, y: x * y)
    __sub__ = _binary(lambda x, y: x - y)
    __rsub__ = _binary(lambda x, y: y - x)
    __truediv__ = _binary(lambda x, y: x / y)
    __rtruediv__ = _binary(lambda x, y: y / x)

    def __neg__(self) -> Number:
        return Number(-self.value)

    def __pow__(self, exponent: float) -> Number:
        if int(exponent) != exponent:
            return (exponent * self.log()).exp()
        n = abs(int(exponent))
        power = self.value if n == 1 else BALLS["pow"](self.value, n) if n else arb(1)
        return Number(power if exponent >= 0 else 1 / power)

    def exp(self) -> Number:
        """e^x."""
        return Number(self.value.exp())

    def log(self) -> Number:
        """The natural logarithm."""
        return Number(self.value.log())

    def sqrt(self) -> Number:
        """The square root."""
        return Number(self.value.sqrt())

    def sin(self) -> Number:
        """The sine."""
        return Number(self.value.sin())

    def cos(self) -> Number:
        """The cosine."""
        return Number(self.value.cos())

    def tanh(self) -> Number:
        """The hyperbolic tangent."""
        return Number(BALLS["tanh"](self.value))

    def sinh(self) -> Number:
        """The hyperbolic sine."""
        return (self.exp() - (-self).exp()) / 2

    def cosh(self) -> Number:
        """The hyperbolic cosine."""
        return (self.exp() + (-self).exp()) / 2

    def arctanh(self) -> Number:
        """The inverse of tanh."""
        return ((1 + self) / (1 - self)).log() / 2

    def arcsinh(self) -> Number:
        """The inverse of sinh."""
        return (self + (self * self + 1).sqrt()).log()


def array(values: Sequence[arb | arb_series]) -> np.ndarray:
    """A vector of Numbers."""
    return objects([Number(x) for x in values], (len(values),))


def plain(values: Any) -> np.ndarray:
    """The balls or power series of an array of Numbers, in an array of objects."""
    values = np.asarray(values, dtype=object)
    return objects([_plain(x) for x in values.ravel()], values.shape)


def objects(flat: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """An array of objects, one by one: NumPy would take a power series for a sequence."""
    out = np.empty(len(flat), dtype=object)
    for i, x in enumerate(flat):
        out[i] = x
    return out.reshape(shape)


def _plain(x: Any) -> arb | arb_series:
    if isinstance(x, Number):
        return x.value
    if isinstance(x, arb | arb_series):
        return x
    return arb(exact(Fraction(x)))
