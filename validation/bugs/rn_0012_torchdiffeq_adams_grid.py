"""torchdiffeq: the Adams methods use the coefficients of equal steps on grids of unequal steps."""

import numpy as np
import torch
from torchdiffeq import odeint

f = lambda t, y: torch.cos(t) * y
error = []
for n in (80, 160):
    t = 2 * torch.linspace(0.0, 1.0, n + 1, dtype=torch.float64) ** 2
    y = odeint(f, torch.ones(1, dtype=torch.float64), t, method="implicit_adams")
    error.append(abs(y[-1].item() - np.exp(np.sin(2.0))))  # y(t) = exp(sin t)
got = np.log2(error[0] / error[1])  # the observed order
expected = 4.0  # at least
print("got", got, "expected", expected)
