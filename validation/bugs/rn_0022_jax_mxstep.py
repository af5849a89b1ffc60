"""jax.experimental.ode: when mxstep is reached, odeint extrapolates the last step and says nothing."""

import jax
import numpy as np
from jax.experimental.ode import odeint

jax.config.update("jax_enable_x64", True)
y = odeint(lambda y, t: y, np.array(1.0), np.array([0.0, 20.0]), mxstep=10)
got = y[-1].item()
expected = np.exp(20.0)  # y(t) = exp(t)
print("got", got, "expected", expected)
