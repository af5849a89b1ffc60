"""gradient="reversible": the derivative of the discrete map by steps taken back, and the refusal where that cannot be done."""

import gc
import itertools
import math
import tracemalloc
import warnings

import numpy as np
import pytest
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import backward, forward
from refnode_validation.verdicts import KAPPA_INTERPOLATED, allowed_error

import refnode as rn
from refnode.gradients.reversible import Record, reversible, steps_taken
from refnode.gradients.trust import Trust
from refnode.ode.tableaus import TABLEAUS
from refnode.tree import Raveler, leaves
from tests.gradients.test_odeint import TS, WEIGHTS, Z0, contracting, contracting_observed
from tests.zoo import FORCED_THETA, autonomous_mlp, forced, mlp_parameters

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
EPS = 2.2e-16
METHODS = [*TABLEAUS, "alf", "reversible_heun"]
ADAPTIVE = [name for name in METHODS if name in ("alf", "reversible_heun") or TABLEAUS[name].b_hat]


def loss(z0, ts, theta, weights=WEIGHTS, **keywords):
    return np.sum(weights * rn.odeint(forced, z0, ts, theta, gradient="reversible", **keywords))


def complex_step(name, damping, times, ts, x0, theta, direction):
    """d/ds of the loss along `direction` in (z0, theta), through the same forward map at the same step ends, in complex numbers."""
    s = 1e-30j
    z, theta = x0 + s * direction[:2], theta + s * direction[2:]
    method = reversible(name, Raveler(z), z, damping, abs(times[-1] - times[0]))
    f = lambda z, t, out: np.copyto(out, forced(z, t, theta))
    method.start(f, z, times[0])
    total, reached, sign = WEIGHTS[0] @ z, 1, math.copysign(1.0, times[-1] - times[0])
    for i, (t, t1) in enumerate(itertools.pairwise(times)):
        if i:
            method.go_on(f, z, t)
        z1, _ = method.try_step(f, z, t, t1)
        while reached < len(ts) and sign * (ts[reached] - t1) <= 0:
            total = total + WEIGHTS[reached] @ method.step(f, z, t, z1, t1)(np.array([ts[reached]]))[0]
            reached += 1
        z = z1
    return total.imag / 1e-30


@pytest.mark.filterwarnings("ignore::refnode.ReconstructionWarning")  # 65 steps of Euler's method are apart by their errors
@pytest.mark.parametrize("direction", [1, -1], ids=["forwards", "backwards"])
@pytest.mark.parametrize(("name", "keywords"), [  # with 13 and 65 steps TS[2] is on the end of one, inside of the solve
    *((name, {"steps": 65 if name == "euler" else 13}) for name in METHODS), *((name, {"rtol": 1e-4, "atol": 1e-4}) for name in ADAPTIVE)])
@pytest.mark.parametrize("damping", [0.0, 10.0])
def test_the_gradient_is_the_derivative_of_the_discrete_map(name, keywords, direction, damping):
    """By complex steps of 1e-30, at fixed step ends: to rounding errors, which lam = e^{-damping |h| / T} multiplies by e^damping on the way back."""
    ts = TS[::direction]
    keywords = keywords | {"method": name, "damping": damping}
    record = Record(damping)
    forward_only = {key: value for key, value in keywords.items() if key != "damping"}
    steps_taken(forced, Z0, ts, FORCED_THETA, stats=rn.Stats(), record=record, **forward_only)
    times = np.array(record.pieces[0].times)
    dz0, dtheta = rn.grad(lambda z0, theta: loss(z0, ts, theta, **keywords), (0, 1))(Z0, FORCED_THETA)
    wanted = [complex_step(name, damping, times, ts, Z0, FORCED_THETA, unit) for unit in np.eye(6)]
    np.testing.assert_allclose([*dz0, *dtheta], wanted, rtol=0, atol=1e-12 + 100 * EPS * math.exp(damping))


