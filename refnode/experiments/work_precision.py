"""Work and precision: what a tolerance costs in evaluations of f and in time, and how large the error is, in refnode and in SciPy.

The problems are handed in: the command takes those of DETEST. rtol = atol = tol throughout, so that an error is allowed tol (1 + |z|). DETEST
bounds the absolute error; this is the same up to a factor of 2 where |z| < 1, and where |z| is large floating-point numbers can do no better.
"""

from __future__ import annotations

import functools
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import refnode as rn
from refnode.ode.tableaus import TABLEAUS

SCIPY = {ours: theirs for ours, theirs in {"bosh3": "RK23", "dopri5": "RK45", "dop853": "DOP853"}.items() if ours in TABLEAUS}
TOLERANCES = tuple(10.0**-k for k in range(3, 10))


class Problem(Protocol):
    """dz/dt = f(z, t, ()), z(ts[0]) = z0 with z0 flat, and its solution at the times ts."""

    @property
    def title(self) -> str: ...

    @property
    def z0(self) -> np.ndarray: ...

    @property
    def f(self) -> Callable[..., Any]: ...


@dataclass(frozen=True)
class Work:
    """One solve. error: max |z - exact| / (1 + |exact|) over times and components, to be compared with tol. seconds: of this thread's processor."""

    tol: float
    nfe: int
    error: float
    seconds: float


Curves = dict[tuple[str, str], list[Work]]


def by_refnode(problem: Problem, ts: np.ndarray, exact: np.ndarray, method: str, tol: float) -> Work:
    start = time.thread_time()
    sol = rn.solve(problem.f, problem.z0, ts, method=method, rtol=tol, atol=tol)
    return Work(tol, sol.stats.nfe, _error(sol.zs, exact), time.thread_time() - start)


def by_scipy(problem: Problem, ts: np.ndarray, exact: np.ndarray, method: str, tol: float) -> Work:
    from scipy.integrate import solve_ivp

    f = problem.f
    start = time.thread_time()
    sol = solve_ivp(lambda t, z: f(z, t, ()), (ts[0], ts[-1]), problem.z0, method=SCIPY[method], t_eval=ts, rtol=tol, atol=tol)
    return Work(tol, sol.nfev, _error(sol.y.T, exact), time.thread_time() - start)


def _error(zs: Any, exact: np.ndarray) -> float:
    return float(np.max(np.abs(zs - exact) / (1 + np.abs(exact))))


def slope(works: Iterable[Work]) -> float:
    """The least-squares slope of log error over log tol: 1 where the error is proportional to the tolerance."""
    tols, errors = np.array([(work.tol, work.error) for work in works]).T
    return float(np.polyfit(np.log(tols), np.log(errors), 1)[0])


@functools.cache
def real_stability_limit(method: str) -> float:
    """The smallest x with |R(-x)| > 1, R(w) = 1 + sum_k w^k b^T A^(k-1) 1: steps of h > x/lambda make z' = -lambda z grow. HNW: IV.2"""
    coefficients = TABLEAUS[method].cast(np.dtype(float))
    s = len(coefficients.b)
    A = np.zeros((s, s))
    for i in range(s):
        A[i, :i] = coefficients.A[i]
    R = [1.0, *(coefficients.b @ np.linalg.matrix_power(A, k) @ np.ones(s) for k in range(s))]
    xs = np.linspace(0.0, 20.0, 20001)[1:]
    return float(xs[np.abs(np.polynomial.polynomial.polyval(-xs, R)) > 1][0])


def crowding(problem: Problem, ts: np.ndarray, method: str, tol: float, samples: int = 20) -> float:
    """How close the steps are to the stability limit: the median of h max(-Re lambda) / limit, lambda the eigenvalues of df/dz at the steps.

    Near 1 the step is limited by stability and not by the tolerance: the error then does not follow the tolerance.
    """
    sol = rn.solve(problem.f, problem.z0, ts, method=method, rtol=tol, atol=tol, dense=True)
    chosen = np.unique(np.linspace(0, len(sol.t_steps) - 2, samples).astype(int))
    jacobian = rn.jacobian(problem.f)
    ratios = []
    for i in chosen:
        t, h = float(sol.t_steps[i]), float(sol.t_steps[i + 1] - sol.t_steps[i])
        decay = -np.linalg.eigvals(jacobian(sol(t), t, ())).real.min()
        ratios.append(h * max(0.0, decay))
    return statistics.median(ratios) / real_stability_limit(method)


