"""What the adapters of the PyTorch libraries share: every answer follows from zs = solve(f, z0, ts, theta, case) by torch.autograd."""

from __future__ import annotations

import torch


class Torch:
    """The base of an adapter. solve returns zs (N, D), and fixed, with equal steps, both ends (2, D).

    z0 and theta are nn.Parameters, so that a module can own it (Dynamics).
    """

    def run(self, case):
        torch.set_num_threads(1)
        f = case.dynamics(torch)
        z0, theta = (torch.nn.Parameter(torch.tensor(x), requires_grad=case.wants != ("z",)) for x in (case.z0, case.theta))
        if case.method:
            return {"z": self.fixed(f, z0, torch.tensor(case.ts), theta, case).detach().numpy()}
        ts = torch.tensor(case.ts, requires_grad=bool({"dL/dt", "dlogp/dt"} & set(case.wants)))
        if case.density:
            return self._density(case, f, z0, ts, theta)
        z = self.solve(f, z0, ts, theta, case)
        if "d2L/dz0" in case.wants:
            return self._second(case, z, z0, theta)
        answer = {"z": z.detach().numpy()}
        if case.wants != ("z",):
            answer |= _gradients(z, {"dL/dz0": z0, "dL/dtheta": theta, "dL/dt": ts}, torch.tensor(case.weights))
        return {key: answer[key] for key in case.wants}

    def _density(self, case, f, x, ts, theta):
        """log p(x) = log p_base(z) + int tr(df/dz) dt along the way to z, for one point x."""

        def with_trace(state, t, theta):
            z = state[:-1]
            jacobian = torch.func.jacrev(lambda z: f(z, t, theta))(z)
            return torch.cat([f(z, t, theta), -torch.trace(jacobian)[None]])

        end = self.solve(with_trace, torch.cat([x, x.new_zeros(1)]), ts, theta, case)[-1]
        log_p = case.base(torch)(end[:-1]) - end[-1]
        answer = {"log p": log_p.detach().numpy(), **_gradients(log_p, {"dlogp/dx": x, "dlogp/dtheta": theta, "dlogp/dt": ts})}
        return {key: answer[key] for key in case.wants}

    def _second(self, case, z, z0, theta):
        gradient = torch.autograd.grad(z, (z0, theta), torch.tensor(case.weights), create_graph=True, materialize_grads=True)
        return _gradients(torch.cat(gradient) @ torch.tensor(case.direction), {"d2L/dz0": z0, "d2L/dtheta": theta})


class Dynamics(torch.nn.Module):
    """(t, z) -> f(z, t, theta) as a module that owns theta; the libraries put axes of length one around z and t."""

    def __init__(self, f, theta):
        super().__init__()
        self.f, self.theta = f, theta

    def forward(self, t, z, args=None):
        return self.f(z.reshape(-1), t.reshape(()), self.theta).reshape(z.shape)


def _gradients(output, inputs, weights=None):
    """The gradients in those inputs that have one, by the same keys."""
    inputs = {key: x for key, x in inputs.items() if x.requires_grad}
    gradients = torch.autograd.grad(output, tuple(inputs.values()), weights, allow_unused=True, materialize_grads=True)
    return {key: gradient.numpy() for key, gradient in zip(inputs, gradients, strict=True)}
