"""Theorem 1 as a solve: against determinants, closed forms and mass; the error control of (z, log p); what is refused."""

import numpy as np
import pytest

import refnode as rn
from refnode.flows.change_of_variables import for_z_and_log_p
from refnode.flows.gaussian import linear
from refnode.flows.planar import hidden_units, planar
from refnode.flows.structured import concatsquash, concatsquash_init, hamiltonian
from refnode.models.nets import mlp_init
from refnode.ode.control import rms
from tests.gradients.test_algorithms import TB, TIGHT
from tests.zoo import mlp, mlp_parameters

RNG = np.random.default_rng(7)
D = 3
THETA = mlp_parameters(RNG, D, 6, 0.6)
Z = RNG.normal(size=(5, D))


def test_the_integrated_trace_is_the_log_determinant():
    """S35 (i), S51: log p(z1) = log p(z0) - log |det dz1/dz0|, the Jacobian from the solve of z alone; TB for both tight solves."""
    z1, log_p1 = rn.change_of_variables(Z, 0.0, mlp, 0.2, 1.3, THETA, **TIGHT)
    for i, z in enumerate(Z):
        J = rn.jacobian(lambda z: rn.ODESolve(z, mlp, 0.2, 1.3, THETA, **TIGHT))(z)
        assert abs(log_p1[i] + np.linalg.slogdet(J)[1]) < TB
        assert np.abs(z1[i] - rn.ODESolve(z, mlp, 0.2, 1.3, THETA, **TIGHT)).max() < TB


def test_the_trace_is_no_sum_over_all_entries():
    """bugs.md H01: A neither symmetric nor diagonal, tr A = 0.4, exactly linear in time."""
    A = np.array([[0.3, 2.0], [-1.0, 0.1]])
    for f in (linear, lambda z, t, A: linear(z, t, A)):
        _, log_p = rn.change_of_variables(np.array([[0.5, -0.3]]), 0.0, f, 0.0, 1.0, A)
        assert abs(log_p[0] + 0.4) < 1e-12


def test_a_residual_field_has_minus_d():
    """bugs.md H10: f = g(z) - z has the trace of g minus D."""
    _, log_p = rn.change_of_variables(Z, 0.0, mlp, 0.0, 1e-3, THETA, method="euler", steps=1)
    _, residual = rn.change_of_variables(Z, 0.0, lambda z, t, theta: mlp(z, t, theta) - z, 0.0, 1e-3, THETA, method="euler", steps=1)
    assert np.abs(residual - log_p - 1e-3 * D).max() < 1e-15


def test_one_solve_of_size_D_plus_1():
    """S39, S52, S54: the state holds D + 1 numbers a point, whatever D: the particle's cost, where a grid with n points a dimension has n^D."""
    seen = []

    def norm(error):
        seen.append(error.size)
        return rms(error)

    for dim in (1, 2, 6):
        seen.clear()
        rn.change_of_variables(np.ones(dim), 0.0, lambda z, t, theta: -z, 0.0, 1.0, norm=norm)
        assert set(seen) == {dim + 1}


def test_log_p_does_not_disturb_z():
    """Where log p does not move, z is the solve of z alone, step for step: the same norm of z, not diluted by log p. (To rounding: BLAS sums
    the stages of a longer vector in another order; errors of 1e-15 grow like those of a solve, by less than 100 here.)"""
    theta = mlp_init(RNG, (2, 8, 1)), mlp_init(RNG, (1, 8, 2))
    for method in ("dopri5", "bosh3", "tsit5"):
        alone, beside = rn.Stats(), rn.Stats()
        z1, log_p1 = rn.change_of_variables(Z, 0.0, hamiltonian, 0.0, 2.0, theta, method=method, stats=beside)
        expected = rn.ODESolve(Z, hamiltonian, 0.0, 2.0, theta, method=method, stats=alone)
        assert np.abs(z1 - expected).max() < 1e-13 * (1 + np.abs(expected).max())
        assert not log_p1.any()
        assert alone.forward.nfe == beside.forward.nfe


