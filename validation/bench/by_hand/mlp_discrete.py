"""The network as an equation for discrete.py, in three ways: hidden layers computed again stage by stage, step by step, or kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..workloads import Workload
from .discrete import Record
from .mlp import Network

Stage = Callable[[], None]


class Stagewise(Network):
    """One fused f and vjp for each stage, in buffers that all stages share. Kept from the way forward: the states of the stages."""

    def __init__(self, workload: Workload):
        super().__init__(workload)
        B, D, H = self.rows, self.D, self.H
        self.zz, self.u, self.x, self.k = np.empty((B, D)), self.with_ones(B), np.empty((B, H)), np.empty((B, D))
        self.x_bar, self.slope, self.ones = np.empty((B, H)), np.empty((B, H)), np.ones(6 * B)

    def first_stage(self, z: np.ndarray, k: np.ndarray) -> Stage:
        self.z0 = np.empty(z.shape)
        evaluate = self.f(self.shaped(self.z0), self.zz, self.u, self.x, self.shaped(k))

        def first() -> None:
            self.z0[:] = z
            evaluate()

        return first

    def first_pull(self, k_bar: np.ndarray, z_bar: np.ndarray) -> Stage:
        pull = self.pull(self.z0, k_bar, z_bar)

        def first() -> None:
            pull()
            np.add(self.b2_bar, self.shaped(k_bar).sum(0), out=self.b2_bar)

        return first

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Record:
        Y = np.zeros((6, self.constant.size))
        f = [self.f(self.shaped(y), self.zz, self.u, self.x, self.shaped(k)) for y, k in zip(Y, K[1:], strict=True)]
        pulls = [self.pull(*stage) for stage in zip(Y[::-1], K_bar[::-1], Y_bar[:6], strict=True)]
        g = self.of_step(K_bar)

        def after() -> None:
            np.add(self.b2_bar, self.ones.dot(g), out=self.b2_bar)

        return Record(list(Y), f, pulls, after=after)

    def pull(self, z: np.ndarray, g: np.ndarray, z_bar: np.ndarray) -> Stage:
        """f and vjp at once, and the share of the parameters."""
        z, g = self.shaped(z), self.shaped(g)
        hidden = self.hidden(z, self.zz, self.u, self.x)
        vjp = self.vjp(self.zz, self.x, g, self.x_bar, self.slope, self.shaped(z_bar))

        def pull() -> None:
            hidden()
            vjp()
            self.add_up(self.u, self.x_bar, self.x, g)

        return pull

    def shaped(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(self.rows, self.D)

    def of_step(self, Y: np.ndarray) -> np.ndarray:
        """Those of all six stages as the rows of one matrix."""
        return Y.reshape(6 * self.rows, self.D)


class Batched(Stagewise):
    """The hidden layers of a step are computed again in one call for its six stages, and the cotangents of the parameters in another."""

    def __init__(self, workload: Workload):
        super().__init__(workload)
        B, D, H = self.rows, self.D, self.H
        self.step_zz, self.step_u, self.step_x = np.empty((6 * B, D)), self.with_ones(6 * B), np.empty((6 * B, H))
        self.step_slope, self.step_x_bar = np.empty((6 * B, H)), np.empty((6 * B, H))

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Record:
        Y = np.zeros((6, self.constant.size))
        f = [self.f(self.shaped(y), self.zz, self.u, self.x, self.shaped(k)) for y, k in zip(Y, K[1:], strict=True)]
        hidden, x, slope = self.hidden(self.of_step(Y), self.step_zz, self.step_u, self.step_x), self.step_x, self.step_slope

        def before() -> None:
            hidden()
            np.multiply(x, x, out=slope)
            np.subtract(1.0, slope, out=slope)

        return Record(list(Y), f, self.pulls(K_bar, Y_bar), before, self.after_step(x, K_bar))

    def pulls(self, K_bar: np.ndarray, Y_bar: np.ndarray) -> list[Stage]:
        """For the stages 7 to 2."""
        zz, slope, x_bar = (x.reshape(6, self.rows, -1)[::-1] for x in (self.step_zz, self.step_slope, self.step_x_bar))
        g, z_bar = map(self.shaped, K_bar[::-1]), map(self.shaped, Y_bar[:6])
        return [self.vjp_with_slope(*stage) for stage in zip(zz, slope, g, x_bar, z_bar, strict=True)]

    def after_step(self, x: np.ndarray, K_bar: np.ndarray) -> Stage:
        """The shares of the parameters; x: the hidden layers."""
        g = self.of_step(K_bar)

        def after() -> None:
            self.add_up(self.step_u, self.step_x_bar, x, g)
            np.add(self.b2_bar, self.ones.dot(g), out=self.b2_bar)

        return after


class Stored(Batched):
    """As `Batched`, but the hidden layers are kept from the way forward: no tanh is computed twice, for the memory of all stages."""

    def record(self, K: np.ndarray, K_bar: np.ndarray, Y_bar: np.ndarray) -> Record:
        Y, X = np.zeros((6, self.constant.size)), np.empty((6, self.rows, self.H))
        f = [self.f(self.shaped(y), self.zz, self.u, x, self.shaped(k)) for y, x, k in zip(Y, X, K[1:], strict=True)]
        z, x, zz, zzz, slope = self.of_step(Y), X.reshape(-1, self.H), self.step_zz, self.step_u[:, :-1], self.step_slope

        def before() -> None:
            np.multiply(z, z, out=zz)
            np.multiply(zz, z, out=zzz)
            np.multiply(x, x, out=slope)
            np.subtract(1.0, slope, out=slope)

        return Record(list(Y), f, self.pulls(K_bar, Y_bar), before, self.after_step(x, K_bar))
