"""torchdiffeq: method="scipy_solver" returns too few rows, and no error, where SciPy's solver fails."""

import torch
from torchdiffeq import odeint

f = lambda t, y: y * y  # y(t) = 1 / (1 - t) does not reach t = 1
t = torch.tensor([0.0, 0.5, 0.9, 1.5, 2.0], dtype=torch.float64)
y = odeint(f, torch.ones(1, dtype=torch.float64), t, method="scipy_solver", options={"solver": "RK45"})
got = len(y)
expected = len(t)  # rows, or an exception
print("got", got, "expected", expected)
