"""The one loop: from z0 through the observation times.

`solve` is the whole contract of an initial value problem dz/dt = f(z, t, theta). Inside, the state is one flat vector and time runs by
a signed step: `_adaptive_steps` or `_fixed_steps` yield accepted steps, and the observations that lie in a step are read off its interpolant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.errors import MaxStepsReached, NonFiniteDynamics, SolverError, StepSizeUnderflow
from refnode.ode import arguments
from refnode.ode.control import Control, error_ratio, first_guess, next_step, starting_step
from refnode.ode.runge_kutta import Step, rk_step
from refnode.ode.solution import Solution, SolveStats
from refnode.ode.tableaus import Tableau
from refnode.tree import Raveler, Tree, as_state

MAX_NOT_FINITE = 500  # trial steps that may end in NaN or infinity, in one solve
Evaluate = Callable[[np.ndarray, float, np.ndarray], None]


def solve(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, method: str | Tableau = "dopri5", rtol: Any = 1e-6, atol: Any = 1e-8,
          first_step: float | None = None, min_step: float = 0.0, max_step: float = math.inf, max_steps: int = 100_000,
          steps: int | None = None, step_size: float | None = None, norm: Any = "rms", dense: bool = False, throw: bool = True,
          stats: SolveStats | None = None) -> Solution:
    """z(ts[i]) for dz/dt = f(z, t, theta), z(ts[0]) = z0, as a `Solution`.

    z0: an array, a number, a list of numbers, or a tree of arrays. ts: (n,) times, increasing or decreasing; they do not change the steps:
    observations are interpolated. f receives read-only arrays and t as a Python float inside [ts[0], ts[-1]], and returns dz/dt with exactly
    z's shapes. rtol, atol: numbers or trees like z0 (rtol = 0 switches the relative part off). steps (a number over the whole of ts) or
    step_size (the last step may be shorter): fixed steps. norm: of the scaled error, "rms" (within a leaf, the maximum over leaves), "max", or a
    function of the flat vector. first_step: the first size to try; it is brought into [min_step, max_step]. The error test never takes the step
    below min_step (or 10 units in the last place of t): it raises `StepSizeUnderflow`; only the last step may be shorter. max_steps: a cap on
    all attempts of this solve. dense: keep every step, so that the solution can be called at any time. stats: a `SolveStats` to add to.

    The steps are SciPy's (RK45 is dopri5, RK23 is bosh3: the same steps, evaluations and values), with these differences: a NaN in a trial
    step is a rejection (SciPy stops); f is never called beyond ts[-1], not even by a rounding error; an observation on the end of a step
    gets the state there, not the interpolant's value; the error norm is a maximum over the leaves of a tree.
    Raises ValueError or TypeError for wrong arguments, and a `SolverError` with the part that is right; exceptions of f surface unchanged.
    Paper: eq. (2), eq. (3). Statement: S3, S4, S5, S6, S16. HNW: II.4
    """
    arguments.check_dynamics(f)
    times = arguments.observation_times(ts)
    z0 = as_state(z0)
    way = Raveler(z0)
    tableau = arguments.tableau_named(method)
    control = arguments.control(way, rtol, atol, norm, first_step, min_step, max_step)
    max_steps = arguments.whole_number("max_steps", max_steps)
    grid = arguments.fixed_grid(tableau, times[0], times[-1], steps, step_size, max_steps)
    z = arguments.finite_state(way.ravel(z0))
    theta = arguments.read_only(theta)
    stats = SolveStats() if stats is None else stats

    def evaluate(z: np.ndarray, t: float, out: np.ndarray) -> None:
        stats.nfe += 1
        way.write(f(way.unravel(z), t, theta), out)

    if times[0] == times[-1]:
        accepted: Iterator[Step] = iter(())
    elif grid is None:
        accepted = _adaptive_steps(evaluate, z, times[0], times[-1], tableau, control, max_steps, stats)
    else:
        accepted = _fixed_steps(evaluate, z, times[0], grid, tableau, stats)

    sign = math.copysign(1.0, times[-1] - times[0])
    reached = times.count(times[0])
    zs = np.full((len(times), way.size), np.nan, way.dtype)
    zs[:reached] = z
    t_steps, kept = [times[0]], []
    status, message = 0, "the end of ts was reached."
    try:
        for step in accepted:
            first = reached
            while reached < len(times) and sign * (times[reached] - step.t1) <= 0:
                reached += 1
            if reached > first:
                zs[first:reached] = step(np.array(times[first:reached]))
            if dense:
                step.K = step.K.copy()  # the next step overwrites it
                kept.append(step)
            t_steps.append(step.t1)
            z = step.z1
    except _Failure as failure:
        if throw:
            partial = (np.array(times[:reached]), way.unstack(zs[:reached], (reached,)))
            raise failure.kind(failure.message, t=t_steps[-1], h=failure.h, z=way.unravel(z), stats=stats, partial=partial) from None
        status, message = -1, f"{failure.kind.__name__}: {failure.message}"
    return Solution(np.array(times), way.unstack(zs, (len(times),)), stats, status, message, np.array(t_steps), way, kept if dense else None)


class _Failure(Exception):
    """Why the steps cannot go on. Of its own kind, so that an error of a solve inside f is not taken for one of this solve."""

    def __init__(self, kind: type[SolverError], message: str, h: float):
        self.kind, self.message, self.h = kind, message, h


def _adaptive_steps(f: Evaluate, z: np.ndarray, t: float, t_end: float, tableau: Tableau, control: Control, max_steps: int,
                    stats: SolveStats) -> Iterator[Step]:
    """Accepted steps from t to t_end: stages -> candidate -> error -> control. K is overwritten by the next step."""
    assert tableau.q_hat is not None
    rtol, atol, norm = control.rtol, control.atol, control.norm
    method = tableau.cast(z.dtype)
    K = np.empty((len(method.b), z.size), z.dtype)
    f(z, t, K[0])
    if not np.all(np.isfinite(K[0])):
        raise _Failure(NonFiniteDynamics, f"f returned NaN or infinity at the start, t = {t}; check f and z0.", 0.0)
    h = control.first_step or _initial_step(f, z, t, t_end, K[0], tableau.q_hat, control)
    sign = math.copysign(1.0, t_end - t)
    rejected, ratio, not_finite = False, 0.0, 0
    for _ in range(max_steps):
        smallest = max(_spacing(t), control.min_step)
        if not rejected:
            h = min(max(h, smallest), control.max_step)
        if h < smallest:
            raise _underflow(t, sign * h, ratio, t_end)
        t1 = _towards(t_end, t, sign * h)
        with np.errstate(over="ignore", invalid="ignore"):  # a step that was too long may overflow: it is rejected
            z1, error = rk_step(f, z, t, t1, K, method)
            ratio = error_ratio(error, z, z1, rtol, atol, norm)
        tried = h
        accept, h = next_step(abs(t1 - t), ratio, tableau.q_hat, rejected)
        rejected = not accept
        if rejected:
            stats.rejected += 1
            not_finite += not math.isfinite(ratio)
            if not_finite > MAX_NOT_FINITE:
                raise _Failure(NonFiniteDynamics, f"{not_finite} trial steps up to t = {t} (of {t_end}) ended in NaN or infinity: the solution runs "
                               "along the border of the domain of f.", sign * h)
            continue
        stats.accepted += 1
        stats.next_h = max(h, tried)  # a last step that was cut short says nothing against the size that was cut
        yield Step(t, t1, z, z1, K, method)
        if t1 == t_end:
            return
        t, z = t1, z1
        if method.fsal:
            K[0] = K[-1]
        else:
            f(z, t, K[0])
    raise _Failure(MaxStepsReached, f"max_steps = {max_steps} steps were tried and t = {t} of {t_end} was reached; "
                   "raise max_steps or the tolerances, or use a method for stiff problems.", sign * h)


def _fixed_steps(f: Evaluate, z: np.ndarray, t: float, grid: list[float], tableau: Tableau, stats: SolveStats) -> Iterator[Step]:
    """Steps to each time of the grid. K is overwritten by the next step."""
    method = tableau.cast(z.dtype)
    K = np.empty((len(method.b), z.size), z.dtype)
    for i, t1 in enumerate(grid):
        with np.errstate(over="ignore", invalid="ignore"):
            if method.fsal and i > 0:
                K[0] = K[-1]
            else:
                f(z, t, K[0])
            z1, _ = rk_step(f, z, t, t1, K, method)
        if not np.all(np.isfinite(z1)):  # every stage counts, those with weight 0 too: 0 NaN is NaN
            raise _Failure(NonFiniteDynamics, f"the step from t = {t} to {t1} ended in NaN or infinity; take smaller steps.", t1 - t)
        stats.accepted += 1
        stats.next_h = abs(t1 - t)
        yield Step(t, t1, z, z1, K, method)
        t, z = t1, z1


def _initial_step(f: Evaluate, z: np.ndarray, t: float, t_end: float, f0: np.ndarray, q_hat: int, control: Control) -> float:
    """One explicit Euler step to see how fast f changes. HNW: II.4, "starting step size" """
    length = abs(t_end - t)
    scale = control.atol + control.rtol * np.abs(z)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        h0, d1 = first_guess(z, f0, scale, length, control.norm)
        h0 = max(h0, min(_spacing(t), length))
        h = math.copysign(h0, t_end - t)
        f1 = np.empty_like(f0)
        f(z + h * f0, _towards(t_end, t, h), f1)
        d2 = control.norm((f1 - f0) / scale) / h0
    return starting_step(h0, d1, d2, q_hat, length) if math.isfinite(d2) else h0 / 100


def _towards(t_end: float, t: float, h: float) -> float:
    """t + h, or t_end where that lies beyond."""
    return min(t + h, t_end) if h > 0 else max(t + h, t_end)


def _spacing(t: float) -> float:
    """Ten units in the last place of t: the time axis is too coarse for smaller steps."""
    return 10 * math.ulp(t)


def _underflow(t: float, h: float, ratio: float, t_end: float) -> _Failure:
    if not math.isfinite(ratio):
        return _Failure(NonFiniteDynamics, f"f returned NaN or infinity just after t = {t}, however small the step (on the way to {t_end}); "
                        "the solution leaves the domain of f there.", h)
    return _Failure(StepSizeUnderflow, f"at t = {t} (on the way to {t_end}) a step of {abs(h):.1e} is asked for, too small for the time axis or "
                    "min_step; the solution may blow up there, f may be discontinuous, or the tolerance too tight.", h)
