"""The probe: is the adapter itself in order? It comes before the library is blamed for anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import CAPABILITIES, MODES, Remote, ask
from .problems.catalog import problems
from .problems.exact import Task


def probe(adapter: Any) -> str:
    """The empty string if the adapter is in order, else one sentence that says what is wrong.

    (1) The attributes of the contract are there. (2) An adapter behind the protocol evaluates dynamics, and their pullback if it has one,
    as they are here. (3) On two problems over a tenth of their span, at rtol 1e-3, the error at the end is below a tenth of the distance
    that the state has moved. (4) There the dynamics were called in float64 with the right theta, and gave what they give in NumPy.
    """
    fault = _attributes(adapter) or (adapter.probe() if isinstance(adapter, Remote) else "")
    return fault or _easy_case(adapter, "P04") or _easy_case(adapter, "P10")


def _attributes(adapter: Any) -> str:
    for name in ("name", "version", "capabilities", "mode", "interpolates", "reply" if isinstance(adapter, Remote) else "run"):
        if not hasattr(adapter, name):
            return f"the adapter has no attribute {name!r}"
    unknown = set(adapter.capabilities) - set(CAPABILITIES)
    if unknown:
        return f"unknown capabilities {sorted(unknown)}; known are {sorted(CAPABILITIES)}"
    if adapter.mode not in MODES:
        return f"mode is {adapter.mode!r}; it must be one of {MODES}"
    if "values" not in adapter.capabilities:
        return 'the capability "values" is missing, without which nothing can be checked'
    return ""


def _easy_case(adapter: Any, problem_id: str) -> str:
    problem = problems()[problem_id]
    ts = np.array([problem.t0, 0.9 * problem.t0 + 0.1 * problem.t1])
    task = Task(problem, problem.z0, ts, problem.weights[:2])
    calls: list = []
    reply = ask(adapter, task, 1e-3, ("z",), record=calls)
    if reply.state != "answered":
        return f"the easy case {problem_id} ended as {reply.state}: {reply.message}"
    start, end = task.values
    error = np.max(np.abs(reply.arrays["z"] - task.values))
    if not error <= 0.1 * np.max(np.abs(end - start)):
        if np.allclose(reply.arrays["z"].T, task.values, rtol=1e-2):
            return f"the easy case {problem_id} gave z transposed: it has a row for each time, (N, D), and not (D, N)"
        return f"the easy case {problem_id} gave z(t1) = {reply.arrays['z'][-1]}, expected {end}"
    return _point(problem, calls)


def _point(problem: Any, calls: list) -> str:
    """The first call whose arguments are numbers (under jit they are not) against the same call in NumPy."""
    if not calls:
        return "the dynamics were never called"
    for z, t, theta, value in calls:
        if z is None or t is None or theta is None or value is None:
            continue
        if not np.array_equal(theta, problem.theta):
            return f"the dynamics got theta = {theta}, expected {problem.theta}"
        expected = problem.rhs(np, z, float(t), theta)
        if value.shape != expected.shape or not np.allclose(value, expected, rtol=1e-12, atol=1e-12):
            return f"f at z = {z}, t = {t} gave {value}, expected {expected}: not float64, or another namespace than the arrays'"
        break
    return ""
