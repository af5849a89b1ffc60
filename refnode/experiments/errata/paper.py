"""Errata of the paper (arXiv 1806.07366 v5): C1 to C19."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import odeint as scipy_odeint

import refnode as rn
from refnode.experiments.errata.erratum import Erratum, erratum, words
from refnode.flows.gaussian import linear, linear_density
from refnode.flows.planar import hidden_units, invertible
from refnode.models.nets import mlp, mlp_init

PAPER: list[Erratum] = []
TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


@erratum(PAPER, "Eq. (10)",
         printed="d log p/dt = sum_n tr(df_n/dz)",
         correct="d log p/dt = -sum_n tr(df_n/dz)",
         quantity="error of log p(z(1)) of two units, against -log |det dz(1)/dz(0)|", apart=1e-6)
def c1() -> tuple[float, float]:
    theta = np.array([[0.8, -0.3], [0.2, 0.9]]), np.array([[1.0, 0.5], [-0.4, 0.7]]), np.array([0.1, -0.2])
    z0 = np.array([0.6, -0.5])
    _, change = rn.change_of_variables(z0, 0.0, hidden_units, 0.0, 1.0, theta, **TIGHT)
    J = rn.jacobian(lambda z: rn.ODESolve(z, hidden_units, 0.0, 1.0, theta, **TIGHT))(z0)
    exact = -np.linalg.slogdet(J)[1]
    return abs(-change - exact), abs(change - exact)


@erratum(PAPER, "Eq. (33)",
         printed="d log p/dt = -sum_i df_i/dt",
         correct="d log p/dt = -sum_i df_i/dz_i",
         quantity="error of log p(z(1)) of z' = A z (whose df/dt is 0), against a Gaussian", apart=1e-6)
def c2() -> tuple[float, float]:
    A, base = np.array([[0.5, 0.3], [-0.2, 0.7]]), rn.normal(np.zeros(2), np.eye(2))
    z0 = np.array([0.4, -0.3])
    z1, log_p1 = rn.change_of_variables(z0, base.log_prob(z0), linear, 0.0, 1.0, A, **TIGHT)
    exact = linear_density(base, A, 0.0, 1.0).log_prob(z1)
    return abs(base.log_prob(z0) - exact), abs(log_p1 - exact)


@erratum(PAPER, "Eq. (8), (31), (32)",
         printed="a partial derivative by t",
         correct="the total derivative along z(t)",
         quantity="distance from -tr(df/dz) of the derivative of log p by t, at a fixed z and along z(t)", apart=1e-6)
def c3() -> tuple[float, float]:
    A, base, z, t = np.array([[0.5, 0.3], [-0.2, 0.7]]), rn.normal(np.zeros(2), np.eye(2)), np.array([0.4, -0.3]), 0.5
    def log_p(z: Any, t: float) -> Any:
        return linear_density(base, A, 0.0, t).log_prob(z)
    h = 1e-5
    at_fixed_z = (log_p(z, t + h) - log_p(z, t - h)) / (2 * h)
    along = (log_p(z + h * (A @ z), t + h) - log_p(z - h * (A @ z), t - h)) / (2 * h)
    return abs(at_fixed_z + np.trace(A)), abs(along + np.trace(A))


words(PAPER, "C4", "Eq. (28)",
      printed="h(w^z + b)",
      correct="h(w^T z + b)",
      quantity="a slip of the pen")


@erratum(PAPER, "Eq. (31), third sum",
         printed="sum_i f_i/dz_i",
         correct="sum_i f_i dp/dz_i",
         quantity="residual of Liouville's equation for z' = z in one dimension, third sum as printed (f/z) and as meant", apart=1e-6)
def c5() -> tuple[float, float]:
    z, t, h = 0.7, 0.4, 1e-5
    def p(z: float, t: float) -> float:
        return float(np.exp(-0.5 * (z * np.exp(-t)) ** 2 - t) / np.sqrt(2 * np.pi))
    dp_dt, dp_dz = (p(z, t + h) - p(z, t - h)) / (2 * h), (p(z + h, t) - p(z - h, t)) / (2 * h)
    return abs(dp_dt + p(z, t) + z / z), abs(dp_dt + p(z, t) + z * dp_dz)


words(PAPER, "C6", "App. A.2",
      printed="\"an extra state of D\", and an \"ODE of size D + 1\"",
      correct="one extra number, log p, beside the D of z",
      quantity="the two passages contradict each other; the second is right")


@erratum(PAPER, "Eq. (48), (52)",
         printed="a_t(t_N) is not defined; read as dL/dt_N",
         correct="a_t(t_N) = -dL/dt_N, as in Algorithm 2",
         quantity="error of dL/dt0 on z' = theta t z, L = z(1)", apart=1e-6)
def c7() -> tuple[float, float]:
    def f(z: Any, t: Any, theta: Any) -> Any:
        return theta * t * z
    t0, t1, theta, z0 = 0.5, 1.0, 1.3, 0.8
    z1 = z0 * np.exp(theta * (t1**2 - t0**2) / 2)
    exact = -theta * t0 * z1
    *_, dLdt0, dLdt1 = rn.full_adjoint(np.array(z1), np.array(1.0), f, t0, t1, theta, **TIGHT)
    return abs(dLdt0 + 2 * dLdt1 - exact), abs(dLdt0 - exact)  # a_t starts at +dL/dt1 instead of -dL/dt1, and is else the same integral


words(PAPER, "C8", "Eq. (46)",
      printed="an integral without dt, and a^T beside row vectors",
      correct="int a df/dz dt, a a row",
      quantity="a slip of the pen")
words(PAPER, "C9", "Eq. (4) and (35)",
      printed="da/dt = -a^T df/dz for a column a",
      correct="da/dt = -(df/dz)^T a; the appendix has rows",
      quantity="notation: the main text has columns, the appendix rows")


@erratum(PAPER, "App. D, the listing",
         printed="def vjp_all(g, **kwargs), which hides the outer **kwargs: the backward solves run at the default 1.5e-8",
         correct="def vjp_all(g): the backward solves run at the caller's tolerance, here 1e-3",
         quantity="backward evaluations of f for a network at rtol = atol = 1e-3", apart=60)
def c10() -> tuple[float, float]:
    f, z0, theta = network()
    def evaluations(**backward: Any) -> int:
        stats = rn.Stats()
        rn.grad(lambda theta: np.sum(rn.odeint(f, z0, [0.0, 1.0, 2.0, 3.0], theta, rtol=1e-3, atol=1e-3, stats=stats, **backward) ** 2))(theta)
        return stats.backward.nfe
    return evaluations(backward_rtol=1.5e-8, backward_atol=1.5e-8), evaluations()


words(PAPER, "C11", "text before Eq. (49)",
      printed="the Jacobian of f",
      correct="the Jacobian of f_aug")


@erratum(PAPER, "Section 3, Software",
         printed="the implicit Adams method; at every step a nonlinear optimization problem is solved",
         correct="scipy.integrate.odeint is LSODA, which switches between Adams and BDF; at every step a nonlinear equation is solved",
         quantity="percentage of outputs that SciPy's odeint reached by BDF: van der Pol's equation (mu = 100), and an oscillator", apart=10)
def c12() -> tuple[float, float]:
    def share(f: Any, z0: list[float], ts: np.ndarray) -> int:
        methods = scipy_odeint(f, z0, ts, full_output=True)[1]["mused"]
        return round(100 * np.mean(methods == 2))
    ts = np.linspace(0.0, 100.0, 200)
    return share(lambda z, t: [z[1], 100 * (1 - z[0] ** 2) * z[1] - z[0]], [2.0, 0.0], ts), share(lambda z, t: [z[1], -z[0]], [1.0, 0.0], ts / 10)


words(PAPER, "C13", "App. E",
      printed="the ELBO without its expectation; N(0, 1); N(mu, sigma)",
      correct="E_q[...]; N(0, I); sigma is a standard deviation (the released code predicts log variances)",
      quantity="words")


@erratum(PAPER, "Section 2",
         printed="differentiating through the operations of the solver introduces additional numerical error",
         correct="it gives the derivative of the computed solution exactly; on the same steps, the adjoint is what differs from it",
         quantity="distance of dL/dlam from the derivative of the computed solution (z' = -1.7 z, 10 Euler steps): adjoint, and through "
                  "the solver", apart=1e-6)
def c14() -> tuple[float, float]:
    lam, N, h = -1.7, 10, 0.1
    def f(z: Any, t: Any, lam: Any) -> Any:
        return lam * z
    euler: dict[str, Any] = {"method": "euler", "steps": N}
    z1, exact = (1 + h * lam) ** N, N * h * (1 + h * lam) ** (N - 1)
    _, _, by_adjoint = rn.adjoint(np.array(z1), np.array(1.0), f, 0.0, 1.0, lam, **euler)
    through_the_solver = rn.grad(lambda lam: rn.ODESolve(np.array(1.0), f, 0.0, 1.0, lam, gradient="discrete", **euler))(lam)
    return abs(by_adjoint - exact), abs(through_the_solver - exact)


@erratum(PAPER, "Section 3, Figure 3c",
         printed="the backward pass takes roughly half of the forward pass's evaluations",
         correct="it depends on the solver, the network and, through atol, on the scale of the loss",
         quantity="backward / forward evaluations of a network at rtol = atol = 1e-6, with a loss of scale 1e4, and of 1: neither is 0.5",
         apart=2)
def c15() -> tuple[float, float]:
    f, z0, theta = network()
    def ratio(scale: float) -> float:
        stats = rn.Stats()
        zs, back = rn.pullback(lambda theta: rn.odeint(  # backward_atol is in units of max |dL/dz|; here it is to be 1e-6 itself
            f, z0, [0.0, 3.0], theta, rtol=1e-6, atol=1e-6, backward_atol=1e-6 / scale, stats=stats)[-1], theta)
        back(scale * np.ones_like(zs) / zs.size)
        return stats.backward.nfe / stats.forward.nfe
    return ratio(1e4), ratio(1.0)


@erratum(PAPER, "Section 6",
         printed="reconstructing z(t) backwards is no practical problem",
         correct="where f contracts it fails; stored states (checkpoints, observations) cure it",
         quantity="error of z(0) = 1, found from z(1) at rtol = atol = 1e-6, for z' = 20 (sin t - z); and with 20 stored states between",
         apart=1e-2)
def c16() -> tuple[float, float]:
    def f(z: Any, t: Any, lam: Any) -> Any:
        return lam * (np.sin(t) - z)
    def way_back(states: int) -> float:
        ts = np.linspace(0.0, 1.0, states + 2)
        zs = rn.solve(f, np.array([1.0]), ts, 20.0, rtol=1e-6, atol=1e-6).zs
        pairs = zip(ts[:-1], ts[1:], zs[:-1], zs[1:], strict=True)
        return max(abs(float(rn.ODESolve(z1, f, t1, t0, 20.0, rtol=1e-6, atol=1e-6)[0] - z0[0])) for t0, t1, z0, z1 in pairs)
    return way_back(0), way_back(20)


@erratum(PAPER, "Section 6",
         printed="relu is fine, since it is Lipschitz",
         correct="the solution is unique, but the adjoint's right-hand side jumps where a unit switches: steps are rejected there",
         quantity="rejected backward steps of a relu network at rtol = atol = 1e-8, and of the same with tanh", apart=5)
def c17() -> tuple[float, float]:
    def rejected(activation: Any) -> int:
        (W1, b1), (W2, b2) = mlp_init(np.random.default_rng(0), (2, 20, 2))
        def f(z: Any, t: Any, theta: Any) -> Any:
            (W1, b1), (W2, b2) = theta
            return activation(z @ W1 + b1) @ W2 + b2
        stats = rn.Stats()
        theta, z0 = ((3 * W1, b1), (W2, b2)), np.array([1.0, -0.5])
        rn.grad(lambda theta: np.sum(rn.odeint(f, z0, [0.0, 2.0], theta, rtol=1e-8, atol=1e-8, stats=stats)[-1] ** 2))(theta)
        return stats.backward.rejected
    return rejected(lambda x: np.maximum(x, 0.0)), rejected(np.tanh)


@erratum(PAPER, "Eq. (7)",
         printed="no condition on u and w",
         correct="u^T w > -1, which u^ = invertible(u, w) grants",
         quantity="distance of two points of z + u tanh(w z), u = -3, w = 1, with the same image; after the remedy there is one point",
         apart=1e-6)
def c18() -> tuple[float, float]:
    def widest(u: float) -> float:
        z = np.linspace(-5.0, 5.0, 100_001)
        image = z + u * np.tanh(z)
        zeros = z[:-1][np.sign(image[:-1]) * np.sign(image[1:]) <= 0]
        return float(np.ptp(zeros[np.r_[True, np.diff(zeros) > 1e-3]]))
    return widest(-3.0), widest(float(invertible(np.array([-3.0]), np.array([1.0]))[0]))


words(PAPER, "C19", "passim",
      printed="\"to determining\", \"that he number\", \"Lipshitz\", \"This is parameterization\", \"and-and\"; a d beside a partial d in (38)",
      correct="to determine; that the number; Lipschitz; this parameterization; and; one kind of d",
      quantity="slips of the pen")


def network() -> tuple[Any, np.ndarray, Any]:
    """(f, z0, theta): a tanh network on 16 points of the plane."""
    rng = np.random.default_rng(1)
    return lambda z, t, theta: mlp(z, theta), rng.normal(size=(16, 2)), mlp_init(rng, (2, 20, 2))

