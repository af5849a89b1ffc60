"""The ways into refnode by which the suite meets a mutant: adapters beside those of impls/refnode.py.

They are the seven gradients with dopri5; other methods; saved and resumed solves; the functions with SciPy's contract; rows with steps of
their own; densities by CNF, with the exact trace and with probes; and detours (detours.py), among them declared jumps and events.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import refnode as rn

from ..case import Refused
from ..impls.refnode import MODES, Adjoint, Discrete, Quadrature, Reversible
from .detours import DETOURS, GRADIENTS, Detour, jumps

VALUES = frozenset({"values", "time:backward", "max_steps", "stats:nfe", "f32"})
RTOLS, LOW_ORDER = (1e-4, 1e-7), (1e-3, 1e-5)


def by_method(Mode: type, method: str, order: str = "") -> type:
    """The same gradient through another method. order: "low" for those that are asked at loose tolerances."""

    class Method(Mode):  # type: ignore[misc]
        name = f"{Mode.name}.{method}"
        capabilities = VALUES | GRADIENTS
        rtols = LOW_ORDER if order == "low" else RTOLS
        few = True

        def run(self, case):
            case.method = method
            return super().run(case)

    return Method


class Seminorm(Detour):
    """The parameters' share does not control the steps of the backward solve."""

    name = "refnode.seminorm"

    def solve_of(self, case):
        return lambda *inputs: rn.odeint(case.dynamics(np), *inputs, backward_norm="seminorm", **self.settings(case))


class SciPy(Adjoint):
    """rn.solve_ivp. With dense_output the answers are those of its `sol`."""

    method, dense, mode = "RK45", False, "none"
    capabilities = VALUES - {"f32", "max_steps", "stats:nfe"}

    def _answer(self, case):
        f = case.dynamics(np)
        answer = rn.solve_ivp(lambda t, z: f(z, t, case.theta), (case.ts[0], case.ts[-1]), case.z0, self.method, dense_output=self.dense,
                              t_eval=None if self.dense else case.ts, rtol=case.rtol, atol=case.atol, max_steps=100_000)
        if answer.status != 0:
            raise Refused(answer.message)
        return {"z": np.array([answer.sol(t) for t in case.ts]) if self.dense else answer.y.T}


def scipy_method(method: str, dense: bool = False) -> type:
    """One of SciPy's names for a method."""
    return type("Method", (SciPy,), {"name": f"solve_ivp.{method}{'.sol' * dense}", "method": method, "dense": dense})


class Foreign(SciPy):
    """A class of SciPy's, run as it is by rn.solve_ivp: the interpolant is SciPy's."""

    name = "solve_ivp.class"
    dense = True

    def _answer(self, case):
        from scipy.integrate import RK45

        self.method = type("Other", (RK45,), {})
        return super()._answer(case)


class Sparse(SciPy):
    """SciPy's contract with a pattern of the Jacobian, and a terminal event at the last time instead of an end there."""

    name = "solve_ivp.sparse"
    method = "BDF"

    def _answer(self, case):
        f, D, last = case.dynamics(np), case.z0.size, case.ts[-1]

        def at_the_end(t, z):
            return (t - last) * (1.0 + z @ z)

        at_the_end.terminal = True  # type: ignore[attr-defined]
        answer = rn.solve_ivp(lambda t, z: f(z, t, case.theta), (case.ts[0], last + 0.25 * (last - case.ts[-2])), case.z0, self.method,
                              t_eval=case.ts[:-1], rtol=case.rtol, atol=case.atol, max_steps=100_000, events=at_the_end,
                              jac_sparsity=np.ones((D, D)))
        if answer.status != 1:
            raise Refused(answer.message)
        return {"z": np.concatenate([answer.y.T, answer.y_events[0]])}


class ToAnEvent(Detour):
    """The last time is that of an event, t = T: its gradient is the event's by its own parameter T."""

    name = "event"

    def solve_of(self, case):
        f, settings = self.prepared(case.dynamics(np)), {"rtol": case.rtol, "atol": case.atol}
        beyond = case.ts[-1] + 0.5 * (case.ts[-1] - case.ts[-2])

        def f_of_both(z, t, both):
            return f(z, t, both[0])

        def solve(z0, ts, theta):
            zs = rn.odeint(f, z0, ts[:-1], theta, **settings)
            _, end = rn.odeint_event(f_of_both, zs[-1], ts[-2], beyond, lambda z, t, both: t - both[1], (theta, ts[-1]), **settings)
            return np.concatenate([zs, end[None]])

        return solve


