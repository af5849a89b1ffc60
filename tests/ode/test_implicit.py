"""implicit_euler, kvaerno3, kvaerno5, radau5: orders, stability, stiff problems, failures, and runs that are interrupted."""

import math
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from refnode.errors import MaxStepsReached, NonFiniteDynamics, StepSizeUnderflow
from refnode.ode.esdirk_tableaus import ESDIRKS
from refnode.ode.implicit import NotSolved, newton, newton_to_roundoff, predicted_factor
from refnode.ode.solution import SolveStats
from refnode.ode.solve import solve
from refnode.ode.stepper import Stepper
from tests.ode.stiff import PROBLEMS as STIFF
from tests.ode.stiff import robertson
from tests.ode.test_implicit_tableaus import stability_function
from tests.ode.test_orders import PROBLEMS, allowance, slope

P = {"implicit_euler": 1, "kvaerno3": 3, "kvaerno5": 5, "radau5": 5}
P_DENSE = {"implicit_euler": 1, "kvaerno3": 3, "kvaerno5": 4, "radau5": 3}
METHODS = pytest.mark.parametrize("method", P)
COMPLEX = pytest.mark.parametrize("method", ESDIRKS)


def errors(method, problem, backwards, dense):
    """As in test_orders; Euler's method with so many steps that its error is below 1e-2."""
    f, z, t0, t1 = PROBLEMS[problem]
    if backwards:
        t0, t1 = t1, t0
    found = []
    for steps in [round((200 if method == "implicit_euler" else 8) * 2 ** (k / 2)) for k in range(5 if P[method] == 1 else 11)]:
        ends = t0 + (t1 - t0) * np.arange(steps + 1) / steps
        inside = (ends[:-1, None] + (t1 - t0) / steps * np.array([0.1, 0.3, 0.5, 0.7, 0.95])).ravel()
        ts = np.concatenate([[t0], inside if dense else ends[1:-1], [t1]])
        zs = solve(f, np.array([z(t0)]), ts, method=method, steps=steps).zs[:, 0]
        error = np.abs(zs - z(ts)).max() / np.abs(z(np.linspace(t0, t1, 50))).max()
        if error < 1e-11:
            break
        if error < (1e-2 if P[method] == 1 else 1e-3):
            found.append((abs(t1 - t0) / steps, error))
    return np.array(found)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@METHODS
def test_order(method, problem, backwards):
    found = errors(method, problem, backwards, dense=False)
    assert len(found) >= 3
    assert slope(found) >= P[method] - allowance(P[method])


@pytest.mark.parametrize("problem", PROBLEMS)
@METHODS
def test_order_of_dense_output(method, problem):
    p = min(P[method], P_DENSE[method] + 1)
    found = errors(method, problem, False, dense=True)
    assert len(found) >= 3
    assert slope(found) >= p - allowance(p)


@METHODS
def test_the_order_is_not_higher(method):
    assert min(slope(errors(method, problem, False, dense=False)) for problem in PROBLEMS) <= P[method] + 1


@METHODS
def test_polynomials_are_exact(method):
    """Quadrature of t^q, q < p, and inside the steps for q < p_dense. 7 steps of some roundings; entries of the interpolant up to 26."""
    for q in range(P[method]):
        sol = solve(lambda z, t, _, q=q: np.array([(q + 1) * t**q]), [1.0], [0.5, 2.0], method=method, steps=7, dense=True)
        np.testing.assert_allclose(sol.zs[-1], 1 + 2 ** (q + 1) - 0.5 ** (q + 1), rtol=1e-13)
        if q < P_DENSE[method]:
            t = np.linspace(0.5, 2.0, 41)
            np.testing.assert_allclose(sol(t)[:, 0], 1 + t ** (q + 1) - 0.5 ** (q + 1), rtol=1e-12)


def R(method, x):
    """The stability function."""
    if method == "radau5":
        return (1 + 2 * x / 5 + x * x / 20) / (1 - 3 * x / 5 + 3 * x * x / 20 - x**3 / 60)
    numerator, denominator = stability_function(ESDIRKS[method], ESDIRKS[method].b)
    return np.polyval([float(a) for a in numerator[::-1]], x) / np.polyval([float(a) for a in denominator[::-1]], x)


