"""A small NumPy neural ODE for the suite to be tried on: RK4 with fixed steps, the adjoint method, and switches for seeded bugs.

Each bug has the check that is named for it: BUGS for checks with expected values, RELATION_BUGS for relations.
"""

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
RELATION_BUGS = {
    "lost_first_step": "solve.restart",  # in the first step of each solve the time moves on, and the state does not
    "late_nodes": "solve.autonomise",  # all stages of a step read the time of its start
    "drag": "solve.reverse",  # the state gains 1e-3 in each unit of time, whichever way time runs
    "saturation": "solve.linear",  # states beyond 1.2 are cut off
    "optimistic": "solve.refine",  # steps thirty times too long
    "tolerances_swapped": "solve.scale",  # steps follow atol, which is as good as long as atol is rtol/100
    "clock_from_start": "solve.shift",  # f is evaluated at t - t0
    "memory": "solve.purity",  # every solve is off by 1e-12 more than the one before
    "long_states": "solve.batch",  # from the fifth component on the steps are Euler's
    "euler_in_f32": "solve.f32",  # in float32 the steps are Euler's
    "deaf_solver": "solve.evaluations",  # the forward solve always has the same steps
    "slow_way_back": "solve.reverse_cost",  # decreasing grids take five times the steps
    "euler_late_clock": "euler.resnet",  # Euler's step reads the time of its end
    "wrong_stage": "solve.richardson",  # with fixed steps, the fourth stage of RK4 starts from the second
    "wrong_weights": "solve.order",  # with fixed steps, the weights of RK4 add up to 1.001
    "deaf_to_max_steps": "solve.max_steps",  # a cap on the steps ends the solve where it is
    "no_nan": "solve.negative",  # NaN and infinity are replaced by numbers
    "adjoint_scaled": "grad.dual",  # a' = -1.01 a f_z
    "theta_scaled": "grad.theta_state",  # a_theta' = -1.01 a f_theta
    "times_scaled": "grad.time_state",  # dL/dt_i is 1 percent too large for interior times
    "jump_scaled": "grad.cut",  # a jumps by 1.01 g_i at interior times
    "backward_clock_from_start": "grad.clock_shift",  # the backward solve evaluates f_z at t - t0
    "loss_squared": "grad.linearity",  # the backward solve starts from g (1 + max |g|/100)
    "steps_by_loss": "grad.scaling",  # the backward solve takes more steps for larger g
}


