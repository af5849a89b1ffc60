"""A neural ODE in SciPy with seeded bugs: what a vector claims to discriminate is tried.

Gradients by the adjoint method over the observation intervals (Algorithm 2), densities by one solve of (z, l). Every bug is a few characters.
"""

import itertools

import numpy as np
from refnode_validation.ir.duals import duals, parts, variables
from refnode_validation.ir.dynamics import evaluate, parse
from refnode_validation.ir.floats import FLOATS
from refnode_validation.vectors.tasks import flow, task, vectors
from refnode_validation.verdicts import allowed_error
from scipy.integrate import solve_ivp

RTOL, KAPPA = 1e-6, 40.0
GRADIENTS = [
    "adjoint_sign", "theta_sign", "transpose", "clock_backwards", "clock_from_start", "no_jump", "no_observation_at_t0",
    "wrong_observation", "t_sign", "no_t0", "t0_with_g0", "t_reversed", "no_last_time", "first_interval_only", "parameter_order",
    "no_reset", "extra_state_dropped", "step_backwards", "adjoint_without_error_control",
]  # fmt: skip
VALUES = ["linear_outputs", "drifting_clock", "step_too_long"]
DENSITIES = [
    "trace_sign", "density_direction", "base_at_wrong_end", "trace_entry", "absolute_trace", "trace_without_minus_d",
    "estimate_at_evaluation",
]  # fmt: skip
SOFTWARE = [  # faults of software, not of formulas: they cannot be seeded in a few characters, or show only as exceptions
    "absolute_floor", "blow_up_silent", "deaf_to_tolerance", "endless_loop", "first_step", "limit_silent", "lossy_reconstruction",
    "no_parameters", "nonfinite_silent", "one_time", "repeated_times", "scalar_state", "shared_parameter", "silent_float32",
    "time_outside", "tolerances_swapped", "trace_of_one_unit", "translation", "unsorted_silent", "unused_parameter",
    "wrong_error_estimate", "wrong_node",
]  # fmt: skip


def ratio(id, bug):
    """error / allowed of the worst quantity, of an implementation with that bug (None: without), at rtol 1e-6."""
    if bug in DENSITIES:
        asked = flow(id).density
        expected = {"log p": asked.log_p}
        answer = {"log p": _log_p(id, bug)}
        gammas = {"log p": asked.value_condition[0]}
        sizes = {"log p": asked.value_condition[1]}
    else:
        asked = task(id)
        answer = _answer(asked, bug)
        expected = {"z": asked.values, **asked.gradients}
        adjoint = asked.gradient_gamma * asked.reconstruction_gamma
        gammas = {key: asked.value_gamma if key == "z" else adjoint for key in expected}
        sizes = {key: np.abs(value).max(initial=0.0) for key, value in expected.items()}
    worst = 0.0
    for key, value in answer.items():
        error = np.max(np.abs(np.asarray(value) - expected[key]), initial=0.0)
        worst = max(worst, error / allowed_error(sizes[key], RTOL, RTOL / 100, gammas[key], KAPPA))
    return worst


def _answer(asked, bug):
    ts, theta = asked.ts, asked.problem.theta
    clock = ts[0] if bug == "clock_from_start" else 0.0

    def f(z, t):
        return asked.problem.rhs(np, z, float(t - clock), theta)

    moved = ts + 1e-5 * np.arange(len(ts)) if bug == "drifting_clock" else ts
    if bug == "step_backwards":
        moved = ts[0] + np.abs(ts - ts[0])
    if bug in VALUES and bug != "drifting_clock":
        coarse = np.linspace(ts[0], ts[-1], 12 if bug == "linear_outputs" else 3)
        return {"z": _interpolated(_forward(f, asked.z0, coarse, bug), coarse, ts)}
    z = _forward(f, asked.z0, moved, bug)
    return {"z": z, **dict(zip(("dL/dz0", "dL/dtheta", "dL/dt"), _backward(asked, z, f, bug, clock), strict=True))}


def _forward(f, z0, ts, bug):
    z = [z0]
    for t0, t1 in itertools.pairwise(ts):
        if bug == "step_too_long":
            h = t1 - t0
            k = f(z[-1], t0 + h / 2)
            z.append(z[-1] + h * k)
        else:
            z.append(_solved(lambda t, s: f(s, t), t0, t1, z[-1]))
    return np.stack(z)


def _interpolated(z, coarse, ts):
    order = np.argsort(coarse)
    return np.stack([np.interp(ts, coarse[order], column[order]) for column in z.T], axis=1)


