"""torchdiffeq: with step_size, odeint's gradients with respect to interior times are zero, and that to the start time is wrong."""

import torch
from torchdiffeq import odeint

f = lambda t, y: y
t = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64, requires_grad=True)
y = odeint(f, torch.ones(1, dtype=torch.float64), t, method="rk4", options={"step_size": 0.01})
y[1].sum().backward()
got = t.grad[:2].tolist()
expected = [-torch.exp(t[1]).item(), torch.exp(t[1]).item()]  # y(t1) = exp(t1 - t0)
print("got", got, "expected", expected)
