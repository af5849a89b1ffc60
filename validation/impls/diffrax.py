"""diffrax, Dopri5, compiled: the adjoint method, and autodiff through the solver with checkpoints."""

from __future__ import annotations

import importlib.metadata

import diffrax

from .jax import jitted


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
