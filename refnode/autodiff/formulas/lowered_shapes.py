"""Calls that only arrange arrays, rewritten into reshape, transpose, slices, join and pile; slices keep them views where NumPy gives views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.primitives import Refused, join, pile, scatter


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    axes = list(range(a.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return np.transpose(a, axes)


def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    sources, targets = ([int(i) % a.ndim for i in np.atleast_1d(axes)] for axes in (source, destination))
    order = [i for i in range(a.ndim) if i not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return np.transpose(a, order)


def expand_dims(a: Any, axis: Any) -> Any:
    n = np.ndim(a) + np.size(axis)
    new = {int(i) % n for i in np.atleast_1d(axis)}
    old = iter(np.shape(a))
    return np.reshape(a, tuple(1 if i in new else next(old) for i in range(n)))


def concatenate(arrays: Any, axis: Any = 0) -> Any:
    return join(0, *(np.reshape(a, (-1,)) for a in arrays)) if axis is None else join(axis, *arrays)


def hstack(tup: Any) -> Any:
    arrays = [np.atleast_1d(a) for a in tup]
    return join(0 if arrays[0].ndim == 1 else 1, *arrays)


def column_stack(tup: Any) -> Any:
    return join(1, *(a if np.ndim(a) >= 2 else np.reshape(a, (-1, 1)) for a in tup))


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return join(0, np.ravel(arr), np.ravel(values)) if axis is None else join(axis, arr, values)


def block(arrays: Any) -> Any:
    def depth(x: Any) -> int:
        return 1 + depth(x[0]) if isinstance(x, list) else 0

    def blocked(x: Any, level: int) -> Any:
        if isinstance(x, list):
            return join(-level, *(blocked(child, level - 1) for child in x))
        return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))

    def largest(x: Any) -> int:
        return max(map(largest, x)) if isinstance(x, list) else np.ndim(x)

    ndim = max(depth(arrays), largest(arrays))
    return blocked(arrays, depth(arrays))


def atleast(n: int) -> Callable[..., Any]:
    def padded(a: Any) -> Any:
        if np.ndim(a) >= n:
            return a
        return np.reshape(a, (1, *np.shape(a), 1) if n == 3 and np.ndim(a) == 1 else (*np.shape(a), 1) if n == 3 and np.ndim(a) == 2
                          else (1,) * (n - np.ndim(a)) + np.shape(a))

    def function(*arrays: Any) -> Any:
        return padded(arrays[0]) if len(arrays) == 1 else tuple(map(padded, arrays))
    return function


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """As slices, found by splitting the axis's positions."""
    pieces = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(int(i[0]), int(i[-1]) + 1) if len(i) else slice(0, 0))] for i in pieces]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    if np.ndim(indices_or_sections) == 0 and ary.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


def unstack(x: Any, axis: int = 0) -> tuple[Any, ...]:
    return tuple(x[(slice(None),) * (axis % x.ndim) + (i,)] for i in range(x.shape[axis]))


def diag(v: Any, k: int = 0) -> Any:
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    i = np.arange(v.size)
    n = v.size + abs(k)
    return scatter(v, (i + max(-k, 0), i + max(k, 0)), (n, n))


def triangle(keep: Callable[..., Any]) -> Callable[..., Any]:
    def function(m: Any, k: int = 0) -> Any:
        mask = keep(np.ones(m.shape[-2:], dtype=bool), k=k)
        return np.where(mask, m, 0.0)
    return function


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if a.ndim != 2 or wrap:
        raise Refused("np.fill_diagonal is differentiated for matrices only; write a[i, i] = ... with index arrays")
    i = np.arange(min(a.shape))
    a[i, i] = val


def copyto(dst: Any, src: Any) -> None:
    if isinstance(dst, np.ndarray):
        raise Refused("np.copyto cannot copy a traced value into a plain array; make the array with np.zeros_like(z)")
    dst[...] = src


def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    return np.take(a, np.flatnonzero(condition), axis)


def sort(a: Any, axis: Any = -1, kind: Any = None, stable: Any = None) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argsort(a, axis, kind=kind, stable=stable), axis)


def partition(a: Any, kth: Any, axis: Any = -1) -> Any:
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(a, np.argpartition(a, kth, axis), axis)


SHAPES: dict[Any, Callable[..., Any]] = {
    np.swapaxes: swapaxes,
    np.moveaxis: moveaxis,
    np.expand_dims: expand_dims,
    np.concatenate: concatenate,
    np.stack: lambda arrays, axis=0: pile(axis, *arrays),
    np.hstack: hstack,
    np.vstack: lambda tup: join(0, *(np.atleast_2d(a) for a in tup)),
    np.dstack: lambda tup: join(2, *(np.atleast_3d(a) for a in tup)),
    np.column_stack: column_stack,
    np.append: append,
    np.block: block,
    np.atleast_1d: atleast(1),
    np.atleast_2d: atleast(2),
    np.atleast_3d: atleast(3),
    np.broadcast_arrays: lambda *args: tuple(np.broadcast_to(a, np.broadcast_shapes(*map(np.shape, args))) for a in args),
    np.array_split: array_split,
    np.split: split,
    np.hsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1),
    np.vsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 0),
    np.dsplit: lambda ary, indices_or_sections: split(ary, indices_or_sections, 2),
    np.diag: diag,
    np.diagflat: lambda v, k=0: diag(np.ravel(v), k),
    np.tril: triangle(np.tril),
    np.triu: triangle(np.triu),
    np.fill_diagonal: fill_diagonal,
    np.copyto: copyto,
    np.compress: compress,
    np.extract: lambda condition, arr: np.take(np.ravel(arr), np.flatnonzero(condition)),
    np.sort: sort,
    np.partition: partition,
    np.real: lambda val: val,
}
if hasattr(np, "unstack"):  # NumPy 2.1
    SHAPES[np.unstack] = unstack
