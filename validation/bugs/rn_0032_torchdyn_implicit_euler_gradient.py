"""torchdyn: all gradients through implicit_euler are zero."""

import torch
from torchdyn.numerics import odeint

f = lambda t, x: -x
x0 = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
_, x = odeint(f, x0, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), "implicit_euler")
x[-1].sum().backward()
got = x0.grad.item()
expected = 1.5**-2  # x1 = x0 / (1 + h)^2
print("got", got, "expected", expected)
