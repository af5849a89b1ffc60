"""The contract of a solve, checked before it starts: each wrong argument gets one sentence."""

from __future__ import annotations

import importlib
import inspect
import itertools
import math
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refnode.ode.control import CONTROLLERS, Control, Norm, max_norm, norm_over
from refnode.ode.events import Event
from refnode.ode.interpolate import inputs_in
from refnode.ode.reversible import Alf, Leapfrog, ReversibleHeun
from refnode.ode.tableau import Tableau
from refnode.ode.tableaus import TABLEAUS
from refnode.tree import Raveler, Tree, check_same_structure, is_container, leaves, tree_map

METHODS: dict[str, Any] = {**TABLEAUS, "alf": Alf, "reversible_heun": ReversibleHeun, "leapfrog": Leapfrog}
IMPLICIT = {"implicit_euler": ("esdirk", "ImplicitEulerSteps"), "kvaerno3": ("esdirk", "Kvaerno3Steps"),
            "kvaerno5": ("esdirk", "Kvaerno5Steps"), "radau5": ("radau", "RadauSteps"), "bdf": ("bdf", "BdfSteps"), "lsoda": ("lsoda", "LsodaSteps")}
LATER = IMPLICIT | {"adams": ("adams", "AdamsSteps")}  # imported when they are asked for, because they import SciPy or are long
ELSEWHERE = {"RK45": "dopri5", "RK23": "bosh3", "DOP853": "dop853", "Radau": "radau5", "BDF": "bdf", "LSODA": "lsoda", "dopri8": "dop853",
             "adaptive_heun": "heun", "implicit_adams": "adams"}


def check_dynamics(f: Callable[..., Any]) -> None:
    """f is called as f(z, t, theta); the orders of other libraries are recognised by their names and refused."""
    if not callable(f):
        raise TypeError(f"f must be a function f(z, t, theta), not a {type(f).__name__}.")
    if type(f) is types.FunctionType and f.__code__.co_argcount == 3 and not f.__code__.co_kwonlyargcount and not hasattr(f, "__wrapped__"):
        names = list(f.__code__.co_varnames[:2])  # what the signature would say, thirty times sooner
    else:
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
    try:
        times = np.asarray(ts)
    except ValueError:
        times = np.empty((), object)
    if times.ndim != 1 or times.size == 0 or times.dtype.kind not in "fiu":
        raise ValueError(f"ts must be a one-dimensional array of at least one real time, not shape {times.shape} and dtype {times.dtype}.")
    found = [float(t) for t in times]
    for i, t in enumerate(found):
        if not math.isfinite(t):
            raise ValueError(f"ts must be finite, but ts[{i}] = {t}.")
    increasing = found[-1] >= found[0]
    for i, (before, after) in enumerate(itertools.pairwise(found)):
        if (after < before) if increasing else (after > before):
            raise ValueError(f"ts must increase or decrease throughout, but ts[{i}:{i + 2}] = [{before}, {after}] goes the other way; sort it.")
    return found


def finite_state(z: np.ndarray) -> np.ndarray:
    if not np.all(np.isfinite(z)):
        raise ValueError("z0 must be finite, but it holds NaN or infinity.")
    return z


def control(way: Raveler, rtol: Any, atol: Any, norm: Any, first_step: Any, min_step: Any, max_step: Any,
            controller: Any, fixed: bool = False) -> Control:
    """What the caller asks of the steps; tolerances as arrays of the state's precision (with one axis or none), unused by fixed steps."""
    real = way.dtype.type(0).real.dtype
    rtol, atol = (np.asarray(tolerance, real) for tolerance in tolerances(rtol, atol, way, fixed))
    first_step = None if first_step is None else positive("first_step", first_step)
    max_step = positive("max_step", max_step)
    min_step = 0.0 if is_number(min_step) and min_step == 0 else positive("min_step", min_step)
    if min_step >= max_step:
        raise ValueError(f"min_step = {min_step:g} must be below max_step = {max_step:g}.")
    if not isinstance(controller, str) or controller not in CONTROLLERS:
        raise ValueError(f"there is no controller {controller!r}; the controllers are {', '.join(CONTROLLERS)}.")
    return Control(rtol, atol, error_norm(norm, way.parts), first_step, min_step, max_step, CONTROLLERS[controller])


