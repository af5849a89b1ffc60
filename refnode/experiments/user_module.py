"""Dynamics, initial states and parameters from a user's own module, as the commands name them: mymodel:f, path/to/mymodel.py:f."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

_REQUIRED = object()


class Wrong(Exception):
    """A wrong option, in one sentence."""


def load(place: str) -> tuple[Any, Any]:
    name, _, function = place.rpartition(":")
    if not name or not function:
        raise Wrong(f"{place!r} does not name dynamics; write module:f or path/to/file.py:f.")
    try:
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(name).stem, name)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            sys.path.insert(0, "")
            module = importlib.import_module(name)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise Wrong(f"{name} cannot be imported ({error}); start refnode in its folder, or give its path.") from None
    if not callable(getattr(module, function, None)):
        names = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise Wrong(f"{name} has no function {function!r}; it has {', '.join(names) or 'none'}.")
    return module, getattr(module, function)


def value(module: Any, what: str, given: str | None, default: Any = _REQUIRED) -> Any:
    """What --z0 (and so on) names: an attribute of the module, numbers, or start:end:count."""
    if given is None:
        found = getattr(module, what, default)
        if found is _REQUIRED:
            raise Wrong(f"the module has no {what}; define it there, or give --{what}.")
        return found
    if given.isidentifier():
        if not hasattr(module, given):
            raise Wrong(f"--{what} {given}: the module has no such name.")
        return getattr(module, given)
    try:
        if given.count(":") == 2:
            start, end, count = given.split(":")
            return np.linspace(float(start), float(end), int(count))
        numbers = [float(x) for x in given.split(",")]
    except ValueError:
        raise Wrong(f"--{what} {given}: give a name, numbers such as 1,0.5, or start:end:count.") from None
    return np.array(numbers) if len(numbers) > 1 else np.float64(numbers[0])
