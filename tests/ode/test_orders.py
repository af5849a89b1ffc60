"""Observed orders on problems that are neither linear nor autonomous; S1, S2, S4."""

import math

import numpy as np
import pytest

from refnode.ode import arguments
from refnode.ode.solve import solve
from refnode.ode.tableaus import TABLEAUS

# Each problem: f, z(t), and the interval. A wrong node c shows only where f depends on t (bugs.md, E01).
PROBLEMS = {
    "z' = z^2 cos t": (lambda z, t, _: z * z * math.cos(t), lambda t: 1 / (2 - np.sin(t)), 0.3, 3.1),
    "z' = -2 t z^2": (lambda z, t, _: -2 * t * z * z, lambda t: 1 / (1 + t * t), -1.2, 1.3),
    "z' = 0.9 (1 + z^2) cos t": (lambda z, t, _: 0.9 * math.cos(t) * (1 + z * z), lambda t: np.tan(0.9 * np.sin(t)), 0.3, 3.1),
}


def forced_pendulum(z, t, theta):
    """q'' = -sin q + (s'' + sin s) with s = 1.1 sin 0.7 t + 0.4 t: q = s is a solution. For leapfrog, whose states are pairs (q, p)."""
    q, p = z
    return p, -np.sin(q) - 0.539 * math.sin(0.7 * t) + math.sin(1.1 * math.sin(0.7 * t) + 0.4 * t)


def forced_solution(t):
    return np.stack([1.1 * np.sin(0.7 * t) + 0.4 * t, 0.77 * np.cos(0.7 * t) + 0.4], axis=-1)


def accelerated(z, t, theta):
    """dq/dt depends on t, too: p' = -t, q' = p + sin t."""
    return z[1] + math.sin(t), np.full_like(z[1], -t)


def accelerated_solution(t):
    return np.stack([0.3 + 1.2 * t - t**3 / 6 + 1 - np.cos(t), 1.2 - t * t / 2], axis=-1)


PAIRS = {"a forced pendulum": (forced_pendulum, forced_solution, 0.3, 4.1), "a moving frame": (accelerated, accelerated_solution, -0.4, 1.5)}
METHODS = {name: arguments.METHODS[name] for name in (*TABLEAUS, "alf", "reversible_heun", "leapfrog")}
CASES = [(method, problem) for method in METHODS for problem in (PAIRS if method == "leapfrog" else PROBLEMS)]
EVERY = pytest.mark.parametrize(("method", "problem"), CASES)
BACKWARDS = pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
GRIDS = [round(8 * 2 ** (k / 2)) for k in range(15)]  # 8 ... 1024 steps
FINE = [2896, 4096, 5793, 8192]  # Euler's error is above 1e-3 with less
COARSE = sorted({round(2 * 2 ** (k / 4)) for k in range(25)})  # dop853 comes from 1e-3 to 1e-11 within a factor of 10 in h


def solution(method, problem, ts, **setting):
    """The states at ts, (len(ts), n), and the exact ones."""
    f, z, _, _ = (PROBLEMS | PAIRS)[problem]
    exact = z(ts).reshape(len(ts), -1)
    z0 = (exact[0, :1], exact[0, 1:]) if problem in PAIRS else exact[0]
    zs = solve(f, z0, ts, method=method, **setting).zs
    return np.concatenate(zs, axis=1) if problem in PAIRS else zs, exact


def errors(method, problem, backwards, dense):
    """(h, the largest error in units of the largest |z|) over step sizes whose error lies in [1e-11, 1e-3].

    The upper end keeps to where the leading term rules; the lower end stays three digits above the rounding errors of a sum of some
    1e3 steps (sqrt(1e3) eps = 7e-15). The largest error over the interval, because the error at a single time may change its sign with h.
    """
    _, _, t0, t1 = (PROBLEMS | PAIRS)[problem]
    if backwards:
        t0, t1 = t1, t0
    found = []
    for steps in {"euler": FINE, "dop853": COARSE}.get(method, GRIDS):
        if dense:  # five places of each step, none of them an end of one
            inside = t0 + (t1 - t0) * (np.arange(steps)[:, None] + np.array([0.1, 0.3, 0.5, 0.7, 0.95])).ravel() / steps
            ts = np.concatenate([[t0], inside, [t1]])
        else:
            ts = np.array([t0 + (t1 - t0) * (k / steps) for k in range(steps)] + [t1])
        zs, exact = solution(method, problem, ts, steps=steps)
        error = np.abs(zs - exact).max() / np.abs(exact).max()
        if error < 1e-11:
            break
        if error < 1e-3:
            found.append((abs(t1 - t0) / steps, error))
    return np.array(found)


