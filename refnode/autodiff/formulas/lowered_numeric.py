"""Calls that compute, rewritten step by step as NumPy computes them, so that the bits are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.primitives import Refused, count, det_sign, eigenvalues, eigenvectors, euclidean, log_det


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The summed axes last in a and first in b, both as matrices, one product."""
    na, nb = np.ndim(a), np.ndim(b)
    if isinstance(axes, (int, np.integer)):
        axes = (range(na - axes, na), range(axes))
    sum_a, sum_b = ([int(i) % n for i in np.atleast_1d(np.asarray(list(part) if not np.isscalar(part) else part, dtype=int))]
                    for part, n in zip(axes, (na, nb), strict=True))
    keep_a, keep_b = [i for i in range(na) if i not in sum_a], [i for i in range(nb) if i not in sum_b]
    shape_a, shape_b = np.shape(a), np.shape(b)
    summed = int(np.prod([shape_a[i] for i in sum_a]))
    rows = int(np.prod([shape_a[i] for i in keep_a]))
    columns = int(np.prod([shape_b[i] for i in keep_b]))
    left = np.reshape(np.transpose(a, [*keep_a, *sum_a]), (rows, summed))
    right = np.reshape(np.transpose(b, [*sum_b, *keep_b]), (summed, columns))
    return np.reshape(np.dot(left, right), [shape_a[i] for i in keep_a] + [shape_b[i] for i in keep_b])


def kron(a: Any, b: Any) -> Any:
    n = max(np.ndim(a), np.ndim(b))
    shape_a, shape_b = ((1,) * (n - np.ndim(x)) + np.shape(x) for x in (a, b))
    left = np.reshape(a, [k for i in shape_a for k in (i, 1)])
    right = np.reshape(b, [k for i in shape_b for k in (1, i)])
    return np.reshape(left * right, [i * j for i, j in zip(shape_a, shape_b, strict=True)])


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise Refused("np.cross is differentiated for vectors with three components only; write a[0] * b[1] - a[1] * b[0]")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    return np.moveaxis(np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=-1), -1, axisc)


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, choice, result)
    return result


