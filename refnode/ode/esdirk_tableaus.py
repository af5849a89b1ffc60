"""Singly diagonally implicit Runge-Kutta methods with an explicit first stage (ESDIRK): their tableaus, validated when they are built.

    k_0 = f(z, t),   Y_i = z + h sum_{j<i} A[i][j] k_j + h gamma k_i,   k_i = f(Y_i, t + c[i] h),   z(t + h) = Y_{s-1}

Each stage is one equation for one Y_i, and all of them have the same matrix I - h gamma J. The last row of A is b (stiffly accurate: what
a stiff component does is what the last stage says), so that the first stage of a step is the last one of the step before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction as F
from typing import Any

import numpy as np

from refnode.ode.tableau import Coefficients, Row, row, summing_to


@dataclass(frozen=True)
class EsdirkTableau:
    """A method of order p; its embedded formula has order q_hat. Row i of A has i + 1 entries, the last one gamma (0 in the first row).

    interpolant: cubic Hermite, from z, z1 and the slopes at both ends, of order p_dense = min(p, 3). With weights d, for which
    h sum_i d_i k_i = (h^4 / 4!) z^(4) + O(h^5), it has theta^2 (1 - theta)^2 times that as well: a quartic, of order 4.
    predictor[i]: k_i before it is known, from the polynomial in c through the stages before it.
    """

    name: str
    A: tuple[Row, ...]
    p: int
    b_hat: Row
    q_hat: int
    d: Row | None = None
    b: Row = field(init=False)
    c: Row = field(init=False)
    gamma: F = field(init=False)
    interpolant: tuple[Row, ...] = field(init=False, repr=False)
    predictor: tuple[Row, ...] = field(init=False, repr=False)
    _cast: dict[Any, Coefficients] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        s = len(self.A)
        if not all(isinstance(x, F) for row in (*self.A, self.b_hat) for x in row):
            raise TypeError(f"tableau {self.name}: coefficients must be Fractions.")
        if s < 2 or [len(row) for row in self.A] != list(range(1, s + 1)):
            raise ValueError(f"tableau {self.name}: row i of A must have i + 1 entries, for two stages or more.")
        if self.A[0] != (0,) or len({row[-1] for row in self.A[1:]}) != 1 or self.A[1][-1] <= 0:
            raise ValueError(f"tableau {self.name}: the diagonal of A must be 0, gamma, gamma, ... with gamma > 0.")
        c = tuple(sum(row, F(0)) for row in self.A)
        if c[-1] != 1 or sum(self.b_hat) != 1 or len(self.b_hat) != s:
            raise ValueError(f"tableau {self.name}: the weights (the last row of A, b_hat) must sum to 1.")
        if min(c) < 0:
            raise ValueError(f"tableau {self.name}: a row of A sums to a negative c; f is never called before the step.")
        if self.d is not None and (len(self.d) != s or sum(self.d) != 0):
            raise ValueError(f"tableau {self.name}: the weights d must sum to 0, one for each stage.")
        b = self.A[-1]
        for name, value in (("b", b), ("c", c), ("gamma", self.A[1][-1]), ("interpolant", _hermite(b, self.d)), ("predictor", _predictor(c))):
            object.__setattr__(self, name, value)

    @property
    def p_dense(self) -> int:
        return min(self.p, 3 if self.d is None else 4)

    @property
    def error_order(self) -> int:
        """k, where the estimated error is O(h^k): the difference of two formulas is as small as the coarser one is exact."""
        return min(self.p, self.q_hat) + 1

    def cast(self, dtype: Any) -> Coefficients:
        """The coefficients as arrays of a state's dtype (of its real part's dtype where it is complex); kept for the next solve."""
        if dtype not in self._cast:
            real = np.zeros(0, dtype).real.dtype
            self._cast[dtype] = Coefficients(
                tuple(np.array(row, real) for row in self.A), np.array(self.b, real),
                np.array([x - y for x, y in zip(self.b, self.b_hat, strict=True)], real), tuple(map(float, self.c)),
                np.array(self.interpolant, real), True)
        return self._cast[dtype]


def _hermite(b: Row, d: Row | None) -> tuple[Row, ...]:
    """theta^2 (3 - 2 theta) b + theta (1 - theta)^2 e_0 - theta^2 (1 - theta) e_{s-1} + theta^2 (1 - theta)^2 d. HNW: II.6 (6.7)"""
    rows = [[F(0), 3 * x + y, -2 * x - 2 * y, y] for x, y in zip(b, d or (F(0),) * len(b), strict=True)]
    rows[0] = [x + y for x, y in zip(rows[0], (1, -2, 1, 0), strict=True)]
    rows[-1] = [x + y for x, y in zip(rows[-1], (0, -1, 1, 0), strict=True)]
    return tuple(map(tuple, rows))


def _predictor(c: Row) -> tuple[Row, ...]:
    """Lagrange's formula: row i holds the weights of k_0 ... k_{i-1}."""
    rows: list[Row] = [()]
    for i in range(1, len(c)):
        nodes = [j for j in range(i) if c[j] not in c[j + 1:i]]  # of two stages with one c the later, which knows more
        weights = [F(0)] * i
        for j in nodes:
            weights[j] = F(1)
            for other in nodes:
                if other != j:
                    weights[j] *= (c[i] - c[other]) / (c[j] - c[other])
        rows.append(tuple(weights))
    return tuple(rows)


