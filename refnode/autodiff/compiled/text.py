"""Python text for what stands in a program, and the globals that the text refers to."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np

from refnode.autodiff.compiled.layout import RESERVED, Copied
from refnode.autodiff.compiled.program import Line, key_of
from refnode.tree import CONTAINERS


class Text:
    """globals: what the names in the text stand for. consts: those of them that are numbers, captured by the function that was traced."""

    def __init__(self, parameters: list[str], letter: str):
        """letter: constants are called c0, c1, ..."""
        self.letter = letter
        self.globals: dict[str, Any] = {"ndarray": np.ndarray, "array": np.array}
        self.consts: dict[str, Any] = {}
        self.parameters = {*parameters}
        self._numbers = itertools.count()

    def of(self, x: Any, inside: dict[Line, str]) -> str:
        """inside: the text of lines that are written where they are read."""
        if isinstance(x, Line):
            return inside.get(x) or x.name
        if isinstance(x, Copied):
            return f"array({self.of(x.x, inside)})"
        if x is None or x is Ellipsis or type(x) in (bool, str, range) or (type(x) is int and x >= 0) or is_plain(x):
            return "..." if x is Ellipsis else repr(x)
        if type(x) is int or (type(x) is float and math.isfinite(x)):
            return f"({x!r})"
        if type(x) is slice:
            return f"slice({', '.join(self.of(part, inside) for part in (x.start, x.stop, x.step))})"
        if isinstance(x, CONTAINERS):
            return self.container(x, inside)
        if isinstance(x, (np.dtype, type)) or callable(x):
            return self.bound(x)
        return self.const(x)

    def container(self, x: Any, inside: dict[Line, str]) -> str:
        if isinstance(x, dict):
            inner = "{" + ", ".join(f"{self.of(key, inside)}: {self.of(child, inside)}" for key, child in x.items()) + "}"
            return inner if type(x) is dict else f"{self.bound(_like_dict)}({self.const(x)}, {inner})"
        inner = ", ".join(self.of(child, inside) for child in x)
        if hasattr(x, "_fields"):
            return f"{self.bound(type(x))}({inner})"
        return f"[{inner}]" if isinstance(x, list) else f"({inner}{',' if len(x) == 1 else ''})"

    def bound(self, x: Any) -> str:
        """The global name of a function, a class or a dtype."""
        name = getattr(x, "__name__", None) or getattr(x, "name", None) or type(x).__name__
        if name in ("reduce", "accumulate"):
            name = f"{x.__self__.__name__}_{name}"
        if isinstance(x, np.dtype):
            name = f"dtype_{name}"
        return self.bound_as("".join(c if c.isalnum() or c == "_" else "" for c in name) or "function", x)

    def bound_as(self, name: str, x: Any) -> str:
        for candidate in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1))):
            if candidate in self.parameters or candidate in RESERVED:
                continue
            if self.globals.setdefault(candidate, x) == x:  # np.add.reduce is a new object each time
                return candidate
        raise AssertionError

    def const(self, x: Any) -> str:
        if type(x) is np.float64 and x == 0 and not np.signbit(x):
            return self.bound_as("zero", x)
        for name, known in self.consts.items():
            if key_of(known) == key_of(x):
                return name
        name = f"{self.letter}{len(self.consts)}"
        self.consts[name] = self.globals[name] = x
        return name

    def index(self, index: Any, inside: dict[Line, str]) -> str:
        if isinstance(index, tuple) and index:
            return ", ".join(self.index(part, inside) for part in index) + ("," if len(index) == 1 else "")
        if isinstance(index, slice):
            parts = (index.start, index.stop) if index.step is None else (index.start, index.stop, index.step)
            return ":".join("" if x is None else self.of(x, inside) for x in parts)
        return self.of(index, inside)

    def new_name(self) -> str:
        return f"x{next(self._numbers)}"


def is_plain(x: Any) -> bool:
    """A float that can be written without a sign."""
    return type(x) is float and math.isfinite(x) and math.copysign(1.0, x) > 0


def _like_dict(model: Any, children: Any) -> Any:
    new = copy.copy(model)
    new.update(children)
    return new
