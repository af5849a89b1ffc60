"""The arithmetic of verdicts: ratios, allowed errors, condition numbers."""

import math

import numpy as np
import pytest
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import Task, backward, forward
from refnode_validation.verdicts import STATES, allowed_error, compare, judge, kappa


def test_allowed_error_is_the_formula():
    """kappa Gamma (atol + rtol max|x|) = 10 * 3 * (1e-8 + 1e-6 * 2)."""
    assert allowed_error([1.0, -2.0], 1e-6, 1e-8, 3.0, 10.0) == pytest.approx(10 * 3 * (1e-8 + 2e-6), rel=1e-15)


def test_kappa():
    assert (kappa(False), kappa(True)) == (10.0, 40.0)


def test_compare_finds_the_worst_component():
    found = compare("z", [[1.0, 2.0], [3.0, 5.0]], [[1.0, 2.5], [3.0, 4.0]], 0.5)
    assert (found.ratio, found.index, found.got, found.expected) == (2.0, (1, 1), 5.0, 4.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_fails(bad):
    verdict = judge([compare("z", [0.0, bad], [0.0, 1.0], 1e300)])
    assert verdict.state == "fail"
    assert verdict.ratio == math.inf
    assert "not finite" in verdict.message


@pytest.mark.parametrize(("ratio", "state"), [(0.0, "pass"), (0.99, "pass"), (1.0, "pass"), (1.01, "fail")])
def test_threshold(ratio, state):
    assert judge([compare("z", [ratio], [0.0], 1.0)]).state == state


def test_judge_takes_the_worst():
    verdict = judge([compare("a", [0.5], [0.0], 1.0), compare("b", [2.0], [0.0], 1.0), compare("c", [0.0], [0.0], 1.0)])
    assert (verdict.state, verdict.ratio, verdict.worst.quantity) == ("fail", 2.0, "b")


def test_states_are_the_ten():
    assert len(STATES) == 10


def test_gamma_of_exponential_growth():
    """P01 with lam = -1.3: forward all flows contract, Gamma is 1; backward the largest is e^{1.3 * 1.5}, over the whole span."""
    growth = math.exp(1.3 * 1.5)
    ahead, back = forward(problems()["P01"]), backward(problems()["P01"])
    assert ahead.value_gamma == 1.0
    assert back.value_gamma == pytest.approx(growth, rel=1e-13)
    assert ahead.gradient_gamma == 2.0  # the largest weight
    assert back.gradient_gamma == pytest.approx(2 * growth, rel=1e-13)
    # The longest interval between two observations is 0.45 of the span 1.5.
    assert ahead.reconstruction_gamma == pytest.approx(math.exp(1.3 * 0.45 * 1.5), rel=1e-13)
    assert back.reconstruction_gamma == 1.0


def test_gamma_sees_interior_pairs():
    """A flow that contracts first and grows later: the largest growth starts inside, where a Gamma from t0 alone would see none."""
    problem = problems()["P09"]  # z' = 0.7 cos(2.3 t) z: growth until t = 0.68, then decay until 2.05, then growth
    task = Task(problem, problem.z0, np.array([0.7, 2.0, 3.0]), np.ones((3, 1)))
    from_start = [abs(problem.exact(task.z0, 0.7, t, problem.theta).dz0[0, 0]) for t in task.ts]
    inside = abs(problem.exact(task.values[1], 2.0, 3.0, problem.theta).dz0[0, 0])
    assert max(from_start) <= 1.0 < inside
    assert task.value_gamma == pytest.approx(inside, rel=1e-14)