class Reference:
    """Correct with bug=None; otherwise wrong in one respect."""

    version = "1"
    capabilities = frozenset(
        {"values", "time:backward", "grad:z0", "grad:theta", "grad:t", "stats:nfe", "fixed:euler", "fixed:midpoint", "fixed:rk4", "f32", "max_steps"}
    )
    mode = "adjoint"
    interpolates = False

    def __init__(self, bug=None):
        assert bug is None or bug in BUGS or bug in RELATION_BUGS
        self.bug, self.name, self.solves = bug, bug or "reference", 0

    def run(self, case):
        if np.any(np.diff(case.ts) * (case.ts[-1] - case.ts[0]) <= 0):
            raise ValueError("the times turn back")
        self.case, self.count, self.taken, self.solves = case, 0, 0, self.solves + 1
        dynamics = case.dynamics(np)

        def f(z, t, theta):
            self.count += 1
            return dynamics(z, t - case.ts[0] if self.bug == "clock_from_start" else t, theta)

        self.f = f
        with np.errstate(all="ignore"):
            z = self.fixed() if case.method else self.forward()
        z = z + 1e-12 * self.solves * (self.bug == "memory")
        z = np.nan_to_num(z) if self.bug == "no_nan" else z.astype(case.z0.dtype)
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
            z.append(self.steps(lambda z, t: self.f(z, t, case.theta), z[-1], t0, t1))
        return np.stack(z)

    def fixed(self):
        """The two ends, with equal steps of the method that is asked for."""
        (t0, t1), n, z, theta = self.case.ts, self.case.steps, self.case.z0, self.case.theta
        h = (t1 - t0) / n
        for t in t0 + h * np.arange(n):
            z = z + h * getattr(self, self.case.method)(lambda z, t: self.f(z, t, theta), z, t, h)
        return np.stack([self.case.z0, z])

    def euler(self, f, z, t, h):
        return f(z, t + h * (self.bug == "euler_late_clock"))

    def midpoint(self, f, z, t, h):
        return f(z + h / 2 * f(z, t), t + h / 2)

    def rk4(self, f, z, t, h):
        """The slope of one step."""
        k1 = f(z, t)
        k2 = f(z + h / 2 * k1, t + h / 2)
        k3 = f(z + h / 2 * k2, t + h / 2)
        k4 = f(z + h * (k2 if self.bug == "wrong_stage" else k3), t + h)
        return (k1 + 2 * k2 + 2 * k3 + (1.006 if self.bug == "wrong_weights" else 1) * k4) / 6

    def between_coarse_steps(self, ts):
        coarse = np.linspace(ts[0], ts[-1], 12)
        z = [self.case.z0]
        for t0, t1 in itertools.pairwise(coarse):
            z.append(self.steps(lambda z, t: self.f(z, t, self.case.theta), z[-1], t0, t1))
        order = np.argsort(coarse)
        return np.stack([np.interp(ts, coarse[order], column[order]) for column in np.array(z).T], axis=1)

    def backward(self, z):
        """Algorithm 2 over the intervals, last one first, with the jumps of a between them."""
        case, ts, g, bug = self.case, self.case.ts, self.case.weights, self.bug
        D, P, last = z.shape[1], case.theta.size, len(ts) - 1
        a, a_theta, a_t, dt = g[last].copy(), np.zeros(P), 0.0, np.zeros(len(ts))
        if bug == "loss_squared":
            a = a * (1 + np.abs(a).max() / 100)
        state = z[last]
        for i in range(last, 0, -1):
            dt[i] = g[i] @ self.f(z[i], ts[i], case.theta)
            a_t -= dt[i]
            start = np.concatenate([state if bug == "no_reset" else z[i], a, a_theta, [a_t]])
            end = self.steps(self.augmented(ts[i], ts[i - 1]), start, ts[i], ts[i - 1], gradient=True)
            state, a, new_theta, a_t = end[:D], end[D : 2 * D], end[2 * D : 2 * D + P], end[-1]
            a_theta = np.zeros(P) if bug == "first_interval_only" else new_theta
            if bug == "first_interval_only" and i == 1:
                a_theta = new_theta
            if not (bug == "no_jump" and i > 1) and not (bug == "no_observation_at_t0" and i == 1):
                a = a + g[i - 1] * (1.01 if bug == "jump_scaled" and i > 1 else 1)
        dt[0] = a_t - (g[0] @ self.f(z[0], ts[0], case.theta) if bug == "t0_with_g0" else 0.0)
        if bug == "t_sign":
            dt[1:] *= -1
        if bug == "times_scaled":
            dt[1:last] *= 1.01
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
            if bug == "backward_clock_from_start":
                t = t - self.case.ts[0]
            f_z = np.stack([self.f(z + 1j * h * e, t, theta).imag / h for e in np.eye(D)], axis=1)
            f_theta = np.stack([self.f(z, t, theta + 1j * h * e).imag / h for e in np.eye(theta.size)], axis=1)
            f_t = self.f(z + 0j, t + 1j * h, theta).imag / h
            dz = -(a @ f_z) * {"adjoint_sign": -1, "adjoint_scaled": 1.01}.get(bug, 1)
            dtheta = -(a @ f_theta) * {"theta_sign": -1, "theta_scaled": 1.01}.get(bug, 1)
            return np.concatenate([self.f(z, t, theta), dz, dtheta, [-(a @ f_t)]])

        return dynamics

    def steps(self, dynamics, z, t0, t1, gradient=False):
        """Steps of at most rtol^(1/4)/2: the error of RK4 is then some hundredths of rtol."""
        case, bug = self.case, self.bug
        rtol = 1e-4 if gradient and bug == "deaf_to_tolerance" else 1e-7 if not gradient and bug == "deaf_solver" else case.rtol
        rtol = 100 * case.atol if bug == "tolerances_swapped" else rtol
        h = 0.5 * rtol**0.25 * (30 if bug == "optimistic" else 1) / (5 if bug == "slow_way_back" and t1 < t0 and not gradient else 1)
        h = h / (1 + np.abs(case.weights).max()) if gradient and bug == "steps_by_loss" else h
        n = int(np.ceil(np.abs(t1 - t0) / h))
        h = (t1 - t0) / n
        for k in range(n):
            self.taken += 1
            if case.max_steps and self.taken > case.max_steps:
                if bug == "deaf_to_max_steps":
                    return z
                raise ValueError("max_steps were taken")
            t = t0 + k * h
            if bug == "lost_first_step" and k == 0 and t0 == case.ts[0]:
                continue
            k1 = dynamics(z, t)
            if (bug == "euler_last_step" and k == n - 1) or (bug == "euler_in_f32" and case.dtype == "f32"):
                z = z + h * k1
                continue
            late = bug == "late_nodes"
            k2 = dynamics(z + h / 2 * k1, t if late else t + h / 2)
            k3 = dynamics(z + h / 2 * k2, t if late else t + h / 2)
            k4 = dynamics(z + h * k3, t if late else t + h)
            if bug == "long_states":
                k2, k3, k4 = (np.concatenate([k[:4], k1[4:]]) for k in (k2, k3, k4))
            z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            z = z + 1e-3 * np.abs(h) if bug == "drag" else np.clip(z, -1.2, 1.2) if bug == "saturation" else z
        return z
