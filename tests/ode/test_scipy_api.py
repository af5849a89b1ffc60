"""solve_ivp against scipy.integrate.solve_ivp: SciPy's own tests, the same steps and numbers with its explicit methods, each deviation, and what
Radau, BDF, LSODA and solvers of the user's own need beside that."""

import copy
import importlib.util
import itertools
import json
import math
import os
import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import OptimizeResult
from scipy.sparse import csc_array

from refnode.ode.scipy_api import METHODS, solve_ivp
from refnode.ode.tableaus import TABLEAUS

ROOT = Path(__file__).parents[2]
EPS = 2.0**-52
EXPLICIT = [name for name in METHODS if METHODS[name] in TABLEAUS]
EACH_EXPLICIT_METHOD = pytest.mark.parametrize("method", EXPLICIT)
EACH_METHOD = pytest.mark.parametrize("method", METHODS)
FAILING_FOR_A_REASON: dict[str, str] = {}  # SciPy's tests that refnode does not pass, and why


# SciPy's own tests

def suite():
    try:
        found = importlib.util.find_spec("scipy.integrate._ivp.tests.test_ivp")
    except ModuleNotFoundError:
        return None
    return found and found.origin


@pytest.mark.skipif(suite() is None, reason="SciPy is installed without its tests (scipy/integrate/_ivp/tests/test_ivp.py)")
def test_scipys_own_tests(tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.ode.scipy_suite", "-c", os.devnull,
               "--rootdir", str(tmp_path), "--report-to", str(tmp_path / "report.json"), suite()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    report = json.loads((tmp_path / "report.json").read_text())
    failing = {name: test["why"] for name, test in report.items() if test["outcome"] == "failed"}
    assert failing.keys() == FAILING_FOR_A_REASON.keys(), failing
    assert run.returncode == (1 if failing else 0), run.stdout
    for method in METHODS:  # and it was refnode that ran
        assert sum(method in test["calls"] for test in report.values() if test["outcome"] == "passed") >= 9


# The same numbers

def system(rng, n, is_complex):
    """A random smooth system with Lipschitz constant 1.5 at the most, and its initial state."""
    W = rng.normal(size=(2, n, n)) + (1j * rng.normal(size=(2, n, n)) if is_complex else 0)
    W = [w * math.sqrt(1.5) / np.linalg.norm(w, 2) for w in W]
    b = rng.normal(size=n)
    y0 = rng.normal(size=n) + (1j * rng.normal(size=n) if is_complex else 0)
    if is_complex:
        return (lambda t, y: W[0] @ y * math.cos(t) + b), y0
    return (lambda t, y: W[0] @ np.tanh(W[1] @ y + b * t) + b * math.cos(t)), y0


def noise(method, f, reference, tolerance):
    """By how much rounding errors may set two programs apart that take the same steps: (in t, in y, in y inside the steps).

    A sum of s terms weighed with w is uncertain by 2 s eps sum |w_i h k_i|, so each stage by `stage`, h k_i by h L `stage`, and what is made
    of them by sum |w_i| times both. The error ratio r of a step is uncertain by that over the tolerance, relatively by that over r (four times
    that, where r is made of two estimates), and the next h by 1/k of it; not by more, because h_{n+1} = 0.9 h_n r^(-1/k) does not depend on h_n
    while r is proportional to h_n^k. r follows from h_{n+1} / h_n. A change of h by the factor 1 + d changes y by f h d, and the error of the
    step, below the tolerance, by (k + 1) d of itself. All of it grows by exp(1.5 T) until the end, at most.
    """
    tableau, h, t = TABLEAUS[METHODS[method]], np.abs(np.diff(reference.t)), reference.t
    k, s = tableau.error_order, len(tableau.A)
    size = np.abs(reference.y).max()
    slope = max(np.abs(f(time, y)).max() for time, y in zip(t, reference.y.T, strict=True))
    weights = lambda *rows: max(sum(abs(float(x)) for x in row) for row in rows)
    hk = h.max() * slope
    stage = EPS * (size + 2 * s * weights(*tableau.A) * hk)
    each = h.max() * 1.5 * stage + 2 * s * EPS * hk
    e = weights(*([x - y for x, y in zip(tableau.b, w, strict=True)] for w in (tableau.b_hat, tableau.b_check) if w))
    d = (4 if tableau.b_check else 1) * e * each / tolerance / k * max([(factor / 0.9) ** k for factor in h[1:] / h[:-1]], default=0.0)
    in_t = abs(t[-1] - t[0]) * d
    in_y = math.exp(1.5 * abs(t[-1] - t[0])) * len(t) * (EPS * size + weights(tableau.b) * each + tolerance * 10 * (k + 1) * d) + slope * in_t
    return in_t, in_y, in_y + weights([x for row in tableau.interpolant for x in row]) * each


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 6), method=st.sampled_from(EXPLICIT), is_complex=st.booleans(),
       tolerance=st.sampled_from([1e-3, 1e-5, 1e-7]), t1=st.sampled_from([-2.5, 0.7, 3.0]), observed=st.booleans(), by_component=st.booleans())
