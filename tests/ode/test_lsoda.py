"""lsoda: the test of stiffness and the hand-over as identities on polynomials, and what it costs beside adams and bdf."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refnode_validation.detest.catalog import PROBLEMS as DETEST
from refnode_validation.stiff.catalog import PROBLEMS as STIFF

import refnode as rn
from refnode.ode import lsoda
from refnode.ode.bdf import ERROR_CONSTANT, MAX_ORDER, BdfSteps
from refnode.ode.control import SAFETY, max_norm, rms
from refnode.ode.lsoda import LOOK, POWERS, RATIO, STAY, best_formula, differences, lagrange, slopes, spectral_radius
from refnode.ode.solve import start
from refnode.ode.stepping import quiet

EPS = np.finfo(float).eps


def steps_of(f, z0, t0, t1, **solver):
    """The steps, and the object that takes them."""
    stats = rn.Stats().forward
    _, steps = start(f, np.array(z0, float), t0, t1, (), stats, method="lsoda", **solver)
    with quiet():
        return list(steps), steps, stats


# What it is made of

POLYNOMIALS = st.lists(st.integers(-5, 5), min_size=1, max_size=MAX_ORDER + 1)


@given(POLYNOMIALS, st.lists(st.integers(1, 9), min_size=MAX_ORDER, max_size=MAX_ORDER), st.floats(-3, 3))
def test_lagrange_reproduces_polynomials(coefficients, gaps, t):
    """Six nodes: degree 5. Each weight is a product of 5 quotients of exact differences, and 6 of them are added."""
    nodes = np.cumsum([0, *gaps]).astype(float)
    p = np.polynomial.Polynomial(coefficients)
    weights = lagrange(nodes, np.array([t, nodes[2]]))
    np.testing.assert_allclose(weights[0] @ p(nodes), p(t), rtol=0, atol=50 * EPS * (np.abs(weights[0]) @ np.abs(p(nodes)) + 1))
    np.testing.assert_array_equal(weights[1], np.arange(6) == 2)


@given(POLYNOMIALS, st.sampled_from([-2.0, -0.25, 0.5, 1.0]))
def test_slopes_of_a_polynomial(coefficients, h):
    """From its differences the differences of its derivative, exactly: integers over powers of 2, and quotients by 3 and 5 that round."""
    p = np.polynomial.Polynomial(coefficients)
    t = 2.0 - h * np.arange(MAX_ORDER + 1)
    expected = differences(p.deriv()(t[:-1])[:, None])
    rounding = 200 * EPS * (1 + np.abs(differences(p(t))).max() / abs(h))
    np.testing.assert_allclose(slopes(differences(p(t)[:, None]), h), expected, rtol=0, atol=rounding)


@given(st.integers(1, MAX_ORDER), st.sampled_from([-1.0, 1.0]), st.integers(0, 3))
def test_the_formula_that_fits(degree, direction, seed):
    """A polynomial of degree k is fitted by the formula of order k, up to rounding errors, and D are its differences. One of degree k + 1 has the
    error that BDF's constant says: C_k nabla^(k+1) z, and so the factor is known."""
    rng = np.random.default_rng(seed)
    times = direction * np.arange(RATIO * (MAX_ORDER + 1) + 1) * 0.125
    H = direction * RATIO * 0.125
    leading = math.factorial(degree + 1)
    p = np.polynomial.Polynomial([*rng.integers(-3, 4, degree + 1), 1e-3 / leading])
    z = p(times)[:, None]
    expected = differences(p(times[-1] - H * np.arange(degree + 3))[:, None])
    assert expected[degree + 1][0] == pytest.approx(1e-3 * H ** (degree + 1), rel=1e-6)
    for j, factor in fits(times, z, H, degree).items():
        assert factor == pytest.approx(SAFETY * (ERROR_CONSTANT[j] * abs(expected[j + 1][0])) ** (-1 / (j + 1)), rel=1e-6)
    factor, k, D = best_formula(times, z, H, np.ones(1), rms)
    assert len(D) == k + 1 and (k > degree or factor == max(fits(times, z, H, degree).values()))
    if k == degree:  # the highest but one difference is that of the polynomial through k + 1 states
        np.testing.assert_allclose(D[0], expected[0], rtol=0, atol=0)


def fits(times, z, H, degree):
    """The factor that each order up to `degree` promises alone: by leaving out the states that higher orders need."""
    found, best = {}, 0.0
    for j in range(1, degree + 1):
        factor, k, _ = best_formula(times[-(RATIO * (j + 1) + 1):], z[-(RATIO * (j + 1) + 1):], H, np.ones(1), rms)
        if factor > best:
            found[k], best = factor, factor
    return found


