"""Adams and BDF: their formulas as identities in exact arithmetic, their orders, SciPy's BDF step by step, DETEST, and what goes wrong."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from refnode_validation.detest import catalog as detest
from refnode_validation.detest.conditioning import gamma
from scipy.integrate import BDF, solve_ivp

from refnode.errors import MaxStepsReached, NonFiniteDynamics, StepSizeUnderflow
from refnode.ode import adams, bdf
from refnode.ode.adams import AdamsSteps
from refnode.ode.bdf import BdfSteps
from refnode.ode.control import Control, rms
from refnode.ode.jacobian import Jacobian
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import Failure, quiet

EPS = 2.0**-52
METHODS = pytest.mark.parametrize("method", [AdamsSteps, BdfSteps])


def steps_of(method, f, z0, t0, t1, *, rtol=1e-6, atol=1e-8, jumps=(), first_step=None, min_step=0.0, max_step=math.inf, max_steps=10_000,
             jac=None, sparsity=None, **setting):
    """The steps of a method at f(z, t) -> dz/dt, of which none is taken yet. Past 10 000 evaluations a test fails instead of hanging."""
    z0, stats = np.array(z0), SolveStats()

    def evaluate(z, t, out):
        stats.nfe += 1
        assert stats.nfe <= 30_000, "this solve does not end"
        assert type(t) is float and min(t0, t1) <= t <= max(t0, t1)
        out[:] = f(z, t)

    real = np.finfo(z0.dtype).dtype
    control = Control(np.array(rtol, real), np.array(atol, real), rms, first_step, min_step, max_step)
    steps = method(evaluate, z0, t0, t1, jumps, stats, max_steps, control, Jacobian(evaluate, z0, jac, sparsity, stats=stats, threshold=atol),
                   **setting)
    steps.attempts = []
    return steps


def taken(steps, order=None):
    """The accepted steps, kept; of a fixed order if it is given."""
    found = []
    with quiet():
        for step in steps:
            step.keep()
            found.append(step)
            steps.k = order or steps.k
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
        values = [(a - b) / (times[i] - times[i + j]) for i, (a, b) in enumerate(itertools.pairwise(values))]
    return values[0]


def difference(times, values, j):
    """Phi_j = prod_{i<j} (t_n - t_{n-1-i}) f[t_n, ..., t_{n-j}]. HNW III.5"""
    return math.prod((times[0] - times[1 + i] for i in range(j)), start=Fraction(1)) * divided(times[:j + 1], values[:j + 1])


def integrated(roots, to):
    """int_0^to prod_i (t - roots_i) dt, exactly."""
    coefficients = [Fraction(1)]  # of 1, t, t^2, ...
    for root in roots:
        coefficients = [a - root * b for a, b in zip([Fraction(0), *coefficients], [*coefficients, Fraction(0)], strict=True)]
    return sum(c * to ** (i + 1) / (i + 1) for i, c in enumerate(coefficients))


@given(gaps, st.sampled_from([1, -1]), st.fractions(0, 1, max_denominator=16))
@example([64] + [1] * 12, 1, Fraction(1))  # a product of degree 12 that is nearly a power: fewer nodes would show
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
    np.testing.assert_allclose(adams.GAMMA_STAR[1:], [float(a - b) for a, b in itertools.pairwise(gamma)], rtol=2 * EPS)
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


def test_the_choice_of_adams():
    """The rules of Shampine and Gordon 1975, STEP. errors: with the orders k, k - 1, k - 2, in units of the tolerance; half of it is aimed at."""
    success, rejection, unknown = adams.after_success, adams.after_rejection, math.nan
    # twice the size only where that keeps half the tolerance; otherwise the same; or less, between 0.5 and 0.9
    assert success(3, [0.5 / 16, 1, 2], unknown, 12) == (3, 2.0)
    assert success(3, [0.51 / 16, 1, 2], unknown, 12) == success(3, [0.5, 1, 2], unknown, 12) == (3, 1.0)
    assert success(3, [0.51, 1, 2], unknown, 12) == (3, 0.9)
    assert success(3, [0.9, 1, 2], unknown, 12) == (3, (0.5 / 0.9) ** (1 / 4))
    # lower: no worse with k - 1 and k - 2, or with k - 1 than with k and k + 1; the size is that of the new order
    assert success(3, [0.9, 0.3, 0.9], unknown, 12) == success(3, [0.9, 0.3, 0.95], 0.3, 12) == (2, 1.0)
    assert success(3, [0.9, 0.3, 0.95], 0.29, 12) == (4, 1.0)
    assert success(3, [0.4, 0.3, 0.41], unknown, 12) == (3, 1.0)
    assert success(2, [0.4, 0.21], unknown, 12) == (2, 1.0) and success(2, [0.4, 0.2], unknown, 12) == (1, 1.0)
    # higher: better than k, and from order 1 twice as good
    assert success(3, [0.4, 0.5, 0.6], 0.39 / 32, 12) == (4, 2.0) and success(12, [0.4, 0.5, 0.6], 0.1, 12) == (12, 1.0)
    assert success(1, [0.4], 0.19, 12) == (2, 1.0) and success(1, [0.4], 0.2, 12) == (1, 1.0)
    # rejections
    assert rejection(5, [9.0, 9.1, 1.0], 1) == rejection(6, [9.0, 9.0, 9.0], 2) == (5, 0.5)
    assert rejection(5, [9.0, 9.1, 1.0], 3) == (1, 0.5)
    assert rejection(1, [8.0], 4) == (1, 0.25) and rejection(1, [2.0], 4) == rejection(1, [math.nan], 4) == (1, 0.5)


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
        steps = taken(steps, k)
        assert all(step.Phi.shape == (k + 1, 1) for step in steps) and n <= len(steps) <= n + 1  # the last one may be as long as a rounding error
        inside = np.sort(np.concatenate([grid[k:-1] + share * (t1 - t0) / n for share in (0.3, 0.7)]))[::-1 if backwards else 1]
        found.append((abs(t1 - t0) / n, max(np.abs(step.z1[0] - z(step.t1)) for step in steps), np.abs(at(steps, inside)[:, 0] - z(inside)).max()))
    h, ends, insides = np.array(found).T
    for error in (ends, insides):
        assert k + 1 - (0.4 if k >= 4 else 0.15) <= fitted(h, error) <= k + 2


CLOSED = {
    "z^2 cos t": NONLINEAR,
    "rotation": (lambda z, t: np.array([z[1], -z[0]]), lambda t: np.array([np.sin(t), np.cos(t)]), 0.0, 10.0),
    "forced": (lambda z, t: np.array([math.cos(t) - 0.1 * (z[0] - math.sin(t))]), lambda t: np.array([np.sin(t)]), -4.0, 5.0),
}


@METHODS
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("problem", CLOSED)
def test_closed_forms(problem, backwards, method):
    """At ends and inside, and the error falls with the tolerance: slope 0.7 ... 1.5 (bugs.md, E05).

    A step adds at most sqrt(2) tolerance (1 + max |z|) to the error, and what is there grows by a factor of at most 3. Adams' steps stay below
    that sum: 100 tolerances.
    """
    f, z, t0, t1 = CLOSED[problem]
    if backwards:
        t0, t1 = t1, t0
    ts, tolerances, errors = np.linspace(t0, t1, 40), 10.0 ** -np.arange(3, 10), []
    exact = np.array([np.atleast_1d(z(t)) for t in ts])
    for tolerance in tolerances:
        found = taken(steps_of(method, f, exact[0], t0, t1, rtol=tolerance, atol=tolerance))
        errors.append(np.abs(at(found, ts) - exact).max())
        allowed = 3 * math.sqrt(2) * (1 + np.abs(exact).max()) * len(found)
        assert errors[-1] <= (min(100, allowed) if method is AdamsSteps else allowed) * tolerance
    assert 0.7 <= np.polyfit(np.log(tolerances), np.log(errors), 1)[0] <= 1.5


@METHODS
def test_the_solution_is_continuous(method):
    """Both ends of a step are met: the next one goes on from the same state. With Adams the derivative is continuous as well, and equals f."""
    f, _, t0, t1 = CLOSED["rotation"]
    steps = taken(steps_of(method, f, [0.0, 1.0], t0, t1, rtol=1e-5))
    for one, two in itertools.pairwise(steps):
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


# The formulas of BDF ----------------------------------------------------------------------------------------------------------------------

polynomials = st.lists(st.integers(-8, 8), min_size=2, max_size=7)  # the coefficients of 1, t, t^2, ...


def backward_differences(values):
    """nabla^j at the first of values, which lie one step before each other."""
    found = []
    while values:
        found.append(values[0])
        values = [a - b for a, b in itertools.pairwise(values)]
    return found


def value(polynomial, t):
    return sum(c * Fraction(t) ** i for i, c in enumerate(polynomial))


@given(polynomials, st.sampled_from([Fraction(1, 8), Fraction(1, 2), Fraction(1), Fraction(5, 4), Fraction(10)]))
@settings(deadline=None)
def test_differences_for_another_step(polynomial, factor):
    """Those of the same polynomial on the other grid. Two products with matrices whose sums of absolute entries are exact integers."""
    k = len(polynomial) - 1
    one, other = (backward_differences([value(polynomial, -j * h) for j in range(k + 1)]) for h in (Fraction(1), factor))
    found = bdf.with_step(np.array(one, float)[:, None], float(factor))[:, 0]
    magnitude = np.abs(bdf._newton(k + 1, 1.0).T) @ np.abs(bdf._newton(k + 1, float(factor)).T) @ np.abs(np.array(one, float))
    np.testing.assert_array_less(np.abs(found - np.array(other, float)), 10 * (k + 1) * EPS * magnitude + 1e-300)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("k", range(1, 6))
def test_a_step_of_bdf_is_exact_on_polynomials(k, sign):
    """z = t^k is followed exactly, by a z' = f that depends on z as well; z = t^(k+1) up to ERROR_CONSTANT / ALPHA nabla^(k+1) z.

    That is: sum_{j<=k+1} nabla^j z / j = h z' holds for polynomials of degree k + 1, and the method has kappa_k gamma_k nabla^(k+1) in the place
    of the last term. Newton's method goes on to rounding errors: 1e-24 of the tolerance 1e8.
    """
    for degree in (k, k + 1):
        h = Fraction(sign, 4)
        exact = lambda t, degree=degree: Fraction(t) ** degree
        f = lambda z, t, degree=degree: np.array([degree * t ** (degree - 1) if degree > k else degree * t ** (degree - 1) - 3 * (z[0] - t**degree)])
        steps = steps_of(BdfSteps, f, [1.0], 1.0, float(1 + h), first_step=0.25, rtol=0.0, atol=1e8)  # accepts
        steps._begin_step()
        steps.k, steps.newton_tolerance = k, 1e-24
        D = backward_differences([exact(1 - j * h) for j in range(k + 1)])
        steps.D[:] = 0
        steps.D[:k + 1, 0] = [float(d) for d in D]
        with quiet():
            step = next(steps)
        last = backward_differences([exact(1 + h - j * h) for j in range(k + 2)])[k + 1]
        error = bdf.ERROR_CONSTANT[k] / bdf.ALPHA[k] * float(last)
        assert step.z1[0] - float(exact(1 + h)) == pytest.approx(error if degree > k else 0.0, abs=1e3 * EPS)
        estimate = steps.attempts[-1][2] * 1e8
        assert estimate == pytest.approx(abs(bdf.ERROR_CONSTANT[k] * (float(last) + error) if degree > k else 0.0), abs=1e3 * EPS)
        inside = np.array([1.0, float(1 + h / 2), float(1 + h)])
        if degree == k:
            np.testing.assert_allclose(step(inside)[:, 0], [float(exact(Fraction(t))) for t in inside], rtol=0, atol=1e3 * EPS)


@pytest.mark.parametrize("k", range(1, 6))
def test_bdf_is_stable_where_it_should_be(k):
    """A(alpha) with the angles of Shampine and Reichelt 1997, table 1 (whole degrees): z' = lambda z with h lambda = mu(xi) has a solution xi^n, and
    mu of the unit circle does not enter the sector. For h = 0 all xi^n but 1 vanish."""
    xi = np.exp(1j * np.linspace(1e-3, math.pi, 20_001))
    w = 1 - 1 / xi
    mu = sum(w**j / j for j in range(1, k + 1)) - bdf.KAPPA[k] * bdf.GAMMA[k] * w ** (k + 1)
    left = mu[mu.real < -1e-9]
    alpha = np.degrees(np.min(np.pi - np.abs(np.angle(left)))) if left.size else 90.0
    assert int(alpha) == {1: 90, 2: 90, 3: 80, 4: 66, 5: 51}[k]
    polynomial = np.polynomial.Polynomial([0.0])
    w = np.polynomial.Polynomial([1.0, -1.0])  # in 1 / xi
    for j in range(1, k + 1):
        polynomial += w**j / j
    polynomial -= float(bdf.KAPPA[k] * bdf.GAMMA[k]) * w ** (k + 1)
    roots = 1 / polynomial.roots()
    roots = roots[np.abs(roots - 1) > 1e-6]
    assert np.all(np.abs(roots) < 1)


# Against SciPy's BDF, and on DETEST -------------------------------------------------------------------------------------------------------

def robertson(z, t):
    a, b, c = z
    return np.array([-0.04 * a + 1e4 * b * c, 0.04 * a - 1e4 * b * c - 3e7 * b * b, 3e7 * b * b])


def van_der_pol(z, t):
    return np.array([z[1], 1e3 * (1 - z[0] * z[0]) * z[1] - z[0]])


def brusselator(z, t):
    return np.array([1 + z[0] * z[0] * z[1] - 4 * z[0], 3 * z[0] - z[0] * z[0] * z[1]])


STIFF = {  # f, z0, t1; van der Pol's first jump is at t = 807, where rounding errors are amplified without bound
    "robertson": (robertson, [1.0, 0.0, 0.0], 1e5),
    "van der pol": (van_der_pol, [2.0, 0.0], 700.0),
    "brusselator": (brusselator, [1.5, 3.0], 20.0),
}


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
@pytest.mark.parametrize("problem", STIFF)
def test_bdf_is_scipys_step_by_step(problem, tolerance):
    """The same steps, orders, Jacobians, factorisations and values. SciPy evaluates f again where J is wanted, at z0 and at predictions, and there
    once more for Newton's next attempt.

    Times: a step's error ratio depends on J by newton_tolerance, and J, a difference, has an error of sqrt(eps); its own rounding errors are 50
    eps / tolerance (test_against_scipy.py). Both add up over the steps.
    """
    f, z0, t1 = STIFF[problem]
    ours = steps_of(BdfSteps, f, z0, 0.0, t1, rtol=tolerance, atol=tolerance * 1e-3)
    steps, calls = taken(ours), []
    theirs = BDF(lambda t, y: calls.append(t) or f(y, t), 0.0, np.array(z0), t1, rtol=tolerance, atol=tolerance * 1e-3)
    bound = len(steps) * (math.sqrt(EPS) * ours.newton_tolerance + 50 * EPS / tolerance)
    for step in steps:
        theirs.step()
        assert theirs.t == pytest.approx(step.t1, rel=bound)
        assert theirs.order == len(step.D) - 1
        middle = (step.t + step.t1) / 2
        shift = step.t1 * np.abs((step.z1 - step.z) / (step.t1 - step.t)).max()
        np.testing.assert_allclose(step(np.array([middle]))[0], theirs.dense_output()(middle), rtol=bound, atol=bound * (1 + shift))
    assert theirs.status == "finished"
    assert (ours.stats.njev, ours.stats.nlu) == (theirs.njev, theirs.nlu)
    assert len(calls) == ours.stats.nfe + 1 + 2 * (theirs.njev - 1)


@pytest.mark.parametrize("problem", ["robertson", "brusselator"])
def test_stiff_values(problem):
    """Against Radau at a much smaller tolerance: neither problem lets errors grow for long, so that they are at most a sum of local ones. They fall
    with the tolerance: slope 0.7 ... 1.5."""
    f, z0, t1 = STIFF[problem]
    ts = np.linspace(0, t1, 30)[1:]
    exact = solve_ivp(lambda t, y: f(y, t), (0, t1), z0, method="Radau", rtol=1e-10, atol=1e-13, t_eval=ts).y.T
    tolerances, errors, size = 10.0 ** -np.arange(3, 9), [], np.abs(exact).max(axis=0)
    for tolerance in tolerances:
        steps = taken(steps_of(BdfSteps, f, z0, 0.0, t1, rtol=tolerance, atol=tolerance * 1e-3))
        errors.append(np.max(np.abs(at(steps, ts) - exact) / size))
        assert errors[-1] <= len(steps) * tolerance
    assert 0.7 <= np.polyfit(np.log(tolerances), np.log(errors), 1)[0] <= 1.5


@pytest.mark.parametrize("name", ["A1", "A2", "A3", "A4", "A5", "B1", "B2", "B3", "B4", "B5", "C1", "C5", "D1", "D3", "E1", "E2", "E3", "E4", "E5"])
def test_adams_on_detest(name):
    """Values on the grid 0, 1, ..., 20, most of them interpolated: within 40 Gamma tolerances (DESIGN, kappa Gamma), and within 100 where the problem
    does not amplify errors by more than 10. Slope in [0.7, 1.5]: torchdiffeq's Adams loses a third of an order (bugs.md, E05)."""
    problem, exact, tolerances, errors = detest.PROBLEMS[name], detest.solution(name), 10.0 ** -np.arange(3, 11), []
    for tolerance in tolerances:
        ours = steps_of(AdamsSteps, lambda z, t: problem.f(z, t, ()), problem.z0, 0.0, 20.0, rtol=tolerance, atol=tolerance)
        found = at(taken(ours), np.arange(1.0, 21.0))
        errors.append(np.max(np.abs(found - exact[1:]) / (1 + np.abs(exact[1:]))))
        assert errors[-1] <= tolerance * (min(100, 40 * gamma(name)) if gamma(name) <= 10 else 40 * gamma(name))
        stats = ours.stats
        assert stats.nfe == 2 + 2 * stats.accepted + stats.rejected  # f(z0), the initial step; a rejected prediction is not corrected
    assert 0.7 <= np.polyfit(np.log(tolerances), np.log(errors), 1)[0] <= 1.5


