"""Errata of released code and of other texts: D1 to D16. What is said of a library holds for its version in validation/REPORT.md."""

from __future__ import annotations

from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.errata.erratum import Erratum, erratum, words
from refnode.flows.planar import planar_layer
from refnode.flows.traces import hutchinson_trace
from refnode.models.nets import mlp, mlp_init
from refnode.ode.tableaus import TABLEAUS

CODE: list[Erratum] = []
TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}


@erratum(CODE, "torchdiffeq, diffrax, JAX: dopri5",
         printed="the method of Dormand and Prince",
         correct="its embedded weights are Shampine's: the error estimate is 2/3 of Dormand and Prince's, to the fraction, in each stage",
         apart=1e-12,
         quantity="largest difference of (b - b_hat) of the two, and after one is multiplied by 2/3")
def d1() -> tuple[float, float]:
    theirs, ours = (np.array([b - b_hat for b, b_hat in zip(TABLEAUS[name].b, TABLEAUS[name].b_hat or (), strict=True)])
                    for name in ("dopri5_shampine", "dopri5"))
    return float(np.max(np.abs(theirs - ours))), float(np.max(np.abs(theirs - ours * 2 / 3)))


@erratum(CODE, "torchdiffeq: rk4",
         printed="rk4",
         correct="the 3/8 rule (refnode: rk4_38); the classic rule is another method",
         quantity="distance of the two from each other after 4 steps of z' = z cos t; and of 400 steps", apart=1e-6)
def d2() -> tuple[float, float]:
    def distance(steps: int) -> float:
        z = [rn.ODESolve(np.array(1.0), lambda z, t, theta: z * np.cos(t), 0.0, 2.0, method=name, steps=steps) for name in ("rk4", "rk4_38")]
        return abs(float(z[0] - z[1]))
    return distance(4), distance(400)


words(CODE, "D3", "torchdiffeq: defaults",
      printed="rtol 1e-7, atol 1e-9",
      correct="the paper has 1.5e-8, 1e-3 and 1e-5: give them",
      quantity="a choice; validation/GLOSSARY.md has the defaults of five libraries")
words(CODE, "D4", "torchdiffeq: odeint_adjoint",
      printed="Algorithm 1",
      correct="z is put back at the output times, the norm is the largest RMS over t, z, a and each parameter tensor, and there are "
              "first derivatives only",
      quantity="deviations, documented there")


@erratum(CODE, "torchdiffeq, issue 199",
         printed="its dL/dt_i = g_i . f(z(t_i), t_i) is wrong: the sign",
         correct="it is right",
         quantity="error of dL/dt1 with the sign turned, and as it is: z' = 1.3 t z from 0.5 to 1, L = z(1)", apart=1e-6)
def d5() -> tuple[float, float]:
    def f(z: Any, t: Any, theta: Any) -> Any:
        return theta * t * z
    z1 = 0.8 * np.exp(1.3 * (1.0 - 0.25) / 2)
    dLdt = rn.grad(lambda ts: rn.odeint(f, np.array(0.8), ts, 1.3, **TIGHT)[-1])(np.array([0.5, 1.0]))
    return abs(-dLdt[1] - 1.3 * z1), abs(dLdt[1] - 1.3 * z1)


@erratum(CODE, "torchdiffeq: cnf.py",
         printed="Eq. (10), a sum over units",
         correct="the code takes the mean over M units, with a gate for each unit and dimension, and the base N(0, 0.1 I)",
         quantity="ratio of sum and mean for 64 units: the code's u_n is the paper's times it", apart=2)
def d6() -> tuple[float, float]:
    h = np.tanh(np.random.default_rng(0).normal(size=64))
    return float(np.sum(h) / np.mean(h)), 1.0


words(CODE, "D7", "torchdiffeq: latent_ode.py",
      printed="ntotal = 1000, in main",
      correct="it is never handed on, and 500 are made; nothing is observed at irregular times, and no RMSE is computed",
      quantity="read, not run; Table 2 cannot be had from it (X6)")
words(CODE, "D8", "torchdiffeq: odenet_mnist.py",
      printed="the paper's experiment",
      correct="a re-implementation with another solver (its README says so)")


@erratum(CODE, "torchdiffeq: bouncing_ball.py",
         printed="1e-7 is added to the position after an impact, so that it is not found again",
         correct="an event that knows its direction needs nothing added",
         quantity="error of the time of the second impact, in seconds, v = 10 m/s", apart=1e-9)
def d9() -> tuple[float, float]:
    g, v = 9.8, 10.0  # the ball flies from x = 0 (or 1e-7) with v, and comes down after (v + sqrt(v^2 + 2 g x)) / g
    def second_impact(x: float) -> float:
        sol = rn.solve(lambda z, t, theta: np.array([z[1], -g]), np.array([x, v]), [0.0, 3.0], **TIGHT,
                       events=[rn.Event(lambda z, t, theta: z[0], terminal=True, direction=-1)])
        return float(sol.events[0].ts[0])
    return abs(second_impact(1e-7) - 2 * v / g), abs(second_impact(0.0) - 2 * v / g)


