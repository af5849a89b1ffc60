"""torchdiffeq: the tolerance of the state, atol, serves as tolerance of the time of an event; with atol = 0 nothing is searched."""

import numpy as np
import torch
from torchdiffeq import odeint_event

f = lambda t, y: -y
event_fn = lambda t, y: y[0] - 0.5
t0, y0 = torch.tensor(0.0, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
event_t, _ = odeint_event(f, y0, t0, event_fn=event_fn, rtol=1e-9, atol=0.0)
got = event_t.item()
expected = np.log(2.0)  # exp(-t) = 1/2
print("got", got, "expected", expected)
