"""How a NumPy call is brought to functions that have rules: data, no mechanism.

`CANONICAL` brings the arguments of a function that has a rule into the positions that the rule expects.
`LOWERED` rewrites a call into calls of functions that have rules, with the same bits as NumPy's own result.
`NOT_DIFFERENTIABLE` are computed on plain values: their derivative is zero wherever it exists, or they answer questions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.rules import join, pile

Call = tuple[tuple[Any, ...], dict[str, Any]]  # positional and keyword arguments


def canonical_where(condition: Any, x: Any = None, y: Any = None) -> Call:
    if x is None or y is None:
        raise ValueError("np.where(mask) returns indices; write np.where(mask, x, y).")
    return (condition, x, y), {}


def canonical_reshape(a: Any, shape: Any, order: str = "C") -> Call:
    if order != "C":
        raise ValueError(f"np.reshape is differentiated in order 'C' only, not {order!r}; transpose first.")
    return (a, tuple(shape) if np.iterable(shape) else (shape,)), {}


def canonical_einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Call:
    """The output spelled out; an ellipsis and the form with index lists are refused."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise ValueError("np.einsum is differentiated in the form np.einsum('ij,jk->ik', a, b): letters only, no ellipsis, no index lists.")
    subscripts = subscripts.replace(" ", "")
    if "->" not in subscripts:
        letters = subscripts.replace(",", "")
        subscripts += "->" + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return (subscripts, *operands), {"optimize": optimize}


def canonical_norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Call:
    if ord is not None and not (ord == 2 and (np.ndim(x) == 1 or isinstance(axis, int))):
        raise ValueError(f"np.linalg.norm is differentiated for the Euclidean norm only, not ord={ord!r}; write it with np.abs and np.sum.")
    return (x,), {"axis": axis, "keepdims": keepdims}


CANONICAL: dict[Any, Callable[..., Call]] = {
    np.where: canonical_where,
    np.reshape: canonical_reshape,
    np.transpose: lambda a, axes=None: ((a, axes), {}),
    np.broadcast_to: lambda array, shape: ((array, shape), {}),
    np.copy: lambda a: ((a,), {}),
    np.dot: lambda a, b: ((a, b), {}),
    np.einsum: canonical_einsum,
    np.linalg.norm: canonical_norm,
}


def count(x: Any, axis: Any) -> int:
    """The number of entries that a reduction over `axis` takes together."""
    shape = np.shape(x)
    return int(np.prod(shape)) if axis is None else int(np.prod([shape[i] for i in np.atleast_1d(axis)]))


def lowered_tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """As NumPy does it: the summed axes last in a and first in b, both as matrices, one product."""
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


def lowered_clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def lowered_swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    axes = list(range(a.ndim))
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return np.transpose(a, axes)