class Resumed(Adjoint):
    """rn.Stepper, saved and taken up again after every third step."""

    mode = "none"
    capabilities = frozenset({"values", "time:backward"})
    few = True

    def _answer(self, case):
        if not np.all(np.isfinite(case.ts)):
            raise Refused("a time is not finite")
        f, zs = case.dynamics(np), [case.z0]

        def stepper(state=None):
            settings = {"method": self.method, "rtol": case.rtol, "atol": case.atol}
            return rn.Stepper(f, case.z0, case.ts[0], case.ts[-1], case.theta, state=state, **settings)

        solve, taken = stepper(), 0
        while len(zs) < len(case.ts):
            step, taken = solve.step(), taken + 1
            while len(zs) < len(case.ts) and min(step.t, step.t1) <= case.ts[len(zs)] <= max(step.t, step.t1):
                zs.append(step(case.ts[len(zs)]))
            solve = solve if taken % 3 else stepper(solve.state())
        return {"z": np.array(zs)}


def resumed(method: str) -> type:
    """Resumed with a method."""
    return type("Method", (Resumed,), {"name": f"stepper.{method}", "method": method})


class Rows(Adjoint):
    """rn.solve(..., independent=True): the state is the first of two rows, which have grids of their own."""

    name = "rows"
    mode = "none"
    capabilities = VALUES - {"stats:nfe", "f32"}
    norm = "rms"

    def _answer(self, case):
        f = case.dynamics(np)

        def rows(z, t, theta):
            return np.stack([f(row, float(clock), theta) for row, clock in zip(z, np.ravel(t), strict=True)])

        z0, other = np.stack([case.z0, 0.75 * case.z0]), case.ts[0] + 0.5 * (case.ts - case.ts[0])
        limit = {} if case.max_steps is None else {"max_steps": case.max_steps}
        solution = rn.solve(rows, z0, np.stack([case.ts, other], axis=1), case.theta, independent=True, rtol=case.rtol, atol=case.atol,
                            norm=self.norm, **limit)
        return {"z": solution.zs[:, 0]}


class RowsByTheLargest(Rows):
    """With the largest component as the norm."""

    name = "rows.max"
    norm = "max"


class Density(Adjoint):
    """log p(x) by rn.CNF, the point being one of two. rn.hutchinson's signs are exact in one dimension."""

    name = "cnf"
    capabilities = frozenset({"values", "time:backward", "flow:log_prob", "flow:grad", "flow:grad_t"})
    trace: Any = "exact"

    def _density(self, case, f):
        def rows(z, t, theta):
            return np.stack([f(row, t, theta) for row in z])

        def log_p(x, ts, theta):
            points = np.stack([x, x + 0.125])
            flow = rn.CNF(rows, base=Base(case), trace=self.trace, rtol=case.rtol, atol=case.atol)
            rng = None if self.trace == "exact" else np.random.default_rng(0)
            return flow.log_prob(theta, points, rng, t0=ts[1], t1=ts[0])[0]

        value, (dx, dt, dtheta) = rn.value_and_grad(log_p, argnums=(0, 1, 2))(case.z0, case.ts, case.theta)
        answer = {"log p": value, "dlogp/dx": dx, "dlogp/dtheta": dtheta, "dlogp/dt": dt}
        return {key: answer[key] for key in case.wants}


class Base:
    """The base density of a case, as rn.CNF takes one."""

    def __init__(self, case):
        self.D, self.one = case.z0.size, case.base(np)

    def log_prob(self, z):
        return np.stack([self.one(row) for row in z])

    def sample(self, rng, n):
        raise NotImplementedError


class Probes(Density):
    """With three probes; asked in one dimension alone, where it is exact."""

    name = "cnf.probes"
    trace = rn.hutchinson(3)
    one_dimension = True


@functools.cache
def ways() -> dict[str, Any]:
    """All ways in, by name."""
    methods = [by_method(Discrete, "tsit5"), by_method(Quadrature, "dop853"), by_method(Discrete, "bosh3", "low"),
               by_method(Discrete, "kvaerno3", "low"), by_method(Quadrature, "kvaerno5"), by_method(Quadrature, "radau5"),
               by_method(Adjoint, "bdf", "low"), by_method(Adjoint, "lsoda"), by_method(Adjoint, "adams"),
               by_method(Reversible, "alf", "low"), by_method(Reversible, "reversible_heun", "low")]
    scipy = [scipy_method("RK23"), scipy_method("RK45", dense=True), scipy_method("DOP853"), scipy_method("Radau"), scipy_method("BDF"),
             scipy_method("LSODA", dense=True), Foreign, Sparse]
    others = [Seminorm, ToAnEvent, *map(resumed, ("dopri5", "adams", "bdf")), Rows, RowsByTheLargest, Density, Probes]
    found = [Way() for Way in (*MODES, *methods, *scipy, *map(jumps, MODES), *others, *DETOURS)]
    return {way.name: way for way in found}
