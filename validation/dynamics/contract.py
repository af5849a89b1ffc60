"""f.shape, f.pure, f.finite: what is asked of every f before anything else can be."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .finding import Finding
from .subject import Malformed, Point, Raised, Subject, Trajectory

SIGNATURE = "f(z, t, theta)"


def signature(f: Subject) -> Finding | None:
    """A finding if f does not take (z, t, theta), in this order."""
    wrong = _order(f)
    return Finding("f.shape", "FAIL", wrong, f"{wrong[0].upper() + wrong[1:]}: f is called as {SIGNATURE}.") if wrong else None


def shape(f: Subject) -> Finding:
    """f returns z's structure with exactly z's shapes, in z's precision.

    Statement: S2, S85
    """
    try:
        f(f.z.vector, f.ts[0])
    except Malformed as error:
        stop = "" if str(error).endswith("?") else "."
        return Finding("f.shape", "FAIL", str(error), f"{error}{stop} f must return exactly the shape of z; nothing is broadcast.")
    out = f.returned(f.z.tree(f.z.vector), f.ts[0], f.theta.tree(f.theta.vector))
    given, wanted = _dtypes(out), {str(leaf.value.dtype) for leaf in f.z.leaves}
    text = f"returns {f.z}" if len(f.z.leaves) == 1 else f"returns the structure of z: {f.z}"
    if given == wanted or given == {"int64"} or not given:
        return Finding("f.shape", "ok", text)
    text = f"returns {', '.join(sorted(given))} for a state of {', '.join(sorted(wanted))}; it is cast at each call"
    return Finding("f.shape", "note", text)


def _order(f: Subject) -> str:
    """What is wrong with the parameters, or nothing."""
    try:
        its = inspect.signature(f.f)
    except (TypeError, ValueError):
        return ""
    try:
        its.bind(None, None, None)
    except TypeError:
        return f"f must take three arguments, {SIGNATURE}, but its signature is {its}"
    names = list(its.parameters)[:2]
    if names[0] == "t" or names[1:] in (["z"], ["y"], ["x"], ["h"]):
        return f"the first parameters of f are ({', '.join(names)}), the order of other libraries; exchange them"
    return ""


def pure(f: Subject) -> Finding:
    """f changes neither z nor theta, and does not return an array that it goes on writing to.

    Statement: S2
    """
    z, theta = f.z.with_leaves([leaf.value.copy() for leaf in f.z.leaves]), f.theta.with_leaves(_parameters(f))
    f.returned(z, f.ts[0], theta)
    for form, given in ((f.z, z), (f.theta, theta)):
        for leaf, now in zip(form.leaves, form.leaves_of(given), strict=True):
            if not np.array_equal(leaf.value, now, equal_nan=True):
                i = int(np.argmax(np.reshape(leaf.value != now, -1)))
                text = f"{leaf.path} was changed in place, {np.reshape(leaf.value, -1)[i]:.6g} became {np.reshape(now, -1)[i]:.6g}"
                return Finding("f.pure", "FAIL", text, f"f writes into its argument {leaf.path}: the solver's own state changes under it. "
                               f"Work on a copy, or write x = x + y in place of x += y.")
    try:
        first = f.returned(f.z.tree(f.z.vector), f.ts[0], f.theta.tree(f.theta.vector))
    except Raised as error:
        if "read-only" not in str(error):
            raise
        return Finding("f.pure", "FAIL", f"cannot be called with read-only arrays: {error}",
                       f"f writes into its arguments ({error}). Work on a copy, or write x = x + y in place of x += y.")
    try:
        kept = f.z.value(first)
        f(1.001 * f.z.vector + 1e-3, f.ts[0])
        overwritten = not np.array_equal(kept, f.z.value(first), equal_nan=True)
    except (Raised, Malformed, ValueError):  # other checks say so
        overwritten = False
    if overwritten:
        return Finding("f.pure", "note", "returns the same array at every call: refnode copies it, but other solvers (SciPy's) may not")
    return Finding("f.pure", "ok", "leaves z and theta as they were, also where they could be written to")


def _parameters(f: Subject) -> list[Any]:
    return [leaf.value[()] if leaf.plain else leaf.value.copy() for leaf in f.theta.leaves]


def finite(f: Subject, path: Trajectory, points: list[Point]) -> Finding:
    """f is finite along the solution and near it, and the solution reaches the end of ts.

    Statement: S2
    """
    start = f(f.z.vector, f.ts[0])
    if not np.all(np.isfinite(start)):
        i = int(np.argmax(~np.isfinite(start)))
        text = f"f(z0, t0) is {start[i]} in component {f.z.place(i)}"
        return Finding("f.finite", "FAIL", text, f"{text}: no solve can start. z there is {f.z.vector[i]:.6g}.")
    where = _where(f, path)
    if not path.complete and path.trouble != "budget":
        end, size = path.times[-1], float(np.max(np.abs(path.states[-1]), initial=0.0))
        text = f"no solver gets beyond t = {end:.6g} of {f.ts[-1]:.6g}: |z| = {size:.3g} there{where}"
        if where:
            remedy = "Keep z in the domain of f, by a change of variables (log z, for example), or end ts before."
        elif size > 1e3 * max(1.0, float(np.max(np.abs(f.z.vector), initial=0.0))):
            remedy = "The solution grows without bound in finite time, as z' = z*z does: end ts before, or bound f."
        else:
            remedy = "Is f continuous there, and does it answer the same to the same question?"
        return Finding("f.finite", "FAIL", text, f"{text}. {remedy}")
    for z, t in points:
        value = f(z, t)
        if not np.all(np.isfinite(value)):
            i = int(np.argmax(~np.isfinite(value)))
            text = f"f is {value[i]} at t = {t:.4g}, near the solution, in component {f.z.place(i)}"
            return Finding("f.finite", "FAIL", text,
                           f"{text}. Solvers look around the solution: extend f's domain a little, or change variables.")
    reached = f"z(t) exists up to t = {f.ts[-1]:.4g}"
    if not path.complete:
        reached = f"SciPy stopped at t = {path.times[-1]:.4g} after {path.calls} evaluations"
    if where:
        return Finding("f.finite", "warn", f"finite on the solution, but not in a trial stage{where}",
                       f"f is not finite close to the solution{where}: each such step is rejected and tried again. "
                       "Extend f's domain, or change variables.")
    return Finding("f.finite", "ok", f"at {len(points)} places on and near the solution; {reached}")


def _where(f: Subject, path: Trajectory) -> str:
    if path.not_finite is None:
        return ""
    z, t = path.not_finite
    value = f(z, t)
    i = int(np.argmax(~np.isfinite(value)))
    return f"; f is {value[i]} at t = {t:.4g} with {f.z.place(i)} = {z[i]:.4g}"


def _dtypes(out: Any) -> set[str]:
    if isinstance(out, dict):
        return set().union(*map(_dtypes, out.values()))
    if isinstance(out, (list, tuple)):
        return set().union(*map(_dtypes, out))
    return set() if out is None else {str(np.asarray(out).dtype)}