# What else a solve needs ------------------------------------------------------------------------------------------------------------------

def same(steps, others):
    assert [(s.t, s.t1) for s in steps] == [(s.t, s.t1) for s in others]
    for step, other in zip(steps, others, strict=True):
        middle = np.array([(step.t + step.t1) / 2])
        np.testing.assert_array_equal(step.z1, other.z1)
        np.testing.assert_array_equal(step(middle), other(middle))


def kinked(z, t):
    """A jump at t = 2, where f must not be asked."""
    assert t != 2.0
    return np.array([z[1], -z[0] + (3.0 if t < 2 else -1.0)])


SPARSE, CONSTANT = {"sparsity": np.ones((2, 2))}, {"jac": np.array([[0.0, 1.0], [-1.0, 0.0]])}


@pytest.mark.parametrize(("method", "setting"), [(AdamsSteps, {}), (BdfSteps, {}), (BdfSteps, SPARSE), (BdfSteps, CONSTANT)],
                         ids=["adams", "bdf", "bdf, sparse", "bdf, constant J"])
def test_resumed_to_the_same_bits(method, setting):
    """From every step, that before the first and those around a jump included."""
    new = lambda: steps_of(method, kinked, [1.0, 0.0], 0.0, 5.0, jumps=(2.0,), rtol=1e-4, **setting)
    whole, first = new(), new()
    steps = taken(whole)
    for i in range(len(steps)):
        saved = {name: np.array(value) for name, value in first.progress().items()}
        later = new()
        later.resume(saved)
        same(taken(later), steps[i:])
        assert later.stats == whole.stats and later.left == whole.left
        with quiet():
            next(first)


