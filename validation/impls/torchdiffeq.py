"""torchdiffeq, dopri5: odeint (backpropagation through the solver) and odeint_adjoint."""

from __future__ import annotations

import importlib.metadata
from typing import ClassVar

import torch
import torchdiffeq

from ..bench.workloads import leaves, mapped
from .with_torch import Torch

FIXED = ("fixed:euler", "fixed:midpoint", "fixed:rk4")


class Backprop(Torch):
    """Gradients through the operations of the solver."""

    name = "torchdiffeq.odeint"
    version = importlib.metadata.version("torchdiffeq")
    capabilities = frozenset(
        {"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "grad:second", "flow:log_prob", "flow:grad", "flow:grad_t",
         "fixed:euler", "fixed:midpoint", "fixed:rk4", "f32"}
    )
    mode = "direct"
    interpolates = True

    def bench(self, workload):
        torch.set_num_threads(1)
        f, loss, ts = workload.dynamics(torch), workload.loss(torch), torch.tensor(workload.ts)
        z0, theta = mapped(lambda x: torch.tensor(x, requires_grad=True), (workload.z0, workload.theta))

        def gradient():
            value = loss(self.solve(f, z0, ts, theta, workload))
            return [g.numpy() for g in torch.autograd.grad(value, [z0, *leaves(theta)])]

        return gradient

    def fixed(self, f, z0, ts, theta, case):
        options = {"grid_constructor": lambda f, z0, ts: torch.linspace(ts[0], ts[-1], case.steps + 1, dtype=ts.dtype)}
        return torchdiffeq.odeint(lambda t, z: f(z, t, theta), z0, ts, method=case.method, options=options)

    def solve(self, f, z0, ts, theta, case):
        return torchdiffeq.odeint(lambda t, z: f(z, t, theta), z0, ts, method="dopri5", rtol=case.rtol, atol=case.atol)


class Adjoint(Backprop):
    """Gradients by the adjoint method."""

    name = "torchdiffeq.odeint_adjoint"
    capabilities = Backprop.capabilities - {"grad:second"}
    mode = "adjoint"
    options = None

    def solve(self, f, z0, ts, theta, case):
        return torchdiffeq.odeint_adjoint(
            lambda t, z: f(z, t, theta), z0, ts, method="dopri5", rtol=case.rtol, atol=case.atol,
            adjoint_params=tuple(x for x in leaves(theta) if x.numel()), adjoint_options=self.options,
        )


class AdjointSeminorm(Adjoint):
    """The parameters' share does not control the steps of the backward solve."""

    options: ClassVar[dict] = {"norm": "seminorm"}


ADAPTERS = [Backprop, Adjoint]
