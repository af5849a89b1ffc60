"""The contract of a solve, checked before it starts: each wrong argument gets one sentence."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.ode.control import Norm, max_norm, norm_over
from refnode.ode.tableaus import TABLEAUS, Tableau
from refnode.tree import Raveler, Tree, check_same_structure, is_container, leaves, tree_map


def check_dynamics(f: Callable[..., Any]) -> None:
    """f is called as f(z, t, theta); the orders of other libraries are recognised by their names and refused."""
    if not callable(f):
        raise TypeError(f"f must be a function f(z, t, theta), not a {type(f).__name__}.")
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None, None, None)
    except TypeError:
        raise TypeError(f"f must take three arguments, f(z, t, theta), but its signature is {signature}; theta may be unused.") from None
    names = list(signature.parameters)[:2]
    if names[0] == "t" or names[1:] in (["z"], ["y"], ["x"], ["h"]):
        raise ValueError(f"f is called as f(z, t, theta), but its first parameters are ({', '.join(names)}), the order of other "
                         "libraries; exchange them.")


def observation_times(ts: Any) -> list[float]:
    """One-dimensional, finite, increasing or decreasing; repeated times are allowed. As Python floats, which is what f receives."""
    times = np.asarray(ts)
    if times.ndim != 1 or times.size == 0 or times.dtype.kind not in "fiu":
        raise ValueError(f"ts must be a one-dimensional array of at least one real time, not shape {times.shape} and dtype {times.dtype}.")
    found = [float(t) for t in times]
    for i, t in enumerate(found):
        if not math.isfinite(t):
            raise ValueError(f"ts must be finite, but ts[{i}] = {t}.")
    direction = found[-1] - found[0]
    for i, (before, after) in enumerate(itertools.pairwise(found)):
        if (after - before) * direction < 0 or (direction == 0 and after != before):
            raise ValueError(f"ts must increase or decrease throughout, but ts[{i}:{i + 2}] = [{before}, {after}] goes the other way; sort it.")
    return found


def tolerances(rtol: Any, atol: Any, way: Raveler) -> tuple[Any, Any]:
    """rtol and atol as numbers or flat vectors: finite, not negative, not both 0, and rtol (where it is not 0) within the state's precision."""
    eps = float(np.finfo(way.dtype).eps)
    found = []
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        try:
            flat = spread(tolerance, way)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a number or a tree like z0 whose leaves broadcast to z0's, not {tolerance!r}.") from None
        if not (np.all(np.isfinite(flat)) and np.all(np.asarray(flat) >= 0)):
            raise ValueError(f"{name} must be finite and not negative, not {tolerance!r}.")
        found.append(flat)
    smallest = np.min(np.where(np.asarray(found[0]) == 0, np.inf, found[0]), initial=np.inf)
    if smallest < 100 * eps:
        raise ValueError(f"rtol = {smallest:g} is below 100 eps = {100 * eps:.1e} of {way.dtype}; ask for less, or use float64.")
    if np.any((np.asarray(found[0]) == 0) & (np.asarray(found[1]) == 0)):
        raise ValueError("rtol and atol are both 0; at least one of them must be positive.")
    return found[0], found[1]


def spread(tolerance: Any, way: Raveler) -> Any:
    """A tolerance as a number, or as a flat vector: a tree like the state, in which a number or an array may stand for a whole subtree."""
    if isinstance(tolerance, (int, float, np.number)) and not isinstance(tolerance, bool):
        return float(tolerance)
    real = np.zeros(0, way.dtype).real.dtype

    def over(model: Tree, part: Any) -> Tree:
        if is_container(model) and not is_container(part):
            return tree_map(lambda child: over(child, part), model)
        if is_container(model):
            check_same_structure(model, part)
            pairs = [(model[key], part[key]) for key in model] if isinstance(model, dict) else list(zip(model, part, strict=True))
            return [over(*pair) for pair in pairs]
        return None if model is None else np.broadcast_to(np.asarray(part, real), np.shape(model)).reshape(-1)

    return np.concatenate([np.zeros(0, real), *leaves(over(way.tree, tolerance))])


def tableau_named(method: Any) -> Tableau:
    if isinstance(method, Tableau):
        return method
    if method not in TABLEAUS:
        raise ValueError(f"there is no method {method!r}; the methods are {', '.join(TABLEAUS)}.")
    return TABLEAUS[method]


def fixed_grid(method: Tableau, t0: float, t1: float, steps: Any, step_size: Any) -> list[float] | None:
    """The ends of fixed steps, the last of them exactly t1; None for adaptive steps."""
    if steps is None and step_size is None:
        if method.b_hat is None:
            raise ValueError(f"{method.name} has no error estimate: give steps=n (over the whole of ts) or step_size=h; there is no good default.")
        return None
    if steps is not None and step_size is not None:
        raise ValueError("give steps or step_size, not both.")
    if steps is not None:
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"steps must be a positive whole number, not {steps!r}.")
        return [t0 + (t1 - t0) * (k / int(steps)) for k in range(1, int(steps))] + [t1]
    h = positive("step_size", step_size)
    n = max(1, math.ceil(abs(t1 - t0) / h * (1 - 1e-12)))
    return [t0 + math.copysign(k * h, t1 - t0) for k in range(1, n)] + [t1]


def positive(name: str, value: Any) -> float:
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool) or not value > 0:
        raise ValueError(f"{name} must be a positive number, not {value!r}.")
    return float(value)


def error_norm(norm: Any, parts: Sequence[slice]) -> Norm:
    if norm == "rms":
        return norm_over(parts)
    if norm == "max":
        return max_norm
    if callable(norm):
        return lambda x: float(norm(x))
    raise ValueError(f"norm must be 'rms', 'max' or a function of the flat error, not {norm!r}.")


def read_only(theta: Tree) -> Tree:
    """theta as f receives it."""
    def view(leaf: Any) -> Any:
        if type(leaf) is not np.ndarray:
            return leaf
        leaf = leaf.view()
        leaf.flags.writeable = False
        return leaf
    return tree_map(view, theta) if is_container(theta) else view(theta)
