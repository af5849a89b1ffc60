"""The level at which `compiled` traces, and functions that are called in a program instead of being traced through."""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from refnode.autodiff.nodes import Level, Node
from refnode.autodiff.surface import plain
from refnode.autodiff.trace import Traced, innermost
from refnode.tree import leaves, tree_map

COUNTING = threading.Lock()


class Stage(Level):
    """The level at which `compiled` traces: its nodes are the lines of a program, in their order, and are never swept.

    It lies below the levels of all pullbacks that are called meanwhile, so that their sweeps are lines of the program, too. What has no derivative
    (a comparison, argsort) is a line like another, and what would make a program of one set of values is refused.
    """

    __slots__ = ("failed", "nodes")

    stages = True
    open = 0  # how many are tracing now

    def __init__(self) -> None:
        super().__init__()
        self.watched = False
        self.nodes: list[Node] = []
        self.failed: Exception | None = None  # an operation's exception, which f may have caught

    def __enter__(self) -> Self:
        with COUNTING:
            Stage.open += 1
        return self

    def __exit__(self, *_: Any) -> None:
        with COUNTING:
            Stage.open -= 1
        self.alive = False


def is_staged(args: Any) -> bool:
    """Whether `compiled` is tracing, and args are the concern of its program alone, and not of a pullback above it."""
    if not Stage.open:
        return False
    traced = [x for x in leaves(args) if isinstance(x, Traced)]
    return bool(traced) and innermost(traced).stages


def called(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """A function that brings its own pullback, or that pullback, as one line of a program, which is not traced through."""
    level = innermost(leaves(args))
    node = Node(function(*tree_map(plain, args), **kwargs), level, function, args, kwargs)
    level.nodes.append(node)
    return _parts(node)


def _parts(node: Node) -> Any:
    """What a called function returned: its numbers as traced values; a function, such as the way back, is called in the program as well."""
    value = node.value

    def part(key: Any) -> Any:
        child = Node(value[key], node.level, operator.getitem, (value, key), {}, [(0, node)])
        node.level.nodes.append(child)
        return _parts(child)

    if isinstance(value, dict):
        return {key: part(key) for key in value}
    if isinstance(value, (tuple, list)):
        children = [part(i) for i in range(len(value))]
        return type(value)(*children) if hasattr(value, "_fields") else type(value)(children)
    if isinstance(value, (float, np.ndarray, np.generic)):
        return Traced(node, False)
    return (lambda *args: called(operator.call, (Traced(node, False), *args), {})) if callable(value) else value
