"""The table of derivative formulas: data, no mechanism.

A line of `ELEMENTWISE` or `RULES` gives, for one NumPy function, the vector-Jacobian product for each positional argument:

    function: (lambda g, y, *args, **kwargs: cotangent of args[0], lambda ...: cotangent of args[1], ...)

where y = function(*args, **kwargs) and g is the cotangent of y. The formulas are written in NumPy and are themselves traced, so that higher
derivatives need nothing more. A formula never asks what is traced and never branches on values; it may branch on shapes and on
static arguments. None in the place of a formula: no derivative is taken there. A single function instead of the tuple serves any
position: it is called with the position first. The cotangents of ELEMENTWISE rules are summed to the argument's shape by the engine.

A formula receives the arguments in the canonical form that `lowerings.py` gives them.

Conventions at singular points: ties in maximum, minimum, max, min share the cotangent equally; abs has slope 0 at 0; the
derivative of x**p in p is 0 at x = 0; the norm has slope 0 at 0.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))


def primitive(function: Callable[..., Any]) -> Any:
    """A NumPy-style function of our own, which traced arguments intercept as they intercept NumPy's (NEP 18)."""

    @functools.wraps(function)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        for x in args:
            if hasattr(x, "__array_function__") and not isinstance(x, np.ndarray):
                return x.__array_function__(dispatch, (type(x),), args, kwargs)
        return function(*args, **kwargs)

    return dispatch


@primitive
def scatter(g: Any, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros of `shape` with g added at `index`, repeated indices adding up: the transpose of x[index]."""
    out = np.zeros(shape, getattr(g, "dtype", np.float64))
    if is_basic(index):
        out[index] = g
    else:
        np.add.at(out, index, g)
    return out


@primitive
def assign(x: Any, value: Any, index: Any) -> np.ndarray:
    """A copy of x in which x[index] = value has been carried out."""
    out = np.array(x)
    out[index] = value
    return out


@primitive
def join(axis: int, *arrays: Any) -> np.ndarray:
    return np.concatenate(arrays, axis)


@primitive
def pile(axis: int, *arrays: Any) -> np.ndarray:
    return np.stack(arrays, axis)


@primitive
def cast(x: Any, dtype: Any) -> Any:
    """x.astype(dtype), from floating point to floating point."""
    return np.asarray(x).astype(dtype)


def is_basic(index: Any) -> bool:
    """Whether an index selects without repetition or copying: integers, slices, ... and None only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or (isinstance(part, (slice, int, np.integer)) and not isinstance(part, bool)) for part in parts)


# ---------------------------------------------------------------------------------------------------------- elementwise