@erratum(CODE, "ffjord: PlanarFlow",
         printed="logp - torch.log(det + 1e-8), whose result is dropped; u is constrained when the layer is made, and never again",
         correct="log p decreases by log |det|, and u is constrained in each evaluation",
         quantity="error of log p after one layer", apart=1e-6)
def d10() -> tuple[float, float]:
    u, w, b, z = np.array([0.8, 0.1]), np.array([1.0, -0.5]), 0.2, np.array([0.3, 0.4])
    _, log_det = planar_layer(z, (u, w, b))
    J = rn.jacobian(lambda z: planar_layer(z, (u, w, b))[0])(z)
    exact = np.log(abs(np.linalg.det(J)))
    return abs(0.0 - exact), abs(float(log_det) - exact)


@erratum(CODE, "ffjord: regularisers",
         printed="kinetic energy: the root of the mean square of f, under the integral",
         correct="int |f|^2 dt, as RNODE has it",
         quantity="its value for z' = (3, 4) over a time of 1, less 25", apart=1e-6)
def d11() -> tuple[float, float]:
    def cost(of: Any) -> float:
        def f(s: Any, t: Any, theta: Any) -> Any:
            return np.array([3.0, 4.0]), of(np.array([3.0, 4.0]))
        return float(rn.ODESolve((np.zeros(2), np.array(0.0)), f, 0.0, 1.0)[1])
    return abs(cost(lambda v: np.sqrt(np.mean(v * v))) - 25), abs(cost(lambda v: np.sum(v * v)) - 25)


@erratum(CODE, "torchdiffeq, issue 120: FFJORD's noise",
         printed="new noise in each evaluation",
         correct="drawn once for a solve: the right-hand side is a function",
         quantity="evaluations at rtol = 1e-4: new noise, and fixed noise", apart=200)
def d12() -> tuple[float, float]:
    theta, z0 = mlp_init(np.random.default_rng(3), (2, 16, 2)), np.array([[0.3, -0.4]])
    def evaluations(new: bool) -> int:
        rng = np.random.default_rng(0)
        def signs() -> np.ndarray:
            return rng.choice([-1.0, 1.0], size=(1, 1, 2))
        fixed = signs()
        def aug_dynamics(s: Any, t: Any, theta: Any) -> Any:
            dz_dt, vjp = rn.pullback(lambda z: mlp(z, theta), s[0])
            return dz_dt, -hutchinson_trace(lambda v: vjp(v)[0], signs() if new else fixed)
        return rn.solve(aug_dynamics, (z0, np.zeros(1)), [0.0, 1.0], theta, rtol=1e-4, atol=1e-4, max_steps=2000, throw=False).stats.nfe
    return evaluations(True), evaluations(False)


words(CODE, "D13", "HIPS autograd: odeint",
      printed="y0 may be a number, as in SciPy",
      correct="it must be an array of one dimension, and args autograd's tuple",
      quantity="validation/impls/autograd.py wraps them so")


@erratum(CODE, "SciMLSensitivity's manual",
         printed="lambda' = g_u - lambda f_u",
         correct="lambda' = -lambda f_u - g_u, for G = int g dt",
         quantity="error of dG/dz(0), G = int z^2 / 2 dt, z' = 0.7 z (in the manual a second slip, in g_u, undoes the first)", apart=1e-6)
def d14() -> tuple[float, float]:
    z0, lam = 1.5, 0.7
    exact = z0 * np.expm1(2 * lam) / (2 * lam)
    def dGdz0(sign: float) -> float:
        def backward(s: Any, t: Any, lam: Any) -> Any:
            z, a = s
            return lam * z, sign * z - a * lam
        return float(rn.ODESolve((np.array(z0 * np.exp(lam)), np.array(0.0)), backward, 1.0, 0.0, lam, **TIGHT)[1])
    return abs(dGdz0(1.0) - exact), abs(dGdz0(-1.0) - exact)


@erratum(CODE, "a notebook on neural ODEs (2019)",
         printed="dL/dt1 = -a^T df/dt, and no term of the end",
         correct="dL/dt1 = a(t1)^T f(z(t1), t1)",
         quantity="error of dL/dt1, the problem of D5", apart=1e-6)
def d15() -> tuple[float, float]:
    z1 = 0.8 * np.exp(1.3 * (1.0 - 0.25) / 2)
    *_, dLdt1 = rn.full_adjoint(np.array(z1), np.array(1.0), lambda z, t, theta: theta * t * z, 0.5, 1.0, 1.3, **TIGHT)
    return abs(-1.3 * z1 + 0.0 - 1.3 * 1.0 * z1), abs(float(dLdt1) - 1.3 * z1)


words(CODE, "D16", "diffrax: BacksolveAdjoint",
      printed="the paper's method",
      correct="\"not recommended\" there, and without gradients in t0 and t1",
      quantity="unsupported in `refnode validate --impl diffrax`")
