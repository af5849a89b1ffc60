"""JAX's own odeint: dopri5 with the adjoint method, compiled."""

from __future__ import annotations

import jax
import numpy as np
from jax import numpy as jnp
from jax.experimental.ode import odeint

from ..bench.workloads import leaves, mapped

jax.config.update("jax_enable_x64", True)


class Odeint:
    """Gradients by the adjoint method."""

    name = "jax.odeint"
    version = jax.__version__

    def bench(self, workload):
        return jitted(self.solve, workload)

    def solve(self, f, z0, ts, theta, workload):
        return odeint(lambda z, t, theta: f(z, t, theta), z0, ts, theta, rtol=workload.rtol, atol=workload.atol)


def jitted(solve, workload):
    """The gradient of a workload, compiled at the first call. solve(f, z0, ts, theta, workload) gives zs."""
    f, loss = workload.dynamics(jnp), workload.loss(jnp)
    z0, ts, theta = mapped(jnp.asarray, (workload.z0, workload.ts, workload.theta))
    gradient = jax.jit(jax.grad(lambda z0, theta: loss(solve(f, z0, ts, theta, workload)), (0, 1)))
    return lambda: [np.asarray(g) for g in leaves(gradient(z0, theta))]
