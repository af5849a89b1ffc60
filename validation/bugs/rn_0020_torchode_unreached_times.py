"""torchode: evaluation times that the solve does not reach come back as uninitialised memory, with status 0, success."""

import torch
import torchode

y0, t_eval = torch.ones(1, 1, dtype=torch.float64), torch.tensor([0.0, 1.0, 0.5], dtype=torch.float64)
solution = torchode.solve_ivp(lambda t, y: -y, y0, t_eval, method="tsit5")
got = [solution.status.item(), int(abs(solution.ys[0, 1, 0] - torch.exp(-t_eval[1])) < 1e-6)]
expected = [0, 1]  # success, and ys[0, 1, 0] = exp(-1); or an exception
print("got", got, "expected", expected)
