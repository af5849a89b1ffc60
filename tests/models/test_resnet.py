"""Equation (1) and what Appendix B.1 says of it."""

import numpy as np

import refnode as rn
from refnode.models.resnet import resnet
from tests.zoo import mlp, mlp_parameters

RNG = np.random.default_rng(5)
THETAS = [mlp_parameters(RNG, 3, 4) for _ in range(6)]
H0, W = RNG.normal(size=3), RNG.normal(size=3)


def test_resnet_is_euler():
    """S1, S4: Euler's method with step 1 and parameters that change from step to step, bit for bit; f sees t = 0, 1, ..., 5."""
    seen = []

    def blocks(h, t, thetas):
        seen.append(t)
        return mlp(h, t, thetas[int(t)])

    h = rn.ODESolve(H0, blocks, 0, 6, THETAS, method="euler", steps=6)
    assert np.array_equal(h, resnet(H0, mlp, THETAS))
    assert seen == [0, 1, 2, 3, 4, 5]


def test_discrete_chain_rule():
    """S73: dL/dh_t = dL/dh_{t+1} dh_{t+1}/dh_t, layer by layer, is the gradient of the composed network, to rounding."""
    hs = [resnet(H0, mlp, THETAS[:t]) for t in range(7)]
    g = W
    for t in reversed(range(6)):
        g = rn.pullback(lambda h, t=t: h + mlp(h, t, THETAS[t]), hs[t])[1](g)[0]
    whole = rn.grad(lambda h: W @ resnet(h, mlp, THETAS))(H0)
    assert np.abs(g - whole).max() <= 1e-12 * np.abs(whole).max()
