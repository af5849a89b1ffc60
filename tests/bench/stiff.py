"""What radau5 and bdf make of the stiff problems, beside SciPy's Radau and BDF: python tests/bench/stiff.py [METHOD ...]

For every problem, at rtol from 1e-3 to 1e-8 by half decades (atol = rtol times what is small in the problem), with the Jacobian given: evaluations
of f, Jacobians and factorisations to reach the last time; the error, max |z - exact| / (small + |exact|) over four times, each the end of a solve of
its own, so that nothing is interpolated; the slope of log error over log rtol. Ratios to SciPy at the same accuracy: log cost over log error,
interpolated between SciPy's tolerances, the geometric mean over the accuracies that both reach. Red: ratios above 1.5, slopes out of [0.7, 1.5].
"""

import os
import sys
from dataclasses import dataclass

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is imported

import numpy as np  # noqa: E402
import scipy.integrate  # noqa: E402
from refnode_validation.stiff.catalog import PROBLEMS, error  # noqa: E402
from rich.box import SIMPLE_HEAD  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from tqdm import tqdm  # noqa: E402

import refnode as rn  # noqa: E402

SCIPY = {"radau5": "Radau", "bdf": "BDF"}
TOLERANCES = [10.0 ** (-k / 2) for k in range(6, 17)]
BAR, SLOPES = 1.5, (0.7, 1.5)


@dataclass(frozen=True)
class Work:
    """One method at one tolerance. The counts are those of the solve to the last time."""

    rtol: float
    nfe: int
    njev: int
    nlu: int
    error: float


def by_refnode(name, method, rtol):
    problem, worst = PROBLEMS[name], 0.0
    for i in range(1, len(problem.ts)):
        sol = rn.solve(problem.f, problem.z0, problem.ts[[0, i]], method=method, rtol=rtol, atol=rtol * problem.small,
                       jac=lambda z, t, theta: problem.jac(z, t))
        worst = max(worst, error(name, i, sol.zs[-1]))
    return Work(rtol, sol.stats.nfe, sol.stats.njev, sol.stats.nlu, worst)


def by_scipy(name, method, rtol):
    problem, worst = PROBLEMS[name], 0.0
    for i in range(1, len(problem.ts)):
        sol = scipy.integrate.solve_ivp(lambda t, z: problem.f(z, t, ()), problem.ts[[0, i]], problem.z0, method=SCIPY[method], rtol=rtol,
                                        atol=rtol * problem.small, jac=lambda t, z: problem.jac(z, t))
        worst = max(worst, error(name, i, sol.y[:, -1]))
    return Work(rtol, sol.nfev, sol.njev, sol.nlu, worst)


def slope(works):
    """The least-squares slope of log error over log rtol."""
    return float(np.polyfit(np.log([work.rtol for work in works]), np.log([work.error for work in works]), 1)[0])


def ratio(ours, theirs, cost):
    """The cost of ours over that of theirs at the same error: the geometric mean over the range of errors that both cover.

    An error that is small by accident says nothing: each tolerance counts with the largest error of it and the tighter ones, so that log cost is a
    function of log error.
    """
    def curve(works):
        errors = np.maximum.accumulate([work.error for work in reversed(works)])
        return np.log(errors), np.log([getattr(work, cost) for work in reversed(works)])

    (x, y), (x0, y0) = curve(ours), curve(theirs)
    inside = np.linspace(max(x[0], x0[0]), min(x[-1], x0[-1]), 50)
    return float(np.exp(np.mean(np.interp(inside, x, y) - np.interp(inside, x0, y0))))


def red_if(bad, text):
    return f"[red]{text}[/red]" if bad else text


def table(method, curves):
    result = Table(title=f"\n{method} and SciPy's {SCIPY[method]}", title_justify="left", title_style="bold", pad_edge=False, padding=(0, 1, 0, 0),
                   box=SIMPLE_HEAD, show_edge=False)
    result.add_column("", no_wrap=True)
    for header in ("evaluations (SciPy's)\n1e-3", "\n1e-5", "\n1e-8", "factorisations\n1e-3", "\n1e-5", "\n1e-8", "Jacobians\n1e-3", "\n1e-8",
                   "error / rtol\n1e-3", "\n1e-5", "\n1e-8", "slope\n", "at the same error\nevaluations", "\nfactorisations"):
        result.add_column(header, justify="right")
    at = [TOLERANCES.index(rtol) for rtol in (1e-3, 1e-5, 1e-8)]
    for name, (ours, theirs) in curves.items():
        pair = lambda cost, i, ours=ours, theirs=theirs: f"{getattr(ours[i], cost)} ({getattr(theirs[i], cost)})"
        relative = lambda i, ours=ours, theirs=theirs: f"{ours[i].error / ours[i].rtol:.2g} ({theirs[i].error / theirs[i].rtol:.2g})"
        ratios, slopes = [ratio(ours, theirs, cost) for cost in ("nfe", "nlu")], f"{slope(ours):.2f} ({slope(theirs):.2f})"
        result.add_row(name, *(pair("nfe", i) for i in at), *(pair("nlu", i) for i in at), *(pair("njev", i) for i in (at[0], at[2])),
                       *(relative(i) for i in at), red_if(not SLOPES[0] <= slope(ours) <= SLOPES[1], slopes),
                       *(red_if(value > BAR, f"{value:.2f}") for value in ratios))
    return result


def main():
    methods = sys.argv[1:] or list(SCIPY)
    unknown = [method for method in methods if method not in SCIPY]
    if unknown:
        sys.exit(f"SciPy has no counterpart of {unknown[0]!r}; the methods are: {', '.join(SCIPY)}.")
    console = Console(width=220)
    with tqdm(total=len(methods) * len(PROBLEMS) * len(TOLERANCES), unit="tolerance", disable=None) as bar:
        for method in methods:
            curves = {}
            for name in PROBLEMS:
                curves[name] = [], []
                for rtol in TOLERANCES:
                    for works, who in zip(curves[name], (by_refnode, by_scipy), strict=True):
                        works.append(who(name, method, rtol))
                    bar.update()
            console.print(table(method, curves))


if __name__ == "__main__":
    main()
