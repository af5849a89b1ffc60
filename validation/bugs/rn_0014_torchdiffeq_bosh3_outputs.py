"""torchdiffeq: the outputs of bosh3 have order 2, for its value in the middle of a step is off by h^2/8 times the second derivative."""

import numpy as np
import torch
from torchdiffeq import odeint

f = lambda t, y: torch.cos(t) * y
y0, t = torch.ones(1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
error = []
for h in (1 / 12.5, 1 / 25.5):  # t = 1 lies in the middle of a step
    y = odeint(f, y0, t, rtol=1e3, atol=1e3, method="bosh3", options={"first_step": h, "max_step": h})
    error.append(abs(y[-1].item() - np.exp(np.sin(1.0))))  # y(t) = exp(sin t)
got = np.log(error[0] / error[1]) / np.log(25.5 / 12.5)  # observed order
expected = 3.0
print("got", got, "expected", expected)
