"""Methods whose steps can be taken back: each formula, its inverse, and what leapfrog conserves."""

import itertools
import math

import numpy as np
import pytest

from refnode.ode.reversible import Alf, Leapfrog, ReversibleHeun
from refnode.ode.solve import solve
from refnode.tree import Raveler

EPS = 2.2e-16
A = np.array([[-0.1, 1.3, 0.2], [-1.1, 0.1, -0.4], [0.3, 0.5, -0.2]])


def field(z, t, out):
    """Nonlinear and non-autonomous; its Lipschitz constant is at most |A| < 1.8."""
    out[:] = np.sin(A @ z + t)


def pair_field(z, t, out):
    """dq/dt = v(p, t), dp/dt = g(q, t), with Lipschitz constants at most 1.3."""
    q, p = z[:2], z[2:]
    out[:2] = np.sin(p * [1.0, 1.3] + t)
    out[2:] = -np.sin(q[::-1] + 0.5 * t)


def steps_of(method, f, z, times):
    """The method along `times`, from (z, memory) at times[0] as `start` leaves it: the pairs (z, memory) on the way."""
    method.start(f, z, times[0])
    found = []
    for i, (t, t1) in enumerate(itertools.pairwise(times)):
        if i:
            method.go_on(f, z, t)
        z, _ = method.try_step(f, z, t, t1)
        found.append((z, [array.copy() for array in method.memory]))
    return found


CASES = {"alf": (Alf, field, np.array([0.3, -1.1, 0.7])), "reversible_heun": (ReversibleHeun, field, np.array([0.3, -1.1, 0.7])),
         "leapfrog": (Leapfrog, pair_field, np.array([0.4, -0.2, 1.1, 0.3]))}


@pytest.mark.parametrize("h", [0.05, -0.05])
@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name, h):
    """n steps, and back over the same times: each step back is the inverse of its step there, up to rounding errors.

    A step rounds some 10 numbers of size |z| + |h f| < 4, and errors grow by a factor of at most 1 + 2 |h| L in it: the 2 n steps
    make 2 n 10 4 eps e^(4 n |h| L), with n |h| = 1 and L = 1.8. What is carried as a slope (v, k) is rounded in units of z / h.
    """
    kind, f, z = CASES[name]
    method = kind(z, Raveler((z[:2], z[2:]) if kind is Leapfrog else z))
    carried = slice(2, None) if kind is Leapfrog else slice(None)  # of f at the end of a step, dp/dt alone
    n = 20
    bound = 2 * n * 10 * 4 * EPS * math.exp(4 * 1.8)
    times = 0.2 + h * np.arange(n + 1)
    there = steps_of(method, f, z, times)
    back = there[-1][0]
    for i in range(n, 0, -1):
        method.go_on(f, back, times[i])
        back, _ = method.try_step(f, back, times[i], times[i - 1])
        if i > 1:
            wanted, memory = there[i - 2]
            np.testing.assert_allclose(back, wanted, rtol=0, atol=bound)
            for found, array in zip(method.memory, memory, strict=True):
                np.testing.assert_allclose(found[carried], array[carried], rtol=0, atol=bound / abs(h))
    np.testing.assert_allclose(back, z, rtol=0, atol=bound)
    assert np.abs(there[-1][0] - z).max() > 0.3  # it went somewhere


@pytest.mark.parametrize("name", ["alf", "reversible_heun"])
def test_a_step_back_of_other_methods_is_not_the_inverse(name):
    """With the memory begun anew, as any one-step method would, the way back misses by O(h^3): the test above sees the difference."""
    kind, f, z = CASES[name]
    method = kind(z, Raveler(z))
    (z1, _), = steps_of(method, f, z, [0.2, 0.3])
    (back, _), = steps_of(method, f, z1, [0.3, 0.2])
    assert 1e-7 < np.abs(back - z).max() < 1e-2


