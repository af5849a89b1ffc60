"""The method of Dormand and Prince for hand-written gradients: steps over a fixed set of buffers, without a temporary array.

The state and its stages are the rows of one matrix S = [z, constant, k_1, ..., k_7], so that the state of a stage is a single product

    Y_i = z + h c_i constant + h sum_j a_ij k_j = row_i . S

`constant` is the part of dz/dt that depends on nothing (the last bias of a network), which the k_i then leave out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

A = [  # Dormand and Prince 1980, HNW II.5 table 5.2
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
]
C = [0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0]
E = [71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]  # b - b_hat
P = [  # b_i(theta) = P_i1 theta + ... + P_i4 theta^4: Shampine's quartic (Math. Comp. 46, 1986)
    [1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432],
    [0, 0, 0, 0],
    [0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799],
    [0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072],
    [0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632],
    [0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844],
    [0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423],
]
SQUARE = np.array([row + [0.0] * (7 - len(row)) for row in A])
B = SQUARE[6]
ROWS = np.column_stack([np.zeros(7), C, SQUARE])[1:]  # of the stages 2 to 7: times h, then 1 in the first column
WEIGHTS = np.column_stack([np.zeros(4), [1, 0, 0, 0], np.transpose(P)])
POWERS = np.arange(1, 5)
Stage = Callable[[], None]
Buffers = tuple[Sequence[np.ndarray], Sequence[Stage]]  # (Y, f) of the stages 2 to 7: f[i]() reads Y[i] and writes its row of K


class Steps:
    """Steps of one system of n equations, whose state is Steps.z.

    The error is measured in `parts`, (slice, number of equations) each: the root mean square in a part, the largest of the parts.
    """

    def __init__(self, n: int, rtol: float, atol: float | np.ndarray, parts: list[tuple[slice, int]]):
        self.S = np.zeros((9, n))
        self.z, self.constant, self.K = self.S[0], self.S[1], self.S[2:]
        self.rows = np.empty((6, 9))
        self.products = [(self.rows[i, :3 + i], self.S[:3 + i]) for i in range(6)]
        self.rtol, self.atol, self.parts, self.E = rtol, atol, parts, np.array(E)
        self.error, self.scale, self.size, self.size1 = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        self.errors = [(self.error[part], size) for part, size in parts]
        self.h = 0.0

    def march(self, t: float, t_end: float, buffers: Callable[[int], Buffers]) -> Iterator[tuple[float, float]]:
        """The accepted steps from t to t_end: (t, h) each, while S holds the step. z, K[0] and h, the first size, are given.

        buffers(n): where the stages of step n are computed.
        """
        np.absolute(self.z, out=self.size)
        size, n, sign = self.h, 0, math.copysign(1.0, t_end - t)
        while t != t_end:
            Y, f = buffers(n)
            left, rejected = t_end - t, False
            while True:
                h = left if size >= abs(left) else sign * size
                self.stages(h, Y, f)
                ratio = self.ratio(h, Y[5])
                if ratio < 1:
                    break
                size, rejected = abs(h) * (max(0.2, 0.9 * ratio**-0.2) if math.isfinite(ratio) else 0.2), True
                if size < 1e-14:
                    raise RuntimeError(f"the step size became {size:.1e} at t = {t:.6g}.")
            yield t, h
            grow = max(0.2, 0.9 * ratio**-0.2) if ratio else 10.0
            longer = abs(h) * min(grow, 1.0 if rejected else 10.0)
            if h == left:
                t, size = t_end, max(size, longer)  # a step that was cut short says nothing against the size that was cut
            else:
                t, size = t + h, longer
            self.z[:] = Y[5]
            self.K[0] = self.K[6]
            self.size, self.size1 = self.size1, self.size
            n += 1
        self.h = size

    def stages(self, h: float, Y: Sequence[np.ndarray], f: Sequence[Stage]) -> None:
        np.multiply(ROWS, h, out=self.rows)
        self.rows[:, 0] = 1.0
        for (row, S), Y_i, f_i in zip(self.products, Y, f):  # noqa: B905 (strict costs time here)
            row.dot(S, out=Y_i)  # the method: half the price of np.dot where n is small
            f_i()

    def ratio(self, h: float, z1: np.ndarray) -> float:
        """|error / (atol + rtol max(|z|, |z1|))|, error = h sum_i (b_i - b_hat_i) k_i"""
        error, scale = self.error, self.scale
        np.absolute(z1, out=self.size1)
        np.maximum(self.size, self.size1, out=scale)
        np.multiply(scale, self.rtol, out=scale)
        np.add(scale, self.atol, out=scale)
        self.E.dot(self.K, out=error)
        np.divide(error, scale, out=error)
        return abs(h) * math.sqrt(max([part.dot(part) / size for part, size in self.errors]))

    def first_size(self, length: float, Y: np.ndarray, f: Stage) -> None:
        """The size of the first step, HNW II.4. f reads Y and writes K[1]: one evaluation more."""
        scale = np.abs(self.z) * self.rtol + self.atol
        k = self.K[0] + self.constant

        def norm(x: np.ndarray) -> float:
            return math.sqrt(max([x[part].dot(x[part]) / size for part, size in self.parts]))

        d0, d1 = norm(self.z / scale), norm(k / scale)
        h0 = min(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, length)
        Y[:] = self.z + h0 * k
        f()
        largest = max(d1, norm((self.K[1] - self.K[0]) / scale) / h0)
        h1 = max(1e-6, h0 * 1e-3) if largest <= 1e-15 else (0.01 / largest) ** (1 / 5)
        self.h = min(100 * h0, h1, length)


def weights(theta: np.ndarray, h: float) -> np.ndarray:
    """w (m, 9) with z(t + theta h) = w . S for theta (m,) in [0, 1]."""
    w = np.power.outer(theta, POWERS).dot(WEIGHTS)
    w *= h
    w[:, 0] = 1.0
    return w
