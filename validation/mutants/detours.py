"""Ways into refnode on which something beside the question brings more of the code into play, and changes nothing of the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

import refnode as rn

from ..impls.refnode import Adjoint, compiled

GRADIENTS = frozenset({"grad:z0", "grad:theta", "grad:t"})


class Detour(Adjoint):
    """solve_of(case) is the solve that is asked for: (z0, ts, theta) -> zs."""

    capabilities = frozenset({"values", "time:backward"}) | GRADIENTS
    few = True

    def _answer(self, case):
        solve = self.solve_of(case)
        if case.wants == ("z",):
            return {"z": solve(case.z0, case.ts, case.theta)}
        return self.with_gradients(case, solve)

    def settings(self, case) -> dict[str, Any]:
        return {"rtol": case.rtol, "atol": case.atol, "gradient": self.gradient}


class ValuesAlone(Detour):
    """Without gradients."""

    capabilities = frozenset({"values", "time:backward"})
    mode = "none"


class Jumps(Detour):
    """w = z + c(t) with a kink of c half-way: a jump of dw/dt that is declared, and where f must not be asked."""

    def solve_of(self, case):
        f, half = case.dynamics(np), 0.5 * (case.ts[0] + case.ts[-1])

        def jumping(w, t, theta):
            return f(w - np.maximum(t - half, 0.0), t, theta) + (np.nan if t == half else float(t > half))

        def solve(z0, ts, theta):
            w0 = z0 + np.maximum(ts[0] - half, 0.0)
            ws = rn.odeint(jumping, w0, ts, theta, jump_ts=[half], **self.settings(case))
            return ws - np.maximum(ts - half, 0.0)[:, None]

        return solve


def jumps(Mode: type) -> type:
    """Jumps with the gradient of a mode."""
    return type("Method", (Jumps,), {"name": f"{Mode.name}.jumps", "gradient": Mode.gradient, "mode": Mode.mode})


class Knots(Detour):
    """The same kink, by an input that is 0 before it and 1 behind it. The kink moves with the times, which is without influence on z."""

    name = "knots"

    def solve_of(self, case):
        f = case.dynamics(np)

        def driven(w, t, theta_and_input):
            theta, u = theta_and_input
            return f(w - np.maximum(t - u.knots[1], 0.0), t, theta) + u(t)

        def solve(z0, ts, theta):
            first, half = min(case.ts[0], case.ts[-1]) - 1.0, 0.5 * (ts[0] + ts[-1])
            u = rn.interpolate(np.stack([first, half]), np.array([0.0, 1.0]), kind="constant")
            ws = rn.odeint(driven, z0 + np.maximum(ts[0] - half, 0.0), ts, (theta, u), **self.settings(case))
            return ws - np.maximum(ts - half, 0.0)[:, None]

        return solve


class WithEvents(ValuesAlone):
    """Two events that leave the solution as it is: one that is zero at the start, where it is none, and a reset to the same state."""

    name = "resets"
    capabilities = ValuesAlone.capabilities | {"f32"}

    def solve_of(self, case):
        f, first, middle = case.dynamics(np), case.ts[0], 0.5 * (case.ts[0] + case.ts[-1])
        none = rn.Event(lambda z, t, theta: t - first, terminal=True)
        same = rn.Event(lambda z, t, theta: t - middle, reset=lambda z, t, theta: 1.0 * z)
        return lambda z0, ts, theta: rn.solve(f, z0, ts, theta, rtol=case.rtol, atol=case.atol, events=[none, same]).zs


class InOtherWords(Detour):
    """The values of f pass through functions of NumPy that no dynamics of the suite use; all together they are the identity."""

    name = "in other words"

    def solve_of(self, case):
        f = case.dynamics(np)

        def in_other_words(z, t, theta):
            return the_same(f(z, t, theta))

        g = self.prepared(in_other_words)
        return lambda z0, ts, theta: rn.odeint(g, z0, ts, theta, **self.settings(case))


def the_same(v: Any) -> Any:
    """v (D,), with the identity for its derivative."""
    v = np.maximum(v, v)
    v = np.mean(v[np.repeat(np.arange(v.size), 2)].reshape(-1, 2), axis=1)
    v = np.sum(np.stack([np.stack([0.5 * v, 0.25 * v]), np.stack([-0.5 * v, 0.75 * v])]), axis=(0, 1))
    v = np.concatenate(np.array_split(v, v.size + 1))
    up = np.array([0.0, 0.0, 1.0])
    v = np.cross(up, np.cross(np.stack([v, 0.0 * v, 0.0 * v], axis=-1), up))[:, 0]
    v = np.median(np.stack([v - 2.0, v - 1.0, v, v + 1.0, v + 2.0]), axis=0)
    return np.linalg.eigvalsh(np.stack([np.stack([v, 0.0 * v], axis=-1), np.stack([0.0 * v, v - 1.0], axis=-1)], axis=-2))[:, 1]


class Tree(ValuesAlone):
    """The state is a dict with a complex leaf beside z, of which nothing depends; z stays real."""

    name = "tree"

    def solve_of(self, case):
        f = case.dynamics(np)

        def both(state, t, theta):
            return {"z": f(state["z"], t, theta), "wave": 1j * state["wave"]}

        return lambda z0, ts, theta: rn.odeint(both, {"z": z0, "wave": np.full(2, 1e-3 + 0j)}, ts, theta, **self.settings(case))["z"]


class OwnTolerances(ValuesAlone):
    """A component beside z that goes up and down quickly, with a tolerance of its own that is never in the way."""

    name = "own tolerances"

    def solve_of(self, case):
        f, atol = case.dynamics(np), np.append(1e6, np.full(case.z0.size, case.atol))

        def both(state, t, theta):
            return np.concatenate([np.cos(20.0 * t) * np.ones(1), f(state[1:], t, theta)])

        def solve(z0, ts, theta):
            return rn.odeint(both, np.concatenate([np.zeros(1), z0]), ts, theta, rtol=case.rtol, atol=atol)[:, 1:]

        return solve


class StiffBeside(ValuesAlone):
    """A component beside z that is stiff in the middle third of the time: a solver that switches has to go there and back."""

    name = "stiff beside.lsoda"

    def solve_of(self, case):
        f, (start, length) = case.dynamics(np), (case.ts[0], case.ts[-1] - case.ts[0])

        def both(state, t, theta):
            s = (t - start) / length
            rate = 1e5 / length / (1.0 + np.exp(60.0 * (np.abs(s - 0.5) - 1.0 / 6.0)))
            return np.concatenate([f(state[:-1], t, theta), -rate * (state[-1:] - np.cos(s))])

        def solve(z0, ts, theta):
            return rn.odeint(both, np.concatenate([z0, np.ones(1)]), ts, theta, method="lsoda", rtol=case.rtol, atol=case.atol)[:, :-1]

        return solve


class Inside(ValuesAlone):
    """f is defined between the first and the last time alone."""

    name = "inside"

    def solve_of(self, case):
        f, (low, high) = case.dynamics(np), sorted(case.ts[[0, -1]])

        def inside(z, t, theta):
            if not low <= t <= high:
                raise ValueError(f"f was asked at t = {t!r}, outside of [{low!r}, {high!r}]")
            return f(z, t, theta)

        return lambda z0, ts, theta: rn.odeint(inside, z0, ts, theta, rtol=case.rtol, atol=case.atol)


class Flows(Detour):
    """z(t_i) is the image of z0 under a flow, for each i by itself: forwards, backwards, or with the density carried along."""

    def solve_of(self, case):
        f = case.dynamics(np)
        flow = rn.CNF(lambda z, t, theta: np.stack([f(row, t, theta) for row in z]), base=rn.standard_normal(case.z0.size),
                      rtol=case.rtol, atol=case.atol)

        def solve(z0, ts, theta):
            return np.stack([z0, *(self.image(flow, theta, z0[None], ts[0], ts[i])[0] for i in range(1, len(ts)))])

        return solve


class Inverse(Flows):
    """x = z(t0) back to z(t): the inverse of a flow from t to t0."""

    name = "cnf.inverse"

    def image(self, flow, theta, z, t0, t):
        return flow.inverse(theta, z, t0=t, t1=t0)


class Beside(Flows):
    """With log p beside z, which must not take anything from z."""

    name = "cnf.beside"

    def image(self, flow, theta, z, t0, t):
        return rn.change_of_variables(z, np.zeros(1), flow.f, t0, t, theta, **flow.solver)[0]


DETOURS = (Knots, WithEvents, InOtherWords, compiled(InOtherWords), Tree, OwnTolerances, StiffBeside, Inside, Inverse, Beside)