def test_two_steps_of_alf_written_out():
    f = lambda z, t, _: np.array([np.sin(z[0] + 2 * t), z[0] * z[1]])
    z, t, h = np.array([0.3, 1.2]), 0.5, 0.2
    v, wanted, times = f(z, t, ()), [], [t]
    for t in (0.5, 0.7):
        u = f(z + h / 2 * v, t + h / 2, ())
        times.append(t + h / 2)
        v, before = 2 * u - v, v
        z = z + h / 2 * (before + v)
        wanted.append(z)
    seen = []
    sol = solve(lambda z, t, _: seen.append(t) or f(z, t, _), [0.3, 1.2], [0.5, 0.7, 0.9], method="alf", steps=2)
    np.testing.assert_allclose(sol.zs[1:], wanted, rtol=20 * EPS)
    np.testing.assert_allclose(seen, times, rtol=4 * EPS)


def test_two_steps_of_reversible_heun_written_out():
    f = lambda z, t, _: np.array([np.sin(z[0] + 2 * t), z[0] * z[1]])
    z, h = np.array([0.3, 1.2]), 0.2
    w, wanted = z, []
    for t in (0.5, 0.7):
        w1 = 2 * z - w + h * f(w, t, ())
        z, w = z + h / 2 * (f(w, t, ()) + f(w1, t + h, ())), w1
        wanted.append(z)
    seen = []
    sol = solve(lambda z, t, _: seen.append(t) or f(z, t, _), [0.3, 1.2], [0.5, 0.7, 0.9], method="reversible_heun", steps=2)
    np.testing.assert_allclose(sol.zs[1:], wanted, rtol=20 * EPS)
    np.testing.assert_allclose(seen, [0.5, 0.7, 0.9], rtol=4 * EPS)


def test_two_steps_of_leapfrog_written_out():
    """Kick, drift, kick, with times t, t + h/2, t + h."""
    v, g = lambda p, t: math.sin(p) + t, lambda q, t: -q**3 + math.cos(2 * t)
    q, p, h, wanted = 0.3, 1.2, 0.2, []
    for t in (0.5, 0.7):
        p += h / 2 * g(q, t)
        q += h * v(p, t + h / 2)
        p += h / 2 * g(q, t + h)
        wanted.append((q, p))
    f = lambda z, t, _: (np.sin(z[1]) + t, -(z[0] ** 3) + math.cos(2 * t))
    sol = solve(f, (np.array(0.3), np.array(1.2)), [0.5, 0.7, 0.9], method="leapfrog", steps=2)
    np.testing.assert_allclose(np.stack(sol.zs, axis=-1)[1:], wanted, rtol=20 * EPS)


@pytest.mark.parametrize("name", ["alf", "reversible_heun"])
def test_the_error_estimate_is_against_eulers_step(name):
    """A first step from t, on two leaves of the state: z1 - (z + h f(z, t)), up to the rounding errors of this difference."""
    kind, f, z = CASES[name]
    method = kind(z, Raveler(z))
    for h in (0.1, -0.1):
        v = method.start(f, z, 0.2).copy()
        z1, error = method.try_step(f, z, 0.2, 0.2 + h)
        np.testing.assert_allclose(error, z1 - (z + h * v), rtol=0, atol=10 * EPS)
        assert np.abs(error).max() > 1e-4


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("method", ["alf", "reversible_heun"])
def test_a_parabola_between_the_steps(method, backwards):
    """z' = a + b t, whose solution is a parabola: exact at the ends and inside, and continuous; z'' = c too large for Euler's step is seen."""
    ts = np.linspace(-0.4, 1.1, 17)[:: -1 if backwards else 1]
    z = lambda t: 0.3 + 2 * t - 1.5 * t * t
    sol = solve(lambda z, t, _: 2 - 3 * t + 0 * z, z(ts[0]), ts, method=method, steps=5, dense=True)
    np.testing.assert_allclose(sol.zs, z(ts), atol=100 * EPS)
    np.testing.assert_allclose(sol(ts), z(ts), atol=100 * EPS)


