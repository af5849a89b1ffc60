"""f.state: a right-hand side is a function. The same arguments give the same bits, whatever was asked before; and who remembers, if not."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import random
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .finding import Finding
from .subject import Answer, Malformed, Point, Raised, Subject, irregular

EPS = 2.0**-53
AT_LAST = "asked at the very first, and again at the end"
Pairs = list[tuple[np.ndarray, np.ndarray]]


def state(f: Subject, points: list[Point], trail: list[Point], before: dict[str, Any], answers: list[Answer]) -> Finding:
    """The same arguments, asked (1) again at once, (2) in another order, (3) at another z or t in between, (4) after a neighbour, (5) in
    arrays that are used again for other numbers, (6) forwards and backwards along a solution (trail), (7) at the very first, and at the
    end.
    before: what f remembered at first. answers: what it said then.

    Statement: S2 (f is a function of z, t and theta)
    """
    first = [f(*point) for point in points]
    again = [(f(*point), f(*point)) for point in points]
    order = np.random.default_rng(1).permutation(len(points))
    permuted = {int(i): f(*points[i]) for i in order}
    mixed = _mixed(f, points)
    close = _close(f, points)
    new = _first_asked(f, points)
    there = [f(*point) for point in trail]
    back = [f(*point) for point in reversed(trail)][::-1]
    reused = _reused_arrays(f, points)
    at_last = asked_again(f, answers)
    culprits = changed(before, snapshot(f.f))

    ways = {
        "asked twice in a row": [(b, a) for a, b in again] + [(a, c) for (a, _), c in zip(again, first, strict=True)],
        "asked in another order": [(permuted[i], value) for i, value in enumerate(first)],
        "asked after the same t at another z, or the same z at another t": mixed,
        "asked after a close neighbour, or after a distant one": close,
        "asked along the solution, there and back": list(zip(back, there, strict=True)),
        "asked at a new t or z, after another z or t there": new,
        "asked in the same array with other numbers in it": list(zip(reused, first, strict=True)),
        AT_LAST: at_last,
    }
    worst = {way: _worst(f, pairs) for way, pairs in ways.items()}
    allowed = {way: 1e-6 if pairs is new else 64 * EPS for way, pairs in ways.items()}
    differing = {way: found for way, found in worst.items() if found[0] > allowed[way]}
    asked = sum(map(len, ways.values()))
    if not differing:
        last_bits = max(found[0] for way, found in worst.items() if ways[way] is not new)
        if last_bits > 0:
            return Finding("f.state", "note", f"repeats itself to {last_bits:.0e}: only the last bits depend on memory layout or threads")
        # a private cache that works is its owner's business
        kept_by = [name for name in culprits if "attribute _" not in name and "self._" not in name]
        kept = f"; {_listed(kept_by)} changed; no effect was seen at the {asked} questions asked" if kept_by else ""
        return Finding("f.state", "note" if kept_by else "ok", f"{asked} questions asked again, in other orders: the same bits{kept}")
    way, (size, where, n) = next(iter(differing.items()))
    text = f"not a function: {way}, {n} of {len(ways[way])} values differ, by {size:.1e} of |f|, {where}"
    return Finding("f.state", "FAIL", text, _diagnosis(f, differing, culprits), size / allowed[way])


def first_answers(f: Subject) -> list[Answer]:
    """f at z0 and irregular times, before anything else is asked: a state that only grows has not yet arrived at its end."""
    found = []
    for t in irregular(f, 8):
        with contextlib.suppress(Raised, Malformed):  # other checks say so
            found.append((f.z.vector, t, f(f.z.vector, t)))
    return found


def asked_again(f: Subject, answers: list[Answer]) -> Pairs:
    """Pairs (asked again, in reverse order; the first answer)."""
    return [(f(z, t), value) for z, t, value in reversed(answers)]


def at_the_end(f: Subject, before: dict[str, Any], answers: list[Answer]) -> Finding | None:
    """A finding if f, after all that was asked, does not repeat its first answers: a state may change after hundreds of calls only.

    Statement: S2
    """
    pairs = asked_again(f, answers)
    found = size, where, n = _worst(f, pairs)
    if size <= 64 * EPS:
        return None
    text = f"not a function: {AT_LAST}, after {f.calls} calls, {n} of {len(pairs)} values differ, by {size:.1e} of |f|, {where}"
    return Finding("f.state", "FAIL", text, _diagnosis(f, {AT_LAST: found}, changed(before, snapshot(f.f))), size / (64 * EPS))


def _diagnosis(f: Subject, differing: dict[str, Any], culprits: list[str]) -> str:
    at_once = "asked twice in a row" in differing
    who = f" ({_listed(culprits)} changed while f was called)" if culprits else ""
    draws = [name for name in culprits if "random" in name or "generator" in name]
    if draws:
        return f"f draws random numbers{who}. Draw them once before the solve and pass them in theta."
    if list(differing) == ["asked in the same array with other numbers in it"]:
        return f"f remembers arrays by identity, not by value{who}; solvers use arrays again. Drop the cache, or compare values."
    if at_once:
        return (f"f has a hidden state{who}: it gives two values for the same (z, t, theta). "
                "What changes along the solution belongs in z, or is a function of t.")
    return (f"f has a hidden state{who}: its value depends on what was asked before. "
            "Solvers ask in any order, and twice; drop the cache, or key it by z, t and theta.")


def _mixed(f: Subject, points: list[Point]) -> Pairs:
    """Pairs (asked after another question that shares t or z, asked after one that shares neither)."""
    found = []
    for (z, t), (other_z, other_t) in zip(points, [*points[1:], points[0]], strict=True):
        f(other_z, other_t)
        clean = f(z, t)
        f(other_z, t)
        found.append((f(z, t), clean))
        f(z, other_t)
        found.append((f(z, t), clean))
    return found


def _close(f: Subject, points: list[Point]) -> Pairs:
    """Pairs (asked after a neighbour at a distance of 1e-3, 1e-6 or 1e-9, asked after a distant point)."""
    found = []
    for (z, t), (far_z, far_t) in zip(points[:3], points[3:6], strict=False):
        for distance in (1e-3, 1e-6, 1e-9):
            near = z + 0.3 * distance * (np.abs(z) + distance)
            f(far_z, far_t)
            clean = f(near, t)
            f(far_z, far_t)
            f(z, t)
            found.append((f(near, t), clean))
    return found


def _first_asked(f: Subject, points: list[Point]) -> Pairs:
    """Pairs (asked at a t, or z, where another z, or t, was asked first; asked next to it, where nothing was).

    Equal to 1e-6, unless f jumps just there: it sees caches that are never cleared, whose every later answer is the same.
    """
    found = []
    for (z, t), (other_z, other_t) in itertools.pairwise(points[1:]):
        new_t, next_t = t + 1e-12 * (other_t - t), t + 1.1e-12 * (other_t - t)
        f(other_z, new_t)
        found.append((f(z, new_t), f(z, next_t)))
        new_z, next_z = z + 1e-12 * (other_z - z), z + 1.1e-12 * (other_z - z)
        f(new_z, other_t)
        found.append((f(new_z, t), f(next_z, t)))
    return found


def _reused_arrays(f: Subject, points: list[Point]) -> list[np.ndarray]:
    """f asked in one and the same arrays, whose numbers change between the calls."""
    bases = [np.array(leaf.value) for leaf in f.z.leaves]
    shown = [base.view() for base in bases]
    for view in shown:
        view.setflags(write=False)
    tree = f.z.with_leaves(shown)
    theta = f.theta.tree(f.theta.vector)
    values = []
    for z, t in points:
        for base, leaf in zip(bases, f.z.leaves, strict=True):
            base[...] = leaf.from_vector(z)
        values.append(f.z.value(f.returned(tree, t, theta)))
    return values


def _worst(f: Subject, pairs: Pairs) -> tuple[float, str, int]:
    """(largest difference relative to |f|, which component, how many pairs differ)."""
    worst, where, n = 0.0, "", 0
    for got, expected in pairs:
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        if np.all(same):
            continue
        n += 1
        size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0) or 1.0
        error = np.where(same, 0.0, np.abs(got - expected) / size)
        error = np.where(np.isfinite(error), error, np.inf)
        if np.max(error) > worst:
            worst = float(np.max(error))
            where = f"most in component {f.z.place(int(np.argmax(error)))} ({np.count_nonzero(error)} of {error.size} differ)"
    return worst, where, n


def snapshot(f: Callable[..., Any]) -> dict[str, Any]:
    """What f could remember by: NumPy's and Python's global generators, and each variable of its own that is data, by a describing name."""
    found: dict[str, Any] = {
        "the state of np.random": _digest(np.random.get_state()),
        "the state of random": hash(random.getstate()),
    }
    for name, value in _variables(f):
        found[name] = _digest(value)
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names whose values differ."""
    return [name for name in after if name not in before or before[name] != after[name]]


