"""The steps of the proof of Theorem 1 converge to their limits, with first order in eps."""

import numpy as np
import pytest

import refnode as rn
from refnode.flows.planar import planar
from refnode.flows.proof import adjugate, proof_steps

RNG = np.random.default_rng(9)


def stuart_landau(z, t, theta):
    mu, w = theta
    return (mu - z @ z) * z + w * np.stack([-z[1], z[0]])


PROBLEMS = {
    "P18a": (planar, np.array([0.5, -0.2, 0.8]), (np.array([0.7, -0.4, 0.3]), np.array([1.1, 0.2, -0.6]), 0.15)),
    "P28": (stuart_landau, np.array([0.5, 0.4]), (0.8, 1.6)),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_proof_step_by_step(name):
    """S36: (16), (22), (23)-(27) with error C eps (1 + O(eps)): from eps = 1e-2 to 1e-3 the error falls tenfold, within 5 %; (21) for each eps."""
    f, z, theta = PROBLEMS[name]
    coarse, fine = (proof_steps(f, z, 0.3, theta, eps, rtol=1e-11, atol=1e-13) for eps in (1e-2, 1e-3))
    assert [step.equation for step in fine] == ["(16)", "(21)", "(22)", "(23)-(27)"]
    for before, after in zip(coarse, fine, strict=True):
        errors = [np.abs(step.found - step.limit).max() for step in (before, after)]
        if after.equation == "(21)":
            assert max(errors) < 1e-9
        else:
            assert errors[1] > 1e-6
            assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)
    J = rn.jacobian(lambda z: rn.ODESolve(z, f, 0.3, 0.31, theta, rtol=1e-11, atol=1e-13))(z)
    assert np.abs(J @ coarse[2].found - np.linalg.det(J) * np.eye(len(z))).max() < 1e-12
    assert np.allclose(fine[0].limit, np.trace(rn.jacobian(f)(z, 0.3, theta)))


@pytest.mark.parametrize("D", [1, 2, 3, 4])
def test_adjugate(D):
    """A adj(A) = det(A) I, where A is singular too."""
    A = RNG.normal(size=(D, D))
    assert np.abs(A @ adjugate(A) - np.linalg.det(A) * np.eye(D)).max() < 1e-13
    if D > 1:
        A[0] = A[1]
        assert np.abs(A @ adjugate(A)).max() < 1e-13
