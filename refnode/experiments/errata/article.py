"""Errata of the introductory article that this project started from: A1 to A26."""

from __future__ import annotations

from typing import Any

import numpy as np

import refnode as rn
from refnode.experiments.errata.erratum import Erratum, erratum, words
from refnode.models.nets import mlp, mlp_init
from refnode.models.resnet import resnet

ARTICLE: list[Erratum] = []
TIGHT: dict[str, Any] = {"rtol": 1e-10, "atol": 1e-12}

LAM, Z0, Z1 = 0.7, 1.5, 1.5 * float(np.exp(0.7))  # z' = lam z on [0, 1], L = z(1)^2 / 2: a(1) = z(1), a(0) = z(1)^2 / z(0), dL/dlam = z(1)^2
A0, DLAM = Z1**2 / Z0, Z1**2


def linear(z: Any, t: Any, lam: Any) -> Any:
    return lam * z


def literal(a1: float) -> tuple[float, float, float]:
    """(z(0), a(0), dL/dlam) by Algorithm 1 from z(1) and a(1)."""
    z0, a0, dlam = rn.adjoint(np.array(Z1), np.array(a1), linear, 0.0, 1.0, LAM, **TIGHT)
    return float(z0), float(a0), float(dlam)


@erratum(ARTICLE, "the adjoint",
         printed="a(t) = -dL/z(t)",
         correct="a(t) = dL/dz(t)",
         quantity="error of dL/dz(0) of z' = 0.7 z, L = z(1)^2 / 2", apart=1e-6)
def a1() -> tuple[float, float]:
    return abs(literal(-Z1)[1] - A0), abs(literal(Z1)[1] - A0)


@erratum(ARTICLE, "the backward pass, in words",
         printed="-a(t) dL/dz(t), integrated from t1 to t0, is a(t0)",
         correct="a(t0) = a(t1) - int_{t1}^{t0} a^T df/dz dt",
         quantity="error of a(0), same problem, with the integrand meant but without a(t1)", apart=1e-6)
def a2() -> tuple[float, float]:
    return abs((literal(Z1)[1] - Z1) - A0), abs(literal(Z1)[1] - A0)


@erratum(ARTICLE, "the backward pass, in words",
         printed="f, integrated from t1 to t0, is z(t0)",
         correct="z(t0) = z(t1) + int_{t1}^{t0} f dt",
         quantity="error of z(0), same problem", apart=1e-6)
def a3() -> tuple[float, float]:
    return abs((literal(Z1)[0] - Z1) - Z0), abs(literal(Z1)[0] - Z0)


@erratum(ARTICLE, "the backward pass, in words",
         printed="-a df/dtheta, integrated from t1 to t0, is dL/dtheta, with the a of A1",
         correct="with a = dL/dz(t); with a = -dL/dz(t) it is -dL/dtheta",
         quantity="error of dL/dlam, same problem: twice dL/dlam, and none", apart=1e-6)
def a4() -> tuple[float, float]:
    return abs(literal(-Z1)[2] - DLAM), abs(literal(Z1)[2] - DLAM)


@erratum(ARTICLE, "the pseudo-program",
         printed="def f_and_a([z, a], t): return [f, -a*df/da, -a*df/dtheta]",
         correct="def aug([z, a, _], t): return [f, -a.df/dz, -a.df/dtheta]",
         quantity="error of a(0), same problem; f does not depend on a, so that as printed a stays as it is", apart=1e-6)
def a5() -> tuple[float, float]:
    def f_and_a(s: Any, t: Any, lam: Any) -> Any:
        z, a = s
        _, vjp = rn.pullback(lambda a: linear(z, t, lam) + 0.0 * a, a)
        return linear(z, t, lam), -vjp(a)[0]
    _, a = rn.ODESolve((np.array(Z1), np.array(Z1)), f_and_a, 1.0, 0.0, LAM, **TIGHT)
    return abs(float(a) - A0), abs(literal(Z1)[1] - A0)


words(ARTICLE, "A6", "the pseudo-program",
      printed="[z0, dL/dx, dL/dtheta] = ODESolver([z(t1), dL/dz(t), 0], f_and_a, t1, t0)",
      correct="[z(t0), dL/dz(t0), dL/dtheta] = ODESolver([z(t1), dL/dz(t1), 0], aug, t1, t0)",
      quantity="names")
words(ARTICLE, "A7", "the two programs",
      printed="ODESolver(f, h, t0, t1, theta) in one place, (z(t0), f, t0, t1, theta) in another",
      correct="ODESolve(z(t0), f, t0, t1, theta), as in the paper's Eq. (3)",
      quantity="order of arguments")


