"""torchdyn: a plain function f(t, x) is refused by ODEProblem and NeuralODE."""

import torch
from torchdyn.core import ODEProblem

problem = ODEProblem(lambda t, x: -x, "dopri5")
try:
    problem.odeint(torch.ones(1, 1), torch.tensor([0.0, 1.0]))
    got = "no exception"
except TypeError as error:
    got = f"TypeError: {error}"
expected = "no exception"
print("got", got, "expected", expected)
