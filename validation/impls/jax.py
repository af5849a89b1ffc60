"""JAX's own odeint: dopri5 with the adjoint method, compiled. Output times must increase (its documentation says so)."""

from __future__ import annotations

import gc
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from jax.experimental.ode import odeint

from ..bench.workloads import leaves, mapped

jax.config.update("jax_enable_x64", True)


# What is compiled runs a few times only: compiling less well takes two thirds of the time. A program takes about 10 MB.
KEPT = 64
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True, "xla_cpu_use_fusion_emitters": False}


class Tolerances(NamedTuple):
    """What solve needs of a case."""

    rtol: Any
    atol: Any


class Traced:
    """A function, equal to every other with the same operations: what was compiled for one case then serves the next."""

    def __init__(self, function, *arguments):
        self.function = function
        traced = jax.make_jaxpr(function)(*arguments)
        self.operations = (str(traced.jaxpr), *(np.asarray(constant).tobytes() for constant in traced.consts))

    def __call__(self, *arguments):
        return self.function(*arguments)

    def __eq__(self, other):
        return isinstance(other, Traced) and self.operations == other.operations

    def __hash__(self):
        return hash(self.operations)


class Odeint:
    """Gradients by the adjoint method."""

    name = "jax.odeint"
    version = jax.__version__
    capabilities = frozenset({"values", "grad:z0", "grad:theta", "grad:t", "grad:second"})
    mode = "adjoint"
    interpolates = True
    static = (0, 1, 2, 3)  # of the questions below, for jit: odeint wants the tolerances as numbers

    def __init__(self):
        self.programs = {}  # the question, f, base, static tolerances and shapes: what was compiled for them; the latest used is the last

    def run(self, case):
        if case.method:
            return {"z": np.asarray(self.fixed(case.dynamics(jnp), case))}
        f = Traced(case.dynamics(jnp), case.z0, 0.0, case.theta)
        base = Traced(case.base(jnp), case.z0) if case.density else None
        ts, weights = self.asked(case)
        arguments = self, f, base, Tolerances(case.rtol, case.atol), case.z0, ts, case.theta, weights, case.direction
        key = f, base, 3 in self.static and (case.rtol, case.atol), case.z0.shape, ts.shape, case.theta.shape
        alone = case.wants == ("z",) and (gradients, *key) not in self.programs  # compiled gradients give z as well
        question = density if case.density else second if "d2L/dz0" in case.wants else values if alone else gradients
        program = self.programs.pop((question, *key), None) or self.compiled(question, arguments)
        self.programs[question, *key] = program
        if len(self.programs) > KEPT:
            del self.programs[next(iter(self.programs))]
        answer = program(*arguments[len(self.static) :])
        case.calls = 0  # those were traces
        answer |= {name: answer[name][: len(case.ts)] for name in {"z", "dL/dt"} & set(answer)}
        return {name: np.asarray(answer[name]) for name in case.wants}

    def compiled(self, question, arguments):
        """The program for a question; it does not keep the rest of what tracing leaves behind."""
        gc.disable()  # there is no garbage; looking for it takes a tenth of the time
        try:
            return jax.jit(question, static_argnums=self.static).lower(*arguments).compile(QUICKLY)
        finally:
            gc.enable()
            jax.clear_caches()  # of what was traced: 15 MB

    def asked(self, case):
        return case.ts, case.weights

    def bench(self, workload):
        return jitted(self.solve, workload)

    def solve(self, f, z0, ts, theta, case):
        return odeint(lambda z, t, theta: f(z, t, theta), z0, ts, theta, rtol=case.rtol, atol=case.atol)


def values(adapter, f, base, tolerances, z0, ts, theta, weights, direction):
    """z alone."""
    return {"z": adapter.solve(f, z0, ts, theta, tolerances)}


def gradients(adapter, f, base, tolerances, z0, ts, theta, weights, direction):
    """In the times too, where they can be had."""
    points = {"dL/dz0": z0, "dL/dtheta": theta} | ({"dL/dt": ts} if "grad:t" in adapter.capabilities else {})
    z, back = jax.vjp(lambda x: adapter.solve(f, x["dL/dz0"], x.get("dL/dt", ts), x["dL/dtheta"], tolerances), points)
    return {"z": z, **back(weights)[0]}


def second(adapter, f, base, tolerances, z0, ts, theta, weights, direction):
    """A Hessian-vector product."""

    def slope(z0, theta):
        loss = lambda z0, theta: jnp.sum(weights * adapter.solve(f, z0, ts, theta, tolerances))
        return jnp.concatenate(jax.grad(loss, (0, 1))(z0, theta)) @ direction

    return dict(zip(("d2L/dz0", "d2L/dtheta"), jax.grad(slope, (0, 1))(z0, theta), strict=True))


def density(adapter, f, base, tolerances, x, ts, theta, weights, direction):
    """log p(x) = log p_base(z) + int tr(df/dz) dt along the way to z, for one point x."""

    def with_trace(state, t, theta):
        z = state[:-1]
        return jnp.append(f(z, t, theta), -jnp.trace(jax.jacfwd(f)(z, t, theta)))

    def log_p(x):
        end = adapter.solve(with_trace, jnp.append(x["dlogp/dx"], 0.0), x.get("dlogp/dt", ts), x["dlogp/dtheta"], tolerances)[-1]
        return base(end[:-1]) - end[-1]

    points = {"dlogp/dx": x, "dlogp/dtheta": theta} | ({"dlogp/dt": ts} if "flow:grad_t" in adapter.capabilities else {})
    value, slopes = jax.value_and_grad(log_p)(points)
    return {"log p": value, **slopes}


def jitted(solve, workload):
    """The gradient of a workload, compiled at the first call. solve(f, z0, ts, theta, workload) gives zs."""
    f, loss = workload.dynamics(jnp), workload.loss(jnp)
    z0, ts, theta = mapped(jnp.asarray, (workload.z0, workload.ts, workload.theta))
    gradient = jax.jit(jax.grad(lambda z0, theta: loss(solve(f, z0, ts, theta, workload)), (0, 1)))
    return lambda: [np.asarray(g) for g in leaves(gradient(z0, theta))]


ADAPTERS = [Odeint]
