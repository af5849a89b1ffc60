"""Is it a density, is it a bijection, is it an ODE? Guards for a flow that was trained: what must hold for any parameters, and can fail in training.

    print(guards(flow, theta, rng, data=x))

A flow that is trained on a coarse grid of time can learn to exploit the errors of the grid: its loss falls, and its numbers are no density any more.
Each guard below compares with what does not share these errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.errors import SolverError
from refnode.flows.cnf import CNF
from refnode.flows.traces import generator
from refnode.flows.twosample import energy_test
from refnode.ode.arguments import whole_number
from refnode.tree import Tree, tree_map

MASS, ROUND_TRIP, REFINEMENT, LEVEL = 1e-4, 1e-5, 1e-3, 0.01
DEFAULTS: dict[str, Any] = {"method": "dopri5", "rtol": 1.5e-8, "atol": 1.5e-8}  # the paper's, and SciPy's at the time


@dataclass(frozen=True)
class Guard:
    """One line of the table: what was measured, its value, what it is compared with, whether that holds, and a remark."""

    name: str
    value: float
    bound: float
    passed: bool
    remark: str = ""


@dataclass(frozen=True)
class Guards:
    """The table; `passed` if each guard did; `guards["round trip"]` is one of them."""

    table: tuple[Guard, ...]

    @property
    def passed(self) -> bool:
        return all(guard.passed for guard in self.table)

    def __getitem__(self, name: str) -> Guard:
        found = [guard for guard in self.table if guard.name == name]
        if not found:
            raise KeyError(f"there is no guard {name!r}; there are {', '.join(guard.name for guard in self.table)}")
        return found[0]

    def __str__(self) -> str:
        sign = {"p-value": ">"}
        lines = [f"{g.name:22} {g.value:9.2e}  {sign.get(g.remark[:7], '<')} {g.bound:7.0e}  {'holds' if g.passed else 'FAILS'}  {g.remark}"
                 for g in self.table]
        return "\n".join(line.rstrip() for line in lines)


def guards(flow: CNF, theta: Tree, rng: np.random.Generator, data: Any = None, n: int = 500, grid: int = 400) -> Guards:
    """The table of what a trained flow must satisfy.

        unit mass             |int p dx - 1| < 1e-4, p at the paper's default tolerances (dopri5, 1.5e-8), on a grid of points; for D = 1, 2
        own mass              the same by the flow's own solver, < 1e-3
        round trip            max |forward(inverse(x)) - x| < 1e-5, at the same tolerances
        step refinement       |mean log p(x) by the flow's own solver - the same at those tolerances| < 1e-3, and by its own solver with four
                              times as many steps, or a hundredth of its tolerances
        samples and density   an energy test of n points that the flow's own solver sends forward against n that are drawn from p on the grid;
                              p-value > 0.01; for D = 1, 2
        samples and data      the same against n rows of the data, where they are given: the only guard that can tell a poor fit

    x: n rows of data, else samples at those tolerances. A solve that fails makes its guard fail. A trace by hutchinson(m) is replaced by the
    exact one. grid: points along each axis.
    Paper: sec. 6. Source: Ott et al. 2020 (arXiv 2007.15386). Statement: S70, S72, E16
    """
    n, grid, rng = whole_number("n", n), whole_number("grid", grid), generator(rng)
    own = CNF(flow.f, flow.t0, flow.t1, flow.base, **without_gradient(flow.solver))
    fine = CNF(flow.f, flow.t0, flow.t1, flow.base, **DEFAULTS)
    try:
        x = fine.sample(theta, rng, n) if data is None else drawn(np.asarray(data, float), rng, n)
    except SolverError as error:
        return Guards((failed("samples", np.nan, error),))
    table = [measured("round trip", ROUND_TRIP, lambda: np.abs(fine.forward(theta, fine.inverse(theta, x)) - x).max()),
             measured("step refinement", REFINEMENT, lambda: abs(np.mean(own.log_prob(theta, x)) - np.mean(fine.log_prob(theta, x)))),
             measured("own steps, refined", REFINEMENT, lambda: abs(np.mean(own.log_prob(theta, x)) - np.mean(refined(own, 4).log_prob(theta, x))))]
    if flow.base.D <= 2:
        table += on_a_grid(own, fine, theta, rng, x, n, grid)
    if data is not None:
        table.append(tested("samples and data", lambda: energy_test(own.sample(theta, rng, n), x, rng)))
    return Guards(tuple(table))


def on_a_grid(own: CNF, fine: CNF, theta: Tree, rng: np.random.Generator, x: np.ndarray, n: int, grid: int) -> list[Guard]:
    """Unit mass, and samples against points drawn from the density: a cell by its mass, a place within it evenly."""
    try:
        points, cell = grid_around(np.concatenate([x, own.sample(theta, rng, n)]), grid)
        p = density(fine, theta, points)
    except SolverError as error:
        return [failed("unit mass", MASS, error), failed("samples and density", LEVEL, error)]
    mass = measured("unit mass", MASS, lambda: abs(p.sum() * cell.prod() - 1))
    own_mass = measured("own mass", REFINEMENT, lambda: abs(density(own, theta, points).sum() * cell.prod() - 1))
    if not p.sum() > 0:
        return [mass, own_mass, Guard("samples and density", 0.0, LEVEL, False, "p-value; the density is 0 on the whole grid")]
    from_p = points[rng.choice(len(p), n, p=p / p.sum())] + cell * (rng.random((n, len(cell))) - 0.5)
    return [mass, own_mass, tested("samples and density", lambda: energy_test(own.sample(theta, rng, n), from_p, rng))]


def grid_around(x: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (grid^D, D) and the sides of a cell, over a box that is wider than x: by half its width on each side."""
    lo, hi = x.min(axis=0), x.max(axis=0)
    lo, hi = lo - 0.5 * (hi - lo), hi + 0.5 * (hi - lo)
    axes = [np.linspace(a, b, grid) for a, b in zip(lo, hi, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes)), (hi - lo) / (grid - 1)