def test_resumed_with_the_steps_of_differences():
    """What the differences for J have learnt is a part of the state: J is asked for again behind the place."""
    new = lambda: steps_of(BdfSteps, van_der_pol, [2.0, 0.0], 0.0, 900.0, rtol=1e-3)
    whole, first = new(), new()
    steps = taken(whole)
    for i in range(len(steps)):
        if i % 20 == 0:
            saved = {name: np.array(value) for name, value in first.progress().items()}
            later = new()
            later.resume(saved)
            same(taken(later), steps[i:])
            assert later.stats == whole.stats
        with quiet():
            next(first)


@METHODS
@pytest.mark.parametrize("sign", [1, -1])
def test_jumps(method, sign):
    """Steps end on a jump exactly; behind it the method begins at order 1, and nothing of what was before it enters: the derivative jumps.

    z' = c(t) is integrated exactly by every order.
    """
    f = lambda z, t: np.array([1.0 if abs(t) < 1 else -2.0 if abs(t) < 2.5 else 0.5])
    seen = []
    ours = steps_of(method, lambda z, t: seen.append(t) or f(z, t), [0.0], 0.0, sign * 4.0, jumps=(sign * 1.0, sign * 2.5))
    steps = taken(ours)
    assert {sign * 1.0, sign * 2.5, sign * 4.0} <= {step.t1 for step in steps} and not {sign * 1.0, sign * 2.5} & set(seen)
    assert steps[-1].z1[0] == pytest.approx(sign * (1.0 - 3.0 + 0.75), abs=1e-13)
    first = [attempt for attempt in ours.attempts if abs(attempt[0]) in (0.0, 1.0, 2.5)]
    assert len(first) == 3 and all(order == 1 and accepted for *_, accepted, order in first)
    assert ours.stats.rejected == 0