implicit_euler = EsdirkTableau(  # the error is estimated against the trapezoidal rule: (h/2) (k_1 - k_0)
    "implicit_euler", A=(row(0), row(0, 1)), p=1, b_hat=row("1/2", "1/2"), q_hat=2)


def _kvaerno3() -> EsdirkTableau:
    """Kvaerno 2004 (BIT 44), method 3(2): everything follows from gamma, the root near 0.436 of 6 x^3 - 18 x^2 + 9 x - 1, here to 40 digits."""
    gamma = F("0.4358665215084589994160194511935568425293")
    a_31 = (1 - 2 * gamma) / (4 * gamma)
    b_1 = 1 / (12 * gamma * (1 - 2 * gamma))
    b_2 = F(1, 2) - gamma - 2 * gamma * b_1
    return EsdirkTableau(
        "kvaerno3",
        A=(row(0),
           row(gamma, gamma),
           row(1 - gamma - a_31, a_31, gamma),
           row(1 - gamma - b_1 - b_2, b_1, b_2, gamma)),
        p=3, b_hat=row(1 - gamma - a_31, a_31, gamma, 0), q_hat=2)


def _kvaerno5() -> EsdirkTableau:
    """Kvaerno 2004 (BIT 44), method 5(4): the published decimals; the first column follows from c.

    d is not hers. It solves the order conditions of the quartic, which for stages with A c = c^2 / 2 are sum d = sum d c = sum d c^2 = 0,
    sum d c^3 = 1/4, sum d A c^2 = 1/12, with d_1 = d_5 = 0.
    c_2 = 1.23: f is asked beyond the end of the step, and of the solve, by 0.23 h. Not so across a jump: there f is asked just before it,
    at the price of some smaller steps.
    """
    return EsdirkTableau(
        "kvaerno5",
        A=(row(0),
           row("0.26", "0.26"),
           summing_to("1.23033320996790809", "0.84033320996790809", "0.26"),
           summing_to("0.89576598435007588", "0.47675532319799699", "-0.06470895363112615", "0.26"),
           summing_to("0.43639360985864756", "0.10450018841591720", "0.03631482272098715", "-0.13090704451073998", "0.26"),
           summing_to(1, "0", "-0.04245337201752043", "0.02446657898003141", "0.61943039072480676", "0.26"),
           summing_to(1, "0", "-0.05496908796538376", "-0.04118626728321046", "0.62993304899016403", "0.06962479448202728", "0.26")),
        p=5, b_hat=summing_to(1, "0", "-0.04245337201752043", "0.02446657898003141", "0.61943039072480676", "0.26", "0"), q_hat=4,
        d=summing_to(0, "0", "0.84057724013474510491", "-1.41933260078849548054", "1.50731459026693095032", "0", "-0.42058268505468037493"))


kvaerno3, kvaerno5 = _kvaerno3(), _kvaerno5()

ESDIRKS: dict[str, EsdirkTableau] = {method.name: method for method in (implicit_euler, kvaerno3, kvaerno5)}
