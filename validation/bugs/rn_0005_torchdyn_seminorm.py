"""torchdyn: the backward solve always uses the seminorm, also where seminorm=False."""

import numpy as np
import torch
from torchdyn.core import ODEProblem

a = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
f = lambda t, x, args=None: a * torch.sin(20 * t) + 0 * x
problem = ODEProblem(f, "dopri5", sensitivity="adjoint", rtol_adjoint=1e-8, atol_adjoint=1e-8, seminorm=False, optimizable_params=[a])
_, x = problem.odeint(torch.ones(1, 1, dtype=torch.float64), torch.tensor([0.0, 3.0], dtype=torch.float64))
x[-1].sum().backward()
got = a.grad.item()
expected = (1 - np.cos(60.0)) / 20  # the integral of sin(20 t) from 0 to 3
print("got", got, "expected", expected)
