"""jax.experimental.ode: one trial step that gives NaN ends the solve, and odeint extrapolates the last accepted step."""

import jax
import numpy as np
from jax.experimental.ode import odeint

jax.config.update("jax_enable_x64", True)
f = lambda y, t: y + 0 * jax.numpy.sqrt(20 - y)  # NaN where a trial stage leaves y <= 20
y = odeint(f, np.array(1.0), np.array([0.0, np.log(19.9)]), rtol=1e-4, atol=1e-4)
got = y[-1].item()
expected = 19.9  # y(t) = exp(t)
print("got", got, "expected", expected)
