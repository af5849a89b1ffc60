"""What refnode's adaptive methods make of the 25 DETEST problems: python tests/bench/detest.py [METHOD ...]

For every problem and method, at rtol = atol = tol from 1e-3 to 1e-9 by half decades: evaluations of f, as a ratio to SciPy's same method; the
largest error at t = 0, 1, ..., 20 in units of tol (1 + |z|), and of Gamma of those, Gamma being how much the problem makes an error grow; the
slope of log error over log tol; how close the steps are to the limit of stability. Red: above 1.15, above 100 Gamma, out of [0.8, 1.2]. Below:
each slope out of that range with the evidence why.
"""

import os
import statistics
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is imported

import numpy as np  # noqa: E402
from refnode_validation.detest.catalog import PROBLEMS, solution  # noqa: E402
from refnode_validation.detest.conditioning import gamma  # noqa: E402
from refnode_validation.detest.problem import TS  # noqa: E402
from rich.box import SIMPLE_HEAD  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from tqdm import tqdm  # noqa: E402

import refnode as rn  # noqa: E402
from refnode.experiments.work_precision import SCIPY, by_refnode, crowding, measure, real_stability_limit, slope  # noqa: E402

TOLERANCES = [10.0 ** (-k / 2) for k in range(6, 19)]
TIGHT = [10.0 ** (-k / 2) for k in range(14, 25)]  # 1e-7 to 1e-12
BAR, SLOPES = 1.15, (0.8, 1.2)


def table(title):
    return Table(title=f"\n{title}", title_justify="left", title_style="bold", pad_edge=False, padding=(0, 1, 0, 0), box=SIMPLE_HEAD, show_edge=False)


def red_if(bad, text):
    return f"[red]{text}[/red]" if bad else text


def by_problem(method, curves, limits):
    result = table(f"{method} and SciPy's {SCIPY[method]}; stable up to h |lambda| = {real_stability_limit(method):.2f} on the negative real axis")
    result.add_column("", no_wrap=True)
    for header in ("evaluations\n1e-3", "\n1e-6", "\n1e-9", "ratio to SciPy's\nleast", "\nlargest", "error / tol\n1e-3", "\n1e-6", "\n1e-9",
                   "\nlargest", "\n/ Gamma", "\nslope", "h |lambda| / limit\n1e-3", "\n1e-6", "\n1e-9"):
        result.add_column(header, justify="right")
    for name, (ours, theirs) in curves.items():
        ratios = [a.nfe / b.nfe for a, b in zip(ours, theirs, strict=True)]
        errors = [work.error / work.tol for work in ours]
        value = slope(ours)
        result.add_row(
            f"{name} {PROBLEMS[name].title}", *(str(ours[i].nfe) for i in (0, 6, 12)), f"{min(ratios):.3f}",
            red_if(max(ratios) > BAR, f"{max(ratios):.3f}"), *(f"{errors[i]:.2g}" for i in (0, 6, 12)), f"{max(errors):.3g}",
            red_if(max(errors) > 100 * gamma(name), f"{max(errors) / gamma(name):.2g}"),
            red_if(not SLOPES[0] <= value <= SLOPES[1], f"{value:.2f}"), *(f"{x:.2f}" for x in limits[name]))
    return result


def by_class(curves):
    result = table("By class")
    for header in ("", "method", "largest ratio", "median ratio", "slopes from", "to"):
        result.add_column(header, justify="left" if header in ("", "method") else "right")
    for letter in "ABCDE":
        for method, problems in curves.items():
            mine = {name: pair for name, pair in problems.items() if name.startswith(letter)}
            ratios = [a.nfe / b.nfe for ours, theirs in mine.values() for a, b in zip(ours, theirs, strict=True)]
            slopes = [slope(ours) for ours, _ in mine.values()]
            result.add_row(letter, method, f"{max(ratios):.3f}", f"{statistics.median(ratios):.3f}", f"{min(slopes):.2f}", f"{max(slopes):.2f}")
    return result


def why(method, name):
    """The evidence for a slope out of the range."""
    problem, exact = PROBLEMS[name], solution(name)
    numbers = [len(rn.solve(problem.f, problem.z0, TS, method=method, rtol=tol, atol=tol).t_steps) - 1 for tol in TOLERANCES]
    fixed = [rn.solve(problem.f, problem.z0, TS, method=method, steps=n).zs for n in numbers]
    errors = [np.max(np.abs(zs - exact) / (1 + np.abs(exact))) for zs in fixed]
    tight = slope([by_refnode(problem, TS, exact, method, tol) for tol in TIGHT])
    equal = np.polyfit(np.log(TOLERANCES[2:9]), np.log(errors[2:9]), 1)[0]
    return (f"{method} on {name}: slope {tight:.2f} from 1e-7 to 1e-12; {numbers[0]} steps at 1e-3, {numbers[6]} at 1e-6, {numbers[12]} at 1e-9; as "
            f"many equal steps: slope {equal:.2f} from 1e-4 to 1e-7; h |lambda| / limit {crowding(problem, TS, method, 1e-3):.2f} at 1e-3")


def main():
    methods = sys.argv[1:] or list(SCIPY)
    unknown = [method for method in methods if method not in SCIPY]
    if unknown:
        sys.exit(f"SciPy has no counterpart of {unknown[0]!r}; the methods are: {', '.join(SCIPY)}.")
    console = Console(width=190)
    curves, limits = {method: {} for method in methods}, {method: {} for method in methods}
    with tqdm(total=len(methods) * len(PROBLEMS), unit="problem", disable=None) as bar:
        for method in methods:
            for name, problem in PROBLEMS.items():
                found = measure(problem, TS, solution(name), [method], TOLERANCES)
                curves[method][name] = found[method, "refnode"], found[method, "SciPy"]
                limits[method][name] = [crowding(problem, TS, method, tol) for tol in (1e-3, 1e-6, 1e-9)]
                bar.update()
    for method in methods:
        console.print(by_problem(method, curves[method], limits[method]))
    console.print(by_class(curves))
    console.print(f"\nSlopes out of {list(SLOPES)}:", highlight=False)
    for method, problems in curves.items():
        for name, (ours, _) in problems.items():
            if not SLOPES[0] <= slope(ours) <= SLOPES[1]:
                console.print(f"  {why(method, name)}", highlight=False)


if __name__ == "__main__":
    main()
