"""torchdyn, dopri5 without an interpolator, so that steps end at the output times: all three values of `sensitivity`.

Three of its defects would hide everything else, and are avoided. The solver is an object with its numbers in float64 (RN-0006, RN-0045);
and its clock shows times between T and 2 T, of which differences are exact: from a clock that begins at 0 the last bit of a step decides
whether a solve ends at all (RN-0044), which is another bit on another machine.
"""

from __future__ import annotations

import importlib.metadata

import torch
from torchdyn.core import ODEProblem
from torchdyn.numerics import DormandPrince45

from .with_torch import Dynamics, Torch

ADJOINT = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "flow:log_prob", "flow:grad"})


class Autograd(Torch):
    """Gradients through the operations of the solver."""

    name = "torchdyn.autograd"
    version = importlib.metadata.version("torchdyn")
    capabilities = ADJOINT | {"grad:t", "grad:second", "flow:grad_t"}
    mode = "direct"
    interpolates = False
    sensitivity = "autograd"

    def run(self, case):
        case.max_calls = int(case.max_calls * min(1.0, (1e-10 / case.rtol) ** 0.2))  # steps at order 5; it has no limit itself (RN-0047)
        return super().run(case)

    def solve(self, f, z0, ts, theta, case):
        late = 2.0 ** torch.ceil(torch.log2(ts.detach().abs().max() + 1.0)) * 2.0
        clock = ts + late
        problem = ODEProblem(
            Dynamics(lambda z, t, theta: f(z, t - late, theta), theta), in_float64(), atol=case.atol, rtol=case.rtol,
            sensitivity=self.sensitivity, atol_adjoint=case.atol, rtol_adjoint=case.rtol,
        )
        times, states = problem(z0[None], clock)
        case.max_calls = min(case.max_calls, 5 * case.calls + 10_000)  # to solve back, where a call takes a millisecond, and many wander
        return self.at(clock, times, states[:, 0])

    def at(self, ts, times, states):
        if len(states) != len(ts):
            raise RuntimeError(f"torchdyn returned {len(states)} of {len(ts)} output times")
        return states


class Adjoint(Autograd):
    """Gradients by the adjoint method. Those in the times exist for two times only, whatever their number."""

    name = "torchdyn.adjoint"
    capabilities = ADJOINT | {"flow:grad_t"}
    mode = "adjoint"
    sensitivity = "adjoint"


class InterpolatedAdjoint(Autograd):
    """The adjoint along a natural cubic spline through the forward steps, which it returns as well."""

    name = "torchdyn.interpolated_adjoint"
    capabilities = ADJOINT
    interpolates = True
    sensitivity = "interpolated_adjoint"

    def at(self, ts, times, states):
        direction = 1 if ts[-1] > ts[0] else -1  # decreasing times come back with the other sign
        distances, rows = torch.min(torch.abs(direction * ts[:, None] - times), 1)
        found = distances < 1e-12
        if not found.all():
            raise RuntimeError(f"torchdyn returned {found.sum()} of {len(ts)} output times")
        return states[rows]


def in_float64():
    """The solver. By its name alone its coefficients, and by dtype alone its step sizes, would be rounded to float32."""
    solver = DormandPrince45(torch.float64)
    for name in ("safety", "min_factor", "max_factor"):
        setattr(solver, name, getattr(solver, name).double())
    return solver


ADAPTERS = [Autograd, Adjoint, InterpolatedAdjoint]
