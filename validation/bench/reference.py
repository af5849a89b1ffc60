"""The gradients that all others are compared with: written by hand, at a tolerance ten thousand times tighter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..impls import by_hand
from .workloads import Workload

TIGHTER = 1e-4


def reference(workload: Workload) -> list[np.ndarray]:
    """[dL/dz0, leaves of dL/dtheta]. tests/validation/test_bench.py compares it with refnode's and SciPy's.

    Where it is there, the adjoint: it keeps no steps, of which there are many at this tolerance.
    """
    tight = replace(workload, rtol=TIGHTER * workload.rtol, atol=TIGHTER * workload.atol)
    adapter = by_hand.Adjoint() if workload.kind == "mlp" else by_hand.Discrete()
    return adapter.bench(tight)()


def error(gradient: Sequence[Any], expected: Sequence[np.ndarray]) -> float:
    """The largest |g - expected| / |expected| over the leaves, 2-norms. ValueError if they do not match."""
    sizes, expected_sizes = [np.size(leaf) for leaf in gradient], [leaf.size for leaf in expected]
    if sizes != expected_sizes:
        raise ValueError(f"the gradient has leaves of {sizes} numbers, not of {expected_sizes}")
    pairs = zip(gradient, expected, strict=True)
    errors = [float(np.linalg.norm(np.ravel(leaf) - right.ravel()) / np.linalg.norm(right)) for leaf, right in pairs]
    return max(errors) if np.all(np.isfinite(errors)) else float("inf")