def tolerances(rtol: Any, atol: Any, way: Raveler, unused: bool = False) -> tuple[Any, Any]:
    """rtol and atol as numbers or flat vectors: finite, not negative, nowhere both 0, and rtol (where it is not 0) within the state's precision."""
    found = []
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        try:
            flat = spread(tolerance, way)
        except (TypeError, ValueError):
            raise ValueError(f"{name} must be a number or a tree like z0 whose leaves broadcast to z0's, not {tolerance!r}.") from None
        if not (0 <= flat < math.inf if isinstance(flat, float) else np.all((flat >= 0) & (flat < math.inf))):
            raise ValueError(f"{name} must be finite and not negative, not {tolerance!r}.")
        found.append(flat)
    relative, absolute = found
    eps = max((np.finfo(dtype).eps for dtype in way.dtypes), default=0.0)  # of the coarsest leaf
    smallest = relative if isinstance(relative, float) else np.min(relative, initial=math.inf, where=relative > 0)
    if 0 < smallest < 100 * eps and not unused:
        raise ValueError(f"rtol = {smallest:g} is below 100 eps = {100 * eps:.1e} of the state's dtype; "
                         f"give rtol={100 * eps:.1e} or more" + (", or use float64." if eps > 1e-10 else "."))
    if np.any(np.logical_not(relative) & np.logical_not(absolute)):
        raise ValueError("rtol and atol are both 0; at least one of them must be positive.")
    return relative, absolute


def spread(tolerance: Any, way: Raveler) -> Any:
    """A tolerance as a number, or as a flat vector: a tree like the state, in which a number or an array may stand for a whole subtree."""
    if is_number(tolerance):
        return float(tolerance)
    real = way.dtype.type(0).real.dtype

    def over(model: Tree, part: Any) -> Tree:
        if is_container(model) and not is_container(part):
            return tree_map(lambda child: over(child, part), model)
        if is_container(model):
            check_same_structure(model, part)
            pairs = [(model[key], part[key]) for key in model] if isinstance(model, dict) else list(zip(model, part, strict=True))
            return [over(*pair) for pair in pairs]
        if model is None:
            return None
        if is_number(part):
            return np.full(np.size(model), part, real)
        if np.asarray(part).dtype.kind not in "fiu":
            raise TypeError("a tolerance is a real number.")
        return np.broadcast_to(np.asarray(part, real), np.shape(model)).reshape(-1)

    return np.concatenate([np.zeros(0, real), *leaves(over(way.tree, tolerance))])


def method_named(method: Any) -> Any:
    """A tableau, or the class of another method; both have p and error_order."""
    if isinstance(method, Tableau):
        return method
    if isinstance(method, str) and method in LATER:
        module, name = LATER[method]
        return getattr(importlib.import_module(f"refnode.ode.{module}"), name)
    if not isinstance(method, str) or method not in METHODS:
        if isinstance(method, str) and method in ELSEWHERE:
            raise ValueError(f"there is no method {method!r}: what others call so is {ELSEWHERE[method]!r} here.")
        raise ValueError(f"there is no method {method!r}; the methods are {', '.join([*METHODS, *LATER])}.")
    return METHODS[method]


def is_implicit(method: Any) -> bool:
    return isinstance(method, str) and method in IMPLICIT


