"""What flows cannot do, and augmented flows can. (arXiv 1904.01681)"""

import numpy as np
import pytest

import refnode as rn
from refnode.experiments.paper.e14 import exact_errors
from refnode.models.augmented import augmented, augmented_solve, half_turn
from refnode.models.odenet import dynamics, dynamics_init


def test_closed_forms():
    """E14: half a turn is x -> -x; the lift is |x|^2 - c."""
    errors = exact_errors()
    assert errors["half turn"] < 1e-9
    assert errors["lift"] < 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_a_flow_of_the_line_keeps_the_order(seed):
    """E14: whatever its parameters; and no increasing function is nearer to -x than the variance of x. Augmented flows need not keep it."""
    x = np.linspace(-1, 1, 41)[:, None]
    theta = tuple(3 * leaf for leaf in dynamics_init(np.random.default_rng(seed), 1, 8))
    h1 = augmented_solve(x, dynamics, 0.0, 1.0, theta, 0, rtol=1e-8, atol=1e-10)[:, 0]
    assert np.all(np.diff(h1) > 0)
    assert np.mean((h1 + x[:, 0]) ** 2) >= x.var()
    assert np.all(np.diff(augmented_solve(x, half_turn, 0.0, 1.0, (), 1)[:, 0]) < 0)


def test_augmented_states():
    x = np.arange(6.0).reshape(3, 2)
    assert np.array_equal(augmented(x, 2), [[0, 1, 0, 0], [2, 3, 0, 0], [4, 5, 0, 0]])
    assert augmented(x, 0) is x
    rn.check_grads(lambda x: augmented_solve(x, half_turn, 0.0, 0.3, (), 1, rtol=1e-10, atol=1e-10), np.array([[0.3], [-0.5]]))
