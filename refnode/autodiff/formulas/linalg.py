"""Products of vectors and matrices, and linear algebra. Stacks of matrices are stacks everywhere; T swaps the last two axes."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from refnode.autodiff.formulas.primitives import eigenvalues, eigenvectors, euclidean, log_det, nonzero, sum_to
from refnode.autodiff.formulas.primitives import transposed as T
from refnode.autodiff.formulas.structure import like_reduced


def matmul_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return sum_to(np.expand_dims(g, -1) * b, a.shape)
    if a.ndim == 1:
        return sum_to(np.matmul(b, np.expand_dims(g, -1))[..., 0], a.shape)
    return sum_to(np.matmul(g, T(b)), a.shape)


def matmul_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1:
        if b.ndim == 1:
            return g * a
        return sum_to(np.expand_dims(a, -1) * np.expand_dims(g, -2), b.shape)
    if b.ndim == 1:
        return sum_to(np.matmul(T(a), np.expand_dims(g, -1))[..., 0], b.shape)
    return sum_to(np.matmul(T(a), g), b.shape)


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
    terms, k = inputs.split(","), position - 1
    fresh = iter(letter for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in subscripts)
    wanted = ""
    factors, factor_terms = [g], [output]
    for axis, letter in enumerate(terms[k]):
        if letter in wanted:
            new = next(fresh)
            factors.append(np.eye(operands[k].shape[axis], dtype=y.dtype))
            factor_terms.append(letter + new)
            letter = new
        wanted += letter
    factors += [array for i, array in enumerate(operands) if i != k]
    factor_terms += [term for i, term in enumerate(terms) if i != k]
    for axis, letter in enumerate(wanted):
        if not any(letter in term for term in factor_terms):
            factors.append(np.ones(operands[k].shape[axis], dtype=y.dtype))
            factor_terms.append(letter)
    return np.einsum(",".join(factor_terms) + "->" + wanted, *factors)


def solved_b(g: Any, y: Any, a: Any, b: Any) -> Any:
    """a^-T g, in y's shape. NumPy takes b for a vector only if it has one axis."""
    return np.linalg.solve(T(a), np.expand_dims(g, -1))[..., 0] if b.ndim == 1 else np.linalg.solve(T(a), g)


def solved_a(g: Any, y: Any, a: Any, b: Any) -> Any:
    s = solved_b(g, y, a, b)
    return sum_to(-np.expand_dims(s, -1) * np.expand_dims(y, -2) if b.ndim == 1 else -s @ T(y), a.shape)


def convolved(g: Any, a: Any, b: Any, mode: str) -> Any:
    """The cotangent of a, where np.convolve(a, b, mode) is the middle part of the full convolution."""
    full, first = a.size + b.size - 1, {"full": 0, "same": (min(a.size, b.size) - 1) // 2, "valid": min(a.size, b.size) - 1}[mode]
    whole = np.pad(g, (first, full - first - g.size), mode="constant")
    return np.convolve(whole, b[::-1], "full")[b.size - 1 : full]


def lower(s: Any) -> Any:
    """The cotangent of a symmetric matrix as one of its lower triangle, which alone is read."""
    return np.tril(s) + np.tril(T(s), -1)


def cholesky_vjp(g: Any, y: Any, a: Any) -> Any:
    """y^-T phi(y^T g) y^-1, where phi takes the lower triangle with half of the diagonal."""
    p = T(y) @ g
    middle = 0.5 * (np.tril(p) + np.tril(p, -1))
    return lower(np.linalg.solve(T(y), T(np.linalg.solve(T(y), T(middle)))))


def eigenvalues_vjp(g: Any, y: Any, a: Any) -> Any:
    v = eigenvectors(a)
    return lower((v * np.expand_dims(g, -2)) @ T(v))


def eigenvectors_vjp(g: Any, y: Any, a: Any) -> Any:
    """y (F * (y^T g)) y^T, F_ij = 1 / (w_j - w_i), 0 on the diagonal: infinite where eigenvalues coincide."""
    w, same = eigenvalues(a), np.eye(a.shape[-1], dtype=bool)
    gaps = np.expand_dims(w, -2) - np.expand_dims(w, -1)
    return lower(y @ (np.where(same, 0.0, T(y) @ g) / np.where(same, 1.0, gaps)) @ T(y))


def pinv_vjp(g: Any, y: Any, a: Any) -> Any:
    """Golub and Pereyra's three terms; the rank must not change."""
    return -T(y) @ g @ T(y) + (T(g) - a @ y @ T(g)) @ y @ T(y) + T(y) @ y @ (T(g) - T(g) @ y @ a)


LINALG: dict[Any, Any] = {
    np.matmul: (matmul_a, matmul_b),
    operator.matmul: (matmul_a, matmul_b),
    np.dot: (dot_a, dot_b),
    np.vecdot: (lambda g, y, a, b: sum_to(np.expand_dims(g, -1) * b, a.shape), lambda g, y, a, b: sum_to(np.expand_dims(g, -1) * a, b.shape)),
    np.einsum: einsum_vjp,
    np.convolve: (lambda g, y, a, b, mode: convolved(g, a, b, mode), lambda g, y, a, b, mode: convolved(g, b, a, mode)),
    np.linalg.inv: (lambda g, y, a: -T(y) @ g @ T(y),),
    np.linalg.solve: (solved_a, lambda g, y, a, b: sum_to(solved_b(g, y, a, b), b.shape)),
    np.linalg.det: (lambda g, y, a: np.expand_dims(g * y, (-2, -1)) * T(np.linalg.inv(a)),),
    log_det: (lambda g, y, a: np.expand_dims(g, (-2, -1)) * T(np.linalg.inv(a)),),
    np.linalg.cholesky: (cholesky_vjp,),
    eigenvalues: (eigenvalues_vjp,),
    np.linalg.eigvalsh: (eigenvalues_vjp,),
    eigenvectors: (eigenvectors_vjp,),
    np.linalg.pinv: (pinv_vjp,),
    euclidean: (lambda g, y, x, axis, keepdims: like_reduced(g, x, axis, keepdims) * (x / nonzero(like_reduced(y, x, axis, keepdims))),),
}
if hasattr(np, "matvec"):  # NumPy 2.2
    LINALG[np.matvec] = (lambda g, y, a, x: sum_to(np.expand_dims(g, -1) * np.expand_dims(x, -2), a.shape),
                         lambda g, y, a, x: sum_to(np.matvec(T(a), g), x.shape))
    LINALG[np.vecmat] = (lambda g, y, x, a: sum_to(np.matvec(a, g), x.shape),
                         lambda g, y, x, a: sum_to(np.expand_dims(x, -1) * np.expand_dims(g, -2), a.shape))
