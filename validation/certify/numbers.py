"""The numbers of the certificates: balls, power series in time with ball coefficients, and complex balls.

A ball is a pair (middle, radius); every operation returns a ball that contains all the results that its operands allow, rounding included.
BALLS, for evaluate(), serves balls (flint.arb) and power series (flint.arb_series) alike; COMPLEX serves complex balls (flint.acb).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import flint
from flint import acb, arb, arb_series, fmpq


class Kink(ArithmeticError):
    """relu is asked for on both sides of its kink, where it has no Taylor series."""


@contextlib.contextmanager
def working(bits: int, terms: int = 1) -> Iterator[None]:
    """Balls with middles of that many bits, power series of that many terms; what held before is put back."""
    before = flint.ctx.prec, flint.ctx.cap
    flint.ctx.prec, flint.ctx.cap = bits, terms
    try:
        yield
    finally:
        flint.ctx.prec, flint.ctx.cap = before


def exact(number: str | int | float | Fraction | fmpq) -> fmpq:
    """The rational number that a decimal string, an integer, a float or a fraction stands for, exactly."""
    if isinstance(number, fmpq):
        return number
    fraction = Fraction(number)
    return fmpq(fraction.numerator, fraction.denominator)


def number(x: fmpq) -> float:
    """The float next to a rational number."""
    return int(x.p) / int(x.q)


def square(middle: Any, radius: Any) -> acb:
    """The complex square that contains the disc of that radius around a real ball."""
    return acb(arb(middle, radius), arb(0, radius))


def at_origin(x: arb | arb_series) -> arb:
    """The constant coefficient."""
    return x[0] if isinstance(x, arb_series) else x


def _tanh(x):
    # No series of tanh in FLINT. tanh x = 1 - 2/(e^{2x} + 1), and the same of -x: nothing large appears.
    if isinstance(x, arb):
        return x.tanh()
    if at_origin(x).mid() < 0:
        return 2 / ((-2 * x).exp() + 1) - 1
    return 1 - 2 / ((2 * x).exp() + 1)


def _sigmoid(x):
    return 1 / (1 + (-x).exp())


def _softplus(x):
    # log(1 + e^x) = x + log(1 + e^-x): again nothing large appears.
    return (1 + x.exp()).log() if at_origin(x).mid() < 0 else x + (1 + (-x).exp()).log()


def _relu(x):
    return _one_sided(x, at_origin(x))


def _power(x, n: int):
    half = x if n < 4 else _power(x, n // 2)
    if n < 4:
        return x * x if n == 2 else x * x * x
    return half * half * x if n % 2 else half * half


def _one_sided(x, real_part: arb):
    if real_part > 0:
        return x
    if real_part < 0:
        return 0 * x
    raise Kink("relu has no Taylor series across its kink")


def _wide(function, x: acb, slope: arb) -> acb:
    """function(middle) and, by the mean value theorem, |x - middle| times the slope, a bound for |function'| over the ball."""
    middle = x.mid()
    return function(middle) + square(0, ((x - middle).abs_upper() * slope).abs_upper())


def _wide_tanh(x: acb) -> acb:
    # |tanh'(a + ib)| = 2/(cosh 2a + cos 2b)
    denominator = (2 * x.real).cosh() + (2 * x.imag).cos()
    if not denominator > 0:
        raise ArithmeticError("tanh may have a pole there")
    return _wide(acb.tanh, x, 2 / denominator)


def _wide_sigmoid(x: acb) -> acb:
    return (1 + _wide_tanh(x / 2)) / 2


def _wide_softplus(x: acb) -> acb:
    # Its branch points are the poles of its derivative, the sigmoid, which refuses them; from the middle it is continued analytically.
    return _wide(lambda middle: (1 + middle.exp()).log(), x, _wide_sigmoid(x).abs_upper())


def _wide_log(x: acb) -> acb:
    return _off_the_cut(x).log()


def _wide_sqrt(x: acb) -> acb:
    return _wide(acb.sqrt, _off_the_cut(x), 1 / (2 * x.abs_lower().sqrt()))


def _off_the_cut(x: acb) -> acb:
    if not (x.real > 0 or x.imag != 0):
        raise ArithmeticError("log or sqrt is not analytic there")
    return x


def _divided(x: acb, y: acb) -> acb:
    if not y != 0:
        raise ArithmeticError("there may be a division by zero there")
    return x / y


BALLS = {
    "constant": lambda digits: arb(exact(digits)),
    "pow": _power,
    "tanh": _tanh,
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: x.sqrt(),
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "relu": _relu,
}

# Every function of this table is analytic on the whole ball that it is applied to, or it raises an ArithmeticError. On balls as wide as
# those of a box, mean value forms of tanh, softplus and sqrt are far sharper than the functions themselves.
COMPLEX = {
    "constant": lambda digits: acb(exact(digits)),
    "div": _divided,
    "pow": lambda x, n: x**n,
    "tanh": _wide_tanh,
    "sin": lambda x: x.sin(),
    "cos": lambda x: x.cos(),
    "exp": lambda x: x.exp(),
    "log": _wide_log,
    "sqrt": _wide_sqrt,
    "softplus": _wide_softplus,
    "sigmoid": _wide_sigmoid,
    "relu": lambda x: _one_sided(x, x.real),
}
