"""torchdyn: an output time that a step reaches up to rounding is left out."""

import torch
from torchdyn.core import ODEProblem
from torchdyn.numerics import DormandPrince45

problem = ODEProblem(lambda t, x, args=None: -x, DormandPrince45(torch.float64), rtol=1e-7, atol=1e-9)
times, x = problem.odeint(torch.ones(1, 1, dtype=torch.float64), torch.tensor([2.16, 1.94, 0.82, 0.02], dtype=torch.float64))
got, expected = len(x), 4  # on [2.99, 0.77, 0.73, 0.22] it does not return
print("got", got, "expected", expected)
