"""autograd: odeint without args, which SciPy allows, fails in the backward pass."""

import autograd.numpy as np
from autograd import grad
from autograd.scipy.integrate import odeint

f = lambda y, t: -y
loss = lambda y0: np.sum(odeint(f, y0, np.array([0.0, 1.0])))
try:
    got = grad(loss)(np.array([1.0]))[0]
except TypeError as error:
    got = f"TypeError: {error}"
expected = 1 + np.exp(-1.0)  # y(t) = y0 exp(-t)
print("got", got, "expected", expected)
