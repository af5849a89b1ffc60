"""f(z) = tanh(z^3 W1 + b1) W2 + b2 and its vjp by hand, over given buffers.

z^3 is kept with a column of ones, u = [z^3, 1], so that b1 is one more row of W1; b2 is the `constant` of the steps (see dopri5.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..workloads import Workload


class Network:
    """The weights in the forms that are needed, and the sums of their cotangents."""

    def __init__(self, workload: Workload):
        W1 = workload.theta[0][0]
        self.rows, self.D, self.H = len(workload.z0), *W1.shape
        D, H = self.D, self.H
        self.W1, self.W2, self.W1T, self.W2T = np.empty((D + 1, H)), np.empty((H, D)), np.empty((H, D)), np.empty((D, H))
        self.W1_bar, self.W2T_bar, self.b2_bar = np.empty((D + 1, H)), np.empty((D, H)), np.empty(D)
        self.W1_part, self.W2T_part = np.empty((D + 1, H)), np.empty((D, H))
        self.constant = np.empty(self.rows * D)

    def load(self, theta: Any) -> None:
        (W1, b1), (W2, b2) = theta
        self.W1[:-1], self.W1[-1], self.W2[:], self.W2T[:] = W1, b1, W2, W2.T
        np.multiply(W1.T, 3.0, out=self.W1T)  # the 3 of dz^3 = 3 z^2 dz
        self.constant.reshape(self.rows, self.D)[:] = b2
        self.W1_bar[:] = self.W2T_bar[:] = self.b2_bar[:] = 0.0

    def theta_bar(self) -> list[np.ndarray]:
        return [self.W1_bar[:-1].copy(), self.W1_bar[-1].copy(), self.W2T_bar.T.copy(), self.b2_bar.copy()]

    def ravel(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(-1)

    def unravel(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(self.rows, self.D)

    def loss_gradient(self, zs: np.ndarray, g: np.ndarray) -> None:
        np.multiply(zs, 2.0, out=g)

    def with_ones(self, *shape: int) -> np.ndarray:
        return np.ones((*shape, self.D + 1))

    def f(self, z: np.ndarray, zz: np.ndarray, u: np.ndarray, x: np.ndarray, k: np.ndarray) -> Callable[[], None]:
        """k = f(z) - b2, for any number of rows z, as a function without arguments. What `hidden` leaves stays."""
        W1, W2, zzz = self.W1, self.W2, u[:, :-1]

        def evaluate() -> None:
            np.multiply(z, z, out=zz)
            np.multiply(zz, z, out=zzz)
            u.dot(W1, out=x)
            np.tanh(x, out=x)
            x.dot(W2, out=k)

        return evaluate

    def hidden(self, z: np.ndarray, zz: np.ndarray, u: np.ndarray, x: np.ndarray) -> Callable[[], None]:
        """z^2 in zz, [z^3, 1] in u, and the hidden layer in x: f without its last product."""
        W1, zzz = self.W1, u[:, :-1]

        def evaluate() -> None:
            np.multiply(z, z, out=zz)
            np.multiply(zz, z, out=zzz)
            u.dot(W1, out=x)
            np.tanh(x, out=x)

        return evaluate

    def vjp(
        self, zz: np.ndarray, x: np.ndarray, g: np.ndarray, x_bar: np.ndarray, slope: np.ndarray, z_bar: np.ndarray
    ) -> Callable[[], None]:
        """z_bar = g^T df/dz; the cotangent of what goes into tanh stays in x_bar."""
        W1T, W2T = self.W1T, self.W2T

        def pull() -> None:
            g.dot(W2T, out=x_bar)
            np.multiply(x, x, out=slope)
            np.multiply(slope, x_bar, out=slope)
            np.subtract(x_bar, slope, out=x_bar)
            x_bar.dot(W1T, out=z_bar)
            np.multiply(z_bar, zz, out=z_bar)

        return pull

    def vjp_with_slope(self, zz: np.ndarray, slope: np.ndarray, g: np.ndarray, x_bar: np.ndarray, z_bar: np.ndarray) -> Callable[[], None]:
        """The same where slope = 1 - x^2 is there already."""
        W1T, W2T = self.W1T, self.W2T

        def pull() -> None:
            g.dot(W2T, out=x_bar)
            np.multiply(slope, x_bar, out=x_bar)
            x_bar.dot(W1T, out=z_bar)
            np.multiply(z_bar, zz, out=z_bar)

        return pull

    def add_up(self, u: np.ndarray, x_bar: np.ndarray, x: np.ndarray, g: np.ndarray) -> None:
        """W1_bar += u^T x_bar, W2_bar += x^T g"""
        u.T.dot(x_bar, out=self.W1_part)
        np.add(self.W1_bar, self.W1_part, out=self.W1_bar)
        g.T.dot(x, out=self.W2T_part)
        np.add(self.W2T_bar, self.W2T_part, out=self.W2T_bar)
