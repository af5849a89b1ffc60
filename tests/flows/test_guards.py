"""The guards: what they measure, on flows where it is known; and the flow that exploited a coarse grid, which they catch."""

import numpy as np
import pytest

import refnode as rn
from refnode.flows.gaussian import linear, linear_density
from refnode.flows.guards import density, grid_around, guards, refined, without_gradient
from refnode.flows.planar import hidden_units
from refnode.flows.training import last, maximum_likelihood, rows, start, train
from refnode.flows.twosample import energy_distance, energy_test

BASE = rn.standard_normal(2)
A = np.array([[0.4, -0.5], [0.3, -0.2]])
NAMES = ["round trip", "step refinement", "own steps, refined", "unit mass", "own mass", "samples and density"]


def rings(n, rng):
    angle, radius = rng.uniform(0, 2 * np.pi, n), rng.choice([0.75, 1.5], n) + 0.09 * rng.standard_normal(n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


# the two-sample test

def test_p_values_are_uniform_under_the_hypothesis():
    """P(p <= a) <= a, and here, without ties, P(p <= k / 100) = k / 100 exactly: 200 tests, four standard errors of the frequency."""
    rng = np.random.default_rng(0)
    p = np.array([energy_test(rng.normal(size=(15, 2)), rng.normal(size=(20, 2)), rng, permutations=99) for _ in range(200)])
    for a in (0.1, 0.5, 0.9):
        assert abs(np.mean(p <= a + 1e-9) - a) < 4 * np.sqrt(a * (1 - a) / 200)


def test_differences_are_found():
    """A mean moved by half a standard deviation, and a variance that is twice as large, with 200 points."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2))
    assert energy_test(x, rng.normal(size=(200, 2)) + [0.5, 0.0], rng) < 0.01
    assert energy_test(x, 2 * rng.normal(size=(200, 2)), rng) < 0.01


def test_the_statistic_is_the_energy_distance():
    """p by a loop over the same permutations; and the distance of one point from another, 2 |x - y|."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(5, 1)), rng.normal(size=(7, 1)) + 1
    order, both, found = np.random.default_rng(3), np.concatenate([x, y]), []
    for _ in range(50):
        label = np.zeros(12)
        label[:5] = 1
        order.shuffle(label)
        found.append(energy_distance(both[label == 1], both[label == 0]))
    expected = (1 + np.sum(np.array(found) >= energy_distance(x, y) - 1e-12)) / 51
    assert energy_test(x, y, np.random.default_rng(3), permutations=50) == pytest.approx(expected)
    assert energy_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) == pytest.approx(10.0)


@pytest.mark.parametrize(("x", "y", "message"), [
    (np.zeros((5, 2)), np.zeros((5, 3)), "two samples"), (np.zeros(5), np.zeros(5), "two samples"),
    (np.full((5, 2), np.nan), np.ones((5, 2)), "finite")])
def test_wrong_samples_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        energy_test(x, y, np.random.default_rng(0))


# the guards

def test_a_linear_flow_passes():
    """S35, S72: its density is known, so that all is well; with data from that density, too."""
    exact = linear_density(rn.normal(np.zeros(2), np.eye(2)), A, 0.0, 1.0)
    table = guards(rn.CNF(linear, base=BASE), A, np.random.default_rng(4), exact.sample(np.random.default_rng(5), 800), n=300, grid=120)
    assert table.passed
    assert [guard.name for guard in table.table] == [*NAMES, "samples and data"]
    assert str(table).count("holds") == 7
    assert guards(rn.CNF(linear, base=BASE, trace=rn.hutchinson()), A, np.random.default_rng(4), n=100, grid=60).passed
    with pytest.raises(KeyError, match="there is no guard 'mass'"):
        table["mass"]


def test_data_from_elsewhere_fail_one_guard_alone():
    x = np.random.default_rng(6).normal(size=(300, 2)) + 1.0
    table = guards(rn.CNF(linear, base=BASE), A, np.random.default_rng(4), x, n=300, grid=120)
    assert [guard.name for guard in table.table if not guard.passed] == ["samples and data"]


