"""The threshold of every gating check, pinned from both sides: off by 0.99 times the allowed error passes, by 1.01 times it fails.

What is allowed is written here once more, from validation/README.md and the docstrings of the checks. A required check that is in none of
the tables below is a failure of the last test.
"""

import functools

import numpy as np
import pytest
from refnode_validation.checks.catalog import all_checks, everything
from refnode_validation.checks.parts import restart_task, task_for
from refnode_validation.problems.catalog import problems
from refnode_validation.relations import transforms
from refnode_validation.relations.catalog import all_relations, task_named
from refnode_validation.relations.relation import Ask, verdict
from refnode_validation.runner import Plan, run

from . import fakes
from .test_densities import Flow

RTOL, KAPPA = 1e-4, 10
SIDES = pytest.mark.parametrize(("factor", "state"), [(0.99, "pass"), (1.01, "fail")])


def allowed(gamma, expected):
    """kappa Gamma (atol + rtol max |expected|), for an implementation that does not interpolate."""
    return KAPPA * gamma * (RTOL / 100 + RTOL * np.max(np.abs(expected)))


def of_value(task):
    return "z", allowed(task.value_gamma, task.values)


def of_gradient(key, count=1):
    return lambda task: (key, count * allowed(task.gradient_gamma, task.gradients[key]))


def of_density(key):
    return lambda task: (key, allowed(task.density.gradient_gamma, task.density.gradients[key]))


def of_log_p(task):
    gamma, largest = task.density.value_condition
    return "log p", allowed(gamma, largest)


CHECKS = {  # check: problem, and the key that is off and what it may be off by; the last component is changed
    "solve.value": ("P10", of_value),
    "solve.reversed": ("P10", of_value),
    "solve.output_times": ("P10", of_value),
    "solve.flow": ("P10", lambda task: ("z", 2 * of_value(task)[1])),
    "grad.z0": ("P10", of_gradient("dL/dz0")),
    "grad.theta": ("P10", of_gradient("dL/dtheta")),
    "grad.t": ("P10", of_gradient("dL/dt")),
    "grad.reversed": ("P10", of_gradient("dL/dz0")),
    "grad.reversed_t": ("P10", of_gradient("dL/dt")),
    "grad.observations": ("P10", of_gradient("dL/dtheta")),
    "grad.observations_t": ("P10", of_gradient("dL/dt")),
    "grad.split": ("P10", of_gradient("dL/dz0")),
    "grad.split_t": ("P10", of_gradient("dL/dt")),
    "grad.reset": ("P27", of_gradient("dL/dtheta")),
    "grad.shift_sum": ("P04", of_gradient("dL/dt", 4)),
    "flow.log_prob": ("P20", of_log_p),
    "flow.grad_x": ("P20", of_density("dlogp/dx")),
    "flow.grad_theta": ("P20", of_density("dlogp/dtheta")),
    "flow.grad_t": ("P20", of_density("dlogp/dt")),
}


@SIDES
@pytest.mark.parametrize("id", CHECKS)
def test_threshold_of_a_check(id, factor, state):
    name, threshold = CHECKS[id]
    check = all_checks()[id]
    direction = check.directions[0]
    main = task_for(name, direction, "main", 0)
    task = main if check.part == "restart" else task_for(name, direction, check.part, 0)
    asked = restart_task(main, main.values) if check.part == "restart" else task
    key, off = threshold(task)

    class Off(fakes.AlwaysExact):
        def run(self, case):
            answer = super().run(case)
            if key in case.wants and np.array_equal(case.ts, asked.ts):
                answer[key] = np.array(answer[key], float)
                answer[key].flat[-1] += factor * off
            return answer

    results = [result for result in run(Off(problems()), Plan((check,), (name,), rtols=(RTOL,))) if result.direction == direction]
    assert [result.verdict.state for result in results] == [state]
    assert results[0].verdict.ratio == pytest.approx(factor, rel=1e-3)


def V(task, rtol=RTOL, largest=None):
    """What a solution may be off."""
    c = task.condition
    return KAPPA * c.values * (rtol / 100 + rtol * (c.largest if largest is None else largest))


