"""SciPy's solve_ivp: values only."""

from __future__ import annotations

import numpy as np
import scipy
from scipy.integrate import solve_ivp


class RK45:
    """Dormand-Prince 5(4)."""

    name = "scipy.RK45"
    version = scipy.__version__
    capabilities = frozenset({"values", "time:backward", "stats:nfe"})
    mode = "none"
    interpolates = True
    method = "RK45"

    def run(self, case):
        f = case.dynamics(np)
        span = (case.ts[0], case.ts[-1])
        solution = solve_ivp(
            lambda t, z: f(z, t, case.theta), span, case.z0, method=self.method, t_eval=case.ts, rtol=case.rtol, atol=case.atol
        )
        if not solution.success:
            raise RuntimeError(solution.message)
        return {"z": solution.y.T, "stats": {"nfe": solution.nfev}}


class DOP853(RK45):
    """Dormand-Prince 8(5,3)."""

    name = "scipy.DOP853"
    method = "DOP853"


ADAPTERS = [RK45, DOP853]
