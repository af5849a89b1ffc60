"""torchdiffeq: tolerances per component of a tuple state work in odeint, and fail in the backward pass of odeint_adjoint."""

import torch
from torchdiffeq import odeint_adjoint

f = lambda t, y: (-y[0], -2 * y[1])
y0 = (torch.ones(1, requires_grad=True), torch.ones(2))
y = odeint_adjoint(f, y0, torch.tensor([0.0, 1.0]), rtol=(1e-3, 1e-5), atol=(1e-3, 1e-5), adjoint_params=())
try:
    y[0][-1].sum().backward()
    got = "no exception"
except AssertionError as error:
    got = f"AssertionError: {error}"
expected = "no exception"
print("got", got, "expected", expected)
