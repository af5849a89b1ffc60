"""The exact reverse of the steps of dopri5, from the last stage to the first: E1 of the conformance suite's statements, by hand.

    forward:  Y_i = z + h sum_j a_ij k_j,   k_i = f(Y_i),   z1 = Y_7,   an observation inside of the step: z + sum_i w_i k_i
    reverse:  k_bar_i = h b_i a1 + sum_m w_mi g_m + h sum_{j>i} a_ji Y_bar_j,   Y_bar_i = k_bar_i^T df/dz(Y_i)
              a = a1 + sum_m g_m + sum_i Y_bar_i

with a1 = dL/dz1 and g_m = dL/dz of the observations inside. k_bar_i is again one product, of a row of coefficients with the rows of
R = [a1, g_1, ..., g_m, Y_bar_7, ..., Y_bar_2]. The first stage is the last one of the step before, which pulls it back with the sum of both
cotangents.

An equation is what knows f. It has

    constant                        the constant part of dz/dt, (n,), after load(theta)
    ravel(z0), unravel(a)           z0 as one row of n numbers, and back
    load(theta), theta_bar()        the parameters of this gradient; their cotangents, leaf by leaf, which load sets to zero
    first_stage(z, k)               a function without arguments that writes f(z) into k
    first_pull(k_bar, z_bar)        the same for z_bar = k_bar^T df/dz at that z; adds to theta_bar
    record(K, K_bar, Y_bar)         a new Record, whose functions write to these arrays
    loss_gradient(zs, g)            writes dL/dz(t_i) into g
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..workloads import Workload
from .dopri5 import SQUARE, Buffers
from .forward import Forward, Taken

# Row i, for the stages 7 to 1, in the order of R: what multiplies h Y_bar_7, h Y_bar_6, ...
BACK = np.array([[SQUARE[j, i] if j > i else 0.0 for j in range(6, 0, -1)] for i in range(6, -1, -1)])
B_BACK = SQUARE[6, ::-1].copy()


def nothing() -> None:
    """What has to be done before and after the stages of a step, in the simplest case."""


@dataclass(slots=True)
class Record:
    """The buffers of a step, as functions over them. Forward: f[i] reads rows[i], the state of stage 2 + i, and writes its row of K.

    Backward: before(), then for the stages 7 to 2 pull[i](), which reads their row of K_bar, and writes their row of Y_bar; after().
    """

    rows: Sequence[np.ndarray]
    f: Sequence[Callable[[], None]]
    pull: Sequence[Callable[[], None]]
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing


class Discrete:
    """The gradient of a workload: call it. All buffers stay from call to call."""

    def __init__(self, workload: Workload, equation: Any):
        self.workload, self.equation, self.forward = workload, equation, Forward(workload, equation)
        N, n = self.forward.zs.shape
        self.N, self.g, self.a, self.carry = N, np.zeros((N, n)), np.empty(n), np.empty(n)
        self.R, self.coefficients = np.zeros((N + 7, n)), np.zeros((7, N + 7))  # what precedes Y_bar_7 ends in row N
        self.K_bar = np.empty((6, n))  # of the stages 2 to 7
        self.Y_bar = self.R[N + 1:]
        self.records: list[Record] = []
        self.products: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
        self.first_pull = equation.first_pull(self.carry, self.Y_bar[0])

    def __call__(self) -> list[np.ndarray]:
        equation = self.equation
        equation.load(self.workload.theta)
        taken = self.forward.solve(self.buffers)
        equation.loss_gradient(self.forward.zs, self.g)
        self.a[:] = self.carry[:] = 0.0
        for n in range(len(taken) - 1, -1, -1):
            self.reverse(taken[n], self.records[n])
        self.first_pull()
        dLdz0 = self.a + self.Y_bar[0] + self.g[0]
        return [equation.unravel(dLdz0), *equation.theta_bar()]

    def buffers(self, n: int) -> Buffers:
        if n == len(self.records):
            self.records.append(self.equation.record(self.forward.steps.K, self.K_bar, self.Y_bar))
        record = self.records[n]
        return record.rows, record.f

    def reverse(self, step: Taken, record: Record) -> None:
        """a and carry, the cotangent of the first stage, from behind the step to before it."""
        h, first, end, w = step
        N, m = self.N, end - first
        start = N - m
        self.R[start] = self.a
        np.multiply(BACK, h, out=self.coefficients[:, N + 1:])
        np.multiply(B_BACK, h, out=self.coefficients[:, start])
        if w is not None:
            self.R[start + 1:N + 1] = self.g[first:end]
            self.coefficients[:, start + 1:N + 1] = w[:, :1:-1].T
        record.before()
        products = self.products.get(m) or self.views(m)
        row, R, k_bar = products[0]
        row.dot(R, out=k_bar)
        np.add(k_bar, self.carry, out=k_bar)
        record.pull[0]()
        for (row, R, k_bar), pull in zip(products[1:6], record.pull[1:]):  # noqa: B905 (strict costs time here)
            row.dot(R, out=k_bar)
            pull()
        row, R, carry = products[6]
        row.dot(R, out=carry)
        record.after()
        np.add.reduce(R, axis=0, out=self.a)

    def views(self, m: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(row of coefficients, rows of R, k_bar) for the stages 7 to 1, the last of which is `carry`, of a step with m observations."""
        start, N = self.N - m, self.N
        targets = [*self.K_bar[::-1], self.carry]
        self.products[m] = [(self.coefficients[i, start:N + 1 + i], self.R[start:N + 1 + i], targets[i]) for i in range(7)]
        return self.products[m]
