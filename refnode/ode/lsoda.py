"""Adams methods where the equation is not stiff, BDF where it is, and the way from one to the other. After Petzold 1983 (LSODA): what counts
is the size of the steps that each of them could take.

Stability limits the steps of Adams methods, not those of BDF. So the equation is stiff where one of the BDF formulas, with steps RATIO times as
long, fits the states of the last steps within the tolerance; BDF goes on from just these states. Back again it goes where BDF's steps have become
so short, h rho(J) < STABLE, that Adams methods are stable with them, for with equal steps they are more accurate; their differences of f are those
of BDF's polynomial. (LSODA reads the step sizes off the last differences, and off a norm of J, which is larger than its spectral radius rho.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refnode.ode.adams import AdamsSteps
from refnode.ode.bdf import ERROR_CONSTANT, MAX_ORDER, BdfSteps
from refnode.ode.control import SAFETY, Control, Norm
from refnode.ode.jacobian import Jacobian, Matrix
from refnode.ode.multistep import MultistepSteps
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import Step, Steps

RATIO = 3  # BDF's step over Adams' for which it is worth while to switch: 1 switches to and fro, 5 is LSODA's
LOOK = 3  # Adams' steps between two looks at the past
PAST = RATIO * (MAX_ORDER + 1) + 1  # states that are looked at
STABLE = 0.5  # h rho(J) with which Adams methods of the orders 1 to 5 are stable
STAY = 20  # BDF's steps before the way back is thought of: by then their size is BDF's own, and no longer Adams'
POWERS = (10, 40)  # of J


def best_formula(times: np.ndarray, z: np.ndarray, H: float, scale: np.ndarray, norm: Norm) -> tuple[float, int, np.ndarray]:
    """The BDF formula with steps H that fits the states z (m, n) at the times (m,) best: (factor, order, D). H has the sign of the steps.

    Its error at the last of the times would have allowed steps of factor H. D: (order + 1, n), the backward differences for steps H of the
    polynomial through the states that were used, which are at least H apart. Order 0: the states do not reach back far enough for any.
    """
    back = np.abs(times[-1] - times)
    used, best = [len(times) - 1], (0.0, 0, z[-1:])
    for j in range(1, MAX_ORDER + 2):
        far = np.flatnonzero(back[:used[-1]] > (j - 1e-6) * abs(H))
        if not len(far):
            break
        used.append(int(far[-1]))
        if (k := j - 1) == 0:
            continue
        d = z[-1] - (lagrange(times[used[1:]], times[-1:]) @ z[used[1:]])[0]  # nabla^(k+1) z, where the states are H apart
        ratio = ERROR_CONSTANT[k] * norm(d / scale)
        factor = SAFETY * ratio ** (-1 / (k + 1)) if ratio > 0 else math.inf
        if factor > best[0]:
            best = factor, k, differences(lagrange(times[used[:-1]], times[-1] - H * np.arange(k + 1)) @ z[used[:-1]])
    return best


def lagrange(nodes: np.ndarray, t: np.ndarray) -> np.ndarray:
    """prod_{m != j} (t - t_m) / (t_j - t_m), which is 1 at the node t_j and 0 at the others: (times, nodes)."""
    others = ~np.eye(len(nodes), dtype=bool)
    return np.prod((t[:, None, None] - nodes) / np.where(others, nodes[:, None] - nodes, 1.0), axis=2, where=others)


def differences(x: np.ndarray) -> np.ndarray:
    """x_0, nabla x_0, nabla^2 x_0, ... from x_0, x_-1, x_-2, ..."""
    D = x.copy()
    for j in range(1, len(D)):
        D[j:] = D[j - 1:-1] - D[j:]
    return D


def slopes(D: np.ndarray, h: float) -> np.ndarray:
    """nabla^j z', j = 0, ..., k - 1, of the polynomial with the backward differences D (k + 1, n): h z' = nabla z + nabla^2 z / 2 + ..."""
    k = len(D) - 1
    return np.array([sum(D[j + m] / (m * h) for m in range(1, k - j + 1)) for j in range(k)])


def spectral_radius(J: Matrix) -> float:
    """(|J^m v| / |J^l v|)^(1 / (m - l)), with a fixed v: for normal J never more than the spectral radius, and close to it."""
    low, high = POWERS
    v, log = np.cos(np.arange(J.shape[0])).astype(J.dtype), 0.0
    for m in range(high):
        v = J @ v
        size = float(np.linalg.norm(v))
        if size == 0 or not math.isfinite(size):
            return size
        v /= size
        log += math.log(size) if m >= low else 0.0
    return math.exp(log / (high - low))


class LsodaSteps(Steps):
    """Steps of `AdamsSteps` or `BdfSteps`; the solve begins with Adams. switches: (t, "adams" or "bdf"), the method that goes on from t."""

    error_order = AdamsSteps.error_order

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, jac: Jacobian):
        self.adams = AdamsSteps(f, z, t, t_end, jumps, stats, max_steps, control)
        self.bdf = BdfSteps(f, z, t, t_end, jumps, stats, max_steps, control, jac)
        self.now: MultistepSteps = self.adams
        self.memory: list[np.ndarray] = []  # `progress` has that of the method at work
        self.switches = [(t, "adams")]
        self.control, self.jac = control, jac
        self.measured: tuple[Matrix, float] = (None, math.nan)
        super().__init__(f, self, z, t, t_end, jumps, stats, max_steps)

    def restart(self, t: float, z: np.ndarray) -> None:
        """From (t, z) on with the method that is at work."""
        self.now.restart(t, z)
        self.t, self.z = t, z
        self._forget()

    def stop_within(self, reach: float) -> None:
        self.now.stop_within(reach)

    def _forget(self) -> None:
        self.past, self.count = [(self.t, self.z)], 0

    def _step(self) -> Step:
        if self.now is self.adams and self.count and self.count % LOOK == 0:
            self._leave_adams()
        elif self.now is self.bdf and self.count >= STAY:
            self._leave_bdf()
        now = self.now
        now.attempts, now.left = self.attempts, self.left
        try:
            step = next(now)
        finally:
            self.left = now.left
        self.t, self.z = step.t1, step.z1
        if self.t == now.stop:
            self._forget()  # what was before a jump says nothing about what is behind it
        else:
            self.past, self.count = [*self.past[1 - PAST:], (self.t, self.z)], self.count + 1
        return step

    def _leave_adams(self) -> None:
        H, control = RATIO * self.adams.h, self.control
        if control.max_step < H:
            return
        times, z = (np.array(found) for found in zip(*self.past, strict=True))
        factor, k, D = best_formula(times, z, self.sign * H, control.atol + control.rtol * np.abs(self.z), control.norm)
        if factor < 1:
            return
        self._begin(self.bdf, H)
        self.bdf.k, self.bdf.D[:k + 1] = k, D
        self.switches.append((self.t, "bdf"))

    def _leave_bdf(self) -> None:
        bdf, adams = self.bdf, self.adams
        if self.measured[0] is not bdf.J:
            self.measured = bdf.J, spectral_radius(bdf.J)
        if not bdf.h * self.measured[1] < STABLE:
            return
        self._begin(adams, bdf.h)
        k = adams.k = bdf.k
        before = slopes(bdf.D[:k + 1], self.sign * bdf.h)
        adams.Phi[:k] = before + (adams.Phi[0] - before[0])  # at t itself f, and not the slope of the polynomial
        adams.starting = False
        self.switches.append((self.t, "adams"))

    def _begin(self, method: MultistepSteps, h: float) -> None:
        """Let the method go on from here, with step size h."""
        method.not_finite = self.now.not_finite
        method.restart(self.t, self.z)
        method.stop, method.f_here, method.h = self.now.stop, self.now.f_here, h
        method._begin_step()
        self.now = method
        self._forget()

    def progress(self) -> dict[str, Any]:
        self.now.left = self.left
        times, z = (np.array(found) for found in zip(*self.past, strict=True))
        found = self.now.progress() | {"at_work": self.switches[-1][1], "past_t": times, "past_z": z, "count": self.count}
        return found | {f"jac_{i}": array for i, array in enumerate(self.jac.memory)}

    def resume(self, progress: Any) -> None:
        name = str(progress["at_work"])
        self.now = self.adams if name == "adams" else self.bdf
        self.now.resume(progress)
        self.t, self.z, self.left = self.now.t, self.now.z, self.now.left
        self.past = [(float(t), z) for t, z in zip(progress["past_t"], np.array(progress["past_z"]), strict=True)]
        self.count, self.switches = int(progress["count"]), [(self.t, name)]
        for i, array in enumerate(self.jac.memory):
            array[...] = progress[f"jac_{i}"]