def test_a_trace_that_is_wrong_has_another_mass():
    """A declared trace with the wrong sign (erratum C1): the mass is e^(2 tr A t), the map is as before."""
    wrong = rn.with_trace(lambda z, t, A: (z @ A.T, np.zeros(z.shape[:-1]) - np.trace(A)))
    table = guards(rn.CNF(wrong, base=BASE), A, np.random.default_rng(4), n=100, grid=120)
    assert not table["unit mass"].passed
    assert table["round trip"].passed
    assert table["unit mass"].value == pytest.approx(np.exp(2 * np.trace(A)) - 1, abs=1e-4)


def test_more_dimensions_have_no_grid():
    table = guards(rn.CNF(linear, base=rn.standard_normal(3)), 0.3 * np.eye(3), np.random.default_rng(4), n=50)
    assert [guard.name for guard in table.table] == NAMES[:3]
    assert table.passed


def test_the_grid_holds_the_density():
    points, cell = grid_around(BASE.sample(np.random.default_rng(7), 200), 80)
    p = density(rn.CNF(linear, base=BASE), A, points, chunk=1000)
    assert points.shape == (6400, 2)
    assert np.allclose(points[1] - points[0], [0, cell[1]])
    exact = linear_density(rn.normal(np.zeros(2), np.eye(2)), A, 0.0, 1.0)
    assert np.abs(p - np.exp(exact.log_prob(points))).max() < 1e-6


def test_refinement():
    for solver, expected in (({"method": "rk4", "steps": 3}, {"steps": 12}), ({"method": "rk4", "step_size": 0.2}, {"step_size": 0.05}),
                             ({"rtol": 1e-4}, {"rtol": pytest.approx(1e-6, rel=0.02), "atol": pytest.approx(1e-10, rel=0.02)})):
        found = refined(rn.CNF(linear, base=BASE, **solver), 4).solver
        assert {name: found[name] for name in expected} == expected
    assert without_gradient({"rtol": 1e-3, "gradient": "discrete", "backward_rtol": 1e-4, "checkpoints": 3, "stats": None}) == {"rtol": 1e-3}


@pytest.mark.slow
def test_the_flow_that_exploited_its_grid_is_caught():
    """E16, X4: trained with two Euler steps, a flow says that it fits the rings far better than their entropy allows; its log p changes by
    several nats with the steps, and what it calls a density has a mass far from 1. With a step that is controlled, the same training passes.

    The entropy of the rings, below which no density's loss can fall, is about log(2 pi) + E log r + log(0.09 sqrt(2 pi e)) + log 2 = 1.60.
    """
    rng = np.random.default_rng(8)
    x, M = rings(2000, rng), 16
    theta = 0.3 * rng.normal(size=(M, 2)), 2 * rng.normal(size=(M, 2)), rng.normal(size=M)
    found = {}
    for name, solver in (("coarse", {"method": "euler", "steps": 2}), ("controlled", {"rtol": 1e-4, "atol": 1e-4})):
        flow = rn.CNF(rn.with_trace(rn.compiled(hidden_units.value_and_trace)), base=BASE, gradient="discrete", **solver)
        state = last(train(maximum_likelihood(flow, rows(x, 200)), start(theta, seed=0), 150, learning_rate=0.05, longest=10.0))
        found[name] = state.losses[-20:].mean(), guards(flow, state.theta, np.random.default_rng(9), x, n=200, grid=200)
    loss, table = found["coarse"]
    assert loss < 1.0
    assert not any(table[name].passed for name in ("step refinement", "own steps, refined", "own mass"))
    assert table["step refinement"].value > 1.0
    assert table["own mass"].value > 1.0
    loss, table = found["controlled"]
    assert 1.5 < loss < 3.0
    assert all(table[name].passed for name in NAMES)


def test_wrong_arguments():
    flow = rn.CNF(linear, base=BASE)
    with pytest.raises(TypeError, match=r"rng must be a numpy\.random\.Generator"):
        guards(flow, A, 0)
    with pytest.raises(ValueError, match="x must have shape"):
        guards(flow, A, np.random.default_rng(0), np.zeros((5, 3)))


def test_a_solve_that_fails_fails_its_guard():
    table = guards(rn.CNF(lambda z, t, theta: z * z, base=BASE), (), np.random.default_rng(0), n=50)
    assert not table.passed
    assert "at t = " in str(table)
