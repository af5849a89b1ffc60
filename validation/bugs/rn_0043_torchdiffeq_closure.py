"""torchdiffeq: odeint_adjoint gives no gradient to a parameter that func reads from outside, odeint does."""

import torch
from torchdiffeq import odeint_adjoint

a = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
f = torch.nn.Module()
f.forward = lambda t, y: a * y
y0 = torch.ones(1, dtype=torch.float64, requires_grad=True)
odeint_adjoint(f, y0, torch.tensor([0.0, 1.0], dtype=torch.float64))[-1].sum().backward()
got = str(a.grad)
expected = str(torch.tensor([1.0], dtype=torch.float64).exp())  # y(1) = exp(a)
print("got", got, "expected", expected)
