"""The names that the function which is traced gives to its values, so that the printed program reads like it."""

from __future__ import annotations

import keyword
import sys
from types import FrameType
from typing import Any

from refnode.autodiff import transforms
from refnode.autodiff.nodes import Node
from refnode.autodiff.surface import undifferentiated
from refnode.autodiff.trace import Traced
from refnode.errors import is_users


class Names:
    """While it is open, it looks at the local variables of the user's functions as they return, and at the engine's sweep.

    A variable of the outermost function wins; the cotangent of what is called h is called h_bar. It listens as a profiler does; where a profiler
    is at work already, nothing has a name.
    """

    def __init__(self) -> None:
        self.names: dict[Node, str] = {}
        self.primal: dict[Node, Node] = {}  # cotangent: what it is the cotangent of

    def of(self, node: Node) -> str:
        if node in self.names:
            return self.names[node]
        primal = self.names.get(self.primal[node], "") if node in self.primal else ""
        return f"{primal}_bar" if primal else ""

    def __enter__(self) -> Names:
        self.listening = sys.getprofile() is None
        if self.listening:
            sys.setprofile(self._listen)
        return self

    def __exit__(self, *_: Any) -> None:
        if self.listening:
            sys.setprofile(None)

    def _listen(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and is_users(frame):
            for name, value in frame.f_locals.items():
                self._name(name, value)
        elif event == "call" and frame.f_code is SWEPT:
            value, g = (undifferentiated(x) for x in (frame.f_locals["node"].value, frame.f_locals["g"]))
            if isinstance(value, Traced) and isinstance(g, Traced):
                self.primal[g.node] = value.node

    def _name(self, name: str, value: Any) -> None:
        if type(value) in (tuple, list):
            for i, child in enumerate(value):
                self._name(f"{name}_{i}", child)
        elif type(value) is dict:
            for key, child in value.items():
                self._name(f"{name}_{key}", child)
        elif isinstance(value, Traced) and name.isidentifier() and not keyword.iskeyword(name) and name.isascii():
            value = undifferentiated(value)
            if isinstance(value, Traced):
                self.names[value.node] = name


SWEPT = transforms._contributions.__code__
