"""torchdiffeq: a parameter of the event function gets no gradient."""

import torch
from torchdiffeq import odeint_event

a = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
c = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
t0, y0 = torch.tensor(0.0, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
event_t, _ = odeint_event(lambda t, y: a + 0 * y, y0, t0, event_fn=lambda t, y: y - c)
event_t.backward()
got = str(c.grad)
expected = str(torch.tensor([0.5], dtype=torch.float64))  # event_t = c / a
print("got", got, "expected", expected)
