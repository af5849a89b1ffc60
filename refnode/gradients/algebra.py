"""Vector algebra on trees, traced or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.autodiff.transforms import is_differentiable
from refnode.tree import Tree, is_container, leaves, tree_map


def negative(tree: Tree) -> Tree:
    return tree_map(lambda x: -x, tree)


def add(tree: Tree, other: Tree) -> Tree:
    return tree_map(lambda x, y: x + y, tree, other)


def add_into(total: Tree, tree: Tree) -> None:
    """total += tree, in place: arrays of one structure, those of `total` one's own."""
    if type(total) is np.ndarray:
        total += tree
        return
    for part, its in zip(total.values(), map(tree.__getitem__, total)) if isinstance(total, dict) else zip(total, tree):  # noqa: B905 (costs time)
        if type(part) is np.ndarray:
            part += its
        elif part is not None:
            add_into(part, its)


def dot(tree: Tree, other: Tree) -> Any:
    return sum(leaves(tree_map(lambda x, y: np.sum(x * y), tree, other)), np.float64(0.0))


def as_argument(z: Any) -> Any:
    """A list of plain numbers as one array."""
    if callable(z):
        raise TypeError("adjoint and full_adjoint are called as adjoint(z1, dLdz1, f, t0, t1, theta); f comes third.")
    return np.array(z, float) if isinstance(z, (list, tuple)) and all(type(x) in (int, float) for x in z) else z


def arrays(tree: Tree) -> Tree:
    """Numbers as arrays of shape (): a tuple of numbers would count as one vector."""
    return tree_map(lambda x: x if isinstance(plain(x), np.ndarray) else np.broadcast_to(x, ()), tree)


def at(tree: Tree, i: int | list[int]) -> Tree:
    """Entry i of each leaf (or entries): the state at one of the observation times (or at several)."""
    return tree_map(lambda x: x[i], tree)


def last(tree: Tree) -> Tree:
    return at(tree, -1)


def zeros_like(theta: Tree) -> Tree:
    """Zeros for each differentiable leaf, None for the static ones."""
    return tree_map(lambda x: np.zeros_like(plain(x)) if is_differentiable(x) else None, theta)


def like_argument(argument: Any, cotangent: Any) -> Any:
    """A list of plain numbers was one array to the solver; its cotangent is a list again."""
    if is_container(argument) and not is_container(cotangent):
        return type(argument)(cotangent[i] for i in range(len(argument)))
    return cotangent