SECOND_ORDER = ("P03", "P10", "P27", "P28")  # the problems of alf and reversible_heun, which take hundreds of steps
MAY_BE_REFUSED = {"dopri5": (), "alf": (), "reversible_heun": ("P27",)}  # it contracts by e^20: the second state strays


@pytest.mark.parametrize("turn", [forward, backward])
@pytest.mark.parametrize(("method", "rtol"), [("dopri5", 1e-4), ("dopri5", 1e-7), pytest.param("dopri5", 1e-10, marks=pytest.mark.slow),
                                              ("alf", 1e-5), ("reversible_heun", 1e-5)])  # the slow one by `refnode validate` as well
def test_closed_forms(method, rtol, turn):
    """The problems of the catalogue, within the error that the conformance suite allows, without a warning."""
    for name in problems() if method == "dopri5" else SECOND_ORDER:
        problem, task = problems()[name], turn(problems()[name])
        f = lambda z, t, theta, problem=problem: problem.rhs(np, z, t, theta)
        keywords = {"gradient": "reversible", "method": method, "rtol": rtol, "atol": rtol / 100, "max_steps": 3000}
        try:
            zs, back = rn.pullback(lambda *x, f=f, keywords=keywords: rn.odeint(f, *x, **keywords), task.z0, task.ts, problem.theta)
        except rn.SolverError:
            assert name in MAY_BE_REFUSED[method]
            continue
        dz0, dts, dtheta = back(task.weights)
        assert np.abs(zs - task.values).max() <= allowed_error(task.values, rtol, rtol / 100, task.value_gamma, KAPPA_INTERPOLATED), name
        for key, found in (("dL/dz0", dz0), ("dL/dt", dts), ("dL/dtheta", dtheta)):
            exact = task.gradients[key]
            allowed = allowed_error(exact, rtol, rtol / 100, task.gradient_gamma, KAPPA_INTERPOLATED)
            assert np.abs(found - exact).max() <= allowed, (name, key)


def ladder(lam, n, **keywords):
    """dL/dlam of the contracting problem from 0 to 10 with n observations, and the exact one."""
    ts, weights = np.linspace(0, 10, n), np.cos(7 * np.arange(n))
    exact = rn.grad(lambda lam: weights @ contracting_observed(lam, ts))(lam)
    return rn.grad(lambda lam: weights @ rn.odeint(contracting, 1.0, ts, lam, gradient="reversible", **keywords))(lam), exact


@pytest.mark.parametrize("n", [2, 11, 101])
@pytest.mark.parametrize("method", ["dopri5", "alf", "reversible_heun"])
def test_a_contracting_problem_is_refused(method, n):
    """lam = 50: dopri5's pair comes apart by e^{50 t - t}; alf and reversible_heun take ever smaller steps."""
    with pytest.raises((rn.ReconstructionError, rn.MaxStepsReached, rn.StepSizeUnderflow)) as refused:
        ladder(50.0, n, method=method, rtol=1e-6, atol=1e-6, max_steps=3000)
    assert any("gradient='discrete'" in text for text in (str(refused.value), *getattr(refused.value, "__notes__", ())))
    assert method != "dopri5" or isinstance(refused.value, rn.ReconstructionError)


@pytest.mark.parametrize("keywords", [*({"rtol": tol, "atol": tol} for tol in (1e-3, 1e-6, 1e-9)), {"steps": 200}], ids=str)
@pytest.mark.parametrize("n", [2, 11])
def test_no_wrong_number_without_a_mark(n, keywords):
    """From harmless to hopeless: an answer without warning is within 100 tolerances (times the n weights of size 1)."""
    answered = []
    for lam in (0.3, 1.0, 1.2, 1.5, 1.8, 2.1, 2.5, 3.0, 5.0, 10.0):
        with warnings.catch_warnings():
            warnings.simplefilter("error", rn.ReconstructionWarning)
            try:
                found, exact = ladder(lam, n, **keywords)
            except (rn.ReconstructionError, rn.ReconstructionWarning):
                continue
        answered.append(lam)
        assert abs(found - exact) <= 100 * n * keywords.get("rtol", 1e-4)
    assert answered[:2] == [0.3, 1.0]
    assert answered[-1] < 3.0