def test_jacobians_are_not_asked_on_a_jump():
    seen = []
    jac = lambda z, t: seen.append(t) or np.array([[-50.0 if t < 1 else -500.0]])
    steps = steps_of(BdfSteps, lambda z, t: (-50.0 if t < 1 else -500.0) * (z - 1), [0.0], 0.0, 2.0, jumps=(1.0,), jac=jac)
    taken(steps)
    assert 0.0 in seen and math.nextafter(1.0, 2.0) in seen and 1.0 not in seen


@METHODS
def test_restart(method):
    """From elsewhere, as after an event: the steps are those of a solve that begins there."""
    f = lambda z, t: np.array([z[1], -z[0]])
    ours = steps_of(method, f, [0.0, 1.0], 0.0, 5.0)
    with quiet():
        for _ in range(9):
            next(ours)
    ours.restart(1.25, np.array([2.0, 3.0]))
    same(taken(ours), taken(steps_of(method, f, [2.0, 3.0], 1.25, 5.0)))


@METHODS
def test_dtypes(method):
    """z' = i z is a rotation; what a step holds has the dtype of z0."""
    for dtype, z0, rate, tolerance in ((np.float32, 1.0, -0.7, 1e-4), (np.complex64, 1.0, 1j, 1e-4), (np.complex128, 1.0, 1j, 1e-8)):
        steps = taken(steps_of(method, lambda z, t, rate=rate: rate * z, np.array([z0], dtype), 0.0, 3.0, rtol=tolerance, atol=tolerance))
        inside = np.linspace(0.1, 2.9, 7)
        found = at(steps, inside)
        assert found.dtype == steps[-1].z1.dtype == dtype
        assert np.abs(found[:, 0] - np.exp(rate * inside)).max() <= len(steps) * tolerance * 2