@erratum(ARTICLE, "the residual network's program",
         printed="def resnet(h): for t in [1:T]: h = h + f(h, t, theta)",
         correct="theta is a list, an argument, and block t uses theta_t",
         quantity="distance of the output of six blocks from that with a theta for each", apart=1e-12)
def a8() -> tuple[float, float]:
    rng = np.random.default_rng(0)
    thetas, h = [mlp_init(rng, (2, 8, 2)) for _ in range(6)], rng.normal(size=(5, 2))
    def f(h: Any, t: Any, theta: Any) -> Any:
        return mlp(h, theta)
    wanted = h
    for theta in thetas:
        wanted = wanted + mlp(wanted, theta)
    return float(np.max(np.abs(resnet(h, f, 6 * thetas[:1]) - wanted))), float(np.max(np.abs(resnet(h, f, thetas) - wanted)))


@erratum(ARTICLE, "from residual to derivative",
         printed="the residual h_{t0} - h_{t1} converges to the derivative",
         correct="(h_{t + eps} - h_t) / eps converges to dh/dt; the residual to 0",
         quantity="distance from dh/dt at eps = 1e-6, h' = 0.7 h", apart=1e-3)
def a9() -> tuple[float, float]:
    eps = 1e-6
    residual = Z0 * np.expm1(LAM * eps)
    return abs(residual - LAM * Z0), abs(residual / eps - LAM * Z0)


words(ARTICLE, "A10", "Figure 3c",
      printed="forward evaluations are \"about one fold\" of the backward ones",
      correct="the paper says: about twice; and see C15",
      quantity="the number is measured at C15")


@erratum(ARTICLE, "the adjoint equation",
         printed="gradients are passed forward along t",
         correct="backwards in t",
         quantity="error of a(0): the adjoint equation over a time of 1, forward from a(1), and backwards; same problem", apart=1e-6)
def a11() -> tuple[float, float]:
    def a_dot(a: Any, t: Any, lam: Any) -> Any:
        return -lam * a
    forwards, backwards = (float(rn.ODESolve(np.array(Z1), a_dot, 1.0, end, LAM, **TIGHT)) for end in (2.0, 0.0))
    return abs(forwards - A0), abs(backwards - A0)


@erratum(ARTICLE, "training",
         printed="the parameters of a layer are updated as the gradient reaches it",
         correct="all gradients are taken at the same theta, then all are updated",
         quantity="error of dL/dtheta_1 of two layers, rate 0.1", apart=1e-6)
def a12() -> tuple[float, float]:
    x, theta_1, theta_2, rate = 0.8, 1.2, 0.9, 0.1  # L = (theta_2 tanh(theta_1 x))^2 / 2
    def dL(theta_1: float, theta_2: float) -> tuple[float, float]:
        g_1, g_2 = rn.grad(lambda p: 0.5 * (p[1] * np.tanh(p[0] * x)) ** 2)((theta_1, theta_2))
        return float(g_1), float(g_2)
    h = np.tanh(theta_1 * x)
    exact = theta_2**2 * h * (1 - h * h) * x
    updated = theta_2 - rate * dL(theta_1, theta_2)[1]
    return abs(theta_2 * h * updated * (1 - h * h) * x - exact), abs(dL(theta_1, theta_2)[0] - exact)


@erratum(ARTICLE, "memory",
         printed="no intermediate result is stored",
         correct="true for a loss at the end; with observations, z(t_i) is stored for each",
         quantity="states that are stored for the gradient with 50 observations, and with one", apart=2)
def a13() -> tuple[float, float]:
    def stored(n: int) -> float:
        zs, _ = rn.pullback(lambda lam: rn.odeint(linear, np.array(Z0), np.linspace(0.0, 1.0, n + 1), lam), LAM)
        return zs.size
    return stored(50), stored(1)


@erratum(ARTICLE, "error control",
         printed="the solver ensures that the error is within tolerance",
         correct="\"approximately ensure\" (the paper): the local error is estimated, and the equation makes it grow",
         quantity="relative error of z(1) in units of rtol = 1e-6: z' = 10 z, and z' = z / 10", apart=1)
def a14() -> tuple[float, float]:
    def error(lam: float) -> float:
        return abs(float(rn.ODESolve(np.array(1.0), linear, 0.0, 1.0, lam, rtol=1e-6, atol=1e-12)) / np.exp(lam) - 1) / 1e-6
    return error(10.0), error(0.1)


words(ARTICLE, "A15", "error control",
      printed="the adjoint method controls the numerical error precisely",
      correct="the tolerance holds for the steps of the backward solve, and not for the z that it finds again",
      quantity="the number is measured at C16")