def G(task, gradient):
    """What a gradient may be off, by the adjoint method."""
    c = task.condition
    return allowed(c.adjoint * c.reconstruction * np.abs(task.weights).max(), gradient)


def extra(more, D):
    """1 + sqrt((D + more)/D): both solves, and the share of exact components in the norm of the second."""
    return 1 + ((D + more) / D) ** 0.5


def of_dual(task, a):
    with_w = transforms.with_sensitivity(task)
    D = task.z0.size
    return G(task, a[0]["dL/dz0"]) * np.abs(task.direction[:D]).sum() + V(with_w) * np.abs(task.weights).sum()


def of_time_state(task, a):
    D, N = task.z0.size, len(task.ts)
    return N * G(task, a[0]["dL/dt"]) + ((D + 1) / D) ** 0.5 * G(task, a[1]["dL/dz0"])


def of_linearity(task, a):
    other = np.cos(np.arange(task.weights.size)).reshape(task.weights.shape)
    weights = (task.weights, other, task.weights + other)
    return sum(G(task.changed(weights=g), answer["dL/dz0"]) for g, answer in zip(weights, a, strict=True))


def score(base, z):
    return np.array([np.imag(base.log_prob(np, z + 1e-30j * e)) / 1e-30 for e in np.eye(z.size)])


def two_times(task, back):
    e = np.eye(task.z0.size)[0]
    there = task.changed(ts=task.ts[[0, -1]], weights=np.stack([0 * e, e]))
    return there.changed(z0=task.condition.end, ts=there.ts[::-1].copy()) if back else there


def L(task):
    """What log p may be off."""
    pair = transforms.with_log_det(task)
    return V(pair) * (1 + np.abs(score(task.base, pair.condition.end[:-1])).sum())


def of_logdet(task, a):
    back, z, D = two_times(task, True), a[1]["z"][-1], task.z0.size
    J = np.stack([answer["dL/dz0"] for answer in a[2 : 2 + D]])
    return L(back) + np.abs(score(task.base, z)).sum() * V(back) + D * back.condition.back * G(back, J)


def of_roundtrip(task, a):
    x, there = a[0]["z"][-1], two_times(task, False)
    return L(two_times(task, True)) + L(there) + np.abs(score(task.base, x)).sum() * V(task) * 2 * there.condition.back


RELATIONS = {  # relation: problem, number of the question whose answer is off, key, component, what it may be off by (answers a)
    "solve.restart": ("P30", 1, "z", -1, lambda task, a: 2 * V(task)),
    "solve.autonomise": ("P10", 0, "z", -1, lambda task, a: extra(1, task.z0.size) * V(task)),
    "solve.reverse": ("P30", 1, "z", -1, lambda task, a: V(task) * task.condition.back * (1 + 1 / task.condition.values)),
    "solve.linear": ("P09", 2, "z", -1, lambda task, a: sum(V(task, RTOL, np.abs(answer["z"]).max()) for answer in a)),
    "solve.refine": ("P30", 0, "z", -1, lambda task, a: V(task) + V(task, RTOL / 100)),
    "solve.scale": ("P30", 1, "z", -1, lambda task, a: 16e-12 * task.condition.values * np.abs(a[0]["z"]).max()),
    "solve.shift": ("P30", 1, "z", -1, lambda task, a: 2 * V(task)),
    "grad.dual": ("P30", 1, "z", -1, lambda task, a: of_dual(task, a) / abs(task.weights[-1, -1])),
    "grad.theta_state": ("P28", 0, "dL/dtheta", -1, lambda task, a: extra(task.theta.size, task.z0.size) * G(task, a[1]["dL/dz0"])),
    "grad.time_state": ("P30", 0, "dL/dt", 0, of_time_state),
    "grad.cut": ("P28", 0, "dL/dz0", 0, lambda task, a: 2 * G(task.changed(weights=np.ones((1, 1))), a[1]["dL/dz0"])),
    "grad.clock_shift": ("P30", 1, "dL/dz0", 0, lambda task, a: 2 * G(task, a[0]["dL/dz0"])),
    "grad.linearity": ("P28", 2, "dL/dz0", 0, of_linearity),
    "flow.logdet": ("P18b", -1, "log p", 0, of_logdet),
    "flow.roundtrip": ("P28", -1, "log p", 0, of_roundtrip),
}


