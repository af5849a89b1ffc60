"""solve_ivp with SciPy's signature, conventions and result, on refnode's steps.

A program that calls scipy.integrate.solve_ivp gets from refnode.solve_ivp the same steps, evaluations and numbers with RK23, RK45 and DOP853, and
steps of refnode's radau5, bdf and lsoda with Radau, BDF and LSODA. So the order of fun's arguments, the conventions on events and the messages are
SciPy's here, not the house's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.errors import StepSizeUnderflow
from refnode.ode import arguments, scipy_arguments
from refnode.ode.runge_kutta import Evaluate, RungeKutta
from refnode.ode.scipy_arguments import EPS, METHODS
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import AdaptiveSteps, Failure, Step, quiet
from refnode.ode.tableau import Tableau

MESSAGES = {0: "The solver successfully reached the end of the integration interval.", 1: "A termination event occurred."}
TOO_SMALL_STEP = "Required step size is less than spacing between numbers."


def solve_ivp(fun: Callable[..., Any], t_span: Sequence[float], y0: Any, method: Any = "RK45", t_eval: Any = None, dense_output: bool = False,
              events: Any = None, vectorized: bool = False, args: Any = None, **options: Any) -> Any:
    """y(t) for dy/dt = fun(t, y, *args), y(t_span[0]) = y0, by the contract of scipy.integrate.solve_ivp.

    fun(t, y, *args) -> dy/dt for y (n,), real or complex (not with Radau and LSODA); with vectorized=True y is (n, 1). t_span: (t0, t1), in either
    direction; t1 may be infinite when an event ends the solve. method: "RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA", SciPy's class of that
    name, or any other class that derives from scipy.integrate.OdeSolver, which is run as it is. t_eval: the times that are wanted; None: the ends
    of the steps. events: one function event(t, y, *args) -> number or several, with the attributes `terminal` and `direction`.
    options: first_step, max_step, rtol=1e-3, atol=1e-6 (numbers or (n,)), and one that SciPy lacks: max_steps=10_000_000, a cap on all trial steps.
    Radau, BDF, LSODA: jac, a function jac(t, y, *args) or a constant matrix, both dense or sparse; None: differences. Radau, BDF: jac_sparsity, a
    matrix that is nonzero where the Jacobian may be, for the differences. LSODA: min_step, and lband and uband, the number of diagonals below and
    above the main one; jac is then packed, jac_packed[uband + i - j, j] = jac[i, j]. Another class receives all options.

    Returns a scipy.optimize.OptimizeResult, the public base of SciPy's own result: t (m,), y (n, m), sol (a scipy.integrate.OdeSolution, with
    dense_output=True), t_events, y_events, nfev (with Radau and BDF without the calls for differences), njev, nlu, status (0: done, 1: a terminal
    event, -1: failed), message, success.

    Deviation: where SciPy never returns, this does: NaN from fun at t0, or max_steps trial steps, is status -1. A trial step that ends in NaN is
    tried again with a smaller one, as in SciPy, 500 times in one solve at most.
    Deviation: what SciPy makes a number of is refused: complex values of fun for a real y0 (SciPy drops their imaginary part; start from
    y0 + 0j), values of another shape than y's (SciPy broadcasts them), times or tolerances that are NaN.
    Deviation: fun may write into y without any effect on the solution; in SciPy the solution changes.
    Deviation: fun is never called beyond t1, not even by a rounding error; an output at the end of a step is the state there.
    Deviation: NumPy does not warn of overflow and invalid values while steps are tried; they are answered by the step's rejection.
    Deviation: the time of an event is found to rounding errors of a short step as well, where SciPy stops at 9e-16 in units of t.
    Deviation: t_eval is answered for t0 = t1 (SciPy returns nothing), and with dense_output=True when an event ends the solve at the start of a
    step (SciPy raises ValueError).
    Deviation: LSODA takes a matrix as jac, and a sparse one; and with vectorized=True differences are taken column by column.
    """
    from scipy.integrate import OdeSolution
    from scipy.optimize import OptimizeResult

    from refnode.ode.scipy_output import output_of

    method = scipy_arguments.method_named(method)
    t0, t1 = scipy_arguments.interval(t_span)
    y0 = scipy_arguments.initial_state(y0, method)
    args = scipy_arguments.unpacked(args)
    times = None if t_eval is None else scipy_arguments.output_times(t_eval, t0, t1)
    stats = SolveStats()
    steps = _steps(fun, args, vectorized, t0, t1, y0, method, stats, options)
    watch = None if events is None else Watch(events, args, t0, y0)

    sign = 1.0 if t1 >= t0 else -1.0
    ends, states, interpolants = [t0], [y0], []
    reached, observed = 0, []
    status, message = 0, ""
    try:
        with quiet():
            for step in steps:
                if dense_output:
                    step.keep()
                end, over = watch.look(step) if watch else (step.t1, False)
                if times is not None:
                    first, reached = reached, int(np.searchsorted(sign * times, sign * end, side="right"))
                    if reached > first:
                        observed.append(step(times[first:reached]))
                if not dense_output or end != ends[-1] or len(ends) == 1:  # an event at the start of a step leaves none of it
                    ends.append(end)
                    states.append(step.z1 if end == step.t1 else _at(step, end))
                    interpolants.append(step)
                if over:
                    status = 1
                    break
    except Failure as failure:
        status, message = -1, failure.message
        if failure.kind is StepSizeUnderflow:
            message = f"{TOO_SMALL_STEP} {message[0].upper()}{message[1:]}"

    t: Any = np.array(ends)  # or SciPy's lists, where there is nothing to return
    y: Any = np.array(states).T
    if times is not None:
        t, y = (times[:reached], np.concatenate(observed).T) if reached else ([], [])
    return OptimizeResult(
        t=t, y=y, sol=OdeSolution(np.array(ends), [output_of(step) for step in interpolants]) if dense_output else None,
        t_events=watch and [np.array(found) for found in watch.t_events], y_events=watch and [np.array(found) for found in watch.y_events],
        nfev=stats.nfe, njev=stats.njev, nlu=stats.nlu, status=status, message=MESSAGES.get(status, message), success=status >= 0)


class Watch:
    """The events of one solve, by SciPy's conventions: a zero of the event at either end of a step counts as a change of sign.

    So an event that is zero at t0 is reported there, and one that is zero exactly at the end of a step is reported twice.
    """

    def __init__(self, events: Any, args: tuple[Any, ...], t0: float, y0: np.ndarray):
        self.events, self.args = [events] if callable(events) else list(events), args
        self.direction = [getattr(event, "direction", 0) for event in self.events]
        self.left = [_occurrences_allowed(event) for event in self.events]
        self.t_events: list[list[float]] = [[] for _ in self.events]
        self.y_events: list[list[np.ndarray]] = [[] for _ in self.events]
        self.before = self._values(t0, y0)

    def look(self, step: Step) -> tuple[float, bool]:
        """Notes what happened in a step. Returns where the step ends, and whether a terminal event ended it there."""
        behind, hits = self._values(step.t1, step.z1), []
        for i, (before, after) in enumerate(zip(self.before, behind, strict=True)):
            rises, falls = before <= 0 <= after, before >= 0 >= after
            if (rises and self.direction[i] >= 0) or (falls and self.direction[i] <= 0):
                hits.append((self._locate(i, step), i))
                self.left[i] -= 1
        self.before = behind
        hits.sort(key=lambda hit: abs(hit[0] - step.t))
        for t, i in hits:
            self.t_events[i].append(t)
            self.y_events[i].append(_at(step, t))
            if self.left[i] <= 0:
                return t, True
        return step.t1, False

    def _value(self, i: int, t: float, y: np.ndarray) -> float:
        value = np.asarray(self.events[i](t, y, *self.args))
        if value.size != 1 or value.dtype.kind == "c":
            raise TypeError(f"events[{i}] must return one real number, not {value!r}.")
        return float(value.item())

    def _values(self, t: float, y: np.ndarray) -> list[float]:
        return [self._value(i, t, y.copy()) for i in range(len(self.events))]

    def _locate(self, i: int, step: Step) -> float:
        from scipy.optimize import brentq

        within = max(4 * EPS * min(1.0, abs(step.t1 - step.t)), 1e-300)
        return float(brentq(lambda t: self._value(i, t, _at(step, t)), step.t, step.t1, xtol=within, rtol=4 * EPS))


@dataclass
class Rest:
    """The one step of a solve in which nothing moves: no time, or no state."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray

    def __call__(self, times: np.ndarray) -> np.ndarray:
        return np.tile(self.z, (len(times), 1))

    def keep(self) -> None: ...