def test_jump_ts_begin_the_pair_anew():
    """lam = 50, T = 10, refused above, with 200 restarts: between two of them the parasitic solution grows by e^2.5. 11 weights of size 1."""
    found, exact = ladder(50.0, 11, rtol=1e-6, atol=1e-6, jump_ts=np.linspace(0, 10, 201))
    assert abs(found - exact) < 11 * 1e-6


def test_rounding_errors_on_the_way_back_are_seen():
    """damping = 45: 1 / lam^n = e^45 = 3.5e19 times eps; the forward solve is as good as ever."""
    stats = rn.Stats()
    with pytest.raises(rn.ReconstructionError, match="came back"):
        rn.grad(lambda z0: loss(z0, TS, FORCED_THETA, damping=45, stats=stats))(Z0)
    with pytest.warns(rn.ReconstructionWarning, match="came back"):  # e^31 eps = 6e-3, at the most 6e3 tolerances of 1e-6
        rn.grad(lambda z0: loss(z0, TS, FORCED_THETA, damping=31, stats=stats))(Z0)
    assert stats.reconstruction_error > 100
    stats = rn.Stats()
    rn.grad(lambda z0: loss(z0, TS, FORCED_THETA, stats=stats))(Z0)
    assert 0 < stats.reconstruction_error < 1e-2


@pytest.mark.parametrize("name", ["dopri5", "alf", "reversible_heun"])
@pytest.mark.parametrize("span", [(0.0, 2.0), (2.0, 0.0)])
def test_jumps_and_inputs(name, span):
    """z' = -u(t) z with u constant by pieces: ln z1 = ln z0 - integral of u; the knots' cotangents are u_{k-1} - u_k, with the direction's sign."""
    knots, values = np.array([-0.1, 0.4, 0.9, 1.3, 2.3]), np.array([0.3, -1.2, 0.8, 2.0, 0.7])
    u = rn.interpolate(knots, values, "constant")
    keywords = {"rtol": 1e-9, "atol": 1e-11} if name == "dopri5" else {"steps": 2000}
    sign = math.copysign(1.0, span[1] - span[0])
    for between in ([], [1.0], [0.9, 0.9, 1.1]):  # 0.9 is a knot
        ts = np.array(sorted([*span, *between], reverse=span[1] < span[0]))
        end = lambda u, ts: rn.odeint(lambda z, t, u: -u(t) * z, 1.5, ts, u, gradient="reversible", method=name, **keywords)[-1]
        by_u, by_ts = rn.grad(lambda u, ts, end=end: np.log(end(u, ts)), argnums=(0, 1))(u, ts)
        np.testing.assert_allclose(by_u.knots, -sign * np.array([0, *(values[:-1] - values[1:])[:-1], 0]), rtol=0, atol=1e-5)
        np.testing.assert_allclose(by_u.values, -sign * np.diff(np.clip(knots, 0, 2), append=2.0), rtol=0, atol=1e-5)
        wanted = np.zeros(len(ts))
        wanted[0], wanted[-1] = u(span[0]), -u(span[1])
        np.testing.assert_allclose(by_ts, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["constant", "linear", "cubic"])
