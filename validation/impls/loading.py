"""From the words after --impl to adapters."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..outcomes import Entry, read_expected

KNOWN = ("refnode", "scipy", "autograd", "torchdiffeq", "torchode", "torchdyn", "jax", "diffrax")
DEFAULT = ("refnode", "scipy", "autograd")


@dataclass(frozen=True)
class Loaded:
    """What one word after --impl gave: adapters, or the package that is missing, or why its import fails. asked: the user named it.
    option: --impl, or --cmd, whose word is a command.

    Where a process of its own has loaded them, the adapters are their attributes only. state: that of its cases if its import fails.
    """

    word: str
    adapters: tuple[Any, ...]
    entries: tuple[Entry, ...]
    missing: str = ""
    broken: str = ""
    asked: bool = False
    state: str = "error"
    option: str = "--impl"


def load(word: str, asked: bool) -> Loaded:
    """The adapters behind a word: a known name, or one implementation of it (diffrax.DirectAdjoint), package.module:Class, or
    path/to/file.py:Class. ValueError if there are none."""
    if word in KNOWN:
        return _known(word, asked)
    if word.partition(".")[0] in KNOWN and ":" not in word:
        return _one(word, _known(word.partition(".")[0], asked))
    place, colon, attribute = word.rpartition(":")
    if not colon or not place or not attribute:
        raise ValueError(
            f"unknown implementation {word!r}: known are {', '.join(KNOWN)}; your own is path/to/file.py:Class or package.module:Class"
        )
    try:
        module = module_from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        raise ValueError(f"cannot import the adapter {word!r}: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise ValueError(f"cannot load the adapter {word!r}: there is no {attribute!r} in it")
    if inspect.isfunction(getattr(module, attribute)):
        raise ValueError(f"the adapter {word!r} is a function, not a class: name the class that has run(case)")
    try:
        adapter = getattr(module, attribute)()
    except Exception as error:
        raise ValueError(f"cannot create the adapter {word!r}: {type(error).__name__}: {error}") from error
    if not hasattr(adapter, "name"):
        raise ValueError(f"the adapter {word!r} has no attribute 'name'")
    expected = Path(module.__file__).with_suffix(".expected") if module.__file__ else None
    return Loaded(word, (adapter,), tuple(read_expected(expected)) if expected and expected.exists() else (), asked=asked)


def _known(word: str, asked: bool) -> Loaded:
    expected = Path(__file__).with_name(f"{word}.expected")
    entries = tuple(read_expected(expected)) if expected.exists() else ()
    try:
        module = importlib.import_module(f".{word}", __package__)
    except Exception as error:
        package = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if package and not _is_installed(package):
            return Loaded(word, (), entries, missing=package, asked=asked)
        return Loaded(word, (), entries, broken=f"its import fails: {type(error).__name__}: {error}", asked=asked)
    return Loaded(word, tuple(adapter() for adapter in module.ADAPTERS), entries, asked=asked)


def _one(name: str, library: Loaded) -> Loaded:
    """Of a library the implementation of that name alone."""
    names = [adapter.name for adapter in library.adapters]
    if names and name not in names:
        raise ValueError(f"unknown implementation {name!r}: {library.word} has {', '.join(names)}")
    chosen = tuple(adapter for adapter in library.adapters if adapter.name == name)
    return replace(library, word=name, adapters=chosen, entries=tuple(e for e in library.entries if e.implementation == name))


def _is_installed(package: str) -> bool:
    """False also for a package that was set to None in sys.modules."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:
        return False


def module_from_file(path: Path) -> Any:
    """The module in a file, under a name of its own. FileNotFoundError if there is none; what it raises, it raises."""
    name = "refnode_validation_user_" + re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise FileNotFoundError(f"no such file: {path}")
    folder = str(path.absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # for the modules beside it
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
