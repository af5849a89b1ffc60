"""torchode: BacksolveAdjoint returns no gradients with respect to the times; AutoDiffAdjoint does."""

import torch
import torchode

f = torch.nn.Module()
f.forward = lambda t, y: -y
term = torchode.ODETerm(f)
t_eval = torch.tensor([[0.0, 1.0]], dtype=torch.float64, requires_grad=True)
controller = torchode.IntegralController(atol=1e-9, rtol=1e-9, term=term)
problem = torchode.InitialValueProblem(torch.ones(1, 1, dtype=torch.float64, requires_grad=True), t_eval=t_eval)
torchode.BacksolveAdjoint(term, torchode.Tsit5(term=term), controller).solve(problem).ys[0, 1, 0].backward()
got = str(t_eval.grad)
expected = str(torch.tensor([[0.3679, -0.3679]], dtype=torch.float64))  # y(t1) = exp(-(t1 - t0))
print("got", got, "expected", expected)
