"""Makes reference.json: python -m refnode_validation.detest.reference

The values come from extrapolation of order 20 in the longest floating-point type; two solvers of SciPy that share nothing with it,
one explicit and one implicit, say how far they are from them.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy.integrate import solve_ivp

from .catalog import PROBLEMS
from .extrapolation import COLUMNS, TOLERANCE, extrapolated
from .problem import T0, TS, Array, Problem

CROSS_CHECKS = {"DOP853": {"rtol": 1e-13, "atol": 1e-15}, "Radau": {"rtol": 1e-12, "atol": 1e-13}}


def values(problem: Problem) -> Array:
    """z at 0, 1, ..., 20, (21, D)."""
    return extrapolated(problem.f, problem.z0, TS)


def distance(problem: Problem, expected: Array, method: str) -> float:
    """max |z - expected| / (1 + |expected|) at t = 5, 10, 20, for a method of SciPy; three solves, so that nothing is interpolated."""
    worst = 0.0
    for i in (5, 10, 20):
        solved = solve_ivp(lambda t, z: problem.f(z, t, ()), (T0, TS[i]), problem.z0, method=method, **CROSS_CHECKS[method])
        worst = max(worst, float(np.max(np.abs(solved.y[:, -1] - expected[i]) / (1 + np.abs(expected[i])))))
    return worst


def main() -> None:
    """Write reference.json beside this file."""
    names = [name for name, problem in PROBLEMS.items() if problem.exact is None]
    computed = {name: values(PROBLEMS[name]) for name in names}
    content = {
        "about": "z at t = 0, 1, ..., 20 for the problems of DETEST without a closed form.",
        "method": f"Extrapolated modified midpoint rule, order {2 * COLUMNS}, tolerance {TOLERANCE} a step, longdouble with machine "
        f"epsilon {float(np.finfo(np.longdouble).eps):.1e}; Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}.",
        "cross_checks": {
            f"{method}, rtol {settings['rtol']}, atol {settings['atol']}, at t = 5, 10, 20": {
                name: distance(PROBLEMS[name], computed[name], method) for name in names
            }
            for method, settings in CROSS_CHECKS.items()
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
