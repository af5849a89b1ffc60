"""diffrax, Dopri5, compiled: the adjoint method, and autodiff through the solver with checkpoints and without.

Compiling is most of the time that the suite takes. What is compiled serves both directions of time and all tolerances, and a short list of
output times is brought to one length by repeating the last of them, with weight zero, as is usual where shapes are compiled.
"""

from __future__ import annotations

import importlib.metadata

import diffrax
import numpy as np
from jax import numpy as jnp

from .jax import Odeint

FIXED = {"fixed:euler": diffrax.Euler(), "fixed:midpoint": diffrax.Midpoint(), "fixed:dopri5": diffrax.Dopri5()}
WITHOUT_TIMES = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "flow:log_prob", "flow:grad", *FIXED})


class Backsolve(Odeint):
    """Gradients by the adjoint method."""

    name = "diffrax.BacksolveAdjoint"
    version = importlib.metadata.version("diffrax")
    capabilities = WITHOUT_TIMES
    mode = "adjoint"
    static = (0, 1, 2)
    adjoint = diffrax.BacksolveAdjoint()
    length = 17

    def asked(self, case):
        N = len(case.ts)
        more = 0 if case.density or self.length < N else self.length - N
        return np.append(case.ts, [case.ts[-1]] * more), np.append(case.weights, np.zeros((more, case.z0.size)), axis=0)

    def fixed(self, f, case):
        ends = np.linspace(case.ts[0], case.ts[-1], case.steps + 1)
        z = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, theta: f(z, t, theta)), FIXED["fixed:" + case.method], ends[0], ends[-1], dt0=None,
            y0=jnp.asarray(case.z0), args=jnp.asarray(case.theta), stepsize_controller=diffrax.StepTo(jnp.asarray(ends)),
        ).ys
        return jnp.concatenate([case.z0[None], z])

    def solve(self, f, z0, ts, theta, case):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, z, theta: f(z, t, theta)), diffrax.Dopri5(), ts[0], ts[-1], dt0=None, y0=z0, args=theta,
            saveat=diffrax.SaveAt(ts=ts), stepsize_controller=diffrax.PIDController(rtol=case.rtol, atol=case.atol),
            adjoint=self.adjoint,
        ).ys


class Checkpointed(Backsolve):
    """Gradients through the operations of the solver, from a few stored states."""

    name = "diffrax.RecursiveCheckpointAdjoint"
    capabilities = WITHOUT_TIMES | {"grad:t", "flow:grad_t"}
    mode = "direct"
    adjoint = diffrax.RecursiveCheckpointAdjoint()


class Direct(Checkpointed):
    """Gradients through the operations of the solver, which can be differentiated again."""

    name = "diffrax.DirectAdjoint"
    capabilities = Checkpointed.capabilities | {"grad:second"}
    adjoint = diffrax.DirectAdjoint()


ADAPTERS = [Backsolve, Checkpointed, Direct]
