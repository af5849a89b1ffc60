"""jax.experimental.ode: with a repeated output time the values are right and the gradients NaN."""

import jax
import numpy as np
from jax.experimental.ode import odeint

jax.config.update("jax_enable_x64", True)
loss = lambda y0: odeint(lambda y, t: -y, y0, np.array([0.0, 0.5, 0.5])).sum()
got = [loss(1.0).item(), jax.grad(loss)(1.0).item()]
expected = [1 + 2 * np.exp(-0.5), 1 + 2 * np.exp(-0.5)]  # y(t) = y0 exp(-t)
print("got", got, "expected", expected)