def test_same_steps_as_scipy(seed, n, method, is_complex, tolerance, t1, observed, by_component):
    """While steps grow from a small first one the error ratios of DOP853 may be as small as 1e-8, and mostly rounding errors: then evaluations
    are counted. The numbers are compared on a solve that starts with SciPy's median step."""
    rng = np.random.default_rng(seed)
    f, y0 = system(rng, n, is_complex)
    rtol, atol = (tolerance, tolerance * rng.uniform(0.1, 1.0, n)) if by_component else (tolerance, tolerance / 10)
    t_eval = np.sort(rng.uniform(min(0.0, t1), max(0.0, t1), 9))[::1 if t1 > 0 else -1] if observed else None
    how = {"method": method, "rtol": rtol, "atol": atol}
    reference, found = scipy.integrate.solve_ivp(f, (0.0, t1), y0, **how), solve_ivp(f, (0.0, t1), y0, **how)
    assert (found.nfev, len(found.t)) == (reference.nfev, len(reference.t))
    np.testing.assert_allclose(found.t[1], reference.t[1], rtol=1e-8)  # f1 - f0 over h0 >= 1e-6, with f of size 1: 4 eps / 1e-6

    how |= {"dense_output": True, "first_step": np.median(np.abs(np.diff(reference.t)))}
    in_t, in_y, inside = noise(method, f, scipy.integrate.solve_ivp(f, (0.0, t1), y0, **how), tolerance / 10)
    reference, found = (solver(f, (0.0, t1), y0, **how, t_eval=t_eval) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert (found.status, found.nfev, found.njev, found.nlu, found.message) == (0, reference.nfev, 0, 0, reference.message)
    assert found.t.shape == reference.t.shape and found.y.shape == reference.y.shape and found.y.dtype == reference.y.dtype
    np.testing.assert_allclose(found.t, reference.t, rtol=0, atol=0 if observed else in_t)
    np.testing.assert_allclose(found.y, reference.y, rtol=0, atol=inside if observed else in_y)
    np.testing.assert_allclose(found.sol.ts, reference.sol.ts, rtol=0, atol=in_t)
    times = np.linspace(0.0, t1, 21)
    np.testing.assert_allclose(found.sol(times), reference.sol(times), rtol=0, atol=inside)
    assert found.sol(t1 / 2).shape == (n,)
    plain, reference = (solver(f, (0.0, t1), y0, **how | {"dense_output": False}, t_eval=t_eval) for solver in (solve_ivp, scipy.integrate.solve_ivp))
    assert plain.nfev == reference.nfev and plain.sol is None  # DOP853 has stages for dense output alone
    np.testing.assert_array_equal(plain.y, found.y)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), method=st.sampled_from(EXPLICIT), backwards=st.booleans(), dense=st.booleans(),
       flags=st.lists(st.tuples(st.sampled_from([None, False, True, 2, 3]), st.sampled_from([-1, 0, 1, 0.5])), min_size=1, max_size=3))
def test_same_events_as_scipy(seed, method, backwards, dense, flags):
    """With first_step = max_step all steps have one length, and y = cos(w t + phase) crosses each level with a slope of 0.4 or more. What is left
    are rounding errors: some eps in each of 115 steps, 2.5e-14 for each eps, and over the slope in the times; 40 eps make 1e-12 and 2.5e-12.
    """
    rng = np.random.default_rng(seed)
    w, phase = rng.uniform(1.0, 2.0), rng.uniform(0, 6)
    f = lambda t, y: np.array([y[1], -w * w * y[0]])
    y0 = [math.cos(phase), -w * math.sin(phase)]
    t_span = (4.0, -4.0) if backwards else (-4.0, 4.0)
    events = []
    for (terminal, direction), level in zip(flags, rng.uniform(-0.9, 0.9, 3), strict=False):
        events.append(lambda t, y, level=level: y[0] - level)
        events[-1].direction = direction
        if terminal is not None:
            events[-1].terminal = terminal
    how = {"method": method, "dense_output": dense, "events": events if len(events) > 1 or seed % 2 else events[0], "first_step": 0.07,
           "max_step": 0.07, "rtol": 1e-2, "atol": 1e-2}
    reference, found = scipy.integrate.solve_ivp(f, t_span, y0, **how), solve_ivp(f, t_span, y0, **how)
    assert (found.status, found.nfev, found.message, found.success) == (reference.status, reference.nfev, reference.message, reference.success)
    for name in ("t", "y"):
        np.testing.assert_allclose(found[name], reference[name], rtol=0, atol=1e-12)
    for name in ("t_events", "y_events"):
        assert [x.shape for x in found[name]] == [x.shape for x in reference[name]]
        for ours, theirs in zip(found[name], reference[name], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=2.5e-12)
    if dense:
        np.testing.assert_array_equal(found.sol.ts, found.t)
        times = np.linspace(found.t[0], found.t[-1], 9)
        np.testing.assert_allclose(found.sol(times), reference.sol(times), rtol=0, atol=1e-12)