@METHODS
def test_the_record_of_attempts(method):
    f = lambda z, t: np.array([math.cos(20 * t) if t > 1 else 1.0])
    ours = steps_of(method, f, [0.0], 0.0, 3.0)
    steps = taken(ours)
    assert [(t, t + h) for t, h, _, accepted, _ in ours.attempts if accepted] == [(s.t, s.t + (s.t1 - s.t)) for s in steps]
    assert all(accepted == (ratio < 1) for _, _, ratio, accepted, _ in ours.attempts)
    assert ours.stats.rejected == sum(not a[3] for a in ours.attempts) > 0 and ours.stats.accepted == len(steps)
    orders = [attempt[4] for attempt in ours.attempts]
    assert orders[0] == 1 and max(orders) >= 5
    assert ours.stats.next_h is None


def test_adams_raises_its_order_after_equal_steps_alone():
    """From k to k + 1 after k + 1 steps of one size, on an oscillation of slow and fast parts; but at the start each step is twice as long and its
    order higher by 1."""
    ours = steps_of(AdamsSteps, lambda z, t: np.array([z[1], 2 * (1 - z[0] * z[0]) * z[1] - z[0]]), [2.0, 0.0], 0.0, 40.0)
    taken(ours)
    h, k = np.array([(attempt[1], attempt[4]) for attempt in ours.attempts if attempt[3]]).T
    begun = next(i for i in range(len(k)) if k[i + 1] != k[i] + 1)
    assert begun >= 3
    np.testing.assert_allclose(h[1:begun + 1], 2 * h[:begun], rtol=1e-6)
    raised = [i for i in range(begun + 1, len(k) - 1) if k[i + 1] > k[i]]
    assert len(raised) >= 5
    for i in raised:
        np.testing.assert_allclose(h[i - int(k[i]):i], h[i], rtol=1e-9)  # t + h is rounded
        assert k[i + 1] == k[i] + 1


