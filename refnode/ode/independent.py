"""A batch whose rows do not disturb each other: each row has its own step size, times, statistics and failure, in one vectorised loop.

In a joint solve the whole batch takes the steps that its error norm asks for, and a row's result depends on its company. Here f is called with
all rows at once, but each at its own time: t has the shape (B, 1, ..., 1). Every other operation is elementwise or a sum along a row, so that a
row comes out the same to the last bit alone and in any company, if f treats it so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.errors import MaxStepsReached, NonFiniteDynamics, SolverError, StepSizeUnderflow
from refnode.ode import arguments
from refnode.ode.control import MAX_FACTOR, MIN_FACTOR, SAFETY, Control
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import MAX_NOT_FINITE, quiet
from refnode.ode.tableau import Coefficients, Tableau
from refnode.tree import Raveler, Tree, as_state, leaves, rebuild


@dataclass(repr=False)
class RowsSolution:
    """What `solve_rows` returns, for B rows.

    ts:       (n,) or (n, B), as given
    zs:       a tree like z0; each leaf (B, ...) has become (n, B, ...). NaN where a row failed before
    stats:    `SolveStats` whose counts are arrays (B,): what each row took
    status:   (B,), 0 or -1; messages: why, for each row
    t_steps:  for each row the ends of its accepted steps
    calls:    of f, with all rows at once
    """

    ts: np.ndarray
    zs: Tree
    stats: SolveStats
    status: np.ndarray
    messages: list[str]
    t_steps: list[np.ndarray]
    calls: int

    def __repr__(self) -> str:
        steps = self.stats.accepted
        return (f"RowsSolution({len(self.status)} rows, {np.count_nonzero(self.status)} of them failed, {len(self.ts)} observations, "
                f"{np.min(steps)} to {np.max(steps)} steps)")


def solve_rows(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, method: str | Tableau = "dopri5", rtol: Any = 1e-6, atol: Any = 1e-8,
               first_step: float | None = None, min_step: float = 0.0, max_step: float = math.inf, max_steps: int = 100_000, norm: Any = "rms",
               throw: bool = True) -> RowsSolution:
    """z(ts) for the B rows of z0 (the first axis of each leaf), each with steps of its own.

    ts: (n,), the same for all rows, or (n, B), a column for each. f(z, t, theta) gets z with all rows, and t of shape (B, 1, ..., 1) with as many
    axes as the leaf of z that has the most. rtol, atol: numbers or trees like one row. max_steps: attempts of one row. A row that is done
    stays where it is while f is still called for the others. Whether rows influence each other is looked at once, at the start. method: an
    explicit Runge-Kutta method with one error estimate (not dop853). Events, jumps and dense output are not for rows.
    Raises ValueError or TypeError for wrong arguments. A row that fails raises a `SolverError` whose partial holds all rows, unless throw=False.
    HNW: II.4
    """
    arguments.check_dynamics(f)
    z0 = as_state(z0)
    rows = Rows(z0)
    tableau = arguments.method_named(method)
    if not isinstance(tableau, Tableau) or tableau.error_order is None or tableau.q_check is not None:
        raise ValueError("independent=True needs an explicit Runge-Kutta method with one error estimate, such as dopri5, tsit5, bosh3 or heun, "
                         f"not {method!r}.")
    control = arguments.control(rows.way, rtol, atol, norm, first_step, min_step, max_step, "I")
    max_steps = arguments.whole_number("max_steps", max_steps)
    given = np.asarray(ts)
    columns = [given] if given.ndim < 2 else [*given.T]
    times = np.array([arguments.observation_times(column) for column in columns]).T  # (n, 1) or (n, B)
    if times.shape[1] not in (1, rows.B):
        raise ValueError(f"ts must have shape (n,) or (n, {rows.B}), one column for each row of z0, not {given.shape}.")
    times = np.broadcast_to(times, (len(times), rows.B))
    loop = _Loop(f, rows, arguments.read_only(theta), tableau, control, norm, max_steps, times, arguments.finite_state(rows.ravel(z0)))
    with quiet():
        _check_rows(loop)
        loop.run()
    stats = SolveStats(nfe=loop.nfe, accepted=loop.accepted, rejected=loop.rejected)  # type: ignore[arg-type]
    status = np.array([-1 if kind else 0 for kind in loop.kinds])
    solution = RowsSolution(np.array(given, float), rows.unstack(loop.zs), stats, status, loop.messages,
                            [ends[~np.isnan(ends)] for ends in np.array(loop.ends).T], loop.calls)
    if throw and status.any():
        i, kind = next((i, kind) for i, kind in enumerate(loop.kinds) if kind)
        raise kind(f"{np.count_nonzero(status)} of {rows.B} rows failed, first row {i}: {loop.messages[i]}", t=float(loop.t[i]),
                   h=float(loop.h[i]), z=rows.unravel(loop.Z), stats=stats, partial=(solution.ts, solution.zs))
    return solution


def add_rows(stats: SolveStats, solution: RowsSolution) -> None:
    """What the batch took as a whole: calls of f, and the steps of all rows."""
    stats.nfe += solution.calls
    stats.accepted += int(np.sum(solution.stats.accepted))
    stats.rejected += int(np.sum(solution.stats.rejected))


def _check_rows(loop: _Loop) -> None:
    """Half of the rows, drawn at random, are moved a little: in the others f must not change by a bit."""
    B = loop.rows.B
    if B == 1:
        return
    moved = np.zeros(B, bool)
    moved[np.random.default_rng(0).permutation(B)[: B // 2]] = True
    nearby = np.where(moved[:, None], loop.Z + 2.0**-10 * (1 + np.abs(loop.Z)), loop.Z).astype(loop.Z.dtype)
    f0, f1 = loop.evaluate(loop.Z, loop.t, ~loop.active & loop.active), loop.evaluate(nearby, loop.t, ~loop.active & loop.active)
    different = np.flatnonzero(~moved & ((f0 != f1) & ~(np.isnan(f0) & np.isnan(f1))).any(axis=1))
    if len(different):
        raise ValueError(f"independent=True is for rows that do not influence each other, but f at row {different[0]} changes when other rows do; "
                         "solve them jointly, or make f treat each row for itself.")


class Rows:
    """The way from a tree whose leaves are (B, ...) to one matrix (B, n), and back."""

    def __init__(self, tree: Tree):
        arrays = leaves(tree)
        if not arrays or any(leaf.ndim == 0 or len(leaf) != len(arrays[0]) for leaf in arrays):
            raise ValueError("independent=True needs a z0 whose leaves have the batch as their first axis, of one length, not the shapes "
                             f"{[leaf.shape for leaf in arrays]}.")
        self.tree, self.B = tree, len(arrays[0])
        if self.B == 0:
            raise ValueError("independent=True needs at least one row.")
        self.way = Raveler(rebuild(tree, (leaf[0] for leaf in arrays)))
        self.all = Raveler(tree)
        self.t_shape = (self.B,) + (1,) * (max(leaf.ndim for leaf in arrays) - 1)

    def ravel(self, tree: Tree) -> np.ndarray:
        return np.concatenate([leaf.reshape(self.B, -1) for leaf in leaves(tree)], axis=1, dtype=self.way.dtype)

    def unravel(self, matrix: np.ndarray) -> Tree:
        """Read-only leaves, each with its rows in one piece of memory."""
        def leaf(part: slice, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
            x = np.array(matrix[:, part], dtype, order="C").reshape(shape)
            x.setflags(write=False)
            return x
        return rebuild(self.tree, map(leaf, self.way.parts, self.all.shapes, self.all.dtypes))

    def unstack(self, stack: np.ndarray) -> Tree:
        """(n, B, size) as a tree of leaves (n, B, ...)."""
        n = len(stack)
        return rebuild(self.tree, (stack[:, :, part].astype(dtype).reshape((n, *shape))
                                   for part, shape, dtype in zip(self.way.parts, self.all.shapes, self.all.dtypes, strict=True)))


class _Loop:
    """The loop of `stepping.AdaptiveSteps`, with an array of length B for each of its numbers."""

    def __init__(self, f: Callable[..., Any], rows: Rows, theta: Tree, tableau: Tableau, control: Control, norm: Any, max_steps: int,
                 times: np.ndarray, Z: np.ndarray):
        assert tableau.error_order is not None
        B = rows.B
        self.f, self.rows, self.theta, self.control, self.norm, self.max_steps, self.times = f, rows, theta, control, norm, max_steps, times
        self.method: Coefficients = tableau.cast(rows.way.dtype)
        self.k: int = tableau.error_order
        self.Z, self.t, self.t_end, self.h = Z, times[0].copy(), times[-1], np.zeros(B)
        self.sign = np.where(times[-1] >= times[0], 1.0, -1.0)
        self.nfe, self.accepted, self.rejected, self.not_finite = (np.zeros(B, int) for _ in range(4))
        self.calls = 0
        self.ratio = np.zeros(B)
        self.active, self.retrying = self.t != self.t_end, np.zeros(B, bool)
        self.kinds: list[type[SolverError] | None] = [None] * B
        self.messages = ["the end of ts was reached."] * B
        self.ends = [self.t]  # of the accepted steps; NaN for the other rows
        self.zs = np.full((len(times), B, rows.way.size), np.nan, rows.way.dtype)
        self.reached = np.zeros(B, int)
        for i in range(len(times)):  # observations at the start; times may be repeated
            at_start = (self.reached == i) & (times[i] == self.t)
            self.zs[i, at_start] = Z[at_start]
            self.reached += at_start

    def run(self) -> None:
        if not self.active.any():
            return
        self.first_stage = self.evaluate(self.Z, self.t, self.active)
        self.fail(self.active & ~np.isfinite(self.first_stage).all(axis=1), NonFiniteDynamics,
                  lambda i: f"f returned NaN or infinity at the start, t = {self.t[i]}; check f and z0.")
        self.h = np.full(self.rows.B, self.control.first_step) if self.control.first_step else self._starting_steps()
        while True:
            smallest = np.maximum(10 * np.spacing(np.abs(self.t)), self.control.min_step)
            self.h = np.where(self.retrying, self.h, np.minimum(np.maximum(self.h, smallest), self.control.max_step))
            self._give_up(smallest)
            if not self.active.any():
                return
            self._step()

    def _step(self) -> None:
        """A trial step of each active row: stages -> candidate -> error -> control."""
        Z, t, method, control = self.Z, self.t, self.method, self.control
        t1 = np.where(self.active, self._towards_end(self.h), t)
        K = [self.first_stage]
        for i in range(1, len(method.b)):
            c = method.c[i]
            K.append(self.evaluate(Z + _combine(method.A[i], K, t1 - t), t1 if c == 1 else t + c * (t1 - t), self.active))
        Z1 = Z + _combine(method.b, K, t1 - t)
        assert method.e is not None
        ratio = self.norms(_combine(method.e, K, t1 - t) / (control.atol + control.rtol * np.maximum(np.abs(Z), np.abs(Z1))))

        self.ratio = ratio
        accept, finite = self.active & (ratio < 1), np.isfinite(ratio)
        self.accepted += accept
        self.rejected += self.active & ~accept
        self.not_finite += self.active & ~finite
        factor = np.where(finite, SAFETY * np.maximum(ratio, np.finfo(ratio.dtype).tiny) ** (-1 / self.k), MIN_FACTOR)
        factor = np.minimum(np.where(accept & ~self.retrying, MAX_FACTOR, 1.0), np.maximum(MIN_FACTOR, factor))
        self.h = np.where(self.active, np.abs(t1 - t) * factor, self.h)
        self.retrying = self.active & ~accept

        self._observe(accept, t1, Z1, K)
        self.ends.append(np.where(accept, t1, np.nan))
        self.t, self.Z = np.where(accept, t1, t), np.where(accept[:, None], Z1, Z)
        self.active &= self.t != self.t_end
        if method.fsal:
            self.first_stage = np.where(accept[:, None], K[-1], self.first_stage)
        elif (accept & self.active).any():
            going_on = accept & self.active
            self.first_stage = np.where(going_on[:, None], self.evaluate(self.Z, self.t, going_on), self.first_stage)

    def _observe(self, accept: np.ndarray, t1: np.ndarray, Z1: np.ndarray, K: list[np.ndarray]) -> None:
        """Observations inside of the accepted steps, one for each row at a time."""
        n, P = len(self.times), self.method.P
        while True:
            due = self.times[np.minimum(self.reached, n - 1), np.arange(self.rows.B)]
            rows = np.flatnonzero(accept & (self.reached < n) & (self.sign * (due - t1) <= 0))
            if not len(rows):
                return
            h, t = t1[rows] - self.t[rows], due[rows]
            powers = [((t - self.t[rows]) / h).astype(P.dtype) ** j for j in range(1, P.shape[1] + 1)]
            b = [sum(p * x for p, x in zip(coefficients, powers, strict=True)) for coefficients in P]
            inside = self.Z[rows] + h[:, None].astype(P.dtype) * sum(w[:, None] * k[rows] for w, k in zip(b, K, strict=True))
            self.zs[self.reached[rows], rows] = np.where((t == t1[rows])[:, None], Z1[rows], inside)
            self.reached[rows] += 1

    def _starting_steps(self) -> np.ndarray:
        """HNW: II.4, "starting step size", for each row."""
        length, f0 = np.abs(self.t_end - self.t), self.first_stage
        scale = self.control.atol + self.control.rtol * np.abs(self.Z)
        d0, d1 = self.norms(self.Z / scale), self.norms(f0 / scale)
        small = (d0 < 1e-5) | (d1 < 1e-5)
        h0 = np.minimum(np.where(small, 1e-6, 0.01 * d0 / np.where(small, 1.0, d1)), length)
        h0 = np.maximum(h0, np.minimum(10 * np.spacing(np.abs(self.t)), length))
        t = self._towards_end(h0)
        f1 = self.evaluate(self.Z + (self.sign * h0)[:, None].astype(f0.dtype) * f0, t, self.active)
        d2 = self.norms((f1 - f0) / scale) / np.where(self.active, h0, 1.0)
        largest = np.maximum(d1, d2)
        h1 = np.where(largest <= 1e-15, np.maximum(1e-6, h0 * 1e-3), (0.01 / np.maximum(largest, np.finfo(largest.dtype).tiny)) ** (1 / self.k))
        return np.where(np.isfinite(d2), np.minimum(np.minimum(100 * h0, h1), length), h0 / 100)

    def evaluate(self, Z: np.ndarray, t: np.ndarray, active: np.ndarray) -> np.ndarray:
        self.calls += 1
        self.nfe += active
        t = t.reshape(self.rows.t_shape)
        t.setflags(write=False)
        return self.rows.ravel(self.rows.all.conform(self.f(self.rows.unravel(Z), t, self.theta)))

    def norms(self, X: np.ndarray) -> np.ndarray:
        """The norm of each row."""
        if self.norm == "max":
            return np.abs(X).max(axis=1, initial=0.0)
        if self.norm != "rms":
            return np.array([self.control.norm(row) for row in X])
        squares = X.real * X.real + X.imag * X.imag if X.dtype.kind == "c" else X * X
        return np.max([np.sqrt(squares[:, part].sum(axis=1) / max(1, part.stop - part.start)) for part in self.rows.way.parts], axis=0)

    def _towards_end(self, h: np.ndarray) -> np.ndarray:
        return np.where(self.sign > 0, np.minimum(self.t + h, self.t_end), np.maximum(self.t - h, self.t_end))

    def _give_up(self, smallest: np.ndarray) -> None:
        self.fail(self.active & (self.not_finite > MAX_NOT_FINITE), NonFiniteDynamics, lambda i: f"{self.not_finite[i]} trial steps up to "
                  f"t = {self.t[i]} (of {self.t_end[i]}) ended in NaN or infinity: the solution runs along the border of the domain of f.")
        self.fail(self.active & (self.h < smallest) & ~np.isfinite(self.ratio), NonFiniteDynamics, lambda i: "f returned NaN or infinity just after "
                  f"t = {self.t[i]}, however small the step (on the way to {self.t_end[i]}); the solution leaves the domain of f there.")
        self.fail(self.active & (self.h < smallest), StepSizeUnderflow, lambda i: f"at t = {self.t[i]} (on the way to {self.t_end[i]}) a step of "
                  f"{self.h[i]:.1e} is asked for, too small for the time axis or min_step; the solution may blow up there.")
        self.fail(self.active & (self.accepted + self.rejected >= self.max_steps), MaxStepsReached, lambda i: f"max_steps = {self.max_steps} steps "
                  f"were tried and t = {self.t[i]} of {self.t_end[i]} was reached; raise max_steps or the tolerances.")

    def fail(self, rows: np.ndarray, kind: type[SolverError], message: Callable[[int], str]) -> None:
        for i in map(int, np.flatnonzero(rows)):
            self.kinds[i], self.messages[i] = kind, message(i)
        self.active &= ~rows


def _combine(weights: np.ndarray, K: list[np.ndarray], h: np.ndarray) -> np.ndarray:
    """h sum_i w_i k_i, term by term: a product of matrices would round differently in different company."""
    total = weights[0] * K[0]
    for w, k in zip(weights[1:], K[1:], strict=True):
        if w:
            total = total + w * k
    return h[:, None].astype(weights.dtype) * total
