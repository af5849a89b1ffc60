"""Adapters that behave in one way each, for the tests of the suite itself."""

import numpy as np
from refnode_validation.case import CAPABILITIES, Refused, Unsupported
from refnode_validation.problems import density
from refnode_validation.problems.exact import Task
from refnode_validation.problems.problem import Problem


class AlwaysExact:
    """Returns the closed form. It finds the problem by its dynamics, which no honest adapter would look for."""

    name = "exact"
    version = "1.0"
    capabilities = frozenset(CAPABILITIES)
    mode = "direct"
    interpolates = False

    def __init__(self, problems):
        self.problems = problems

    def run(self, case):
        case.dynamics(np)(case.z0, float(case.ts[0]), case.theta)
        task = task_of(case, self.problems)
        arrays = {"z": task.values, **task.gradients}
        if case.density:
            arrays = {"log p": density.log_p(task), **density.gradients(task)}
        if "d2L/dz0" in case.wants:
            arrays.update(task.second_derivatives)
        return {**{key: arrays[key] for key in case.wants}, "stats": {"nfe": 1}}


class Changed(AlwaysExact):
    """Exact, with one change to what comes back (after the probe: only where gradients are asked for)."""

    def __init__(self, problems, change):
        super().__init__(problems)
        self.change = change

    def run(self, case):
        answer = super().run(case)
        return self.change(case, answer) if "dL/dz0" in case.wants else answer


class FirstForSecond(AlwaysExact):
    """Exact, but where the second derivative is asked for it gives the first."""

    name = "first_for_second"

    def run(self, case):
        answer = super().run(case)
        if "d2L/dz0" in case.wants:
            answer["d2L/dz0"] = task_of(case, self.problems).gradients["dL/dz0"]
        return answer


def raising(exception):
    """A change that raises instead."""

    def change(case, answer):
        raise exception

    return change


def calling_for_ever(case, answer):
    """A change that never returns by itself, and swallows what the dynamics raise."""
    f = case.dynamics(np)
    while case.calls <= 300_000:
        try:
            f(case.z0, 0.0, case.theta)
        except Exception:
            break
    return answer


def with_entry(key, value):
    """A change that replaces one entry; value may be a function of the old one."""

    def change(case, answer):
        return {**answer, key: value(answer[key]) if callable(value) else value}

    return change


def without_entry(key):
    return lambda case, answer: {name: value for name, value in answer.items() if name != key}


def overwriting(name):
    """A change that writes into an input of the case."""

    def change(case, answer):
        getattr(case, name)[...] = 0.5
        return answer

    return change


REFUSED = Refused("no")
UNSUPPORTED = Unsupported("grad:t")


def task_of(case, problems) -> Task:
    problem: Problem = next(problem for problem in problems.values() if problem.rhs is case._rhs)
    return Task(problem, case.z0, case.ts, case.weights)