@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_z_is_as_accurate_beside_log_p(rtol):
    """bugs.md H09: z moves by less than 10 tolerances when log p is added. (Both are within their own error of the truth.)"""
    theta = concatsquash_init(RNG, (D, 8, D))
    alone = rn.ODESolve(Z, concatsquash, 0.0, 1.0, theta, rtol=rtol, atol=rtol)
    beside, _ = rn.change_of_variables(Z, 0.0, concatsquash, 0.0, 1.0, theta, rtol=rtol, atol=rtol)
    assert np.abs(alone - beside).max() < 10 * rtol * (1 + np.abs(alone).max())


def test_log_p_is_controlled_where_z_is_not():
    """f = a sin(k z), a k = 8, k = 1e4: z moves by less than 20 tolerances, log p by 6.7, and log p is right all the same.

    s = k z solves s' = a k sin s: tan(s1/2) = e^{a k} tan(s0/2), and log p falls by log(sin s1 / sin s0). Each step may add rtol (1 + |log p|),
    and as much in s, which enters log p by at most cot(s0/2) = 1.6; 10 is allowed for the two. A norm that sees z alone takes longer steps.
    """
    k, z0, rtol = 1e4, np.array([1.1e-4]), 1e-5
    s0 = k * z0[0]
    exact = -np.log(np.sin(2 * np.arctan(np.exp(8) * np.tan(s0 / 2))) / np.sin(s0))

    def f(z, t, theta):
        return 8 / k * np.sin(k * z)

    stats = rn.Stats()
    _, log_p = rn.change_of_variables(z0, 0.0, f, 0.0, 1.0, rtol=rtol, atol=rtol, stats=stats)
    _, careless = rn.change_of_variables(z0, 0.0, f, 0.0, 1.0, rtol=rtol, atol=rtol, norm=lambda error: rms(error[:1]))
    allowed = 10 * stats.forward.accepted * rtol * (1 + abs(exact))
    assert abs(log_p - exact) < allowed
    assert abs(careless - exact) > 10 * allowed


def test_tolerances_of_the_pair():
    """rtol for both leaves; max(rtol, atol) as the absolute tolerance of log p; trees and arrays for z as they are."""
    assert for_z_and_log_p({}) == {"rtol": (1e-6, 1e-6), "atol": (1e-8, 1e-6)}
    assert for_z_and_log_p({"rtol": 0.0, "atol": 1e-5}) == {"rtol": (0.0, 0.0), "atol": (1e-5, 1e-5)}
    found = for_z_and_log_p({"atol": np.array([1e-3, 1e-4]), "jac": "differences", "max_steps": 3})
    assert found["atol"][1] == 1e-4
    assert set(found) == {"rtol", "atol", "max_steps"}
    z1, _ = rn.change_of_variables(Z[:, :2], 0.0, lambda z, t, theta: -z, 0.0, 1.0, atol=np.array([1e-3, 1e-9]), rtol=1e-9)
    assert np.abs(z1 - Z[:, :2] * np.exp(-1)).max() < 1e-3


def test_points_in_a_batch_are_points_alone():
    """S35: a batch gives the densities of its points (one solve with steps of its own: TB), in their order."""
    _, log_p = rn.change_of_variables(Z, 0.0, mlp, 0.0, 1.0, THETA, **TIGHT)
    order = np.array([3, 0, 4, 1, 2])
    _, permuted = rn.change_of_variables(Z[order], 0.0, mlp, 0.0, 1.0, THETA, **TIGHT)
    assert np.abs(permuted - log_p[order]).max() < TB
    for z, expected in zip(Z, log_p, strict=True):
        _, alone = rn.change_of_variables(z, 0.0, mlp, 0.0, 1.0, THETA, **TIGHT)
        assert np.shape(alone) == ()
        assert abs(alone - expected) < TB


