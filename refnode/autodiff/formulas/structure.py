"""Reductions, indexing, and functions that only move numbers about."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.primitives import assign, cast, count, gather, is_basic, join, pile, scatter, sum_to


def like_reduced(g: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """g, or y, of a reduction of x, with the reduced axes put back as axes of length one."""
    shape = np.shape(x)
    if keepdims or not shape:
        return g
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % len(shape)
    return np.reshape(g, tuple(1 if i in axes else n for i, n in enumerate(shape)))


def extremum(g: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Shared equally by all entries that are extreme."""
    is_extreme = x == like_reduced(y, x, axis, keepdims)
    number = np.add.reduce(is_extreme.astype(y.dtype), axis=axis, keepdims=True)
    return np.where(is_extreme, like_reduced(g, x, axis, keepdims) / np.maximum(number, 1.0), 0.0)


def product(g: Any, y: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """g times the product of all other entries, each taken by itself: n^2 numbers for n factors, but zeros do no harm."""
    shape = np.shape(x)
    reduced = [i for i in range(len(shape)) if axis is None or i in np.atleast_1d(axis) % len(shape)]
    order = [i for i in range(len(shape)) if i not in reduced] + reduced
    sorted_shape, n = [shape[i] for i in order], count(x, axis)
    rows = np.reshape(np.transpose(x, order), (*sorted_shape[: len(shape) - len(reduced)], 1, n))
    others = np.multiply.reduce(np.where(np.eye(n, dtype=bool), 1.0, rows), axis=-1)
    others = np.transpose(np.reshape(others, sorted_shape), np.argsort(order).tolist())
    return like_reduced(g, x, axis, keepdims) * others


def cumulative_product(g: Any, y: Any, x: Any, axis: int = 0) -> Any:
    """y_k = x_0 ... x_k: s_k = g_k + x_(k+1) s_(k+1) from the last to the first, and the cotangent of x_k is y_(k-1) s_k."""
    g, y, x = (np.moveaxis(v, axis, 0) for v in (g, y, x))
    s = [g[-1]]
    for k in range(len(x) - 2, -1, -1):
        s.append(g[k] + x[k + 1] * s[-1])
    return np.moveaxis(np.stack([s_k if k == 0 else y[k - 1] * s_k for k, s_k in enumerate(reversed(s))]), 0, axis)


def assigned_value(g: Any, y: Any, x: Any, value: Any, index: Any) -> Any:
    """g[index]; where an index is repeated, the last assignment is the one that counts."""
    g = g[index]
    if not is_basic(index):
        order, last = np.arange(np.size(g)).reshape(np.shape(g)), np.empty(np.shape(x), int)
        last[index] = order
        g = np.where(last[index] == order, g, 0.0)
    return sum_to(g, np.shape(value))


def piece(position: int, g: Any, y: Any, axis: int, *arrays: Any) -> Any:
    """The part of a concatenation's cotangent that belongs to one of the arrays."""
    start = sum(np.shape(a)[axis] for a in arrays[: position - 1])
    place: list[Any] = [slice(None)] * g.ndim
    place[axis] = slice(start, start + np.shape(arrays[position - 1])[axis])
    return g[tuple(place)]


def inverse_axes(axes: Any) -> Any:
    return None if axes is None else tuple(np.argsort(np.asarray(axes) % len(axes)).tolist())


def places(function: Callable[..., Any], shape: tuple[int, ...], *args: Any, **kwargs: Any) -> Any:
    """Where in x, of `shape` and counted from 0, each entry of function(x, ...) comes from; -1 for padding with a constant."""
    if kwargs.get("mode") == "constant":
        kwargs = {**kwargs, "constant_values": -1}
    return function(np.arange(int(np.prod(shape))).reshape(shape), *args, **kwargs)


def rearranged(function: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of a function that only moves, repeats or drops entries: it is applied to the entries' positions."""
    def back(g: Any, y: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        shape = np.shape(x)
        source = places(function, shape, *args, **kwargs)
        if kwargs.get("mode") == "constant":
            g, source = g[source >= 0], source[source >= 0]
        return np.reshape(scatter(g, source, (int(np.prod(shape)),)), shape)
    return back


def interpolated_x(g: Any, y: Any, x: Any, xp: Any, fp: Any) -> Any:
    """The slope of the segment that x is in; 0 outside."""
    slopes = np.concatenate([np.zeros(1, y.dtype), np.diff(fp) / np.diff(xp), np.zeros(1, y.dtype)])
    return g * gather(slopes, np.searchsorted(xp, x, side="right"))


def interpolated_fp(g: Any, y: Any, x: Any, xp: Any, fp: Any) -> Any:
    """The weights of a segment's two ends."""
    left = np.clip(np.searchsorted(xp, x, side="right") - 1, 0, len(xp) - 2)
    weight = np.clip((x - gather(xp, left)) / (gather(xp, left + 1) - gather(xp, left)), 0.0, 1.0)
    return scatter(g * (1 - weight), left, np.shape(fp)) + scatter(g * weight, left + 1, np.shape(fp))


REARRANGEMENTS: list[Any] = [
    np.tile, np.repeat, np.rot90, np.fliplr, np.flipud, np.rollaxis, np.diagonal, np.take, np.take_along_axis, np.delete, np.resize, np.ravel,
    np.pad, np.squeeze, np.matrix_transpose,
]

STRUCTURE: dict[Any, Any] = {
    operator.getitem: (lambda g, y, x, index: scatter(g, index, x.shape), None),
    gather: (lambda g, y, x, index: scatter(g, index, x.shape), None),
    scatter: (lambda g, y, x, index, shape: g[index],),
    assign: (lambda g, y, x, value, index: assign(g, 0.0, index), assigned_value),
    cast: (lambda g, y, x, dtype: cast(g, getattr(x, "dtype", np.float64)),),
    np.copy: (lambda g, y, x, **kwargs: g,),
    np.reshape: (lambda g, y, x, shape, order="C": np.reshape(g, np.shape(x), order=order),),
    np.transpose: (lambda g, y, x, axes: np.transpose(g, inverse_axes(axes)),),
    np.broadcast_to: (lambda g, y, x, shape: sum_to(g, np.shape(x)),),
    np.flip: (lambda g, y, x, axis=None: np.flip(g, axis),),
    np.roll: (lambda g, y, x, shift, axis=None: np.roll(g, np.negative(shift), axis),),
    join: piece,
    pile: lambda position, g, y, axis, *arrays: g[(slice(None),) * (axis % g.ndim) + (position - 1,)],
    np.add.reduce: (lambda g, y, x, axis=None, keepdims=False: np.broadcast_to(like_reduced(g, x, axis, keepdims), np.shape(x)),),
    np.multiply.reduce: (product,),
    np.maximum.reduce: (extremum,),
    np.minimum.reduce: (extremum,),
    np.logaddexp.reduce: (lambda g, y, x, axis=None, keepdims=False:
                          like_reduced(g, x, axis, keepdims) * np.exp(x - like_reduced(y, x, axis, keepdims)),),
    np.logaddexp2.reduce: (lambda g, y, x, axis=None, keepdims=False:
                           like_reduced(g, x, axis, keepdims) * np.exp2(x - like_reduced(y, x, axis, keepdims)),),
    np.add.accumulate: (lambda g, y, x, axis=0: np.flip(np.add.accumulate(np.flip(g, axis), axis=axis), axis),),
    np.multiply.accumulate: (cumulative_product,),
    np.interp: (interpolated_x, "np.interp is differentiated in x and fp, not in xp", interpolated_fp),
    **{function: (rearranged(function),) for function in REARRANGEMENTS},
}
