"""The one loop: from z0 through the observation times.

`solve` is the whole contract of an initial value problem dz/dt = f(z, t, theta). Inside, the state is one flat vector and time runs by
a signed step: `_adaptive_steps` or `_fixed_steps` yield accepted steps, and the observations that lie in a step are read off its interpolant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refnode.errors import MaxStepsReached, NonFiniteDynamics, SolverError, StepSizeUnderflow
from refnode.ode import arguments
from refnode.ode.control import Norm, error_ratio, first_guess, next_step, starting_step
from refnode.ode.runge_kutta import interpolate, rk_step
from refnode.ode.tableaus import Coefficients, Tableau
from refnode.tree import Raveler, Tree, as_state, leaves, rebuild

Evaluate = Callable[[np.ndarray, float, np.ndarray], None]


@dataclass
class SolveStats:
    """nfe: calls of f (each pullback of f calls it once, too). nvjp: cotangents carried back through f. accepted, rejected: steps.

    next_h: the size that the controller proposed last, a warm start for a solve that goes on from there.
    """

    nfe: int = 0
    nvjp: int = 0
    accepted: int = 0
    rejected: int = 0
    next_h: float | None = None


@dataclass
class Stats:
    """What a solve and its gradient cost; each solve that is given this object adds to it.

    reconstruction_error: the largest distance between the states found again by the adjoint's backward solve and the stored ones, in
    units of the tolerance; NaN before the first backward solve.
    """

    forward: SolveStats = field(default_factory=SolveStats)
    backward: SolveStats = field(default_factory=SolveStats)
    reconstruction_error: float = math.nan


@dataclass
class Step:
    """An accepted step from (t, z) to (t1, z1), flat, with its stages K: all that the interpolant needs."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    K: np.ndarray


@dataclass
class Solution:
    """What `solve` returns.

    ts, zs:   the observation times and the states there; each leaf of zs has one axis more in front
    stats:    `SolveStats`
    status:   0, or -1 if the solve failed with throw=False; then message says why, and the rows of zs that were not reached are NaN
    t_steps:  the ends of the accepted steps, from ts[0] on
    """

    ts: np.ndarray
    zs: Tree
    stats: SolveStats
    status: int
    message: str
    t_steps: np.ndarray
    _steps: list[Step] | None = None
    _way: Raveler | None = None
    _method: Coefficients | None = None

    def __call__(self, t: Any) -> Tree:
        """z(t) from the interpolant of the step that t lies in: t a number or an array inside [ts[0], ts[-1]]. Needs dense=True."""
        if self._steps is None or self._way is None or self._method is None:
            raise ValueError("this solution keeps no interpolant; solve with dense=True.")
        times = np.asarray(t, float)
        sign = 1.0 if self.t_steps[-1] >= self.t_steps[0] else -1.0
        low, high = sorted((self.t_steps[0], self.t_steps[-1]))
        if not np.all((times >= low) & (times <= high)):
            raise ValueError(f"t must lie in [{low}, {high}], where the equation was solved.")
        rows = np.empty((times.size, self._way.size), self._way.dtype)
        for row, time in enumerate(times.reshape(-1)):
            if not self._steps:
                self._way.ravel(rebuild(self.zs, (leaf[0] for leaf in leaves(self.zs))), rows[row])
                continue
            step = self._steps[max(0, int(np.searchsorted(sign * self.t_steps, sign * time, side="left")) - 1)]
            rows[row] = _observe(step, time, self._method)
        return _unstack(rows, self._way, times.shape)


