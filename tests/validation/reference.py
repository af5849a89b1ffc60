"""A small NumPy neural ODE for the suite to be tried on: RK4 with fixed steps, the adjoint method, and switches for seeded bugs."""

import itertools

import numpy as np

GRADIENTS = ("dL/dz0", "dL/dtheta", "dL/dt")
BUGS = {
    "adjoint_sign": "grad.z0",  # a' = +a f_z
    "theta_sign": "grad.theta",  # a_theta' = +a f_theta
    "no_observation_at_t0": "grad.z0",  # g_0 is not added
    "no_jump": "grad.observations",  # only the last observation reaches a
    "clock_backwards": "grad.z0",  # the backward solve evaluates f at t0 + t1 - t
    "t_sign": "grad.t",  # dL/dt_i = -g_i . f
    "no_t0": "grad.t",  # dL/dt_0 = 0
    "t0_with_g0": "grad.t",  # g_0 enters dL/dt_0
    "t_reversed": "grad.t",  # time gradients in the order of the backward pass
    "no_reset": "grad.reset",  # the reconstructed state is never replaced by the stored one
    "linear_outputs": "solve.value",  # outputs interpolated linearly between coarse steps
    "deaf_to_tolerance": "grad.tolerance",  # the backward solve always has the same steps
    "first_interval_only": "grad.theta",  # the parameter gradient of the last intervals is dropped
    "reported_calls": "solve.calls",  # the count leaves out one stage
    "euler_last_step": "solve.value",  # the last step of each interval is an Euler step
    "step_backwards": "solve.reversed",  # decreasing grids are solved as if they increased
    "drifting_clock": "solve.output_times",  # with many outputs, each is late by 1e-5 for every output before it
    "stale_restart": "solve.flow",  # a solve that starts later starts from a state that is off by 1e-3
    "no_last_time": "grad.shift_sum",  # dL/dt_N is left out
}


class Reference:
    """Correct with bug=None; otherwise wrong in one respect."""

    version = "1"
    capabilities = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "stats:nfe"})
    mode = "adjoint"
    interpolates = False

    def __init__(self, bug=None):
        assert bug is None or bug in BUGS
        self.bug, self.name = bug, bug or "reference"

    def run(self, case):
        self.case, self.count = case, 0
        dynamics = case.dynamics(np)

        def f(z, t, theta):
            self.count += 1
            return dynamics(z, t, theta)

        self.f = f
        z = self.forward()
        answer = {"z": z, "stats": {"nfe": self.count * 3 // 4 if self.bug == "reported_calls" else self.count}}
        if set(GRADIENTS) & set(case.wants):
            answer.update(zip(GRADIENTS, self.backward(z), strict=True))
        return {key: answer[key] for key in (*case.wants, "stats")}

    def forward(self):
        case, ts = self.case, self.case.ts
        if self.bug == "step_backwards":
            ts = ts[0] + np.abs(ts - ts[0])
        if self.bug == "drifting_clock":
            ts = ts + 1e-5 * np.arange(len(ts)) * (len(ts) > 10)
        z = [case.z0 + 1e-3 * (self.bug == "stale_restart" and len(ts) == 2 and case.rtol == 1e-6)]
        if self.bug == "linear_outputs":
            return self.between_coarse_steps(ts)
        for t0, t1 in itertools.pairwise(ts):
            z.append(self.rk4(lambda z, t: self.f(z, t, case.theta), z[-1], t0, t1))
        return np.stack(z)

    def between_coarse_steps(self, ts):
        coarse = np.linspace(ts[0], ts[-1], 12)
        z = [self.case.z0]
        for t0, t1 in itertools.pairwise(coarse):
            z.append(self.rk4(lambda z, t: self.f(z, t, self.case.theta), z[-1], t0, t1))
        order = np.argsort(coarse)
        return np.stack([np.interp(ts, coarse[order], column[order]) for column in np.array(z).T], axis=1)

    def backward(self, z):
        """Algorithm 2 over the intervals, last one first, with the jumps of a between them."""
        case, ts, g, bug = self.case, self.case.ts, self.case.weights, self.bug
        D, P, last = z.shape[1], case.theta.size, len(ts) - 1
        a, a_theta, a_t, dt = g[last].copy(), np.zeros(P), 0.0, np.zeros(len(ts))
        state = z[last]
        for i in range(last, 0, -1):
            dt[i] = g[i] @ self.f(z[i], ts[i], case.theta)
            a_t -= dt[i]
            start = np.concatenate([state if bug == "no_reset" else z[i], a, a_theta, [a_t]])
            end = self.rk4(self.augmented(ts[i], ts[i - 1]), start, ts[i], ts[i - 1], gradient=True)
            state, a, new_theta, a_t = end[:D], end[D : 2 * D], end[2 * D : 2 * D + P], end[-1]
            a_theta = np.zeros(P) if bug == "first_interval_only" else new_theta
            if bug == "first_interval_only" and i == 1:
                a_theta = new_theta
            if not (bug == "no_jump" and i > 1) and not (bug == "no_observation_at_t0" and i == 1):
                a = a + g[i - 1]
        dt[0] = a_t - (g[0] @ self.f(z[0], ts[0], case.theta) if bug == "t0_with_g0" else 0.0)
        if bug == "t_sign":
            dt[1:] *= -1
        if bug == "no_t0":
            dt[0] = 0.0
        if bug == "no_last_time":
            dt[last] = 0.0
        return a, a_theta, dt[::-1] if bug == "t_reversed" else dt

    def augmented(self, t_from, t_to):
        """[f, -a f_z, -a f_theta, -a f_t], Jacobians by complex steps."""
        D, theta, h, bug = self.case.z0.size, self.case.theta, 1e-30, self.bug

        def dynamics(s, t):
            z, a = s[:D], s[D : 2 * D]
            if bug == "clock_backwards":
                t = t_from + t_to - t
            f_z = np.stack([self.f(z + 1j * h * e, t, theta).imag / h for e in np.eye(D)], axis=1)
            f_theta = np.stack([self.f(z, t, theta + 1j * h * e).imag / h for e in np.eye(theta.size)], axis=1)
            f_t = self.f(z + 0j, t + 1j * h, theta).imag / h
            dz = -(a @ f_z) * (-1 if bug == "adjoint_sign" else 1)
            dtheta = -(a @ f_theta) * (-1 if bug == "theta_sign" else 1)
            return np.concatenate([self.f(z, t, theta), dz, dtheta, [-(a @ f_t)]])

        return dynamics

    def rk4(self, dynamics, z, t0, t1, gradient=False):
        """Steps of at most rtol^(1/4)/2: the error of RK4 is then some hundredths of rtol."""
        rtol = 1e-4 if gradient and self.bug == "deaf_to_tolerance" else self.case.rtol
        n = int(np.ceil(np.abs(t1 - t0) / (0.5 * rtol**0.25)))
        h = (t1 - t0) / n
        for k in range(n):
            t = t0 + k * h
            k1 = dynamics(z, t)
            if self.bug == "euler_last_step" and k == n - 1:
                return z + h * k1
            k2 = dynamics(z + h / 2 * k1, t + h / 2)
            k3 = dynamics(z + h / 2 * k2, t + h / 2)
            k4 = dynamics(z + h * k3, t + h)
            z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return z
