"""The solve of an initial value problem dz/dt = f(z, t, theta): from z0 through the observation times.

Inside, the state is one flat vector. `stepping` yields accepted steps; here the observations that lie in a step are read off its
interpolant, events are looked for, and a failure is turned into an error that holds the part that is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.errors import NonFiniteDynamics
from refnode.ode import arguments
from refnode.ode.events import Event, Watch
from refnode.ode.runge_kutta import RungeKutta
from refnode.ode.solution import Solution, SolveStats
from refnode.ode.stepping import AdaptiveSteps, Failure, FixedSteps, Steps, quiet
from refnode.ode.tableau import Tableau
from refnode.tree import Raveler, Tree, as_state


def solve(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, events: Sequence[Event] = (), dense: bool = False, throw: bool = True,
          stats: SolveStats | None = None, **solver: Any) -> Solution:
    """z(ts[i]) for dz/dt = f(z, t, theta), z(ts[0]) = z0, as a `Solution`. Solver: the keywords of `start`.

    z0: an array, a number, a list of numbers, or a tree of arrays. ts: (n,) times, increasing or decreasing; they do not change the steps:
    observations are interpolated. f receives read-only arrays and t as a Python float inside [ts[0], ts[-1]], and returns dz/dt with exactly
    z's shapes. rtol, atol: numbers or trees like z0 (rtol = 0 switches the relative part off). steps (a number over the whole of ts) or
    step_size (the last step may be shorter): fixed steps. norm: of the scaled error, "rms" (within a leaf, the maximum over leaves), "max", or a
    function of the flat vector. first_step: the first size to try; it is brought into [min_step, max_step]. The error test never takes the step
    below min_step (or 10 units in the last place of t): it raises `StepSizeUnderflow`; only the last step may be shorter. max_steps: a cap on
    all attempts of this solve. controller: "I", "PI" or "PID" (see `next_step`). jump_ts: times, in any order, where f may be discontinuous in t:
    steps end on them exactly, and f is asked on both sides, never on them; the knots of an `interpolate` in theta are added. events: `Event`s.
    jac, jac_sparsity: for implicit methods (`jacobian.Jacobian`): jac(z, t, theta) or a matrix, in the order of the flat state; without it
    differences are taken (`refnode.solve` and `refnode.odeint` have the engine do it). dense: keep every step, so that the solution can be called at
    any time, and a record of all attempts. stats: a `SolveStats` to add to.

    The steps are SciPy's (RK45 is dopri5, RK23 is bosh3, DOP853 is dop853: the same steps, evaluations and values), with these differences: a NaN
    in a trial step is a rejection (SciPy stops); f is never called beyond ts[-1], not even by a rounding error; an observation on the end of a
    step gets the state there, not the interpolant's value; the error norm is a maximum over the leaves of a tree.
    Raises ValueError or TypeError for wrong arguments, and a `SolverError` with the part that is right; exceptions of f surface unchanged.
    Paper: eq. (2), eq. (3). Statement: S3, S4, S5, S6, S16. HNW: II.4
    """
    stats = SolveStats() if stats is None else stats
    times = arguments.observation_times(ts)
    way, accepted = start(f, z0, times[0], times[-1], theta, stats, **solver)
    watched = arguments.events(events)
    accepted.attempts = [] if dense else None

    sign, z = accepted.sign, accepted.z
    reached = times.count(times[0])
    zs = np.full((len(times), way.size), np.nan, way.dtype)
    zs[:reached] = z
    t_steps, kept = [times[0]], []
    status, message, watch = 0, "the end of ts was reached.", None
    try:
        watch = Watch(watched, way, arguments.read_only(theta), z, times[0])
        with quiet():
            for step in accepted:
                end, ending = watch.look(step) if watched else (step.t1, [])
                first = reached
                while reached < len(times) and sign * (times[reached] - end) <= 0:
                    reached += 1
                if reached > first:
                    inside = step(np.array(times[first:reached]))
                    if not np.all(np.isfinite(inside)):
                        reached = first
                        raise Failure(NonFiniteDynamics, f"f returned NaN or infinity inside of the step from t = {step.t} to {step.t1}, where the "
                                      "interpolant asks it; take smaller steps.", step.t1 - step.t)
                    zs[first:reached] = inside
                if dense:
                    step.keep()
                    kept.append(step)
                t_steps.append(end)
                z = step.z1
                if ending:
                    z = step(np.array([end]))[0]
                    if watch.is_over(ending):
                        status, message = 1, f"a terminal event happened at t = {end}."
                        break
                    z, reach = watch.reset(ending, z, end)
                    accepted.restart(end, z)
                    accepted.stop_within(reach)
    except Failure as failure:
        if throw:
            partial = (np.array(times[:reached]), way.unstack(zs[:reached], (reached,)))
            raise failure.kind(failure.message, t=t_steps[-1], h=failure.h, z=way.unravel(z), stats=stats, partial=partial) from None
        status, message = -1, f"{failure.kind.__name__}: {failure.message}"
    return Solution(np.array(times), way.unstack(zs, (len(times),)), stats, status, message, np.array(t_steps), way,
                    watch.occurrences() if watch else [], kept if dense else None, accepted.attempts)


def start(f: Callable[..., Any], z0: Tree, t0: float, t1: float, theta: Tree, stats: SolveStats, *, method: str | Tableau = "dopri5",
          rtol: Any = 1e-6, atol: Any = 1e-8, first_step: float | None = None, min_step: float = 0.0, max_step: float = math.inf,
          max_steps: int = 100_000, steps: int | None = None, step_size: float | None = None, norm: Any = "rms", controller: str = "I",
          jump_ts: Any = (), jac: Any = None, jac_sparsity: Any = None) -> tuple[Raveler, Steps]:
    """The arguments of a solve, checked, and its steps, of which none is taken yet."""
    arguments.check_dynamics(f)
    z0 = as_state(z0)
    way = Raveler(z0)
    chosen = arguments.method_named(method)
    max_steps = arguments.whole_number("max_steps", max_steps)
    grid = arguments.fixed_grid(method, chosen, t0, t1, steps, step_size, max_steps)
    control = arguments.control(way, rtol, atol, norm, first_step, min_step, max_step, controller, fixed=grid is not None)
    jumps = arguments.jumps(jump_ts, theta, t0, t1)
    z = arguments.finite_state(way.ravel(z0))
    theta = arguments.read_only(theta)

    def evaluate(z: np.ndarray, t: float, out: np.ndarray) -> None:
        stats.nfe += 1
        way.write(f(way.unravel(z), t, theta), out)

    if (jac is not None or jac_sparsity is not None) and not arguments.is_implicit(method):
        raise ValueError(f"method {method!r} is explicit and uses no Jacobian; leave jac and jac_sparsity out.")
    own_steps = isinstance(chosen, type) and issubclass(chosen, Steps)
    if controller != "I" and (own_steps or grid is not None):
        why = "fixed steps need none" if grid is not None else f"{method} controls its steps in a way of its own"
        raise ValueError(f"controller={controller!r} is for explicit one-step methods with an error estimate: {why}; leave it out.")
    if own_steps:  # implicit and multistep methods choose their steps in ways of their own
        jacobian = None
        if arguments.is_implicit(method):
            from refnode.ode.jacobian import Jacobian

            flat_jac = (lambda z, t: jac(way.unravel(z), t, theta)) if callable(jac) else jac
            jacobian = Jacobian(evaluate, z, flat_jac, jac_sparsity, stats=stats, threshold=control.atol)
        if grid is None:
            return way, chosen(evaluate, z, t0, t1, jumps, stats, max_steps, control, jacobian)
        at_work = chosen.at_work(z, jacobian, None)
    else:
        at_work = RungeKutta(chosen, z) if isinstance(chosen, Tableau) else chosen(z, way)
        if grid is None:
            return way, AdaptiveSteps(evaluate, at_work, z, t0, t1, jumps, stats, max_steps, control)
    return way, FixedSteps(evaluate, at_work, z, t0, grid, jumps, stats, max_steps)
