"""torchdiffeq: adaptive_heun and fehlberg2 start a step with the last stage of the step before, which is not f(t, y)."""

import torch
from torchdiffeq import odeint

f = lambda t, y: -y
t = torch.tensor([0.0, 1.0], dtype=torch.float64)
options = {"first_step": 0.5, "max_step": 0.5}  # two steps of Heun's method, h = 1/2
y = odeint(f, torch.ones(1, dtype=torch.float64), t, rtol=1e3, atol=1e3, method="adaptive_heun", options=options)
got = y[-1].item()
expected = (1 - 0.5 + 0.5**2 / 2) ** 2  # a step multiplies y by 1 - h + h^2 / 2
print("got", got, "expected", expected)
