"""The time and the state at which an event happens, as a differentiable operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.trace import plain
from refnode.autodiff.transforms import conform, differentiable, pullback
from refnode.errors import EventError
from refnode.gradients import select
from refnode.gradients.algebra import add, as_argument, at, dot, like_argument
from refnode.gradients.jacobians import with_jacobian
from refnode.ode.events import Event
from refnode.ode.solution import Stats
from refnode.ode.solve import solve
from refnode.tree import Tree, leaves, tree_map

VAGUE = 1e-2  # of the time to the event: an uncertainty of its time that leaves no derivative


def odeint_event(f: Callable[..., Any], z0: Tree, t0: Any, t1: Any, event: Event | Callable[..., Any], theta: Tree = (), **solver: Any) -> Any:
    """(t, z): when g(z(t), t, theta) first changes its sign on the way from t0 to t1, and the state there.

    Differentiable in z0, t0 and theta, and twice:

        dt = -(g_z dz + g_theta dtheta) / (g_t + g_z f),     dz(t) = dz + f dt        with dz at the fixed time of the event

    event: an `Event` (its direction counts), or g alone. t1: where the search ends; it has no derivative. Keywords: those of `odeint`. A zero of g at
    t0 itself is not an event. To go on from an event, make the next call from (t, new z): the gradient follows through any number of them.
    Raises `EventError` if there is none before t1, or if g passes through zero with no speed, where its time has no derivative.
    Source: Chen, Amos, Nickel 2021 (arXiv 2011.03902), eq. (9)
    Statement: E15
    """
    select.check_keywords(solver, (*select.FORWARD, *select.OWN, "gradient", "stats"))
    if solver.get("gradient", "adjoint") not in select.GRADIENTS:
        raise ValueError(f"there is no gradient method {solver['gradient']!r}; the methods are {', '.join(select.GRADIENTS)}.")
    event = event if isinstance(event, Event) else Event(event)
    if event.reset is not None or event.terminal not in (False, True, 1):
        raise ValueError("odeint_event finds the first event; an Event's reset, and terminal=n, are for rn.solve. To go on, make the next call from "
                         "(t, new z).")
    return _odeint_event(f, as_argument(z0), t0, float(plain(t1)), event, theta, **solver)


def _find(f: Callable[..., Any], z0: Tree, t0: Any, t1: float, event: Event, theta: Tree, *, gradient: str = "adjoint", stats: Stats | None = None,
          **solver: Any) -> tuple[Any, Tree]:
    first = Event(event.g, terminal=True, direction=event.direction)
    forward = {name: value for name, value in solver.items() if name in select.FORWARD}
    found = solve(f, z0, [t0, t1], theta, events=[first], stats=None if stats is None else stats.forward, **with_jacobian(f, forward))
    if found.status != 1:
        raise EventError(f"no event between t = {t0} and {t1}; choose a later t1, another direction, or a smaller max_step (two sign changes "
                         "within one step are not seen).", t=t1, h=0.0, z=at(found.zs, -1), stats=found.stats, partial=(found.ts, found.zs))
    return found.events[0].ts[0], at(found.events[0].zs, 0)


def _pullback(f: Callable[..., Any], z0: Tree, t0: Any, t1: float, event: Event, theta: Tree, *, stats: Stats | None = None, **solver: Any) -> Any:
    t, z = _odeint_event(f, z0, t0, t1, event, theta, stats=stats, **solver)

    def back(cotangent: tuple[Any, Tree]) -> tuple[Any, ...]:
        """dL/dt and dL/dz of the event become one cotangent of the state at the fixed time t, and g's share for theta."""
        dLdt, dLdz = cotangent
        dzdt = conform(f(z, t, theta), z)
        _, g_back = pullback(event.g, z, t, theta)
        g_z, g_t, g_theta = g_back(1.0)
        speed = g_t + dot(g_z, dzdt)
        if plain(speed) == 0 or not _uncertainty(g_z, z, solver) <= VAGUE * abs(float(plain(speed)) * (float(plain(t)) - float(plain(t0)))):
            raise EventError(f"g passes through zero with hardly any speed at t = {plain(t)}: within the tolerances the time of the event is not "
                             "determined, and has no derivative.", t=float(plain(t)), h=0.0)
        share = -(dLdt + dot(dLdz, dzdt)) / speed

        def arrival(z0: Tree, t0: Any, theta: Tree) -> Tree:
            return at(select.odeint(f, z0, np.stack([t0, t]), theta, stats=stats, **solver), -1)

        _, solve_back = pullback(arrival, z0, t0, theta)
        dLdz0, dLdt0, dLdtheta = solve_back(add(dLdz, tree_map(lambda x: share * x, g_z)))
        return None, like_argument(z0, dLdz0), dLdt0, None, None, add(dLdtheta, tree_map(lambda x: share * x, g_theta))

    return (t, z), back


def _uncertainty(g_z: Tree, z: Tree, solver: dict[str, Any]) -> float:
    """How far g is off when z is off by its tolerance."""
    rtol, atol = (float(np.max(solver.get(name, default))) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
    return sum((float(np.sum(np.abs(plain(dg)) * (atol + rtol * np.abs(plain(x))))) for dg, x in zip(leaves(g_z), leaves(z), strict=True)), 0.0)


_odeint_event = differentiable(_find, _pullback)
