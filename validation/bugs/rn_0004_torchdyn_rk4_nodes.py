"""torchdyn: rk4 evaluates f at t, t, t + h/2, t + h/2 in place of t, t + h/2, t + h/2, t + h."""

import torch
from torchdyn.numerics import odeint

f = lambda t, x: 2 * t + 0 * x
_, x = odeint(f, torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64), "rk4")
got = x[-1].item()
expected = 1.0  # x(t) = t^2, which a method of order 4 gives exactly
print("got", got, "expected", expected)
