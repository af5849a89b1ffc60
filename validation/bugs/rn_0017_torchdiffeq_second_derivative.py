"""torchdiffeq: a loss that holds a gradient of odeint_adjoint is differentiated as if that gradient were constant."""

import torch
from torchdiffeq import odeint_adjoint

a = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
f = lambda t, y: a * y
t = torch.tensor([0.0, 1.0], dtype=torch.float64)
y1 = odeint_adjoint(f, torch.ones(1, dtype=torch.float64), t, adjoint_params=(a,))[-1]  # exp(a)
(g,) = torch.autograd.grad(y1.sum(), a, create_graph=True)
(y1.sum() + g.sum()).backward()
got = a.grad.item() / y1.item()
expected = 2.0  # d/da (exp(a) + exp(a)) = 2 exp(a)
print("got", got, "expected", expected)