def test_adams_ends_at_order_1_where_nothing_helps():
    """After three rejections of one step. NaN tells nothing of lower orders: until then the order stays."""
    ours = steps_of(AdamsSteps, lambda z, t: -z if t < 1 else z * math.nan, [1.0], 0.0, 3.0)
    with pytest.raises(Failure):
        taken(ours)
    tries = {t: [a for a in ours.attempts if a[0] == t] for t, *_ in ours.attempts}
    longest = max(tries.values(), key=len)
    assert len(longest) > 4 and longest[0][4] > 1
    assert [a[4] for a in longest] == [longest[0][4]] * 3 + [1] * (len(longest) - 3)
    np.testing.assert_allclose([two[1] / one[1] for one, two in itertools.pairwise(longest)], 0.5, rtol=1e-2)  # t + h is rounded


@METHODS
def test_bounds_of_steps(method):
    f = lambda z, t: -z
    steps = taken(steps_of(method, f, [1.0], 0.0, 10.0, max_step=0.25))
    assert max(s.t1 - s.t for s in steps) <= 0.25 * (1 + EPS)
    ours = steps_of(method, f, [1.0], 0.0, 10.0, first_step=1e-3)
    taken(ours)
    assert ours.attempts[0][1] == 1e-3
    steps = taken(steps_of(method, f, [1.0], 0.0, 10.0, min_step=0.05, rtol=1e-2, atol=1e-2))
    assert min(s.t1 - s.t for s in steps[:-1]) >= 0.05 * (1 - EPS)
    assert len(taken(steps_of(method, lambda z, t: z, np.empty(0), 0.0, 1.0))) > 0  # nothing to solve


