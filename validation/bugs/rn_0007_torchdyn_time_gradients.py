"""torchdyn: gradients with respect to more than two times end in an exception."""

import torch
from torchdyn.core import ODEProblem

problem = ODEProblem(lambda t, x, args=None: torch.cos(t) * x, "dopri5", sensitivity="adjoint")
t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
_, x = problem.odeint(torch.ones(1, 1, dtype=torch.float64), t)
try:
    x[-1].sum().backward()
    got = f"{len(t.grad)} gradients"
except RuntimeError as error:
    got = f"RuntimeError: {error}"
expected = "3 gradients"
print("got", got, "expected", expected)
