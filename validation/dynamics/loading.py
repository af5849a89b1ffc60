"""A user's own f, z0, ts and theta: MODULE:f, and names in that module, or numbers."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..impls.loading import module_from_file
from .subject import line_of

_REQUIRED = object()


def dynamics(word: str) -> tuple[Any, Any]:
    """(module, f) for mymodel:f or path/to/mymodel.py:f. ValueError, in one sentence, if there is no such function."""
    place, colon, name = word.rpartition(":")
    if not colon or not place or not name:
        raise ValueError(f"--dynamics {word}: write MODULE:f or path/to/file.py:f")
    try:
        if place.endswith(".py"):
            module = module_from_file(Path(place))
        else:
            sys.path.insert(0, "")
            module = importlib.import_module(place)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise ValueError(f"--dynamics {word}: {place} cannot be imported ({error}); run in its folder, or give its path") from None
    except Exception as error:  # the module is the user's
        raise ValueError(f"--dynamics {word}: importing {place} raised {type(error).__name__}: {error}{line_of(error)}") from error
    if not callable(getattr(module, name, None)):
        names = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise ValueError(f"--dynamics {word}: there is no function {name!r} in {place}; it has {', '.join(names) or 'none'}")
    return module, getattr(module, name)


def argument(module: Any, what: str, given: str | None, default: Any = _REQUIRED) -> Any:
    """What --z0, --ts or --theta names: an attribute of the module, numbers, or start:end:count; not given, the attribute of that name."""
    if given is None:
        found = getattr(module, what, default)
        if found is _REQUIRED:
            raise ValueError(f"the module has no {what}; define it there, or give --{what}")
        return found
    if given.isidentifier():
        if not hasattr(module, given):
            raise ValueError(f"--{what} {given}: the module has no such name")
        return getattr(module, given)
    try:
        if given.count(":") == 2:
            start, end, count = given.split(":")
            return np.linspace(float(start), float(end), int(count))
        numbers = [float(x) for x in given.split(",")]
    except ValueError:
        raise ValueError(f"--{what} {given}: give a name in the module, numbers such as 1,0.5, or start:end:count") from None
    return np.array(numbers) if len(numbers) > 1 else np.float64(numbers[0])


def times(ts: Any) -> np.ndarray:
    """ts as an array of at least two times, increasing or decreasing. ValueError, in one sentence, if it is not."""
    try:
        found = np.atleast_1d(np.asarray(ts, np.float64))
    except (TypeError, ValueError):
        raise ValueError(f"ts must hold numbers, not {ts!r:.60}") from None
    if found.ndim != 1 or found.size < 2 or not np.all(np.isfinite(found)):
        raise ValueError(f"ts must be at least two finite times, such as np.linspace(0, 1, 11), not {ts!r:.60}")
    if not (np.all(np.diff(found) > 0) or np.all(np.diff(found) < 0)):
        raise ValueError("ts must increase or decrease throughout, without repetition")
    return found
