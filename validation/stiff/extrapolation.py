"""A solver for reference values of stiff equations: extrapolation of the linearly implicit Euler method, in NumPy's longest type.

The method of the code SEULEX; HW (Hairer and Wanner II): IV.9. Increments are extrapolated, so that rounding errors are relative to them.
"""

from __future__ import annotations

import numpy as np

COLUMNS = 10
TOLERANCE = 1e-13  # of the last but one column; the last one, of order 10, is what is kept. Rounding errors reach 1e-15
STEP = 1e-30


def extrapolated(problem):
    """z at problem.ts, (N, D), for z' = f(z, t, theta). float64, rounded from the longer type."""
    z, t = np.asarray(problem.z0, np.longdouble), np.longdouble(problem.ts[0])
    H, rows = np.longdouble(1e-12) * problem.ts[-1], [z]
    for end in np.asarray(problem.ts[1:], np.longdouble):
        while t < end:
            cut = min(H, end - t)
            candidate, error = step(problem.f, z, t, cut)
            ratio = float(np.max(np.abs(error) / (problem.small + np.abs(candidate)))) / TOLERANCE
            factor = min(4.0, max(0.1, 0.7 * max(ratio, 1e-20) ** (-1 / COLUMNS))) if np.isfinite(ratio) else 0.1
            if ratio < 1:
                z, t = candidate, end if cut == end - t else t + cut
            if not ratio < 1 or cut == H or factor < 1:
                H = cut * factor
        rows.append(z)
    return np.array(rows, float)


def step(f, z, t, H):
    """z(t + H) from the last column of the tableau, and its distance from the entry to the left.

    T_j1 = S(H/n_j), T_{j,k+1} = T_jk + (T_jk - T_{j-1,k}) / (n_j/n_{j-k} - 1), n_j = 1, 2, 3, ...
    """
    J = jacobian(f, z, t)
    previous = []
    for j in range(COLUMNS):
        row = [_euler(f, J, z, t, H, j + 1)]
        for k in range(j):
            row.append(row[k] + (row[k] - previous[k]) / (np.longdouble(j + 1) / (j - k) - 1))
        previous = row
    return z + previous[-1], previous[-1] - previous[-2]


def _euler(f, J, z, t, H, n):
    """The increment of n steps (1 - h J) delta = h f(z, t + h)."""
    h = H / n
    matrix = inverse(np.eye(len(z), dtype=np.longdouble) - h * J)
    change = np.zeros_like(z)
    for i in range(n):
        change = change + matrix @ (h * f(z + change, t + (i + 1) * h, ()))
    return change


def jacobian(f, z, t):
    """df/dz, (D, D), by complex steps: f is analytic, so this is exact to rounding."""
    return np.stack([f(z + 1j * STEP * e, t, ()).imag / STEP for e in np.eye(z.size, dtype=np.longdouble)], axis=1)


def inverse(A):
    """By Gauss and Jordan with pivots; NumPy's own does not take longdouble."""
    n = len(A)
    rows = np.concatenate([A, np.eye(n, dtype=A.dtype)], axis=1)
    for k in range(n):
        pivot = k + int(np.argmax(np.abs(rows[k:, k])))
        rows[[k, pivot]] = rows[[pivot, k]]
        rows[k] /= rows[k, k]
        others = np.arange(n) != k
        rows[others] -= np.multiply.outer(rows[others, k], rows[k])
    return rows[:, n:]
