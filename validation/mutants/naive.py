"""The test that most libraries begin with: z' = a z, a loss on the end alone, dL/dz0 and dL/da against the closed form.

Run in the tree of a mutant; exit code 0 if it passes. It imports whatever refnode it finds.
"""

import math
import sys

import numpy as np

import refnode as rn


def passes() -> bool:
    """z(1) = z0 e^a, dL/dz0 = e^a, dL/da = z0 e^a, to 1e-5."""
    z0, a = np.array([1.5]), np.array([-0.7])

    def loss(z0: np.ndarray, a: np.ndarray) -> float:
        return rn.odeint(lambda z, t, a: a * z, z0, [0.0, 1.0], a)[-1].sum()

    value, (dz0, da) = rn.value_and_grad(loss, argnums=(0, 1))(z0, a)
    expected = 1.5 * math.exp(-0.7), math.exp(-0.7), 1.5 * math.exp(-0.7)
    return bool(np.allclose([value, dz0[0], da[0]], expected, rtol=1e-5, atol=0))


if __name__ == "__main__":
    sys.exit(0 if passes() else 1)