def test_inputs_of_all_kinds_agree_with_the_adjoint(kind):
    rng = np.random.default_rng(5)
    theta = {"W": rng.normal(size=(2, 2)), "u": rn.interpolate([-0.1, 0.0, 0.4, 0.9, 1.7], rng.normal(size=5), kind)}
    f = lambda z, t, theta: np.tanh(theta["W"] @ z) * theta["u"](t) - 0.3 * z
    solved = lambda theta, gradient: rn.odeint(f, [0.3, -0.5], [0.0, 0.4, 1.0, 1.5], theta, gradient=gradient, jump_ts=[0.7, 1.5], **TIGHT)
    gradients = [rn.grad(lambda theta, g=g: np.sum(np.sin(solved(theta, g))))(theta) for g in ("adjoint", "reversible")]
    for one, other in zip(leaves(gradients[0]), leaves(gradients[1]), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", ["dopri5", "alf", "reversible_heun"])
def test_second_derivatives(name):
    """Hessian-vector products in (z0, ts, theta) agree with those of the adjoint; at fixed step ends, the times included."""
    v = (np.array([0.3, -0.7]), np.array([0.1, -0.2, 0.3, 0.15]), np.array([0.2, 0.1, -0.5, 0.4]))
    wanted = rn.hvp(lambda *x: np.sum(WEIGHTS * rn.odeint(forced, x[0], x[1], x[2], **TIGHT)), (Z0, TS, FORCED_THETA), v)
    keywords = TIGHT if name == "dopri5" else {"steps": 150}
    found = rn.hvp(lambda *x: loss(*x, method=name, **keywords), (Z0, TS, FORCED_THETA), v)
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(one - other).max() < (1e-8 if name == "dopri5" else 1e-3)  # h = 8.7e-3: h^2 times constants below 10


def test_second_derivatives_by_knots_are_refused():
    u = rn.interpolate([0.0, 0.5], [1.0, 2.0], "constant")
    value = lambda u: rn.ODESolve(1.0, lambda z, t, u: -u(t) * z, 0.0, 1.0, u, gradient="reversible")
    with pytest.raises(rn.TraceError, match="knots of a constant input"):
        rn.hvp(value, (u,), (u,))


@pytest.mark.parametrize("name", ["dopri5", "alf", "reversible_heun"])
def test_one_time_equal_times_and_repeated_times(name):
    keywords = {"method": name, "rtol": 1e-6, "atol": 1e-6}
    for ts in (np.array([0.3]), np.array([0.3, 0.3, 0.3])):
        weights = np.arange(1.0, 1 + 2 * len(ts)).reshape(-1, 2)
        dz0, dts, dtheta = rn.grad(lambda *x: loss(*x, weights=weights, **keywords), (0, 1, 2))(Z0, ts, FORCED_THETA)
        assert np.array_equal(dz0, weights.sum(0))
        assert not dtheta.any()
        assert abs(dts.sum()) < 1e-12  # dL/dt_0 = -(g_1 + g_2) . f, and dL/dt_i = g_i . f at the same point
    gradient = rn.grad(lambda z: np.sum(rn.odeint(lambda z, t, _: -z, z, [0, 0, 0.5, 0.5, 1, 1], gradient="reversible", **keywords)))(1.0)
    assert abs(gradient - (2 + 2 * np.exp(-0.5) + 2 * np.exp(-1))) < 1e-5


def test_time_gradients_by_definition():
    """dL/dt_i = g_i . f(z_i, t_i), dL/dt_0 = -a(t_0) . f(z_0, t_0), where dL/dz(t_0) does not enter."""
    zs = rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="reversible")
    dz0, dts = rn.grad(lambda z0, ts: loss(z0, ts, FORCED_THETA), (0, 1))(Z0, TS)
    wanted = [-(dz0 - WEIGHTS[0]) @ forced(Z0, TS[0], FORCED_THETA), *(w @ forced(z, t, FORCED_THETA) for w, z, t in zip(WEIGHTS[1:], zs[1:], TS[1:],
                                                                                                                         strict=True))]
    np.testing.assert_allclose(dts, wanted, rtol=0, atol=1e-14)


