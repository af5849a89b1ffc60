"""Vectors whose problems have closed forms: the proved numbers against formulas that share nothing with the proofs."""

import numpy as np
import pytest
from refnode_validation.problems import densities, forced, planar, scalar
from refnode_validation.vectors.tasks import flow, task, vectors

CLOSED = {
    "linear-spiral": planar.p05b, "linear-oscillator": planar.p05a, "linear-saddle": planar.p03, "linear-non-normal": planar.p03,
    "linear-defective": planar.p03, "linear-growing-shear": planar.p03, "nonlinear-logistic": scalar.p06,
    "nonlinear-bernoulli": scalar.p07, "nonlinear-tanh": scalar.p08a, "nonlinear-tangent": scalar.p08b,
    "nonlinear-before-the-pole": scalar.p08c, "nonlinear-gompertz": scalar.p13, "nonlinear-cubic": scalar.p14,
    "nonlinear-stuart-landau": planar.p28, "forced-sine": forced.p10, "forced-modulated": forced.p09, "forced-time-quadratic": forced.p12,
    "reversed-sine": forced.p10, "flow-planar-3d": densities.p18a, "flow-linear": planar.p03, "flow-linear-3d": densities.p19,
}  # fmt: skip


@pytest.mark.parametrize("id", CLOSED)
def test_values_and_sensitivities(id):
    asked, exact = task(id), CLOSED[id]
    theta, limit = asked.problem.theta, 1e-13 * max(1.0, *(np.abs(x).max() for x in (asked.values, asked.dz_dz0, asked.dz_dtheta)))
    for i, t in enumerate(asked.ts):
        flow = exact(asked.z0, asked.ts[0], t, theta)
        for found, expected in ((asked.values, flow.z1), (asked.dz_dz0, flow.dz0), (asked.dz_dtheta, flow.dtheta)):
            np.testing.assert_allclose(found[i], expected, rtol=0, atol=limit)


@pytest.mark.parametrize("id", CLOSED)
def test_time_gradients(id):
    """dL/dt_0 from the closed dz1/dt0, and dL/dt_i from dz1/dt1: no f, no adjoint."""
    asked, exact = task(id), CLOSED[id]
    flows = [exact(asked.z0, asked.ts[0], t, asked.problem.theta) for t in asked.ts]
    dts = [sum(g @ flow.dt0 for g, flow in zip(asked.weights[1:], flows[1:], strict=True))]
    dts += [g @ flow.dt1 for g, flow in zip(asked.weights[1:], flows[1:], strict=True)]
    np.testing.assert_allclose(asked.gradients["dL/dt"], dts, rtol=0, atol=1e-12 * max(1.0, np.abs(dts).max(), asked.value_gamma))


@pytest.mark.parametrize("id", ["flow-planar-3d", "flow-linear-3d"])
def test_log_p(id):
    log_det = densities.p18a_log_det if id == "flow-planar-3d" else densities.p19_log_det
    asked, wanted = task(id), flow(id).density
    for i, t in enumerate(asked.ts):
        expected = -float(vectors()[id]["expected"]["int_minus_trace"][i][0])
        assert log_det(asked.z0, asked.ts[0], t, asked.problem.theta) == pytest.approx(expected, abs=1e-14)
    z = CLOSED[id](asked.z0, asked.ts[0], asked.ts[-1], asked.problem.theta).z1
    base = -z @ z / 2 - len(z) * np.log(2 * np.pi) / 2
    assert wanted.log_p == pytest.approx(base + log_det(asked.z0, asked.ts[0], asked.ts[-1], asked.problem.theta), abs=1e-14)


def test_gradient_of_a_gaussian_density():
    """z' = A z with the base N(0, 1) at the end: log p(x) = log N(E x) + T tr A, so its gradient is -E^T E x."""
    asked, wanted = task("flow-linear-3d"), flow("flow-linear-3d").density
    E = asked.dz_dz0[-1]
    np.testing.assert_allclose(wanted.gradients["dlogp/dx"], -E.T @ E @ asked.z0, atol=1e-14)
    A = asked.problem.theta.reshape(3, 3)
    # By the time of the base: -z . A z + tr A; by that of x: the opposite, for A does not depend on the time.
    z = asked.values[-1]
    np.testing.assert_allclose(wanted.gradients["dlogp/dt"], [z @ A @ z - np.trace(A), np.trace(A) - z @ A @ z], atol=1e-13)
