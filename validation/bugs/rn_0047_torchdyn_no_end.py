"""torchdyn: where the solution ends, the solve does not."""

import torch
from torchdyn.core import ODEProblem

calls = []


def _field(t, x, args=None):
    calls.append(t)
    if len(calls) > 3000:
        raise RuntimeError("3000 evaluations")
    return x * x  # from 1 at t = 0 to infinity at t = 1


try:
    got = len(ODEProblem(_field, "dopri5").odeint(torch.ones(1, 1), torch.tensor([0.0, 1.5]))[1])
except RuntimeError as error:
    got = f"RuntimeError: {error}"
expected = "an error about the step size"
print("got", got, "expected", expected)
