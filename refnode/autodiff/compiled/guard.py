"""How a source takes its arguments apart, and how it sees that they are like those that it was made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from refnode.autodiff.compiled.program import Line
from refnode.autodiff.compiled.text import Text
from refnode.tree import Tree, is_container, leaves


def unpacked(text: Text, parameters: list[str], arguments: tuple[Tree, ...]) -> Iterator[str]:
    """(W1, b1), (W2, b2) = theta"""
    for parameter, arg in zip(parameters, arguments, strict=True):
        if not isinstance(arg, Line) and any(isinstance(leaf, Line) for leaf in leaves(arg)):
            yield from pattern(text, arg, parameter)


def pattern(text: Text, tree: Tree, source: str) -> Iterator[str]:
    if not has_dict(tree):
        yield f"{targets(tree)[1:-1]} = {source}"
        return
    keys = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in keys:
        place = f"{source}[{text.of(key, {})}]"
        if isinstance(child, Line):
            yield f"{child.name} = {place}"
        elif any(isinstance(leaf, Line) for leaf in leaves(child)):
            yield from pattern(text, child, place)


def targets(tree: Tree) -> str:
    if isinstance(tree, Line):
        return tree.name
    if not is_container(tree) or not any(isinstance(leaf, Line) for leaf in leaves(tree)):
        return "_"
    return f"({', '.join(map(targets, tree))}{',' if len(tree) == 1 else ''})"


def guarded(text: Text, name: str, parameters: list[str], arguments: tuple[Tree, ...]) -> str:
    """The text of a function that says whether it is given arguments like these.

    A tuple of tuples of arrays cannot change but for the numbers in it: if it is the one that was seen last, it is not looked at again.
    """
    lines = []
    for parameter, arg in zip(parameters, arguments, strict=True):
        if type(arg) is tuple and is_fixed(arg):
            seen = text.bound_as(f"seen_{parameter}", [None])
            lines += [f"if {parameter} is not {seen}[0]:", *indented(checks(text, arg, parameter)), f"    {seen}[0] = {parameter}"]
        else:
            lines += checks(text, arg, parameter)
    return "\n".join([f"def {name}({', '.join(parameters)}):", *indented(lines), "    return True", ""])


def checks(text: Text, tree: Tree, place: str) -> Iterator[str]:
    """Return False unless what stands at a place is like the tree."""
    value = tree.value if isinstance(tree, Line) else tree
    if is_container(value):
        kind = text.of(type(value), {})
        same = f"list({place}) == {text.of(list(value), {})}" if isinstance(value, dict) else f"len({place}) == {len(value)}"
        yield f"if not (type({place}) is {kind} and {same}): return False"
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if is_container(child):
                name = text.new_name()
                yield f"{name} = {place}[{text.of(key, {})}]"
                yield from checks(text, child, name)
            else:
                yield from checks(text, child, f"{place}[{text.of(key, {})}]")
    elif isinstance(value, np.ndarray):
        name = text.new_name()
        yield f"{name} = {place}"
        kinds = [f"type({name}) is {text.of(type(value), {})}", f"{name}.shape == {value.shape}", f"{name}.strides == {value.strides}",
                f"{name}.dtype is {text.of(value.dtype, {})}"]
        if not isinstance(tree, Line):
            kinds.append(f"{name}.tobytes() == {text.const(value.tobytes())}")
        yield f"if not ({' and '.join(kinds)}): return False"
    elif isinstance(tree, Line):
        yield f"if type({place}) is not {text.of(type(value), {})}: return False"
    elif value is None or callable(value):
        yield f"if {place} is not {text.of(value, {})}: return False"
    else:
        yield f"if not (type({place}) is {text.of(type(value), {})} and {place} == {text.of(value, {})}): return False"


def is_fixed(tree: Tree) -> bool:
    """Tuples all the way down to arrays of floating-point numbers."""
    return all(is_fixed(child) for child in tree) if type(tree) is tuple else isinstance(tree, Line) and isinstance(tree.value, np.ndarray)


def has_dict(tree: Tree) -> bool:
    return isinstance(tree, dict) or (is_container(tree) and any(map(has_dict, tree)))


def indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]