def solve(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, method: str | Tableau = "dopri5", rtol: Any = 1e-6, atol: Any = 1e-8,
          first_step: float | None = None, min_step: float = 0.0, max_step: float = math.inf, max_steps: int = 100_000,
          steps: int | None = None, step_size: float | None = None, norm: Any = "rms", dense: bool = False, throw: bool = True,
          stats: SolveStats | None = None) -> Solution:
    """z(ts[i]) for dz/dt = f(z, t, theta), z(ts[0]) = z0, as a `Solution`.

    z0: an array, a number, a list of numbers, or a tree of arrays. ts: (n,) times, increasing or decreasing; they do not change the steps:
    observations are interpolated. f receives read-only arrays and t as a Python float inside [ts[0], ts[-1]], and returns dz/dt with exactly
    z's shapes. rtol, atol: numbers or trees like z0 (rtol = 0 switches the relative part off). steps (a number over the whole of ts) or
    step_size: fixed steps. max_steps: a cap on all attempts. norm: "rms" (within a leaf, maximum over leaves), "max", or a function of the
    flat scaled error. dense: keep every step, so that the solution can be called at any time. first_step, min_step, max_step are positive.

    The controller is SciPy's (RK45 and RK23 take the same steps), with three differences: a NaN in a trial step is a rejection, f is
    never called beyond ts[-1] (not even by a rounding error), and observation times that lie on a step's end get its state.
    Raises ValueError or TypeError for wrong arguments, and a `SolverError` with the part that is right; exceptions of f surface unchanged.
    Paper: eq. (2), eq. (3). Statement: S3, S5, S6, S16. HNW: II.4
    """
    arguments.check_dynamics(f)
    times = arguments.observation_times(ts)
    z0 = as_state(z0)
    way = Raveler(z0)
    tableau = arguments.tableau_named(method)
    rtol, atol = arguments.tolerances(rtol, atol, way)
    grid = arguments.fixed_grid(tableau, times[0], times[-1], steps, step_size)
    max_step = arguments.positive("max_step", max_step)
    first_step = None if first_step is None else arguments.positive("first_step", first_step)
    if not 0 <= min_step < max_step:
        raise ValueError(f"min_step = {min_step} must be at least 0 and below max_step = {max_step}.")
    if isinstance(max_steps, bool) or not isinstance(max_steps, (int, np.integer)) or max_steps < 1:
        raise ValueError(f"max_steps must be a positive whole number, not {max_steps!r}.")
    z = way.ravel(z0)
    if not np.all(np.isfinite(z)):
        raise ValueError("z0 must be finite, but it holds NaN or infinity.")
    theta = arguments.read_only(theta)
    stats = SolveStats() if stats is None else stats
    coefficients = tableau.cast(way.dtype)

    def evaluate(z: np.ndarray, t: float, out: np.ndarray) -> None:
        stats.nfe += 1
        way.ravel(way.conform(f(way.unravel(z), t, theta)), out)

    rows = np.empty((len(times), way.size), way.dtype)
    rows[0] = z
    reached = 1
    t_steps, kept, limits = [times[0]], [], _Limits(first_step, min_step, max_step, int(max_steps))
    tried = SolveStats()
    status, message = 0, "the end of ts was reached."
    try:
        if times[-1] == times[0]:
            rows[1:] = z
            accepted: Iterator[Step] = iter(())
        elif grid is not None:
            accepted = _fixed_steps(evaluate, z, times[0], grid, tableau, coefficients, limits, tried)
        else:
            accepted = _adaptive_steps(evaluate, z, times[0], times[-1], tableau, coefficients, rtol, atol,
                                       arguments.error_norm(norm, way.parts), limits, tried)
        sign = math.copysign(1.0, times[-1] - times[0])
        for step in accepted:
            while reached < len(times) and sign * (times[reached] - step.t1) <= 0:
                rows[reached] = _observe(step, times[reached], coefficients)
                reached += 1
            t_steps.append(step.t1)
            if dense:
                step.K = step.K.copy()
                kept.append(step)
    except SolverError as error:
        error.stats = stats
        error.z = way.unravel(error.z.copy())
        error.partial = (np.array(times[:reached]), _unstack(rows[:reached], way, (reached,)))
        if throw:
            raise
        status, message = -1, f"{type(error).__name__}: {error}"
        rows[reached:] = np.nan
    finally:
        stats.accepted += tried.accepted
        stats.rejected += tried.rejected
        stats.next_h = tried.next_h
    return Solution(np.array(times), _unstack(rows, way, (len(times),)), stats, status, message, np.array(t_steps),
                    kept if dense else None, way, coefficients)


@dataclass
class _Limits:
    """What the caller has set."""

    first_step: float | None
    min_step: float
    max_step: float
    max_steps: int


