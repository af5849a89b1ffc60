"""A solve that fails says why, by name, with the part that is right; and nothing loops for ever.

Each scenario bounds the evaluations inside f: past 10 000 of them the test fails instead of hanging.
"""

import math
import pickle

import numpy as np
import pytest

from refnode.errors import MaxStepsReached, NonFiniteDynamics, SolverError, StepSizeUnderflow
from refnode.ode.solution import SolveStats
from refnode.ode.solve import solve

LIMIT = 10_000
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of f itself, where it divides by zero


def bounded(f):
    """f, which counts its calls; the seen times are in `.times`."""
    def counted(z, t, theta):
        counted.times.append(t)
        assert len(counted.times) <= LIMIT, "this solve does not end"
        return f(z, t, theta)
    counted.times = []
    return counted


TS = np.linspace(0.0, 3.0, 13)

# name: f, z(t), the kind of error, where it stops (about), keyword arguments
SCENARIOS = {
    "NaN at the start": (lambda z, t, _: np.sqrt(z - 2.0), None, NonFiniteDynamics, (0.0, 0.0), {}),
    "infinity at the start": (lambda z, t, _: 1 / (z - 1), None, NonFiniteDynamics, (0.0, 0.0), {}),
    "NaN at the start, fixed steps": (lambda z, t, _: np.sqrt(z - 2.0), None, NonFiniteDynamics, (0.0, 0.0), {"method": "rk4", "steps": 30}),
    "NaN from t = 1 on": (lambda z, t, _: -z if t < 1 else z * math.nan, lambda t: np.exp(-t), NonFiniteDynamics, (0.99, 1.0), {}),
    "NaN from t = 1 on, without first-same-as-last": (
        lambda z, t, _: -z if t < 1 else z * math.nan, lambda t: np.exp(-t), NonFiniteDynamics, (0.99, 1.0), {"method": "heun", "rtol": 1e-5}),
    "NaN from t = 1 on, fixed steps": (
        lambda z, t, _: -z if t < 1 else z * math.nan, lambda t: np.exp(-t), NonFiniteDynamics, (0.9, 1.0), {"method": "rk4", "steps": 60}),
    "NaN in the last stage alone": (
        # bosh3: the only stage at the end of a step, and its weight in z1 is 0
        lambda z, t, _: -z if t < 3 else z * math.nan, lambda t: np.exp(-t), NonFiniteDynamics, (2.9, 3.0), {"method": "bosh3", "steps": 60}),
    "blow-up": (lambda z, t, _: z * z, lambda t: 1 / (1 - t), (StepSizeUnderflow, NonFiniteDynamics), (0.999, 1.0 + 1e-6), {}),
    "blow-up, fixed steps": (lambda z, t, _: z**5, None, NonFiniteDynamics, (0.0, 3.0), {"method": "euler", "step_size": 0.1}),
    "underflow": (lambda z, t, _: -z if t < 1 else 1e15 + 0 * z, lambda t: np.exp(-t), StepSizeUnderflow, (0.999, 1.0), {}),
    "underflow of min_step": (lambda z, t, _: -z if t < 1 else 1e6 * np.cos(1e6 * t) + 0 * z, lambda t: np.exp(-t), StepSizeUnderflow,
                              (0.9, 1.01), {"min_step": 1e-3}),
    "the cap": (lambda z, t, _: -z, lambda t: np.exp(-t), MaxStepsReached, (0.0, 2.9), {"max_steps": 4, "max_step": 0.3}),
    "the cap, all rejected": (lambda z, t, _: np.array([1e3 * math.sin(1e4 * t)]), None, MaxStepsReached, (0.0, 0.0),
                              {"max_steps": 1, "first_step": 1.0}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_failures(name):
    f, exact, kind, (earliest, latest), setting = SCENARIOS[name]
    f, stats = bounded(f), SolveStats()
    with pytest.raises(kind) as caught:
        solve(f, [1.0], TS, stats=stats, **setting)
    error = caught.value
    assert isinstance(error, SolverError) and isinstance(error, RuntimeError)
    message = str(error)
    assert "\n" not in message and message.endswith(".") and len(message) < 300
    assert f"{error.t}" in message
    assert earliest <= error.t <= latest
    assert error.stats is stats and stats.nfe == len(f.times)
    assert error.__cause__ is None and error.__suppress_context__
    assert error.z.shape == (1,) and np.all(np.isfinite(error.z))
    ts, zs = error.partial
    assert list(ts) == [t for t in TS if t <= error.t] and zs.shape == (len(ts), 1)
    if exact is not None:
        tolerance = 1e-3 if setting.get("method") == "heun" else 1e-4
        well = ts < 0.99 if name == "blow-up" else ts >= 0  # at the pole itself no number is right
        np.testing.assert_allclose(zs[well, 0], exact(ts[well]), rtol=tolerance)
        if kind is not NonFiniteDynamics and "blow-up" not in name:
            np.testing.assert_allclose(error.z[0], exact(error.t), rtol=tolerance)


@pytest.mark.parametrize("name", SCENARIOS)
def test_failures_without_throwing(name):
    f, _, kind, _, setting = SCENARIOS[name]
    with pytest.raises(kind) as caught:
        solve(bounded(f), [1.0], TS, **setting)
    error = caught.value
    sol = solve(bounded(f), [1.0], TS, throw=False, dense=True, **setting)
    assert sol.status == -1 and sol.message == f"{type(error).__name__}: {error}"
    reached = len(error.partial[0])
    np.testing.assert_array_equal(sol.zs[:reached], error.partial[1])
    assert np.all(np.isnan(sol.zs[reached:])) and len(sol.zs) == len(TS)
    assert sol.t_steps[-1] == error.t
    np.testing.assert_array_equal(sol(sol.t_steps[-1]), error.z)  # dense output of the part that is right
    with pytest.raises(ValueError, match="where the equation was solved"):
        sol(3.0)


class Mine(Exception):
    """What a user's f may raise."""


def raises(z, t, _):
    if t > 1:
        raise Mine("at t = 1")
    return -z


LATER = (0.5, 1.0)  # where a failure at t = 1 may stop: the last accepted step ends before
SOLVERS = {**{method: {"method": method} for method in ("dopri5", "dop853", "bosh3", "tsit5")}, "heun": {"method": "heun", "rtol": 1e-3},
           **{f"{method}, fixed": {"method": method, "steps": 60} for method in ("rk4", "euler", "dopri5", "dop853", "alf", "reversible_heun")}}
# f, other arguments, the kind of error with steps that adapt and with fixed ones (None: no failure there), where it stops
TEN = {
    "NaN at t0": (lambda z, t, _: z * math.nan, {}, NonFiniteDynamics, NonFiniteDynamics, (0.0, 0.0)),
    "NaN later": (lambda z, t, _: -z if t < 1 else z * math.nan, {}, NonFiniteDynamics, NonFiniteDynamics, LATER),
    "blow-up (P08c)": (lambda z, t, _: z * z, {}, (StepSizeUnderflow, NonFiniteDynamics), NonFiniteDynamics, (0.9, 1.0)),
    "underflow": (lambda z, t, _: -z if t < 1 else 1e15 * np.cos(1e15 * t) + 0 * z, {}, StepSizeUnderflow, None, LATER),
    "the cap": (lambda z, t, _: -z, {"max_steps": 3}, MaxStepsReached, ValueError, (0.0, 2.9)),  # fixed steps are counted before they are taken
    "a wrong shape": (lambda z, t, _: -z if t < 1 else np.ones(2), {}, ValueError, ValueError, None),
    "complex f for a real state": (lambda z, t, _: 1j * z, {}, TypeError, TypeError, None),
    "an exception in f": (raises, {}, Mine, Mine, None),
    "infinite atol": (lambda z, t, _: -z, {"atol": math.inf}, ValueError, ValueError, None),
    "unsorted times": (lambda z, t, _: -z, {"ts": [0.0, 2.0, 1.0, 3.0]}, ValueError, ValueError, None),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", TEN)
def test_ten_failures_with_every_kind_of_solver(name, solver):
    """Each its own kind; the partial solution is right; throw=False gives the same rows, then NaN. Wrong arguments cost no evaluation."""
    f, setting, adaptive, fixed, stops = TEN[name]
    setting = {"rtol": 1e-5, "ts": TS} | SOLVERS[solver] | setting
    ts = setting.pop("ts")
    kind = fixed if "fixed" in solver else adaptive
    f = bounded(f)
    if kind is None:
        assert np.isfinite(solve(f, [1.0], ts, **setting).zs).all()
        return
    with pytest.raises(kind) as caught:
        solve(f, [1.0], ts, **setting)
    error = caught.value
    if name in ("infinite atol", "unsorted times") or (name == "the cap" and "fixed" in solver):
        assert f.times == []
    if not isinstance(error, SolverError):
        assert type(error) is kind
        with pytest.raises(kind):  # a wrong call and an exception of f are no failures of the solve
            solve(f, [1.0], ts, throw=False, **setting)
        return
    latest = stops[1] + (0 if "blow-up" not in name else 1.0 if "fixed" in solver else 10 * setting["rtol"])  # fixed steps go over the pole
    assert stops[0] <= error.t <= latest
    reached, zs = error.partial
    np.testing.assert_array_equal(reached, ts[ts <= error.t])
    exact = 1 / (1 - reached) if "blow-up" in name else np.exp(-reached)
    well = reached < 0.9
    np.testing.assert_allclose(zs[well, 0], exact[well], rtol=(0.5 if "fixed" in solver else 1e-2) if "blow-up" in name else 0.05)
    sol = solve(f, [1.0], ts, throw=False, **setting)
    assert sol.status == -1 and sol.message == f"{type(error).__name__}: {error}"
    np.testing.assert_array_equal(sol.zs[:len(reached)], zs)
    assert np.isnan(sol.zs[len(reached):]).all() and len(sol.zs) == len(ts)


def test_a_nan_between_the_steps():
    """The stages of dop853 that serve its dense output alone belong to a step already accepted: NaN there is no number for an observation."""
    c = {1 / 10, 1 / 5, 7 / 9}
    f = lambda z, t, _: z * math.nan if any(abs(t - x) < 1e-12 for x in c) else -z
    assert solve(f, [1.0], [0.0, 1.0], method="dop853", steps=1).zs[-1, 0] == pytest.approx(math.exp(-1), rel=1e-6)
    sol = solve(f, [1.0], [0.0, 0.5, 1.0], method="dop853", steps=1, throw=False)
    assert sol.status == -1 and sol.message.startswith("NonFiniteDynamics: ") and np.isnan(sol.zs[1:]).all()
    with pytest.raises(NonFiniteDynamics, match="where the interpolant asks it") as caught:
        solve(f, [1.0], [0.0, 0.5, 1.0], method="dop853", steps=1)
    assert caught.value.partial[0].tolist() == [0.0]


def test_a_tree_in_an_error():
    with pytest.raises(NonFiniteDynamics) as caught:
        solve(lambda z, t, _: {"a": -z["a"] if t < 1 else z["a"] * math.nan}, {"a": np.ones(2)}, TS)
    assert caught.value.z["a"].shape == (2,) and caught.value.partial[1]["a"].shape == (len(caught.value.partial[0]), 2)
    sol = solve(lambda z, t, _: (-z[0], z[1] * (1 if t < 1 else math.nan)), (np.ones(2), np.ones(1)), TS, throw=False)
    assert np.isnan(sol.zs[0][-1]).all() and np.isnan(sol.zs[1][-1]).all() and np.isfinite(sol.zs[0][0]).all()


def test_backwards():
    f = bounded(lambda z, t, _: z * z)
    with pytest.raises((StepSizeUnderflow, NonFiniteDynamics)) as caught:
        solve(f, [-1.0], -TS)  # z = -1 / (1 + t)
    assert caught.value.t == pytest.approx(-1.0, abs=1e-3) and caught.value.h <= 0
    assert list(caught.value.partial[0]) == [t for t in -TS if t >= caught.value.t]


def test_recovery_from_nan():
    """y' = y + 0 sqrt(20 - y) up to y = 19.9: trial steps beyond 20 are NaN, the solution never is (bugs.md, D07)."""
    for method in ("dopri5", "bosh3", "tsit5", "heun"):
        for setting in ({"rtol": 1e-3, "atol": 1e-6}, {"rtol": 1e-4, "atol": 1e-6, "first_step": 3.2}):
            f = bounded(lambda z, t, _: z + 0 * np.sqrt(20 - z))
            sol = solve(f, [1.0], [0.0, math.log(19.9)], method=method, **setting)
            assert sol.stats.rejected > 0 or "first_step" not in setting
            assert abs(sol.zs[-1, 0] - 19.9) < 19.9 * 20 * setting["rtol"]  # condition of the problem: 20


def test_recovery_from_a_probe_that_is_nan():
    """The Euler step that looks for a starting step may leave the domain of f, too."""
    f = bounded(lambda z, t, _: np.where(z > 1.001, math.nan, 0.01 * np.cos(t)))  # the probe changes z by 1 %
    sol = solve(f, [1.0], [0.0, 10.0], rtol=1e-3, throw=False, max_steps=300)
    assert np.isnan(f(np.array([1.01]), 0.0, ())).all() and f.times[1] > 0.5  # it was NaN, and far too long
    assert f.times[2] == pytest.approx(f.times[1] / 100 / 5)  # the first step is a hundredth of it; its second stage
    assert sol.t_steps[-1] == pytest.approx(math.asin(0.1), abs=1e-3)  # it went on to where 1 + sin(t) / 100 = 1.001


@pytest.mark.parametrize("size", [1e150, 1e200, 1e308])
def test_enormous_dynamics(size):
    """Norms overflow; the starting step must not become 0 or NaN."""
    f = bounded(lambda z, t, _: np.full(1, size))
    sol = solve(f, [1.0], [0.0, 1.0], throw=False)
    assert sol.status == -1 or sol.zs[-1, 0] == pytest.approx(size)


def test_errors_of_f_surface_unchanged():
    class Mine(Exception):
        pass

    def f(z, t, _):
        if t > 0.5:
            raise error
        return -z

    for error in (Mine("mine"), ValueError("yours"), KeyboardInterrupt(), ZeroDivisionError("f"), StopIteration("s")):
        for setting in ({}, {"throw": False}, {"method": "rk4", "steps": 9}):
            with pytest.raises((type(error), RuntimeError) if isinstance(error, StopIteration) else type(error)) as caught:
                solve(f, [1.0], TS, **setting)
            if not isinstance(error, StopIteration):  # Python itself turns it into a RuntimeError inside a generator (PEP 479)
                assert caught.value is error


def test_the_error_of_a_solve_inside_f_surfaces_unchanged():
    """It carries its own t, z and partial solution, in its own shapes; the outer solve does not take it for its own failure."""
    def f(z, t, _):
        inner = solve(lambda y, s, _: {"a": y["a"] ** 2}, {"a": np.ones(3)}, [0.0, 2.0])
        return z * inner.zs["a"][-1, 0]

    for setting in ({}, {"throw": False}):
        with pytest.raises(SolverError) as caught:
            solve(f, [1.0], TS, **setting)
        assert caught.value.z["a"].shape == (3,) and caught.value.t == pytest.approx(1.0, abs=1e-3)


def test_a_complex_value_for_a_real_state():
    with pytest.raises(TypeError, match="start from a complex z0"):
        solve(bounded(lambda z, t, _: 1j * z), [1.0], TS)


def test_a_wrong_shape_later():
    with pytest.raises(ValueError, match=r"f returned shape \(2,\) where the state has shape \(1,\)"):
        solve(bounded(lambda z, t, _: z if t < 1 else np.ones(2)), [1.0], TS)


def test_steps_too_small_for_the_time_axis():
    """At t = 1e17 neighbouring times are 16 apart."""
    with pytest.raises(StepSizeUnderflow):
        solve(bounded(lambda z, t, _: -z), [1.0], [1e17, 1e17 + 1e6])
    with pytest.raises(StepSizeUnderflow):
        solve(bounded(lambda z, t, _: -z), [1.0], [1e5, 2e5], max_step=1e-12)


def test_min_step_far_from_zero():
    """bugs.md, D11: t1 - t0 differs from the step by a rounding error, and a loop at min_step must end all the same."""
    sol = solve(bounded(lambda z, t, _: np.cos(t) + 0 * z), [1.0], [967.1378, 977.1378], min_step=0.2, rtol=1e-2, atol=1e-2)
    assert sol.status == 0 and sol.t_steps[-1] == 977.1378


def test_the_cap_is_on_all_tries():
    f = bounded(lambda z, t, _: np.array([40 * math.cos(40 * t)]))
    sol = solve(f, [0.0], [0.0, 5.0])
    tries = sol.stats.accepted + sol.stats.rejected
    assert sol.stats.rejected > 0
    assert solve(f, [0.0], [0.0, 5.0], max_steps=tries).status == 0
    f.times.clear()
    with pytest.raises(MaxStepsReached) as caught:
        solve(f, [0.0], np.linspace(0.0, 5.0, 101), max_steps=tries - 1)  # output times do not move it
    assert caught.value.stats.accepted + caught.value.stats.rejected == tries - 1
    assert len(f.times) == 2 + 6 * (tries - 1)


def test_the_cap_counts_one_solve():
    stats = SolveStats()
    for _ in range(5):
        tries = solve(lambda z, t, _: -z, [1.0], TS, stats=stats).stats.accepted
        solve(lambda z, t, _: -z, [1.0], TS, stats=stats, max_steps=tries)


def test_errors_can_be_pickled():
    """As multiprocessing does with an exception of a worker."""
    with pytest.raises(NonFiniteDynamics) as caught:
        solve(lambda z, t, _: z * math.nan, [1.0], TS)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is NonFiniteDynamics and str(again) == str(caught.value) and again.t == 0.0


def test_creeping_along_the_border_of_the_domain_ends():
    """f is NaN beyond z = 1, which z approaches while it hardly changes: each accepted step is followed by trial steps that end in NaN."""
    calls = []

    def f(z, t, theta):
        calls.append(t)
        return np.where(z < 1.0, 1e-9, np.nan)

    with pytest.raises(NonFiniteDynamics) as failure:
        solve(f, [1.0 - 1e-9], [0.0, 30.0])
    assert len(calls) < 10_000
    assert abs(failure.value.t - 1.0) < 0.1
