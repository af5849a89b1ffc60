"""A solver for reference values: extrapolation of the modified midpoint rule, in NumPy's longest floating-point type.

HNW: II.9, the GBS method. The steps are powers of 2, so that times are exact and every integer is met.
"""

from __future__ import annotations

import numpy as np

COLUMNS = 10
TOLERANCE = 1e-16  # of the last but one column; the last one, of order 20, is better and is what is kept


def extrapolated(f, z0, ts):
    """z at ts (N,), integers from 0 on, (N, D), for z' = f(z, t, theta). float64, rounded from the longer type."""
    z, t, H = np.asarray(z0, np.longdouble), np.longdouble(0), np.longdouble(1) / 8
    rows = [z]
    for end in ts[1:]:
        while t < end:
            candidate, error = step(f, z, t, H)
            if not np.max(np.abs(error) / (1 + np.abs(candidate))) < TOLERANCE:
                H = H / 2
                continue
            z, t = candidate, t + H
            if np.remainder(t, 2 * H) == 0 and H < 1:
                H = 2 * H  # a wrong guess costs one try
        rows.append(z)
    return np.array(rows, float)


def step(f, z, t, H):
    """z(t + H) from the last column of the tableau, and its distance from the entry to the left.

    T_j1 = S(H/n_j), T_{j,k+1} = T_jk + (T_jk - T_{j-1,k})/((n_j/n_{j-k})^2 - 1), n_j = 2, 4, 6, ...   HNW: II.9 (9.13)
    """
    previous = []
    for j in range(COLUMNS):
        row = [_midpoint(f, z, t, H, 2 * (j + 1))]
        for k in range(j):
            ratio = np.longdouble(j + 1) / (j - k)
            row.append(row[k] + (row[k] - previous[k]) / (ratio * ratio - 1))
        previous = row
    return previous[-1], previous[-1] - previous[-2]


def _midpoint(f, z, t, H, n):
    h = H / n
    before, now = z, z + h * f(z, t, ())
    for i in range(1, n):
        before, now = now, before + 2 * h * f(now, t + i * h, ())
    return now
