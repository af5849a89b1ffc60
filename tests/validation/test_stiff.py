"""The stiff problems: their definitions, their solutions, and what radau5 and bdf make of them beside SciPy's Radau and BDF."""

import dataclasses
import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refnode_validation.stiff import extrapolation
from refnode_validation.stiff.catalog import LAM, PROBLEMS, error, reference, solution
from refnode_validation.stiff.extrapolation import extrapolated, inverse, jacobian, step
from refnode_validation.stiff.reference import CROSS_CHECKS

import refnode as rn
from tests.bench.stiff import BAR, SCIPY, SLOPES, Work, by_refnode, by_scipy, ratio, slope

EPS = np.finfo(float).eps
EACH = pytest.mark.parametrize("name", PROBLEMS)
NUMERIC = [name for name, problem in PROBLEMS.items() if problem.exact is None]

PUBLISHED = {  # z at the end; Hairer and Wanner, and the Test Set for IVP Solvers: all digits but the last one or two are right
    "Robertson": [2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050],
    "van der Pol": [1.706167732170483, -8.928097010247975e-4],
    "HIRES": [7.371312573325668e-4, 1.442485726316185e-4, 5.888729740967575e-5, 1.175651343283149e-3, 2.386356198831331e-3, 6.238968252742796e-3,
              2.849998395185769e-3, 2.850001604814231e-3],
}


# The problems

@EACH
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_jacobians(name, data):
    """Written out, by complex steps, and by the engine: three exact derivatives of sums of at most 6 terms."""
    problem = PROBLEMS[name]
    z = np.array(data.draw(st.lists(st.floats(0.1, 3), min_size=problem.z0.size, max_size=problem.z0.size)))
    expected = problem.jac(z, 0.7)
    rounding = 20 * EPS * np.abs(expected).max()
    np.testing.assert_allclose(jacobian(problem.f, z, 0.7), expected, rtol=0, atol=rounding)
    np.testing.assert_allclose(rn.jacobian(problem.f)(z, 0.7, ()), expected, rtol=0, atol=rounding)
    if problem.conserved is not None:
        f = problem.f(z, 0.7, ())
        assert abs(problem.conserved @ f) <= 20 * EPS * np.abs(f).max()


def test_the_closed_form_solves_its_equation():
    """By a complex step in t; lam (z - sin t) rounds by lam eps."""
    problem = PROBLEMS["Prothero-Robinson"]
    for t in (0.0, 3e-7, 2.5, 10.0):
        exact = lambda t: np.sin(t) + 0.9 * np.exp(LAM * t)
        assert problem.exact(np.array([t]))[0, 0] == exact(t)
        assert abs(exact(t + 1e-30j).imag / 1e-30 - problem.f(np.array([exact(t)]), t, ())[0]) <= 4 * EPS * abs(LAM)


@EACH
def test_solutions_are_complete(name):
    problem, values = PROBLEMS[name], solution(name)
    assert values.shape == (len(problem.ts), problem.z0.size) and np.all(np.isfinite(values))
    np.testing.assert_allclose(values[0], problem.z0, rtol=1e-15)
    if problem.conserved is not None:  # 1e-13 is what the extrapolation allows
        largest = np.abs(problem.conserved * values).max()
        np.testing.assert_allclose(values @ problem.conserved, problem.z0 @ problem.conserved, rtol=0, atol=1e-13 * max(largest, 1e-2))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_end_values(name):
    np.testing.assert_allclose(solution(name)[-1], PUBLISHED[name], rtol=1e-11)


@pytest.mark.parametrize("name", ["van der Pol", "E5"])
def test_reference_values_are_made_again(name):
    """The first of them; the others take longer."""
    problem = PROBLEMS[name]
    values = extrapolated(dataclasses.replace(problem, ts=problem.ts[:2]))
    assert error(name, 1, values[1]) < 1e-13


