"""What a traced value remembers: a node for each operation, a level for each call of `pullback`."""

from __future__ import annotations

import itertools
from typing import Any

from refnode.autodiff.debug import WATCHING
from refnode.errors import here

_numbers = itertools.count()


class Level:
    """One call of `pullback`. It is alive while the function that is differentiated runs."""

    __slots__ = ("alive", "number", "watched")

    nodes: list[Any]
    stages = False  # True for a `stage.Stage`, where `compiled` traces: all that is done there is kept in its list of nodes

    def __init__(self) -> None:
        self.alive = True
        self.number = next(_numbers)
        self.watched = WATCHING.get()


class Node:
    """value = func(*args, **kwargs). `parents` are the arguments that belong to the same level: (position, node) pairs.

    `back`, where it is not None, replaces the rule of func: back(g) gives the parents' cotangents. `place` is the user's line, under debug_nans.
    """

    __slots__ = ("args", "back", "func", "kwargs", "level", "parents", "place", "value")

    def __init__(self, value: Any, level: Level, func: Any = None, args: Any = (), kwargs: Any = None, parents: Any = (), back: Any = None):
        self.value, self.level, self.func = value, level, func
        self.args, self.kwargs, self.parents, self.back = args, kwargs, parents, back
        self.place = here() if level.watched else ""