def test_trees_static_leaves_and_unused_parameters():
    def f(z, t, theta):
        return {"x": theta["A"] @ z["x"], "y": (theta["rates"][0] * z["y"][0],)}

    theta = {"A": np.array([[0.0, 1.0], [-1.0, -0.1]]), "rates": [-0.5, 3.0], "kind": "linear", "unused": np.ones((2, 3)), "count": 7, "none": None}
    z0 = {"x": Z0, "y": (np.array(2.0),)}
    for method in ("dopri5", "alf", "reversible_heun"):
        keywords = {"rtol": 1e-9, "atol": 1e-11} if method == "dopri5" else {"steps": 2000}
        zs, back = rn.pullback(lambda z0, theta: rn.odeint(f, z0, TS, theta, gradient="reversible", method=method, **keywords), z0, theta)
        dz0, dtheta = back({"x": WEIGHTS, "y": (np.array([0.0, 0.0, 0.0, 1.0]),)})
        T = TS[-1] - TS[0]
        assert zs["x"].shape == (4, 2)
        assert abs(dz0["y"][0] - np.exp(-0.5 * T)) < 1e-6
        assert abs(dtheta["rates"][0] - T * 2 * np.exp(-0.5 * T)) < 1e-6
        assert dtheta["rates"][1] == 0
        assert np.array_equal(dtheta["unused"], np.zeros((2, 3)))
        assert dtheta["kind"] is dtheta["count"] is dtheta["none"] is None


def test_lists_of_numbers_and_float32():
    gradient = rn.grad(lambda z0: np.sum(WEIGHTS * rn.odeint(forced, z0, list(TS), FORCED_THETA, gradient="reversible")))([0.5, -0.4])
    assert isinstance(gradient, list)
    exact = rn.grad(lambda z0: loss(z0, TS, FORCED_THETA))(Z0)
    np.testing.assert_array_equal(gradient, exact)
    single = rn.grad(lambda z0: loss(z0, TS, FORCED_THETA, rtol=1e-4, atol=1e-4))(Z0.astype(np.float32))
    assert single.dtype == np.float32
    assert np.abs(single - exact).max() < 1e-2  # e^10 eps of float32 = 2.6e-3 times weights below 3, and the tolerance


@pytest.mark.parametrize("name", ["dopri5", "alf", "reversible_heun"])
def test_statistics_count_every_call(name):
    seen = []

    def f(z, t, theta):
        seen.append(t)
        return forced(z, t, theta)

    stats = rn.Stats()
    rn.grad(lambda z: np.sum(WEIGHTS * rn.odeint(f, z, TS, FORCED_THETA, gradient="reversible", method=name, rtol=1e-5, atol=1e-5, stats=stats)))(Z0)
    assert stats.forward.nfe + stats.backward.nfe == len(seen)
    assert stats.backward.nvjp == stats.backward.nfe - len(TS)  # dL/dt_i evaluates f once each
    assert min(seen) >= TS[0]
    assert max(seen) <= TS[-1]
    n, inside = stats.forward.accepted, len(TS) - 2
    if name == "dopri5":  # 7 + 6 a step forward (1 less where it is tried again); back: two steps of 6, and a seventh stage for an interpolant
        assert stats.backward.nfe == 12 * n + inside + len(TS)
        assert stats.forward.nfe == 13 * n + 12 * stats.forward.rejected + 1  # 1: for the starting step
    else:  # one a step, and f(z_0) (alf) or f(w_N) (reversible_heun)
        assert stats.backward.nfe == n + 1 + len(TS)


def test_wrong_arguments():
    for keywords, words in (({"method": "leapfrog", "steps": 3}, "leapfrog"), ({"method": "adams"}, "whose steps can be taken back, not for 'adams'"),
                            ({"backward_rtol": 1e-3}, "has no backward_rtol"), ({"damping": -1}, "damping must be a finite number"),
                            ({"damping": math.inf}, "damping must be")):
        with pytest.raises(ValueError, match=words):
            loss(Z0, TS, FORCED_THETA, **keywords)
    with pytest.raises(TypeError, match="damping"):
        rn.odeint(forced, Z0, TS, FORCED_THETA, damping=3)
    with pytest.raises(TypeError, match="complex"):
        rn.grad(lambda theta: np.sum(rn.odeint(lambda z, t, theta: theta * z, Z0 + 0j, TS, theta, gradient="reversible").real))(1.0)


