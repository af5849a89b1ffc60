"""torchdiffeq's cnf example, as equations, in PyTorch: the same network, data, optimiser and solver as `refnode` gets in `x4`.

The network and the loss are that example's, the code is our own. Only this file imports torch, and only when it is asked for.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np


def installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "torchdiffeq"))


def torchdiffeq_losses(layers: Any, batch: Callable[[int], np.ndarray], steps: int, settings: dict[str, Any]) -> tuple[list[float], Any]:
    """The NLL at each of `steps` steps of Adam, and the parameters after them, from the same `layers` and batches, in float64."""
    import torch
    from torchdiffeq import odeint
    from tqdm import trange

    torch.set_num_threads(1)
    parameters = [torch.tensor(array, requires_grad=True) for layer in layers for array in layer]
    M, variance = settings["units"], settings["variance"]

    def dynamics(t: Any, state: Any) -> Any:
        z = state[0] if state[0].requires_grad else state[0].requires_grad_(True)
        h = t.reshape(1)
        for k in range(0, len(parameters), 2):
            h = (torch.tanh(h) if k else h) @ parameters[k] + parameters[k + 1]
        W, U, G = h[:6 * M].reshape(3, M, 2)
        dz_dt = torch.tanh(z @ W.T + h[6 * M:]) @ (torch.sigmoid(G) * U) / M
        trace = sum(torch.autograd.grad(dz_dt[:, i].sum(), z, create_graph=True)[0][:, i] for i in range(2))
        return dz_dt, -trace

    optimiser = torch.optim.Adam(parameters, lr=settings["rate"])
    ts, losses = torch.tensor([settings["t1"], 0.0], dtype=torch.float64), []
    for k in trange(steps, desc="X4 torchdiffeq", unit="step", leave=False, disable=None):
        optimiser.zero_grad()
        x = torch.tensor(batch(k))
        z, change = odeint(dynamics, (x, torch.zeros(len(x), dtype=x.dtype)), ts, rtol=settings["tolerance"], atol=settings["tolerance"])
        log_base = -0.5 * (z[-1] ** 2).sum(1) / variance - np.log(2 * np.pi * variance)
        loss = -(log_base - change[-1]).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    arrays = [p.detach().numpy() for p in parameters]
    return losses, tuple(zip(arrays[::2], arrays[1::2], strict=True))
