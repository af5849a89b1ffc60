"""The continuous normalizing flow: a base density and the differential equation that carries it."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.flows.change_of_variables import Dynamics, change_of_variables, points
from refnode.flows.traces import Hutchinson, check_trace, generator
from refnode.gradients.select import FORWARD, GRADIENTS, OF_ONE, OWN, ODESolve, check_keywords
from refnode.ode.arguments import check_dynamics, whole_number
from refnode.tree import Tree


class CNF:
    """x = z(t1) for dz/dt = f(z, t, theta), z(t0) from the base density.

        log p(x) = log p_base(z(t0)) - int_{t0}^{t1} tr(df/dz) dt

    f: as for `change_of_variables`; it may have a pullback of its own (`compiled`) or declare its trace (`with_trace`). t0, t1: times, the
    defaults of the methods' t0 and t1; the base density holds at t0, that of x at t1. base: `standard_normal(D)`, `normal(mean, covariance)`,
    or anything with D, log_prob(z) and sample(rng, n). trace: "exact" or hutchinson(m). solver: the keywords of `odeint`, gradient among them.

    Faster, with the same bits: f, its D cotangents and the derivatives of both in one compiled function (for hutchinson: rn.compiled(f)),

        fast = rn.with_trace(rn.compiled(lambda z, t, theta: rn.value_and_trace(f, z, t, theta)))

    A condition is part of theta: f(z, t, (weights, context)) and log_prob((weights, context), x), context (n, C) beside x (n, D), or (C,).

    All methods are differentiable in theta, points, t0 and t1. Hutchinson's probes are drawn from rng, once for each call: the same generator
    state, the same value. Without them nothing is random.
    Paper: sec. 4, Theorem 1. Statement: S35, S37, S39, S46, S47, S48
    """

    def __init__(self, f: Dynamics, t0: float = 0.0, t1: float = 1.0, base: Any = None, trace: str | Hutchinson = "exact",
                 **solver: Any):
        check_dynamics(f)
        if not all(hasattr(base, name) for name in ("D", "log_prob", "sample")):
            raise TypeError(f"base must be a distribution, with D, log_prob(z) and sample(rng, n), such as rn.standard_normal(2), not {base!r}.")
        check_trace(trace)
        gradient = solver.get("gradient", "adjoint")
        if gradient not in GRADIENTS:
            raise ValueError(f"there is no gradient method {gradient!r}; the methods are {', '.join(GRADIENTS)}.")
        check_keywords(solver, (*FORWARD, *OWN, "gradient", "stats", *OF_ONE.get(gradient, ())))
        self.f, self.t0, self.t1, self.base, self.trace, self.solver = f, t0, t1, base, trace, solver

    def log_prob(self, theta: Tree, x: Any, rng: np.random.Generator | None = None, t0: Any = None, t1: Any = None) -> Any:
        """log p(x), (n,) for points x (n, D), a number for one point (D,): solved from t1, where x is, back to t0.

            l(t1) = 0,  dl/dt = -tr(df/dz);   log p(x) = log p_base(z(t0)) - l(t0)

        rng: for trace=hutchinson(m) alone. t1 gives the density at another time, on its way. Paper: sec. 4.1, maximum likelihood
        """
        x = self._points(x, "x")
        t0, t1 = self._times(t0, t1)
        z0, change = change_of_variables(x, 0.0, self.f, t1, t0, theta, trace=self.trace, rng=rng, **self.solver)
        return self.base.log_prob(z0) - change

    def sample(self, theta: Tree, rng: np.random.Generator, n: int, t0: Any = None, t1: Any = None) -> Any:
        """n points x, (n, D): the base's samples carried from t0 to t1. Nothing is solved for densities."""
        return self.forward(theta, self.base.sample(generator(rng), whole_number("n", n)), t0, t1)

    def sample_and_log_prob(self, theta: Tree, rng: np.random.Generator, n: int, t0: Any = None, t1: Any = None) -> tuple[Any, Any]:
        """n points x, (n, D), and their log p(x), (n,), from one solve of size D + 1: what density matching differentiates.

        Paper: sec. 4.1, density matching; eq. (33)
        """
        z0 = self.base.sample(generator(rng), whole_number("n", n))
        t0, t1 = self._times(t0, t1)
        return change_of_variables(z0, self.base.log_prob(z0), self.f, t0, t1, theta, trace=self.trace, rng=rng, **self.solver)

    def forward(self, theta: Tree, z0: Any, t0: Any = None, t1: Any = None) -> Any:
        """x = z(t1) from z(t0) = z0: the map alone, points (n, D) or one point (D,)."""
        t0, t1 = self._times(t0, t1)
        return ODESolve(self._points(z0, "z0"), self.f, t0, t1, theta, **self.solver)

    def inverse(self, theta: Tree, x: Any, t0: Any = None, t1: Any = None) -> Any:
        """z(t0) from z(t1) = x: the inverse of `forward`, at about the same cost."""
        t0, t1 = self._times(t0, t1)
        return ODESolve(self._points(x, "x"), self.f, t1, t0, theta, **self.solver)

    def _points(self, x: Any, name: str) -> Any:
        x = points(x)
        if x.shape[-1] != self.base.D:
            raise ValueError(f"{name} must have shape (n, {self.base.D}) or ({self.base.D},), as the base has D = {self.base.D}, not {x.shape}.")
        return x

    def _times(self, t0: Any, t1: Any) -> tuple[Any, Any]:
        return self.t0 if t0 is None else t0, self.t1 if t1 is None else t1
