"""NumPy's elementwise functions. The cotangents are summed to each argument's shape by the engine."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.primitives import nonzero

LN2, LN10, PI = float(np.log(2.0)), float(np.log(10.0)), float(np.pi)


def power_x(g: Any, y: Any, x: Any, p: Any) -> Any:
    """g p x**(p - 1); products where p is a small integer, and 0 where p is 0."""
    if isinstance(p, (int, float)):
        if p in (0, 1, 2, 3, 4):
            return [lambda: 0.0 * g, lambda: g, lambda: g * (2 * x), lambda: g * (3 * (x * x)), lambda: g * (4 * (x * x * x))][int(p)]()
        return g * (p * np.power(x, p - 1))
    return g * (p * x ** np.where(p == 0, 1.0, p - 1))


def power_p(g: Any, y: Any, x: Any, p: Any) -> Any:
    """g x**p log(x), and 0 where x is 0."""
    return g * (y * (float(np.log(x or 1.0)) if isinstance(x, (int, float)) else np.log(nonzero(x))))


def share(g: Any, wins: Any, ties: Any) -> Any:
    """g where an argument wins, half of it where both are equal."""
    return np.where(ties, 0.5 * g, np.where(wins, g, 0.0))


def sinc_slope(x: Any) -> Any:
    """d/dx sin(pi x) / (pi x): its power series near 0, where the formula cancels."""
    u = PI * x
    near = abs(u) < 1.0
    v, w = np.where(near, 1.0, u), np.where(near, u, 0.0)
    series, term = 0.0, 1.0
    for k in range(11, 0, -1):  # -u/3 + u^3/30 - u^5/840 + ...: (-1)^k 2k u^(2k-1) / (2k+1)!
        term = (-1) ** k * 2 * k / float(np.prod(np.arange(1.0, 2 * k + 2)))
        series = series * (w * w) + term
    return PI * np.where(near, series * w, (np.cos(v) - np.sin(v) / v) / v)


ELEMENTWISE: dict[Any, tuple[Callable[..., Any] | None, ...]] = {
    np.add: (lambda g, y, a, b: g, lambda g, y, a, b: g),
    np.subtract: (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    np.multiply: (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    np.divide: (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    np.remainder: (lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor_divide(a, b)),
    np.fmod: (lambda g, y, a, b: g, lambda g, y, a, b: -g * np.trunc(a / b)),
    np.power: (power_x, power_p),
    np.float_power: (power_x, power_p),
    np.negative: (lambda g, y, x: -g,),
    np.positive: (lambda g, y, x: g,),
    np.absolute: (lambda g, y, x: g * np.sign(x),),
    np.fabs: (lambda g, y, x: g * np.sign(x),),
    np.square: (lambda g, y, x: g * (2 * x),),
    np.sqrt: (lambda g, y, x: g * (0.5 / y),),
    np.cbrt: (lambda g, y, x: g / (3 * (y * y)),),
    np.reciprocal: (lambda g, y, x: -g * (y * y),),
    np.exp: (lambda g, y, x: g * y,),
    np.exp2: (lambda g, y, x: g * (y * LN2),),
    np.expm1: (lambda g, y, x: g * (y + 1),),
    np.log: (lambda g, y, x: g / x,),
    np.log2: (lambda g, y, x: g / (x * LN2),),
    np.log10: (lambda g, y, x: g / (x * LN10),),
    np.log1p: (lambda g, y, x: g / (1 + x),),
    np.sin: (lambda g, y, x: g * np.cos(x),),
    np.cos: (lambda g, y, x: -g * np.sin(x),),
    np.tan: (lambda g, y, x: g * (1 + y * y),),
    np.arcsin: (lambda g, y, x: g / np.sqrt((1 - x) * (1 + x)),),
    np.arccos: (lambda g, y, x: -g / np.sqrt((1 - x) * (1 + x)),),
    np.arctan: (lambda g, y, x: g / (1 + x * x),),
    np.sinh: (lambda g, y, x: g * np.cosh(x),),
    np.cosh: (lambda g, y, x: g * np.sinh(x),),
    np.tanh: (lambda g, y, x: g * (1 - y * y),),
    np.arcsinh: (lambda g, y, x: g / np.hypot(1.0, x),),
    np.arccosh: (lambda g, y, x: g / np.sqrt((x - 1) * (x + 1)),),
    np.arctanh: (lambda g, y, x: g / ((1 - x) * (1 + x)),),
    np.arctan2: (lambda g, y, a, b: g * (b / nonzero(a * a + b * b)), lambda g, y, a, b: -g * (a / nonzero(a * a + b * b))),
    np.hypot: (lambda g, y, a, b: g * (a / nonzero(y)), lambda g, y, a, b: g * (b / nonzero(y))),
    np.logaddexp: (lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y)),
    np.logaddexp2: (lambda g, y, a, b: g * np.exp2(a - y), lambda g, y, a, b: g * np.exp2(b - y)),
    np.maximum: (lambda g, y, a, b: share(g, y == a, a == b), lambda g, y, a, b: share(g, y == b, a == b)),
    np.minimum: (lambda g, y, a, b: share(g, y == a, a == b), lambda g, y, a, b: share(g, y == b, a == b)),
    np.fmax: (lambda g, y, a, b: share(g, y == a, a == b), lambda g, y, a, b: share(g, y == b, a == b)),
    np.fmin: (lambda g, y, a, b: share(g, y == a, a == b), lambda g, y, a, b: share(g, y == b, a == b)),
    np.copysign: (lambda g, y, a, b: g * (np.sign(a) * np.copysign(1.0, b)), None),
    np.ldexp: (lambda g, y, x, n: np.ldexp(g, n), None),
    np.where: (None, lambda g, y, mask, a, b: np.where(mask, g, 0.0), lambda g, y, mask, a, b: np.where(mask, 0.0, g)),
    np.nan_to_num: (lambda g, y, x, **kwargs: np.where(np.isfinite(x), g, 0.0),),
    np.sinc: (lambda g, y, x: g * sinc_slope(x),),
    np.conjugate: (lambda g, y, x: g,),
    np.deg2rad: (lambda g, y, x: np.deg2rad(g),),
    np.radians: (lambda g, y, x: np.deg2rad(g),),
    np.rad2deg: (lambda g, y, x: np.rad2deg(g),),
    np.degrees: (lambda g, y, x: np.rad2deg(g),),
}
for _operator, _ufunc in {operator.add: np.add, operator.sub: np.subtract, operator.mul: np.multiply, operator.truediv: np.divide,
                          operator.mod: np.remainder, operator.pow: np.power, operator.neg: np.negative, operator.abs: np.absolute}.items():
    ELEMENTWISE[_operator] = ELEMENTWISE[_ufunc]  # what a Python operator computes on two Python numbers is not always NumPy's last bit
