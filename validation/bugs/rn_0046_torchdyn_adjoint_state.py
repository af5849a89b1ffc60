"""torchdyn: the adjoint method solves the state backwards over all intervals, and never puts back what it has stored."""

import torch
from torchdyn.core import ODEProblem
from torchdyn.numerics import DormandPrince45

field = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)  # x' = weight x
field.weight.data[:] = -20.0
options = {"rtol": 1e-6, "atol": 1e-8, "rtol_adjoint": 1e-6, "atol_adjoint": 1e-8, "sensitivity": "adjoint"}
t = torch.linspace(0.0, 1.0, 11, dtype=torch.float64)
_, x = ODEProblem(field, DormandPrince45(torch.float64), **options).odeint(torch.ones(1, 1, dtype=torch.float64), t)
x.sum().backward()
got = field.weight.grad.item()
expected = (t * torch.exp(-20.0 * t)).sum().item()
print("got", got, "expected", expected)