LATE = lambda z, t: -z if t < 1 else z * math.nan
FAILURES = {  # f, z0, t1, the kind of error, where it stops (about), a word of the message, keyword arguments
    "NaN at the start": (lambda z, t: np.sqrt(z - 2), 3.0, NonFiniteDynamics, (0.0, 0.0), "check f and z0", {}),
    "NaN from t = 1 on": (LATE, 3.0, NonFiniteDynamics, (0.99, 1.0), "NaN", {}),
    "blow-up": (lambda z, t: z * z, 3.0, (StepSizeUnderflow, NonFiniteDynamics), (0.999, 1.001), "", {}),
    "underflow": (lambda z, t: -z if t < 1 else 1e15 + 0 * z, 3.0, StepSizeUnderflow, (0.99, 1.0), "too small", {}),
    "min_step": (lambda z, t: -z if t < 1 else 1e6 * np.cos(1e6 * t) + 0 * z, 3.0, StepSizeUnderflow, (0.9, 1.01), "min_step", {"min_step": 1e-3}),
    "the cap": (lambda z, t: -z, 3.0, MaxStepsReached, (0.0, 2.9), "max_steps", {"max_steps": 4, "max_step": 0.3}),
    "along a border": (lambda z, t: np.array([-1.0]) if z[0] > 0.5 else z * math.nan, 3.0, NonFiniteDynamics, (0.0, 0.51), "NaN", {}),
}


@METHODS
@pytest.mark.parametrize("name", FAILURES)
def test_failures(method, name):
    f, t1, kind, (earliest, latest), word, setting = FAILURES[name]
    with np.errstate(invalid="ignore"):
        ours = steps_of(method, f, [1.0], 0.0, t1, **setting)
        with pytest.raises(Failure) as caught:
            taken(ours)
    assert issubclass(caught.value.kind, kind) and word in caught.value.message
    assert earliest <= ours.t <= latest and np.all(np.isfinite(ours.z))
    assert ours.stats.nfe <= 10_000


