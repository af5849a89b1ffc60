"""torchode: one instance that fails stops all others, which report success with rows that nobody has written."""

import torch
import torchode

f = lambda t, y: torch.where(y > 1.5, torch.nan, torch.cos(t)[:, None] * y)
y0 = torch.tensor([[1.0], [1.49]], dtype=torch.float64)  # the second fails at once, the first never does
solution = torchode.solve_ivp(f, y0, torch.linspace(0.0, 0.3, 4, dtype=torch.float64) * 10, method="tsit5")
got = [solution.status[0].item(), solution.stats["n_initialized"][0].item()]
expected = [0, 4]  # success, with four rows
print("got", got, "expected", expected)
