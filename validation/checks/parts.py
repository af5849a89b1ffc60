"""The solves that are asked for. One solve serves several checks, so that nothing is solved twice.

    main     the problem on its own grid, at every tolerance, with everything that is asked for
    alone    the loss reads one interior observation only (problem cut there)
    split    ten dummy times with zero weight among the observations
    dense    seventeen output times, values only
    restart  from the computed state at an interior time to the end, values only
    second   a Hessian-vector product
    reset    thirty-one observations over a span of 3, on a problem that cannot be run backwards over the whole of it
    flow     log p(x) of the flows among the problems, x at the end of the solution, the base at its start ("reversed": exchanged)

All but main are asked at one tolerance, the middle one. Vectors (validation/vectors) have main, alone and flow, in the direction of
their grid.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..problems.catalog import problems
from ..problems.exact import Task, backward, forward
from ..problems.problem import Problem
from ..vectors import tasks as vectors

PARTS = ("main", "alone", "split", "dense", "restart", "second", "reset", "flow")
SECOND_ORDER_PROBLEMS = ("P01", "P10", "P14")


def directions(name: str) -> tuple[str, ...]:
    """The directions of time in which a problem is asked about: both; a vector is asked about as it stands."""
    if name in problems():
        return ("forward", "reversed")
    ts = vectors.problem(name).ts
    return ("forward",) if ts[-1] >= ts[0] else ("reversed",)


def problem_named(name: str) -> Any:
    """A problem of the catalog or the one that a vector poses. KeyError for other names."""
    return problems()[name] if name in problems() else vectors.problem(name)


def is_required(name: str) -> bool:
    """False for vectors that are recommended or informative."""
    return name not in vectors.vectors() or vectors.vectors()[name]["result"] == "required"


def may_refuse(name: str) -> str:
    """Why a refusal is as good as an answer to a vector; empty where it is not."""
    acceptable = vectors.vectors()[name]["acceptable_if"] if name in vectors.vectors() else None
    return acceptable["why"] if acceptable else ""


@functools.cache
def task_for(name: str, direction: str, part: str, seed: int) -> Any:
    """The task of a part; None where the part does not apply to the problem. (restart_task makes those of part "restart".)"""
    return _of_problem(problems()[name], direction, part, seed) if name in problems() else _of_vector(name, part)


def _of_vector(id: str, part: str) -> vectors.VectorTask | None:
    if part == "main":
        return vectors.task(id)
    if part == "alone":
        return vectors.alone(vectors.task(id), OBSERVED) if len(vectors.task(id).ts) > OBSERVED + 1 else None
    if part == "flow":
        return vectors.flow(id) if vectors.problem(id).base else None
    return None


def _of_problem(problem: Problem, direction: str, part: str, seed: int) -> Task | None:
    main = forward(problem) if direction == "forward" else backward(problem)
    if part == "main":
        return main
    if part == "alone":
        return Task(problem, main.z0, main.ts, main.weights * _only(OBSERVED, len(main.ts)))
    if part == "split":
        return _with_dummies(main, _dummy_times(main, 10, seed))
    if part == "dense":
        return _with_dummies(main, _dummy_times(main, 13, seed))
    if part == "second":
        return main if problem.id in SECOND_ORDER_PROBLEMS else None
    if part == "reset":
        return _long_way_back(problem) if problem.id == "P27" and direction == "forward" else None
    if part == "flow":
        return Task(problem, main.values[-1], main.ts[[-1, 0]], main.weights[[-1, 0]]) if problem.log_det else None
    raise ValueError(f"no such part: {part}")


OBSERVED = 2  # the interior observation that "alone" reads and "restart" starts from


def restart_task(main: Task, computed: np.ndarray) -> Task:
    """From the computed state at ts[OBSERVED] to the end."""
    return Task(main.problem, computed[OBSERVED], main.ts[OBSERVED:], main.weights[OBSERVED:])


def _long_way_back(problem: Problem) -> Task:
    """P27 from t0 to t0 + 3: backwards, errors grow by e^18 = 6.6e7 over the whole span, but by e^0.6 = 1.8 between two observations."""
    return Task(problem, problem.z0, problem.t0 + np.linspace(0.0, 3.0, 31), np.ones((31, 1)))


def _only(index: int, n: int) -> np.ndarray:
    return (np.arange(n) == index).astype(float)[:, None]


def _dummy_times(task: Task, n: int, seed: int) -> np.ndarray:
    """n times inside the span, one at random in the middle half of each of n equal pieces.

    None is within 1e-3 of the span from a grid time.
    """
    rng = np.random.default_rng(seed)
    fractions = (np.arange(n) + rng.uniform(0.25, 0.75, n)) / n
    grid = (task.ts - task.ts[0]) / (task.ts[-1] - task.ts[0])
    too_close = np.min(np.abs(fractions[:, None] - grid[None, :]), axis=1) < 1e-3
    return task.ts[0] + (fractions + 2e-3 * too_close) * (task.ts[-1] - task.ts[0])


def _with_dummies(task: Task, times: np.ndarray) -> Task:
    ts = np.concatenate([task.ts, times])
    weights = np.concatenate([task.weights, np.zeros((len(times), task.weights.shape[1]))])
    order = np.argsort(ts) if task.ts[-1] > task.ts[0] else np.argsort(-ts)
    return Task(task.problem, task.z0, ts[order], weights[order])
