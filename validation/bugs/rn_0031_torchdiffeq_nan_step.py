"""torchdiffeq: one trial step that gives NaN ends the solve with the message of a step size underflow."""

import numpy as np
import torch
from torchdiffeq import odeint

f = lambda t, y: y + 0 * torch.sqrt(20 - y)  # NaN where a trial stage leaves y <= 20
t = torch.tensor([0.0, np.log(19.9)], dtype=torch.float64)
try:
    got = odeint(f, torch.ones(1, dtype=torch.float64), t, rtol=1e-4, atol=1e-4)[-1].item()
except AssertionError as error:
    got = f"AssertionError: {error}"
expected = 19.9  # y(t) = exp(t)
print("got", got, "expected", expected)
