"""torchdiffeq: max_num_steps bounds the steps between two outputs, not the steps of the solve."""

import torch
from torchdiffeq import odeint

steps = []
f = torch.nn.Module()
f.forward = lambda t, y: torch.cos(10 * t) * y
f.callback_step = lambda t, y, dt: steps.append(dt)
t = torch.linspace(0.0, 20.0, 101, dtype=torch.float64)
odeint(f, torch.ones(1, dtype=torch.float64), t, method="dopri5", options={"max_num_steps": 20})
got = len(steps)
expected = 20  # steps, then an AssertionError
print("got", got, "expected", expected)
