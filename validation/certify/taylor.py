"""Taylor coefficients of the solution, and the sensitivities of their sum, in balls.

With s in [0, 1] for the time t + h s, the solution through m is z(s) = sum_k z_k s^k, z' = h f(z, t + h s, theta). Newton's method for
power series doubles the number of known coefficients: with z known up to s^{n-1}, f_k the coefficients of f along that polynomial and J_k
those of df/dz, the missing part e solves e' = h (J e + f) from s^n on, up to and including s^{2n}; its square enters at s^{2n+1}:

    e_{k+1} = h/(k+1) (sum_j J_{k-j} e_j + f_k)

The sensitivities X = dz/dz0 and dz/dtheta obey the same recurrence with F_k = 0 and df/dtheta. Only the sum of the first K coefficients is
wanted, so the recurrence is run backwards, as one matrix L_k = d(sum)/dX_k for all right-hand sides:

    V_k = h/(k+1) L_{k+1},   L_k = 1 + sum_{m >= k} V_m J_{m-k},   dz1/dz0 = L_0,   dz1/dtheta = sum_k V_k F_k
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import flint
from flint import arb, arb_mat, arb_series, fmpq

from ..ir.duals import duals, parts, variables
from ..ir.dynamics import Algebra, Dynamics, evaluate
from .numbers import BALLS, working

DUALS = duals(BALLS)


class Expansion(NamedTuple):
    """The truncated series at s = 1: z (D,), dz0 (D, D) and dtheta (D, P)."""

    z: list[arb]
    dz0: arb_mat
    dtheta: arb_mat


def expand(dynamics: Dynamics, middle: Sequence[arb], t: fmpq, h: fmpq, theta: Sequence[arb], terms: int) -> Expansion:
    """The first `terms` Taylor coefficients of the solution through middle at t, and of its sensitivities, summed at t + h.

    For every choice of numbers within the balls middle and theta, the sums for these numbers are in the balls returned. To be called within
    working(bits), whose bits it uses.
    """
    D, P = dynamics.dim, dynamics.params
    z = coefficients(dynamics, middle, t, h, theta, terms)
    slopes = _along(dynamics, DUALS, z, t, h, variables(theta, first=D), terms - 1)
    J, F = _partials(slopes, terms - 1, 0, D), _partials(slopes, terms - 1, D, P)
    return Expansion([sum(reversed(x), arb(0)) for x in zip(*z, strict=True)], *_sums(h, J, F, D, P))


def coefficients(dynamics: Dynamics, middle: Sequence[arb], t: fmpq, h: fmpq, theta: Sequence[arb], terms: int) -> list[list[arb]]:
    """[z_0, z_1, ...], each (D,), in s = (time - t)/h."""
    D, z = dynamics.dim, [list(middle)]
    for longer in _lengths(terms):
        n = len(z)
        J = _partials(_along(dynamics, DUALS, z, t, h, theta, n), n, 0, D)
        f = [_coefficients(x, longer - 1) for x in _along(dynamics, BALLS, z, t, h, theta, longer - 1)]
        F = [[x[k] for x in f] for k in range(longer - 1)]
        z += _linear(h, J, F, n)
    return z


def _linear(h: fmpq, J: list[list[arb]], f: list[list[arb]], first: int) -> list[list[arb]]:
    """[e_first, ..., e_K], each (D,), K the length of f; J_k is (D, D), flat."""
    D = len(f[0])
    backwards = [[x for k in reversed(range(len(J))) for x in J[k][i * D : (i + 1) * D]] for i in range(D)]
    e: list[list[arb]] = []
    for k in range(first - 1, len(f)):
        total = arb_mat(D, 1, f[k])
        if e:
            c = D * len(e)
            total = total + arb_mat(D, c, [x for row in backwards for x in row[-c:]]) * arb_mat(c, 1, [x for e_j in e for x in e_j])
        e.append((total * (arb(h) / (k + 1))).entries())
    return e


def _sums(h: fmpq, J: list[list[arb]], F: list[list[arb]], D: int, P: int) -> tuple[arb_mat, arb_mat]:
    """dz1/dz0 (D, D) and dz1/dtheta (D, P), from J_k (D, D) and F_k (D, P), flat."""
    one = arb_mat(D, D, [int(i == j) for i in range(D) for j in range(D)])
    L, stacked = one, [x for J_k in J for x in J_k]
    rows: list[list[arb]] = [[] for _ in range(D)]  # [V_k, V_{k+1}, ...]
    for k in reversed(range(len(J))):
        V = (L * (arb(h) / (k + 1))).tolist()
        rows = [v + row for v, row in zip(V, rows, strict=True)]
        c = len(rows[0])
        L = one + arb_mat(D, c, [x for row in rows for x in row]) * arb_mat(c, D, stacked[: c * D])
    return L, arb_mat(rows) * arb_mat(D * len(F), P, [x for F_k in F for x in F_k])


def _along(dynamics: Dynamics, algebra: Algebra, z: list[list[arb]], t: fmpq, h: fmpq, theta: Sequence[Any], terms: int) -> list[Any]:
    """f along the polynomial z, as D power series, or D duals of them with the components of z as variables 0, ..., D - 1."""
    with working(flint.ctx.prec, terms):
        state = [arb_series(list(component)) for component in zip(*z, strict=True)]
        return evaluate(dynamics, algebra, state if algebra is BALLS else variables(state), arb_series([arb(t), arb(h)]), theta)


def _partials(slopes: list[Any], terms: int, first: int, count: int) -> list[list[arb]]:
    """For each power of s the partial derivatives by the variables first, ..., first + count - 1, row by row."""
    zeros = [arb(0)] * terms
    rows = []
    for slope in slopes:
        _, partials = parts(slope)
        rows.append([_coefficients(partials[j], terms) if j in partials else zeros for j in range(first, first + count)])
    return [[x[k] for row in rows for x in row] for k in range(terms)]


def _coefficients(x: Any, terms: int) -> list[arb]:
    """Of a power series, or of a number."""
    known = x.coeffs() if isinstance(x, arb_series) else [arb(x)]
    return (known + [arb(0)] * (terms - len(known)))[:terms]


def _lengths(terms: int) -> list[int]:
    """Lengths from above 1 to terms, each at most twice the one before, plus one."""
    lengths = []
    while terms > 1:
        lengths.append(terms)
        terms //= 2
    return lengths[::-1]