def test_points_may_have_a_shape_of_their_own_inside_f():
    """bugs.md H13: three particles in the plane, as one point of six numbers."""
    W = RNG.normal(size=(2, 2))

    def particles(z, t, W):
        r = np.reshape(z, (*z.shape[:-1], 3, 2))
        return np.reshape(np.tanh((r - np.mean(r, axis=-2, keepdims=True)) @ W), z.shape)

    z = RNG.normal(size=(4, 6))
    _, log_p = rn.change_of_variables(z, 0.0, particles, 0.0, 1.0, W, **TIGHT)
    J = rn.jacobian(lambda z: rn.ODESolve(z, particles, 0.0, 1.0, W, **TIGHT))(z[2])
    assert abs(log_p[2] + np.linalg.slogdet(J)[1]) < TB


def test_mass_is_one():
    """S35 (iii), bugs.md H06: the density of a flow that depends on time integrates to one (trapezoidal rule, whose error half the points show)."""
    theta = mlp_parameters(np.random.default_rng(1), 1, 5, 0.7)
    flow = rn.CNF(mlp, base=rn.standard_normal(1), **TIGHT)
    mass, half = (np.exp(flow.log_prob(theta, np.linspace(-12, 12, n)[:, None])).sum() * 24 / (n - 1) for n in (2001, 1001))
    assert abs(mass - half) < 1e-9
    assert abs(mass - 1) < 1e-7


def test_a_flow_is_bijective_where_f_is_not():
    """S37: f = sin(3 z) takes each value many times; its flow keeps the order of points, and comes back."""
    z0 = np.linspace(-2, 2, 41)[:, None]

    def f(z, t, theta):
        return np.sin(3 * z)

    z1, log_p1 = rn.change_of_variables(z0, 0.0, f, 0.0, 1.0, **TIGHT)
    assert np.all(np.diff(z1[:, 0]) > 0)
    back, log_p0 = rn.change_of_variables(z1, log_p1, f, 1.0, 0.0, **TIGHT)
    growth = np.exp(3)  # of errors, forth or back
    assert np.abs(back - z0).max() < TB * growth
    assert np.abs(log_p0).max() < 3 * TB * growth


def test_without_lipschitz_a_solution_is_not_unique():
    """S37, the counter-example: z' = 3 z^(2/3) has z = 0 and z = t^3, both from 0: a solver that starts at 0 stays, one that starts near goes."""
    def f(z, t, theta):
        return 3 * np.cbrt(z) ** 2

    assert rn.ODESolve(np.zeros(1), f, 0.0, 1.0)[0] == 0.0
    assert abs(rn.ODESolve(np.array([1e-12]), f, 0.0, 1.0, rtol=1e-8, atol=1e-14)[0] - 1) < 1e-3


def test_a_condition_is_part_of_theta():
    """z' = s (c - z) for each row's own c and s: z1 = c + (z0 - c) e^{-s T}, log p rises by s T. And the gradient in the condition is exact."""
    c, s, T = RNG.normal(size=(5, 1)), RNG.uniform(0.2, 1.0, (5, 1)), 0.8

    def f(z, t, theta):
        weight, (c, s) = theta
        return weight * s * (c - z)

    z = Z[:, :1]
    z1, log_p1 = rn.change_of_variables(z, 0.0, f, 0.0, T, (1.0, (c, s)), **TIGHT)
    assert np.abs(z1 - (c + (z - c) * np.exp(-s * T))).max() < TB
    assert np.abs(log_p1 - s[:, 0] * T).max() < TB
    flow = rn.CNF(f, 0.0, T, base=rn.standard_normal(1), **TIGHT)
    weight_bar, (c_bar, s_bar) = rn.grad(lambda theta: np.sum(flow.log_prob(theta, z)))((1.0, (c, s)))
    E = np.exp(s * T)
    z0 = c + (z - c) * E
    assert np.abs(c_bar + z0 * (1 - E)).max() < 10 * TB
    assert np.abs(s_bar - (T - z0 * (z - c) * T * E)).max() < 10 * TB
    assert abs(weight_bar - np.sum(s * s_bar)) < 10 * TB


