"""torchdiffeq: the gradient of the event time depends on the unit in which the event function is measured."""

import torch
from torchdiffeq import odeint_event

a = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
f = lambda t, y: a + 0 * y
event_fn = lambda t, y: 1e-12 * (y[0] - 1)  # the zero does not depend on the factor
t0, y0 = torch.tensor(0.0, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
event_t, _ = odeint_event(f, y0, t0, event_fn=event_fn)
event_t.backward()
got = a.grad.item()
expected = -1 / 2.0**2  # event_t = 1 / a
print("got", got, "expected", expected)
