"""The closed forms of normalizing flows, and the checks flow.* against a small reference with seeded bugs."""

import functools

import autograd.numpy
import numpy as np
import pytest
from refnode_validation.checks.flows import CHECKS
from refnode_validation.problems import densities
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import Task
from refnode_validation.runner import Plan, run
from scipy.linalg import expm
from scipy.stats import multivariate_normal, norm

from .reference import Reference
from .test_closed_forms import central6

FLOWS = [problem for problem in problems().values() if problem.log_det]


def task_of(problem, reverse=False):
    t0, t1 = (problem.t1, problem.t0) if reverse else (problem.t0, problem.t1)
    x = problem.flow(problem.z0, problem.t0, t1, problem.theta) if not reverse else problem.z0
    return Task(problem, x, np.array([t1, t0]), problem.weights[:2])


TASKS = [pytest.param(task_of(problem, reverse), id=f"{problem.id}{'-reversed' * reverse}") for problem in FLOWS for reverse in (False, True)]


@pytest.mark.parametrize("problem", FLOWS, ids=lambda p: p.id)
def test_log_det_is_that_of_phi(problem):
    """I4: between every pair of times on the grid, both ways."""
    for t0 in problem.ts:
        z0 = problem.flow(problem.z0, problem.t0, t0, problem.theta)
        for t1 in problem.ts:
            phi = problem.exact(z0, t0, t1, problem.theta).dz0
            assert abs(problem.log_det(z0, t0, t1, problem.theta) - np.log(np.linalg.det(phi))) < 1e-13


@pytest.mark.parametrize("task", TASKS)
def test_gradients_of_log_p(task):
    """Complex steps against 6th-order differences at h = 2e-3: truncation h^6 |g^(7)| / 140 and rounding 1e-16 / h are below 1e-11 of the scale."""
    found = task.density.gradients

    def moved(key, step):
        theta = task.problem.theta + (step if key == "dlogp/dtheta" else 0)
        problem = type(task.problem)(**{**task.problem.__dict__, "theta": theta})
        moved = Task(problem, task.z0 + (step if key == "dlogp/dx" else 0), task.ts + (step if key == "dlogp/dt" else 0), task.weights)
        return moved.density.log_p

    for key, size in (("dlogp/dx", task.z0.size), ("dlogp/dtheta", task.problem.theta.size), ("dlogp/dt", 2)):
        expected = [central6(lambda h, key=key, e=e: moved(key, h * e), 2e-3) for e in np.eye(size)]
        np.testing.assert_allclose(found[key], expected, rtol=0, atol=1e-10 * (1 + np.abs(expected).max()))


def test_p19_is_a_gaussian():
    """P19: N(E mu, E S E^T) at t1."""
    problem = problems()["P19"]
    task, A = task_of(problem), problem.theta.reshape(3, 3)
    E = expm(A * (problem.t1 - problem.t0))
    expected = multivariate_normal(E @ problem.base.mean, E @ problem.base.covariance @ E.T).logpdf(task.z0)
    assert abs(task.density.log_p - expected) < 1e-12


def test_p20_is_the_density_of_the_process():
    """P20: N(mu(t1), v(t1))."""
    problem = problems()["P20"]
    be, si = problem.theta
    v_inf, E = si**2 / (2 * be), np.exp(-be * problem.t1)
    expected = norm(densities.MU0 * E, np.sqrt(v_inf + (densities.V0 - v_inf) * E**2)).logpdf(task_of(problem).z0[0])
    assert (problem.base.mean[0], problem.base.covariance[0, 0]) == (densities.MU0, densities.V0)
    assert abs(task_of(problem).density.log_p - expected) < 1e-13


def test_the_wrong_sign_of_equation_10_is_far_away():
    """C1: with the printed sign log p of P18c would be off by 2 |log det| = 0.3; the check sees 1e-3 of that at every tolerance of the suite."""
    problem = problems()["P18c"]
    assert abs(2 * problem.log_det(problem.z0, problem.t0, problem.t1, problem.theta)) > 0.1


@pytest.mark.parametrize("problem", FLOWS, ids=lambda p: p.id)
def test_base_densities(problem):
    expected = multivariate_normal(problem.base.mean, problem.base.covariance).logpdf(problem.z0)
    assert abs(problem.base.log_prob(np, problem.z0) - expected) < 1e-13
    assert problem.base.log_prob(autograd.numpy, problem.z0) == problem.base.log_prob(np, problem.z0)


