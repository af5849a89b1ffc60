"""What can be read off a vector: the flags that follow from its dynamics and inputs, and the condition numbers of its sensitivities."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

FAR = 128
Matrix = list[list[Fraction]]


def flags(vector: dict[str, Any]) -> set[str]:
    """The flags among FACTS that a vector or a request must have."""
    dynamics, inputs, negative = vector["dynamics"], vector["inputs"], vector.get("negative") is not None
    used = set(_leaves([dynamics["let"], dynamics["rhs"]]))
    found = {
        "Scalar": dynamics["dim"] == 1,
        "NonAutonomous": ("t",) in used,
        "UnusedParameter": any(("theta", j) not in used for j in range(dynamics["params"])),
        "Flow": vector.get("flow") is not None,
        "Negative": negative,
    }
    if not negative:
        ts, g = [Fraction(t) for t in inputs["ts"]], [[Fraction(x) for x in row] for row in inputs["cotangents"]]
        found |= {
            "Reversed": ts[-1] < ts[0],
            "RepeatedTimes": len(set(ts)) < len(ts),
            "OneTime": len(ts) == 1,
            "ObservedAtStart": any(g[0]),
            "ZeroRows": not all(any(row) for row in g),
            "FarFromZero": max(map(abs, ts)) >= FAR,
        }
    return {name for name, holds in found.items() if holds}


FACTS = frozenset({
    "Scalar", "NonAutonomous", "UnusedParameter", "Flow", "Negative", "Reversed", "RepeatedTimes", "OneTime", "ObservedAtStart", "ZeroRows",
    "FarFromZero",
})  # fmt: skip


def value_gamma(phis: Sequence[Matrix]) -> float:
    """max over s <= i of |Phi(t_i, t_s)|_inf, at least 1; phis are Phi(t_i, t_0), (N, D, D)."""
    return max(1.0, max(norm(phi) for phi in _transitions(phis)))


def gradient_gamma(phis: Sequence[Matrix], largest: Fraction) -> float:
    """The same of the transposes, times the largest weight."""
    return max(1.0, max(norm(_transposed(phi)) for phi in _transitions(phis))) * float(largest)


def reconstruction_gamma(phis: Sequence[Matrix]) -> float:
    """max over i of |Phi(t_{i-1}, t_i)|_inf, at least 1."""
    return max([1.0, *(norm(product(before, inverse(after))) for before, after in itertools.pairwise(phis))])


def norm(m: Matrix) -> float:
    """max_i sum_j |m_ij|."""
    return float(max(sum(map(abs, row)) for row in m))


def product(a: Matrix, b: Matrix) -> Matrix:
    """a b, exactly."""
    return [[sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in _transposed(b)] for row in a]


def inverse(m: Matrix) -> Matrix:
    """m^-1, exactly, by elimination with row exchanges."""
    n = len(m)
    rows = [list(row) + [Fraction(int(i == j)) for j in range(n)] for i, row in enumerate(m)]
    for k in range(n):
        best = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[best] = rows[best], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[n:] for row in rows]


def middles_of(expected: dict[str, Any]) -> dict[str, Any]:
    """The middles of all expected values, by name."""
    return {name: middles(balls) for name, balls in expected.items()}


def middles(balls: Any) -> Any:
    """The middles of nested balls as Fractions."""
    if balls and isinstance(balls[0], str):
        return Fraction(balls[0])
    return [middles(entry) for entry in balls]


def _transitions(phis: Sequence[Matrix]) -> Iterator[Matrix]:
    """Phi(t_i, t_s) = Phi(t_i, t_0) Phi(t_s, t_0)^-1 for s <= i, each to 40 digits."""
    for s, phi in enumerate(phis):
        back = [[_shortened(x) for x in row] for row in inverse(phi)]
        for later in phis[s:]:
            yield product(later, back)


def _shortened(x: Fraction) -> Fraction:
    """x to 60 digits: fractions grow without end otherwise."""
    if not x:
        return x
    scale = Fraction(10) ** (60 - math.floor(math.log10(abs(x.numerator)) - math.log10(x.denominator)))
    return Fraction(round(x * scale)) / scale


def _transposed(m: Matrix) -> Matrix:
    return [list(column) for column in zip(*m, strict=True)]


def _leaves(e: Any) -> Iterator[tuple]:
    """The leaves of an expression, or of nested lists of them."""
    if isinstance(e, list):
        if e and e[0] in ("z", "theta", "t", "let"):
            yield tuple(e)
        else:
            for part in e:
                yield from _leaves(part)