@pytest.mark.parametrize("x", [-0.3, 0.37, -5.0, -1e3, -1e8])
@METHODS
def test_one_step_is_the_stability_function(method, x):
    """z1 = R(h lam) z for z' = lam z. Rounding errors: of stages of size up to |x| |A^-1| ... in R itself the sums of 7 terms: 1e-13 of 1."""
    z = solve(lambda z, t, _: x * z, [1.0], [0.0, 1.0], method=method, steps=1, jac=np.array([[x]])).zs[-1]
    assert z.item() == pytest.approx(R(method, x), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("y", [0.3, 4.0, 1e3, 1e6])
@METHODS
def test_one_step_on_the_imaginary_axis(method, y):
    """A rotation is damped, if it is changed at all."""
    A = y * np.array([[0.0, -1], [1, 0]])
    z = solve(lambda z, t, _: A @ z, [1.0, 0.0], [0.0, 1.0], method=method, steps=1, jac=A).zs[-1]
    assert complex(*z) == pytest.approx(R(method, 1j * y), rel=1e-12, abs=1e-13)
    assert np.linalg.norm(z) <= 1


@METHODS
def test_fixed_steps_are_solved_to_rounding_errors(method):
    """A step is the one that the exact solution of its equations gives: for z' = -z^2, one step of implicit Euler is a quadratic equation; of the
    others, the J that Newton's method uses (the right one, or one that is 20 % wrong) makes no difference."""
    f, h = lambda z, t, _: -z * z, 0.5
    if method == "implicit_euler":
        z = solve(f, [1.0], [0.0, h], method=method, steps=1).zs[-1].item()
        assert z == pytest.approx((math.sqrt(1 + 4 * h) - 1) / (2 * h), rel=8 * 2**-53)
    right, wrong = (solve(f, [1.0, 3.0], [0.0, h], method=method, steps=1, jac=lambda z, t, _, q=q: np.diag(-2 * q * z)).zs[-1] for q in (1, 1.2))
    np.testing.assert_allclose(right, wrong, rtol=32 * 2**-53)


def test_a_step_of_radau5_depends_on_nothing_but_its_start_and_size():
    f, z, t0, t1 = PROBLEMS["z' = z^2 cos t"]
    ts = [t0 + (t1 - t0) * k / 8 for k in range(9)]
    jac = lambda z, t, _: np.array([[2 * z.item() * math.cos(t)]])
    whole = solve(f, [z(t0)], ts, method="radau5", steps=8, jac=jac).zs
    for k in range(8):
        np.testing.assert_array_equal(solve(f, whole[k], [ts[k], ts[k + 1]], method="radau5", steps=1, jac=jac).zs[-1], whole[k + 1])


@given(st.floats(0.01, 0.9), st.floats(-6, 0))
def test_newton_knows_how_far_it_is(rate, exponent):
    """Where the error of x shrinks by the same rate in each iteration, rate / (1 - rate) |increment| is what is left, exactly: it is over as soon
    as that is below the tolerance (the first iteration shows no rate), and given up at once if it would not be after 6."""
    tolerance, x = 10**exponent, np.array([2.0])  # the error is 1 at first
    calls = []
    left = [rate**m for m in range(1, 7)]
    if any(abs(e / tolerance - 1) < 1e-9 for e in left):
        return  # as close as that, rounding errors decide
    run = lambda: newton(lambda x: calls.append(1) or (1 - rate) * (1 - x), x, lambda dx: abs(dx.item()), tolerance)
    if left[-1] > tolerance:
        with pytest.raises(NotSolved):
            run()
        assert len(calls) == 2
    else:
        iterations, seen = run()
        assert seen == pytest.approx(rate, rel=1e-9)
        assert iterations == len(calls) == max(2, 1 + next(m for m, e in enumerate(left) if e < tolerance))
        assert abs(x.item() - 1) < tolerance * (1 + 1e-9)


def test_newton_to_rounding_errors():
    """x^2 = 2 with the slope 4 throughout: x is off by the rounding errors of x^2 / 4 and of the sum, divided by 1 - rate = 0.7."""
    x = np.array([2.0])
    newton_to_roundoff(lambda x: (2 - x * x) / 4, x, lambda dx: abs(dx.item()), 2.0**-52)
    assert abs(x.item() - math.sqrt(2)) <= 2 * 2.0**-52


@pytest.mark.parametrize(("increment", "ratio"), [
    (lambda x: 2 * x, math.inf), (lambda x: -1.9 * x, math.inf), (lambda x: x * math.nan, math.nan), (lambda x: x * math.inf, math.nan)])
def test_newton_gives_up(increment, ratio):
    for solver, last in ((newton, 1e-9), (newton_to_roundoff, 1e-16)):
        with pytest.raises(NotSolved) as caught:
            solver(increment, np.array([2.0]), lambda dx: abs(dx.item()), last)
        assert caught.value.ratio == pytest.approx(ratio, nan_ok=True)


NAN = math.nan
FACTORS = [  # ratio, k, h, (h, ratio) before -> the factor
    (1 / 16, 4, 1.0, (NAN, NAN), 2.0),
    (1 / 16, 4, 1.0, (1.0, 1 / 16), 2.0),      # nothing changes
    (1 / 16, 4, 1.0, (1.0, 1.0), 2.0),         # it gets better: not more than what it is
    (1 / 16, 4, 1.0, (2.0, 1 / 16), 1.0),      # half the step, and the same ratio: it gets worse, and will again
    (1.0, 4, 1.0, (1.0, 1 / 16), 0.5),
    (1.0, 2, 1.0, (1.0, 0.0), 0.1),            # an earlier ratio below 0.01 counts as 0.01
    (0.0, 4, 1.0, (1.0, 1.0), math.inf),
    (16.0, 4, 1.0, (NAN, NAN), 0.5),
]


@pytest.mark.parametrize(("ratio", "k", "h", "before", "wanted"), FACTORS)
def test_predicted_factor(ratio, k, h, before, wanted):
    assert predicted_factor(ratio, k, h, before) == pytest.approx(wanted, rel=1e-14)


def error_at_the_end(problem, z, rtol):
    """In units of the tolerance."""
    end = np.array(problem.end)
    return np.max(np.abs(z - end) / (rtol * (np.abs(end) + problem.atol)))


def solved(name, method, rtol, **keywords):
    p = STIFF[name]
    return solve(p.f, p.z0, p.span, method=method, rtol=rtol, atol=p.atol * rtol, jac=lambda z, t, _: p.jac(z, t), **keywords)


@pytest.mark.parametrize("name", STIFF)
@METHODS
def test_stiff_problems(method, name):
    """The error at the end, against the literature, in units of the tolerance. The largest factor is what the problem does with the errors of its
    steps: van der Pol's phase (a fast transition shortly before the end, whose time is off) and Euler's, whose error per step is all that it controls."""
    for rtol in (1e-3, 1e-4) if P[method] == 1 else (1e-3, 1e-5) if P[method] == 3 else (1e-3, 1e-5, 1e-7):
        sol = solved(name, method, rtol)
        assert sol.stats.accepted < (20_000 if P[method] == 1 else 5_000)
        print(f"{name:20s} {method:15s} {rtol:.0e} {error_at_the_end(STIFF[name], sol.zs[-1], rtol):9.2g} {sol.stats}")


@pytest.mark.parametrize("name", STIFF)
def test_radau5_costs_what_scipys_does(name):
    """Evaluations and factorisations within 1.5 of SciPy's Radau for the same accuracy: the same tolerance, and an error that is not 1.5 times larger,
    or below the tolerance."""
    from scipy.integrate import solve_ivp

    p = STIFF[name]
    for rtol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        ours = solved(name, "radau5", rtol)
        scipys = solve_ivp(lambda t, z: p.f(z, t, ()), p.span, p.z0, "Radau", rtol=rtol, atol=p.atol * rtol, jac=lambda t, z: p.jac(z, t))
        s, error, scipys_error = ours.stats, error_at_the_end(p, ours.zs[-1], rtol), error_at_the_end(p, scipys.y[:, -1], rtol)
        print(f"{name:20s} {rtol:.0e}  f {s.nfe:6d} {scipys.nfev:6d}  J {s.njev:4d} {scipys.njev:4d}  LU {s.nlu:5d} {scipys.nlu:5d}  "
              f"steps {s.accepted:5d} {len(scipys.t) - 1:5d}  error/tol {error:8.2g} {scipys_error:8.2g}")
        assert s.nfe <= 1.5 * scipys.nfev and s.nlu <= 1.5 * scipys.nlu and s.njev <= 1.5 * scipys.njev + 1
        assert error <= max(1.5 * scipys_error, 1)
