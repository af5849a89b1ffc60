"""The equations of a density at a fixed point of space (Appendix A.2), each as the two sides that must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.transforms import pullback
from refnode.flows.traces import exact_trace
from refnode.tree import Tree

Density = Callable[[Any, Any], Any]  # log p(z, t) of one point z (D,)


def liouville(log_p: Density, f: Callable[[Any, Any, Any], Any], z: Any, t: Any, theta: Tree = ()) -> tuple[Any, Any]:
    """The two sides of Liouville's equation at a fixed point z (D,): (dp/dt, -sum_i d(f_i p)/dz_i).

    log_p(z, t): in traceable NumPy, such as lambda z, t: flow.log_prob(theta, z, t1=t).
    Paper: eq. (30). Statement: S50
    """
    p, back = pullback(lambda z, t: np.exp(log_p(z, t)), z, t)
    _, dp_dt = back(np.ones_like(p))
    _, vjp = pullback(lambda z: f(z, t, theta) * np.exp(log_p(z, t)), z, like=z)
    return dp_dt, -exact_trace(vjp, z)


def along_the_trajectory(log_p: Density, f: Callable[[Any, Any, Any], Any], z: Any, t: Any, theta: Tree = ()) -> tuple[Any, Any]:
    """From Liouville's equation to Theorem 1: (dp(z(t), t)/dt, -tr(df/dz) p), the total derivative along the trajectory through z (D,).

        dp(z(t), t)/dt = dp/dz f + dp/dt = dp/dz f - sum_i f_i dp/dz_i - sum_i df_i/dz_i p = -tr(df/dz) p

    Paper: eq. (31), eq. (32). Statement: S51
    Deviation: eq. (31) has one symbol for both derivatives by t, and its third sum lacks dp.
    """
    p, back = pullback(lambda z, t: np.exp(log_p(z, t)), z, t)
    dp_dz, dp_dt = back(np.ones_like(p))
    dz_dt, vjp = pullback(lambda z: f(z, t, theta), z, like=z)
    return dp_dz @ dz_dt + dp_dt, -exact_trace(vjp, z) * p


def fokker_planck(log_p: Density, drift: Callable[[Any, Any], Any], sigma: Any, z: Any, t: Any) -> tuple[Any, Any]:
    """The two sides of the Fokker-Planck equation of dz = drift(z, t) dt + sigma dW at z (D,): (dp/dt, -div(drift p) + sigma^2/2 laplace p).

    Without noise this is Liouville's equation. Paper: App. A.2. Statement: S53
    """
    def current(z: Any) -> Any:
        p, back = pullback(lambda z: np.exp(log_p(z, t)), z)
        return drift(z, t) * p - sigma * sigma / 2 * back(np.ones_like(p))[0]

    p, back = pullback(lambda t: np.exp(log_p(z, t)), t)
    _, vjp = pullback(current, z, like=z)
    return back(np.ones_like(p))[0], -exact_trace(vjp, z)


def probability_flow(drift: Any, sigma: Any, score: Any) -> Any:
    """dz/dt of the deterministic flow with the densities of dz = drift dt + sigma dW: drift - (sigma^2 / 2) score, score = d log p/dz.

    It turns the current of the Fokker-Planck equation into that of Liouville's. Statement: S53
    """
    return drift - sigma * sigma / 2 * score
