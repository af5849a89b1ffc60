"""What goes into and comes out of `pullback`: which leaves are differentiated, and cotangents of the right shape and dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.autodiff.formulas.primitives import cast
from refnode.autodiff.surface import plain
from refnode.autodiff.trace import Traced, innermost, lifted
from refnode.errors import TraceError, here
from refnode.tree import Tree, check_same_structure, is_container, leaves, tree_map


def is_differentiable(leaf: Any) -> bool:
    """Floating-point numbers and arrays are; everything else is static. Complex and unusual floating types are refused."""
    if isinstance(leaf, float) or (type(leaf) is np.ndarray and leaf.dtype.char in "df"):
        return True
    if isinstance(leaf, Traced):
        return leaf.dtype.kind == "f"  # while `compiled` traces, integers and truth values are traced, too
    dtype = getattr(leaf, "dtype", None)
    if isinstance(leaf, np.ma.MaskedArray):
        raise TypeError("masked arrays cannot be differentiated; fill or compress the array first.")
    if isinstance(leaf, np.ndarray) and type(leaf) not in (np.ndarray, np.memmap):
        raise TypeError(f"a {type(leaf).__name__} cannot be differentiated, since * may mean something else on it; use np.asarray(x) first.")
    if dtype in (np.float64, np.float32):
        return isinstance(leaf, (np.ndarray, np.generic))
    if isinstance(leaf, complex) or (isinstance(leaf, (np.ndarray, np.generic)) and dtype.kind in "fcO"):  # type: ignore[union-attr]
        raise TypeError(f"a value of type {dtype or 'complex'} cannot be differentiated; use float64 or float32 (real and imaginary part apart).")
    return False


def promoted(args: tuple[Any, ...], argnums: Any) -> tuple[Any, ...]:
    """args with integers as float64 in the chosen ones; beside floats, inside a tree, integers are static and stay.

    An argument in which there is nothing to differentiate is a TypeError.
    """
    def promote(leaf: Any) -> Any:
        if isinstance(leaf, (int, np.integer)) and not isinstance(leaf, bool):
            return float(leaf)
        return leaf.astype(np.float64) if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "iu" else leaf

    def chosen(i: int, arg: Any) -> Any:
        arg = tree_map(lifted, arg)
        if any(map(is_differentiable, leaves(arg))):
            return arg
        arg = tree_map(promote, arg)
        if arg is None or (leaves(arg) and not any(map(is_differentiable, leaves(arg)))):
            raise TypeError(f"there is nothing to differentiate in argument {i}, {arg!r:.60}; name others in argnums.")
        return arg

    wanted = chosen_arguments(args, argnums)
    return tuple(chosen(i, arg) if i in wanted else arg for i, arg in enumerate(args))


def chosen_arguments(args: tuple[Any, ...], argnums: Any) -> list[int]:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in chosen:
        if not isinstance(i, int) or not -len(args) <= i < len(args):
            raise ValueError(f"argnums names argument {i!r}, but the function was called with {len(args)} positional arguments.")
    return [i % len(args) for i in chosen]


def handed_out(value: Any) -> Any:
    """A value that the caller may change without changing what the reverse pass will read."""
    return Traced(value.node, value.owned) if isinstance(value, Traced) else value.copy() if isinstance(value, np.ndarray) else value


def as_output(leaf: Any) -> Any:
    leaf = lifted(leaf)
    if isinstance(leaf, (int, bool)):
        return float(leaf)
    if isinstance(leaf, Traced):
        innermost([leaf])  # refuses values of calls that have ended
    if isinstance(leaf, (Traced, float, np.ndarray, np.generic)):
        return leaf
    raise TraceError(f"the function returned a {type(leaf).__name__}, which has no derivative{here()}; return numbers or arrays.")


def checked_cotangent(g: Tree, value: Tree) -> Tree:
    """A cotangent with exactly the structure and shapes of the value."""
    def check(leaf: Any, gi: Any) -> Any:
        gi = lifted(gi)
        shape = getattr(plain(leaf), "shape", ())
        gi = gi if isinstance(gi, Traced) else np.asarray(gi, getattr(leaf, "dtype", np.float64))
        if gi.shape != shape:
            raise ValueError(f"the cotangent has shape {gi.shape} where the value has shape {shape}.")
        return gi
    if is_container(value):
        check_same_structure(value, g)
    return tree_map(check, value, g)


def finished_cotangent(g: Any, leaf: Any) -> Any:
    """An input's cotangent in its own dtype; exact zeros for an input that was not used."""
    value = plain(leaf)
    dtype = getattr(value, "dtype", np.float64)
    if type(g) is np.ndarray and type(value) is np.ndarray:
        return np.array(g, dtype)
    if g is None:
        return np.zeros(np.shape(value), dtype) if isinstance(value, np.ndarray) else np.zeros((), dtype)[()]
    if isinstance(g, Traced):
        return g if g.dtype == dtype else cast(g, dtype)
    return np.array(g, dtype) if isinstance(value, np.ndarray) else np.asarray(g, dtype)[()]
