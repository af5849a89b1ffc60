"""HIPS autograd's odeint: the code of Appendix D as it was merged there, LSODA underneath, the state put back at every output time."""

from __future__ import annotations

import importlib.metadata
import warnings

import autograd
import autograd.numpy as np
from autograd.builtins import tuple as box
from autograd.scipy.integrate import odeint
from scipy.integrate import ODEintWarning

from ..bench.workloads import leaves, mapped


class Autograd:
    """Gradients by the adjoint method."""

    name = "autograd"
    version = importlib.metadata.version("autograd")
    capabilities = frozenset(
        {"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "grad:second", "flow:log_prob", "flow:grad", "flow:grad_t"}
    )
    mode = "adjoint"
    interpolates = True

    def run(self, case):
        f = case.dynamics(np)

        def solve(z0, ts, theta):
            return odeint(lambda z, t, theta: f(z, t, theta), z0, ts, box((theta,)), rtol=case.rtol, atol=case.atol, mxstep=5_000)

        def loss(z0, ts, theta):
            return np.sum(case.weights * solve(z0, ts, theta))

        with warnings.catch_warnings():
            warnings.simplefilter("error", ODEintWarning)  # LSODA reports failure by a warning and returns numbers all the same
            if case.density:
                return self._density(case, f)
            if "d2L/dz0" in case.wants:
                return self._second(case, loss)
            if case.wants == ("z",):
                return {"z": solve(case.z0, case.ts, case.theta)}
            back, z = autograd.make_vjp(solve, argnum=(0, 1, 2))(case.z0, case.ts, case.theta)
            dz0, dt, dtheta = back(case.weights)
        answer = {"z": z, "dL/dz0": dz0, "dL/dtheta": dtheta, "dL/dt": dt}
        return {key: answer[key] for key in case.wants}

    def bench(self, workload):
        f, loss, shape, ts = workload.dynamics(np), workload.loss(np), workload.z0.shape, workload.ts
        arguments = [workload.z0, *leaves(workload.theta)]

        def flat_f(z, t, *parameters):
            given = iter(parameters)
            return np.ravel(f(np.reshape(z, shape), t, mapped(lambda _: next(given), workload.theta)))

        def total(z0, *parameters):
            zs = odeint(flat_f, np.ravel(z0), ts, box(parameters), rtol=workload.rtol, atol=workload.atol, mxstep=5_000)
            return loss(np.reshape(zs, (len(ts), *shape)))

        gradient = autograd.grad(total, argnum=tuple(range(len(arguments))))

        def checked():
            with warnings.catch_warnings():
                warnings.simplefilter("error", ODEintWarning)
                return list(gradient(*arguments))

        return checked

    def _density(self, case, f):
        base = case.base(np)

        def with_trace(state, t, theta):
            z = state[:-1]
            return np.append(f(z, t, theta), -np.trace(autograd.jacobian(lambda z: f(z, t, theta))(z)))

        def log_p(x, ts, theta):
            end = odeint(with_trace, np.append(x, 0.0), ts, box((theta,)), rtol=case.rtol, atol=case.atol, mxstep=5_000)[-1]
            return base(end[:-1]) - end[-1]

        if case.wants == ("log p",):
            return {"log p": log_p(case.z0, case.ts, case.theta)}
        back, value = autograd.make_vjp(log_p, argnum=(0, 1, 2))(case.z0, case.ts, case.theta)
        dx, dt, dtheta = back(1.0)
        answer = {"log p": value, "dlogp/dx": dx, "dlogp/dtheta": dtheta, "dlogp/dt": dt}
        return {key: answer[key] for key in case.wants}

    def _second(self, case, loss):
        D = case.z0.size

        def slope(x):
            return np.dot(autograd.grad(lambda x: loss(x[:D], case.ts, x[D:]))(x), case.direction)

        h = autograd.grad(slope)(np.concatenate([case.z0, case.theta]))
        return {"d2L/dz0": h[:D], "d2L/dtheta": h[D:]}


ADAPTERS = [Autograd]
