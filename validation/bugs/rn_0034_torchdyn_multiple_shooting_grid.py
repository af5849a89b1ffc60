"""torchdyn: multiple shooting takes all intervals to be as long as the first one."""

import numpy as np
import torch
from torchdyn.numerics import odeint_mshooting

f = lambda t, x, args=None: -x
t = torch.tensor([0.0, 0.1, 0.3, 1.0])
_, x = odeint_mshooting(f, torch.ones(1, 1), t, "mszero", fine_steps=11, maxiter=3)
got = x[-1].item()
expected = np.exp(-1.0)  # x(t) = exp(-t)
print("got", got, "expected", expected)