@EACH_EXPLICIT_METHOD
@pytest.mark.parametrize("terminal", [False, True, 2])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("zero_at", [0.0, 0.25, 0.5, 1.0])
def test_events_on_the_ends_of_steps(zero_at, dense, terminal, method):
    """Steps of exactly 0.25: SciPy reports a zero at t0, and one on the end of a step twice."""
    event = lambda t, y: t - zero_at
    event.terminal = terminal
    how = {"method": method, "dense_output": dense, "events": event, "first_step": 0.25, "max_step": 0.25}
    reference, found = (solver(lambda t, y: -0.1 * y, (0, 1), [1.0], **how) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert found.status == reference.status
    np.testing.assert_array_equal(found.t_events, reference.t_events)
    np.testing.assert_array_equal(found.t, reference.t)
    np.testing.assert_allclose(found.y, reference.y, rtol=1e-14)
    if dense:
        np.testing.assert_array_equal(found.sol.ts, reference.sol.ts)


@EACH_METHOD
@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_of_two_terminal_events_in_a_step_ends_the_solve(sign, method):
    """In one step of 0.25: at 0.2, terminal; at 0.15, terminal; at 0.1, not terminal; at 0.18."""
    events = [lambda t, y, at=at: sign * t - at for at in (0.2, 0.15, 0.1, 0.18)]
    events[0].terminal = events[1].terminal = True
    how = {"method": method, "events": events, "first_step": 0.25}
    reference, found = (solver(lambda t, y: -0.1 * y, (0, sign), [1.0], **how) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert [x.size for x in found.t_events] == [x.size for x in reference.t_events] == [0, 1, 1, 0]
    assert found.status == 1 and abs(found.t[-1] - sign * 0.15) < 4 * EPS


@EACH_EXPLICIT_METHOD
def test_args_and_vectorized(method):
    f = lambda t, y, a, b: [a * y[1], -b * y[0]]
    event = lambda t, y, a, b: y[0] - a / 4
    how = {"method": method, "args": (2.0, 0.5), "events": event, "dense_output": True}
    reference, found = scipy.integrate.solve_ivp(f, (0, 3), [1, 0], **how), solve_ivp(f, (0, 3), [1, 0], **how)
    np.testing.assert_allclose(found.t_events[0], reference.t_events[0], rtol=1e-12)
    shapes = set()
    columns = solve_ivp(lambda t, y, a, b: shapes.add(y.shape) or np.vstack(f(t, y, a, b)), (0, 3), [1, 0], vectorized=True, **how)
    assert shapes == {(2, 1)} and columns.nfev == found.nfev
    np.testing.assert_array_equal(columns.y, found.y)


def test_the_result_is_scipys():
    f = lambda t, y: -y
    event = lambda t, y: y[0] - 0.5
    reference, found = (solver(f, (0, 2), [1.0, 2.0], events=event, dense_output=True) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert list(found) == list(reference) and isinstance(found, OptimizeResult) and found["t"] is found.t
    forget = lambda result: re.sub(r"0x[0-9a-f]+|e-1[5-9]", "", repr(result))
    assert forget(found) == forget(reference)
    assert isinstance(found.sol, scipy.integrate.OdeSolution)
    assert all(isinstance(step, scipy.integrate.DenseOutput) for step in found.sol.interpolants)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.sol([0.3, 1.7]), found.sol([0.3, 1.7]))
    np.testing.assert_array_equal(copy.deepcopy(found).sol(0.3), found.sol(0.3))


@EACH_EXPLICIT_METHOD
@pytest.mark.parametrize("t_span", [(2.0, 2.0), (0.0, 5.0), (0.0, math.inf)])
def test_nothing_to_solve(t_span, method):
    y0 = [3.0] if t_span == (2.0, 2.0) else []
    reference, found = (solver(lambda t, y: -y, t_span, y0, method=method, dense_output=True) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    for name in ("t", "y", "nfev", "status", "message"):
        np.testing.assert_array_equal(found[name], reference[name])
    np.testing.assert_array_equal(found.sol(2.0), y0)


@pytest.mark.parametrize("y0", [[1, 2], np.array([1, 2], np.float32), [True, False], [1 + 0j, 2], np.array([1, 2], np.complex64)], ids=str)
def test_the_dtype_is_float64_or_complex128(y0):
    reference, found = (solver(lambda t, y: -y, (0, 1), y0) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert found.y.dtype == reference.y.dtype
    np.testing.assert_allclose(found.y, reference.y, rtol=1e-14)


# Wrong arguments

def decay(t, y):
    return -y


def with_terminal(terminal):
    event = lambda t, y: y[0]
    event.terminal = terminal
    return event


WRONG = {  # what is wrong: the arguments, how SciPy's message begins
    "method": ({"method": "RK54"}, ValueError, "`method` must be one of"),
    "y0 2-d": ({"y0": [[1.0]]}, ValueError, "`y0` must be 1-dimensional."),
    "y0 number": ({"y0": 1.0}, ValueError, "`y0` must be 1-dimensional."),
    "y0 nan": ({"y0": [math.nan]}, ValueError, "All components of the initial state `y0` must be finite."),
    "args": ({"args": -1}, TypeError, "Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=(-1,)`)"),
    "t_eval 2-d": ({"t_eval": [[0.5]]}, ValueError, "`t_eval` must be 1-dimensional."),
    "t_eval outside": ({"t_eval": [0.5, 1.5]}, ValueError, "Values in `t_eval` are not within `t_span`."),
    "t_eval unsorted": ({"t_eval": [0.5, 0.2]}, ValueError, "Values in `t_eval` are not properly sorted."),
    "t_eval twice": ({"t_eval": [0.5, 0.5]}, ValueError, "Values in `t_eval` are not properly sorted."),
    "first_step": ({"first_step": -1}, ValueError, "`first_step` must be positive"),
    "first_step long": ({"first_step": 2.0}, ValueError, "`first_step` exceeds bounds"),
    "max_step": ({"max_step": 0}, ValueError, "`max_step` must be positive"),
    "atol shape": ({"atol": [1e-3, 1e-3]}, ValueError, "`atol` has wrong shape"),
    "atol negative": ({"atol": -1e-3}, ValueError, "`atol` must be positive."),
    "min_step": ({"method": "LSODA", "min_step": -1.0}, ValueError, "`min_step` must be nonnegative"),
    "complex Radau": ({"method": "Radau", "y0": [1j]}, ValueError, "`y0` is complex, but the chosen solver does not support"),
    "complex LSODA": ({"method": "LSODA", "y0": [1j]}, ValueError, "`y0` is complex, but the chosen solver does not support"),
    "terminal negative": ({"events": with_terminal(-1)}, ValueError, "The `terminal` attribute of each event must be a boolean or positive integer."),
    "terminal 3.5": ({"events": with_terminal(3.5)}, ValueError, "The `terminal` attribute of each event must be a boolean or positive integer."),
}


@pytest.mark.parametrize(("wrong", "kind", "begins"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_as_in_scipy(wrong, kind, begins):
    for solver in (scipy.integrate.solve_ivp, solve_ivp):
        with pytest.raises(kind, match=re.escape(begins)):
            solver(**{"fun": decay, "t_span": (0, 1), "y0": [1.0]} | wrong)


REFUSED = {  # what SciPy makes a number of, or never returns from
    "t_span nan": ({"t_span": (0, math.nan)}, ValueError, "`t_span` must start"),
    "t_span inf": ({"t_span": (math.inf, 0)}, ValueError, "`t_span` must start"),
    "t_eval nan": ({"t_eval": [math.nan]}, ValueError, "not within `t_span`"),
    "rtol nan": ({"rtol": math.nan}, ValueError, "`rtol` must not be NaN"),
    "rtol shape": ({"rtol": [1e-3, 1e-3, 1e-3]}, ValueError, "`rtol` has wrong shape"),
    "max_step nan": ({"max_step": math.nan}, ValueError, "`max_step` must be positive"),
    "max_steps": ({"max_steps": 0.1}, ValueError, "max_steps must be a positive whole number"),
    "complex fun": ({"fun": lambda t, y: 1j * y}, TypeError, re.escape("start from y0 + 0j")),
    "number for two": ({"fun": lambda t, y: 0.5, "y0": [1.0, 2.0]}, ValueError, re.escape("shape (2,), like y, not ()")),
    "one for two": ({"fun": lambda t, y: [0.5], "y0": [1.0, 2.0]}, ValueError, re.escape("shape (2,), like y, not (1,)")),
    "StopIteration": ({"fun": lambda t, y: next(iter(()))}, RuntimeError, "raised StopIteration"),
    "event shape": ({"events": lambda t, y: np.ones(2)}, TypeError, "events.0. must return one real number"),
    "lband": ({"method": "LSODA", "lband": 1}, ValueError, "`lband` must be a whole number from 0 to 0"),
    "jac shape": ({"method": "Radau", "jac": lambda t, y: np.eye(2)}, ValueError, re.escape("jac must have shape (1, 1)")),
}


@pytest.mark.parametrize(("wrong", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(wrong, kind, message):
    with pytest.raises(kind, match=message):
        solve_ivp(**{"fun": decay, "t_span": (0, 1), "y0": [1.0]} | wrong)


def test_exceptions_of_fun_and_events_surface():
    class Mine(Exception):
        pass

    def fails(t, y):
        if t > 0.5:
            raise Mine
        return -y

    for arguments in ({"fun": fails}, {"fun": decay, "events": fails}):
        with pytest.raises(Mine):
            solve_ivp(t_span=(0, 1), y0=[1.0], **arguments)


@pytest.mark.parametrize(("options", "hint"), [({"jac": None}, ""), ({"min_step": 1}, ""), ({"rtoll": 1, "lband": 3}, " Did you mean `rtol`?"),
                                               ({"colour": 1}, ""), ({"maxstep": 1}, " Did you mean `max_step`?")], ids=str)
def test_unknown_options_warn_as_in_scipy(options, hint):
    said = []
    for solver in (scipy.integrate.solve_ivp, solve_ivp):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            solver(decay, (0, 1), [1.0], **options)
        said.append([str(warning.message) for warning in caught])
    assert said[1] == [said[0][0] + hint]
    assert caught[0].filename == __file__  # the warning points at the call


def test_a_small_rtol_is_clipped():
    with pytest.warns(UserWarning, match="At least one element of `rtol` is too small") as caught:
        found = solve_ivp(decay, (0, 1), [1.0], rtol=1e-16, atol=1e-3)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(found.t, solve_ivp(decay, (0, 1), [1.0], rtol=100 * EPS, atol=1e-3).t)


# Failures and deviations

def test_failures_are_status_minus_one():
    blow_up = lambda t, y: y * y
    reference, found = (solver(blow_up, (0, 2), [1.0]) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert found.status == -1 and not found.success and found.message.startswith(reference.message)
    assert len(found.t) == len(reference.t) and abs(found.t[-1] - 1) < 1e-3
    for fun in (lambda t, y: y * math.nan, lambda t, y: np.array([math.inf])):  # SciPy never returns
        found = solve_ivp(fun, (0, 2), [1.0], dense_output=True)
        assert found.status == -1 and "NaN" in found.message and found.t.tolist() == [0.0] and found.nfev == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NaN in a trial step is no surprise
        found = solve_ivp(lambda t, y: 1 + np.sqrt(1 - y), (0, 9), [0.0], t_eval=[0.1, 8.0])  # y reaches 1 and cannot stay
    assert found.status == -1 and "NaN" in found.message and found.t.tolist() == [0.1]


def test_max_steps_is_a_cap():
    found = solve_ivp(decay, (0, 1), [1.0], max_step=1e-3, max_steps=100)
    assert found.status == -1 and "max_steps = 100" in found.message and len(found.t) == 101
    assert solve_ivp(lambda t, y: 0 * y, (0, math.inf), [1.0]).status == -1  # at infinity nothing is left to step to


@EACH_METHOD
def test_fun_may_write_into_y(method):
    def scribbles(t, y):
        dy = np.array([y[1], -y[0]])
        y[:] = 1e9
        return dy

    def event(t, y):
        value = y[0]
        y[:] = 1e9
        return value

    y0 = np.array([1.0, 0.0])
    how = {"method": method, "dense_output": True}
    found = solve_ivp(scribbles, (0, 5), y0, events=event, **how)
    clean = solve_ivp(lambda t, y: [y[1], -y[0]], (0, 5), y0, events=lambda t, y: y[0], **how)
    np.testing.assert_array_equal(y0, [1.0, 0.0])
    np.testing.assert_array_equal(found.y, clean.y)
    np.testing.assert_array_equal(found.t_events, clean.t_events)


def test_the_solution_does_not_share_y0():
    y0 = np.array([2.0])
    found = solve_ivp(decay, (0, 1), y0, dense_output=True)
    y0[0] = 5.0
    assert found.sol(0.0) == 2.0 and found.y[0, 0] == 2.0


@EACH_METHOD
def test_fun_is_never_asked_beyond_the_end(method):
    for t0, t1 in np.random.default_rng(5).uniform(-20, 20, size=(20, 2)):
        seen = []
        solve_ivp(lambda t, y: seen.append(t) or np.cos(3 * t) - y, (t0, t1), [0.4], method=method, dense_output=True)
        assert min(t0, t1) <= min(seen) and max(seen) <= max(t0, t1)


def test_t_eval_where_scipy_gives_nothing():
    found = solve_ivp(decay, (4, 4), [2.0], t_eval=[4])
    assert found.t.tolist() == [4] and found.y.tolist() == [[2.0]]
    assert solve_ivp(decay, (4, 4), [2.0], t_eval=[4, 4]).y.tolist() == [[2.0, 2.0]]  # which SciPy accepts as sorted
    event = lambda t, y: t - 0.25
    event.terminal = 2  # on the end of a step: found at its end, and at the start of the next
    found = solve_ivp(decay, (0, 1), [2.0], t_eval=[0.1, 0.25, 0.3], events=event, dense_output=True, first_step=0.25, max_step=0.25)
    assert found.status == 1 and found.t.tolist() == [0.1, 0.25] and found.sol.ts.tolist() == [0.0, 0.25]


def test_no_output_is_an_empty_list_as_in_scipy():
    event = lambda t, y: y[0] - 0.9
    event.terminal = True
    for solver in (scipy.integrate.solve_ivp, solve_ivp):
        found = solver(decay, (0, 1), [1.0], t_eval=[0.8], events=event)
        assert found.t == [] and found.y == [] and found.status == 1


@pytest.mark.parametrize("unit", [1.0, 1e-12, 1e9])
def test_events_in_any_unit_of_time(unit):
    """y' = -y / unit crosses 0.5 at log(2) unit; with a step error of 1e-10 in y the time is right to 2e-10 in its unit, and the same in each."""
    found = solve_ivp(lambda t, y: -y / unit, (0, unit), [1.0], rtol=1e-10, atol=1e-12, events=lambda t, y: y[0] - 0.5, first_step=unit / 1024)
    assert abs(found.t_events[0][0] / unit - math.log(2)) < 2e-9
    assert abs(found.y_events[0][0, 0] - 0.5) < 16 * EPS


def test_scipys_classes_name_methods():
    for name in METHODS:
        np.testing.assert_array_equal(solve_ivp(decay, (0, 1), [1.0], method=getattr(scipy.integrate, name)).t,
                                      solve_ivp(decay, (0, 1), [1.0], method=name).t)


# Radau, BDF, LSODA

STIFF = ("Radau", "BDF", "LSODA")
EACH_STIFF_METHOD = pytest.mark.parametrize("method", STIFF)
N = 12
CHAIN = N**2 * (np.eye(N, k=1) - 2 * np.eye(N) + np.eye(N, k=-1))  # heat on a line; eigenvalues down to -4 N^2
HEAT = {"t_span": (0, 1), "y0": np.sin(np.linspace(0.1, 3, N)), "rtol": 1e-6, "atol": 1e-8, "dense_output": True}


def heat(t, y):
    return CHAIN @ y + math.cos(t)


def packed(lower, upper):
    """packed[upper + i - j, j] = CHAIN[i, j]"""
    found = np.full((lower + upper + 1, N), np.nan)  # the corners are in no diagonal
    for i, j in itertools.product(range(N), range(N)):
        if -lower <= j - i <= upper:
            found[upper + i - j, j] = CHAIN[i, j]
    return found


def exact_heat(t):
    """Per eigenvector: c' = lam c + b cos t, solved by b (sin t - lam cos t) / (1 + lam^2) and the decay of the rest."""
    lam, V = np.linalg.eigh(CHAIN)
    b, c0 = V.T @ np.ones(N), V.T @ HEAT["y0"]
    particular = lambda t: b * (math.sin(t) - lam * math.cos(t)) / (1 + lam * lam)
    return V @ (particular(t) + np.exp(lam * t) * (c0 - particular(0)))


@EACH_STIFF_METHOD
def test_stiff_methods_against_a_closed_form(method):
    """Errors of at most 1e-6 + 1e-8 a step; in a dissipative system they add up, at the worst: the bound is that for all steps."""
    found, reference = (solver(heat, method=method, **HEAT) for solver in (solve_ivp, scipy.integrate.solve_ivp))
    for t in (0.01, 0.3, 1.0):
        np.testing.assert_allclose(found.sol(t), exact_heat(t), rtol=0, atol=len(found.t) * 1e-6)
    assert found.njev > 0 and found.nlu > 0
    assert found.nfev < 1.5 * reference.nfev  # and far from the 2000 of RK45, which is stable up to h = 3.3 / 576 only
    assert found.message == reference.message and list(found) == list(reference)


@EACH_STIFF_METHOD
def test_all_forms_of_the_jacobian_do_the_same(method):
    """They differ by the rounding errors of differences, sqrt(eps) of J, which Newton's method shrinks further."""
    dense = solve_ivp(heat, method=method, jac=lambda t, y: CHAIN, **HEAT)
    forms = {"constant": {"jac": CHAIN}, "sparse": {"jac": csc_array(CHAIN)}, "list": {"jac": CHAIN.tolist()},
             "sparse function": {"jac": lambda t, y: csc_array(CHAIN)}, "differences": {}}
    if method == "LSODA":
        forms |= {"packed": {"jac": lambda t, y: packed(1, 1), "lband": 1, "uband": 1},
                  "wide": {"jac": lambda t, y: packed(2, 3), "lband": 2, "uband": 3},
                  "packed constant": {"jac": packed(1, 1), "lband": 1, "uband": 1}, "bands": {"lband": 1, "uband": 1}}
    else:
        forms |= {"sparsity": {"jac_sparsity": CHAIN != 0}, "both": {"jac": CHAIN, "jac_sparsity": np.eye(N)}}
    for name, form in forms.items():
        found = solve_ivp(heat, method=method, **form, **HEAT)
        assert len(found.t) == len(dense.t), name
        np.testing.assert_allclose(found.y, dense.y, rtol=0, atol=1e-8, err_msg=name)
        assert (found.njev == 0) == ("constant" in name or name in ("sparse", "list", "both")), name


def test_bands_save_evaluations():
    """Three diagonals: differences of all columns in 3 evaluations and not in 12."""
    full, bands = solve_ivp(heat, method="LSODA", **HEAT), solve_ivp(heat, method="LSODA", lband=1, uband=1, **HEAT)
    assert full.njev == bands.njev and full.nfev - bands.nfev == 9 * full.njev
    assert solve_ivp(lambda t, y: -1e3 * y, (0, 1), np.ones(3), method="LSODA", lband=0).success  # the other one is 0
    with pytest.raises(ValueError, match=re.escape("`jac` must have shape (3, 12), one row for each diagonal, not (12, 12)")):
        solve_ivp(heat, method="LSODA", lband=1, uband=1, jac=lambda t, y: CHAIN, **HEAT)


@EACH_STIFF_METHOD
def test_nfev_counts_as_in_scipy(method):
    """Radau and BDF leave out the calls for differences; LSODA counts them."""
    for solver in (solve_ivp, scipy.integrate.solve_ivp):
        calls = []
        found = solver(lambda t, y: calls.append(t) or heat(t, y), method=method, **HEAT)
        uncounted = len(calls) - found.nfev
        assert uncounted == 0 if method == "LSODA" else N * found.njev <= uncounted <= 2 * N * found.njev  # a column may be tried twice


@EACH_STIFF_METHOD
def test_args_reach_jac(method):
    def fun(t, y, rate, goal):
        return -rate * (y - goal)

    def jac(t, y, rate, goal):
        y[:] = 1e9  # has no effect
        seen.append(t)
        return [[-rate]]

    seen: list[float] = []
    found = solve_ivp(fun, (0, 10), [1.0], method=method, args=(1e4, 0.5), jac=jac)
    assert seen and found.njev == len(seen)
    np.testing.assert_allclose(found.y[:, -1], 0.5, rtol=1e-3)


def test_bdf_is_complex():
    """y' = i y on a circle of radius 1: 60 errors of 1e-6 at the most."""
    for jac in (None, np.array([[1j]]), lambda t, y: csc_array([[1j]])):
        found = solve_ivp(lambda t, y: 1j * y, (0, 2), [1 + 0j], method="BDF", rtol=1e-6, atol=1e-8, jac=jac)
        assert found.y.dtype == complex and len(found.t) < 60
        np.testing.assert_allclose(found.y[0, -1], np.exp(2j), rtol=0, atol=60 * 1e-6)


def test_lsoda_needs_no_jacobian_where_nothing_is_stiff():
    found = solve_ivp(lambda t, y: [y[1], -y[0]], (0, 20), [1.0, 0.0], method="LSODA")
    assert found.success and (found.njev, found.nlu) == (0, 0)


def test_min_step_of_lsoda():
    """A jump of f by 2e4 at 0.5, where an error of 1e-6 + 1e-9 5e3 is allowed: steps across it are at most about 1e-9 long."""
    f = lambda t, y: 1e4 * np.sign(t - 0.5)
    how = {"method": "LSODA", "first_step": 0.01, "rtol": 1e-9}
    free, bounded = (solve_ivp(f, (0, 1), [0.0], **how, min_step=min_step) for min_step in (0.0, 1e-3))
    assert free.success and np.diff(free.t).min() < 1e-5
    assert bounded.status == -1 and bounded.message.startswith("Required step size is less than") and 0.3 < bounded.t[-1] < 0.5
    assert np.diff(bounded.t).min() > 1e-3 * (1 - 1e-9)


# Solvers of the user's own

class Euler(scipy.integrate.OdeSolver):
    def __init__(self, fun, t0, y0, t_bound, vectorized, step=0.1, fails_at=math.inf, **rest):
        super().__init__(fun, t0, y0, t_bound, vectorized, support_complex=True)
        self.step_length, self.fails_at, self.rest = step, fails_at, rest

    def _step_impl(self):
        if self.t >= self.fails_at:
            return False, "enough."
        t1 = min(self.t + self.step_length, self.t_bound)
        self.y_old = self.y.copy()
        self.y += (t1 - self.t) * self.fun(self.t, self.y)  # in place, as a solver may
        self.t = t1
        return True, None

    def _dense_output_impl(self):
        return Line(self.t_old, self.t, self.y_old, self.y.copy())


class Line(scipy.integrate.DenseOutput):
    def __init__(self, t_old, t, y_old, y):
        super().__init__(t_old, t)
        self.y_old, self.y = y_old, y

    def _call_impl(self, t):
        if t.ndim == 0:
            return self._call_impl(t[None])[:, 0]
        return self.y_old[:, None] + (t - self.t_old) / (self.t - self.t_old) * (self.y - self.y_old)[:, None]


class MyRK45(scipy.integrate.RK45):
    pass


@pytest.mark.parametrize("method", [Euler, MyRK45])
@pytest.mark.parametrize("t_eval", [None, [0.05, 0.3, 0.75]])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_solver_of_the_users_own_is_run_as_it_is(method, t_eval, terminal):
    event = lambda t, y, a: y[0] - 0.7
    event.terminal = terminal
    how = {"method": method, "t_eval": t_eval, "events": event, "dense_output": True, "args": (0.5,)}
    reference, found = (solver(lambda t, y, a: -a * y, (0, 1), np.array([1.0, 2.0]), **how) for solver in (scipy.integrate.solve_ivp, solve_ivp))
    assert (found.nfev, found.njev, found.nlu, found.status, found.message) == (reference.nfev, 0, 0, reference.status, reference.message)
    if method is MyRK45:  # scipy.integrate does not copy the state, which Euler writes into
        np.testing.assert_array_equal(found.y, reference.y)
        np.testing.assert_allclose(found.t_events, reference.t_events, rtol=1e-14)
    else:
        exact = lambda t: 0.95 ** np.floor(np.round(t * 10, 9)) * (1 - 0.5 * (t - np.floor(np.round(t * 10, 9)) / 10))  # 10 steps, and lines between
        np.testing.assert_allclose(found.y, np.outer([1, 2], exact(np.array(found.t))), rtol=1e-12)
        assert all(isinstance(step, Line) for step in found.sol.interpolants)
    np.testing.assert_array_equal(found.t, reference.t)
    np.testing.assert_array_equal(found.sol.ts, reference.sol.ts)


def test_options_and_failures_of_a_users_solver():
    for solver in (scipy.integrate.solve_ivp, solve_ivp):
        found = solver(decay, (0, 1), [1 + 1j], method=Euler, step=0.25, fails_at=0.5, vectorized=True)
        assert (found.status, found.message, found.t.tolist()) == (-1, "enough.", [0, 0.25, 0.5])
        assert found.y.dtype == complex and found.nfev == 2
    found = solve_ivp(decay, (3, 3), [1.0], method=Euler, dense_output=True)
    assert found.t.tolist() == [3, 3] and found.sol(3.0) == 1
    with pytest.raises(ValueError, match="or a class that derives from"):
        solve_ivp(decay, (0, 1), [1.0], method=Line)
