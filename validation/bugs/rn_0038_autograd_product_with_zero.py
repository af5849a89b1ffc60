"""autograd: the gradient of np.prod is NaN where a factor is zero."""

import autograd.numpy as np
from autograd import grad

got = grad(np.prod)(np.array([0.0, 2.0, 3.0]))
got = got.tolist()
expected = [6.0, 0.0, 0.0]  # the product of the others
print("got", got, "expected", expected)
