"""odeint, ODESolve and solve as users call them: the gradient method is picked by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np

from refnode.autodiff.trace import Traced
from refnode.errors import TraceError
from refnode.gradients.algebra import last
from refnode.gradients.backward import OWN
from refnode.gradients.jacobians import with_jacobian
from refnode.ode import solve as forward
from refnode.ode import stepper
from refnode.ode.independent import RowsSolution, add_rows, solve_rows
from refnode.ode.solution import Solution, Stats
from refnode.tree import Tree, leaves

GRADIENTS = ("adjoint", "discrete", "checkpointed", "interpolating", "quadrature", "forward", "reversible")  # each a file beside this one
OF_ONE = {"checkpointed": ("checkpoints",), "reversible": ("damping",)}  # keywords of one method


FORWARD = tuple(p.name for p in inspect.signature(forward.start).parameters.values() if p.kind is p.KEYWORD_ONLY)
ROWS = tuple(p.name for p in inspect.signature(solve_rows).parameters.values() if p.kind is p.KEYWORD_ONLY)


def odeint(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, gradient: str = "adjoint", **solver: Any) -> Tree:
    """zs[i] = z(ts[i]) for dz/dt = f(z, t, theta), z(ts[0]) = z0; differentiable in z0, ts and theta, and twice.

    f(z, t, theta): plain NumPy; z and theta are arrays, or nested tuples, lists and dicts of arrays. It receives read-only arrays and t as a
    Python float, and returns dz/dt with z's shapes (a list of numbers counts as an array where z is one). What is to be differentiated must
    be in theta, not in a closure. z0: a tree of arrays, a number or a list of numbers. ts: (n,) times, increasing or decreasing.
    Returns a tree like z0 whose leaves have one axis more in front, of length n.

    gradient, each in a file of its name:
        "adjoint"        the paper's: z, a and dL/dtheta are solved backwards; memory for the observations alone; z may not find its way back
        "discrete"       the exact derivative of the steps that were taken; memory for all of them
        "checkpointed"   the same bits from n stored states (checkpoints=n or "auto"), with steps taken again
        "interpolating"  a and dL/dtheta backwards, z from the forward solve's interpolant
        "quadrature"     a alone backwards, dL/dtheta by Gauss-Legendre quadrature; for implicit methods and for many parameters
        "forward"        sensitivities solved along with z; for few parameters
        "reversible"     the exact derivative of steps that can be taken back (alf, reversible_heun, coupled Runge-Kutta methods); memory as the first
    `gradient_report` compares them on your problem. dL/dt_i is by definition dL/dz(t_i)^T f, in each of them.
    Solver: method="dopri5", rtol=1e-6, atol=1e-8, first_step, min_step, max_step, max_steps, steps or step_size, norm, controller, jump_ts,
    jac: see `solve`. Backward solve: backward_method, backward_rtol, backward_atol (in units of max |dL/dz(t_i)|), backward_norm ("rms", "max" or
    "seminorm"); each defaults to the forward value. stats: a `Stats` that is filled.
    Raises ValueError, TypeError and TraceError for wrong arguments, `SolverError` (with the part that is right) for a failed solve.
    Paper: eq. (2), Figure 2. Statement: S3, S13, S21, S67
    """
    if callable(z0) and not callable(f):
        raise TypeError("odeint is called as odeint(f, z0, ts, theta), and ODESolve as ODESolve(z0, f, t0, t1, theta); exchange the first two.")
    if gradient not in GRADIENTS:
        raise ValueError(f"there is no gradient method {gradient!r}; the methods are {', '.join(GRADIENTS)}.")
    check_keywords(solver, (*FORWARD, *OWN, "gradient", "stats", *OF_ONE.get(gradient, ())))
    return importlib.import_module(f"refnode.gradients.{gradient}").odeint(f, z0, ts, theta, **solver)


def ODESolve(z0: Tree, f: Callable[..., Any], t0: Any, t1: Any, theta: Tree = (), **keywords: Any) -> Tree:
    """z(t1) for dz/dt = f(z, t, theta), z(t0) = z0, in the paper's order of arguments; differentiable in z0, t0, t1 and theta.

    Keywords: those of `odeint`. Paper: eq. (3). Statement: S6
    """
    return last(odeint(f, z0, np.stack([t0, t1]), theta, **keywords))


@overload
def solve(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, independent: Literal[False] = False, stats: Stats | None = None,
          **solver: Any) -> Solution: ...
@overload
def solve(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, independent: bool, stats: Stats | None = None,
          **solver: Any) -> RowsSolution: ...
def solve(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, independent: bool = False, stats: Stats | None = None,
          **solver: Any) -> Solution | RowsSolution:
    """The solution as an object: sol.ts, .zs, .stats, .t_steps, .status, .message, .events, and sol(t) with dense=True.

    Keywords, as for `odeint` (not differentiable: that is for `odeint`), and their defaults:
        method="dopri5"                  see README; an implicit method gets its Jacobians from the engine, unless jac (a function jac(z, t, theta), a
                                         matrix, or "differences") or jac_sparsity (differences, in groups) is given
        rtol=1e-6, atol=1e-8             numbers, or trees like z0; norm="rms": "max", or a function of the flat scaled error
        first_step=None, min_step=0, max_step=inf, max_steps=100_000, controller="I": "PI", "PID"
        steps=None, step_size=None       fixed steps instead: their number over the whole of ts, or their size
        jump_ts=()                       times at which f jumps: stepped on exactly, f asked on both sides. jump_ts=ts makes steps end on
                                         observations: for stiff problems, where the interpolant inside long implicit steps is not controlled
        events=()                        a list of `Event`s
        dense=False, throw=True          keep all steps; with throw=False a failed solve returns status -1, and NaN in the rows that were not reached
        stats=None                       a `Stats` to add to
    independent: the first axis of z0 is a batch whose rows do not influence each other: each has steps, times, statistics and failures of its own
    (see `solve_rows`, which tells the keywords that it has, and `RowsSolution`, which comes back).
    `refnode.ode.solve.solve` says what is promised about steps and values.
    """
    if any(isinstance(leaf, Traced) for leaf in leaves((z0, ts, theta))):
        raise TraceError("rn.solve is not differentiable; use rn.odeint or rn.ODESolve.")
    if independent:
        check_keywords(solver | {"stats": stats}, (*ROWS, "stats"), "independent=True knows")
        solution = solve_rows(f, z0, ts, theta, **solver)
        if stats is not None:
            add_rows(stats.forward, solution)
        return solution
    check_keywords(solver | {"stats": stats}, (*FORWARD, "events", "dense", "throw", "stats"))
    return forward.solve(f, z0, ts, theta, stats=None if stats is None else stats.forward, **with_jacobian(f, solver, z0))


class Stepper(stepper.Stepper):
    __doc__ = stepper.Stepper.__doc__

    def __init__(self, f: Callable[..., Any], z0: Tree, t0: float, t1: float, theta: Tree = (), *, state: Any = None, **solver: Any):
        check_keywords(solver, FORWARD)
        super().__init__(f, z0, t0, t1, theta, state=state, **with_jacobian(f, solver, z0))


def check_keywords(given: dict[str, Any], known: tuple[str, ...], who: str = "the arguments are") -> None:
    """Each keyword is one that exists; a near miss is named."""
    for name in given:
        if name not in known:
            import difflib

            if name in ("events", "dense", "throw", "independent") and who == "the arguments are":
                raise TypeError(f"{name} is an argument of rn.solve, not of this function.")
            owner = next((gradient for gradient, own in OF_ONE.items() if name in own), None)
            if owner is not None:
                raise TypeError(f"{name} is an argument of gradient={owner!r} alone.")
            near = difflib.get_close_matches(name, known, n=1)
            raise TypeError(f"there is no argument {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"{who} {', '.join(known)}."))
    if not isinstance(given.get("stats"), (Stats, type(None))):
        raise TypeError(f"stats must be a Stats object that is to be filled, stats=rn.Stats(), not {given['stats']!r}.")