def _at(step: Step, t: float) -> np.ndarray:
    return step(np.array([t]))[0]


def _occurrences_allowed(event: Any) -> float:
    terminal = getattr(event, "terminal", None)
    if terminal is None or terminal == 0:
        return math.inf
    if int(terminal) != terminal or terminal < 0:
        raise ValueError("The `terminal` attribute of each event must be a boolean or positive integer.")
    return int(terminal)


def _flat(fun: Callable[..., Any], args: tuple[Any, ...], vectorized: bool, y0: np.ndarray, stats: SolveStats) -> Evaluate:
    """fun as the solver asks it: evaluate(y, t, out)."""
    n, is_complex = y0.size, y0.dtype.kind == "c"

    def evaluate(y: np.ndarray, t: float, out: np.ndarray) -> None:
        stats.nfe += 1
        y = y.copy()  # fun may write into it
        value = np.asarray(fun(t, y[:, np.newaxis], *args)).ravel() if vectorized else np.asarray(fun(t, y, *args))
        if value.shape != out.shape and not value.size == n == 1:
            raise ValueError(f"`fun` must return an array of shape ({n},), like y, not {value.shape}.")
        if value.dtype.kind == "c" and not is_complex:
            raise TypeError("`fun` returned complex numbers, but `y0` is real; start from y0 + 0j.")
        out[...] = value if value.shape == out.shape else value.reshape(1)

    return evaluate


