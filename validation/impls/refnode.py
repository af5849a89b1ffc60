"""refnode, dopri5, in every gradient mode: implementation number one under test. The only module of the suite that imports refnode."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np

import refnode as rn

from ..bench.workloads import leaves
from ..case import Refused

FIXED = ("fixed:euler", "fixed:midpoint", "fixed:rk4", "fixed:dopri5")
FLOW = ("flow:log_prob", "flow:grad", "flow:grad_t")


class Adjoint:
    """Gradients by the adjoint method."""

    name = "refnode"
    version = rn.__version__
    capabilities = frozenset(
        {"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "grad:second", "stats:nfe", "f32", "max_steps", *FLOW, *FIXED}
    )
    mode = "adjoint"
    interpolates = True
    gradient = "adjoint"
    keywords: ClassVar[dict] = {}

    differentiable = staticmethod(rn.differentiable)  # for an f that brings its own pullback

    @staticmethod
    def pullback(f, z, t, theta):
        """Of a user's f, by tracing z and theta: no solve differentiates f by t."""
        return rn.pullback(f, z, t, theta, argnums=(0, 2), like=z)

    def prepared(self, f):
        return f

    def run(self, case):
        try:
            return self._answer(case)
        except (rn.SolverError, rn.ReconstructionWarning) as error:
            raise Refused(f"{type(error).__name__}: {error}") from error

    def _answer(self, case):
        f = self.prepared(case.dynamics(np))
        if case.density:
            return self._density(case, f)
        stats, method = rn.Stats(), case.method or "dopri5"

        def solve(z0, ts, theta, **more):
            settings = {"method": method, "steps": case.steps, "rtol": case.rtol, "atol": case.atol, "gradient": self.gradient}
            if case.max_steps is not None:
                settings["max_steps"] = case.max_steps
            return rn.odeint(f, z0, ts, theta, **settings, **more)

        if case.wants == ("z",):
            z = solve(case.z0, case.ts, case.theta, stats=stats)
            return {"z": z, "stats": {"nfe": stats.forward.nfe}}
        if "d2L/dz0" in case.wants:
            return self._second(case, solve)
        return self.with_gradients(case, solve)

    @staticmethod
    def with_gradients(case, solve):
        """z of solve(z0, ts, theta), and its gradients."""
        z, back = rn.pullback(solve, case.z0, case.ts, case.theta)
        dz0, dt, dtheta = back(case.weights)
        answer = {"z": z, "dL/dz0": dz0, "dL/dtheta": dtheta, "dL/dt": dt}
        return {key: answer[key] for key in case.wants}

    def _density(self, case, f):
        base = case.base(np)

        def log_p(x, ts, theta):
            z, change = rn.change_of_variables(x, 0.0, f, ts[0], ts[1], theta, rtol=case.rtol, atol=case.atol, gradient=self.gradient)
            return base(z) - change

        if case.wants == ("log p",):
            return {"log p": log_p(case.z0, case.ts, case.theta)}
        value, back = rn.pullback(log_p, case.z0, case.ts, case.theta)
        dx, dt, dtheta = back(1.0)
        answer = {"log p": value, "dlogp/dx": dx, "dlogp/dtheta": dtheta, "dlogp/dt": dt}
        return {key: answer[key] for key in case.wants}

    def _second(self, case, solve):
        D = case.z0.size

        def loss(z0, theta):
            return np.sum(case.weights * solve(z0, case.ts, theta))

        dz0, dtheta = rn.hvp(loss, (case.z0, case.theta), (case.direction[:D], case.direction[D:]))
        return {"d2L/dz0": dz0, "d2L/dtheta": dtheta}

    def bench(self, workload):
        f, loss, ts = self.prepared(workload.dynamics(np)), workload.loss(np), workload.ts
        settings = {"method": "dopri5", "rtol": workload.rtol, "atol": workload.atol, "gradient": self.gradient, **self.keywords}
        gradient = rn.grad(lambda z0, theta: loss(rn.odeint(f, z0, ts, theta, **settings)), (0, 1))
        return lambda: leaves(gradient(workload.z0, workload.theta))


class AdjointSeminorm(Adjoint):
    """The parameters' share does not control the steps of the backward solve."""

    keywords: ClassVar[dict] = {"backward_norm": "seminorm"}


class Discrete(Adjoint):
    """The exact derivative of the steps."""

    name = "refnode.discrete"
    capabilities = Adjoint.capabilities
    mode = "direct"
    gradient = "discrete"


class Checkpointed(Discrete):
    """The same bits, from a few stored states."""

    name = "refnode.checkpointed"
    gradient = "checkpointed"


class Interpolating(Discrete):
    """The adjoint along the forward solve's interpolant."""

    name = "refnode.interpolating"
    capabilities = Discrete.capabilities - {"grad:second"}
    gradient = "interpolating"


class Quadrature(Interpolating):
    """The same, with dL/dtheta by quadrature."""

    name = "refnode.quadrature"
    gradient = "quadrature"


class Forward(Discrete):
    """Sensitivities, solved along with z."""

    name = "refnode.forward"
    gradient = "forward"


class Reversible(Interpolating):
    """The exact derivative of coupled steps, whose states are found again."""

    name = "refnode.reversible"
    capabilities = Discrete.capabilities - set(FIXED)  # coupled pairs are another method
    gradient = "reversible"

    def run(self, case):
        with warnings.catch_warnings():
            warnings.simplefilter("error", rn.ReconstructionWarning)  # here it says that z itself is not to be trusted
            return super().run(case)


def compiled(Mode):
    """The same with generated source for f and its pullback. f itself is called while it is traced only: its calls are not counted."""

    class Compiled(Mode):
        name = f"{Mode.name}.compiled"
        capabilities = Mode.capabilities - {"stats:nfe"}

        def prepared(self, f):
            return rn.compiled(f)

    return Compiled


AdjointCompiled = compiled(Adjoint)  # these three for refnode bench
AdjointSeminormCompiled = compiled(AdjointSeminorm)
DiscreteCompiled = compiled(Discrete)
MODES = (Adjoint, Discrete, Checkpointed, Interpolating, Quadrature, Forward, Reversible)
ADAPTERS = [*MODES, *map(compiled, MODES)]
