"""torchdyn: implicit_euler evaluates f at the start of the step."""

import torch
from torchdyn.numerics import odeint

f = lambda t, x: 2 * t - x
_, x = odeint(f, torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0.0, 0.5], dtype=torch.float64), "implicit_euler")
got = x[-1].item()
expected = 0.5 * 2 * 0.5 / 1.5  # x1 = x0 + h f(t1, x1) has the solution (x0 + 2 h t1) / (1 + h)
print("got", got, "expected", expected)
