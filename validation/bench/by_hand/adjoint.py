"""The adjoint method by hand: (z, a) backwards from observation to observation, dL/dtheta by the weights of the same steps.

    dz/dt = f(z),   da/dt = -a^T df/dz,   dL/dtheta = integral of a^T df/dtheta over [t0, t1]

z is put back to its stored value at each observation. dL/dtheta feeds back into nothing: it is no part of the state whose error is
measured (the seminorm of Kidger, Chen and Lyons 2021), and its stages are combined once a step was accepted. Each solve begins with the
last step size of the one before, the first with that of the forward solve.

An equation has constant, ravel, unravel, load, theta_bar, first_stage and loss_gradient as in discrete.py, and

    forward_record(K)       buffers of a forward step: rows and f
    augmented(z, K)         the same for the state (z, a) of 2 n numbers: start() writes the derivative at z into K[0]; rows and f;
                            accept(h) adds the step to dL/dtheta, and makes its last stage the first
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..workloads import Workload
from .dopri5 import Buffers, Steps
from .forward import Forward


class Adjoint:
    """The gradient of a workload: call it. All buffers stay from call to call."""

    def __init__(self, workload: Workload, equation: Any):
        self.workload, self.equation, self.forward = workload, equation, Forward(workload, equation)
        N, n = self.forward.zs.shape
        self.n, self.g = n, np.zeros((N, n))
        self.atol = np.full(2 * n, workload.atol)
        self.steps = Steps(2 * n, workload.rtol, self.atol, [(slice(0, n), n), (slice(n, 2 * n), n)])
        self.step = equation.forward_record(self.forward.steps.K)
        self.augmented = equation.augmented(self.steps.z, self.steps.K)

    def __call__(self) -> list[np.ndarray]:
        equation, forward, steps, augmented, n, ts = self.equation, self.forward, self.steps, self.augmented, self.n, self.forward.ts
        equation.load(self.workload.theta)
        forward.solve(self.forward_buffers)
        equation.loss_gradient(forward.zs, self.g)
        self.atol[n:] = self.workload.atol * np.abs(self.g).max()
        steps.constant[:n] = equation.constant
        steps.h = forward.steps.h
        z, a = steps.z[:n], steps.z[n:]
        a[:] = 0.0
        for i in range(len(ts) - 1, 0, -1):
            z[:] = forward.zs[i]
            np.add(a, self.g[i], out=a)
            augmented.start()
            for _, h in steps.march(ts[i], ts[i - 1], self.backward_buffers):
                augmented.accept(h)
        return [equation.unravel(a + self.g[0]), *equation.theta_bar()]

    def forward_buffers(self, n: int) -> Buffers:
        return self.step.rows, self.step.f

    def backward_buffers(self, n: int) -> Buffers:
        return self.augmented.rows, self.augmented.f
