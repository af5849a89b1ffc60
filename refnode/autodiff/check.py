"""check_grads: is the derivative of f that the engine computes the derivative of f?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.arguments import is_differentiable
from refnode.autodiff.surface import plain
from refnode.autodiff.transforms import pullback
from refnode.tree import Tree, leaves, tree_map


def check_grads(f: Callable[..., Any], *args: Tree, order: int = 2, rtol: float = 1e-6, seed: int = 0) -> None:
    """Raises AssertionError unless <g, J v> = <J^T g, v> for random v and g, with J v by differences; then the same for the pullback.

    J v is a central difference with Richardson extrapolation at three step sizes; where the three disagree by more than rtol, the differences
    are too noisy to judge (f is rough, or the arguments badly scaled) and a ValueError says so. args: trees of floats and float arrays, static
    leaves are held. order: how many times the pullback is itself checked; each is a pullback of a pullback. The dot test.
    """
    rng = np.random.default_rng(seed)
    _check(f, args, order, rtol, rng, "f")


def _check(f: Callable[..., Any], args: tuple[Tree, ...], order: int, rtol: float, rng: np.random.Generator, name: str) -> None:
    value, back = pullback(f, *args)
    g = tree_map(lambda leaf: rng.standard_normal(np.shape(leaf)), value)
    v = tree_map(lambda leaf: rng.standard_normal(np.shape(leaf)) if is_differentiable(leaf) else None, args)
    pulled = back(g)
    shapes, wanted = ([np.shape(plain(leaf)) for leaf in leaves(tree)] for tree in (pulled, v))
    assert shapes == wanted, f"the pullback of {name} gives cotangents of shapes {shapes}, where the arguments have {wanted}."
    by_pullback = _inner(pulled, v)

    def along(h: float) -> float:
        return _inner(g, f(*_moved(args, v, h)))

    scale = _inner_size(pulled, v) + abs(by_pullback) + 1e-300
    estimates = [(8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h) for h in (4e-4, 2e-3, 1e-2)]
    spread = sorted(abs(a - b) for a, b in ((estimates[0], estimates[1]), (estimates[1], estimates[2]), (estimates[0], estimates[2])))[0]
    if not np.isfinite(spread) or spread > rtol * scale:
        raise ValueError(f"finite differences at three step sizes give {estimates}, which disagree: they cannot judge the derivative of {name}; "
                         "move the arguments away from kinks, or scale them to order one.")
    error = min(abs(estimate - by_pullback) for estimate in estimates)
    assert error <= 10 * rtol * scale, (
        f"the pullback of {name} is wrong: <J^T g, v> = {by_pullback!r}, but differences give <g, J v> = {estimates!r}.")
    if order > 1:
        def pulled_flat(g: Any, *args: Any) -> Any:
            return [c for c in leaves(pullback(f, *args)[1](g)) if c is not None]
        _check(pulled_flat, (g, *args), order - 1, rtol, rng, f"the pullback of {name}")


def _moved(args: Tree, v: Tree, h: float) -> Tree:
    def move(leaf: Any, direction: Any) -> Any:
        return leaf if direction is None else leaf + h * direction
    return tree_map(move, args, v)


def _inner(tree: Tree, other: Tree) -> float:
    return float(sum(np.vdot(plain(x), plain(y)) for x, y in zip(leaves(tree), leaves(other), strict=True)))


def _inner_size(tree: Tree, other: Tree) -> float:
    return float(sum(np.sum(np.abs(plain(x) * plain(y))) for x, y in zip(leaves(tree), leaves(other), strict=True)))
