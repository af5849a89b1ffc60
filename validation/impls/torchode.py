"""torchode, dopri5, differentiated by autodiff through the solver."""

from __future__ import annotations

import importlib.metadata

import torch
import torchode

from ..bench.workloads import leaves, mapped


class Autodiff:
    """One problem whose state is flat: in a batch each row would have step sizes of its own. They count as constants, as elsewhere."""

    name = "torchode.AutoDiffAdjoint"
    version = importlib.metadata.version("torchode")

    def bench(self, workload):
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
