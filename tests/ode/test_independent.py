"""independent=True: each row of a batch with steps of its own, the same to the last bit alone and in any company."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refnode as rn
from refnode.ode.solve import solve

METHODS = ["heun", "bosh3", "dopri5", "dopri5_shampine", "tsit5"]


def van_der_pol(z, t, mu):
    q, p = z[..., :1], z[..., 1:]
    return np.concatenate([p, mu * (1 - q * q) * p - q + np.cos(t)], axis=-1)


def pendulum(z, t, theta):
    q, p = z[..., :1], z[..., 1:]
    return np.concatenate([p, -theta * np.sin(q) + 0.3 * np.cos(t)], axis=-1)


def starts(B, seed=0):
    return np.random.default_rng(seed).normal(size=(B, 2))


@pytest.mark.parametrize("span", [(0.0, 5.0), (1.0, -4.0)], ids=["forwards", "backwards"])
@pytest.mark.parametrize("method", METHODS)
def test_each_row_takes_the_steps_of_a_solve_of_its_own(method, span):
    """Evaluations, steps and rejections are those of `solve`. Sums are in another order: an error estimate, a difference of size tol, changes by some
    50 eps / tol of itself (tests/ode/test_against_scipy.py), and so do the sizes of some 20 steps."""
    z0, ts = starts(7), np.linspace(*span, 6)
    rows = rn.solve(pendulum, z0, ts, 2.0, method=method, rtol=1e-5, independent=True)
    assert rows.zs.shape == (6, 7, 2) and rows.status.tolist() == [0] * 7
    for i in range(7):
        alone = solve(pendulum, z0[i], ts, 2.0, method=method, rtol=1e-5)
        assert (rows.stats.nfe[i], rows.stats.accepted[i], rows.stats.rejected[i]) == (alone.stats.nfe, alone.stats.accepted, alone.stats.rejected)
        np.testing.assert_allclose(rows.t_steps[i], alone.t_steps, rtol=0, atol=20 * 50 * 2.2e-16 / 1e-5 * 5)
        np.testing.assert_allclose(rows.zs[:, i], alone.zs, rtol=0, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_same_bits_in_any_company(data):
    """An elementwise f: result, steps and statistics of a row do not depend on who else is there, how many, and in which order."""
    def f(z, t, theta):
        return np.sin(theta * t) * np.tanh(z) - 0.5 * z * np.exp(-z * z) + z[..., ::-1] * 0.1

    B, n = data.draw(st.integers(2, 40)), data.draw(st.integers(1, 9))
    z0 = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(B, n)) * 3
    method = data.draw(st.sampled_from(METHODS))
    norm = data.draw(st.sampled_from(["rms", "max"]))
    ts = np.linspace(0.0, data.draw(st.floats(0.1, 6.0)), 4)
    how = {"method": method, "rtol": 1e-4, "norm": norm, "independent": True}
    whole = rn.solve(f, z0, ts, 1.3, **how)
    chosen = data.draw(st.permutations(range(B)))[: data.draw(st.integers(1, B))]
    part = rn.solve(f, z0[chosen], ts, 1.3, **how)
    for place, i in enumerate(chosen):
        assert part.zs[:, place].tobytes() == whole.zs[:, i].tobytes()
        assert part.t_steps[place].tobytes() == whole.t_steps[i].tobytes()
        assert [getattr(part.stats, name)[place] for name in ("nfe", "accepted", "rejected")] == [
            getattr(whole.stats, name)[i] for name in ("nfe", "accepted", "rejected")]


def test_matrix_products():
    """z @ W rounds differently in batches of different size: to 1e-12 times the condition, here exp(L T) with L = |W1| |W2| below 3, T = 1."""
    rng = np.random.default_rng(3)
    W1, W2 = rng.normal(size=(3, 16)) / 4, rng.normal(size=(16, 3)) / 4
    z0 = rng.normal(size=(50, 3))

    def f(z, t, theta):
        return np.tanh(z @ W1) @ W2

    whole = rn.solve(f, z0, [0.0, 1.0], independent=True)
    for i in (0, 17, 49):
        alone = rn.solve(f, z0[i:i + 1], [0.0, 1.0], independent=True)
        assert np.abs(whole.zs[:, i] - alone.zs[:, 0]).max() < 1e-12 * math.exp(np.linalg.norm(W1, 2) * np.linalg.norm(W2, 2))
        assert whole.stats.accepted[i] == alone.stats.accepted[0]


def test_times_of_their_own():
    """z' = -z: each row has its observations, also in the other direction, repeated, on the ends, and a row with no way to go."""
    ts = np.array([[0.0, 1.0, 0.0, 2.0], [0.5, 0.3, 0.0, 2.0], [2.0, 0.0, 1.0, 2.0]])
    z0 = np.ones((4, 1))
    found = rn.solve(lambda z, t, theta: -z, z0, ts, rtol=1e-9, atol=1e-11, independent=True)
    np.testing.assert_allclose(found.zs[:, :, 0], np.exp(ts[0] - ts), rtol=1e-8)
    assert found.stats.nfe[3] == 0 and found.zs[0].tolist() == [[1.0]] * 4


def test_t_has_the_shape_of_the_batch():
    seen = []

    def f(z, t, theta):
        seen.append((z.shape, t.shape, t.flags.writeable, z.flags.writeable))
        return np.cos(t) + 0 * z

    rn.solve(f, np.zeros((3, 2, 2)), [0.0, 1.0], independent=True)
    assert set(seen) == {((3, 2, 2), (3, 1, 1), False, False)}
    found = rn.solve(lambda z, t, theta: np.cos(t), np.zeros(5), [0.0, 1.0], independent=True)
    np.testing.assert_allclose(found.zs[-1], math.sin(1.0), rtol=1e-6)


