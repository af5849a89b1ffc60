"""The right-hand side under test: f, where it is asked, and the points at which the checks look at it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.integrate import LSODA, RK45

from .form import Form

BUDGET_CALLS, BUDGET_SECONDS = 20_000, 2.0
RTOL = 1e-6
OTHERS = ("refnode", "refnode_validation", "numpy", "scipy")  # whose lines are not the user's
Point = tuple[np.ndarray, float]
Answer = tuple[np.ndarray, float, np.ndarray]  # z, t, f there
KEPT = 32  # answers of a solve


class Raised(Exception):
    """f raised an exception of its own; the message says which, where, and for which arguments."""


class Malformed(Exception):
    """f returned something that is not a derivative of z; the message says what."""


class Subject:
    """f(z, t, theta) with flat vectors for z and theta. Arrays handed to f are read-only; calls are counted.

    z and theta: the forms of z0 and theta. ts (N,): increasing or decreasing; f is never called outside of [ts[0], ts[-1]].
    """

    def __init__(self, name: str, f: Callable[..., Any], z0: Any, ts: Any, theta: Any):
        self.name, self.f = name, f
        self.z, self.theta = Form(z0, "z", state=True), Form(theta, "theta")
        self.ts = np.asarray(ts, np.float64)
        self.calls, self.seconds = 0, 0.0

    def __call__(self, z: np.ndarray, t: float, theta: np.ndarray | None = None) -> np.ndarray:
        """f at flat vectors, as a flat vector of its own."""
        try:
            parameters = self.theta.tree(np.array(self.theta.vector if theta is None else theta))
            return self.z.value(self.returned(self.z.tree(np.array(z)), t, parameters))
        except ValueError as error:
            raise Malformed(str(error)) from None

    def returned(self, z: Any, t: float, theta: Any) -> Any:
        """What f itself returns for these very arguments; Raised if it raises."""
        self.calls += 1
        start = time.process_time()
        try:
            with np.errstate(all="ignore"):
                return self.f(z, float(t), theta)
        except Exception as error:  # f is the user's: it may fail in any way
            raise Raised(f"f raised {type(error).__name__} at t = {float(t):.6g}: {_first_line(error)}{line_of(error)}") from error
        finally:
            self.seconds += time.process_time() - start

    @property
    def cost(self) -> float:
        """Seconds of processor time a call, so far."""
        return self.seconds / max(1, self.calls)

    @property
    def span(self) -> float:
        """ts[-1] - ts[0], with its sign."""
        return float(self.ts[-1] - self.ts[0])


@dataclass
class Trajectory:
    """The solution from z0 over ts as far as it was found: step ends, states there, the interpolant of each step."""

    times: list[float]
    states: list[np.ndarray]
    pieces: list[Any] = field(default_factory=list)
    calls: int = 0
    rk45_calls: int = 0
    rk45_share: float = 1.0  # of the span, within the budget
    complete: bool = True
    trouble: str = ""
    answers: list[Answer] = field(default_factory=list)  # of f, in the order of asking: the first, then evenly thinned
    not_finite: tuple[np.ndarray, float] | None = None  # the first arguments for which f was not finite

    def __call__(self, t: float) -> np.ndarray:
        """z(t), at a time that was reached."""
        forward = self.times[-1] >= self.times[0]
        place = int(np.searchsorted(self.times, t) if forward else np.searchsorted(-np.array(self.times), -t))
        return self.states[0] if not self.pieces else np.asarray(self.pieces[min(max(place - 1, 0), len(self.pieces) - 1)](t))

    @property
    def scale(self) -> np.ndarray:
        """How large each component of z is along the solution, never 0."""
        largest = np.max(np.abs(self.states), axis=0)
        overall = float(np.max(largest, initial=0.0))
        return np.maximum(largest, 1e-3 * overall) if overall else np.ones_like(largest)


def solution(f: Subject) -> Trajectory:
    """SciPy's RK45 at rtol 1e-6; where it does not arrive within the budget, LSODA, which is made for stiff problems too."""
    first = _solve(f, RK45)
    first.rk45_calls, first.rk45_share = first.calls, (first.times[-1] - first.times[0]) / f.span
    if first.complete:
        return first
    second = _solve(f, LSODA)
    second.answers = first.answers + second.answers
    second.rk45_calls, second.rk45_share = first.rk45_calls, first.rk45_share
    return second if abs(second.times[-1] - f.ts[0]) > abs(first.times[-1] - f.ts[0]) else first


def _solve(f: Subject, method: Any) -> Trajectory:
    path = Trajectory([float(f.ts[0])], [f.z.vector.copy()])
    before, start, stride = f.calls, time.process_time(), 1

    def fun(t: float, z: np.ndarray) -> np.ndarray:
        nonlocal stride
        value = f(z, t)
        if (f.calls - before - 1) % stride == 0:
            path.answers.append((z.copy(), float(t), value.copy()))
            if len(path.answers) > KEPT:
                path.answers, stride = path.answers[::2], 2 * stride
        if path.not_finite is None and not np.all(np.isfinite(value)):
            path.not_finite = (z.copy(), t)
        return value

    size = float(np.max(np.abs(f.z.vector), initial=0.0)) or 1.0
    with np.errstate(all="ignore"):
        solver = method(fun, f.ts[0], f.z.vector, f.ts[-1], rtol=RTOL, atol=1e-8 * size)
        while solver.status == "running":
            message = solver.step()
            if solver.status == "failed" or not np.all(np.isfinite(solver.y)):
                path.complete, path.trouble = False, message or "the solution is not finite"
                break
            path.times.append(float(solver.t))
            path.states.append(solver.y.copy())
            path.pieces.append(solver.dense_output())
            if solver.status == "running" and (f.calls - before > BUDGET_CALLS or time.process_time() - start > BUDGET_SECONDS):
                path.complete, path.trouble = False, "budget"
                break
    path.calls = f.calls - before
    return path


def irregular(f: Subject, n: int) -> list[float]:
    """n times of the span, at golden-ratio fractions: no two distances are equal, so that no period hides."""
    return [float(f.ts[0] + f.span * (k * 0.5 * (5**0.5 - 1) % 1)) for k in range(1, n + 1)]


def points(f: Subject, path: Trajectory, rng: np.random.Generator) -> list[Point]:
    """(z0, t0), and five places along the solution, moved off it by a thousandth of its size."""
    end, start = path.times[-1], path.times[0]
    found = [(f.z.vector.copy(), start)]
    for share in (0.137, 0.311, 0.523, 0.709, 0.931):
        t = start + share * (end - start)
        found.append((path(t) + 1e-3 * path.scale * rng.uniform(-1, 1, f.z.size), t))
    return found


def line_of(error: BaseException) -> str:
    """Where in the user's file it happened."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    users = [frame for frame in frames if frame.f_globals.get("__name__", "").split(".")[0] not in OTHERS]
    return f" ({Path(users[-1].f_code.co_filename).name}:{users[-1].f_lineno})" if users else ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no message").splitlines()[0][:200]
