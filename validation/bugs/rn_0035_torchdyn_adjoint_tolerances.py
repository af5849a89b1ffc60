"""torchdyn: the interpolated adjoint ignores rtol_adjoint and atol_adjoint."""

import torch
from torchdyn.core import ODEProblem

gradient = []
for tolerance in (1e-2, 1e-10):
    options = {"rtol": 1e-3, "atol": 1e-3, "rtol_adjoint": tolerance, "atol_adjoint": tolerance}
    problem = ODEProblem(lambda t, x, args=None: torch.cos(5 * t) * x, "dopri5", sensitivity="interpolated_adjoint", **options)
    x0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    problem.odeint(x0, torch.tensor([0.0, 2.0], dtype=torch.float64))[1][-1].sum().backward()
    gradient.append(x0.grad.item())
got = "the same bits" if gradient[0] == gradient[1] else "other bits"
expected = "other bits"
print("got", got, "expected", expected)