def _adaptive_steps(evaluate: Evaluate, z: np.ndarray, t: float, t_end: float, tableau: Tableau, method: Coefficients, rtol: Any, atol: Any,
                    norm: Norm, limits: _Limits, stats: SolveStats) -> Iterator[Step]:
    """Accepted steps from t to t_end: stages -> candidate -> error -> control. K is overwritten by the next step."""
    sign = math.copysign(1.0, t_end - t)
    assert tableau.q_hat is not None
    K = np.empty((len(method.b), z.size), z.dtype)
    evaluate(z, t, K[0])
    if not np.all(np.isfinite(K[0])):
        raise NonFiniteDynamics(f"f returned NaN or infinity at the start, t = {t}; check f and z0.", t=t, h=0.0, z=z)
    h = limits.first_step if limits.first_step is not None else _initial_step(evaluate, z, t, t_end, K[0], tableau.q_hat, rtol, atol, norm)
    rejected, ratio = False, 0.0
    while t != t_end:
        smallest = max(10 * abs(math.nextafter(t, sign * math.inf) - t), limits.min_step)
        if not rejected:
            h = min(max(h, smallest), limits.max_step)
        elif h < smallest:
            raise _underflow(t, sign * h, z, ratio, t_end)
        if stats.accepted + stats.rejected >= limits.max_steps:
            raise MaxStepsReached(f"max_steps = {limits.max_steps} steps were tried and t = {t} of {t_end} was reached; "
                                  "raise max_steps or the tolerances, or use a method for stiff problems.", t=t, h=sign * h, z=z)
        t1 = t + sign * h
        proposed = h
        if sign * (t1 - t_end) > 0:
            t1 = t_end
        with np.errstate(over="ignore", invalid="ignore"):  # a step that was too long may overflow: it is rejected
            z1, error = rk_step(evaluate, z, t, t1, K, method)
            ratio = error_ratio(error, z, z1, rtol, atol, norm)  # type: ignore[arg-type]
        accept, h = next_step(abs(t1 - t), ratio, tableau.q_hat, rejected)
        if not accept:
            stats.rejected += 1
            rejected = True
            continue
        stats.accepted += 1
        rejected = False
        stats.next_h = max(h, proposed)  # a last step that was cut short says nothing against the size that was cut
        yield Step(t, t1, z, z1, K)
        t, z = t1, z1
        if tableau.fsal:
            K[0] = K[-1]
        elif t != t_end:
            evaluate(z, t, K[0])


def _fixed_steps(evaluate: Evaluate, z: np.ndarray, t: float, grid: list[float], tableau: Tableau, method: Coefficients, limits: _Limits,
                 stats: SolveStats) -> Iterator[Step]:
    """Steps to each time of the grid."""
    K = np.empty((len(method.b), z.size), z.dtype)
    for i, t1 in enumerate(grid):
        if i >= limits.max_steps:
            raise MaxStepsReached(f"the fixed grid has {len(grid)} steps, more than max_steps = {limits.max_steps}; raise max_steps.",
                                  t=t, h=t1 - t, z=z)
        if i > 0 and tableau.fsal:
            K[0] = K[-1]
        else:
            evaluate(z, t, K[0])
        with np.errstate(over="ignore", invalid="ignore"):
            z1, _ = rk_step(evaluate, z, t, t1, K, method)
        if not np.all(np.isfinite(z1)):
            raise NonFiniteDynamics(f"the step from t = {t} to {t1} ended in NaN or infinity; take smaller steps.", t=t, h=t1 - t, z=z)
        stats.accepted += 1
        stats.next_h = abs(t1 - t)
        yield Step(t, t1, z, z1, K)
        t, z = t1, z1


def _initial_step(evaluate: Evaluate, z: np.ndarray, t: float, t_end: float, f0: np.ndarray, q_hat: int, rtol: Any, atol: Any,
                  norm: Norm) -> float:
    """One explicit Euler step to see how fast f changes. HNW: II.4, "starting step size" """
    length = abs(t_end - t)
    scale = atol + rtol * np.abs(z)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        h0, d1 = first_guess(z, f0, scale, length, norm)
        t1 = t_end if h0 == length else t + math.copysign(h0, t_end - t)
        f1 = np.empty_like(f0)
        evaluate(z + math.copysign(h0, t_end - t) * f0, t1, f1)
        d2 = norm((f1 - f0) / scale) / h0
    return starting_step(h0, d1, d2, q_hat, length) if math.isfinite(d2) else h0 / 100


def _underflow(t: float, h: float, z: np.ndarray, ratio: float, t_end: float) -> SolverError:
    if not math.isfinite(ratio):
        return NonFiniteDynamics(f"f returned NaN or infinity just after t = {t}, however small the step (of [.., {t_end}]); "
                                 "the solution leaves the domain of f there.", t=t, h=h, z=z)
    return StepSizeUnderflow(f"at t = {t} (on the way to {t_end}) the tolerance asks for a step of {abs(h):.1e}, too small for the time axis or "
                             "min_step; the solution may blow up there, f may be discontinuous, or the tolerance too tight.", t=t, h=h, z=z)


def _observe(step: Step, t: float, method: Coefficients) -> np.ndarray:
    """The state at a time inside a step; at its ends the states themselves."""
    if t == step.t1:
        return step.z1
    if t == step.t:
        return step.z
    h = step.t1 - step.t
    return interpolate(step.z, h, step.K, method, (t - step.t) / h)


def _unstack(rows: np.ndarray, way: Raveler, shape: tuple[int, ...]) -> Tree:
    """Rows of flat states as a tree whose leaves have `shape` in front."""
    places = zip(way.parts, way.shapes, way.dtypes, strict=True)
    return rebuild(way.tree, (rows[:, part].reshape(shape + leaf).astype(dtype) for part, leaf, dtype in places))