def test_no_formula_where_the_past_is_too_short_or_too_rough():
    times = np.arange(2.0 * RATIO)
    assert best_formula(times, np.ones((len(times), 1)), float(RATIO), np.ones(1), rms)[:2] == (0.0, 0)
    factor, k, D = best_formula(np.arange(2.0 * RATIO + 1), np.ones((2 * RATIO + 1, 1)), float(RATIO), np.ones(1), rms)
    assert (factor, k, D.tolist()) == (math.inf, 1, [[1.0], [0.0]])
    far = np.cumsum([0.0, 10, 10, 10, 1, 1, 1])  # steps longer than H: each state serves once
    assert best_formula(far, far[:, None], 3.0, np.ones(1), rms)[0] > 1e3
    z = 1e3 * np.cos(np.arange(19.0))[:, None]
    assert best_formula(np.arange(19.0), z, float(RATIO), np.ones(1), max_norm)[0] < 1


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_spectral_radius(n, seed):
    """Of normal matrices: |J^m v| / |J^l v| is at most rho^(m-l), and at least that times the part of v that belongs to the largest eigenvalue."""
    rng = np.random.default_rng(seed)
    V = np.linalg.qr(rng.normal(size=(n, n)) + 1j * rng.normal(size=(n, n)))[0]
    lam = rng.normal(size=n) + 1j * rng.normal(size=n)
    J, rho = (V * lam) @ V.conj().T, np.abs(lam).max()
    v = np.cos(np.arange(n))
    part = np.abs(V.conj().T @ v)[np.abs(lam).argmax()] / np.linalg.norm(v)
    found = spectral_radius(J)
    assert part ** (1 / (POWERS[1] - POWERS[0])) * rho * (1 - 1e-9) <= found <= rho * (1 + 1e-9)
    assert spectral_radius(np.eye(n, k=1)) == 0
    assert math.isnan(spectral_radius(np.full((n, n), math.nan)))


# Costs

def lotka_volterra(z, t, _):
    return np.array([1.5 * z[0] - z[0] * z[1], z[0] * z[1] - 3 * z[1]])


CASES = {name: (p.f, p.jac, p.z0, p.ts[-1], p.small) for name, p in STIFF.items()}
CASES |= {name: (DETEST[name].f, None, DETEST[name].z0, 20.0, 1.0) for name in ("A2", "B1", "B5", "C5", "D3", "D5", "E2", "E3")}
CASES["Lotka-Volterra"] = lotka_volterra, None, np.ones(2), 50.0, 1e-2


