"""An honest adapter - Algorithm 2 with SciPy's solver and autograd's pullbacks - and adapters with one deliberate bug each.

For the tests of what a report says of them: refnode validate --alone --impl tests/validation/buggy.py:WrongSign
"""

import autograd
import autograd.numpy as anp
import numpy as np
import scipy
from scipy.integrate import solve_ivp


class Honest:
    """z forward; (z, a, dL/dtheta) backward from observation to observation."""

    name = "honest"
    version = scipy.__version__
    capabilities = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "grad:t"})
    mode = "adjoint"
    interpolates = True
    sign_of_first_time = -1.0

    def run(self, case):
        f, ts, g = case.dynamics(anp), case.ts, case.weights
        zs = self.outputs(case, f)
        answer = {"z": zs}
        if any(key.startswith("dL") for key in case.wants):
            a, dtheta, dt = np.zeros_like(case.z0), np.zeros_like(case.theta), np.zeros(len(ts))
            for i in range(len(ts) - 1, 0, -1):
                dt[i] = g[i] @ f(zs[i], ts[i], case.theta)
                a = self.jump(a, g[i], i, len(ts))
                a, dtheta = self.back(case, f, zs[i], a, dtheta, ts[i], ts[i - 1])
            dt[0] = self.sign_of_first_time * (a @ f(zs[0], ts[0], case.theta))
            answer.update({"dL/dz0": a + g[0], "dL/dtheta": dtheta, "dL/dt": dt})
        return {key: answer[key] for key in case.wants}

    def outputs(self, case, f):
        """z at the output times."""
        return self.solve(case, lambda t, z: f(z, t, case.theta), case.z0, case.ts).T

    def jump(self, a, g, i, n):
        """The adjoint on the far side of observation i of n."""
        return a + g

    def back(self, case, f, z, a, dtheta, t, t_before):
        """a and dL/dtheta at the observation before."""
        D = z.size

        def aug_dynamics(t, s):
            pullback, value = autograd.make_vjp(lambda z, theta: f(z, t, theta), argnum=(0, 1))(s[:D], case.theta)
            da, dg = pullback(-s[D:2 * D])
            return np.concatenate([value, da, dg])

        s = self.solve(case, aug_dynamics, np.concatenate([z, a, dtheta]), [t, t_before])[:, -1]
        return s[D:2 * D], s[2 * D:]

    def solve(self, case, fun, y, ts):
        """The solver: values (D, N) at the times."""
        return solve_ivp(fun, (ts[0], ts[-1]), y, "DOP853", t_eval=ts, rtol=case.rtol, atol=case.atol).y


class WrongSign(Honest):
    """dL/dt0 with the sign of the times after it."""

    name = "wrong sign"
    sign_of_first_time = 1.0


class MissingJump(Honest):
    """The adjoint does not jump by g_i at the observations between the first and the last."""

    name = "missing jump"

    def jump(self, a, g, i, n):
        return a + g if i == n - 1 else a


class LinearOutputs(Honest):
    """Outputs on the straight lines between ten points of the solution."""

    name = "linear outputs"

    def outputs(self, case, f):
        coarse = np.linspace(case.ts[0], case.ts[-1], 10)
        zs = self.solve(case, lambda t, z: f(z, t, case.theta), case.z0, coarse)
        order = np.argsort(coarse)
        return np.array([np.interp(case.ts, coarse[order], z[order]) for z in zs]).T


class ToleranceIgnored(Honest):
    """The solver is called with its own default tolerances."""

    name = "tolerance ignored"

    def solve(self, case, fun, y, ts):
        return solve_ivp(fun, (ts[0], ts[-1]), y, "DOP853", t_eval=ts).y
