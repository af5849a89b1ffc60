"""The exact-trace flow (z, log-density change) of a 2-H-H-2 network, f and its vjp by hand: equations for discrete.py.

    h1 = tanh(z W1 + b1),  h2 = tanh(h1 W2 + b2),  dz/dt = h2 W3 + b3,  s = 1 - h h
    p_d = s1 W1[d],  q_d = p_d W2,  M = sum_d q_d W3[:, d],  dl/dt = -sum_k s2_k M_k      (d = 1, 2: the unit directions)

h1, p_1, p_2 are the blocks of one matrix T and meet W2 in one product Q = T W2. (Algebra could make one product of those of p_1 and p_2. No
other implementation is given that formula, so it is not used here.) The state is kept as z (B, 2) followed by l (B,); b3 is the `constant`
of the steps. Rows of weights that multiply a matrix elementwise are kept once for each row of it: equal shapes are multiplied faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..workloads import Workload
from .discrete import Record


class Flow:
    """Stage by stage: all intermediate results are computed again on the way back, in buffers that all stages share."""

    def __init__(self, workload: Workload):
        B, H = len(workload.z0), len(workload.theta[1][1])
        self.B, self.H, self.n = B, H, 3 * B
        self.W1, self.W2, self.W3 = np.empty((3, H)), np.empty((H, H)), np.empty((H, 2))  # W1 with b1 as its last row
        self.W1T, self.W2T, self.W3T = np.empty((H, 2)), np.empty((H, H)), np.empty((2, H))
        self.b2, self.w1, self.w3 = np.empty((B, H)), np.empty((2, B, H)), np.empty((2, B, H))
        self.constant = np.zeros(self.n)
        self.u, (self.T, self.Q, self.T_bar, self.Q_bar) = np.ones((B, 3)), (np.empty((3 * B, H)) for _ in range(4))
        self.s1, self.s2, self.M, self.scratch = (np.empty((B, H)) for _ in range(4))
        self.ones_B, self.minus_ones_H = np.ones(B), -np.ones(H)
        self.theta_sum = Cotangents(H)
        self.theta_part = Cotangents(H)

    def load(self, theta: Any) -> None:
        (W1, b1), (W2, b2), (W3, b3) = theta
        self.W1[:2], self.W1[2], self.W2[:], self.W3[:] = W1, b1, W2, W3
        self.W1T[:], self.W2T[:], self.W3T[:] = W1.T, W2.T, W3.T
        self.b2[:], self.w1[:], self.w3[:] = b2, W1[:, None], W3.T[:, None]
        self.z_part(self.constant)[:] = b3
        self.theta_sum.flat[:] = 0.0

    def theta_bar(self) -> list[np.ndarray]:
        return self.theta_sum.leaves()

    def ravel(self, z: np.ndarray) -> np.ndarray:
        return np.concatenate([z[:, :2].ravel(), z[:, 2]])

    def unravel(self, z: np.ndarray) -> np.ndarray:
        return np.column_stack([self.z_part(z), z[2 * self.B:]])

    def z_part(self, z: np.ndarray) -> np.ndarray:
        return z[:2 * self.B].reshape(self.B, 2)

    def loss_gradient(self, zs: np.ndarray, g: np.ndarray) -> None:
        g[-1, :2 * self.B] = zs[-1, :2 * self.B]
        g[-1, 2 * self.B:] = 1.0

    def f(self, y: np.ndarray, k: np.ndarray, T: np.ndarray, Q: np.ndarray) -> Callable[[], None]:
        """k = f(y) without b3; T, Q, [z, 1] in u, and s1, s2, M stay."""
        B, u, s1, W1, W2, W3, b2, (w11, w12) = self.B, self.u, self.s1, self.W1, self.W2, self.W3, self.b2, self.w1
        (h1, p1, p2), (h2, _, _), y_z, z = thirds(T), thirds(Q), self.z_part(y), self.u[:, :2]
        k_z, k_l, minus_ones, weigh = self.z_part(k), k[2 * B:], self.minus_ones_H, self.second_slopes(Q)

        def evaluate() -> None:
            z[:] = y_z
            u.dot(W1, out=h1)
            np.tanh(h1, out=h1)
            np.multiply(h1, h1, out=s1)
            np.subtract(1.0, s1, out=s1)
            np.multiply(s1, w11, out=p1)
            np.multiply(s1, w12, out=p2)
            T.dot(W2, out=Q)
            np.add(h2, b2, out=h2)
            np.tanh(h2, out=h2)
            h2.dot(W3, out=k_z)
            weigh()
            np.multiply(self.M, self.s2, out=self.scratch)
            self.scratch.dot(minus_ones, out=k_l)

        return evaluate

    def second_slopes(self, Q: np.ndarray) -> Callable[[], None]:
        """s2 and M from Q."""
        (h2, q1, q2), s2, M, scratch, (w31, w32) = thirds(Q), self.s2, self.M, self.scratch, self.w3

        def weigh() -> None:
            np.multiply(h2, h2, out=s2)
            np.subtract(1.0, s2, out=s2)
            np.multiply(q1, w31, out=M)
            np.multiply(q2, w32, out=scratch)
            np.add(M, scratch, out=M)

        return weigh

    def vjp(self, T: np.ndarray, Q: np.ndarray, g: np.ndarray, y_bar: np.ndarray) -> Callable[[], None]:
        """After f: the z part of y_bar = g^T df/dy (its l part is zero, and left alone), and in theta_part the parameters' cotangents."""
        B, u, s1, s2, M, scratch, T_bar, Q_bar = self.B, self.u, self.s1, self.s2, self.M, self.scratch, self.T_bar, self.Q_bar
        (h1, _, _), (h2, q1, q2), (h1_bar, p1_bar, p2_bar), (x2_bar, q1_bar, q2_bar) = map(thirds, (T, Q, T_bar, Q_bar))
        W1T, W2T, W3T, (w11, w12), (w31, w32), ones = self.W1T, self.W2T, self.W3T, self.w1, self.w3, self.ones_B
        g_z, g_l, z_bar, into = self.z_part(g), g[2 * B:, None], self.z_part(y_bar), self.theta_part
        v = np.empty((B, 1))

        def pull() -> None:
            np.negative(g_l, out=v)
            np.multiply(v, s2, out=scratch)  # M_bar
            np.multiply(scratch, w31, out=q1_bar)
            np.multiply(scratch, w32, out=q2_bar)
            np.multiply(scratch, q1, out=q1)
            np.multiply(scratch, q2, out=q2)
            h2.T.dot(g_z, out=into.W3)
            into.W3[:, 0] += ones.dot(q1)
            into.W3[:, 1] += ones.dot(q2)
            np.add(v, v, out=v)
            np.multiply(v, M, out=M)  # 2 s2_bar
            np.multiply(M, h2, out=M)
            g_z.dot(W3T, out=x2_bar)
            np.subtract(x2_bar, M, out=x2_bar)
            np.multiply(x2_bar, s2, out=x2_bar)
            T.T.dot(Q_bar, out=into.W2)
            Q_bar.dot(W2T, out=T_bar)
            np.multiply(p1_bar, w11, out=scratch)
            np.multiply(p2_bar, w12, out=M)
            np.add(scratch, M, out=scratch)  # s1_bar
            np.multiply(scratch, h1, out=scratch)
            np.multiply(scratch, 2.0, out=scratch)
            np.subtract(h1_bar, scratch, out=h1_bar)
            np.multiply(h1_bar, s1, out=h1_bar)
            np.multiply(p1_bar, s1, out=p1_bar)
            np.multiply(p2_bar, s1, out=p2_bar)
            u.T.dot(h1_bar, out=into.W1)
            into.W1[0] += ones.dot(p1_bar)
            into.W1[1] += ones.dot(p2_bar)
            ones.dot(x2_bar, out=into.b2)
            ones.dot(g_z, out=into.b3)
            h1_bar.dot(W1T, out=z_bar)

        return pull

    def first_stage(self, z: np.ndarray, k: np.ndarray) -> Callable[[], None]:
        self.z0 = np.empty(self.n)
        evaluate = self.f(self.z0, k, self.T, self.Q)

        def first() -> None:
            self.z0[:] = z
            evaluate()

        return first

    def first_pull(self, k_bar: np.ndarray, y_bar: np.ndarray) -> Callable[[], None]:
        return self.pull(self.f(self.z0, np.empty(self.n), self.T, self.Q), self.T, self.Q, k_bar, y_bar)

    def pull(self, before: Callable[[], None], T: np.ndarray, Q: np.ndarray, g: np.ndarray, y_bar: np.ndarray) -> Callable[[], None]:
        """What f leaves behind, then its vjp; the share of the parameters is added up."""
        vjp, total, part = self.vjp(T, Q, g, y_bar), self.theta_sum.flat, self.theta_part.flat

        def pull() -> None:
            before()
            vjp()
            np.add(total, part, out=total)

        return pull

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Record:
        Y, unused = np.zeros((6, self.n)), np.empty(self.n)
        f = [self.f(y, k, self.T, self.Q) for y, k in zip(Y, K[1:], strict=True)]
        again = [self.f(y, unused, self.T, self.Q) for y in Y[::-1]]
        pulls = [self.pull(*stage) for stage in zip(again, [self.T] * 6, [self.Q] * 6, K_bar[::-1], Y_bar[:6], strict=True)]
        return Record(list(Y), f, pulls)


