"""Adapters that behave in one way each, for the tests of the suite itself."""

import os
import sys
import time

import numpy as np
from refnode_validation.case import CAPABILITIES, Refused, Unsupported
from refnode_validation.problems.catalog import problems as all_problems
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
            arrays = {"log p": task.density.log_p, **task.density.gradients}
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


class Ill(AlwaysExact):
    """Exact but in one case, P10 forward with gradients at rtol 1e-4, where it does what `symptom` says. For processes of their own."""

    name = "ill"

    def __init__(self):
        super().__init__(all_problems())

    def run(self, case):
        if "dL/dz0" in case.wants and case.rtol == 1e-4 and case.ts[-1] > case.ts[0]:
            self.symptom()
        return super().run(case)

    def symptom(self):
        raise NotImplementedError


class Hanging(Ill):
    def symptom(self):
        time.sleep(1000)


class Exiting(Ill):
    def symptom(self):
        print("the last words", file=sys.stderr, flush=True)
        os._exit(7)


class Overflowing(Ill):
    """The stack of the process, where Python does not count the calls (before 3.12), else Python's."""

    def symptom(self):
        sys.setrecursionlimit(10**9)
        _ = Endless().attribute


class Endless:
    def __getattr__(self, name):
        return getattr(self, name)


class Talking(Ill):
    """On stdout, through Python and beside it, much and in the form of the protocol; and it reads stdin."""

    def symptom(self):
        print('{"end": true}', flush=True)
        os.write(1, b'{"end": true}\n' + 20_000_000 * b"x")
        assert sys.stdin.read() == ""


class Interrupting(Ill):
    def symptom(self):
        raise KeyboardInterrupt


class AlwaysExiting(AlwaysExact):
    """Dies whenever it is asked for gradients."""

    name = "exiting"

    def __init__(self):
        super().__init__(all_problems())

    def run(self, case):
        if "dL/dz0" in case.wants:
            os._exit(7)
        return super().run(case)


class HangingInTheProbe(AlwaysExact):
    def __init__(self):
        super().__init__(all_problems())

    def run(self, case):
        time.sleep(1000)


class HardcodesVectors(AlwaysExact):
    """Answers from a table of the committed questions; to any other question z stays where it is, and all gradients are those of that."""

    name = "hardcoded"

    def __init__(self, problems, tasks):
        super().__init__(problems)
        self.table = {self.key(task.z0, task.ts, task.weights) for task in tasks}

    @staticmethod
    def key(z0, ts, weights):
        return z0.tobytes(), ts.tobytes(), weights.tobytes()

    def run(self, case):
        if self.key(case.z0, case.ts, case.weights) in self.table:
            return super().run(case)
        case.dynamics(np)(case.z0, float(case.ts[0]), case.theta)
        answer = {"z": np.tile(case.z0, (len(case.ts), 1)), "dL/dz0": case.weights.sum(0)}
        answer |= {"dL/dtheta": 0 * case.theta, "dL/dt": 0 * case.ts}
        return {key: answer[key] for key in case.wants}


class Lying(AlwaysExact):
    """Declares one capability more than it has."""

    name = "lying"

    def __init__(self, problems, claimed):
        super().__init__(problems)
        self.claimed = claimed

    def run(self, case):
        keys = {"grad:z0": "dL/dz0", "grad:theta": "dL/dtheta", "grad:t": "dL/dt", "grad:second": "d2L/dz0"}
        backward = case.ts[-1] < case.ts[0]
        if backward if self.claimed == "time:backward" else keys[self.claimed] in case.wants:
            raise Unsupported(self.claimed)
        return super().run(case)


class CrashingOnThird(AlwaysExact):
    """Its process ends at the third question with gradients that it is asked."""

    name = "third"

    def __init__(self):
        super().__init__(all_problems())
        self.asked = 0

    def run(self, case):
        self.asked += "dL/dz0" in case.wants
        if self.asked == 3:
            os._exit(7)
        return super().run(case)


class Slow(Ill):
    """Takes its time, but answers within the limit."""

    def symptom(self):
        time.sleep(1.0)


class LateAnswer(Ill):
    """Answers after the limit, when nobody waits any more: the answer must not be taken for that to the next question."""

    def symptom(self):
        time.sleep(4.0)