def test_trees():
    def f(z, t, theta):
        return {"q": z["p"], "p": -z["q"]}

    z0 = {"q": np.ones((4, 2)), "p": np.zeros((4, 2))}
    found = rn.solve(f, z0, [0.0, 1.0], independent=True, rtol=1e-8)
    np.testing.assert_allclose(found.zs["q"][-1], math.cos(1.0), rtol=1e-7)
    alone = solve(f, {"q": np.ones(2), "p": np.zeros(2)}, [0.0, 1.0], rtol=1e-8)
    assert found.stats.accepted.tolist() == [alone.stats.accepted] * 4


def test_a_row_that_fails_leaves_the_others_alone():
    """z' = z^2 blows up at 1 / z0: rows 1 and 3 before t = 1."""
    z0 = np.array([[0.5], [2.0], [-1.0], [1.5]])

    def f(z, t, theta):
        return z * z

    found = rn.solve(f, z0, [0.0, 0.25, 1.0], independent=True, throw=False)
    assert found.status.tolist() == [0, -1, 0, -1]
    np.testing.assert_allclose(found.zs[:, 2, 0], [-1.0, -1 / 1.25, -0.5], rtol=1e-5)
    np.testing.assert_allclose(found.zs[1, :, 0], [1 / 1.75, 4.0, -1 / 1.25, 1.5 / 0.625], rtol=1e-4)
    assert np.isnan(found.zs[2, [1, 3]]).all() and found.stats.nfe.max() < 10_000
    assert "t = 0.49" in found.messages[1] or "t = 0.5" in found.messages[1]
    good = rn.solve(f, z0[[0, 2]], [0.0, 0.25, 1.0], independent=True)
    assert good.zs.tobytes() == found.zs[:, [0, 2]].tobytes()
    with pytest.raises(rn.SolverError, match="2 of 4 rows failed, first row 1: ") as caught:
        rn.solve(f, z0, [0.0, 0.25, 1.0], independent=True)
    np.testing.assert_array_equal(caught.value.partial[1], found.zs)


@pytest.mark.parametrize(("f", "kind"), [
    (lambda z, t, theta: z * np.nan, rn.NonFiniteDynamics), (lambda z, t, theta: np.sqrt(1 - z) + 1, rn.NonFiniteDynamics),
    (lambda z, t, theta: -1e6 * z, rn.MaxStepsReached)])
def test_kinds_of_failure(f, kind):
    with np.errstate(invalid="ignore"), pytest.raises(kind):
        rn.solve(f, np.full((2, 1), 0.5), [0.0, 3.0], independent=True, max_steps=500)


@pytest.mark.parametrize(("f", "interact"), [
    (lambda z, t, theta: z - z.mean(axis=0), True), (lambda z, t, theta: z[::-1], True), (lambda z, t, theta: np.cumsum(z, axis=0), True),
    (lambda z, t, theta: z - z.mean(axis=1, keepdims=True), False), (lambda z, t, theta: np.tanh(z), False)])
def test_rows_that_interact_are_refused(f, interact):
    z0 = starts(6)
    if interact:
        with pytest.raises(ValueError, match="do not influence each other, but f at row"):
            rn.solve(f, z0, [0.0, 1.0], independent=True)
    else:
        rn.solve(f, z0, [0.0, 1.0], independent=True)


@pytest.mark.parametrize(("change", "words"), [
    ({"z0": 1.0}, "batch as their first axis"), ({"z0": (np.ones((2, 1)), np.ones((3, 1)))}, "of one length"), ({"z0": np.ones((0, 2))}, "one row"),
    ({"method": "dop853"}, "one error estimate"), ({"method": "radau5"}, "explicit Runge-Kutta"), ({"method": "rk4"}, "one error estimate"),
    ({"ts": np.zeros((2, 3))}, r"shape \(n,\) or \(n, 4\)"), ({"steps": 3}, "there is no argument 'steps'"), ({"events": []}, "'events'"),
    ({"ts": [[0.0, 1.0, 2.0, 0.0], [1.0, 0.0, 3.0, 1.0], [0.5, 2.0, 4.0, 2.0]]}, "increase or decrease")])
def test_wrong_calls(change, words):
    call = {"z0": starts(4), "ts": [0.0, 1.0]} | change
    with pytest.raises((ValueError, TypeError), match=words):
        rn.solve(lambda z, t, theta: z, **call, independent=True)


def test_statistics_of_the_batch():
    stats, calls = rn.Stats(), [0]

    def f(z, t, theta):
        calls[0] += 1
        return -z

    rows = rn.solve(f, starts(5), [0.0, 1.0], independent=True, stats=stats)
    assert stats.forward.nfe == rows.calls == calls[0]
    assert stats.forward.accepted == rows.stats.accepted.sum() and repr(rows).startswith("RowsSolution(5 rows, 0 of them failed")


@pytest.mark.slow
def test_a_batch_is_faster_than_its_rows():
    """At least 20 times for 256 rows; medians of 5, interleaved: pytest -m slow."""
    z0, ts = starts(256), np.linspace(0, 10, 11)

    def timed(call):
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    pairs = [(timed(lambda: [solve(van_der_pol, row, ts, 2.0) for row in z0]), timed(lambda: rn.solve(van_der_pol, z0, ts, 2.0, independent=True)))
             for _ in range(5)]
    assert np.median([alone / batch for alone, batch in pairs]) > 20
