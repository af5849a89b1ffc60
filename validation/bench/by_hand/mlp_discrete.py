"""The network as an equation for discrete.py, in three ways: hidden layers computed again stage by stage, step by step, or kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..workloads import Workload
from .mlp import Network


class Stagewise(Network):
    """One fused f and vjp for each stage, in buffers that all stages share. Kept from the way forward: the states of the stages."""

    def __init__(self, workload: Workload):
        super().__init__(workload)
        B, D, H = self.rows, self.D, self.H
        self.zz, self.u, self.x, self.k = np.empty((B, D)), self.with_ones(B), np.empty((B, H)), np.empty((B, D))
        self.x_bar, self.slope, self.ones = np.empty((B, H)), np.empty((B, H)), np.ones(6 * B)

    def first_stage(self, z: np.ndarray, k: np.ndarray) -> Callable[[], None]:
        self.z0 = np.empty(z.shape)
        evaluate = self.f(self.shaped(self.z0), self.zz, self.u, self.x, self.shaped(k))

        def first() -> None:
            self.z0[:] = z
            evaluate()

        return first

    def first_pull(self, k_bar: np.ndarray, z_bar: np.ndarray) -> Callable[[], None]:
        pull = self.pull(self.shaped(self.z0), self.shaped(k_bar), self.shaped(z_bar))

        def first() -> None:
            pull()
            np.add(self.b2_bar, self.shaped(k_bar).sum(0), out=self.b2_bar)

        return first

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Any:
        return _StagewiseRecord(self, K, K_bar, Y_bar)

    def pull(self, z: np.ndarray, g: np.ndarray, z_bar: np.ndarray) -> Callable[[], None]:
        """f and vjp at once, and the share of the parameters."""
        evaluate = self.hidden(z)
        vjp = self.vjp(self.zz, self.x, g, self.x_bar, self.slope, z_bar)

        def pull() -> None:
            evaluate()
            vjp()
            self.add_up(self.u, self.x_bar, self.x, g)

        return pull

    def hidden(self, z: np.ndarray) -> Callable[[], None]:
        """The hidden layer: f without its last product."""
        zz, u, zzz, x, W1 = self.zz, self.u, self.u[:, :-1], self.x, self.W1

        def evaluate() -> None:
            np.multiply(z, z, out=zz)
            np.multiply(zz, z, out=zzz)
            u.dot(W1, out=x)
            np.tanh(x, out=x)

        return evaluate

    def shaped(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(*z.shape[:-1], self.rows, self.D)


class _StagewiseRecord:
    def __init__(self, net: Stagewise, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray):
        self.net, self.K_bar = net, K_bar.reshape(-1, net.D)
        self.Y = np.zeros((6, K.shape[1]))
        self.rows = list(self.Y)
        self.f = [net.f(net.shaped(y), net.zz, net.u, net.x, net.shaped(k)) for y, k in zip(self.Y, K[1:], strict=True)]
        backwards = zip(self.Y[::-1], K_bar[::-1], Y_bar, strict=False)
        self.pull = [net.pull(net.shaped(y), net.shaped(g), net.shaped(y_bar)) for y, g, y_bar in backwards]

    def before(self) -> None:
        pass

    def after(self) -> None:
        self.net.b2_bar += self.net.ones.dot(self.K_bar)


class Batched(Stagewise):
    """The hidden layers of a step are computed again in one call for its six stages, and the cotangents of the parameters in another."""

    def __init__(self, workload: Workload):
        super().__init__(workload)
        B, D, H = self.rows, self.D, self.H
        self.step_zz, self.step_u, self.step_x = np.empty((6 * B, D)), self.with_ones(6 * B), np.empty((6 * B, H))
        self.step_slope, self.step_x_bar = np.empty((6 * B, H)), np.empty((6 * B, H))

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Any:
        if not hasattr(self, "pulls"):
            self.pulls = self.make_pulls(K_bar, Y_bar)
        return _BatchedRecord(self, K, K_bar)

    def make_pulls(self, K_bar: np.ndarray, Y_bar: np.ndarray) -> list[Callable[[], None]]:
        """For the stages 7 to 2; they are the same for all steps."""
        zz, slope, x_bar = (x.reshape(6, self.rows, -1)[::-1] for x in (self.step_zz, self.step_slope, self.step_x_bar))
        return [self.vjp_with_slope(zz[i], slope[i], self.shaped(K_bar[5 - i]), x_bar[i], self.shaped(Y_bar[i])) for i in range(6)]


class _BatchedRecord:
    def __init__(self, net: Batched, K: np.ndarray, K_bar: np.ndarray):
        self.net, self.K_bar = net, K_bar.reshape(-1, net.D)
        self.Y = np.zeros((6, K.shape[1]))
        self.rows, self.pull = list(self.Y), net.pulls
        self.f = [net.f(net.shaped(y), net.zz, net.u, net.x, net.shaped(k)) for y, k in zip(self.Y, K[1:], strict=True)]
        self.flat = self.Y.reshape(-1, net.D)

    def before(self) -> None:
        net, Y, x, slope = self.net, self.flat, self.net.step_x, self.net.step_slope
        np.multiply(Y, Y, out=net.step_zz)
        np.multiply(net.step_zz, Y, out=net.step_u[:, :-1])
        net.step_u.dot(net.W1, out=x)
        np.tanh(x, out=x)
        np.multiply(x, x, out=slope)
        np.subtract(1.0, slope, out=slope)

    def after(self) -> None:
        net = self.net
        net.add_up(net.step_u, net.step_x_bar, net.step_x, self.K_bar)
        net.b2_bar += net.ones.dot(self.K_bar)


class Stored(Batched):
    """As `Batched`, but the hidden layers are kept from the way forward: no tanh is computed twice, for memory of all stages."""

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Any:
        super().record(K, K_bar, Y_bar)
        return _StoredRecord(self, K, K_bar)


class _StoredRecord(_BatchedRecord):
    def __init__(self, net: Batched, K: np.ndarray, K_bar: np.ndarray):
        super().__init__(net, K, K_bar)
        self.x = np.empty((6 * net.rows, net.H))
        hidden = self.x.reshape(6, net.rows, net.H)
        self.f = [net.f(net.shaped(y), net.zz, net.u, x, net.shaped(k)) for y, x, k in zip(self.Y, hidden, K[1:], strict=True)]

    def before(self) -> None:
        net, Y, slope = self.net, self.flat, self.net.step_slope
        np.multiply(Y, Y, out=net.step_zz)
        np.multiply(net.step_zz, Y, out=net.step_u[:, :-1])
        np.multiply(self.x, self.x, out=slope)
        np.subtract(1.0, slope, out=slope)

    def after(self) -> None:
        net = self.net
        net.add_up(net.step_u, net.step_x_bar, self.x, self.K_bar)
        net.b2_bar += net.ones.dot(self.K_bar)