class Stored(Flow):
    """T and Q of all stages are kept from the way forward."""

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Record:
        Y, T, Q = np.zeros((6, self.n)), np.empty((6, *self.T.shape)), np.empty((6, *self.Q.shape))
        f = [self.f(*stage) for stage in zip(Y, K[1:], T, Q, strict=True)]
        before = [self.slopes(*stage) for stage in zip(Y, T, Q, strict=True)]
        pulls = [self.pull(*stage) for stage in zip(before[::-1], T[::-1], Q[::-1], K_bar[::-1], Y_bar[:6], strict=True)]
        return Record(list(Y), f, pulls)

    def slopes(self, y: np.ndarray, T: np.ndarray, Q: np.ndarray) -> Callable[[], None]:
        """u, s1, s2 and M as f left them."""
        (h1, _, _), z, y_z, s1, weigh = thirds(T), self.u[:, :2], self.z_part(y), self.s1, self.second_slopes(Q)

        def again() -> None:
            z[:] = y_z
            np.multiply(h1, h1, out=s1)
            np.subtract(1.0, s1, out=s1)
            weigh()

        return again


class Cotangents:
    """Those of the leaves of theta, in one flat array."""

    def __init__(self, H: int):
        self.flat = np.zeros(3 * H + H * H + H + 2 * H + 2)
        W1, W2, b2, W3, self.b3 = np.split(self.flat, np.cumsum([3 * H, H * H, H, 2 * H]))
        self.W1, self.W2, self.b2, self.W3 = W1.reshape(3, H), W2.reshape(H, H), b2, W3.reshape(H, 2)

    def leaves(self) -> list[np.ndarray]:
        return [x.copy() for x in (self.W1[:2], self.W1[2], self.W2, self.b2, self.W3, self.b3)]


def thirds(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three blocks of rows."""
    B = len(x) // 3
    return x[:B], x[B:2 * B], x[2 * B:]
