"""torchdyn: ODEProblem and NeuralODE round the coefficients of the method to float32 when the state is float64."""

import torch
from torchdyn.core import ODEProblem

problem = ODEProblem(lambda t, x, args=None: 1.0 + 0 * x, "dopri5")
_, x = problem.odeint(torch.zeros(1, 1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64))
got = x[-1].item() - 1.0
expected = 0.0  # x(t) = t: every Runge-Kutta method gives it up to rounding, 1e-16
print("got", got, "expected", expected)