def test_adaptive_solves_of_a_tree():
    for method in ("alf", "reversible_heun"):
        ts = np.linspace(0.0, 2.0, 9)
        sol = solve(lambda z, t, _: {"a": -z["a"] * z["a"], "b": (np.cos(t) + 0 * z["b"][0],)}, {"a": np.ones(2), "b": (np.zeros(()),)}, ts,
                    method=method, rtol=1e-5, atol=1e-5)
        # the estimate is Euler's error, O(h^2), of a method of order 2: the global error is well below the tolerance
        np.testing.assert_allclose(sol.zs["a"], 1 / (1 + ts)[:, None] * np.ones(2), atol=1e-5)
        np.testing.assert_allclose(sol.zs["b"][0], np.sin(ts), atol=1e-5)


# leapfrog


def step_map(f, h):
    """(q, p) -> the state after one step."""
    return lambda z: np.concatenate([leaf[-1] for leaf in solve(f, (z[:2], z[2:]), [0.3, 0.3 + h], method="leapfrog", steps=1).zs])


@pytest.mark.parametrize("h", [0.3, -0.3])
def test_leapfrog_is_symplectic(h):
    """M^T J M = J for the Jacobian M of the step map; by complex steps of 1e-200, whose error is that of rounding M, twice."""
    f = lambda z, t, _: (z[1] * np.array([1.0, 0.7]) + t, -np.sin(z[0]) - 0.2 * z[0][::-1])  # H = T(p, t) + V(q)
    step = step_map(f, h)
    z = np.array([0.4, -1.2, 0.3, 0.8])
    M = np.array([step(z + 1e-200j * unit).imag / 1e-200 for unit in np.eye(4)]).T
    J = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])
    np.testing.assert_allclose(M.T @ J @ M, J, rtol=0, atol=50 * EPS)  # |M| < 2: 3 products with 4 terms each
    assert np.abs(M - np.eye(4)).max() > 0.1


def test_the_energy_of_a_pendulum_stays_bounded():
    """1e4 steps of 0.1. The modified energy H + h^2 (p^2 cos q / 12 - sin^2 q / 24) is conserved to O(h^4): H keeps within h^2 (4 / 12 + 1 / 24).

    Heun's method, of the same order, has left that band after a tenth of the way.
    """
    f = lambda z, t, _: (z[1], -np.sin(z[0]))
    H = lambda q, p: p * p / 2 - np.cos(q)
    h = 0.1
    ts = np.linspace(0.0, 10_000 * h, 10_001)
    q, p = solve(f, (np.array(1.2), np.array(0.0)), ts, method="leapfrog", steps=10_000).zs
    assert np.abs(H(q, p) - H(1.2, 0.0)).max() < h**2 * (4 / 12 + 1 / 24)
    assert abs(np.polyfit(ts, H(q, p), 1)[0]) * ts[-1] < 1e-5  # no drift: O(h^4) over oscillations of that band
    q, p = solve(f, (np.array(1.2), np.array(0.0)), ts[:1001], method="heun", steps=1000).zs
    assert np.abs(H(q, p) - H(1.2, 0.0)).max() > h**2 * (4 / 12 + 1 / 24)


def test_trees_of_positions_and_momenta():
    f = lambda z, t, _: ({"a": z[1]["a"], "b": z[1]["b"] / 2}, {"a": -z[0]["a"], "b": -z[0]["b"] + t})
    z0 = ({"a": np.array([1.0, 0.3]), "b": np.array(0.2)}, {"a": np.array([0.0, 0.5]), "b": np.array(1.0)})
    q, p = solve(f, z0, [0.0, 1.0], method="leapfrog", steps=100).zs
    np.testing.assert_allclose(q["a"][-1], np.cos(1) * z0[0]["a"] + np.sin(1) * z0[1]["a"], atol=1e-4)
    assert q["b"].shape == p["b"].shape == (2,)
    wanted = solve(lambda z, t, _: (z[1] / 2, -z[0] + t), (np.array(0.2), np.array(1.0)), [0.0, 1.0], method="leapfrog", steps=100).zs[0]
    np.testing.assert_array_equal(q["b"], wanted)