def test_a_failure_names_the_part_that_is_right():
    with pytest.raises(rn.MaxStepsReached) as failure:
        rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="reversible", rtol=1e-9, max_steps=8)
    ts, zs = failure.value.partial
    assert len(ts) == len(zs) < 4
    np.testing.assert_array_equal(zs[0], Z0)


def test_memory_is_flat():
    """50 times more steps: within 1.2. The parameters are 128 KB each: Python keeps up to 0.2 MB of small objects for reuse, and they count."""
    rng = np.random.default_rng(0)
    (W1, _, b1), (W2, b2) = mlp_parameters(rng, 128, 128, scale=0.05)
    theta, z0 = ((W1, b1), (W2, b2)), rng.normal(size=128)

    def peak(method, steps):
        keywords = {"gradient": "reversible", "method": method, "steps": steps}
        gc.disable()  # no cycles: nothing waits for it
        tracemalloc.start()
        rn.grad(lambda z: np.sum(rn.ODESolve(z, autonomous_mlp, 0.0, 1.0, theta, **keywords)))(z0)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        gc.enable()
        return found

    for method in ("rk4", "alf", "reversible_heun"):
        peak(method, 1)  # what is made once
        assert peak(method, 200) <= 1.2 * peak(method, 4)


def test_the_forward_solve_alone_is_refused_too():
    with pytest.raises(rn.ReconstructionError, match="the two parts of the state were"):
        rn.odeint(contracting, 1.0, [0.0, 10.0], 50.0, gradient="reversible")


def test_each_number_that_trust_looks_at():
    """On a state (1, 0) with rtol 1e-6: 4e-4 is 141 tolerances in the root mean square, 0.02 more than 1 % of max |z|."""
    def trust(seen=0.0):
        found, method = Trust(Raveler(np.zeros(2)), {"rtol": 1e-6, "atol": 1e-6}, rn.Stats()), reversible("rk4", None, np.zeros(2), 0.0, 1.0)
        method.w1[:] = [1 - seen, 0]
        found.forward(method, 0.1, np.array([1.0, 0.0]), 0.5)
        return found

    z, zero = np.array([1.0, 0.0]), np.zeros(2)
    def judged(look, size):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = trust()
            look(found, size)
            found.warn()
        return found

    looks = {"returned": lambda t, size: t.returned([z, z + [size, 0]], z, 0.0), "backward": lambda t, size: t.backward(np.array([size, 0]), z, 0.0)}
    for look in looks.values():
        for size, outcome in ((4e-4, rn.ReconstructionWarning), (0.02, rn.ReconstructionError)):
            with pytest.raises(outcome, match="came back"):
                judged(look, size)
        assert judged(look, 1e-6).stats.reconstruction_error == pytest.approx(1e-6 / 2e-6 / math.sqrt(2))  # atol + rtol |z| = 2e-6
    found = trust(1e-4)
    found.backward(np.array([1e-4, 0.0]), z, 0.0)  # as far apart as it was
    assert found.stats.reconstruction_error < 1e-9
    with pytest.raises(rn.ReconstructionError, match="were"):
        trust(0.05)
    found.given(np.array([1.0, 0.0]), zero)
    found.growth(np.array([4.0, 0.0]), np.array([-4.0, 0.0]), 0.0)
    with pytest.raises(rn.ReconstructionError, match="1e\\+05 times"):
        found.growth(np.array([5e4, 0.0]), np.array([-5e4, 0.0]), 0.0)