def slope(found):
    return np.polyfit(*np.log(found).T, 1)[0]


def allowance(p):
    """The fit over a finite range of h sees the next term as well: for p = 5 the range of errors spans a factor of 40 in h only."""
    return 0.4 if p >= 5 else 0.15


@EVERY
@BACKWARDS
def test_order_at_the_end(method, problem, backwards):
    p = METHODS[method].p
    found = errors(method, problem, backwards, dense=False)
    assert len(found) >= 3
    assert slope(found) >= p - allowance(p)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_is_not_higher(method):
    """On one problem at least: a method that shows a higher order everywhere is not the one that its name says."""
    problems = PAIRS if method == "leapfrog" else PROBLEMS
    assert min(slope(errors(method, problem, False, dense=False)) for problem in problems) <= METHODS[method].p + 1


@EVERY
@BACKWARDS
def test_order_of_dense_output(method, problem, backwards):
    """min(p, p_dense + 1): the continuation adds one local error O(h^(p_dense + 1)) to the error at the step's start. A parabola: p_dense = 2."""
    p = min(METHODS[method].p, getattr(METHODS[method], "p_dense", 2) + 1)
    found = errors(method, problem, backwards, dense=True)
    assert len(found) >= 3
    assert slope(found) >= p - allowance(p)


@pytest.mark.parametrize("method", TABLEAUS)
def test_polynomials_are_exact(method):
    """z' = (q + 1) t^q with q < p is quadrature of degree q: exact at step ends, and inside for q < p_dense (bugs.md, E08)."""
    tableau = TABLEAUS[method]
    for q in range(tableau.p):
        sol = solve(lambda z, t, _, q=q: np.array([(q + 1) * t**q]), [1.0], [0.5, 2.0], method=method, steps=7, dense=True)
        np.testing.assert_allclose(sol.zs[-1], 1 + 2 ** (q + 1) - 0.5 ** (q + 1), rtol=1e-13)  # 7 steps of a few roundings, condition 1
        if q < tableau.p_dense:
            t = np.linspace(0.5, 2.0, 41)
            np.testing.assert_allclose(sol(t)[:, 0], 1 + t ** (q + 1) - 0.5 ** (q + 1), rtol=1e-11)  # 16 stages, 7 powers, entries up to 550: 6e4 eps


@pytest.mark.parametrize("method", TABLEAUS)
def test_stability_function(method):
    """One step for z' = lam z is R(h lam) z with R = sum_k (b^T A^(k-1) 1) x^k, which is exp(x) up to x^p."""
    tableau = TABLEAUS[method]
    s, x = len(tableau.b), 0.37
    A = np.array([[float(a) for a in row] + [0.0] * (s - len(row)) for row in tableau.A[:s]])
    R = 1 + x * np.array([float(b) for b in tableau.b]) @ np.linalg.solve(np.eye(s) - x * A, np.ones(s))
    z = solve(lambda z, t, _: x * z, 1.0, [0.0, 1.0], method=method, steps=1).zs[-1]
    assert z == pytest.approx(R, rel=s * (np.abs(A).sum(axis=1).max() + 1) * 2.2e-16)  # s stages, each rounded in its sum
    assert abs(R - math.exp(x)) <= 2 * x ** (tableau.p + 1) / math.factorial(tableau.p + 1)