@pytest.mark.parametrize("rtol", [1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("name", CASES)
def test_evaluations_beside_the_better_of_both(name, rtol):
    """At most 1.5 of what the better of adams and bdf takes; that is the bar of this method."""
    f, jac, z0, t1, small = CASES[name]
    how = {"rtol": rtol, "atol": rtol * small}
    given_jac = {} if jac is None else {"jac": lambda z, t, theta: jac(z, t)}
    bdf = rn.solve(f, z0, [0, t1], method="bdf", **how, **given_jac).stats.nfe
    cap = bdf // 2 + 1  # adams takes two evaluations a step
    adams = rn.solve(f, z0, [0, t1], method="adams", **how, throw=False, max_steps=cap)
    best = min(bdf, adams.stats.nfe) if adams.status == 0 else bdf
    _, taken, stats = steps_of(f, z0, 0.0, float(t1), **how, **given_jac)
    assert stats.nfe <= 1.5 * best
    switched = [name for _, name in taken.switches]
    assert switched == [method for method, _ in zip(itertools.cycle(["adams", "bdf"]), switched, strict=False)]
    if name in STIFF:
        assert "bdf" in switched
        assert len(switched) == 6 if name == "van der Pol" else len(switched) == 2  # to Adams and back at each of the two jumps
    else:
        assert switched == ["adams"] and stats.njev == stats.nlu == 0


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("name", ["HIRES", "Prothero-Robinson", "E5", "van der Pol"])
def test_errors(name, rtol):
    """At most 100 tolerances at the end; van der Pol's phase grows errors by some hundreds (bdf alone: the same bar)."""
    from refnode_validation.stiff.catalog import error

    problem = STIFF[name]
    sol = rn.solve(problem.f, problem.z0, problem.ts, method="lsoda", rtol=rtol, atol=rtol * problem.small)
    assert max(error(name, i, sol.zs[i]) for i in range(1, len(problem.ts))) < 100 * rtol * (10 if name == "van der Pol" else 1)


# The hand-over

def relaxing(z, t, _):
    """Stiff from the start: rate 1e4 towards cos t."""
    return -1e4 * (z - np.cos(t))


def pulse(z, t, _):
    """Stiff up to t = 1 and from 3 on, not stiff in between; smooth."""
    rate = 1e4 * (1 + np.tanh(20 * (abs(t - 2) - 1))) / 2
    return np.array([z[1] - rate * (z[0] - np.cos(t)), -z[0] + 0 * t])


def test_nothing_starts_anew_behind_a_switch():
    """BDF's first step has RATIO times the size of Adams' last, Adams' has that of BDF's; the estimate, which promised an error below the allowed
    one on the steps before, is right to a factor of 2."""
    for f, z0, t1 in ((relaxing, [1.0], 5.0), (pulse, [1.0, 0.0], 4.5)):
        _, steps = start(f, np.array(z0), 0.0, t1, (), rn.Stats().forward, method="lsoda", rtol=1e-5, atol=1e-7)
        steps.attempts = []
        with quiet():
            for _ in steps:
                pass
        assert len(steps.switches) == (2 if f is relaxing else 4)
        attempts = steps.attempts
        for t, name in steps.switches[1:]:
            i = next(i for i, attempt in enumerate(attempts) if attempt[0] == t)
            before, behind = attempts[i - 1], attempts[i]
            assert behind[2] < 2
            assert behind[1] > (0.9 * RATIO / 2 if name == "bdf" else 0.9) * before[1]  # Adams may have been about to halve its step
            assert name == "bdf" or behind[4] == before[4]


def van_der_pol_5(z, t, _):
    """Hardly stiff: at loose tolerances both methods are as good."""
    return np.array([z[1], 5 * (1 - z[0] ** 2) * z[1] - z[0]])


@pytest.mark.parametrize(("f", "z0", "t1", "rtol"), [(pulse, [1.0, 0.0], 4.5, 1e-5), (van_der_pol_5, [2.0, 0.0], 50.0, 1e-3)])
def test_switches_wait(f, z0, t1, rtol):
    """At least 2 RATIO steps of Adams, and STAY of BDF, between two switches; Adams' looks after each LOOK steps."""
    _, steps = start(f, np.array(z0), 0.0, t1, (), rn.Stats().forward, method="lsoda", rtol=rtol, atol=rtol / 100)
    steps.adams.not_finite = 7
    at_work = []
    with quiet():
        for step in steps:
            at_work.append("bdf" if isinstance(steps.now, BdfSteps) else "adams")
            assert (type(step).__name__ == "BdfStep") == (at_work[-1] == "bdf")
    runs = [(name, len(list(run))) for name, run in itertools.groupby(at_work)]
    assert [name for name, _ in runs] == [name for _, name in steps.switches] and len(runs) >= 4
    for name, count in runs[:-1]:
        assert count >= (2 * RATIO if name == "adams" else STAY) and (name == "bdf" or count % LOOK == 0)
    assert steps.now.not_finite == 7  # and so the trial steps that ended in NaN are those of the whole solve


def test_bdf_stays_for_twenty_steps(monkeypatch):
    """Where any size is small enough for Adams, BDF goes as soon as it may."""
    monkeypatch.setattr(lsoda, "STABLE", math.inf)
    _, steps = start(pulse, np.array([1.0, 0.0]), 0.0, 2.5, (), rn.Stats().forward, method="lsoda", rtol=1e-5, atol=1e-7)
    with quiet():
        at_work = [isinstance(steps.now, BdfSteps) for _ in steps]
    runs = [len(list(run)) for name, run in itertools.groupby(at_work) if name]
    assert len(runs) > 1 and set(runs[:-1]) == {STAY}


def test_a_saved_solve_goes_on_to_the_same_bits():
    """With differences, whose step sizes are part of what must be saved, even while Adams is at work: that of the second component, on which
    nothing depends, grows with every Jacobian."""
    def f(z, t, theta):
        dz = pulse(z, t, theta)
        return np.array([dz[0] - z[1], dz[1]])

    whole = rn.Stepper(f, np.array([1.0, 0.0]), 0.0, 4.5, method="lsoda", jac="differences", rtol=1e-5, atol=1e-7)
    saved, steps = [], []
    for step in whole:
        steps.append(step)
        saved.append(whole.state())
    assert {str(state["at_work"]) for state in saved} == {"adams", "bdf"}
    for i in range(3, len(steps), 17):
        again = rn.Stepper(f, np.array([1.0, 0.0]), 0.0, 4.5, state=saved[i], method="lsoda", jac="differences", rtol=1e-5, atol=1e-7)
        for j, step in enumerate(steps[i + 1:i + 40], i + 1):
            np.testing.assert_array_equal(again.step().z1, step.z1)
            found = again.state()
            assert found.keys() == saved[j].keys()
            for name, value in found.items():
                np.testing.assert_array_equal(value, saved[j][name], err_msg=name)


def test_stops_are_those_of_the_method_at_work():
    for t_stop in (2e-3, 0.5):  # before the switch to BDF, and behind it
        _, steps = start(pulse, np.array([1.0, 0.0]), 0.0, 4.5, (), rn.Stats().forward, method="lsoda", rtol=1e-5, atol=1e-7)
        steps.stop_within(t_stop)
        with quiet():
            ends = [step.t1 for step in itertools.takewhile(lambda step: step.t1 <= t_stop, steps)]
        assert ends[-1] == t_stop and len(steps.switches) == (1 if t_stop < 0.003 else 2)


def test_jumps_and_events_make_the_method_at_work_begin_anew():
    f = lambda z, t, _: -1e4 * (z - (1.0 if t < 1 else -1.0))
    sol = rn.solve(f, np.array([0.0]), [0, 0.999, 1, 1.1, 2], method="lsoda", jump_ts=[1.0], dense=True)
    assert 1.0 in sol.t_steps
    np.testing.assert_allclose(sol.zs[1:, 0], [1, 1, -1, -1], atol=1e-5)
    _, steps = start(f, np.array([0.0]), 0.0, 2.0, (), rn.Stats().forward, method="lsoda", jump_ts=[1.0])
    with quiet():
        assert next(step for step in steps if step.t1 == 1.0)
    assert steps.count == 0 and len(steps.past) == 1  # what was before the jump is forgotten
    dose = rn.Event(lambda z, t, _: t - 0.5, reset=lambda z, t, _: z + 1)
    sol = rn.solve(relaxing, np.array([1.0]), [0, 0.5, 0.6, 2], method="lsoda", events=[dose])
    np.testing.assert_allclose(sol.zs[1:, 0], np.cos([0.5, 0.6, 2]), atol=2e-4)
    assert len(sol.events[0]) == 1


def test_max_step_and_max_steps_hold_for_both():
    sol = rn.solve(relaxing, np.array([1.0]), [0, 0.2], method="lsoda", max_step=1e-4, dense=True)
    assert np.diff(sol.t_steps).max() <= 1e-4 * (1 + 1e-9)  # where BDF has nothing to gain: no switch
    assert {type(step).__name__ for step in sol._steps} == {"AdamsStep"}
    whole = rn.solve(relaxing, np.array([1.0]), [0, 5], method="lsoda", dense=True)
    tries = len(whole.attempts)
    assert rn.solve(relaxing, np.array([1.0]), [0, 5], method="lsoda", max_steps=tries).status == 0
    with pytest.raises(rn.MaxStepsReached, match=f"max_steps = {tries - 1}"):
        rn.solve(relaxing, np.array([1.0]), [0, 5], method="lsoda", max_steps=tries - 1)


@settings(max_examples=10, deadline=None)
@given(st.floats(1.0, 6.0), st.sampled_from([-1, 1]))
def test_backwards_and_forwards(log_rate, direction):
    """z' = -s rate (z - cos t) from 0 to 3 s: one problem in both directions, as cos is even. Rounding errors of t change the sizes a little."""
    rate = 10**log_rate
    f = lambda z, t, _: -direction * rate * (z - np.cos(t))
    steps, _, stats = steps_of(f, [1.0], 0.0, direction * 3.0)
    mirrored, _, other = steps_of(lambda z, t, _: -rate * (z - np.cos(t)), [1.0], 0.0, 3.0)
    assert stats.nfe == other.nfe
    np.testing.assert_allclose([s.t1 for s in steps], [direction * s.t1 for s in mirrored], rtol=1e-6)


def test_float32_and_complex():
    sol = rn.solve(relaxing, np.array([1.0], np.float32), [0, 1], method="lsoda", rtol=1e-3, atol=1e-4)
    assert sol.zs.dtype == np.float32 and abs(sol.zs[-1, 0] - math.cos(1)) < 1e-2
    sol = rn.solve(lambda z, t, _: (1j - 1e3) * (z - np.exp(1j * t)) + 1j * np.exp(1j * t), np.array([0j]), [0, 1], method="lsoda",
                   jac="differences")
    np.testing.assert_allclose(sol.zs[-1], np.exp(1j), rtol=1e-4)