@pytest.mark.parametrize("name", NUMERIC)
def test_reference_values_against_scipy(name):
    """At most 1000 tolerances, as stands in the file; and again at 1e-7."""
    for label, found in reference()["cross_checks"].items():
        assert found[name] < 1000 * CROSS_CHECKS[label.split(",")[0]]
    assert by_scipy(name, "radau5", 1e-7).error < 1000 * 1e-7


@pytest.mark.parametrize("columns", [2, 4, 6])
def test_each_column_is_one_order(columns, monkeypatch):
    """One step on z' = -z has an error of H^(columns + 1) (1 + O(columns^2 H)): halving H from 1/32 divides it by 2^(columns + 1)."""
    monkeypatch.setattr(extrapolation, "COLUMNS", columns)
    f = lambda z, t, _: -z
    sizes = [np.longdouble(1) / 32, np.longdouble(1) / 64]
    errors = [abs(float(step(f, np.ones(1, np.longdouble), np.longdouble(0), H)[0][0] - np.exp(-H))) for H in sizes]
    assert abs(np.log2(errors[0] / errors[1]) - (columns + 1)) < columns**2 / 64 + 0.1


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_inverse(n, seed):
    A = np.random.default_rng(seed).normal(size=(n, n)).astype(np.longdouble)
    found = inverse(A)
    assert np.abs(A @ found - np.eye(n)).max() <= 100 * n * np.finfo(np.longdouble).eps * np.abs(A).max() * np.abs(found).max() * n


# What the methods make of them: a part of tests/bench/stiff.py

TOLERANCES = [10.0 ** (-k / 2) for k in range(6, 17)]


@functools.cache
def works(who, name, method):
    return [who(name, method, rtol) for rtol in TOLERANCES]


@pytest.mark.parametrize("method", SCIPY)
@pytest.mark.parametrize("name", ["HIRES", "E5", "Prothero-Robinson"])
def test_costs_and_errors(name, method):
    """Evaluations and factorisations at the same accuracy within 1.5 of SciPy's; the slope of log error over log rtol in [0.7, 1.5].

    radau5's slope is 5/4 where nothing is stiff: its error estimate is O(h^4), so that h is as rtol^(1/4), and the error at the ends of steps O(h^5).
    On Prothero-Robinson its error is at most the defect over |lam|, whatever the steps: it has no slope, and SciPy's neither.
    """
    ours, theirs = works(by_refnode, name, method), works(by_scipy, name, method)
    assert ratio(ours, theirs, "nfe") <= BAR
    assert ratio(ours, theirs, "nlu") <= BAR
    if (name, method) == ("Prothero-Robinson", "radau5"):
        assert all(work.error < 3 / abs(LAM) for work in [*ours, *theirs])
    else:
        assert SLOPES[0] <= slope(ours) <= SLOPES[1]


def test_slope_of_radau5_is_five_quarters():
    """z' = -z: not stiff, one direction; fitted over steps of many sizes."""
    found = []
    for rtol in TOLERANCES:
        z1 = rn.solve(lambda z, t, _: -z, np.ones(1), [0, 5], method="radau5", rtol=rtol, atol=rtol * 1e-3, jac=np.array([[-1.0]])).zs[-1, 0]
        found.append(Work(rtol, 1, 1, 1, abs(z1 - math.exp(-5))))
    assert slope(found) == pytest.approx(1.25, abs=0.15)


def test_ratio_and_slope():
    curve = lambda c, accuracy: [Work(rtol, c * rtol**-0.25, 0, 7, accuracy * rtol) for rtol in TOLERANCES]
    assert slope(curve(1, 5)) == pytest.approx(1)
    assert ratio(curve(3, 1), curve(2, 1), "nfe") == pytest.approx(1.5)
    assert ratio(curve(1, 1), curve(1, 16), "nfe") == pytest.approx(0.5)  # 16 times as accurate for the same cost
    lucky = curve(1, 1)
    lucky[0] = dataclasses.replace(lucky[0], error=1e-30)
    assert ratio(lucky, curve(1, 1), "nfe") == pytest.approx(1, abs=0.02)  # and not 1e-27 ** 0.25; what is left is half a decade of 11
