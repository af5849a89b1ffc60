"""The closed forms against SciPy's DOP853, against complex steps, and against central differences."""

import autograd.numpy
import numpy as np
import pytest
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import Task, backward, forward
from scipy.integrate import solve_ivp

PROBLEMS = list(problems().values())
TASKS = [pytest.param(make(problem), id=f"{problem.id}-{make.__name__}") for problem in PROBLEMS for make in (forward, backward)]
STEP = 1e-30


@pytest.mark.parametrize("task", TASKS)
def test_flow_is_what_dop853_finds(task):
    """Local errors of about 1e-13 |z| in each of up to 100 steps, grown by at most Gamma: 1e-11 Gamma (1 + |z|)."""
    f, theta = task.problem.f, task.problem.theta
    span = (task.ts[0], task.ts[-1])
    solved = solve_ivp(lambda t, z: f(z, t, theta), span, task.z0, method="DOP853", rtol=1e-13, atol=1e-15, t_eval=task.ts)
    scale = task.value_gamma * (1 + np.abs(task.values).max())
    np.testing.assert_allclose(solved.y[:, -1], task.values[-1], rtol=0, atol=1e-11 * scale)
    # Interpolated outputs of DOP853 are of order 7: allow a hundred times more between the steps.
    np.testing.assert_allclose(solved.y.T, task.values, rtol=0, atol=1e-9 * scale)


@pytest.mark.parametrize("task", TASKS)
def test_derivatives_of_the_flow(task):
    """Im z1(x + i h e)/h with h = 1e-30 has no truncation and no cancellation; only rounding remains: 1e-13 for some 100 operations."""
    exact, theta, z0, t0, t1 = task.problem.exact, task.problem.theta, task.z0, task.ts[0], task.ts[-1]
    flow = exact(z0, t0, t1, theta)
    columns = [exact(z0 + 1j * STEP * e, t0, t1, theta).z1.imag / STEP for e in np.eye(z0.size)]
    close(flow.dz0, np.stack(columns, axis=1))
    columns = [exact(z0, t0, t1, theta + 1j * STEP * e).z1.imag / STEP for e in np.eye(theta.size)]
    close(flow.dtheta, np.stack(columns, axis=1))
    close(flow.dt0, exact(z0, t0 + 1j * STEP, t1, theta).z1.imag / STEP)
    close(flow.dt1, exact(z0, t0, t1 + 1j * STEP, theta).z1.imag / STEP)


@pytest.mark.parametrize("task", TASKS)
def test_gradients_of_the_loss(task):
    """The formulas of P24 against complex steps through the loss itself."""
    exact, theta, z0, ts = task.problem.exact, task.problem.theta, task.z0, task.ts

    def loss(z0, ts, theta):
        return sum(g @ exact(z0, ts[0], t, theta).z1 for g, t in zip(task.weights, ts, strict=True))

    close(task.gradients["dL/dz0"], [loss(z0 + 1j * STEP * e, ts, theta).imag / STEP for e in np.eye(z0.size)])
    close(task.gradients["dL/dtheta"], [loss(z0, ts, theta + 1j * STEP * e).imag / STEP for e in np.eye(theta.size)])
    # A step in ts[i]; the first observation sees ts[0] and ts[0], whose flow is the identity whatever ts[0] is.
    close(task.gradients["dL/dt"], [loss(z0, ts + 1j * STEP * e, theta).imag / STEP for e in np.eye(ts.size)])


@pytest.mark.parametrize("task", TASKS)
def test_second_derivatives(task):
    """Against 6th-order central differences of the exact gradient along v, at three steps.

    Truncation is about h^6 |g^(7)|/140, rounding 1e-16 |g|/h; at h = 4e-3, 2e-3, 1e-3 both are below 1e-9 of the scale unless derivatives
    are huge. The oracle declines to judge where its own three answers disagree.
    """
    v, D = task.direction, task.z0.size

    def gradient(s):
        theta = task.problem.theta + s * v[D:]
        moved = Task(with_theta(task.problem, theta), task.z0 + s * v[:D], task.ts, task.weights)
        return np.concatenate([moved.gradients["dL/dz0"], moved.gradients["dL/dtheta"]])

    differences = [central6(gradient, h) for h in (4e-3, 2e-3, 1e-3)]
    exact = np.concatenate([task.second_derivatives["d2L/dz0"], task.second_derivatives["d2L/dtheta"]])
    scale = 1 + np.abs(exact).max()
    spread = np.abs(differences[1] - differences[2]).max()
    assert spread < 1e-7 * scale, "the differences disagree among themselves"
    np.testing.assert_allclose(differences[2], exact, rtol=0, atol=max(10 * spread, 1e-10 * scale))


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.id)
def test_dynamics_are_the_same_in_autograds_numpy(problem):
    for t in problem.ts:
        expected = problem.f(problem.z0, float(t), problem.theta)
        assert expected.shape == problem.z0.shape
        np.testing.assert_array_equal(problem.rhs(autograd.numpy, problem.z0, float(t), problem.theta), expected)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.id)
def test_numbers_discriminate(problem):
    """Expected values are non-zero and pairwise distinct, so that no component can stand in for another; autonomous means what it says.

    Distinct by 1e-5 of the largest: more than a check allows at rtol 1e-10 (the largest Gamma apart from P27 is below 20: 40 x 20 x 1e-10).
    """
    for task in (forward(problem), backward(problem)):
        for array in task.gradients.values():
            magnitudes = np.sort(np.abs(array.ravel()))
            assert magnitudes[0] > 1e-3
            assert array.size == 1 or np.diff(magnitudes).min() > 1e-5 * magnitudes[-1]
    moved = problem.f(problem.z0, problem.t1, problem.theta) - problem.f(problem.z0, problem.t0, problem.theta)
    assert problem.autonomous == (not moved.any())
    assert problem.ts[0] == problem.t0
    assert problem.ts[-1] == problem.t1


def close(got, expected):
    expected = np.asarray(expected)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13 * (1 + np.abs(expected).max()))


def central6(f, h):
    return (45 * (f(h) - f(-h)) - 9 * (f(2 * h) - f(-2 * h)) + (f(3 * h) - f(-3 * h))) / (60 * h)


def with_theta(problem, theta):
    return type(problem)(**{**problem.__dict__, "theta": theta})
