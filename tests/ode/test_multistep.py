"""Adams and BDF: their formulas as identities in exact arithmetic, their orders, SciPy's BDF step by step, DETEST, and what goes wrong."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnode.ode import adams, bdf
from refnode.ode.adams import AdamsSteps
from refnode.ode.bdf import BdfSteps
from refnode.ode.control import Control, rms
from refnode.ode.jacobian import Jacobian
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import quiet

EPS = 2.0**-52
METHODS = pytest.mark.parametrize("method", [AdamsSteps, BdfSteps])


def steps_of(method, f, z0, t0, t1, *, rtol=1e-6, atol=1e-8, jumps=(), first_step=None, min_step=0.0, max_step=math.inf, max_steps=10_000,
             jac=None, sparsity=None, **setting):
    """The steps of a method at f(z, t) -> dz/dt, of which none is taken yet. Past 10 000 evaluations a test fails instead of hanging."""
    z0, stats = np.array(z0), SolveStats()

    def evaluate(z, t, out):
        stats.nfe += 1
        assert stats.nfe <= 30_000, "this solve does not end"
        assert min(t0, t1) <= t <= max(t0, t1)
        out[:] = f(z, t)

    real = np.finfo(z0.dtype).dtype
    control = Control(np.array(rtol, real), np.array(atol, real), rms, first_step, min_step, max_step)
    steps = method(evaluate, z0, t0, t1, jumps, stats, max_steps, control, Jacobian(evaluate, z0, jac, sparsity, stats=stats, threshold=atol),
                   **setting)
    steps.attempts = []
    return steps


def taken(steps):
    """The accepted steps, kept."""
    found = []
    with quiet():
        for step in steps:
            step.keep()
            found.append(step)
    return found


def at(steps, ts):
    """The states at ts, increasing or decreasing, from the steps that they lie in."""
    sign = math.copysign(1.0, steps[-1].t1 - steps[0].t)
    return np.array([next(step for step in steps if sign * (t - step.t1) <= 0)(np.array([t]))[0] for t in ts])


# The formulas of Adams' methods ----------------------------------------------------------------------------------------------------------

gaps = st.lists(st.integers(1, 64), min_size=2, max_size=13)  # between t_{n-k}, ..., t_n, t_{n+1}, in units of 1/64


def times_before(gaps, sign=1):
    """t_n = 0, t_{n-1}, ..., and t_{n+1}, as fractions."""
    before = [Fraction(0)]
    for gap in gaps[1:]:
        before.append(before[-1] - sign * Fraction(gap, 64))
    return before, sign * Fraction(gaps[0], 64)


def divided(times, values):
    """f[times]"""
    values = list(values)
    for j in range(1, len(times)):
        values = [(a - b) / (times[i] - times[i + j]) for i, (a, b) in enumerate(zip(values, values[1:], strict=False))]
    return values[0]


def difference(times, values, j):
    """Phi_j = prod_{i<j} (t_n - t_{n-1-i}) f[t_n, ..., t_{n-j}]. HNW: III.5 (5.3)"""
    return math.prod((times[0] - times[1 + i] for i in range(j)), start=Fraction(1)) * divided(times[:j + 1], values[:j + 1])


def integrated(roots, to):
    """int_0^to prod_i (t - roots_i) dt, exactly."""
    coefficients = [Fraction(1)]  # of 1, t, t^2, ...
    for root in roots:
        coefficients = [a - root * b for a, b in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)], strict=True)]
    return sum(c * to ** (i + 1) / (i + 1) for i, c in enumerate(coefficients))


@given(gaps, st.sampled_from([1, -1]), st.fractions(0, 1, max_denominator=16))
@settings(deadline=None)
def test_the_integrals_of_adams(gaps, sign, theta):
    """g_j(theta) by exact integration. All factors are positive: each of at most 12, and the 7 terms of a sum, are rounded a few times."""
    before, t1 = times_before(gaps, sign)
    found = adams.integrals(np.array(before, float), float(t1), np.array([float(theta)]))[0]
    exact = [integrated(before[:j], theta * t1) / t1 / math.prod((t1 - t for t in before[:j]), start=Fraction(1)) for j in range(len(before) + 1)]
    np.testing.assert_allclose(found, np.array(exact, float), rtol=100 * EPS, atol=0)


@given(gaps)
@settings(deadline=None)
def test_growth_turns_differences_of_the_last_step_into_those_of_this(gaps):
    """Phi*_j(n) = prod_{i<j} (t_{n+1} - t_{n-i}) f[t_n, ..., t_{n-j}] = beta_j Phi_j(n)."""
    before, t1 = times_before(gaps)
    exact = [math.prod(t1 - before[i] for i in range(j)) / math.prod((before[0] - before[1 + i] for i in range(j)), start=Fraction(1))
             for j in range(len(before))]
    np.testing.assert_allclose(adams.growth(np.array(before, float), float(t1)), np.array(exact, float), rtol=40 * EPS)


@given(gaps, st.lists(st.integers(-8, 8), min_size=14, max_size=14))
@settings(deadline=None)
def test_differences_as_if_steps_were_equal(gaps, values):
    """sigma_j Phi_j(n+1) = j! h^j f[t_{n+1}, ..., t_{n+1-j}], which for equal steps is nabla^j f. A sum of at most 13 products."""
    before, t1 = times_before(gaps)
    times, values, k = [t1, *before], [Fraction(v) for v in values], len(before)
    weights = adams.as_if_equal(np.array(before, float), float(t1))
    for j in range(k + 1):
        wanted = math.factorial(j) * t1**j * divided(times[:j + 1], values[:j + 1])
        assert weights[j] * float(difference(times, values, j)) == pytest.approx(adams.GAMMA_STAR[j] * float(wanted), rel=60 * EPS, abs=1e-300)


def test_the_error_constants_of_adams():
    """For equal steps g_j is gamma_j of Adams and Bashforth, and gamma_{k-1} - gamma_k = -gamma*_k. HNW: III.1, table 1.1 and 1.2."""
    gamma = [integrated([Fraction(-i) for i in range(j)], Fraction(1)) / math.factorial(j) for j in range(14)]
    np.testing.assert_allclose(adams.GAMMA_STAR[1:], [float(a - b) for a, b in zip(gamma, gamma[1:], strict=False)], rtol=2 * EPS)
    assert adams.adams_moulton(7).tolist() == [1, -1 / 2, -1 / 12, -1 / 24, -19 / 720, -3 / 160, -863 / 60480]


def at_order(k, times, values, t1, f, z0=0.0, **setting):
    """AdamsSteps whose next step has order k and goes to t1, after the given values of f at the times t_n, t_{n-1}, ..., exactly.

    Tolerances so large that every step is accepted.
    """
    h = abs(t1 - float(times[0]))
    setting = {"first_step": h, "max_step": h, "rtol": 0.0, "atol": 1e6, "max_order": k, **setting}
    steps = steps_of(AdamsSteps, f, [z0], float(times[0]), setting.pop("t_end", t1), **setting)
    steps._begin_step()
    steps.starting, steps.k = False, k
    steps.times[:k + 1] = [float(t) for t in times[:k + 1]]
    steps.Phi[:k + 1, 0] = [float(difference(times, values, j)) for j in range(k + 1)]
    return steps


@given(st.integers(1, 12), st.lists(st.integers(16, 64), min_size=13, max_size=13), st.lists(st.integers(-8, 8), min_size=14, max_size=14),
       st.sampled_from([1, -1]))
@settings(deadline=None)
def test_a_step_of_adams_integrates_the_polynomial(k, gaps, values, sign):
    """z' = f(t), of which the values at t_{n+1}, t_n, ... are known: a step of order k is the exact integral of the polynomial through k + 1 of
    them, and so is its interpolant at each time; the estimate is the integral of the last term of Newton's form; the differences behind the step
    are those of t_{n+1}, t_n, ..., that of the order k + 1 included.

    Rounding: the Phi*_j come of some 30 operations each, and 12 of them, with weights of at most 1, are summed once or twice: 500 eps of the
    largest.
    """
    before, t1 = times_before(gaps, sign)
    times, values = [t1, *before], [Fraction(v) for v in values]
    steps = at_order(k, before, values[1:], float(t1), lambda z, t: np.array([float(values[0])]) if t else np.array([float(values[1])]))
    step = taken(steps)[0]

    stars = [math.prod((t1 - before[i] for i in range(j)), start=Fraction(1)) * divided(before[:j + 1], values[1:j + 2]) for j in range(k + 1)]
    bound = 500 * EPS * float(max(abs(star) for star in [*stars, 1]))
    coefficients = [divided(times[:j + 1], values[:j + 1]) for j in range(k + 1)]
    for theta in (Fraction(1, 8), Fraction(1, 2), Fraction(1)):
        terms = [integrated(times[:j], theta * t1) for j in range(k + 1)]
        exact = sum(c * term for c, term in zip(coefficients, terms, strict=True))
        assert step(np.array([float(theta * t1)]))[0, 0] == pytest.approx(float(exact), abs=bound)
    assert step.z1[0] == pytest.approx(float(exact), abs=bound)
    assert steps.attempts[0][2] * 1e6 == pytest.approx(abs(float(coefficients[k] * terms[k])), abs=bound)
    if k < 12:
        np.testing.assert_allclose(steps.Phi[:k + 2, 0], [float(difference(times, values, j)) for j in range(k + 2)], rtol=0, atol=4 * bound)


# Orders, closed forms, continuity ---------------------------------------------------------------------------------------------------------

NONLINEAR = (lambda z, t: z * z * math.cos(t), lambda t: 1 / (2 - np.sin(t)), 0.3, 3.1)


def fitted(h, error):
    """The slope over step sizes whose error lies in [1e-11, 1e-3]; see test_orders.py."""
    keep = (error > 1e-11) & (error < 1e-3)
    assert keep.sum() >= 3
    return np.polyfit(np.log(h[keep]), np.log(error[keep]), 1)[0]


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("k", range(1, 9))
def test_orders_of_adams(k, backwards):
    """With equal steps, and exact values before the first: order k + 1, at the ends of steps and inside."""
    f, z, t0, t1 = NONLINEAR
    if backwards:
        t0, t1 = t1, t0
    found = []
    for n in [round(8 * 2 ** (i / 2)) for i in range(2, 15)]:
        grid = t0 + (t1 - t0) * np.arange(-k, n + 1) / n
        before = [Fraction(t) for t in grid[k::-1]]
        values = [Fraction(float(f(z(float(t)), float(t)))) for t in before]
        steps = at_order(k, before, values, float(grid[k + 1]), f, z(t0), t_end=t1, atol=1e10)
        steps = taken(steps)
        assert all(step.Phi.shape == (k + 1, 1) for step in steps) and n <= len(steps) <= n + 1  # the last one may be as long as a rounding error
        inside = np.sort(np.concatenate([grid[k:-1] + share * (t1 - t0) / n for share in (0.3, 0.7)]))[::-1 if backwards else 1]
        found.append((abs(t1 - t0) / n, max(np.abs(step.z1[0] - z(step.t1)) for step in steps), np.abs(at(steps, inside)[:, 0] - z(inside)).max()))
    h, ends, insides = np.array(found).T
    for error in (ends, insides):
        assert k + 1 - (0.4 if k >= 4 else 0.15) <= fitted(h, error) <= k + 2


CLOSED = {
    "z^2 cos t": (*NONLINEAR, 1.0),
    "rotation": (lambda z, t: np.array([z[1], -z[0]]), lambda t: np.array([np.sin(t), np.cos(t)]), 0.0, 10.0, 1.0),
    "forced": (lambda z, t: np.array([math.cos(t) - 0.1 * (z[0] - math.sin(t))]), lambda t: np.array([np.sin(t)]), -4.0, 5.0, 1.0),
}


@METHODS
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("problem", CLOSED)
def test_closed_forms(problem, backwards, method):
    """At ends and inside, and the error falls with the tolerance: slope 0.7 ... 1.5 (bugs.md, E05). 100 tolerances allow for their sum over the
    steps and for growth factors of at most 3."""
    f, z, t0, t1, _ = CLOSED[problem]
    if backwards:
        t0, t1 = t1, t0
    ts, tolerances, errors = np.linspace(t0, t1, 40), 10.0 ** -np.arange(3, 10), []
    exact = np.array([np.atleast_1d(z(t)) for t in ts])
    for tolerance in tolerances:
        found = taken(steps_of(method, f, exact[0], t0, t1, rtol=tolerance, atol=tolerance))
        errors.append(np.abs(at(found, ts) - exact).max())
        assert errors[-1] <= 100 * tolerance
    assert 0.7 <= np.polyfit(np.log(tolerances), np.log(errors), 1)[0] <= 1.5


@METHODS
def test_the_solution_is_continuous(method):
    """Both ends of a step are met: the next one goes on from the same state. With Adams the derivative is continuous as well, and equals f."""
    f, _, t0, t1, _ = CLOSED["rotation"]
    steps = taken(steps_of(method, f, [0.0, 1.0], t0, t1, rtol=1e-5))
    for one, two in zip(steps, steps[1:], strict=False):
        assert one.t1 == two.t and one.z1 is two.z
    for step in steps:
        h = step.t1 - step.t
        near = step.t + h * np.array([0.0, 2.0**-20, 1 - 2.0**-20, 1.0])
        near[-1] = step.t1
        z = step(near)
        np.testing.assert_array_equal(z[[0, -1]], [step.z, step.z1])
        np.testing.assert_allclose(z[1:3], z[[0, 3]], rtol=0, atol=2 * abs(h) * 2.0**-20)  # |f| = 1
        if method is AdamsSteps:
            slopes = [(z[1] - z[0]) / (near[1] - near[0]), (z[3] - z[2]) / (near[3] - near[2])]
            # one-sided differences over 1e-6 h: h |z''| 1e-6, and eps / (1e-6 h)
            np.testing.assert_allclose(slopes, [f(step.z, 0), f(step.z1, 0)], rtol=0, atol=4e-6 * h + 4 * EPS * 2.0**20 / h)
