"""The adapters of torchdiffeq, torchode and torchdyn with the causes of their listed failures taken away, one by one.

If a case that fails passes here, the cause is found. They run like any other adapter, where torch is installed:

    refnode validate --alone --impl tests/validation/remedies.py:TorchdynAutograd --problem P10
"""

import torch
import torchode
from refnode_validation.impls import torchdiffeq as with_torchdiffeq
from refnode_validation.impls import torchdyn as with_torchdyn
from refnode_validation.impls import torchode as with_torchode
from torchdiffeq import odeint, odeint_adjoint

from tests.validation.exact_times import ExactTimes


class TorchdiffeqOdeint(with_torchdiffeq.Backprop):
    """Steps end at the output times: no output and no derivative is one of an interpolant."""

    name = "torchdiffeq.odeint, steps to the outputs"

    def solve(self, f, z0, ts, theta, case):
        options = {"step_t": ts.detach()[1:]}
        return odeint(lambda t, z: f(z, t, theta), z0, ts, method="dopri5", rtol=case.rtol, atol=case.atol, options=options)


class TorchdiffeqAdjoint(with_torchdiffeq.Adjoint):
    """Steps end at the output times, and atol on the way back is in the unit of the loss."""

    name = "torchdiffeq.odeint_adjoint, steps to the outputs, atol in the unit of the loss"

    def solve(self, f, z0, ts, theta, case):
        loss = case.atol * abs(case.weights).max()
        return odeint_adjoint(
            lambda t, z: f(z, t, theta), z0, ts, method="dopri5", rtol=case.rtol, atol=case.atol, options={"step_t": ts.detach()[1:]},
            adjoint_params=(theta,), adjoint_options={}, adjoint_atol=(loss, case.atol, loss, loss),  # of dL/dt, z, a, dL/dtheta
        )


class TorchodeSteps(with_torchode.Autodiff):
    """Step sizes count as constants."""

    name = "torchode.AutoDiffAdjoint, constant steps"

    def solver(self, term, controller):
        return torchode.AutoDiffAdjoint(torchode.Dopri5(term=term), controller, backprop_through_step_size_control=False)


class TorchodeTimes(ExactTimes, TorchodeSteps):
    """And the derivatives by the output times are those of the solution."""

    name = "torchode.AutoDiffAdjoint, constant steps, exact times"


class Tighter(with_torchdyn.Autograd):
    """A tenth of the tolerance: what is left of a derivative's error, which nothing controls."""

    name = "torchdyn.autograd, a tenth of the tolerance"

    def run(self, case):
        case.rtol, case.atol = case.rtol / 10, case.atol / 10
        return super().run(case)


class Increasing(with_torchdyn.Autograd):
    """Decreasing times are solved as z' = -f(-t, z) (RN-0001)."""

    def solve(self, f, z0, ts, theta, case):
        if ts[-1] < ts[0]:
            return super().solve(lambda z, t, theta: -f(z, -t, theta), z0, -ts, theta, case)
        return super().solve(f, z0, ts, theta, case)


class IncreasingAdjoint(Increasing, with_torchdyn.Adjoint):
    name = "torchdyn.adjoint, increasing"


class IncreasingInterpolated(Increasing, with_torchdyn.InterpolatedAdjoint):
    name = "torchdyn.interpolated_adjoint, increasing"


class Chained(Increasing):
    """One solve from each output to the next: one observation in each (RN-0003), and the state put back (RN-0046)."""

    def solve(self, f, z0, ts, theta, case):
        zs = [z0]
        for i in range(len(ts) - 1):
            zs.append(zs[-1] if ts[i] == ts[i + 1] else super().solve(f, zs[-1], ts[i : i + 2], theta, case)[-1])
        return torch.stack(zs)


class ChainedAdjoint(Chained, with_torchdyn.Adjoint):
    name = "torchdyn.adjoint, increasing, chained"


class ChainedInterpolated(Chained, with_torchdyn.InterpolatedAdjoint):
    name = "torchdyn.interpolated_adjoint, increasing, chained"


class MoreKnots(ChainedInterpolated):
    """Steps of a thousandth of the tolerance: between more knots the spline is closer to the solution."""

    name = "torchdyn.interpolated_adjoint, increasing, chained, more knots"

    def run(self, case):
        case.rtol, case.atol = case.rtol / 1000, case.atol / 1000
        return super().run(case)
