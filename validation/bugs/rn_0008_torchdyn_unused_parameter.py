"""torchdyn: a parameter that f does not use makes the adjoint method fail."""

import torch
from torchdyn.core import ODEProblem

used, unused = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
problem = ODEProblem(lambda t, x, args=None: -used * x, "dopri5", sensitivity="adjoint", optimizable_params=[used, unused])
_, x = problem.odeint(torch.ones(1, 2), torch.tensor([0.0, 1.0]))
try:
    x[-1].sum().backward()
    got = "no exception"
except RuntimeError as error:
    got = f"RuntimeError: {error}"
expected = "no exception"
print("got", got, "expected", expected)
