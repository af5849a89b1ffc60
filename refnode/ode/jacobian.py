"""Jacobians df/dz for implicit methods, given or by differences, and the factorisation of matrices made of them. Needs SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs
from scipy.sparse import csc_array, eye_array, issparse
from scipy.sparse.linalg import splu

from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats

Solve = Callable[[np.ndarray], np.ndarray]
Matrix = Any  # an array (n, n), or a sparse one in compressed columns

# The relative step of a difference, for each column: sqrt(eps) at first, and kept within these bounds
SMALLEST_FACTOR, LARGEST_FACTOR = 1e3, 0.1  # in units of eps; of 1
# The largest difference of a column, in units of the f that it was taken of: below REJECT it is tried again, outside [SMALL, BIG] the step changes
REJECT, SMALL, BIG = 0.875, 0.75, 0.25  # powers of eps


class Singular(Exception):
    """A matrix that cannot be factorised. An implicit step that needed it was too long."""


class NotFinite(Singular):
    """It holds NaN or infinity."""


class Jacobian:
    """J(z, t) = df/dz, (n, n), from one of

    jac:      a function jac(z, t) of flat vectors that returns an array or a sparse array, or a constant matrix;
    sparsity: a matrix that is nonzero wherever J may be: differences, of many columns in one evaluation, and J is sparse;
    neither:  differences, one evaluation a column.

    J is an array or a `csc_array`, of z's dtype. Complex states: f is differentiated along the real axis, as if it were holomorphic.
    constant: J never changes. threshold: components smaller than this are varied as if they were so large (atol serves).
    memory: what the differences carry from one call to the next.
    """

    def __init__(self, f: Evaluate, z: np.ndarray, jac: Any = None, sparsity: Any = None, *, stats: SolveStats, threshold: Any = 1e-8):
        self.f, self.stats, self.n, self.dtype, real = f, stats, z.size, z.dtype, np.finfo(z.dtype).dtype
        self.threshold = np.asarray(threshold, real)
        self.jac = jac if callable(jac) else None
        self.J = None if jac is None or callable(jac) else self._checked(jac, "jac")
        self.constant = self.J is not None
        self.sparse = sparsity is not None
        self.memory: list[np.ndarray] = []
        if jac is not None and sparsity is not None:
            raise ValueError("jac and jac_sparsity are both given; jac_sparsity is for differences alone.")
        if jac is None:
            self.eps = float(np.finfo(z.dtype).eps)
            self.factor = np.full(self.n, self.eps**0.5, real)
            self.memory.append(self.factor)
            pattern = np.ones((self.n, self.n), bool) if sparsity is None else self._checked(sparsity, "jac_sparsity", complex) != 0
            pattern = csc_array(pattern, dtype=bool) + eye_array(self.n, dtype=bool, format="csc")  # the diagonal: no column is empty
            pattern.sort_indices()
            self.rows, self.starts = pattern.indices, pattern.indptr
            self.column = np.repeat(np.arange(self.n), np.diff(self.starts))
            self.groups = np.arange(self.n) if sparsity is None else colouring(pattern)

    def __call__(self, z: np.ndarray, t: float, f0: np.ndarray) -> Matrix:
        """J at (z, t), where f is f0; t is no jump."""
        if self.J is not None:
            return self.J
        self.stats.njev += 1
        with np.errstate(over="ignore", invalid="ignore"):  # NaN and infinity make the matrix `Singular`
            return self._checked(self.jac(z, t), "jac") if self.jac is not None else self._by_differences(z, t, f0)

    def _checked(self, J: Any, name: str, dtype: Any = None) -> Matrix:
        dtype = self.dtype if dtype is None else dtype
        J = csc_array(J) if issparse(J) else np.asarray(J)
        if J.shape != (self.n, self.n):
            raise ValueError(f"{name} must have shape {(self.n, self.n)}, one row and one column for each number of the state, not {J.shape}.")
        if J.dtype.kind not in ("fiubc" if np.dtype(dtype).kind == "c" else "fiub"):
            raise TypeError(f"{name} has dtype {J.dtype} where the state is {np.dtype(dtype)}; it must hold real numbers.")
        return J.astype(dtype)

    def _by_differences(self, z: np.ndarray, t: float, f0: np.ndarray) -> Matrix:
        """(f(z + h e_j) - f(z)) / h, with h small enough for the curvature of f and large enough for its rounding errors.

        The step of each column is found by experience: Salane 1986 (Sandia report SAND86-1319), as in MATLAB's numjac and SciPy's num_jac.
        """
        eps, factor = self.eps, self.factor
        size = np.maximum(np.abs(z), self.threshold)
        size[size < np.finfo(self.dtype).tiny / eps] = 1.0  # z = 0 and atol = 0: there is no scale
        direction = np.where(f0.real >= 0, size, -size)  # where the solution is going: there f is defined
        h = (z + factor * direction) - z
        every = np.arange(self.n)
        differences, largest, scale = self._differences(z, t, f0, h, every)

        weak = largest < eps**REJECT * scale
        if np.any(weak):
            again = np.where(weak, np.minimum(10 * factor, LARGEST_FACTOR), factor)
            h_again = (z + again * direction) - z
            found = self._differences(z, t, f0, h_again, every[weak])
            better = weak & (largest * found[2] < found[1] * scale)
            entries = better[self.column]
            differences[entries] = found[0][entries]
            factor[better], h[better], largest[better], scale[better] = again[better], h_again[better], found[1][better], found[2][better]

        factor[largest < eps**SMALL * scale] *= 10
        factor[largest > eps**BIG * scale] /= 10
        factor[:] = np.clip(factor, SMALLEST_FACTOR * eps, LARGEST_FACTOR)
        return self._assembled(differences / h[self.column])

    def _differences(self, z: np.ndarray, t: float, f0: np.ndarray, h: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """f(z + h e_j) - f(z) at the entries of J; for each column the size of its largest one, and that of f there. Other columns: 0."""
        wanted = np.zeros(self.n, bool)
        wanted[columns] = True
        changed = np.empty((len(self.groups) and self.groups.max() + 1, self.n), z.dtype)
        changed[:] = f0
        for group in np.unique(self.groups[columns]):
            self.f(np.where(wanted & (self.groups == group), z + h, z), t, changed[group])
        f1 = changed[self.groups[self.column], self.rows]
        differences = f1 - f0[self.rows]
        sizes = np.abs(differences)
        largest = np.maximum.reduceat(sizes, self.starts[:-1]) if self.n else sizes
        there = self.starts[:-1].copy()
        at = np.flatnonzero(sizes == largest[self.column])[::-1]
        there[self.column[at]] = at  # of several rows the first one, which is written last
        return differences, largest, np.maximum(np.abs(f0[self.rows[there]]), np.abs(f1[there]))

    def _assembled(self, entries: np.ndarray) -> Matrix:
        if not self.sparse:
            return entries.reshape(self.n, self.n).T
        return csc_array((entries, self.rows, self.starts), (self.n, self.n))


def colouring(pattern: csc_array) -> np.ndarray:
    """A number for each column, such that columns of one number have no row in common: the smallest that is free, from left to right.

    Such columns are found in one evaluation. Curtis, Powell, Reid 1974
    """
    meets = csc_array(pattern.T.astype(np.int32) @ pattern.astype(np.int32))
    colours = np.full(pattern.shape[1], -1)
    for j in range(len(colours)):
        taken = set(colours[meets.indices[meets.indptr[j]:meets.indptr[j + 1]]].tolist())
        colours[j] = next(colour for colour in range(len(colours)) if colour not in taken)
    return colours


def shifted(J: Matrix, x: complex) -> Matrix:
    """x I - J. x: a Python number, so that J's precision stays."""
    if issparse(J):
        return csc_array(x * eye_array(J.shape[0], format="csc", dtype=J.dtype) - J)
    return x * np.eye(len(J), dtype=J.dtype) - J


def factorise(A: Matrix, stats: SolveStats) -> Solve:
    """b -> x with A x = b, by LU factors. Raises `Singular`, if A is, or holds NaN or infinity."""
    stats.nlu += 1
    if not np.all(np.isfinite(A.data if issparse(A) else A)):
        raise NotFinite("the matrix holds NaN or infinity.")
    if issparse(A):
        try:
            return splu(A).solve
        except RuntimeError as error:
            raise Singular(str(error)) from None
    if not len(A):
        return lambda b: b
    getrf, getrs = get_lapack_funcs(("getrf", "getrs"), (A,))
    lu, pivots, info = getrf(A)
    if info > 0:
        raise Singular(f"pivot {info} of {len(A)} is zero.")
    return lambda b: getrs(lu, pivots, b)[0]
