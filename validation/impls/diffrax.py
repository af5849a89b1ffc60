"""diffrax, Dopri5, compiled: the adjoint method, and autodiff through the solver with checkpoints.

The suite tries the second: solutions, and continuous normalizing flows. Each case is traced and compiled anew, which is most of the time
that it takes (six minutes for all of them).
"""

from __future__ import annotations

import importlib.metadata

import diffrax
import jax
import numpy as np
from jax import numpy as jnp

from .jax import jitted

FIXED = {"fixed:euler": diffrax.Euler(), "fixed:midpoint": diffrax.Midpoint(), "fixed:dopri5": diffrax.Dopri5()}


class Backsolve:
    """Gradients by the adjoint method."""

    name = "diffrax.BacksolveAdjoint"
    version = importlib.metadata.version("diffrax")
    adjoint = diffrax.BacksolveAdjoint()

    def bench(self, workload):
        return jitted(self.solve, workload)

    def solve(self, f, z0, ts, theta, workload):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, theta: f(z, t, theta)), diffrax.Dopri5(), ts[0], ts[-1], dt0=None, y0=z0, args=theta,
            saveat=diffrax.SaveAt(ts=ts), stepsize_controller=diffrax.PIDController(rtol=workload.rtol, atol=workload.atol),
            adjoint=self.adjoint,
        ).ys


class Checkpointed(Backsolve):
    """Gradients through the operations of the solver."""

    name = "diffrax.RecursiveCheckpointAdjoint"
    adjoint = diffrax.RecursiveCheckpointAdjoint()
    capabilities = frozenset({"values", "time:backward", "flow:log_prob", "flow:grad", "flow:grad_t", *FIXED})
    mode = "direct"
    interpolates = True

    def run(self, case):
        f = case.dynamics(jnp)
        if case.density:
            return self._density(case, f)
        if case.method:
            return {"z": self._fixed(case, f)}
        return {"z": np.asarray(self.solve(f, case.z0, jnp.asarray(case.ts), case.theta, case))}

    def _fixed(self, case, f):
        ends = np.linspace(case.ts[0], case.ts[-1], case.steps + 1)
        z = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, theta: f(z, t, theta)), FIXED["fixed:" + case.method], ends[0], ends[-1], dt0=None,
            y0=jnp.asarray(case.z0), args=jnp.asarray(case.theta), stepsize_controller=diffrax.StepTo(jnp.asarray(ends)),
        ).ys
        return np.stack([case.z0, *np.asarray(z)])

    def _density(self, case, f):
        """As in diffrax's example of a continuous normalising flow, for one point."""
        base = case.base(jnp)

        def with_trace(state, t, theta):
            z = state[0]
            return f(z, t, theta), -jnp.trace(jax.jacfwd(f)(z, t, theta))

        def log_p(x, ts, theta):
            z, change = self.solve(with_trace, (x, jnp.zeros(())), ts, theta, case)
            return base(z[-1]) - change[-1]

        value, gradients = jax.jit(jax.value_and_grad(log_p, (0, 1, 2)))(case.z0, case.ts, case.theta)
        answer = dict(zip(("dlogp/dx", "dlogp/dt", "dlogp/dtheta"), map(np.asarray, gradients), strict=True))
        answer["log p"] = np.asarray(value)
        return {key: answer[key] for key in case.wants}


ADAPTERS = [Checkpointed]
