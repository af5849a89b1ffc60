"""An argument of f - a nested tuple, list or dict of arrays - as one flat real vector, and back, with a path for every number."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

CONTAINERS = (tuple, list, dict)
FLOATING = (np.float32, np.float64, np.complex64, np.complex128)


@dataclass(frozen=True)
class Leaf:
    """One array of floating-point numbers: where it stands (theta[0]['W']), and which part of the vector it is."""

    path: str
    value: np.ndarray
    part: slice
    plain: bool = False  # given as a number, not as an array

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number in its precision."""
        return float(np.finfo(self.value.dtype).eps)

    def from_vector(self, vector: Any) -> Any:
        """Its array, read-only, from the whole vector. Of float64 leaves also where the vector is a value that is being differentiated."""
        piece, dtype = vector[self.part], self.value.dtype
        if dtype.kind == "c":
            half = self.value.size
            piece = piece[:half] + 1j * piece[half:]
        if dtype != np.float64:
            piece = piece.astype(dtype)
        array = piece.reshape(self.value.shape)
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
            return array[()] if self.plain else array
        return array


class Form:
    """The structure of an argument.

        form = Form(theta, "theta");  form.vector is theta as one float64 vector;  form.tree(form.vector) is theta again

    A complex leaf gives its real parts, then its imaginary parts. What is not floating-point is static and comes back as it is. With
    state=True integers are promoted to float64, and a list of plain numbers is one array.
    """

    def __init__(self, tree: Any, name: str, state: bool = False):
        self.name = name
        self.given = _as_state(tree) if state else tree
        found = [(path, x) for path, x in _walk(self.given, name) if _floating(x)]
        ends = list(itertools.accumulate((_width(np.asarray(x)) for _, x in found), initial=0))
        self.leaves = [Leaf(path, np.asarray(x), slice(*ends[i:i + 2]), not isinstance(x, np.ndarray)) for i, (path, x) in enumerate(found)]
        self.size = ends[-1]
        self.vector = np.concatenate([np.zeros(0), *(_real(leaf.value) for leaf in self.leaves)])

    def tree(self, vector: Any) -> Any:
        """The argument with the numbers of a vector."""
        return self.with_leaves([leaf.from_vector(vector) for leaf in self.leaves])

    def with_leaves(self, arrays: list[Any]) -> Any:
        """The argument with these arrays in the places of its floating-point leaves."""
        return _rebuilt(self.given, iter(arrays))

    def leaves_of(self, tree: Any) -> list[Any]:
        """What stands in another argument of the same structure at the floating-point leaves."""
        return _at_leaves(self.given, tree, self.name)

    def cotangent(self, tree: Any, what: str) -> np.ndarray:
        """The vector of a cotangent: a tree like the argument whose static places hold anything. ValueError if it is not."""
        parts = [np.asarray(x) for x in _at_leaves(self.given, tree, what)]
        for leaf, x in zip(self.leaves, parts, strict=True):
            if x.shape != leaf.value.shape or x.dtype.kind not in "fiuc":
                raise ValueError(f"{what} has {_described(x)} at {leaf.path}, which is {_described(leaf.value)}")
        return np.concatenate([np.zeros(0), *(_real(x) for x in parts)])

    def place(self, index: int) -> str:
        """The name of one number: z[1], theta[0]['W'][2,0]."""
        leaf = next(leaf for leaf in self.leaves if leaf.part.start <= index < leaf.part.stop)
        offset = index - leaf.part.start
        within = np.unravel_index(offset % leaf.value.size, leaf.value.shape)
        which = (".imag" if offset >= leaf.value.size else ".real") if leaf.value.dtype.kind == "c" else ""
        return leaf.path + (f"[{','.join(map(str, within))}]" if within else "") + which

    @property
    def eps(self) -> np.ndarray:
        """The unit roundoff of each number of the vector: half the distance from 1 to the next one."""
        return np.concatenate([np.zeros(0), *(np.full(leaf.part.stop - leaf.part.start, leaf.eps / 2) for leaf in self.leaves)])

    def value(self, out: Any) -> np.ndarray:
        """What f returned, as a vector. ValueError, in one sentence, where it is not exactly what the state is."""
        if out is None:
            raise ValueError("f returned None; is its return statement missing?")
        found = _at_leaves(self.given, out, "f")
        return np.concatenate([np.zeros(0), *(_conform(x, leaf) for x, leaf in zip(found, self.leaves, strict=True))])

    def __str__(self) -> str:
        if not self.leaves:
            return "()" if self.given is None or self.given == () else str(self.given)[:40]
        dtypes = sorted({str(leaf.value.dtype) for leaf in self.leaves})
        if len(self.leaves) == 1:
            return f"{self.leaves[0].value.shape} {dtypes[0]}"
        shapes = ", ".join(f"{leaf.path.removeprefix(self.name)} {leaf.value.shape}" for leaf in self.leaves[:4])
        more, numbers = ", ..." if len(self.leaves) > 4 else "", sum(leaf.value.size for leaf in self.leaves)
        return f"{shapes}{more}: {numbers} numbers, {', '.join(dtypes)}"