def var(a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    centred = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(centred * centred, axis=axis, keepdims=keepdims) / (count(a, axis) - ddof)


def average(a: Any, axis: Any = None, weights: Any = None, keepdims: bool = False) -> Any:
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(weights) != np.shape(a):
        if not isinstance(axis, int) or np.ndim(weights) != 1:
            raise Refused("np.average is differentiated with weights of the array's shape, or one per entry of one axis; write the weighted sum")
        weights = np.reshape(weights, (-1,) + (1,) * (np.ndim(a) - axis % np.ndim(a) - 1))
        weights = np.broadcast_to(weights, np.shape(a))
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / np.sum(weights, axis=axis, keepdims=keepdims)


def median(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if isinstance(axis, tuple) or (axis is None and keepdims):
        raise Refused("np.median is differentiated over one axis, or over all without keepdims; move the axes into one first")
    a, axis = (np.ravel(a), 0) if axis is None else (a, axis)
    n = a.shape[axis]
    return np.mean(np.take(np.sort(a, axis), range((n - 1) // 2, n // 2 + 1), axis), axis=axis, keepdims=keepdims)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    for end, first in ((prepend, True), (append, False)):
        if end is not None:
            if np.ndim(end) == 0:
                end = np.broadcast_to(end, [1 if i == axis % a.ndim else size for i, size in enumerate(a.shape)])
            a = np.concatenate((end, a) if first else (a, end), axis)
    before = (slice(None),) * (axis % a.ndim)
    for _ in range(n):
        a = a[(*before, slice(1, None))] - a[(*before, slice(None, -1))]
    return a


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    steps = diff(np.ravel(ary))
    return np.concatenate([np.ravel(part) for part in (to_begin, steps, to_end) if part is not None])


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    axes = tuple(range(f.ndim)) if axis is None else tuple(int(i) % f.ndim for i in np.atleast_1d(axis))
    spacings = varargs if len(varargs) == len(axes) else varargs * len(axes) if varargs else (1.0,) * len(axes)
    if edge_order != 1 or len(spacings) != len(axes) or any(np.ndim(h) for h in spacings):
        raise Refused("np.gradient is differentiated with equal spacings and edge_order=1; write the quotients of np.diff")

    def along(axis: int, h: Any) -> Any:
        def part(*bounds: Any) -> Any:
            return f[(slice(None),) * axis + (slice(*bounds),)]
        return np.concatenate([(part(1, 2) - part(0, 1)) / h, (part(2, None) - part(None, -2)) / (2.0 * h),
                               (part(-1, None) - part(-2, -1)) / h], axis)

    found = tuple(along(i, h) for i, h in zip(axes, spacings, strict=True))
    return found[0] if len(axes) == 1 else found


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    axis = axis % y.ndim
    before = (slice(None),) * axis
    if x is None:
        d = dx
    elif np.ndim(x) == 1:
        d = np.reshape(np.diff(x), (-1,) + (1,) * (y.ndim - axis - 1))
    else:
        d = np.diff(x, axis=axis)
    return np.sum(d * (y[(*before, slice(1, None))] + y[(*before, slice(None, -1))]) / 2.0, axis=axis)


def polyval(p: Any, x: Any) -> Any:
    p, y = np.stack(list(p)), np.zeros_like(x)
    for i in range(len(p)):
        y = y * x + p[i]
    return y


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    vector = isinstance(axis, (int, np.integer)) or (axis is None and np.ndim(x) == 1)
    if ord is None or (ord == 2 and vector) or (isinstance(ord, str) and ord == "fro" and not vector):
        return euclidean(x, axis, keepdims)
    if vector and ord == 1:
        return np.sum(abs(x), axis=axis, keepdims=keepdims)
    if vector and ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(abs(x), axis=axis, keepdims=keepdims)
    raise Refused(f"np.linalg.norm is differentiated for the Euclidean, 1- and maximum norm of vectors and the Frobenius norm, not ord={ord!r}; "
                  "write it with np.abs and np.sum")


def vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    if axis is None and keepdims:
        raise Refused("np.linalg.vector_norm over all axes is not differentiated with keepdims; reshape its result")
    return norm(np.ravel(x), ord, 0) if axis is None else norm(x, ord, axis, keepdims)


def slogdet(a: Any) -> Any:
    return type(np.linalg.slogdet(np.eye(1)))(det_sign(a), log_det(a))


def check_lower(UPLO: str) -> None:
    if UPLO != "L":
        raise Refused("symmetric eigenvalue problems are differentiated with UPLO='L' only; transpose the matrix")


def eigh(a: Any, UPLO: str = "L") -> Any:
    check_lower(UPLO)
    return type(np.linalg.eigh(np.eye(1)))(eigenvalues(a), eigenvectors(a))


def matrix_power(a: Any, n: int) -> Any:
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape)
    if n == 3:
        return a @ a @ a
    power = result = None
    while n > 0:
        power = a if power is None else power @ power
        n, bit = divmod(n, 2)
        if bit:
            result = power if result is None else result @ power
    return result


NUMERIC: dict[Any, Callable[..., Any]] = {
    np.sum: lambda a, axis=None, keepdims=False: np.add.reduce(a, axis=axis, keepdims=keepdims),
    np.prod: lambda a, axis=None, keepdims=False: np.multiply.reduce(a, axis=axis, keepdims=keepdims),
    np.max: lambda a, axis=None, keepdims=False: np.maximum.reduce(a, axis=axis, keepdims=keepdims),
    np.min: lambda a, axis=None, keepdims=False: np.minimum.reduce(a, axis=axis, keepdims=keepdims),
    np.ptp: lambda a, axis=None, keepdims=False: np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims),
    np.mean: lambda a, axis=None, keepdims=False: np.add.reduce(a, axis=axis, keepdims=keepdims) / count(a, axis),
    np.var: var,
    np.std: lambda a, axis=None, ddof=0, keepdims=False: np.sqrt(var(a, axis, ddof, keepdims)),
    np.average: average,
    np.median: median,
    np.cumsum: lambda a, axis=None: np.add.accumulate(np.ravel(a) if axis is None else a, axis=axis or 0),
    np.cumprod: lambda a, axis=None: np.multiply.accumulate(np.ravel(a) if axis is None else a, axis=axis or 0),
    np.vdot: lambda a, b: np.dot(np.reshape(a, (-1,)), np.reshape(b, (-1,))),
    np.inner: lambda a, b: a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, ((-1,), (-1,))),
    np.outer: lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1)),
    np.tensordot: tensordot,
    np.kron: kron,
    np.cross: cross,
    np.trace: lambda a, offset=0, axis1=0, axis2=1: np.add.reduce(np.diagonal(a, offset, axis1, axis2), axis=-1),
    np.clip: clip,
    np.select: select,
    np.divmod: lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)),
    np.diff: diff,
    np.ediff1d: ediff1d,
    np.gradient: gradient,
    np.trapezoid: trapezoid,
    np.polyval: polyval,
    np.linalg.norm: norm,
    np.linalg.slogdet: slogdet,
    np.linalg.eigh: eigh,
    np.linalg.matrix_power: matrix_power,
}
NUMERIC.update({  # the array API's names
    np.linalg.outer: NUMERIC[np.outer],
    np.linalg.cross: lambda x1, x2, axis=-1: cross(x1, x2, axis=axis),
    np.linalg.tensordot: lambda x1, x2, axes=2: tensordot(x1, x2, axes),
    np.linalg.vecdot: lambda x1, x2, axis=-1: np.vecdot(np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)),
    np.linalg.matmul: lambda x1, x2: np.matmul(x1, x2),
    np.linalg.vector_norm: vector_norm,
    np.linalg.matrix_transpose: lambda x: np.matrix_transpose(x),
})
NUMERIC[np.amax], NUMERIC[np.amin] = NUMERIC[np.max], NUMERIC[np.min]
