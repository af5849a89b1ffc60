"""torchdiffeq: dopri8 reads its outputs from a polynomial of degree 4, the last one as well."""

import numpy as np
import torch
from torchdiffeq import odeint

f = lambda t, y: torch.cos(t) * y
t = torch.linspace(0.0, 10.0, 101, dtype=torch.float64)
error = {}
for method in ("dopri8", "dopri5"):
    y = odeint(f, torch.ones(1, dtype=torch.float64), t, rtol=1e-9, atol=1e-9, method=method)
    error[method] = np.abs(y[:, 0].numpy() - np.exp(np.sin(t.numpy()))).max()  # y(t) = exp(sin t)
got = error["dopri8"]
expected = error["dopri5"]  # or less, at the same tolerances
print("got", got, "expected", expected)
