"""refnode, dopri5, in every gradient mode: implementation number one under test. The only module of the suite that imports refnode."""

from __future__ import annotations

import numpy as np

import refnode as rn


class Adjoint:
    """Gradients by the adjoint method."""

    name = "refnode"
    version = rn.__version__
    capabilities = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "grad:second", "stats:nfe"})
    mode = "adjoint"
    interpolates = True
    gradient = "adjoint"

    def run(self, case):
        f = case.dynamics(np)
        stats = rn.Stats()

        def solve(z0, ts, theta, **more):
            return rn.odeint(f, z0, ts, theta, method="dopri5", rtol=case.rtol, atol=case.atol, gradient=self.gradient, **more)

        if case.wants == ("z",):
            z = solve(case.z0, case.ts, case.theta, stats=stats)
            return {"z": z, "stats": {"nfe": stats.forward.nfe}}
        if "d2L/dz0" in case.wants:
            return self._second(case, solve)
        z, back = rn.pullback(solve, case.z0, case.ts, case.theta)
        dz0, dt, dtheta = back(case.weights)
        answer = {"z": z, "dL/dz0": dz0, "dL/dtheta": dtheta, "dL/dt": dt}
        return {key: answer[key] for key in case.wants}

    def _second(self, case, solve):
        D = case.z0.size

        def loss(z0, theta):
            return np.sum(case.weights * solve(z0, case.ts, theta))

        dz0, dtheta = rn.hvp(loss, (case.z0, case.theta), (case.direction[:D], case.direction[D:]))
        return {"d2L/dz0": dz0, "d2L/dtheta": dtheta}


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
    gradient = "reversible"


ADAPTERS = [Adjoint, Discrete, Checkpointed, Interpolating, Quadrature, Forward, Reversible]
