"""Nested tuple/list/dict of arrays, and one flat vector.

A *tree* is a tuple, named tuple, list or dict of trees; everything else is a leaf. None is a tree without leaves: it marks the
place of a leaf that has no gradient. The verbs: `leaves`, `tree_map`, `rebuild`, and `Raveler` for the way to one vector and back.
"""

from __future__ import annotations

import copy
import itertools
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.errors import TraceError, here

Tree = Any
CONTAINERS = (tuple, list, dict)


def leaves(tree: Tree) -> list[Any]:
    """The leaves from left to right; a dict in the order of its keys' insertion."""
    if not isinstance(tree, CONTAINERS):
        return [] if tree is None else [tree]
    return [leaf for child in _children(tree) for leaf in leaves(child)]


def tree_map(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """function applied to each leaf of `tree` and to the leaves at the same places of `rest`, which must have its structure."""
    if not isinstance(tree, CONTAINERS):
        return None if tree is None else function(tree, *rest)
    for other in rest:
        check_same_structure(tree, other)
    if isinstance(tree, dict):
        return _like_dict(tree, [tree_map(function, tree[key], *(other[key] for other in rest)) for key in tree])
    if not rest:
        return _like(tree, [tree_map(function, child) for child in tree])
    return _like(tree, [tree_map(function, *children) for children in zip(tree, *rest, strict=True)])


def rebuild(tree: Tree, new_leaves: Iterator[Any]) -> Tree:
    """The structure of `tree` with leaves taken from an iterator, left to right."""
    if not isinstance(tree, CONTAINERS):
        return None if tree is None else next(new_leaves)
    children = [rebuild(child, new_leaves) for child in _children(tree)]
    return _like_dict(tree, children) if isinstance(tree, dict) else _like(tree, children)


def is_container(x: Any) -> bool:
    return isinstance(x, CONTAINERS)


def check_same_structure(tree: Tree, other: Tree) -> None:
    """One level: the same kind of container with as many entries, or the same keys. Lists and tuples count as the same kind."""
    if type(tree) is tuple and type(other) is tuple and len(tree) == len(other):
        return
    if isinstance(tree, dict):
        if not isinstance(other, dict) or tree.keys() != other.keys():
            raise ValueError(f"a dict with the keys {list(tree)} was expected, not {_describe(other)}.")
    elif isinstance(other, dict) or not is_container(other) or len(tree) != len(other):
        raise ValueError(f"a {type(tree).__name__} of {len(tree)} entries was expected, not {_describe(other)}.")


def as_state(x: Tree) -> Tree:
    """An initial state as arrays: a list or tuple of plain numbers becomes one array (as in SciPy), integers become float64.

    A tree is a container that holds at least one array or container. float32, float64 and the complex dtypes stay as they are; every other
    dtype is refused with a TypeError.
    """
    if x is None:
        raise TypeError("a state cannot be None; give an array, a number, or a tuple, list or dict of them.")
    if isinstance(x, dict) or (is_container(x) and any(is_container(child) or child is None or isinstance(child, np.ndarray) for child in x)):
        return _arrays(x)
    return _state_array(x)


def _arrays(x: Tree) -> Tree:
    """The children of a tree as states; None and empty containers stay what they are."""
    if isinstance(x, dict):
        return _like_dict(x, [_arrays(child) for child in x.values()])
    if is_container(x) and (len(x) == 0 or any(is_container(child) or child is None or isinstance(child, np.ndarray) for child in x)):
        return _like(x, [_arrays(child) for child in x])
    return None if x is None else _state_array(x)


class Raveler:
    """The way from a tree of arrays to one flat vector, and back.

        r = Raveler(tree);  v = r.ravel(tree);  tree == r.unravel(v)

    dtype is that of the leaves (the widest, where they differ; `unravel` gives each leaf its own back). `parts` holds each leaf's slice of
    the vector: the error norm is a maximum over them.
    Statement: S85
    """

    def __init__(self, tree: Tree):
        self.tree = tree
        arrays = [np.asarray(leaf) for leaf in leaves(tree)]
        self.shapes = [a.shape for a in arrays]
        self.dtypes = [a.dtype for a in arrays]
        self.dtype = np.result_type(*self.dtypes) if arrays else np.dtype(np.float64)
        ends = list(itertools.accumulate((a.size for a in arrays), initial=0))
        self.parts = [slice(start, end) for start, end in itertools.pairwise(ends)]
        self.size: int = ends[-1]
        self._is_leaf = not is_container(tree)
        self._is_flat = self._is_leaf and self.shapes == [(self.size,)]
        self._places = list(zip(self.parts, self.shapes, self.dtypes, strict=True))
        self._one_dtype = all(dtype == self.dtype for dtype in self.dtypes)
        self._build, self._collect = _builder(tree, itertools.count()), _collector(tree)

    def ravel(self, tree: Tree, out: np.ndarray | None = None) -> np.ndarray:
        """`tree`, whose structure and shapes are already known to be right, written into `out` (a new vector if none is given)."""
        if out is None:
            out = np.empty(self.size, self.dtype)
        if self._is_leaf:
            out[...] = tree if tree.ndim == 1 else tree.reshape(-1)
        else:
            for part, leaf in zip(self.parts, leaves(tree), strict=True):
                out[part] = leaf.reshape(-1)
        return out

    def unravel(self, vector: np.ndarray) -> Tree:
        """Read-only arrays: views of `vector` where the dtypes agree."""
        if self._is_leaf:
            leaf = vector.view() if self._is_flat else vector.reshape(self.shapes[0])
            leaf.setflags(write=False)
            return leaf
        vector = vector.view()
        vector.setflags(write=False)
        if self._one_dtype:
            return self._build([vector[part].reshape(shape) for part, shape, _ in self._places])
        return self._build([_as_dtype(vector[part], dtype).reshape(shape) for part, shape, dtype in self._places])

    def unstack(self, rows: np.ndarray, shape: tuple[int, ...]) -> Tree:
        """Flat states, one a row, as a tree of new arrays whose leaves have `shape` in front."""
        return rebuild(self.tree, (_as_dtype(rows[:, part], dtype).reshape(shape + leaf).copy() for part, leaf, dtype in self._places))

    def write(self, out: Tree, vector: np.ndarray, what: str = "f") -> None:
        """What a user's function returned, brought to the tree's structure, shapes and dtypes, into `vector`: conform, then ravel."""
        if self._is_leaf:
            x = _conform(out, self.shapes[0], self.dtypes[0], what)
            vector[...] = x if x.ndim == 1 else x.reshape(-1)
        else:
            for x, (part, shape, dtype) in zip(self._collected(out, what), self._places, strict=True):
                x = _conform(x, shape, dtype, what)
                vector[part] = x if x.ndim == 1 else x.reshape(-1)

    def conform(self, out: Tree, what: str = "f") -> Tree:
        """What a user's function returned, as arrays of exactly the tree's structure and shapes, in its dtypes.

        A list or tuple of numbers counts as an array where the tree has an array. No broadcasting: a wrong shape is a ValueError.
        """
        found = self._collected(out, what)
        return self._build([_conform(x, shape, dtype, what) for x, (_, shape, dtype) in zip(found, self._places, strict=True)])

    def _collected(self, out: Tree, what: str) -> list[Any]:
        """What stands in `out` at the places of the leaves."""
        found: list[Any] = []
        try:
            self._collect(out, found)
        except ValueError as error:
            raise ValueError(f"{what} must return the structure of the state: {error}") from None
        return found


def _builder(tree: Tree, numbers: Iterator[int]) -> Callable[[list[Any]], Tree]:
    """`rebuild` for one tree, made once: from the list of all leaves."""
    if not is_container(tree):
        return (lambda found: None) if tree is None else operator.itemgetter(next(numbers))
    children = [_builder(child, numbers) for child in _children(tree)]
    if isinstance(tree, dict):
        return lambda found: _like_dict(tree, [child(found) for child in children])
    return lambda found: _like(tree, [child(found) for child in children])


def _collector(tree: Tree) -> Callable[[Tree, list[Any]], None]:
    """For one tree, made once: append what stands in another tree, of the same structure, at the places of its leaves."""
    if not is_container(tree):
        return (lambda other, found: None) if tree is None else (lambda other, found: found.append(other))
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    children = [(key, None if not is_container(tree[key]) and tree[key] is not None else _collector(tree[key])) for key in keys]

    def collect(other: Tree, found: list[Any]) -> None:
        check_same_structure(tree, other)
        for key, child in children:
            if child is None:
                found.append(other[key])
            else:
                child(other[key], found)
    return collect


def _as_dtype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """x in a leaf's own dtype, read-only if it is a copy; beside complex leaves a real one has imaginary part 0."""
    if x.dtype == dtype:
        return x
    x = (x.real if dtype.kind == "f" else x).astype(dtype)
    x.setflags(write=False)
    return x


def _conform(x: Any, shape: tuple[int, ...], dtype: np.dtype, what: str) -> np.ndarray:
    if type(x) is np.ndarray and x.shape == shape and x.dtype == dtype:
        return x
    if type(x) is not np.ndarray:
        if is_traced(x) or (is_container(x) and any(map(is_traced, leaves(x)))):
            raise TraceError(f"{what} returned a value that is being differentiated although its arguments are not{here()}: "
                             "it uses a traced value of an enclosing function; pass that value in theta.")
        if x is None:
            raise TypeError(f"{what} returned None; it must return an array of the state's shape {shape}.")
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{what} returned a masked array; fill it first.")
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ValueError(f"{what} returned a {type(x).__name__} that is no array ({error}); return one array of shape {shape}.") from None
    if x.dtype == object:
        if any(map(is_traced, x.reshape(-1))):
            return _conform(x.reshape(-1).tolist(), shape, dtype, what)
        raise TypeError(f"{what} returned an object array; it must hold numbers.")
    if x.shape != shape:
        raise ValueError(f"{what} returned shape {x.shape} where the state has shape {shape}; nothing is broadcast.")
    if x.dtype != dtype:
        if x.dtype.kind == "c" and dtype.kind != "c":
            raise TypeError(f"{what} returned {x.dtype} for a state of dtype {dtype}; start from a complex z0.")
        if x.dtype.kind not in "fciub":
            raise TypeError(f"{what} returned dtype {x.dtype}; it must return numbers.")
        x = x.astype(dtype)
    return x


def is_traced(x: Any) -> bool:
    """Whether NumPy hands operations on x to somebody else (NEP 18): the mark of a value that is being differentiated."""
    return hasattr(type(x), "__array_function__") and not isinstance(x, np.ndarray)


def _children(tree: Tree) -> Any:
    return tree.values() if isinstance(tree, dict) else tree


def _like(tree: Tree, children: list[Any]) -> Tree:
    """A list, tuple or named tuple like `tree`."""
    if hasattr(tree, "_fields"):
        return type(tree)(*children)
    return children if isinstance(tree, list) else tuple(children)


def _like_dict(tree: dict[Any, Any], children: list[Any]) -> dict[Any, Any]:
    """A dict like `tree`; a subclass (defaultdict, OrderedDict) stays what it is."""
    new = dict.fromkeys(tree) if type(tree) is dict else copy.copy(tree)
    new.update(zip(tree, children, strict=True))
    return new


def _state_array(x: Any) -> np.ndarray:
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError("masked arrays are not supported; fill or compress the array first.")
    array = np.asarray(x)
    if array.dtype.kind in "iub":
        return array.astype(np.float64)
    if array.dtype not in (np.float32, np.float64, np.complex64, np.complex128):
        raise TypeError(f"the dtype {array.dtype} is not supported; use float64 (or float32, complex64, complex128).")
    return array


def _describe(x: Any) -> str:
    if isinstance(x, dict):
        return f"a dict with the keys {list(x)}"
    if is_container(x):
        return f"a {type(x).__name__} of {len(x)} entries"
    return f"a {type(x).__name__}"