@pytest.mark.parametrize("task", TASKS)
def test_conditions(task):
    """Gamma bounds what an error does: z moved by 1e-7 in any component, at any time of the grid, changes log p by at most Gamma 1e-7 (1 + 1e-6)."""
    gamma, largest = task.density.value_condition
    problem, theta = task.problem, task.problem.theta
    here = task.density.log_p
    for t in problem.ts:
        z = problem.flow(task.z0, task.ts[0], t, theta)
        change = problem.log_det(task.z0, task.ts[0], t, theta)
        for e in np.eye(z.size):
            moved = Task(problem, z + 1e-7 * e, np.array([t, task.ts[1]]), task.weights).density.log_p + change
            assert abs(moved - here) <= gamma * 1e-7 * (1 + 1e-6) + 1e-14
        assert largest >= np.abs(z).max() - 1e-15
    assert 1 <= gamma < 100
    assert 1 <= task.density.reconstruction_gamma < 100
    assert task.density.gradient_gamma < 100


BUGS = {
    "printed_sign": "flow.log_prob",  # d log p/dt = +tr(df/dz), as eq. (10) is printed
    "sum_of_all_entries": "flow.log_prob",  # of the Jacobian, instead of its trace
    "first_entry": "flow.log_prob",  # of the Jacobian
    "base_at_x": "flow.log_prob",  # log p_base(x) instead of log p_base(z(t0))
    "clock_backwards": "flow.log_prob",  # f is asked at t0 + t1 - t: P20 sees it, P18b, where f is sigma(t) g(z), cannot
    "base_alone": "flow.grad_x",  # the gradient leaves out the trace
    "frozen_trace": "flow.grad_theta",  # the gradient by theta leaves out the trace
    "exchanged_times": "flow.grad_t",
    "no_start_time": "flow.grad_t",
}
RELATION_BUGS = {
    "trace_scaled": "flow.logdet",  # the trace is 1 percent too large
    "one_way": "flow.roundtrip",  # the change of log p has the sign of time running forward, whichever way it runs
    "unnormalised": "flow.mass",  # log p is 0.01 too large
}


class Flow(Reference):
    """The reference with densities: RK4 on (z, l), and complex steps through all of it; the trace by differences that complex steps pass."""

    capabilities = Reference.capabilities | {"flow:log_prob", "flow:grad", "flow:grad_t"}

    def __init__(self, bug=None):
        super().__init__()
        self.seeded, self.name = bug, bug or "flow"

    def run(self, case):
        if not case.density:
            return super().run(case)
        self.case, self.f, self.base = case, case.dynamics(np), case.base(np)
        x, ts, theta, h = case.z0, case.ts, case.theta, 1e-30
        answer = {"log p": self.log_p(x, ts, theta, True)}
        with_trace = self.seeded != "base_alone", True, self.seeded != "frozen_trace"
        for place, key in enumerate(("dlogp/dx", "dlogp/dt", "dlogp/dtheta")):
            if key not in case.wants:
                continue
            at = [x + 0j, ts + 0j, theta + 0j]
            steps = [[*at[:place], at[place] + 1j * h * e, *at[place + 1:]] for e in np.eye(at[place].size)]
            answer[key] = np.array([self.log_p(*moved, with_trace[place]).imag / h for moved in steps])
        if self.seeded == "exchanged_times" and "dlogp/dt" in answer:
            answer["dlogp/dt"] = answer["dlogp/dt"][::-1]
        if self.seeded == "no_start_time" and "dlogp/dt" in answer:
            answer["dlogp/dt"][1] = 0.0
        return {key: answer[key] for key in case.wants}

    def log_p(self, x, ts, theta, with_trace):
        def dynamics(s, t):
            t = ts[0] + ts[1] - t if self.seeded == "clock_backwards" else t
            z = s[:-1]
            J = np.stack([central6(lambda h, e=e: self.f(z + h * e, t, theta), 0.02) for e in np.eye(len(z))], axis=1)
            trace = {"sum_of_all_entries": J.sum(), "first_entry": J[0, 0], "printed_sign": -np.trace(J)}.get(self.seeded, np.trace(J))
            trace = trace * {"trace_scaled": 1.01, "one_way": np.sign((ts[1] - ts[0]).real)}.get(self.seeded, 1.0)
            return np.append(self.f(z, t, theta), -trace)

        end = self.steps(dynamics, np.append(x, 0.0), ts[0], ts[1])
        return self.base(x if self.seeded == "base_at_x" else end[:-1]) - end[-1] * with_trace + 0.01 * (self.seeded == "unnormalised")


@functools.cache
def failed(bug):
    plan = Plan(tuple(CHECKS), ("P18a", "P19", "P20", "P28"), rtols=(1e-5,))
    results = list(run(Flow(bug), plan))
    assert {result.verdict.state for result in results} <= {"pass", "fail"}
    return {result.check for result in results if result.verdict.state == "fail"}


def test_the_reference_without_bugs_passes():
    assert failed(None) == set()


@pytest.mark.parametrize(("bug", "killer"), BUGS.items())
def test_bug_is_caught(bug, killer):
    assert killer in failed(bug)
