"""tanh(W z) cos(w t), with its own pullback, right and in six wrong ways."""

import numpy as np

rng = np.random.default_rng(5)
z0 = np.array([0.6, -0.3, 0.9])
ts = np.linspace(0.0, 2.0, 5)
theta = [{"W": rng.normal(size=(3, 3))}, 1.3]


def value(z, t, theta):
    return np.tanh(theta[0]["W"] @ z) * np.cos(theta[1] * t)


def dynamics(change):
    """The function with its pullback, whose three cotangents are changed."""

    def f(z, t, theta):
        return value(z, t, theta)

    def pullback(z, t, theta):
        W, w = theta[0]["W"], theta[1]
        h = np.tanh(W @ z)

        def back(g):
            inner = g * np.cos(w * t) * (1 - h * h)
            by_clock = -np.sum(g * h) * np.sin(w * t)
            return change(W.T @ inner, by_clock * w, np.outer(inner, z), by_clock * t, W @ inner)

        return h * np.cos(w * t), back

    f.pullback = pullback
    return f


right = dynamics(lambda dz, dt, dW, dw, other: (dz, dt, [{"W": dW}, dw]))
sign = dynamics(lambda dz, dt, dW, dw, other: (-dz, dt, [{"W": dW}, dw]))
factor = dynamics(lambda dz, dt, dW, dw, other: (dz, dt, [{"W": 2 * dW}, dw]))
no_dt = dynamics(lambda dz, dt, dW, dw, other: (dz, 0.0 * dt, [{"W": dW}, dw]))
transposed = dynamics(lambda dz, dt, dW, dw, other: (dz, dt, [{"W": dW.T}, dw]))
not_transposed = dynamics(lambda dz, dt, dW, dw, other: (other, dt, [{"W": dW}, dw]))
one_percent = dynamics(lambda dz, dt, dW, dw, other: (dz, dt, [{"W": dW}, 1.01 * dw]))
ten_ppm = dynamics(lambda dz, dt, dW, dw, other: (dz, dt * (1 + 1e-5), [{"W": dW}, dw]))
not_linear = dynamics(lambda dz, dt, dW, dw, other: (dz * (1 + 0.01 * abs(dt)), dt, [{"W": dW}, dw]))
no_tuple = dynamics(lambda dz, dt, dW, dw, other: dz)
wrong_shape = dynamics(lambda dz, dt, dW, dw, other: (dz, dt, [{"W": dW[0]}, dw]))
