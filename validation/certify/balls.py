"""Balls in print: [middle, radius] as decimal strings.

What is printed does not depend on how sharp a proof happened to be: the radius is 10^(k - digits), k >= 0 the least with |middle| <= 10^k,
and the middle is rounded to one digit more. A proof that does not reach this is an error. So files stay the same where tools, orders and
precisions change.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import arb

from .numbers import exact

DIGITS = 25
SPARE = 9  # a proof must be this many digits better than what is printed, or the last digit would be a matter of chance
GAMMA_DIGITS = 6


def printed(ball: arb, name: str, digits: int = DIGITS) -> list[str]:
    """[middle, radius]: decimal strings of a ball that contains the given one. ValueError, naming it, if it is too wide for that."""
    if not sharp(ball, digits):
        raise ValueError(f"{name} = {ball.str(5)} is not proved sharply enough for {digits} digits and {SPARE} to spare")
    middle = _rounded_once(ball, digits)
    k = _power_of_ten(middle)
    return [decimal(_to_grid(middle, digits + 1 - k)), f"1e{k - digits}"]


def sharp(ball: arb, digits: int = DIGITS) -> bool:
    """Whether the ball can be printed with that many digits."""
    return ball.is_finite() and bool(ball.rad() <= arb(10) ** (_power_of_ten(_rounded_once(ball, digits)) - digits - SPARE))


def read(pair: Sequence[str]) -> arb:
    """The ball that a printed pair stands for (at the precision that is set; rounding widens it)."""
    middle, radius = pair
    return arb(exact(middle)) + arb(0, arb(exact(radius)).upper())


def contains(pair: Sequence[str], ball: arb) -> bool:
    """Whether the printed ball certainly contains the given one."""
    return bool(abs(ball - arb(exact(pair[0]))) <= arb(exact(pair[1])))


def rounded_up(ball: arb, digits: int = GAMMA_DIGITS) -> str:
    """A condition number, to a few digits upwards; what is 1 to twenty digits more is 1."""
    middle = rational(ball.mid())
    places = digits - max(_power_of_ten(middle), 1)
    middle = _to_grid(middle, places + 20)
    if not ball.rad() <= exact(Fraction(1, 10 ** (places + 20))):
        raise ValueError(f"a condition number is proved to {ball.str(5)} only")
    return decimal(Fraction(-(-(middle * Fraction(10) ** places) // 1)) / Fraction(10) ** places)


def rational(x: arb) -> Fraction:
    """The value of an exact ball."""
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def decimal(x: Fraction) -> str:
    """A decimal fraction in plain digits, without trailing zeros."""
    places = 0
    while (x * 10**places).denominator != 1:
        places += 1
    digits = str(abs(int(x * 10**places))).rjust(places + 1, "0")
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if x < 0 else text


def _rounded_once(ball: arb, digits: int) -> Fraction:
    """The middle, to be rounded again: a number half-way between two decimals, as exact numbers may be, is then always rounded to even."""
    return _to_grid(rational(ball.mid()), digits + SPARE - 1)


def _to_grid(x: Fraction, places: int) -> Fraction:
    """The nearest multiple of 10^-places, ties to even; places may be negative."""
    return round(x * Fraction(10) ** places) / Fraction(10) ** places


def _power_of_ten(x: Fraction) -> int:
    k = 0
    while abs(x) > 10**k:
        k += 1
    return k