def fixed_grid(name: Any, method: Any, t0: float, t1: float, steps: Any, step_size: Any, max_steps: int) -> list[float] | None:
    """The ends of fixed steps, the last of them exactly t1; None for adaptive steps."""
    if steps is None and step_size is None:
        if method.error_order is None:
            raise ValueError(f"{getattr(method, 'name', name)} has no error estimate: give steps=n (over the whole of ts) or step_size=h; "
                             "there is no good default.")
        return None
    if steps is not None and step_size is not None:
        raise ValueError("give steps or step_size, not both.")
    if name in ("bdf", "adams", "lsoda"):
        raise ValueError(f"{name} varies its order with its step size: fixed steps are for one-step methods; leave steps and step_size out.")
    if steps is not None:
        n: float = whole_number("steps", steps)
    else:
        h = positive("step_size", step_size)
        n = max(1, (abs(t1 - t0) - 4 * max(math.ulp(t0), math.ulp(t1))) / h)  # a last step within rounding errors of the times is no step
    if n > max_steps:
        raise ValueError(f"from t = {t0} to {t1} these are {n:g} steps, more than max_steps = {max_steps}; take larger steps or raise max_steps.")
    if steps is not None:
        return [t0 + (t1 - t0) * (k / n) for k in range(1, math.ceil(n))] + [t1]
    return [t0 + math.copysign(k * h, t1 - t0) for k in range(1, math.ceil(n))] + [t1]


def jumps(jump_ts: Any, theta: Tree, t0: float, t1: float) -> list[float]:
    """The times in [t0, t1] where f may be discontinuous, in the direction of time: those given, and the knots of the inputs in theta."""
    try:
        given = np.asarray(jump_ts if len(jump_ts) else np.empty(0))
    except (TypeError, ValueError):
        given = np.empty((), object)
    if given.ndim != 1 or given.dtype.kind not in "fiu":
        raise ValueError(f"jump_ts must be a list or a one-dimensional array of times, not shape {given.shape} and dtype {given.dtype}.")
    if not np.all(np.isfinite(given)):
        raise ValueError(f"jump_ts must be finite, but it holds {given[~np.isfinite(given)][0]}.")
    low, high = min(t0, t1), max(t0, t1)
    knots = [t for u in inputs_in(theta) for t in u.knots]
    return sorted({t for t in map(float, [*given, *knots]) if low <= t <= high}, reverse=t1 < t0)


def events(given: Any) -> list[Event]:
    given = [given] if isinstance(given, Event) else given
    if not isinstance(given, (list, tuple)) or not all(isinstance(event, Event) for event in given):
        raise TypeError(f"events must be a list of rn.Event(g, terminal=False, direction=0), not {given!r}.")
    return list(given)


def is_number(value: Any) -> bool:
    """A real number: int, float or one of NumPy's, but not a bool."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def positive(name: str, value: Any) -> float:
    if not (is_number(value) and value > 0):
        raise ValueError(f"{name} must be a positive number, not {value!r}.")
    return float(value)


def whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a positive whole number, not {value!r}.")
    return int(value)


def error_norm(norm: Any, parts: Sequence[slice]) -> Norm:
    if isinstance(norm, str) and norm == "rms":
        return norm_over(parts)
    if isinstance(norm, str) and norm == "max":
        return max_norm
    if not callable(norm):
        raise ValueError(f"norm must be 'rms', 'max' or a function of the flat error, not {norm!r}.")

    def checked(x: np.ndarray) -> float:
        size = norm(x)
        size = size.item() if isinstance(size, np.ndarray) and size.shape == () else size
        if not is_number(size) or size < 0:
            raise ValueError(f"norm must return a number that is not negative, not {size!r}.")
        return float(size)
    return checked


def read_only(theta: Tree) -> Tree:
    """theta as f receives it."""
    def view(leaf: Any) -> Any:
        if type(leaf) is not np.ndarray:
            return leaf
        leaf = leaf.view()
        leaf.flags.writeable = False
        return leaf
    return tree_map(view, theta) if is_container(theta) else view(theta)
