"""torchode, dopri5: autodiff through the solver, and its two adjoint methods. Each case is a batch of one."""

from __future__ import annotations

import importlib.metadata

import torch
import torchode

from ..bench.workloads import leaves, mapped
from .with_torch import Dynamics, Torch

ADJOINT = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "flow:log_prob", "flow:grad"})


class Autodiff(Torch):
    """Gradients through the operations of the solver, the choice of its step sizes included (the library's default)."""

    name = "torchode.AutoDiffAdjoint"
    version = importlib.metadata.version("torchode")
    capabilities = ADJOINT | {"grad:t", "grad:second", "flow:grad_t"}
    mode = "direct"
    interpolates = True

    def solve(self, f, z0, ts, theta, case):
        term = torchode.ODETerm(Dynamics(f, theta))
        controller = torchode.IntegralController(atol=case.atol, rtol=case.rtol, term=term)
        solution = self.solver(term, controller).solve(torchode.InitialValueProblem(y0=z0[None], t_eval=ts[None]))
        if solution.status.item() != 0:  # what it did not reach is memory that nothing was written to
            raise RuntimeError(f"torchode ended with status {solution.status.item()}")
        return solution.ys[0]

    def solver(self, term, controller):
        return torchode.AutoDiffAdjoint(torchode.Dopri5(term=term), controller)

    def bench(self, workload):
        """The state is flat: in a batch each row would have step sizes of its own. They count as constants, as elsewhere."""
        torch.set_num_threads(1)
        f, loss, shape = workload.dynamics(torch), workload.loss(torch), workload.z0.shape
        z0, theta = mapped(lambda x: torch.tensor(x, requires_grad=True), (workload.z0, workload.theta))
        ts = torch.tensor(workload.ts)[None]
        term = torchode.ODETerm(lambda t, z: f(z.reshape(shape), t, theta).reshape(1, -1))
        controller = torchode.IntegralController(atol=workload.atol, rtol=workload.rtol, term=term)
        solver = torchode.AutoDiffAdjoint(torchode.Dopri5(term=term), controller, backprop_through_step_size_control=False)

        def gradient():
            solution = solver.solve(torchode.InitialValueProblem(y0=z0.reshape(1, -1), t_eval=ts))
            value = loss(solution.ys.reshape(len(workload.ts), *shape))
            return [g.numpy() for g in torch.autograd.grad(value, [z0, *leaves(theta)])]

        return gradient


class Backsolve(Autodiff):
    """Gradients by the adjoint method, each row of a batch by itself."""

    name = "torchode.BacksolveAdjoint"
    capabilities = ADJOINT
    mode = "adjoint"

    def solver(self, term, controller):
        return torchode.BacksolveAdjoint(term, torchode.Dopri5(term=term), controller)


class JointBacksolve(Backsolve):
    """Gradients by the adjoint method, the batch as one system."""

    name = "torchode.JointBacksolveAdjoint"

    def solver(self, term, controller):
        return torchode.JointBacksolveAdjoint(term, torchode.Dopri5(term=term), controller)


ADAPTERS = [Autodiff, Backsolve, JointBacksolve]