@METHODS
def test_any_evaluation_may_be_nan(method):
    """One NaN, in a prediction, a correction, Newton's iteration or a difference for J, costs a rejection or nothing, and the solution is right."""
    f, rejected = lambda z, t: np.array([z[1], -z[0]]), 0
    for bad in range(3, 60):
        calls = []
        ours = steps_of(method, lambda z, t, bad=bad, calls=calls: calls.append(t) or f(z, t) * (math.nan if len(calls) == bad else 1.0),
                        [0.0, 1.0], 0.0, 2.0, rtol=1e-5)
        steps = taken(ours)
        np.testing.assert_allclose(steps[-1].z1, [math.sin(2), math.cos(2)], rtol=0, atol=len(steps) * 1e-5)
        assert np.all(np.isfinite([step(np.array([step.t + 0.3 * (step.t1 - step.t)])) for step in steps]))
        rejected += any(math.isnan(ratio) for _, _, ratio, _, _ in ours.attempts)
    assert rejected >= 30


@METHODS
def test_nan_again_and_again(method):
    """Steps between that are accepted do not keep a solve alive for ever."""
    calls = []
    f = lambda z, t: calls.append(t) or z * (math.nan if len(calls) % 13 == 0 else -1.0)
    with pytest.raises(Failure) as caught:
        taken(steps_of(method, f, [1.0], 0.0, 1e6, max_step=1e-2))
    assert caught.value.kind is NonFiniteDynamics and "501 trial steps" in caught.value.message and len(calls) <= 10_000


def test_newton_that_never_converges():
    """f jumps by more than any step can follow: it is said so, and not that f was NaN."""
    with pytest.raises(Failure) as caught:
        taken(steps_of(BdfSteps, lambda z, t: -1e20 * np.sign(z), [1.0], 0.0, 1.0))
    assert caught.value.kind is StepSizeUnderflow and "Newton's method does not converge" in caught.value.message


@METHODS
@pytest.mark.parametrize("setting", [{"rtol": 1e-5}, {"rtol": 1e-5, "first_step": 3.2}], ids=str)
def test_a_nan_in_a_trial_step_is_a_rejection(method, setting):
    """z' = z + 0 sqrt(20 - z) up to z = 19.9: trial steps beyond 20 are NaN, the solution never is, nor
    anything within a sum of 100 tolerances of it (bugs.md, D07)."""
    with np.errstate(invalid="ignore"):
        ours = steps_of(method, lambda z, t: z + 0 * np.sqrt(20 - z), [1.0], 0.0, math.log(19.9), **setting)
        steps = taken(ours)
    assert abs(steps[-1].z1[0] - 19.9) <= len(steps) * setting["rtol"] * 19.9
    assert ours.stats.rejected > 0 or "first_step" not in setting


def test_a_jacobian_that_is_bad_once_does_not_stay():
    """NaN in J: a shorter step, for which J is evaluated again."""
    calls = []
    jac = lambda z, t: calls.append(t) or np.array([[math.nan if len(calls) <= 3 else -1e3]])
    steps = taken(steps_of(BdfSteps, lambda z, t: -1e3 * (z - math.cos(t)), [0.0], 0.0, 1.0, jac=jac))
    assert len(calls) >= 4 and steps[-1].z1[0] == pytest.approx((1e6 * math.cos(1) + 1e3 * math.sin(1)) / (1e6 + 1), abs=1e-5)


def test_a_tolerance_of_scale():
    """(ii) of bugs.md, D17: c z with c atol has the same steps; c is a power of 2."""
    for method in (AdamsSteps, BdfSteps):
        f = lambda z, t: np.array([z[1], -z[0]])
        one = taken(steps_of(method, f, [0.0, 1.0], 0.0, 9.0, rtol=0.0, atol=1e-6, **CONSTANT))
        two = taken(steps_of(method, f, [0.0, 1024.0], 0.0, 9.0, rtol=0.0, atol=1024e-6, **CONSTANT))
        assert [s.t1 for s in one] == [s.t1 for s in two]
        np.testing.assert_array_equal(1024 * one[-1].z1, two[-1].z1)