def test_float32_and_complex_states_of_leapfrog():
    f = lambda z, t, _: [z[1], -z[0]]
    for dtype in (np.float32, np.complex128):
        q, p = solve(f, [np.ones(2, dtype), np.zeros(2, dtype)], [0.0, 0.26, 1.0], method="leapfrog", steps=50, rtol=1e-4).zs
        assert q.dtype == p.dtype == dtype
        np.testing.assert_allclose(q[:, 0], np.cos([0.0, 0.26, 1.0]), atol=1e-4)


WRONG = {  # z0, f: words of the sentence
    "an array": (np.ones(2), lambda z, t, _: z, "leapfrog is for a state z = (q, p), a tuple of two arrays or of two trees, not a ndarray"),
    "a dict": ({"q": np.ones(1), "p": np.ones(1)}, lambda z, t, _: z, "not a dict"),
    "three entries": ((np.ones(1),) * 3, lambda z, t, _: z, "a tuple of two arrays or of two trees"),
    "other shapes": ((np.ones(1), np.ones(2)), lambda z, t, _: z, "with q like p, not the shapes [(1,)] and [(2,)]"),
    "other structures": (({"a": np.ones(1)}, {"b": np.ones(1)}), lambda z, t, _: z, "['a']"),
    "other shapes inside": (({"a": np.ones(1)}, {"a": np.ones((1, 1))}), lambda z, t, _: z, "not the shapes [(1,)] and [(1, 1)]"),
    "dq depends on q": ((np.ones(1), np.zeros(1)), lambda z, t, _: (z[1] + 1e-9 * z[0], -z[0]), "dq/dt changes with q: dq/dt may depend on p and t"),
    "dp depends on p": ((np.ones(1), np.zeros(1)), lambda z, t, _: (z[1], -z[0] - 0.1 * z[1]), "dp/dt changes with p: dp/dt may depend on q and t"),
    "dq depends on q at the origin": ((np.zeros(2), np.zeros(2)), lambda z, t, _: (z[1] + z[0] ** 2, -z[0]), "dq/dt changes with q"),
    "dq depends on another q": ((np.ones(2), np.zeros(2)), lambda z, t, _: (z[1] + z[0][::-1], -z[0]), "dq/dt changes with q"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_leapfrog_refuses(case):
    z0, f, words = WRONG[case]
    with pytest.raises(ValueError) as caught:
        solve(f, z0, [0.0, 1.0], method="leapfrog", steps=10)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_leapfrog_has_no_step_size_control():
    with pytest.raises(ValueError, match="leapfrog has no error estimate: give steps=n"):
        solve(lambda z, t, _: (z[1], -z[0]), (np.ones(1), np.ones(1)), [0.0, 1.0], method="leapfrog")


def test_a_dependence_that_is_nan_nearby_is_no_evidence():
    """f = (p, g(q)) with g NaN just beside the start: the check passes over it, the solve ends where it must."""
    f = lambda z, t, _: (z[1], np.where(z[0] > 1.0, math.nan, -1.0))
    q, _ = solve(f, (np.array([1.0]), np.array([-1.0])), [0.0, 1.0], method="leapfrog", steps=10).zs
    assert q[-1, 0] == pytest.approx(1 - 1 - 0.5, rel=1e-13)


@pytest.mark.parametrize("method", ["alf", "reversible_heun"])
def test_a_solution_that_decays_fails_and_lies_not(method):
    """Van der Pol's limit cycle contracts: the part that changes its sign with each step takes over, and without a check the answer was far off."""
    f = lambda z, t, _: np.array([z[1], (1 - z[0] ** 2) * z[1] - z[0]])
    exact = solve(f, [2.0, 0.0], np.linspace(0.0, 12.0, 25), method="dop853", rtol=1e-10, atol=1e-12).zs
    found = solve(f, [2.0, 0.0], np.linspace(0.0, 12.0, 25), method=method, rtol=1e-3, atol=1e-3, throw=False, max_steps=20_000)
    assert found.status == -1
    reached = np.isfinite(found.zs[:, 0])
    assert reached.sum() >= 3 and np.abs(found.zs - exact)[reached].max() < 100 * 2e-3
