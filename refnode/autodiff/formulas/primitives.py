"""Functions of our own that rules and lowerings need, and small helpers of the formulas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np


class Refused(Exception):
    """An operation that cannot be differentiated as it is called: one sentence, to which the engine adds file and line."""


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
def gather(x: Any, index: Any) -> Any:
    """x[index], where index may be traced and x a plain array."""
    return x[index]


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


@primitive
def euclidean(x: Any, axis: Any, keepdims: bool) -> Any:
    """The Euclidean norm, for matrices the Frobenius norm."""
    return np.linalg.norm(x, axis=axis, keepdims=keepdims)


@primitive
def log_det(a: Any) -> Any:
    """log |det a|"""
    return np.linalg.slogdet(a)[1]


@primitive
def det_sign(a: Any) -> Any:
    return np.linalg.slogdet(a)[0]


@primitive
def eigenvalues(a: Any) -> Any:
    """Of a symmetric matrix, given by its lower triangle."""
    return np.linalg.eigh(a)[0]


@primitive
def eigenvectors(a: Any) -> Any:
    """Of a symmetric matrix, given by its lower triangle, as columns."""
    return np.linalg.eigh(a)[1]


def is_basic(index: Any) -> bool:
    """Whether an index selects without repetition or copying: integers, slices, ... and None only."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or (isinstance(part, (slice, int, np.integer)) and not isinstance(part, bool)) for part in parts)


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """g summed over the axes along which an argument of `shape` was broadcast."""
    if getattr(g, "shape", ()) == shape:
        return g
    lead = len(g.shape) - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1))
    summed = np.add.reduce(g, axis=axes) if axes else g
    return summed if summed.shape == shape else np.reshape(summed, shape)


def transposed(x: Any) -> Any:
    """The last two axes swapped."""
    return x.T if x.ndim == 2 else np.swapaxes(x, -1, -2)


def nonzero(y: Any) -> Any:
    """y, and 1 where y is 0: a denominator."""
    return np.where(y == 0, 1.0, y)


def count(x: Any, axis: Any) -> int:
    """The number of entries that a reduction over `axis` takes together."""
    shape = np.shape(x)
    return int(np.prod(shape)) if axis is None else int(np.prod([shape[i] for i in np.atleast_1d(axis)]))
