"""torchdiffeq, dopri5: odeint (backpropagation through the solver) and odeint_adjoint."""

from __future__ import annotations

import importlib.metadata
from typing import ClassVar

import numpy as np
import torch
import torchdiffeq

from ..bench.workloads import leaves, mapped


class Backprop:
    """Gradients through the operations of the solver."""

    name = "torchdiffeq.odeint"
    version = importlib.metadata.version("torchdiffeq")
    capabilities = frozenset(
        {"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "flow:log_prob", "flow:grad", "flow:grad_t",
         "fixed:euler", "fixed:midpoint", "fixed:rk4", "f32"}
    )
    mode = "direct"
    interpolates = True

    def run(self, case):
        torch.set_num_threads(1)
        f = case.dynamics(torch)
        dtype = torch.float32 if case.dtype == "f32" else torch.float64
        z0, ts, theta = (torch.tensor(x, dtype=dtype, requires_grad=case.wants != ("z",)) for x in (case.z0, case.ts, case.theta))
        if case.density:
            return self._density(case, f, z0, ts, theta)
        if case.method:
            return {"z": self._fixed(case, f, z0, ts, theta).numpy()}
        z = self.solve(f, z0, ts, theta, case)
        answer = {"z": z.detach().numpy()}
        if case.wants != ("z",):
            gradients = torch.autograd.grad(z, (z0, ts, theta), torch.tensor(case.weights), allow_unused=True)
            for key, x, gradient in zip(("dL/dz0", "dL/dt", "dL/dtheta"), (z0, ts, theta), gradients, strict=True):
                answer[key] = np.zeros(x.shape) if gradient is None else gradient.numpy()
        return {key: answer[key] for key in case.wants}

    def bench(self, workload):
        torch.set_num_threads(1)
        f, loss, ts = workload.dynamics(torch), workload.loss(torch), torch.tensor(workload.ts)
        z0, theta = mapped(lambda x: torch.tensor(x, requires_grad=True), (workload.z0, workload.theta))

        def gradient():
            value = loss(self.solve(f, z0, ts, theta, workload))
            return [g.numpy() for g in torch.autograd.grad(value, [z0, *leaves(theta)])]

        return gradient

    def _density(self, case, f, x, ts, theta):
        """As in torchdiffeq's examples/cnf.py, for one point."""

        def with_trace(state, t, theta):
            with torch.enable_grad():
                z = state[0].requires_grad_(True)
                dz_dt = f(z, t, theta)
                rows = [torch.autograd.grad(component, z, create_graph=True, materialize_grads=True)[0] for component in dz_dt]
            return dz_dt, -sum(row[i] for i, row in enumerate(rows))

        z, change = self.solve(with_trace, (x, torch.zeros((), dtype=torch.float64)), ts, theta, case)
        log_p = case.base(torch)(z[-1]) - change[-1]
        gradients = torch.autograd.grad(log_p, (x, theta, ts), allow_unused=True, materialize_grads=True)
        answer = dict(zip(("dlogp/dx", "dlogp/dtheta", "dlogp/dt"), (gradient.numpy() for gradient in gradients), strict=True))
        answer["log p"] = log_p.detach().numpy()
        return {key: answer[key] for key in case.wants}

    def _fixed(self, case, f, z0, ts, theta):
        options = {"grid_constructor": lambda f, z0, ts: torch.linspace(ts[0], ts[-1], case.steps + 1, dtype=ts.dtype)}
        return torchdiffeq.odeint(lambda t, z: f(z, t, theta), z0, ts, method=case.method, options=options)

    def solve(self, f, z0, ts, theta, case):
        return torchdiffeq.odeint(lambda t, z: f(z, t, theta), z0, ts, method="dopri5", rtol=case.rtol, atol=case.atol)


class Adjoint(Backprop):
    """Gradients by the adjoint method."""

    name = "torchdiffeq.odeint_adjoint"
    mode = "adjoint"
    options = None

    def solve(self, f, z0, ts, theta, case):
        return torchdiffeq.odeint_adjoint(
            lambda t, z: f(z, t, theta), z0, ts, method="dopri5", rtol=case.rtol, atol=case.atol,
            adjoint_params=tuple(leaves(theta)), adjoint_options=self.options,
        )


class AdjointSeminorm(Adjoint):
    """The parameters' share does not control the steps of the backward solve."""

    options: ClassVar[dict] = {"norm": "seminorm"}


ADAPTERS = [Backprop, Adjoint]
