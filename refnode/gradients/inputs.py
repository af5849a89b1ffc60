"""What the gradient owes to the times at which f jumps: the solve is cut there, and a knot of a piecewise constant input moves a jump."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.gradients.algebra import dot, zeros_like
from refnode.ode import arguments
from refnode.ode.interpolate import Interpolant, inputs_in
from refnode.tree import Tree, is_container


def nodes(ts: Any, theta: Tree, jump_ts: Any) -> tuple[Any, dict[int, int], dict[int, float]]:
    """The observation times with the jumps inside of them, in order (ts itself, if there are none); which of these are observations, {place here:
    place in ts}; and which are jumps, {place: a time just before, in the direction of the solve; just behind, at the start}."""
    everywhere = arguments.jumps(jump_ts, (), -math.inf, math.inf) + [t for u in inputs_in(theta) for t in u.knots]
    values = [float(plain(t)) for t in ts]
    low, high = min(values[0], values[-1]), max(values[0], values[-1])
    jumps = {float(plain(t)): t for t in everywhere if low <= plain(t) <= high}
    if not jumps:
        return ts, {i: i for i in range(len(values))}, {}
    found: list[tuple[float, int | None, Any]] = [(value, i, t) for i, (value, t) in enumerate(zip(values, ts, strict=True))]
    found += [(value, None, t) for value, t in jumps.items() if value not in values]
    found.sort(key=lambda node: node[0], reverse=values[-1] < values[0])
    sides = {place: t + (math.nextafter(value, values[0] if place else values[-1]) - value)
             for place, (value, _, t) in enumerate(found) if value in jumps}
    return np.stack([t for _, _, t in found]), {place: i for place, (_, i, _) in enumerate(found) if i is not None}, sides


def knots_cotangent(evaluate: Callable[..., Tree], f: Callable[..., Any], z: Tree, times: Any, i: int, a: Tree, theta: Tree) -> Tree:
    """The part of dL/dtheta that a jump at tau = times[i] brings: dL/dtau = a(tau)^T (f before tau - f behind tau), tau a knot of a constant input.

    "Before" and "behind" are in the direction of the solve. f is asked behind tau, once with the knot moved farther, so that the input has the
    value before it. Of inputs that jump at the same time each is taken to jump after the others, and an observation at tau to come before it.
    """
    change = zeros_like(theta)
    tau, behind = float(plain(times[i])), [float(plain(t)) for t in times[i + 1:]]
    if tau in behind or not behind or tau == float(plain(times[0])):  # of several observations at one time the last; and the ends do not count
        return change
    ulp = np.float64(math.copysign(math.ulp(tau), behind[-1] - tau))
    for number, u in enumerate(inputs_in(theta)):
        for k in np.flatnonzero(plain(u.knots) == tau) if u.kind == "constant" else ():
            here = np.arange(len(u.knots)) == k
            t, moved = u.knots[k] + 2 * ulp, u._replace(knots=u.knots + 4 * ulp * here)
            jump = dot(a, evaluate(f, z, t, replace_input(theta, number, moved))) - dot(a, evaluate(f, z, t, theta))
            found = inputs_in(change)[number]
            change = replace_input(change, number, found._replace(knots=found.knots + jump * here))
    return change


def replace_input(tree: Tree, number: int, new: Interpolant) -> Tree:
    """The tree with another interpolant in place of one of them."""
    def walk(tree: Tree, remaining: list[int]) -> Tree:
        if isinstance(tree, Interpolant):
            remaining[0] -= 1
            return new if remaining[0] == -1 else tree
        if not is_container(tree):
            return tree
        if isinstance(tree, dict):
            return {key: walk(child, remaining) for key, child in tree.items()}
        children = [walk(child, remaining) for child in tree]
        return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)
    return walk(tree, [number])