def _steps(fun: Callable[..., Any], args: tuple[Any, ...], vectorized: bool, t0: float, t1: float, y0: np.ndarray, method: Any, stats: SolveStats,
           options: dict[str, Any]) -> Iterator[Step]:
    if method not in METHODS:
        from refnode.ode.scipy_output import steps_of

        return steps_of(method(lambda t, y: fun(t, y, *args), t0, y0.copy(), t1, vectorized=vectorized, **options), stats)
    control, max_steps = scipy_arguments.control(method, abs(t1 - t0), y0.size, options)
    evaluate = _flat(fun, args, vectorized, y0, stats)
    if t0 == t1 or y0.size == 0:
        evaluate(y0, t0, np.empty_like(y0))
        return iter([Rest(t0, t1, y0, y0)])
    ours = arguments.method_named(METHODS[method])
    if isinstance(ours, Tableau):
        return AdaptiveSteps(evaluate, RungeKutta(ours, y0), y0, t0, t1, (), stats, max_steps, control)
    from refnode.ode.jacobian import Jacobian

    jac, sparsity = scipy_arguments.jacobian(method, y0.size, args, options)
    for_differences = evaluate if method == "LSODA" else _flat(fun, args, vectorized, y0, SolveStats())  # which Radau and BDF do not count
    jacobian = Jacobian(for_differences, y0, jac, sparsity, stats=stats, threshold=control.atol)
    return ours(evaluate, y0, t0, t1, (), stats, max_steps, control, jacobian)