@dataclass(frozen=True)
class Diagram:
    """What one problem cost: curves[method, "refnode" or "SciPy"], one `Work` for each tolerance."""

    name: str
    title: str
    curves: Curves


def measure(problem: Problem, ts: np.ndarray, exact: np.ndarray, methods: Sequence[str], tols: Sequence[float]) -> Curves:
    """Every method at every tolerance once, refnode and SciPy in turns."""
    curves: Curves = {}
    for tol in tols:
        for method in methods:
            curves.setdefault((method, "refnode"), []).append(by_refnode(problem, ts, exact, method, tol))
            if method in SCIPY:
                curves.setdefault((method, "SciPy"), []).append(by_scipy(problem, ts, exact, method, tol))
    return curves


def medians(rounds: Sequence[Curves]) -> Curves:
    """The curves of the first round, with the medians of the times of all."""
    return {key: [replace(turns[0], seconds=statistics.median(work.seconds for work in turns))
                  for turns in zip(*(curves[key] for curves in rounds), strict=True)] for key in rounds[0]}


def run(argv: list[str], problems: Mapping[str, Problem], ts: np.ndarray, solution: Callable[[str], np.ndarray]) -> int:
    """`refnode plot work-precision`: measure, draw, print a line for each method."""
    import argparse

    parser = argparse.ArgumentParser("refnode plot work-precision", description="Error against evaluations of f and against time, refnode and SciPy.")
    parser.add_argument("--output", default="work_precision.png", help="where the picture goes (default work_precision.png)")
    parser.add_argument("--problems", nargs="+", default=["B4", "C5", "D3", "E2"], metavar="NAME", help="of DETEST, A1 to E5 (default B4 C5 D3 E2)")
    parser.add_argument("--methods", nargs="+", default=list(SCIPY), metavar="NAME", help=f"with an error estimate (default {' '.join(SCIPY)})")
    parser.add_argument("--rounds", type=int, default=9, help="timings of each solve, of which the median is drawn (default 9)")
    options = parser.parse_args(argv)
    for name in options.problems:
        if name not in problems:
            parser.error(f"--problems: there is no problem {name!r}; the problems are: {', '.join(problems)}")
    adaptive = [name for name, tableau in TABLEAUS.items() if tableau.b_hat is not None]
    for name in options.methods:
        if name not in adaptive:
            parser.error(f"--methods: there is no method {name!r} with an error estimate; those are: {', '.join(adaptive)}")
    if not 1 <= len(options.problems) <= 5:
        parser.error(f"--problems: {len(options.problems)} problems do not fit into one picture; give at most 5")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not Path(options.output).absolute().parent.is_dir():
        parser.error(f"--output {options.output}: there is no such folder")
    from tqdm import tqdm

    from refnode.plots import draw_work_precision

    importlib.import_module("matplotlib")  # where it is missing, that is said before the work and not after it
    diagrams = []
    with tqdm(total=options.rounds * len(options.problems), unit="round", disable=None) as bar:
        for name in options.problems:
            bar.set_postfix_str(name, refresh=False)
            rounds = []
            for _ in range(options.rounds):
                try:
                    rounds.append(measure(problems[name], ts, solution(name), options.methods, TOLERANCES))
                except rn.SolverError as error:  # a method of low order may need more steps than a solve is allowed
                    bar.close()
                    print(f"refnode plot: no picture of {name}, as a solve failed: {error}", file=sys.stderr)
                    return 1
                bar.update()
            diagrams.append(Diagram(name, problems[name].title, medians(rounds)))
    draw_work_precision(diagrams, options.output)
    for method in options.methods:
        if method in SCIPY:
            print(_comparison(method, diagrams))
    print(f"Picture: {options.output}")
    return 0


def _comparison(method: str, diagrams: list[Diagram]) -> str:
    pairs = [pair for d in diagrams for pair in zip(d.curves[method, "refnode"], d.curves[method, "SciPy"], strict=True)]
    evaluations = [ours.nfe / theirs.nfe for ours, theirs in pairs]
    return (f"{method}: {min(evaluations):.3f} to {max(evaluations):.3f} of the evaluations of SciPy's {SCIPY[method]}, "
            f"{statistics.median(ours.seconds / theirs.seconds for ours, theirs in pairs):.2f} of its time (median).")
