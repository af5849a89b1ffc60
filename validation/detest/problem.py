"""What a DETEST problem is: an equation, its start, its solution and what the solution conserves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
T0, T1 = 0.0, 20.0
TS = np.arange(21.0)  # where solutions are compared


@dataclass(frozen=True)
class Problem:
    """z' = f(z, t, theta) on [0, 20], z(0) = z0 with D components; the numbers stand in f, theta is an empty tuple.

    f is analytic where the solution runs, written in plain NumPy, and takes complex and longdouble arguments as well.

    exact(ts) is the solution at ts (N,), as (N, D); None where there is no closed form.
    invariants[name](z, t) stays constant along every solution, not only along the one that starts at z0.
    """

    name: str
    title: str
    z0: Array
    f: Callable[[Array, float, tuple], Array]
    exact: Callable[[Array], Array] | None
    invariants: dict[str, Callable[[Array, float], Array]]


def problem(name, title, z0, f, exact=None, **invariants) -> Problem:
    """A Problem; invariants are given by name."""
    return Problem(name, title, np.array(z0, float), f, exact, invariants)
