"""A network with a hidden state, in seven ways."""

import numpy as np

rng = np.random.default_rng(3)
z0 = np.array([0.6, -0.3, 0.9])
ts = np.linspace(0.0, 2.0, 5)
theta = {"W": rng.normal(size=(3, 3)), "b": rng.normal(size=3)}

calls, scale, noise = 0, 1.0, np.random.default_rng(8)
memory = {"z": None, "value": None}
momentum = np.zeros(3)


def net(z, t, theta):
    return np.tanh(theta["W"] @ z + theta["b"]) + 0.1 * np.sin(t)


def counter(z, t, theta):
    global calls
    calls += 1
    return net(z, t, theta) * (1 + 1e-6 * calls)


def cache(z, t, theta):
    """Recomputes only if z has moved by more than 1e-3."""
    if memory["z"] is None or np.max(np.abs(z - memory["z"])) > 1e-3:
        memory["z"], memory["value"] = z.copy(), net(z, t, theta)
    return memory["value"]


def by_time(z, t, theta, cached={}):  # noqa: B006 (that is the defect)
    if t not in cached:
        cached.clear()
        cached[t] = net(z, t, theta)
    return cached[t]


values = {}


def for_ever(z, t, theta):
    """By time again, and never forgotten: who asks a second time gets the first answer."""
    if t not in values:
        values[t] = net(z, t, theta)
    return values[t]


def by_layer(z, t, theta, kept={}):  # noqa: B006 (that is the defect)
    """Remembers the value for each z, as if f did not depend on t."""
    key = z.tobytes()
    if key not in kept:
        kept[key] = net(z, t, theta)
    return kept[key]


def heavy_ball(z, t, theta):
    global momentum
    momentum = 0.9 * momentum + 0.1 * net(z, t, theta)
    return momentum


def noisy(z, t, theta):
    return net(z, t, theta) + 1e-4 * noise.standard_normal(3)


def old_noise(z, t, theta):
    return net(z, t, theta) * (np.random.random(3) > 0.1)


def annealed(z, t, theta):
    global scale
    scale *= 0.999
    return scale * net(z, t, theta)


seen = {}


def by_identity(z, t, theta):
    """Remembers the hidden layer of the array that it was given last."""
    if seen.get("z") is not z:
        seen["z"], seen["h"] = z, theta["W"] @ z
    return np.tanh(seen["h"] + theta["b"])


class Model:
    def __init__(self):
        self.t_last = 0.0

    def f(self, z, t, theta):
        dt, self.t_last = t - self.t_last, t
        return net(z, t, theta) + 0.01 * dt


method = Model().f

highest, fallen, later = -1e9, False, 0


def running_max(z, t, theta):
    """Saturates: once the end was asked for, it is a function."""
    global highest
    highest = max(highest, t)
    return -z + np.cos(highest)


def hysteresis(z, t, theta):
    """Half as fast after z[0] was below 0.3 for the first time."""
    global fallen
    fallen = fallen or z[0] < 0.3
    return -z * (0.5 if fallen else 1.0)


def after_500_calls(z, t, theta):
    global later
    later += 1
    return -z * (1.1 if later > 500 else 1.0)


warm = 0


def after_five_calls(z, t, theta):
    """Warm before any solve: only the very first answers can tell."""
    global warm
    warm += 1
    return -z * (1.1 if warm > 5 else 1.0)
