"""Butcher tableaus of explicit Runge-Kutta methods: exact fractions, validated when they are built.

    Y_i = z + h sum_j A[i][j] k_j,   k_i = f(Y_i, t + c[i] h),   z(t + h) = z + h sum_i b[i] k_i

The rows of A are written as in Hairer, Norsett and Wanner (HNW); c follows from them. b_hat, where there is one, belongs to the embedded
formula of order q_hat: h (b - b_hat) K estimates the error. `interpolant[i]` holds the coefficients of theta, theta^2, ... of b_i(theta),
so that z + h sum_i b_i(theta) k_i approximates z(t + theta h) on the whole step.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction as F
from typing import Any

import numpy as np

Row = tuple[F, ...]


@dataclass(frozen=True)
class Tableau:
    """A method of order p; its embedded formula has order q_hat, its interpolant order p_dense."""

    name: str
    A: tuple[Row, ...]
    b: Row
    p: int
    interpolant: tuple[Row, ...]
    p_dense: int
    b_hat: Row | None = None
    q_hat: int | None = None
    c: Row = field(init=False)
    _cast: dict[Any, Coefficients] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        s = len(self.b)
        object.__setattr__(self, "c", tuple(sum(row, F(0)) for row in self.A))
        if not all(isinstance(x, F) for row in (*self.A, self.b, self.b_hat or (), *self.interpolant) for x in row):
            raise TypeError(f"tableau {self.name}: coefficients must be Fractions.")
        if len(self.A) != s or any(len(row) != i for i, row in enumerate(self.A)):
            raise ValueError(f"tableau {self.name}: row i of A must have i entries, for {s} stages.")
        if not all(0 <= c <= 1 for c in self.c):
            raise ValueError(f"tableau {self.name}: a row of A sums to a c outside [0, 1]; f is never called outside the step.")
        if sum(self.b) != 1 or (self.b_hat is not None and (sum(self.b_hat) != 1 or len(self.b_hat) != s)):
            raise ValueError(f"tableau {self.name}: the weights must sum to 1.")
        if (self.b_hat is None) != (self.q_hat is None):
            raise ValueError(f"tableau {self.name}: b_hat and its order q_hat come together.")
        if tuple(sum(row, F(0)) for row in self.interpolant) != self.b or len({len(row) for row in self.interpolant}) != 1:
            raise ValueError(f"tableau {self.name}: the interpolant must end in b at theta = 1, with one row of coefficients for each stage.")

    @property
    def fsal(self) -> bool:
        """First same as last: the last stage is f at the new point, and so the first stage of the next step."""
        return self.A[-1] + (F(0),) == self.b and self.c[-1] == 1

    def cast(self, dtype: Any) -> Coefficients:
        """The coefficients as arrays of a state's dtype (of its real part's dtype where it is complex); kept for the next solve."""
        if dtype not in self._cast:
            real = np.zeros(0, dtype).real.dtype
            rows = tuple(np.array(row, real) for row in self.A)
            e = None if self.b_hat is None else np.array([x - y for x, y in zip(self.b, self.b_hat, strict=True)], real)
            self._cast[dtype] = Coefficients(rows, np.array(self.b, real), e, tuple(map(float, self.c)), np.array(self.interpolant, real), self.fsal)
        return self._cast[dtype]


@dataclass(frozen=True)
class Coefficients:
    """A tableau in floating point; e = b - b_hat."""

    A: tuple[np.ndarray, ...]
    b: np.ndarray
    e: np.ndarray | None
    c: tuple[float, ...]
    P: np.ndarray
    fsal: bool


def _row(*entries: Any) -> Row:
    return tuple(F(x) for x in entries)


euler = Tableau(
    "euler", A=(_row(),), b=_row(1), p=1,
    interpolant=(_row(1),), p_dense=1)

midpoint = Tableau(
    "midpoint", A=(_row(), _row("1/2")), b=_row(0, 1), p=2,
    interpolant=(_row(1, -1), _row(0, 1)), p_dense=2)

heun = Tableau(  # the explicit trapezoidal rule, with Euler's inside
    "heun", A=(_row(), _row(1)), b=_row("1/2", "1/2"), p=2,
    b_hat=_row(1, 0), q_hat=1,
    interpolant=(_row(1, "-1/2"), _row(0, "1/2")), p_dense=2)

rk4 = Tableau(  # the classic rule, HNW II.1 table 1.2; its interpolant: HNW II.6
    "rk4", A=(_row(), _row("1/2"), _row(0, "1/2"), _row(0, 0, 1)), b=_row("1/6", "1/3", "1/3", "1/6"), p=4,
    interpolant=(_row(1, "-3/2", "2/3"), _row(0, 1, "-2/3"), _row(0, 1, "-2/3"), _row(0, "-1/2", "2/3")), p_dense=3)

rk4_38 = Tableau(  # the 3/8 rule, HNW II.1 table 1.2; torchdiffeq calls it "rk4"
    "rk4_38", A=(_row(), _row("1/3"), _row("-1/3", 1), _row(1, -1, 1)), b=_row("1/8", "3/8", "3/8", "1/8"), p=4,
    interpolant=(_row(1, "-15/8", 1), _row(0, "15/8", "-3/2"), _row(0, "3/8", 0), _row(0, "-3/8", "1/2")), p_dense=3)

bosh3 = Tableau(  # Bogacki and Shampine 1989; cubic Hermite interpolant
    "bosh3",
    A=(_row(), _row("1/2"), _row(0, "3/4"), _row("2/9", "1/3", "4/9")),
    b=_row("2/9", "1/3", "4/9", 0), p=3,
    b_hat=_row("7/24", "1/4", "1/3", "1/8"), q_hat=2,
    interpolant=(_row(1, "-4/3", "5/9"), _row(0, 1, "-2/3"), _row(0, "4/3", "-8/9"), _row(0, -1, 1)), p_dense=3)

dopri5 = Tableau(  # Dormand and Prince 1980, HNW II.5 table 5.2
    "dopri5",
    A=(_row(),
       _row("1/5"),
       _row("3/40", "9/40"),
       _row("44/45", "-56/15", "32/9"),
       _row("19372/6561", "-25360/2187", "64448/6561", "-212/729"),
       _row("9017/3168", "-355/33", "46732/5247", "49/176", "-5103/18656"),
       _row("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84")),
    b=_row("35/384", 0, "500/1113", "125/192", "-2187/6784", "11/84", 0), p=5,
    b_hat=_row("5179/57600", 0, "7571/16695", "393/640", "-92097/339200", "187/2100", "1/40"), q_hat=4,
    # Shampine's quartic (Math. Comp. 46, 1986), the same polynomial as contd5 of HNW II.6
    interpolant=(_row(1, "-8048581381/2820520608", "8663915743/2820520608", "-12715105075/11282082432"),
                 _row(0, 0, 0, 0),
                 _row(0, "131558114200/32700410799", "-68118460800/10900136933", "87487479700/32700410799"),
                 _row(0, "-1754552775/470086768", "14199869525/1410260304", "-10690763975/1880347072"),
                 _row(0, "127303824393/49829197408", "-318862633887/49829197408", "701980252875/199316789632"),
                 _row(0, "-282668133/205662961", "2019193451/616988883", "-1453857185/822651844"),
                 _row(0, "40617522/29380423", "-110615467/29380423", "69997945/29380423")), p_dense=4)

dopri5_shampine = replace(  # the weights of torchdiffeq, diffrax and JAX: their error estimate is exactly 2/3 of dopri5's
    dopri5, name="dopri5_shampine", b_hat=_row("1951/21600", 0, "22642/50085", "451/720", "-12231/42400", "649/6300", "1/60"))



def _summing_to(total: Any, *rest: str) -> Row:
    """A row whose sum is exactly `total`: its first entry follows from the rest."""
    return (F(total) - sum(map(F, rest)), *map(F, rest))


def _tsit5() -> Tableau:
    """Tsitouras 2011 (Comput. Math. Appl. 62). Not rational: the published decimals, which satisfy the order conditions to their last digits.

    The entries that follow from others (the first column of A from c, the first weights, theta^3 in the interpolant from b) are made to, so
    that rows sum exactly. The published weights named b_hat are b - b_hat, the last one with the wrong sign.
    """
    b = _summing_to(1, "0.01", "0.4798896504144996", "1.379008574103742", "-3.290069515436081", "2.324710524099774", "0")
    error = _summing_to(0, "-0.0008164344596567469", "0.007880878010261995", "-0.1447110071732629", "0.5823571654525552",
                        "-0.45808210592918697", "1/66")
    continuation = (  # of theta, theta^2, theta^4
        ("1", "-2.763706197274826", "-1.0530884977290216"), ("0", "0.1317", "0.1017"), ("0", "3.9302962368947516", "2.490627285651253"),
        ("0", "-12.411077166933676", "-16.548102889244902"), ("0", "37.50931341651104", "47.37952196281928"),
        ("0", "-27.896526289197286", "-34.87065786149661"), ("0", "1.5", "2.5"))
    return Tableau(
        "tsit5",
        A=((),
           _summing_to("0.161"),
           _summing_to("0.327", "0.335480655492357"),
           _summing_to("0.9", "-6.359448489975075", "4.3622954328695815"),
           _summing_to("0.9800255409045097", "-11.748883564062828", "7.4955393428898365", "-0.09249506636175525"),
           _summing_to(1, "-12.92096931784711", "8.159367898576159", "-0.071584973281401", "-0.028269050394068383"),
           b[:-1]),
        b=b, p=5,
        b_hat=tuple(x - e for x, e in zip(b, error, strict=True)), q_hat=4,
        interpolant=tuple((F(x), F(x2), b_i - F(x) - F(x2) - F(x4), F(x4)) for b_i, (x, x2, x4) in zip(b, continuation, strict=True)), p_dense=4)


tsit5 = _tsit5()

TABLEAUS = {tableau.name: tableau for tableau in (euler, midpoint, heun, rk4, rk4_38, bosh3, dopri5, dopri5_shampine, tsit5)}