def lowered_moveaxis(a: Any, source: Any, destination: Any) -> Any:
    sources, places = ([int(i) % a.ndim for i in np.atleast_1d(axes)] for axes in (source, destination))
    order = [i for i in range(a.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return np.transpose(a, order)


def lowered_expand_dims(a: Any, axis: Any) -> Any:
    n = np.ndim(a) + np.size(axis)
    new = {int(i) % n for i in np.atleast_1d(axis)}
    old = iter(np.shape(a))
    return np.reshape(a, tuple(1 if i in new else next(old) for i in range(n)))


def lowered_squeeze(a: Any, axis: Any = None) -> Any:
    gone = [i for i, n in enumerate(a.shape) if n == 1] if axis is None else [int(i) % a.ndim for i in np.atleast_1d(axis)]
    return np.reshape(a, tuple(n for i, n in enumerate(a.shape) if i not in gone or n != 1))


def lowered_concatenate(arrays: Any, axis: Any = 0) -> Any:
    return join(0, *(np.reshape(a, (-1,)) for a in arrays)) if axis is None else join(axis, *arrays)


def lowered_hstack(tup: Any) -> Any:
    arrays = [np.atleast_1d(a) for a in tup]
    return join(0 if arrays[0].ndim == 1 else 1, *arrays)


def lowered_column_stack(tup: Any) -> Any:
    return join(1, *(a if np.ndim(a) == 2 else np.reshape(a, (-1, 1)) for a in tup))


def lowered_atleast(n: int) -> Callable[..., Any]:
    def atleast(*arrays: Any) -> Any:
        padded = [a if np.ndim(a) >= n else np.reshape(a, (1,) * (n - np.ndim(a)) + np.shape(a)) for a in arrays]
        return padded[0] if len(padded) == 1 else tuple(padded)
    return atleast


def lowered_var(a: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    centred = a - np.mean(a, axis=axis, keepdims=True)
    return np.sum(centred * centred, axis=axis, keepdims=keepdims) / (count(a, axis) - ddof)


LOWERED: dict[Any, Callable[..., Any]] = {
    np.sum: lambda a, axis=None, keepdims=False: np.add.reduce(a, axis=axis, keepdims=keepdims),
    np.max: lambda a, axis=None, keepdims=False: np.maximum.reduce(a, axis=axis, keepdims=keepdims),
    np.min: lambda a, axis=None, keepdims=False: np.minimum.reduce(a, axis=axis, keepdims=keepdims),
    np.mean: lambda a, axis=None, keepdims=False: np.add.reduce(a, axis=axis, keepdims=keepdims) / count(a, axis),
    np.var: lowered_var,
    np.std: lambda a, axis=None, ddof=0, keepdims=False: np.sqrt(lowered_var(a, axis, ddof, keepdims)),
    np.vdot: lambda a, b: np.dot(np.reshape(a, (-1,)), np.reshape(b, (-1,))),
    np.inner: lambda a, b: a * b if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, ((-1,), (-1,))),
    np.outer: lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1)),
    np.tensordot: lowered_tensordot,
    np.trace: lambda a: np.einsum("ii->", a),
    np.clip: lowered_clip,
    np.fabs: lambda x: np.absolute(x),
    np.float_power: lambda x, p: np.power(x, p),
    np.ravel: lambda a: np.reshape(a, (-1,)),
    np.swapaxes: lowered_swapaxes,
    np.moveaxis: lowered_moveaxis,
    np.expand_dims: lowered_expand_dims,
    np.squeeze: lowered_squeeze,
    np.concatenate: lowered_concatenate,
    np.stack: lambda arrays, axis=0: pile(axis, *arrays),
    np.hstack: lowered_hstack,
    np.vstack: lambda tup: join(0, *(np.atleast_2d(a) for a in tup)),
    np.column_stack: lowered_column_stack,
    np.atleast_1d: lowered_atleast(1),
    np.atleast_2d: lowered_atleast(2),
    np.flip: lambda m, axis=None: m[tuple(slice(None, None, -1) if axis is None or i in [j % m.ndim for j in np.atleast_1d(axis)]
                                          else slice(None) for i in range(m.ndim))],
    np.take: lambda a, indices, axis=None: np.ravel(a)[np.asarray(indices)] if axis is None
    else a[(slice(None),) * (axis % a.ndim) + (np.asarray(indices),)],
    np.diff: lambda a, n=1, axis=-1: a if n == 0 else LOWERED[np.diff](
        np.take(a, range(1, a.shape[axis]), axis) - np.take(a, range(a.shape[axis] - 1), axis), n - 1, axis),
    np.roll: lambda a, shift, axis=None: np.reshape(LOWERED[np.roll](np.ravel(a), shift, 0), a.shape) if axis is None
    else np.take(a, np.roll(np.arange(a.shape[axis]), shift), axis),
}

NOT_DIFFERENTIABLE = {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.logical_and, np.logical_or, np.logical_not,
    np.logical_xor, np.isnan, np.isfinite, np.isinf, np.signbit, np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.floor_divide,
    np.shape, np.ndim, np.size, np.result_type, np.argmax, np.argmin, np.argsort, np.any, np.all, np.count_nonzero, np.nonzero, np.isclose,
    np.allclose, np.array_equal, np.searchsorted, np.iscomplexobj, np.isrealobj, np.spacing, np.can_cast, np.may_share_memory,
    np.shares_memory, np.array_repr, np.array_str, np.array2string,
}
