"""The same network with float32 inside, in six ways."""

import numpy as np

rng = np.random.default_rng(4)
z0 = rng.normal(size=3)
ts = np.linspace(0.0, 2.0, 5)
theta = [{"W": rng.normal(size=(3, 8)), "b": rng.normal(size=8)}, {"W": rng.normal(size=(8, 3)), "b": rng.normal(size=3)}]


def net(z, t, theta):
    first, second = theta
    return np.tanh(z @ first["W"] + first["b"] + np.cos(t)) @ second["W"] + second["b"]


def weights(z, t, theta):
    return net(z, t, [{**theta[0], "W": theta[0]["W"].astype(np.float32)}, theta[1]])


def everything(z, t, theta):
    return net(z.astype(np.float32), np.float32(t), [{key: x.astype(np.float32) for key, x in layer.items()} for layer in theta])


def result(z, t, theta):
    return net(z, t, theta).astype(np.float32)


def time(z, t, theta):
    return net(z, np.float32(t), theta)


def hidden_layer(z, t, theta):
    """Only the hidden layer, and z takes part in double precision as well."""
    first, second = theta
    h = np.tanh(z @ first["W"] + first["b"] + np.cos(t)).astype(np.float32)
    return h @ second["W"] + second["b"] - 0.5 * z


def one_component(z, t, theta):
    value = net(z, t, theta)
    return np.array([value[0], np.float32(value[1]), value[2]])


def one_number(z, t, theta):
    first, second = theta
    b = second["b"]
    return net(z, t, [first, {**second, "b": np.stack([b[0].astype(np.float32).astype(np.float64), b[1], b[2]])}])


def on_a_grid(z, t, theta):
    return net(np.round(z, 5), t, theta)