def _walk(tree: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, leaf) from left to right; dicts in the order of their keys' insertion."""
    if isinstance(tree, dict):
        for key in tree:
            yield from _walk(tree[key], f"{path}[{key!r}]")
    elif isinstance(tree, CONTAINERS):
        names = [f".{name}" for name in tree._fields] if hasattr(tree, "_fields") else [f"[{i}]" for i in range(len(tree))]
        for name, child in zip(names, tree, strict=True):
            yield from _walk(child, path + name)
    elif tree is not None:
        yield path, tree


def _rebuilt(tree: Any, new: Iterator[Any]) -> Any:
    """The same containers, with the next of `new` at every floating-point leaf."""
    if isinstance(tree, dict):
        same = copy.copy(tree)
        same.update({key: _rebuilt(child, new) for key, child in tree.items()})
        return same
    if isinstance(tree, CONTAINERS):
        children = [_rebuilt(child, new) for child in tree]
        return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)
    return next(new) if _floating(tree) else tree  # a static leaf stays


def _at_leaves(model: Any, other: Any, what: str) -> list[Any]:
    """What stands in `other` at the floating-point leaves of `model`."""
    if isinstance(model, dict):
        if not isinstance(other, dict) or other.keys() != model.keys():
            raise ValueError(f"{what} has {_described(other)} where a dict with the keys {list(model)} belongs")
        return [x for key in model for x in _at_leaves(model[key], other[key], what)]
    if isinstance(model, CONTAINERS):
        if not any(True for _, x in _walk(model, "") if _floating(x)):
            return []
        if not isinstance(other, (tuple, list)) or len(other) != len(model):
            raise ValueError(f"{what} has {_described(other)} where a {type(model).__name__} of {len(model)} entries belongs")
        return [x for one, its in zip(model, other, strict=True) for x in _at_leaves(one, its, what)]
    return [other] if _floating(model) else []


def _conform(x: Any, leaf: Leaf) -> np.ndarray:
    """One array of f's value, which must have exactly the shape of the state's."""
    try:
        array = np.asarray(x)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind not in "fciub":
        raise ValueError(f"f returned {_described(x)} where {leaf.path} is {_described(leaf.value)}; it must return numbers")
    if array.shape != leaf.value.shape:
        raise ValueError(f"f returned shape {array.shape} where {leaf.path} has shape {leaf.value.shape}{_why_shape(array, leaf)}")
    if array.dtype.kind == "c" and leaf.value.dtype.kind != "c":
        raise ValueError(f"f returned {array.dtype} where {leaf.path} is {leaf.value.dtype}; start from a complex z0")
    return _real(array.astype(np.result_type(leaf.value.dtype, np.float64)))


def _why_shape(array: np.ndarray, leaf: Leaf) -> str:
    if array.size == leaf.value.size:
        return f"; as many numbers in another shape: return value.reshape({leaf.value.shape})"
    try:
        both = np.broadcast_shapes(array.shape, leaf.value.shape)
    except ValueError:
        return ""
    if both == array.shape:
        return "; has a term with an axis too many, such as (n, 1) beside (n,), been broadcast?"
    return f"; a solver that broadcasts would go on with {both}"


def _real(x: np.ndarray) -> np.ndarray:
    flat = np.reshape(x, (-1,))
    return np.concatenate([flat.real, flat.imag]).astype(np.float64) if x.dtype.kind == "c" else flat.astype(np.float64)


def _width(x: np.ndarray) -> int:
    return x.size * (2 if x.dtype.kind == "c" else 1)


def _floating(x: Any) -> bool:
    return isinstance(x, (float, complex)) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype in FLOATING)


def _as_state(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _as_state(child) for key, child in x.items()}
    if isinstance(x, CONTAINERS) and any(isinstance(child, (*CONTAINERS, np.ndarray)) or child is None for child in x):
        children = [None if child is None else _as_state(child) for child in x]
        return type(x)(*children) if hasattr(x, "_fields") else type(x)(children)
    array = np.asarray(x)
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype not in FLOATING:
        raise ValueError(f"z0 has the dtype {array.dtype}; a state is float64, or float32, complex64, complex128")
    return array


def _described(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"an array of shape {x.shape}, {x.dtype}"
    if isinstance(x, dict):
        return f"a dict with the keys {list(x)}"
    return f"a {type(x).__name__}" + (f" of {len(x)} entries" if isinstance(x, (tuple, list)) else "")