@erratum(ARTICLE, "invertibility",
         printed="whatever the network, it is naturally invertible",
         correct="where f is Lipschitz in z and continuous in t (Picard)", apart=1e-6,
         quantity="distance at t = 1 of two solutions of z' = 3 z^(2/3) through 0; and what remains of z' = tanh(3 z), solved forwards "
                  "and backwards")
def a16() -> tuple[float, float]:
    def one(t: float) -> float:
        return t**3
    residual = abs((one(0.5 + 1e-6) - one(0.5 - 1e-6)) / 2e-6 - 3 * one(0.5) ** (2 / 3))  # t^3 is a solution; so is 0
    def f(z: Any, t: Any, theta: Any) -> Any:
        return np.tanh(3 * z)
    there = rn.ODESolve(np.array([0.2]), f, 0.0, 1.0, **TIGHT)
    return one(1.0) if residual < 1e-6 else 0.0, abs(float(rn.ODESolve(there, f, 1.0, 0.0, **TIGHT)[0]) - 0.2)


@erratum(ARTICLE, "change of variables",
         printed="dz/dx = (f^-1(x))'",
         correct="p(x) = pi(f^-1(x)) |(f^-1)'(x)|",
         quantity="distance of the mass of p from 1, x = -2 z of a normal z", apart=1e-6)
def a17() -> tuple[float, float]:
    x = np.linspace(-20.0, 20.0, 4001)
    mass = float(np.sum(np.exp(-0.5 * (x / -2) ** 2) / np.sqrt(2 * np.pi)) * (x[1] - x[0]))
    return abs(mass * -0.5 - 1), abs(mass * abs(-0.5) - 1)


words(ARTICLE, "A18", "flows",
      printed="CNFs overcome Glow's shortcomings and are trained directly by maximum likelihood",
      correct="Glow is trained by maximum likelihood, too; the paper claims to avoid the determinant and single-unit layers",
      quantity="history")


@erratum(ARTICLE, "Table 1",
         printed="with a similar number of parameters, the ODE-Net is significantly better than the perceptron",
         correct="that reading was withdrawn in v5; the networks differ in kind (convolutions), and a model without any block does as "
                 "well (X1)",
         quantity="parameters of the perceptron 784-300-10; the ODE-Net of the table has 0.22 million", apart=220_000)
def a19() -> tuple[float, float]:
    parameters = sum(W.size + b.size for W, b in mlp_init(np.random.default_rng(0), (784, 300, 10)))
    return parameters, 220_000


words(ARTICLE, "A20", "Figure 1",
      printed="black positions can be seen as neurons",
      correct="they are the places where f is evaluated")
words(ARTICLE, "A21", "residual networks",
      printed="they are special convolutional networks; the identity guarantees at least the shallow net's accuracy",
      correct="f is any function; a deeper net can represent the shallow one, which is no guarantee for its training")


@erratum(ARTICLE, "the forward pass",
         printed="the network gives f at the input, and the solver integrates it and adds the initial value",
         correct="f is evaluated anew along the state as it evolves",
         quantity="error of z(1), same problem as A1", apart=1e-6)
def a22() -> tuple[float, float]:
    return abs(Z0 + LAM * Z0 - Z1), abs(float(rn.ODESolve(np.array(Z0), linear, 0.0, 1.0, LAM, **TIGHT)) - Z1)


words(ARTICLE, "A23", "the classifier",
      printed="h(0) is the image, and h(T) the prediction",
      correct="downsampling layers come before, and a linear layer after")


@erratum(ARTICLE, "the backward pass",
         printed="z is needed only where dL/dz(t0) is computed, at t0",
         correct="z(t) is needed on the whole way",
         quantity="error of a(0) for z' = z^2: df/dz at z(0) throughout, and along z(t)", apart=1e-6)
def a24() -> tuple[float, float]:
    z0, z1 = 0.5, 1.0  # z(t) = z0 / (1 - z0 t); dz(1)/dz(0) = (z1 / z0)^2
    _, a0, _ = rn.adjoint(np.array(z1), np.array(1.0), lambda z, t, theta: z * z, 0.0, 1.0, (), **TIGHT)
    return abs(float(np.exp(2 * z0)) - (z1 / z0) ** 2), abs(float(a0) - (z1 / z0) ** 2)


words(ARTICLE, "A25", "passim",
      printed="NeruIPS, MNSIT, OED Solver, Ducenaud, and three slips in Chinese words",
      correct="NeurIPS, MNIST, ODE solver, Duvenaud",
      quantity="slips of the pen")
words(ARTICLE, "A26", "the prize",
      printed="won the best paper award",
      correct="one of four best papers of NeurIPS 2018",
      quantity="history; not checked here")
