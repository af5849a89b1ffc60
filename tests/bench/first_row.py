"""What the gradient of a small neural ODE costs: python tests/bench/first_row.py (one thread; compares with torchdiffeq where it is installed).

The work: the gradient by (z0, theta) of a sum of squares over 10 observation times through dopri5, rtol 1e-6, atol 1e-8, float64, for
f(z) = tanh((z*z*z) W1 + b1) W2 + b2 with a state of 20 x 2 and 50 hidden units. Implementations take turns; medians; read the ratios.
Beside it: f + vjp against a hand-written NumPy version, and the time of `import refnode` against `import numpy`.
"""

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is imported

import numpy as np  # noqa: E402

import refnode as rn  # noqa: E402

RTOL, ATOL = 1e-6, 1e-8


def f(z, t, theta):
    (W1, b1), (W2, b2) = theta
    return np.tanh((z * z * z) @ W1 + b1) @ W2 + b2


def problem(D=2, B=20, H=50, seed=0):
    rng = np.random.default_rng(seed)
    theta = ((rng.normal(size=(D, H)) * 0.3, np.zeros(H)), (rng.normal(size=(H, D)) * 0.3, np.zeros(D)))
    return rng.normal(size=(B, D)), np.linspace(0.0, 1.0, 10), theta


def by_refnode(z0, ts, theta, rtol=RTOL, atol=ATOL):
    def loss(z0, theta):
        zs = rn.odeint(f, z0, ts, theta, rtol=rtol, atol=atol)
        return np.sum(zs * zs)

    dz0, ((dW1, db1), (dW2, db2)) = rn.grad(loss, (0, 1))(z0, theta)
    return [dz0, dW1, db1, dW2, db2]


def by_torchdiffeq(z0, ts, theta):
    import torch
    from torchdiffeq import odeint_adjoint

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)

    class Dynamics(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.p = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(leaf)) for layer in theta for leaf in layer])

        def forward(self, t, z):
            return torch.tanh((z * z * z) @ self.p[0] + self.p[1]) @ self.p[2] + self.p[3]

    dynamics, times = Dynamics(), torch.tensor(ts)

    def gradient():
        dynamics.zero_grad()
        z = torch.tensor(z0, requires_grad=True)
        zs = odeint_adjoint(dynamics, z, times, rtol=RTOL, atol=ATOL, method="dopri5")
        (zs * zs).sum().backward()
        return [z.grad.numpy(), *(p.grad.numpy().copy() for p in dynamics.p)]

    return gradient


def by_hand(z, theta, g):
    """f and the cotangents of z and theta, as one would write them."""
    (W1, b1), (W2, b2) = theta
    zz = z * z
    u = zz * z
    h = np.tanh(u @ W1 + b1)
    value = h @ W2 + b2
    h_bar = (g @ W2.T) * (1 - h * h)
    return value, (h_bar @ W1.T) * (3 * zz), ((u.T @ h_bar, h_bar.sum(0)), (h.T @ g, g.sum(0)))


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def medians(functions, rounds):
    for function in functions:
        function()
    rows = [[timed(function) for function in functions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*rows, strict=True)]


def main():
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, refnode {rn.__version__}, load average {os.getloadavg()[0]:.2f}")
    z0, ts, theta = problem()
    reference = by_refnode(z0, ts, theta, rtol=1e-11, atol=1e-13)

    def error(gradient):
        return max(np.abs(x - y).max() / np.abs(y).max() for x, y in zip(gradient, reference, strict=True))

    names, functions = ["refnode adjoint"], [lambda: by_refnode(z0, ts, theta)]
    try:
        functions.append(by_torchdiffeq(z0, ts, theta))
        names.append(f"torchdiffeq {importlib.metadata.version('torchdiffeq')} adjoint")
    except ModuleNotFoundError as missing:
        print(f"(torchdiffeq is left out: {missing.name} is not installed)")
    times = medians(functions, 15)
    for name, seconds, function in zip(names, times, functions, strict=True):
        print(f"{name:28} {1e3 * seconds:7.1f} ms   relative error of the gradient {error(function()):.1e}")
    if len(times) == 2:
        print(f"{'ratio':28} {times[1] / times[0]:7.2f}")

    for B in (20, 512):
        z, _, theta = problem(B=B)
        g = np.ones_like(z)

        def many(function):
            return lambda: [function() for _ in range(50)]

        by_engine = many(lambda z=z, g=g, theta=theta: rn.pullback(f, z, 0.0, theta)[1](g))
        engine, hand = medians([by_engine, many(lambda z=z, g=g, theta=theta: by_hand(z, theta, g))], 15)
        print(f"f + vjp of 2-50-2, batch {B:4}   engine {engine / 50e-6:6.0f} us, by hand {hand / 50e-6:6.0f} us, ratio {engine / hand:.2f}")

    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}

    def importing(module):
        return lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True, env=environment)

    ours, numpys = medians([importing("refnode"), importing("numpy")], 15)
    print(f"import refnode {1e3 * ours:.0f} ms, import numpy {1e3 * numpys:.0f} ms, ratio {ours / numpys:.2f}")


if __name__ == "__main__":
    main()
