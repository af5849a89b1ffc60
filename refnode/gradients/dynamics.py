"""check_dynamics: is f what a solver and a gradient need it to be? The first thing to call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.autodiff.check import check_grads
from refnode.errors import TraceError
from refnode.ode import arguments
from refnode.tree import Raveler, Tree, as_state, leaves, tree_map


@dataclass(frozen=True)
class Finding:
    """One question about f: its name, "ok", "note" or "WRONG", and the answer in a sentence."""

    name: str
    verdict: str
    text: str


@dataclass(frozen=True)
class DynamicsReport:
    """What `check_dynamics` found; `ok` is False where a finding is WRONG. Printing it shows a line per finding."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return all(finding.verdict != "WRONG" for finding in self.findings)

    def __str__(self) -> str:
        return "\n".join(f"{finding.verdict:5}  {finding.name:12}  {finding.text}" for finding in self.findings)


def check_dynamics(f: Callable[..., Any], z0: Tree, t0: float = 0.0, theta: Tree = ()) -> DynamicsReport:
    """Looks at f(z, t, theta) near (z0, t0): signature, shape, dtype, finite values, purity, determinism, precision, rows, pullback.

    f is called about 40 times. What a question depends on comes before it: a finding WRONG about the shape ends the report. Exceptions raised
    inside f surface unchanged. "rows" tells, for a state with at least two axes, whether the entries of the first axis are independent of each
    other (a batch), which some methods need: it is a note, not a fault.
    """
    if not isinstance(t0, (int, float, np.number)):
        raise TypeError(f"check_dynamics is called as check_dynamics(f, z0, t0, theta) with one time t0, not {t0!r:.40}.")
    return DynamicsReport(tuple(_findings(f, z0, float(t0), theta)))


def _findings(f: Callable[..., Any], z0: Tree, t0: float, theta: Tree) -> Iterator[Finding]:
    try:
        arguments.check_dynamics(f)
    except (TypeError, ValueError) as error:
        yield Finding("signature", "WRONG", str(error))
        return
    yield Finding("signature", "ok", "f takes (z, t, theta).")

    state = as_state(z0)
    way = Raveler(state)
    z = way.ravel(state)
    near = z + 1e-3 * (1 + np.abs(z)) * np.random.default_rng(0).standard_normal(z.size).astype(z.real.dtype)
    held = arguments.read_only(theta)
    before = [np.array(leaf, copy=True) for leaf in leaves(theta) if isinstance(leaf, np.ndarray)]

    def call(point: np.ndarray) -> Tree:
        return f(way.unravel(point.copy()), t0, held)

    def flat(point: np.ndarray) -> np.ndarray:
        return way.ravel(way.conform(call(point)))

    try:
        first = call(z)
        value = way.ravel(way.conform(first))
    except ValueError as error:
        if "read-only" in str(error):
            yield Finding("purity", "WRONG", f"f changes its argument z or theta in place ({error}); work on a copy.")
            return
        if not str(error).startswith("f "):
            raise
        yield Finding("shape", "WRONG", str(error))
        return
    except (TypeError, TraceError) as error:
        if not str(error).startswith("f "):
            raise
        yield Finding("shape", "WRONG", str(error))
        return
    yield Finding("shape", "ok", f"f returns the state's structure and shapes: {', '.join(map(str, way.shapes))}.")

    given = sorted({str(np.asarray(leaf).dtype) for leaf in leaves(first)} if way.size else {str(way.dtype)})
    wanted = sorted({str(dtype) for dtype in way.dtypes})
    yield Finding("dtype", "ok", f"{', '.join(wanted)}.") if given == wanted else Finding(
        "dtype", "note", f"f returns {', '.join(given)} for a state of {', '.join(wanted)}; it is cast at each call.")

    if not np.all(np.isfinite(value)):
        yield Finding("finite", "WRONG", f"f(z0, t0) holds NaN or infinity: {value[~np.isfinite(value)][:3]}.")
        return
    yield Finding("finite", "ok", "f(z0, t0) is finite.")

    elsewhere = flat(near)
    again = flat(z)
    if not np.array_equal(value, again):
        yield Finding("determinism", "WRONG", f"f gave two values at the same (z, t, theta), {np.abs(value - again).max():.1e} apart: it draws "
                      "random numbers or remembers earlier calls; draw once before the solve and pass the numbers in theta.")
        return
    yield Finding("determinism", "ok", "the same arguments give the same bits, whatever was asked in between.")

    after = [leaf for leaf in leaves(theta) if isinstance(leaf, np.ndarray)]
    changed = any(not np.array_equal(x, y, equal_nan=x.dtype.kind in "fc") for x, y in zip(before, after, strict=True))
    yield Finding("purity", "WRONG", "f has changed theta.") if changed else Finding("purity", "ok", "f leaves z and theta alone.")

    if way.dtype == np.float64 and elsewhere.size and elsewhere.any() and not np.array_equal(elsewhere, np.round(elsewhere)):
        single = np.array_equal(elsewhere, elsewhere.astype(np.float32))
        yield Finding("precision", "WRONG", "f computes in float32 although the state is float64: tolerances below 1e-6 cannot be met; look for "
                      "float32 parameters or a cast.") if single else Finding("precision", "ok", "the values carry more digits than float32.")

    if all(len(shape) >= 2 and shape[0] > 1 for shape in way.shapes):
        yield _rows(way, z, value, flat)
    yield _pullback(f, state, t0, theta)


def _rows(way: Raveler, z: np.ndarray, value: np.ndarray, flat: Callable[[np.ndarray], np.ndarray]) -> Finding:
    moved = tree_map(np.array, way.unravel(z.copy()))
    for leaf in leaves(moved):
        leaf[0] += 1e-3 * (1 + np.abs(leaf[0]))
    difference = way.unravel(flat(way.ravel(moved)) - value)
    rounding = 1e-12 if way.dtype in (np.float64, np.complex128) else 1e-5
    interact = any(np.abs(leaf[1:]).max(initial=0.0) > rounding * (1 + np.abs(value).max(initial=0.0)) for leaf in leaves(difference))
    return Finding("rows", "note", "the rows (entries of the first axis) influence each other: this state is no batch.") if interact else Finding(
        "rows", "ok", "the rows (entries of the first axis) do not influence each other: the state can be a batch.")


def _pullback(f: Callable[..., Any], state: Tree, t0: float, theta: Tree) -> Finding:
    if any(np.asarray(leaf).dtype.kind == "c" for leaf in leaves(state)):
        return Finding("pullback", "note", "complex states can be solved but not differentiated.")
    try:
        if hasattr(f, "pullback"):
            check_grads(f, state, t0, theta, order=1)
        else:
            check_grads(lambda z, theta: f(z, t0, theta), state, theta, order=1)
    except AssertionError as error:
        return Finding("pullback", "WRONG", str(error))
    except TraceError as error:
        return Finding("pullback", "WRONG", f"f can be solved but not differentiated: {error}")
    except ValueError as error:
        return Finding("pullback", "note", str(error))
    return Finding("pullback", "ok", "the pullback agrees with differences.")