def test_euler_with_step_one_is_a_residual_network():
    """S1: h_{t+1} = h_t + f(h_t, theta_t), bit for bit, with its own parameters in each layer."""
    rng = np.random.default_rng(3)
    depth, width = 6, 5
    thetas = rng.normal(size=(depth, width, width))

    def layer(h, theta_t):
        return np.tanh(h @ theta_t)

    h = h0 = rng.normal(size=(4, width))
    network = [h]
    for theta_t in thetas:
        h = h + layer(h, theta_t)
        network.append(h)

    seen = []

    def f(z, t, thetas):
        seen.append(t)
        return layer(z, thetas[int(t)])

    for setting in ({"steps": depth}, {"step_size": 1.0}):
        seen.clear()
        zs = solve(f, h0, np.arange(depth + 1), thetas, method="euler", **setting).zs
        np.testing.assert_array_equal(zs, np.array(network))
        assert seen == list(range(depth))  # S4: evaluations at integer depths and nowhere else


def test_an_adaptive_solver_chooses_where_to_look():
    """S4: inside [t0, t1], not at integers, denser when the tolerance is tighter; rejected steps evaluate f, too."""
    f, z, t0, t1 = PROBLEMS["z' = z^2 cos t"]
    seen = {}
    for rtol in (1e-3, 1e-8):
        seen[rtol] = []
        sol = solve(lambda z, t, _, rtol=rtol: seen[rtol].append(t) or f(z, t, ()), z(t0), [t0, t1], rtol=rtol, atol=rtol, first_step=2.5)
        assert len(seen[rtol]) == sol.stats.nfe == 1 + 6 * (sol.stats.accepted + sol.stats.rejected)  # first_step given: no probe
        assert sol.stats.rejected > 0 and all(t0 <= t <= t1 for t in seen[rtol]) and not all(t == int(t) for t in seen[rtol])
    assert len(set(seen[1e-8])) > 2 * len(set(seen[1e-3]))


def test_error_control():
    """S23: the global error is proportional to the tolerance, and the work grows like tol^(-1/5)."""
    f, z, t0, t1 = PROBLEMS["z' = z^2 cos t"]
    tolerances = 10.0 ** -np.arange(3, 12)
    error, nfe = [], []
    for tol in tolerances:
        sol = solve(f, z(t0), [t0, t1], rtol=tol, atol=tol)
        error.append(abs(sol.zs[-1] - z(t1)))
        nfe.append(sol.stats.nfe)
    assert np.all(np.diff(nfe) >= 0)
    assert 0.7 <= np.polyfit(np.log(tolerances), np.log(error), 1)[0] <= 1.2
    assert -0.25 <= np.polyfit(np.log(tolerances[3:]), np.log(nfe[3:]), 1)[0] <= -0.15
    assert max(error / tolerances) < 10


def test_work_of_a_step():
    """S5: what a step costs, by method; adaptive solves add 2 for the starting step, with first-same-as-last one stage is for free.

    An observation inside a step costs what the interpolant lacks: 3 stages of dop853, the slope of leapfrog; one at the end of a step nothing.
    """
    for name, method in METHODS.items():
        f, _, t0, t1 = PAIRS["a forced pendulum"] if name == "leapfrog" else PROBLEMS["z' = -2 t z^2"]
        z0 = (np.ones(1), np.ones(1)) if name == "leapfrog" else 0.5
        each, again = (len(method.b) - 1, not method.fsal) if name in TABLEAUS else ({"alf": 1, "reversible_heun": 1, "leapfrog": 2}[name], 0)
        first = 3 if name == "leapfrog" else 1  # two to check the form of f
        fixed = solve(f, z0, [t0, t1], method=name, steps=9).stats
        assert (fixed.nfe, fixed.accepted, fixed.rejected) == (first + 9 * each + 8 * again, 9, 0)
        inside = solve(f, z0, [t0, t0 + (t1 - t0) * 0.51, t0 + (t1 - t0) * 0.52, t1], method=name, steps=9).stats  # both in one step
        assert inside.nfe == fixed.nfe + {"dop853": 3, "leapfrog": 1}.get(name, 0)
        if method.error_order is not None:
            stats = solve(f, z0, [t0, t1], method=name, rtol=1e-5).stats
            tries = stats.accepted + stats.rejected
            assert stats.nfe == 2 + each * tries + (stats.accepted - 1) * again
