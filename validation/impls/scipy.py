"""SciPy's solve_ivp: values only."""

from __future__ import annotations

import numpy as np
import scipy
from scipy.integrate import solve_ivp

from ..case import Refused


class RK45:
    """Dormand-Prince 5(4)."""

    name = "scipy.RK45"
    version = scipy.__version__
    capabilities = frozenset({"values", "time:backward", "stats:nfe", "fixed:dopri5"})
    mode = "none"
    interpolates = True
    method = "RK45"

    def run(self, case):
        f = case.dynamics(np)
        span, settings = (case.ts[0], case.ts[-1]), {"rtol": case.rtol, "atol": case.atol}
        if case.method:
            h = abs(case.ts[1] - case.ts[0]) / case.steps
            settings = {"rtol": 1e9, "atol": 1e9, "first_step": h, "max_step": h}  # every step is accepted, none is longer
        if np.any(np.diff(case.ts) == 0) or len(case.ts) == 1:
            raise Refused("solve_ivp takes at least two times, all different")
        solution = solve_ivp(lambda t, z: f(z, t, case.theta), span, case.z0, method=self.method, t_eval=case.ts, **settings)
        if not solution.success:
            raise RuntimeError(solution.message)
        return {"z": solution.y.T, "stats": {"nfe": solution.nfev}}


class DOP853(RK45):
    """Dormand-Prince 8(5,3)."""

    name = "scipy.DOP853"
    capabilities = RK45.capabilities - {"fixed:dopri5"}
    method = "DOP853"


ADAPTERS = [RK45, DOP853]
