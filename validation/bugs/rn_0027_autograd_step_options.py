"""autograd: odeint hands h0 on to the backward solve, where it has the wrong sign; the gradient is garbage."""

import autograd.numpy as np
from autograd import grad
from autograd.scipy.integrate import odeint

f = lambda y, t, a: -a[0] * y
loss = lambda y0: np.sum(odeint(f, y0, np.array([0.0, 1.0]), (np.array([1.0]),), h0=0.01))
got = grad(loss)(np.array([1.0]))[0]
expected = 1 + np.exp(-1.0)  # y(t) = y0 exp(-t)
print("got", got, "expected", expected)