def _backward(asked, z, f, bug, clock):
    ts, g, theta = asked.ts, asked.weights.copy(), asked.problem.theta
    dynamics, algebra = parse(vectors()[asked.problem.id]["dynamics"]), duals(FLOATS)
    D, P, last = z.shape[1], len(theta), len(ts) - 1
    if bug == "extra_state_dropped":
        g[:, -1] = 0
    if bug == "wrong_observation":
        g[1:] = np.roll(g[1:], 1, axis=0)

    def augmented(t_from, t_to):
        def rhs(t, s):
            t = t_from + t_to - t if bug == "clock_backwards" else t
            state, a = s[:D], s[D : 2 * D]
            found = [parts(x) for x in evaluate(dynamics, algebra, variables(list(state)), t - clock, variables(list(theta), first=D))]
            J = np.array([[partials.get(k, 0.0) for k in range(D + P)] for _, partials in found], float)
            da = -(J[:, :D] @ a if bug == "transpose" else a @ J[:, :D]) * (-1 if bug == "adjoint_sign" else 1)
            return np.concatenate([[x for x, _ in found], da, -(a @ J[:, D:]) * (-1 if bug == "theta_sign" else 1)])

        return rhs

    a, a_theta, state, dt = g[last].copy(), np.zeros(P), z[last], np.zeros(len(ts))
    for i in range(last, 0, -1):
        dt[i] = g[i] @ f(z[i], ts[i])
        start = np.concatenate([state if bug == "no_reset" else z[i], a, a_theta])
        rough = bug in ("no_reset", "adjoint_without_error_control")
        end = (_two_steps if bug == "adjoint_without_error_control" else _solved)(
            augmented(ts[i], ts[i - 1]), ts[i], ts[i - 1], start, RTOL if rough else 1e-9,
        )
        state, a, a_theta = end[:D], end[D : 2 * D], end[2 * D :]
        if bug == "first_interval_only" and i > 1:
            a_theta = np.zeros(P)
        if i == 1:
            dt[0] = -a @ f(z[0], ts[0])
        if not (bug == "no_jump" and i > 1) and not (bug == "no_observation_at_t0" and i == 1):
            a = a + g[i - 1]
    dt[0] -= g[0] @ f(z[0], ts[0]) if bug == "t0_with_g0" else 0.0
    dt[1:] *= -1 if bug == "t_sign" else 1
    dt[0] *= bug != "no_t0"
    dt[last] *= bug != "no_last_time"
    return a, a_theta[::-1] if bug == "parameter_order" else a_theta, dt[::-1] if bug == "t_reversed" else dt


def _log_p(id, bug):
    asked = flow(id)
    dynamics, algebra, theta, D = parse(vectors()[id]["dynamics"]), duals(FLOATS), list(asked.problem.theta), len(asked.z0)
    probe = np.array([1.0, -1.0, -1.0])[:D]

    def rhs(t, s):
        found = [parts(x) for x in evaluate(dynamics, algebra, variables(list(s[:D])), t, theta)]
        J = np.array([[partials.get(k, 0.0) for k in range(D)] for _, partials in found], float)
        trace = {
            "trace_sign": -np.trace(J), "trace_entry": J.sum(), "absolute_trace": abs(np.trace(J)), "trace_without_minus_d": np.trace(J) + D,
            "estimate_at_evaluation": probe @ J @ probe,
        }.get(bug, np.trace(J))  # fmt: skip
        return np.array([*(x for x, _ in found), trace], float)

    end = _solved(rhs, *asked.ts, np.append(asked.z0, 0.0))
    z, change = (asked.z0 if bug == "base_at_wrong_end" else end[:D]), end[D] * (-1 if bug == "density_direction" else 1)
    return -z @ z / 2 - D * np.log(2 * np.pi) / 2 + change


def _solved(rhs, t0, t1, start, rtol=1e-9):
    return start if t0 == t1 else solve_ivp(rhs, (float(t0), float(t1)), start, method="DOP853", rtol=rtol, atol=rtol / 100).y[:, -1]


def _two_steps(rhs, t0, t1, start, _):
    """The classic Runge-Kutta rule, two steps."""
    h, s = (t1 - t0) / 2, start
    for t in (t0, t0 + h):
        k1 = rhs(t, s)
        k2 = rhs(t + h / 2, s + h / 2 * k1)
        k3 = rhs(t + h / 2, s + h / 2 * k2)
        s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + rhs(t + h, s + h * k3))
    return s
