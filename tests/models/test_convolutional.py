"""Convolutions and the model of Table 1: sums over windows, PyTorch's where it is installed, and the counts of parameters of odenet_mnist.py."""

import numpy as np
import pytest
import scipy.signal

import refnode as rn
from refnode.models.convolutional import (
    conv,
    conv_classifier_init,
    conv_classify,
    conv_dynamics,
    conv_dynamics_init,
    conv_init,
    conv_residual,
    conv_residual_init,
    group_norm,
)
from refnode.models.nets import mlp_init
from refnode.models.odenet import ode_block
from refnode.tree import Raveler, leaves

RNG = np.random.default_rng(12)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 1, 1), (4, 2, 1), (2, 3, 0)])
def test_convolution_is_the_sum_over_windows(kernel, stride, padding):
    x, (W, b) = RNG.normal(size=(2, 7, 8, 3)), conv_init(RNG, kernel, 3, 4)
    y = conv(x, (W, b), stride, padding)
    around = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    for n in range(2):
        for d in range(4):
            full = sum(scipy.signal.correlate2d(around[n, :, :, c], W[:, :, c, d], mode="valid") for c in range(3))
            assert np.allclose(y[n, :, :, d], full[::stride, ::stride] + b[d], rtol=1e-12, atol=1e-13)
    rn.check_grads(lambda x, W, b: conv(x, (W, b), stride, padding), x[:1, :5, :5, :2], W[:, :, :2, :1], b[:1])


def test_groups_are_normalised():
    x = 5 + 3 * RNG.normal(size=(2, 4, 5, 6))
    y = group_norm(x, (np.ones(6), np.zeros(6)), 2)
    assert np.abs(y[..., :3].mean(axis=(1, 2, 3))).max() < 1e-12
    assert np.abs(y[..., 3:].std(axis=(1, 2, 3)) - 1).max() < 1e-5
    scale, shift = RNG.normal(size=6), RNG.normal(size=6)
    assert np.allclose(group_norm(x, (scale, shift), 2), y * scale + shift, rtol=1e-12)
    rn.check_grads(lambda x, scale: group_norm(x, (scale, shift), 3), x[:1, :2, :2], scale)


def test_the_same_as_pytorch():
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    x, (W, b) = RNG.normal(size=(2, 6, 6, 4)), conv_init(RNG, 4, 4, 8)
    theirs = torch.nn.functional.conv2d(torch.tensor(x.transpose(0, 3, 1, 2)), torch.tensor(W.transpose(3, 2, 0, 1)), torch.tensor(b), 2, 1)
    assert np.allclose(conv(x, (W, b), 2, 1), theirs.numpy().transpose(0, 2, 3, 1), rtol=1e-12, atol=1e-13)
    theirs = torch.nn.functional.group_norm(theirs, 4, torch.tensor(np.arange(8.0)), torch.tensor(b))
    assert np.allclose(group_norm(conv(x, (W, b), 2, 1), (np.arange(8.0), b), 4), theirs.numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("block", "count"), [((), 132_874), (conv_residual_init(RNG, 64, 1), 206_858), (conv_residual_init(RNG, 64, 6), 576_778),
                                              (conv_dynamics_init(RNG, 64), 208_266)])
def test_counts_of_parameters(block, count):
    """S22: of torchdiffeq's model with 64 channels; and 238,510 of the perceptron, the paper's 0.24 M."""
    assert sum(leaf.size for leaf in leaves(conv_classifier_init(RNG, 64, 10, block))) == count
    assert sum(leaf.size for leaf in leaves(mlp_init(RNG, (784, 300, 10)))) == 238_510


def test_models_run_and_their_gradients_are_right():
    x, f = RNG.random(size=(2, 12, 12, 1)), conv_dynamics(2)
    for block, of_block in ((lambda h, theta: h, ()), (conv_residual(2), conv_residual_init(RNG, 4, 2)),
                            (ode_block(f, gradient="discrete", method="rk4", steps=1), conv_dynamics_init(RNG, 4))):
        theta = conv_classifier_init(RNG, 4, 3, of_block)
        way = Raveler(theta)

        def value(v, block=block, way=way):
            return np.sum(conv_classify(x, way.unravel(v), block, 2)[:, 0])

        v, direction = way.ravel(theta), RNG.normal(size=way.size)
        slope = way.ravel(rn.grad(lambda theta, block=block: np.sum(conv_classify(x, theta, block, 2)[:, 0]))(theta)) @ direction
        h = 1e-7  # small, because relu has kinks
        assert abs((value(v + h * direction) - value(v - h * direction)) / (2 * h) - slope) < 1e-5 * abs(slope)
    assert f(np.ones((2, 3, 3, 4)), 0.5, of_block).shape == (2, 3, 3, 4)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="do not fit kernels"):
        conv(np.ones((1, 5, 5, 2)), conv_init(RNG, 3, 1, 1))
    with pytest.raises(ValueError, match="do not fit kernels"):
        conv(np.ones((1, 2, 5, 1)), conv_init(RNG, 3, 1, 1))
    with pytest.raises(ValueError, match="5 channels do not make 2 groups"):
        group_norm(np.ones((1, 2, 2, 5)), (np.ones(5), np.zeros(5)), 2)