class Recording(Flow):
    """The reference, at a hundredth of the tolerance where that is loose, with one of its answers replaced."""

    def __init__(self, number=None, change=None):
        super().__init__()
        self.answers, self.number, self.change = [], number, change

    def run(self, case):
        case.rtol = max(case.rtol / 100, min(case.rtol, 1e-8))
        answer = super().run(case)
        if len(self.answers) == self.number:
            answer = {**answer, **self.change}
        self.answers.append(answer)
        return answer


@functools.cache
def recorded(id, name):
    """The verdict without any change, and the answers that it is about."""
    exact = Recording()
    return verdict(all_relations()[id], Ask(exact), task_named(name), RTOL), exact.answers


@functools.cache
def threshold_of(id):
    name, *_, threshold = RELATIONS[id]
    return threshold(task_named(name), recorded(id, name)[1])


@SIDES
@pytest.mark.parametrize("id", RELATIONS)
def test_threshold_of_a_relation(id, factor, state):
    name, number, key, index, _ = RELATIONS[id]
    relation, task = all_relations()[id], task_named(name)
    before, answers = recorded(id, name)
    assert before.ratio < 0.009  # of what is left to the side that is tested
    number %= len(answers)
    changed = np.array(answers[number][key], float)
    changed.flat[index] += factor * threshold_of(id)
    found = verdict(relation, Ask(Recording(number, {key: changed})), task, RTOL)
    assert found.state == state
    assert found.ratio == pytest.approx(factor, abs=before.ratio + 1e-3)


@pytest.mark.parametrize(("factor", "state"), [(0.9, "pass"), (1.1, "fail"), (-0.9, "pass"), (-1.1, "fail")])
@pytest.mark.parametrize(("id", "number"), [("solve.richardson", 0), ("solve.order", 1)])
def test_threshold_of_an_order(id, number, factor, state):
    """0.2: the first of the differences that Euler's order is found from is made longer, or shorter."""
    relation, task, answers = all_relations()[id], task_named("van_der_pol"), recorded(id, "van_der_pol")[1]
    coarse, fine, limit = (answers[i]["z"] for i in ((0, 1, 2) if id == "solve.richardson" else (1, 2, 0)))
    first, second = coarse[-1] - (fine if id == "solve.richardson" else limit)[-1], fine[-1] - limit[-1]
    observed = np.log2(np.abs(first).max() / np.abs(second).max())
    changed = coarse[-1] - first + first * 2 ** (1 + 0.2 * factor - observed)
    found = verdict(relation, Ask(Recording(number, {"z": np.stack([coarse[0], changed])})), task, RTOL)
    assert found.state == state


@pytest.mark.parametrize(("id", "name", "number"), [("solve.purity", "P30", 2), ("euler.resnet", "resnet", 0)])
def test_to_the_bit(id, name, number):
    relation, task = all_relations()[id], task_named(name)
    before, answers = recorded(id, name)
    assert before.state == "pass"
    changed = np.array(answers[number]["z"])
    changed.flat[-1] = np.nextafter(changed.flat[-1], np.inf)
    assert verdict(relation, Ask(Recording(number, {"z": changed})), task, RTOL).state == "fail"


WITHOUT_THRESHOLD = {"solve.negative", "solve.max_steps"}  # a number is wrong, whatever its value: test_relations.py
OTHERS = {"solve.richardson", "solve.order", "solve.purity", "euler.resnet"}  # the tests above


def test_every_gating_check_has_its_threshold_pinned():
    gating = {check.id for check in everything().values() if check.level == "required"}
    assert gating == {*CHECKS, *RELATIONS, *OTHERS, *WITHOUT_THRESHOLD}
