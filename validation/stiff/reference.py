"""Makes reference.json: python -m refnode_validation.stiff.reference

The values come from extrapolation of order 10 in the longest floating-point type; two solvers of SciPy that share nothing with it say how
far they are from them.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy.integrate import solve_ivp

from .catalog import PROBLEMS, Problem
from .extrapolation import COLUMNS, TOLERANCE, extrapolated

CROSS_CHECKS = {"Radau": 1e-11, "BDF": 1e-8}  # at 1e-9 SciPy's BDF gives up in van der Pol's second jump


def distance(problem: Problem, values: np.ndarray, method: str) -> float:
    """max |z - values| / (small + |values|) over the problem's times, for a method of SciPy; a solve to each, without interpolation."""
    worst, rtol = 0.0, CROSS_CHECKS[method]
    for t, expected in zip(problem.ts[1:], values[1:], strict=True):
        solved = solve_ivp(lambda t, z: problem.f(z, t, ()), (problem.ts[0], t), problem.z0, method=method, rtol=rtol,
                           atol=problem.small * rtol, jac=lambda t, z: problem.jac(z, t))
        if not solved.success:
            raise RuntimeError(f"{method} on {problem.name} stopped at t = {solved.t[-1]}: {solved.message}")
        worst = max(worst, float(np.max(np.abs(solved.y[:, -1] - expected) / (problem.small + np.abs(expected)))))
    return worst


def main() -> None:
    """Write reference.json beside this file."""
    from tqdm import tqdm

    names = [name for name, problem in PROBLEMS.items() if problem.exact is None]
    computed = {name: extrapolated(PROBLEMS[name]) for name in tqdm(names, desc="values", disable=None)}
    content = {
        "about": "z at the times of the stiff problems without a closed form.",
        "method": f"Extrapolated linearly implicit Euler method, order {COLUMNS}, tolerance {TOLERANCE} a step, longdouble with machine "
        f"epsilon {float(np.finfo(np.longdouble).eps):.1e}; Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}.",
        "cross_checks": {
            f"{method}, rtol {rtol}": {
                name: distance(PROBLEMS[name], computed[name], method) for name in tqdm(names, desc=method, disable=None)
            }
            for method, rtol in CROSS_CHECKS.items()
        },
        "values": {name: rows.tolist() for name, rows in computed.items()},
    }
    Path(__file__).with_name("reference.json").write_text(_compact(content) + "\n")


def _compact(content) -> str:
    """JSON with one row of numbers a line."""
    text = json.dumps(content | {"values": None}, indent=1).removesuffix("null\n}")
    problems = (f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, rows)) + "\n ]" for name, rows in content["values"].items())
    return text + "{\n" + ",\n".join(problems) + "\n}\n}"


if __name__ == "__main__":
    main()
