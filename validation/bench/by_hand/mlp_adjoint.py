"""The network as an equation for adjoint.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..workloads import Workload
from .dopri5 import B
from .mlp import Network

PLACES = (0, 5, 1, 2, 3, 4, 6)  # of the stages 1 to 7 in the buffers: those that b weighs first
WEIGHTED = np.array([B[0], *B[2:6]])


class Augmented(Network):
    """f and vjp fused. What dL/dtheta needs of a step is kept as one block of rows, so that it takes two products."""

    def __init__(self, workload: Workload):
        super().__init__(workload)
        rows, D, H = self.rows, self.D, self.H
        self.zz, self.slope = np.empty((rows, D)), np.empty((rows, H))
        self.u, self.x, self.x_bar = self.with_ones(7, rows), np.empty((7, rows, H)), np.empty((7, rows, H))
        self.weighted_u, self.weighted_a = np.empty((5, rows, D + 1)), np.empty((5, rows, D))
        self.ones = np.ones(5 * rows)

    def load(self, theta: Any) -> None:
        super().load(theta)
        np.negative(self.W1T, out=self.W1T)  # da/dt = -a^T df/dz

    def first_stage(self, z: np.ndarray, k: np.ndarray) -> Callable[[], None]:
        return self.f(self.shaped(z), self.zz, self.u[5], self.x[5], self.shaped(k))

    def forward_record(self, K: np.ndarray) -> Any:
        return _ForwardRecord(self, K)

    def augmented(self, z: np.ndarray, K: np.ndarray) -> Any:
        return _AugmentedRecord(self, z, K)

    def derivative(self, y: np.ndarray, k: np.ndarray, place: int) -> Callable[[], None]:
        """k = (f(z), -a^T df/dz) for y = (z, a)"""
        n = y.size // 2
        u, x, x_bar = self.u[place], self.x[place], self.x_bar[place]
        f = self.f(self.shaped(y[:n]), self.zz, u, x, self.shaped(k[:n]))
        vjp = self.vjp(self.zz, x, self.shaped(y[n:]), x_bar, self.slope, self.shaped(k[n:]))

        def evaluate() -> None:
            f()
            vjp()

        return evaluate

    def shaped(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(self.rows, self.D)


class _ForwardRecord:
    def __init__(self, net: Augmented, K: np.ndarray):
        self.rows = list(np.zeros((6, K.shape[1])))
        self.f = [net.f(net.shaped(y), net.zz, net.u[5], net.x[5], net.shaped(k)) for y, k in zip(self.rows, K[1:], strict=True)]


class _AugmentedRecord:
    def __init__(self, net: Augmented, z: np.ndarray, K: np.ndarray):
        self.net, n = net, z.size // 2
        Y = np.zeros((6, 2 * n))
        self.rows = list(Y)
        self.start = net.derivative(z, K[0], PLACES[0])
        self.f = [net.derivative(y, k, place) for y, k, place in zip(Y, K[1:], PLACES[1:], strict=True)]
        self.a_first, self.a_others = net.shaped(z[n:]), Y[1:5, n:].reshape(4, net.rows, net.D)  # in place: reshape of rows

    def accept(self, h: float) -> None:
        """dL/dtheta += |h| sum_i b_i a_i^T df/dtheta(z_i)"""
        net = self.net
        w = WEIGHTED * -h
        np.multiply(net.u[:5], w[:, None, None], out=net.weighted_u)
        np.multiply(self.a_first, w[0], out=net.weighted_a[0])
        np.multiply(self.a_others, w[1:, None, None], out=net.weighted_a[1:])
        a = net.weighted_a.reshape(-1, net.D)
        net.add_up(net.weighted_u.reshape(-1, net.D + 1), net.x_bar[:5].reshape(-1, net.H), net.x[:5].reshape(-1, net.H), a)
        net.b2_bar += net.ones.dot(a)
        for kept in (net.u, net.x, net.x_bar):
            kept[0] = kept[6]
