"""torchdyn: dL/dt0 of the adjoint method has the wrong sign and is taken at the wrong time."""

import numpy as np
import torch
from torchdyn.core import ODEProblem

problem = ODEProblem(lambda t, x, args=None: torch.cos(t) * x, "dopri5", sensitivity="adjoint", atol=1e-9, rtol=1e-9)
t = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
_, x = problem.odeint(torch.ones(1, 1, dtype=torch.float64), t)
x[-1].sum().backward()
got = t.grad[0].item()
expected = -np.cos(0.5) * np.exp(np.sin(1.5) - np.sin(0.5))  # x(t1) = exp(sin t1 - sin t0)
print("got", got, "expected", expected)
