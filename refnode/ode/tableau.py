"""The Butcher tableau of an explicit Runge-Kutta method: exact fractions, validated when it is built.

    Y_i = z + h sum_j A[i][j] k_j,   k_i = f(Y_i, t + c[i] h),   z(t + h) = z + h sum_i b[i] k_i

The rows of A are written as in Hairer, Norsett and Wanner (HNW); c follows from them. b_hat, where there is one, belongs to the embedded
formula of order q_hat: h (b - b_hat) K estimates the error. `interpolant[i]` holds the coefficients of theta, theta^2, ... of b_i(theta),
so that z + h sum_i b_i(theta) k_i approximates z(t + theta h) on the whole step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction as F
from typing import Any

import numpy as np

Row = tuple[F, ...]


@dataclass(frozen=True)
class Tableau:
    """A method of order p; its embedded formula has order q_hat, its interpolant order p_dense.

    Rows of A beyond those of b are stages for the interpolant alone. b_check: a second embedded formula, of order q_check (see `error_ratio`).
    """

    name: str
    A: tuple[Row, ...]
    b: Row
    p: int
    interpolant: tuple[Row, ...]
    p_dense: int
    b_hat: Row | None = None
    q_hat: int | None = None
    b_check: Row | None = None
    q_check: int | None = None
    c: Row = field(init=False)
    _cast: dict[Any, Coefficients] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        s, embedded = len(self.b), [weights for weights in (self.b_hat, self.b_check) if weights is not None]
        object.__setattr__(self, "c", tuple(sum(row, F(0)) for row in self.A))
        if not all(isinstance(x, F) for row in (*self.A, self.b, *embedded, *self.interpolant) for x in row):
            raise TypeError(f"tableau {self.name}: coefficients must be Fractions.")
        if len(self.A) < s or any(len(row) != i for i, row in enumerate(self.A)):
            raise ValueError(f"tableau {self.name}: row i of A must have i entries, for {s} stages or more.")
        if not all(0 <= c <= 1 for c in self.c):
            raise ValueError(f"tableau {self.name}: a row of A sums to a c outside [0, 1]; f is never called outside the step.")
        if sum(self.b) != 1 or any(sum(weights) != 1 or len(weights) != s for weights in embedded):
            raise ValueError(f"tableau {self.name}: the weights must sum to 1.")
        if (self.b_hat is None) != (self.q_hat is None) or (self.b_check is None) != (self.q_check is None):
            raise ValueError(f"tableau {self.name}: embedded weights and their order come together (b_hat, q_hat; b_check, q_check).")
        if self.b_check is not None and self.b_hat is None:
            raise ValueError(f"tableau {self.name}: b_check is a second embedded formula; b_hat is missing.")
        ends = tuple(sum(row, F(0)) for row in self.interpolant)
        if ends != self.b + (F(0),) * (len(self.A) - s) or len({len(row) for row in self.interpolant}) != 1:
            raise ValueError(f"tableau {self.name}: the interpolant must end in b at theta = 1, with one row of coefficients for each stage.")

    @property
    def fsal(self) -> bool:
        """First same as last: the last stage is f at the new point, and so the first stage of the next step."""
        last = self.A[len(self.b) - 1]
        return (*last, F(0)) == self.b and self.c[len(self.b) - 1] == 1

    @property
    def error_order(self) -> int | None:
        """k, where the error that `error_ratio` measures is O(h^k): q_hat + 1, and e_hat^2 / e_check where there are two estimates."""
        if self.q_hat is None or self.q_check is None:
            return None if self.q_hat is None else self.q_hat + 1
        return 2 * (self.q_hat + 1) - (self.q_check + 1)

    def cast(self, dtype: Any) -> Coefficients:
        """The coefficients as arrays of a state's dtype (of its real part's dtype where it is complex); kept for the next solve."""
        if dtype not in self._cast:
            real = np.zeros(0, dtype).real.dtype
            e = [[x - y for x, y in zip(self.b, weights, strict=True)] for weights in (self.b_hat, self.b_check) if weights is not None]
            self._cast[dtype] = Coefficients(
                tuple(np.array(row, real) for row in self.A), np.array(self.b, real), np.array(e[0] if len(e) == 1 else e, real) if e else None,
                tuple(map(float, self.c)), np.array(self.interpolant, real), self.fsal)
        return self._cast[dtype]


@dataclass(frozen=True)
class Coefficients:
    """A tableau in floating point; e = b - b_hat, or the two rows b - b_hat and b - b_check."""

    A: tuple[np.ndarray, ...]
    b: np.ndarray
    e: np.ndarray | None
    c: tuple[float, ...]
    P: np.ndarray
    fsal: bool


def row(*entries: Any) -> Row:
    """Fractions from numbers, and from strings like "1/3" and "0.161"."""
    return tuple(F(x) for x in entries)


def summing_to(total: Any, *rest: str) -> Row:
    """A row whose sum is exactly `total`: its first entry follows from the rest. For published decimals."""
    return (F(total) - sum(map(F, rest)), *map(F, rest))
