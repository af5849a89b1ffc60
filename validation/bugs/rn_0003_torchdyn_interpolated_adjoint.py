"""torchdyn: the interpolated adjoint adds the cotangents of internal steps in place of those of the observations."""

import numpy as np
import torch
from torchdyn.core import ODEProblem

problem = ODEProblem(lambda t, x, args=None: torch.cos(t) * x, "dopri5", sensitivity="interpolated_adjoint", atol=1e-9, rtol=1e-9)
x0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
t = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
t_eval, x = problem.odeint(x0, t)  # t_eval holds the internal steps as well
x[torch.isin(t_eval, t)].sum().backward()
got = x0.grad.item()
expected = 1 + np.exp(np.sin(1.0)) + np.exp(np.sin(2.0))  # x(t) = x0 exp(sin t)
print("got", got, "expected", expected)
