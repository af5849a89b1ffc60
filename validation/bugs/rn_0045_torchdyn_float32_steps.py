"""torchdyn: after the first step, step sizes are float32 where state, times and coefficients are float64."""

import torch
from torchdyn.core import ODEProblem
from torchdyn.numerics import DormandPrince45

errors = []
for dtype in (torch.float32, torch.float64):
    solver = DormandPrince45(torch.float64)
    solver.safety, solver.min_factor, solver.max_factor = (x.to(dtype) for x in (solver.safety, solver.min_factor, solver.max_factor))
    problem = ODEProblem(lambda t, x, args=None: -x, solver, rtol=1e-10, atol=1e-12)
    _, x = problem.odeint(torch.ones(1, 1, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64))
    errors.append(abs(x[-1].item() - torch.tensor(-1.0, dtype=torch.float64).exp().item()))
got, expected = errors  # float32 is what the solver has by itself
print("got", got, "expected", expected)