@pytest.mark.parametrize("f", [
    lambda z, t, theta: z - np.mean(z, axis=0),
    lambda z, t, theta: np.tanh(z + 1e-3 * np.roll(z, 1, axis=0)),
    lambda z, t, theta: z * np.sum(z * z),
    lambda z, t, theta: np.stack([z[1], -z[0], *z[2:]]),
])
def test_rows_that_interact_are_refused(f):
    """All to all, neighbours, a common factor, two rows that are exchanged; alone, the last one is a rotation."""
    for trace, rng in (("exact", None), (rn.hutchinson(1), np.random.default_rng(0))):
        with pytest.raises(ValueError, match="rows of z influence each other"):
            rn.change_of_variables(Z, 0.0, f, 0.0, 1.0, trace=trace, rng=rng)


def test_rows_that_do_not_interact_are_not_refused():
    """Rows of very different sizes, of size zero, with kinks, of float32; and a point alone may be anything."""
    scales = 10.0 ** np.arange(-150, 151, 75)[:, None]
    for z in (Z, Z * 0, Z.astype(np.float32), Z * scales, Z[:1]):
        rn.change_of_variables(z, 0.0, lambda z, t, theta: np.abs(z) * 0.1, 0.0, 0.1, rtol=1e-4)
    _, log_p = rn.change_of_variables(Z[:, 0], 0.0, lambda z, t, theta: z - np.mean(z), 0.0, 1.0)
    assert abs(log_p + 4) < 1e-5


def test_float32_stays():
    z1, log_p = rn.change_of_variables(Z.astype(np.float32), 0.0, mlp, 0.0, 1.0, rn.tree.tree_map(np.float32, THETA), rtol=1e-4, atol=1e-4)
    assert z1.dtype == log_p.dtype == np.float32


@pytest.mark.parametrize(("call", "message"), [
    (lambda: rn.change_of_variables(Z[None], 0.0, mlp, 0.0, 1.0, THETA), r"shape \(1, 5, 3\)"),
    (lambda: rn.change_of_variables(1.0, 0.0, mlp, 0.0, 1.0, THETA), r"of shape \(\)"),
    (lambda: rn.change_of_variables(Z, np.zeros((5, 1)), mlp, 0.0, 1.0, THETA), r"log_p0 must be one number for each point, of shape \(5,\)"),
    (lambda: rn.change_of_variables(Z, 0.0, mlp, 0.0, 1.0, THETA, trace="hutchinson"), r"trace must be 'exact' or hutchinson\(m\)"),
    (lambda: rn.change_of_variables(Z, 0.0, mlp, 0.0, 1.0, THETA, trace=rn.hutchinson(2)), "give rng, a numpy.random.Generator"),
    (lambda: rn.change_of_variables(Z, 0.0, rn.with_trace(lambda z, t, theta: (z, np.ones((5, 1)))), 0.0, 1.0), r"declares has shape \(5, 1\)"),
])
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_complex_points_are_refused():
    with pytest.raises(TypeError, match="real numbers in float64 or float32, not complex128"):
        rn.change_of_variables(Z + 0j, 0.0, mlp, 0.0, 1.0, THETA)


def test_lists_and_integers_are_points():
    theta = (np.array([0.7, -0.4]), np.array([1.1, 0.2]), 0.15)
    z, log_p = rn.change_of_variables([[1, 2], [0, 1]], 0, planar, 0, 1, theta)
    assert z.shape == (2, 2)
    assert log_p.dtype == np.float64
    assert rn.change_of_variables(np.zeros((0, 2)), 0.0, hidden_units, 0.0, 1.0, (np.ones((4, 2)), np.ones((4, 2)), np.ones(4)))[1].shape == (0,)
