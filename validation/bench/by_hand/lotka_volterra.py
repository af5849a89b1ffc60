"""Lotka-Volterra by hand: dopri5 and its exact reverse, written out in Python's own floats.

For two unknowns an array is a detour: one NumPy call costs as much as ten multiplications of floats. The formulas are those of discrete.py.

    dx/dt = alpha x - beta x y,   dy/dt = delta x y - gamma y
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..workloads import Workload
from .dopri5 import A, E, P

_, (A21,), (A31, A32), (A41, A42, A43), (A51, A52, A53, A54), (A61, A62, A63, A64, A65), (A71, _, A73, A74, A75, A76) = A
E1, _, E3, E4, E5, E6, E7 = E
P1, _, P3, P4, P5, P6, P7 = P


class Step(NamedTuple):
    """An accepted step: its size, the observations zs[first:end] inside of it with their weights, and the states of its stages 2 to 7."""

    h: float
    first: int
    end: int
    weights: list[tuple[float, ...]]
    states: tuple[float, ...]  # x2, y2, ..., x7, y7


class Discrete:
    """The gradient of a workload: call it."""

    def __init__(self, workload: Workload):
        self.workload = workload

    def __call__(self) -> list[np.ndarray]:
        workload = self.workload
        zs, steps = forward(*workload.z0.tolist(), workload.ts.tolist(), *workload.theta.tolist(), workload.rtol, workload.atol)
        g = [(2 * x, 2 * y) for x, y in zs]  # the loss is the sum of the squares
        dLdz0, dLdtheta = reverse(*zs[0], steps, g, *workload.theta.tolist())
        return [np.array(dLdz0), np.array(dLdtheta)]


def forward(x: float, y: float, ts: list[float], alpha: float, beta: float, gamma: float, delta: float,
            rtol: float, atol: float) -> tuple[list[tuple[float, float]], list[Step]]:
    """The states at the times ts, and the steps."""
    t, t_end, zs, steps = ts[0], ts[-1], [(x, y)], []
    k1, l1 = alpha * x - beta * x * y, delta * x * y - gamma * y  # dx/dt, dy/dt
    size = first_size(x, y, k1, l1, t_end - t, alpha, beta, gamma, delta, rtol, atol)
    first, rejected = 1, False
    while t < t_end:
        h = min(size, t_end - t)
        x2, y2 = x + h * (A21 * k1), y + h * (A21 * l1)
        k2, l2 = alpha * x2 - beta * x2 * y2, delta * x2 * y2 - gamma * y2
        x3, y3 = x + h * (A31 * k1 + A32 * k2), y + h * (A31 * l1 + A32 * l2)
        k3, l3 = alpha * x3 - beta * x3 * y3, delta * x3 * y3 - gamma * y3
        x4, y4 = x + h * (A41 * k1 + A42 * k2 + A43 * k3), y + h * (A41 * l1 + A42 * l2 + A43 * l3)
        k4, l4 = alpha * x4 - beta * x4 * y4, delta * x4 * y4 - gamma * y4
        x5, y5 = x + h * (A51 * k1 + A52 * k2 + A53 * k3 + A54 * k4), y + h * (A51 * l1 + A52 * l2 + A53 * l3 + A54 * l4)
        k5, l5 = alpha * x5 - beta * x5 * y5, delta * x5 * y5 - gamma * y5
        x6 = x + h * (A61 * k1 + A62 * k2 + A63 * k3 + A64 * k4 + A65 * k5)
        y6 = y + h * (A61 * l1 + A62 * l2 + A63 * l3 + A64 * l4 + A65 * l5)
        k6, l6 = alpha * x6 - beta * x6 * y6, delta * x6 * y6 - gamma * y6
        x7 = x + h * (A71 * k1 + A73 * k3 + A74 * k4 + A75 * k5 + A76 * k6)
        y7 = y + h * (A71 * l1 + A73 * l3 + A74 * l4 + A75 * l5 + A76 * l6)
        k7, l7 = alpha * x7 - beta * x7 * y7, delta * x7 * y7 - gamma * y7
        ratio = math.hypot(h * (E1 * k1 + E3 * k3 + E4 * k4 + E5 * k5 + E6 * k6 + E7 * k7) / (atol + rtol * max(abs(x), abs(x7))),
                           h * (E1 * l1 + E3 * l3 + E4 * l4 + E5 * l5 + E6 * l6 + E7 * l7) / (atol + rtol * max(abs(y), abs(y7)))) / 2**0.5
        if not ratio < 1:
            size, rejected = h * (max(0.2, 0.9 * ratio**-0.2) if math.isfinite(ratio) else 0.2), True
            if size < 1e-14:
                raise RuntimeError(f"the step size became {size:.1e} at t = {t:.6g}.")
            continue
        size = h * min(1.0 if rejected else 10.0, max(0.2, 0.9 * ratio**-0.2) if ratio else 10.0)
        t1 = t_end if h == t_end - t else t + h
        end, weights = first, []
        while end < len(ts) and ts[end] <= t1:
            w1, w3, w4, w5, w6, w7 = w = interpolant((ts[end] - t) / h, h)
            zs.append((x + w1 * k1 + w3 * k3 + w4 * k4 + w5 * k5 + w6 * k6 + w7 * k7,
                       y + w1 * l1 + w3 * l3 + w4 * l4 + w5 * l5 + w6 * l6 + w7 * l7))
            weights.append(w)
            end += 1
        steps.append(Step(h, first, end, weights, (x2, y2, x3, y3, x4, y4, x5, y5, x6, y6, x7, y7)))
        t, x, y, k1, l1, first, rejected = t1, x7, y7, k7, l7, end, False
    return zs, steps


def reverse(x: float, y: float, steps: list[Step], g: list[tuple[float, float]], alpha: float, beta: float, gamma: float,
            delta: float) -> tuple[list[float], list[float]]:
    """dL/dz0 and dL/dtheta from g = dL/dz(t_i). k_, l_: cotangents of the stages, x_, y_: of their states."""
    a = b = k1_ = l1_ = alpha_ = beta_ = gamma_ = delta_ = 0.0
    for h, first, end, weights, (x2, y2, x3, y3, x4, y4, x5, y5, x6, y6, x7, y7) in reversed(steps):
        k7_, l7_ = k1_, l1_
        k1_ = l1_ = k3_ = l3_ = k4_ = l4_ = k5_ = l5_ = k6_ = l6_ = 0.0
        a0 = b0 = 0.0
        for (w1, w3, w4, w5, w6, w7), (p, q) in zip(weights, g[first:end]):  # noqa: B905 (strict costs time here)
            k1_ += w1 * p
            l1_ += w1 * q
            k3_ += w3 * p
            l3_ += w3 * q
            k4_ += w4 * p
            l4_ += w4 * q
            k5_ += w5 * p
            l5_ += w5 * q
            k6_ += w6 * p
            l6_ += w6 * q
            k7_ += w7 * p
            l7_ += w7 * q
            a0 += p
            b0 += q
        m7 = delta * l7_ - beta * k7_
        x7_, y7_ = a + alpha * k7_ + m7 * y7, b + m7 * x7 - gamma * l7_  # Y_7 = z1
        hx, hy = h * x7_, h * y7_
        k6_, l6_ = k6_ + A76 * hx, l6_ + A76 * hy
        m6 = delta * l6_ - beta * k6_
        x6_, y6_ = alpha * k6_ + m6 * y6, m6 * x6 - gamma * l6_
        ix, iy = h * x6_, h * y6_
        k5_, l5_ = k5_ + A75 * hx + A65 * ix, l5_ + A75 * hy + A65 * iy
        m5 = delta * l5_ - beta * k5_
        x5_, y5_ = alpha * k5_ + m5 * y5, m5 * x5 - gamma * l5_
        jx, jy = h * x5_, h * y5_
        k4_, l4_ = k4_ + A74 * hx + A64 * ix + A54 * jx, l4_ + A74 * hy + A64 * iy + A54 * jy
        m4 = delta * l4_ - beta * k4_
        x4_, y4_ = alpha * k4_ + m4 * y4, m4 * x4 - gamma * l4_
        ux, uy = h * x4_, h * y4_
        k3_, l3_ = k3_ + A73 * hx + A63 * ix + A53 * jx + A43 * ux, l3_ + A73 * hy + A63 * iy + A53 * jy + A43 * uy
        m3 = delta * l3_ - beta * k3_
        x3_, y3_ = alpha * k3_ + m3 * y3, m3 * x3 - gamma * l3_
        vx, vy = h * x3_, h * y3_
        k2_, l2_ = A62 * ix + A52 * jx + A42 * ux + A32 * vx, A62 * iy + A52 * jy + A42 * uy + A32 * vy
        m2 = delta * l2_ - beta * k2_
        x2_, y2_ = alpha * k2_ + m2 * y2, m2 * x2 - gamma * l2_
        wx, wy = h * x2_, h * y2_
        k1_ += A71 * hx + A61 * ix + A51 * jx + A41 * ux + A31 * vx + A21 * wx
        l1_ += A71 * hy + A61 * iy + A51 * jy + A41 * uy + A31 * vy + A21 * wy
        a, b = a0 + x7_ + x6_ + x5_ + x4_ + x3_ + x2_, b0 + y7_ + y6_ + y5_ + y4_ + y3_ + y2_
        alpha_ += k7_ * x7 + k6_ * x6 + k5_ * x5 + k4_ * x4 + k3_ * x3 + k2_ * x2
        gamma_ -= l7_ * y7 + l6_ * y6 + l5_ * y5 + l4_ * y4 + l3_ * y3 + l2_ * y2
        xy7, xy6, xy5, xy4, xy3, xy2 = x7 * y7, x6 * y6, x5 * y5, x4 * y4, x3 * y3, x2 * y2
        beta_ -= k7_ * xy7 + k6_ * xy6 + k5_ * xy5 + k4_ * xy4 + k3_ * xy3 + k2_ * xy2
        delta_ += l7_ * xy7 + l6_ * xy6 + l5_ * xy5 + l4_ * xy4 + l3_ * xy3 + l2_ * xy2
    m1 = delta * l1_ - beta * k1_  # the very first stage, at z0
    a, b = a + g[0][0] + alpha * k1_ + m1 * y, b + g[0][1] + m1 * x - gamma * l1_
    return [a, b], [alpha_ + k1_ * x, beta_ - k1_ * x * y, gamma_ - l1_ * y, delta_ + l1_ * x * y]


def interpolant(s: float, h: float) -> tuple[float, float, float, float, float, float]:
    """h b_i(s) for the stages 1 and 3 to 7."""
    r = s * h
    return (r * (P1[0] + s * (P1[1] + s * (P1[2] + s * P1[3]))), r * (P3[0] + s * (P3[1] + s * (P3[2] + s * P3[3]))),
            r * (P4[0] + s * (P4[1] + s * (P4[2] + s * P4[3]))), r * (P5[0] + s * (P5[1] + s * (P5[2] + s * P5[3]))),
            r * (P6[0] + s * (P6[1] + s * (P6[2] + s * P6[3]))), r * (P7[0] + s * (P7[1] + s * (P7[2] + s * P7[3]))))


def first_size(x: float, y: float, k: float, m: float, length: float, alpha: float, beta: float, gamma: float, delta: float,
               rtol: float, atol: float) -> float:
    """HNW II.4: the size of the first step."""
    sx, sy = atol + rtol * abs(x), atol + rtol * abs(y)
    d0, d1 = math.hypot(x / sx, y / sy) / 2**0.5, math.hypot(k / sx, m / sy) / 2**0.5
    h0 = min(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, length)
    x, y = x + h0 * k, y + h0 * m
    k2, m2 = alpha * x - beta * x * y, delta * x * y - gamma * y
    largest = max(d1, math.hypot((k2 - k) / sx, (m2 - m) / sy) / 2**0.5 / h0)
    h1 = max(1e-6, h0 * 1e-3) if largest <= 1e-15 else (0.01 / largest) ** 0.2
    return min(100 * h0, h1, length)