def density(flow: CNF, theta: Tree, points: np.ndarray, chunk: int = 20_000) -> np.ndarray:
    """p at many points, (n,), some at a time: a solve for all would take the shortest steps for all, and more memory."""
    with np.errstate(over="ignore"):
        return np.concatenate([np.exp(flow.log_prob(theta, points[i:i + chunk])) for i in range(0, len(points), chunk)])


def refined(flow: CNF, factor: int) -> CNF:
    """The same flow with `factor` times as many fixed steps; without fixed steps, with tolerances factor^-3.3 as large (a hundredth for 4)."""
    solver = dict(flow.solver)
    if solver.get("steps") is not None:
        solver["steps"] = factor * solver["steps"]
    elif solver.get("step_size") is not None:
        solver["step_size"] = solver["step_size"] / factor
    else:
        smaller = factor ** -(10 / 3)
        solver["rtol"] = tree_map(lambda leaf: np.maximum(leaf * smaller, 1e-12), solver.get("rtol", 1e-6))
        solver["atol"] = tree_map(lambda leaf: leaf * smaller, solver.get("atol", 1e-8))
    return CNF(flow.f, flow.t0, flow.t1, flow.base, **solver)


def without_gradient(solver: dict[str, Any]) -> dict[str, Any]:
    """The keywords that concern the way forward."""
    return {name: value for name, value in solver.items() if not name.startswith(("backward_", "gradient", "checkpoints", "stats"))}


def drawn(x: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """n different rows of x, or all of them in another order where there are no more."""
    return x[rng.permutation(len(x))[:n]]


def measured(name: str, bound: float, measure: Callable[[], Any]) -> Guard:
    try:
        value = float(measure())
    except SolverError as error:
        return failed(name, bound, error)
    return Guard(name, value, bound, value < bound)


def tested(name: str, test: Callable[[], float]) -> Guard:
    try:
        p = float(test())
    except SolverError as error:
        return failed(name, LEVEL, error)
    return Guard(name, p, LEVEL, p > LEVEL, "p-value")


def failed(name: str, bound: float, error: SolverError) -> Guard:
    return Guard(name, np.nan, bound, False, f"{type(error).__name__} at t = {error.t:.3g}")
