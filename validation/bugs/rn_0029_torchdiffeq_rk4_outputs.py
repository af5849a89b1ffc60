"""torchdiffeq: outputs between the steps of a fixed-step method are interpolated linearly by default; rk4 has order 2 there."""

import numpy as np
import torch
from torchdiffeq import odeint

f = lambda t, y: torch.cos(t) * y
y0, t = torch.ones(1, dtype=torch.float64), torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
error = []
for n in (25, 51):  # t = 1 lies in the middle of a step
    y = odeint(f, y0, t, method="rk4", options={"step_size": 2 / n})
    error.append(abs(y[1].item() - np.exp(np.sin(1.0))))  # y(t) = exp(sin t)
got = np.log(error[0] / error[1]) / np.log(51 / 25)  # the observed order
expected = 4.0
print("got", got, "expected", expected)
