"""torchdyn: the adjoint method's gradient is wrong on a decreasing time grid."""

import numpy as np
import torch
from torchdyn.core import ODEProblem

problem = ODEProblem(lambda t, x, args=None: torch.cos(t) * x, "dopri5", sensitivity="adjoint", atol=1e-9, rtol=1e-9)
x0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
_, x = problem.odeint(x0, torch.tensor([2.0, 0.0], dtype=torch.float64))
x[-1].sum().backward()
got = x0.grad.item()
expected = np.exp(np.sin(0.0) - np.sin(2.0))  # x(0) = x0 exp(sin 0 - sin 2)
print("got", got, "expected", expected)