def _variables(f: Any, depth: int = 0, seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """(name, value) of the globals that f reads, its closure, defaults and attributes; of functions of its module that it calls, too."""
    seen = set() if seen is None else seen
    if id(f) in seen or depth > 3:
        return
    seen.add(id(f))
    if isinstance(f, types.MethodType):
        yield from _named("self.", getattr(f.__self__, "__dict__", {}))
        f = f.__func__
    elif not isinstance(f, types.FunctionType):
        yield from _named("its attribute ", getattr(f, "__dict__", {}))
        f = type(f).__dict__.get("__call__")
        if not isinstance(f, types.FunctionType):
            return
    yield from _named(f"its attribute {f.__name__}.", vars(f))
    closure = inspect.getclosurevars(f)
    for kind, names in (("the global ", closure.globals), ("the variable ", closure.nonlocals)):
        yield from _named(kind, names)
        for value in names.values():
            if isinstance(value, types.FunctionType) and value.__module__ == f.__module__:
                yield from _variables(value, depth + 1, seen)
    defaults = {name: p.default for name, p in inspect.signature(f).parameters.items() if p.default is not inspect.Parameter.empty}
    yield from _named("the default of ", defaults)


def _named(kind: str, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What of these is data; a generator of random numbers is called one."""
    for name, value in names.items():
        if isinstance(value, np.random.Generator):
            yield f"the random generator {name}", value
        elif not isinstance(value, (types.ModuleType, type)) and not callable(value):
            yield kind + name, value


def _digest(value: Any, depth: int = 0) -> Any:
    """Something that differs if the value does."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return (value.shape, value.tobytes())
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, dict) and depth < 4:
        return [(str(key), _digest(child, depth + 1)) for key, child in list(value.items())[:200]]
    if isinstance(value, (list, tuple, set)) and depth < 4:
        return [_digest(child, depth + 1) for child in list(value)[:200]] + [len(value)]
    if isinstance(value, (int, float, complex, str, bytes, bool, type(None))):
        return repr(value)
    if hasattr(value, "__dict__") and depth < 2:
        return _digest(vars(value), depth + 1)
    return id(value)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")
