"""How a NumPy call is brought to functions that have rules: data, no mechanism.

`CANONICAL` brings the arguments of a function that has a rule into the positions that the rule expects.
`LOWERED` rewrites a call into calls of functions that have rules, with the same bits as NumPy's own result.
`NOT_DIFFERENTIABLE` are computed on plain values: their derivative is zero wherever it exists, or they answer questions.
`REMEDIES` says what to write instead of functions that people reach for and that have no rule.

A lowering raises `Refused` for arguments that cannot be differentiated; keywords that it does not know are refused by the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.lowered_numeric import NUMERIC, check_lower
from refnode.autodiff.formulas.lowered_shapes import SHAPES
from refnode.autodiff.formulas.primitives import Refused, det_sign

Call = tuple[tuple[Any, ...], dict[str, Any]]  # positional and keyword arguments

LOWERED: dict[Any, Callable[..., Any]] = {**SHAPES, **NUMERIC}


def canonical_where(condition: Any, x: Any = None, y: Any = None) -> Call:
    if x is None or y is None:
        raise Refused("np.where(mask) returns indices; write np.where(mask, x, y)")
    return (condition, x, y), {}


def canonical_reshape(a: Any, shape: Any, order: str = "C") -> Call:
    if order not in ("C", "F"):
        raise Refused(f"np.reshape is differentiated in the orders 'C' and 'F', not {order!r}")
    return (a, tuple(shape) if np.iterable(shape) else (shape,)), {} if order == "C" else {"order": order}


def canonical_einsum(subscripts: Any, *operands: Any, optimize: Any = False) -> Call:
    """The output spelled out; an ellipsis and the form with index lists are refused."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise Refused("np.einsum is differentiated in the form np.einsum('ij,jk->ik', a, b): letters only, no ellipsis, no index lists")
    subscripts = subscripts.replace(" ", "")
    if "->" not in subscripts:
        letters = subscripts.replace(",", "")
        subscripts += "->" + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return (subscripts, *operands), {"optimize": optimize}


def canonical_pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Call:
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap", "empty") or kwargs.get("reflect_type", "even") != "even":
        raise Refused(f"np.pad is differentiated in the modes constant, edge, reflect, symmetric and wrap, not {mode!r}; use np.concatenate")
    return (array, pad_width), {"mode": mode, **kwargs}


def canonical_cholesky(a: Any, upper: bool = False) -> Call:
    if upper:
        raise Refused("np.linalg.cholesky is differentiated for lower triangles only; transpose its result")
    return (a,), {}


def canonical_eigvalsh(a: Any, UPLO: str = "L") -> Call:
    check_lower(UPLO)
    return (a,), {}


def canonical_convolve(a: Any, v: Any, mode: str = "full") -> Call:
    return (a, v, mode), {}


CANONICAL: dict[Any, Callable[..., Call]] = {
    np.where: canonical_where,
    np.reshape: canonical_reshape,
    np.transpose: lambda a, axes=None: ((a, axes), {}),
    np.broadcast_to: lambda array, shape: ((array, shape), {}),
    np.flip: lambda m, axis=None: ((m, axis), {}),
    np.roll: lambda a, shift, axis=None: ((a, shift, axis), {}),
    np.copy: lambda a, order="K": ((a,), {}),
    np.dot: lambda a, b: ((a, b), {}),
    np.matmul: lambda x1, x2: ((x1, x2), {}),
    np.vecdot: lambda x1, x2: ((x1, x2), {}),
    np.sinc: lambda x: ((x,), {}),
    np.nan_to_num: lambda x, copy=True, nan=0.0, posinf=None, neginf=None: ((x,), {"nan": nan, "posinf": posinf, "neginf": neginf}),
    np.interp: lambda x, xp, fp: ((x, xp, fp), {}),
    np.convolve: canonical_convolve,
    np.einsum: canonical_einsum,
    np.pad: canonical_pad,
    np.take: lambda a, indices, axis=None, mode="raise": ((a, indices, axis), {"mode": mode}),
    np.take_along_axis: lambda arr, indices, axis=-1: ((arr, indices, axis), {}),
    np.ravel: lambda a, order="C": ((a, order), {}),
    np.squeeze: lambda a, axis=None: ((a, axis), {}),
    np.linalg.inv: lambda a: ((a,), {}),
    np.linalg.det: lambda a: ((a,), {}),
    np.linalg.solve: lambda a, b: ((a, b), {}),
    np.linalg.pinv: lambda a: ((a,), {}),
    np.linalg.eigvalsh: canonical_eigvalsh,
    np.linalg.cholesky: canonical_cholesky,
}

ABOUT_SHAPES = {  # answered from shapes and dtypes alone
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.min_scalar_type, np.common_type, np.iscomplexobj, np.isrealobj,
    np.may_share_memory, np.shares_memory, np.array_repr, np.array_str, np.array2string,
}

SHAPED_BY_VALUES = {np.nonzero, np.flatnonzero, np.argwhere}

NOT_DIFFERENTIABLE = ABOUT_SHAPES | SHAPED_BY_VALUES | {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.logical_and, np.logical_or, np.logical_not,
    np.logical_xor, np.isnan, np.isfinite, np.isinf, np.isposinf, np.isneginf, np.signbit, np.sign, np.floor, np.ceil, np.trunc, np.rint,
    np.round, np.around, np.fix, np.floor_divide, np.spacing, np.argmax, np.argmin, np.argsort, np.argpartition, np.lexsort, np.any, np.all,
    np.count_nonzero, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.searchsorted, np.digitize, np.isreal, np.iscomplex, np.imag,
    np.logical_and.reduce, np.logical_or.reduce, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, det_sign,
}

REMEDIES = {
    np.nansum: "write np.sum(np.where(np.isnan(x), 0, x))",
    np.nanmean: "take the mean of x[~np.isnan(x)]",
    np.piecewise: "write np.where or np.select",
    np.choose: "write np.where, np.select or np.take_along_axis",
    np.apply_along_axis: "write it with array operations over an axis",
    np.apply_over_axes: "write it with array operations over an axis",
    np.linspace: "write start + (stop - start) * np.linspace(0, 1, n)",
    np.meshgrid: "write np.broadcast_to, or x[:, None] and y[None, :]",
    np.insert: "write np.concatenate of the pieces",
    np.put: "write x[index] = values",
    np.place: "write x[mask] = values",
    np.putmask: "write x[mask] = values",
    np.correlate: "write np.convolve(a, v[::-1], mode)",
    np.percentile: "write np.sort and take the entries",
    np.quantile: "write np.sort and take the entries",
    np.linalg.svd: "write np.linalg.eigh(a.T @ a)",
    np.linalg.lstsq: "write np.linalg.solve(a.T @ a, a.T @ b), or np.linalg.pinv(a) @ b",
    np.linalg.eig: "write np.linalg.eigh for symmetric matrices",
    np.linalg.qr: "write np.linalg.cholesky(a.T @ a)",
    np.linalg.multi_dot: "write the products with @",
}
