"""The residual network that the paper starts from: Euler's method with step one, and new parameters at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def resnet(h: Any, f: Callable[[Any, int, Any], Any], thetas: Sequence[Any]) -> Any:
    """The hidden state after len(thetas) blocks: h_{t+1} = h_t + f(h_t, t, theta_t).

    h: an array; f returns one of the same shape. Paper: eq. (1). Statement: S1, S73
    """
    for t, theta in enumerate(thetas):
        h = h + f(h, t, theta)
    return h
