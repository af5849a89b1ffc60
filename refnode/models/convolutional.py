"""The convolutional classifier of Table 1's experiment, images as (n, height, width, channels): convolutions are matrix products of patches.

As in torchdiffeq's odenet_mnist.py: a convolution, two that halve the image, a block (residual, ODE, or none), normalisation, mean, linear layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def conv(x: Any, layer: Any, stride: int = 1, padding: int = 0) -> Any:
    """y[n, i, j] = sum_{k,l} x[n, stride i + k - padding, stride j + l - padding] W[k, l] + b, zero outside of the image.

    x: (n, height, width, c). layer = (W, b): W (kernel, kernel, c, d), b (d,) or None. Returns (n, height', width', d), where height' is
    (height + 2 padding - kernel) // stride + 1.
    """
    W, b = layer
    kernel, c, d = W.shape[0], W.shape[2], W.shape[3]
    if x.shape[3] != c or min(x.shape[1:3]) + 2 * padding < kernel:
        raise ValueError(f"images of shape {x.shape[1:]} (height, width, channels) do not fit kernels of shape {W.shape[:3]} with padding {padding}.")
    x = padded(x, padding)
    height, width = ((size - kernel) // stride + 1 for size in x.shape[1:3])
    patches = np.concatenate([x[:, k:k + stride * (height - 1) + 1:stride, m:m + stride * (width - 1) + 1:stride]
                              for k in range(kernel) for m in range(kernel)], axis=3)
    y = np.reshape(patches, (-1, kernel * kernel * c)) @ np.reshape(W, (-1, d))
    return np.reshape(y if b is None else y + b, (x.shape[0], height, width, d))


def padded(x: Any, n: int) -> Any:
    """n zeros around each image."""
    if n == 0:
        return x
    rows = np.zeros((x.shape[0], n, x.shape[2], x.shape[3]))
    x = np.concatenate([rows, x, rows], axis=1)
    columns = np.zeros((x.shape[0], x.shape[1], n, x.shape[3]))
    return np.concatenate([columns, x, columns], axis=2)


def group_norm(x: Any, norm: Any, groups: int, eps: float = 1e-5) -> Any:
    """(x - mean) / sqrt(variance + eps) scale + shift, mean and variance of an image over each of `groups` groups of channels. (Wu, He 2018)

    x: (n, height, width, c); norm = (scale, shift), each (c,).
    """
    (scale, shift), (n, height, width, c) = norm, x.shape
    if c % groups:
        raise ValueError(f"{c} channels do not make {groups} groups of the same size.")
    x = np.reshape(x, (n, height * width, groups, c // groups))
    x = x - np.mean(x, axis=(1, 3), keepdims=True)
    x = x / np.sqrt(np.mean(x * x, axis=(1, 3), keepdims=True) + eps)
    return np.reshape(x, (n, height, width, c)) * scale + shift


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def conv_classify(x: Any, theta: Any, block: Callable[[Any, Any], Any], groups: int) -> Any:
    """Logits (n, classes) of images x (n, height, width, 1). theta = (first, norm, half, norm, half, block, norm, last). Paper: sec. 3"""
    first, norm1, half1, norm2, half2, of_block, norm3, (W, b) = theta
    x = relu(group_norm(conv(x, first), norm1, groups))
    x = relu(group_norm(conv(x, half1, stride=2, padding=1), norm2, groups))
    x = block(conv(x, half2, stride=2, padding=1), of_block)
    return np.mean(relu(group_norm(x, norm3, groups)), axis=(1, 2)) @ W + b


def conv_dynamics(groups: int) -> Callable[[Any, Any, Any], Any]:
    """f(h, t, theta): normalise, relu, convolve h and t, twice, and normalise. t is a channel beside those of h. Paper: sec. 3"""
    def f(h: Any, t: Any, theta: Any) -> Any:
        norm1, conv1, norm2, conv2, norm3 = theta
        time = t * np.ones((*h.shape[:3], 1))
        h = conv(np.concatenate([time, relu(group_norm(h, norm1, groups))], axis=3), conv1, padding=1)
        h = conv(np.concatenate([time, relu(group_norm(h, norm2, groups))], axis=3), conv2, padding=1)
        return group_norm(h, norm3, groups)

    return f


def conv_residual(groups: int) -> Callable[[Any, Any], Any]:
    """Residual blocks, one for each entry of thetas: h + conv(relu(norm(conv(relu(norm(h)))))). (He et al. 2016b)"""
    def blocks(h: Any, thetas: Any) -> Any:
        for norm1, conv1, norm2, conv2 in thetas:
            inner = conv(relu(group_norm(h, norm1, groups)), conv1, padding=1)
            h = h + conv(relu(group_norm(inner, norm2, groups)), conv2, padding=1)
        return h

    return blocks


# parameters

def conv_init(rng: np.random.Generator, kernel: int, c: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """W, b uniform in +- 1 / sqrt(kernel^2 c), as PyTorch has them."""
    edge = 1 / np.sqrt(kernel * kernel * c)
    return rng.uniform(-edge, edge, (kernel, kernel, c, d)), rng.uniform(-edge, edge, d)


def norm_init(c: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(c), np.zeros(c)


def conv_classifier_init(rng: np.random.Generator, c: int, classes: int, block: Any) -> Any:
    edge = 1 / np.sqrt(c)
    return (conv_init(rng, 3, 1, c), norm_init(c), conv_init(rng, 4, c, c), norm_init(c), conv_init(rng, 4, c, c), block, norm_init(c),
            (rng.uniform(-edge, edge, (c, classes)), rng.uniform(-edge, edge, classes)))


def conv_dynamics_init(rng: np.random.Generator, c: int) -> Any:
    return norm_init(c), conv_init(rng, 3, c + 1, c), norm_init(c), conv_init(rng, 3, c + 1, c), norm_init(c)


def conv_residual_init(rng: np.random.Generator, c: int, blocks: int) -> Any:
    """No shifts: the normalisation after them would take them away."""
    return tuple((norm_init(c), (conv_init(rng, 3, c, c)[0], None), norm_init(c), (conv_init(rng, 3, c, c)[0], None)) for _ in range(blocks))
