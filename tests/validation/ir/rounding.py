"""Floats with a bound on what rounding may have done to them: the tolerances of these tests are computed, operation by operation.

Whoever evaluates an expression in the order in which it is written, with sums and products rounded correctly and functions good to ULPS units,
is within `error` of the exact value; so two of them are within twice that of each other.
"""

import math
from typing import NamedTuple

from refnode_validation.ir.floats import FLOATS

U, ULPS = 2.0**-53, 8


class Rounded(NamedTuple):
    value: float
    error: float

    def __add__(self, other):
        return rounded(self.value + other.value, self.error + other.error)

    def __sub__(self, other):
        return rounded(self.value - other.value, self.error + other.error)

    def __mul__(self, other):
        (x, e), (y, d) = self, other
        return rounded(x * y, abs(x) * d + abs(y) * e + e * d)

    def __truediv__(self, other):
        (x, e), (y, d) = self, other
        return rounded(x / y, (e + abs(x / y) * d) / (abs(y) - d))

    def __neg__(self):
        return Rounded(-self.value, self.error)

    def __pow__(self, n):
        """Whether by products or at once."""
        x, e = self
        return rounded(x**n, n * (abs(x) + e) ** (n - 1) * e, n)


def rounded(value, error, units=1):
    return Rounded(value, error + units * U * abs(value) + 1e-300)


def constant(decimal):
    return Rounded(float(decimal), U * abs(float(decimal)))


def function(name, slope, units=lambda y: ULPS):
    """2 |f'| e instead of |f'| e makes up for the curvature, since e is tiny."""

    def f(x):
        y = FLOATS[name](x.value)
        return rounded(y, 2 * abs(slope(x.value, y)) * x.error, units(y))

    return f


ROUNDED = {
    "constant": constant,
    "tanh": function("tanh", lambda x, y: 1 - y * y + U),
    "sin": function("sin", lambda x, y: 1),
    "cos": function("cos", lambda x, y: 1),
    "exp": function("exp", lambda x, y: y),
    "log": function("log", lambda x, y: 1 / x),
    "sqrt": function("sqrt", lambda x, y: 1 / (2 * y)),
    "softplus": function("softplus", lambda x, y: FLOATS["sigmoid"](x)),
    # e^-softplus(-x): the exponent is good to ULPS units of itself.
    "sigmoid": function("sigmoid", lambda x, y: y, lambda y: ULPS * (2 - math.log(y))),
    "relu": function("relu", lambda x, y: 1),
}


def exactly(x):
    """Doubles as they are, without an error."""
    return [Rounded(float(value), 0.0) for value in x]