ELEMENTWISE: dict[Any, tuple[Callable[..., Any] | None, ...]] = {
    np.add: (lambda g, y, a, b: g, lambda g, y, a, b: g),
    np.subtract: (lambda g, y, a, b: g, lambda g, y, a, b: -g),
    np.multiply: (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    np.divide: (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    np.power: (lambda g, y, x, p: g * power_slope(x, p), lambda g, y, x, p: g * (y * np.log(np.where(x == 0, 1.0, x)))),
    np.negative: (lambda g, y, x: -g,),
    np.positive: (lambda g, y, x: g,),
    np.absolute: (lambda g, y, x: g * np.sign(x),),
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
    np.arctan2: (lambda g, y, a, b: g * (b / (a * a + b * b)), lambda g, y, a, b: -g * (a / (a * a + b * b))),
    np.hypot: (lambda g, y, a, b: g * (a / nonzero(y)), lambda g, y, a, b: g * (b / nonzero(y))),
    np.logaddexp: (lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y)),
    np.maximum: (lambda g, y, a, b: g * share(a > b, a == b), lambda g, y, a, b: g * share(b > a, a == b)),
    np.minimum: (lambda g, y, a, b: g * share(a < b, a == b), lambda g, y, a, b: g * share(b < a, a == b)),
    np.where: (None, lambda g, y, mask, a, b: np.where(mask, g, 0.0), lambda g, y, mask, a, b: np.where(mask, 0.0, g)),
    np.conjugate: (lambda g, y, x: g,),
    np.deg2rad: (lambda g, y, x: np.deg2rad(g),),
    np.rad2deg: (lambda g, y, x: np.rad2deg(g),),
}
for _operator, _ufunc in {operator.add: np.add, operator.sub: np.subtract, operator.mul: np.multiply, operator.truediv: np.divide,
                          operator.pow: np.power, operator.neg: np.negative, operator.abs: np.absolute}.items():
    ELEMENTWISE[_operator] = ELEMENTWISE[_ufunc]  # what a Python operator computes on two Python numbers is not always NumPy's last bit


def power_slope(x: Any, p: Any) -> Any:
    """d(x**p)/dx = p x**(p-1); products where p is a small integer, and 0 where p is 0."""
    if isinstance(p, (int, float)) and p in (1, 2, 3, 4):
        return {1: lambda: x * 0 + 1, 2: lambda: 2 * x, 3: lambda: 3 * (x * x), 4: lambda: 4 * (x * x * x)}[int(p)]()
    return p * x ** np.where(p == 0, 1.0, p - 1)


def share(wins: Any, ties: Any) -> Any:
    """1 where an argument wins, 1/2 where both are equal."""
    return np.where(ties, 0.5, wins)


def nonzero(y: Any) -> Any:
    return np.where(y == 0, 1.0, y)


# ------------------------------------------------------------------------------------------------------------ structure

def like_reduced(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """g, or y, of a reduction, with the reduced axes put back as axes of length one."""
    if keepdims or (axis is None and x.ndim == 0):
        return g
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis) % max(x.ndim, 1)
    return np.reshape(g, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def extremum_vjp(g: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    is_extreme = x == like_reduced(y, x, axis, keepdims)
    return like_reduced(g, x, axis, keepdims) * (is_extreme / np.add.reduce(is_extreme, axis=axis, keepdims=True, dtype=np.float64))


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """g summed over the axes along which an argument of `shape` was broadcast."""
    if getattr(g, "shape", ()) == shape:
        return g
    lead = len(g.shape) - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1))
    summed = np.add.reduce(g, axis=axes, keepdims=False) if axes else g
    return summed if summed.shape == shape else np.reshape(summed, shape)


def transposed(x: Any) -> Any:
    """The last two axes swapped."""
    return x.T if x.ndim == 2 else np.swapaxes(x, -1, -2)


def matmul_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return sum_to(np.expand_dims(g, -1) * b, a.shape)
    if a.ndim == 1:
        return sum_to(np.matmul(b, np.expand_dims(g, -1))[..., 0], a.shape)
    return sum_to(np.matmul(g, transposed(b)), a.shape)


def matmul_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1:
        if b.ndim == 1:
            return g * a
        return sum_to(np.expand_dims(a, -1) * np.expand_dims(g, -2), b.shape)
    if b.ndim == 1:
        return sum_to(np.matmul(transposed(a), np.expand_dims(g, -1))[..., 0], b.shape)
    return sum_to(np.matmul(transposed(a), g), b.shape)


def dot_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    """np.dot(a, b)[i.., j.., m] = sum_k a[i.., k] b[j.., k, m]: for matrices and vectors the same as matmul, for numbers a product."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return sum_to(g * b, np.shape(a))
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul_a(g, y, a, b)
    if b.ndim == 1:
        return np.expand_dims(g, -1) * b
    return np.tensordot(g, b, (range(a.ndim - 1, g.ndim), [*range(b.ndim - 2), b.ndim - 1]))


def dot_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return sum_to(g * a, np.shape(b))
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul_b(g, y, a, b)
    summed = np.tensordot(a, g, (range(a.ndim - 1), range(a.ndim - 1)))
    return summed if b.ndim == 1 else np.moveaxis(summed, 0, -2)


def einsum_vjp(position: int, g: Any, y: Any, subscripts: str, *operands: Any, optimize: Any = False) -> Any:
    """Operand k's cotangent: contract g with the other operands, keeping operand k's letters.

    Repeated letters of an operand are first spelled with new letters and an identity matrix; letters that occur nowhere else are
    broadcast by a vector of ones.
    """
    inputs, output = subscripts.split("->")
    terms, arrays = inputs.split(","), list(operands)
    k = position - 1
    fresh = iter(letter for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in subscripts)
    wanted, factors, factor_terms = "", [g], [output]
    for axis, letter in enumerate(terms[k]):
        if letter in wanted:
            new = next(fresh)
            factors.append(np.eye(operands[k].shape[axis], dtype=y.dtype))
            factor_terms.append(letter + new)
            letter = new
        wanted += letter
    for i, (term, array) in enumerate(zip(terms, arrays, strict=True)):
        if i != k:
            factors.append(array)
            factor_terms.append(term)
    for axis, letter in enumerate(wanted):
        if not any(letter in term for term in factor_terms):
            factors.append(np.ones(operands[k].shape[axis], dtype=y.dtype))
            factor_terms.append(letter)
    return np.einsum(",".join(factor_terms) + "->" + wanted, *factors)


def inverse_axes(x: Any, axes: Any) -> Any:
    return None if axes is None else tuple(np.argsort(np.asarray(axes) % x.ndim).tolist())


def piece(position: int, g: Any, y: Any, axis: int, *arrays: Any) -> Any:
    """The part of a concatenation's cotangent that belongs to one of the arrays."""
    start = sum(a.shape[axis] for a in arrays[: position - 1])
    place: list[Any] = [slice(None)] * g.ndim
    place[axis] = slice(start, start + arrays[position - 1].shape[axis])
    return g[tuple(place)]


RULES: dict[Any, Any] = {
    operator.getitem: (lambda g, y, x, index: scatter(g, index, x.shape), None),
    scatter: (lambda g, y, x, index, shape: g[index], None, None),
    assign: (lambda g, y, x, value, index: assign(g, 0.0, index), lambda g, y, x, value, index: sum_to(g[index], np.shape(value)), None),
    cast: (lambda g, y, x, dtype: cast(g, getattr(x, "dtype", np.float64)), None),
    np.copy: (lambda g, y, x: g,),
    np.reshape: (lambda g, y, x, shape: np.reshape(g, getattr(x, "shape", ())), None),
    np.transpose: (lambda g, y, x, axes: np.transpose(g, inverse_axes(x, axes)), None),
    np.broadcast_to: (lambda g, y, x, shape: sum_to(g, np.shape(x)), None),
    join: piece,
    pile: lambda position, g, y, axis, *arrays: g[(slice(None),) * (axis % g.ndim) + (position - 1,)],
    np.add.reduce: (lambda g, y, x, axis=None, keepdims=False: np.broadcast_to(like_reduced(g, x, axis, keepdims), x.shape),),
    np.maximum.reduce: (extremum_vjp,),
    np.minimum.reduce: (extremum_vjp,),
    np.matmul: (matmul_a, matmul_b),
    operator.matmul: (matmul_a, matmul_b),
    np.dot: (dot_a, dot_b),
    np.einsum: einsum_vjp,
    np.linalg.norm: (lambda g, y, x, axis=None, keepdims=False: like_reduced(g, x, axis, keepdims)
                     * (x / nonzero(like_reduced(y, x, axis, keepdims))),),
}
