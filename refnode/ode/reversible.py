"""Methods of order 2 whose steps can be taken back: each step is a bijection of the state together with what the method carries along.

A step from (z, memory) at t to (z1, memory1) at t1 has the step from t1 to t for its inverse, up to rounding errors: no state need be stored
to run a solve backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refnode.ode.runge_kutta import Evaluate
from refnode.tree import Raveler, check_same_structure, is_container, leaves


class Alf:
    """The asynchronous leapfrog method: the pair (z, v), where v stands for dz/dt.

        z' = z + (h/2) v,   u = f(z', t + h/2),   v1 = 2 u - v,   z1 = z' + (h/2) v1

    One evaluation a step; v(t0) = f(z0, t0). error: against Euler's step, z1 - (z + h v) = (h/2) (v1 - v). Where f contracts like exp(-c t), a part
    of v that changes its sign with each step grows like exp(c t) and makes the steps ever shorter (with fixed steps nothing tells): not for solutions
    that decay long.
    Mutze 2013 (arXiv 1311.6602); Zhuang et al. 2021 (MALI, arXiv 2102.04668), without damping.
    Statement: E5
    """

    p, error_order = 2, 2

    def __init__(self, z: np.ndarray, way: Raveler):
        self.v, self.v1, self.u = (np.empty_like(z) for _ in range(3))
        self.memory = [self.v1]

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        f(z, t, self.v)
        return self.v

    def try_step(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        h = t1 - t
        middle = z + h / 2 * self.v
        f(middle, t + h / 2, self.u)
        self.v1[:] = 2 * self.u - self.v
        return middle + h / 2 * self.v1, self.error(h)

    def error(self, h: float) -> np.ndarray:
        return h / 2 * (self.v1 - self.v)

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> ParabolaStep:
        return ParabolaStep(t, t1, z, z1, self.v, f)

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        self.v[:] = self.v1


class ReversibleHeun:
    """Heun's method with the predictor carried along: the pair (z, w) and f at w.

        w1 = 2 z - w + h f(w, t),   z1 = z + (h/2) (f(w, t) + f(w1, t1))

    One evaluation a step; w(t0) = z0. error: against Euler's step, e = (h/2) (f(w1, t1) - f(w, t)), or z1 (|w1 - z1| / |z1|)^2 where that is larger:
    w1 - z1 = -(w - z) - e is about e/2 in size, until a part of it that changes its sign with each step takes over. Where f contracts like exp(-c t),
    that part grows like exp(c t), and its square does not cancel: the solve then fails, and no smaller step helps (with fixed steps nothing tells).
    Not for solutions that decay for long.
    Kidger, Foster, Li, Lyons 2021 (arXiv 2105.13493)
    Statement: E6
    """

    p, error_order = 2, 2

    def __init__(self, z: np.ndarray, way: Raveler):
        self.w, self.k, self.w1, self.k1 = (np.empty_like(z) for _ in range(4))
        self.memory = [self.w1, self.k1]

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        self.w[:] = z
        f(z, t, self.k)
        return self.k

    def try_step(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        h = t1 - t
        self.w1[:] = 2 * z - self.w + h * self.k
        f(self.w1, t1, self.k1)
        z1 = z + h / 2 * (self.k + self.k1)
        stray = np.abs(self.w1 - z1).max(initial=0.0) / (np.abs(z1).max(initial=0.0) or 1.0)
        return z1, np.maximum(np.abs(self.error(h)), stray * stray * np.abs(z1))

    def error(self, h: float) -> np.ndarray:
        return h / 2 * (self.k1 - self.k)

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> ParabolaStep:
        return ParabolaStep(t, t1, z, z1, self.k, f)

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        self.w[:], self.k[:] = self.w1, self.k1


class Leapfrog:
    """The Stoermer-Verlet method for z = (q, p), dq/dt = v(p, t), dp/dt = g(q, t): kick, drift, kick. Symplectic where the equations are.

        p' = p + (h/2) g(q, t),   q1 = q + h v(p', t + h/2),   p1 = p' + (h/2) g(q1, t1)

    f returns (v, g). That v does not depend on q nor g on p is checked at the start, on one pair of states. No error estimate: steps whose
    size varies would not be symplectic. Two evaluations a step, and one more for a step that is read off inside.
    Hairer, Lubich, Wanner, Geometric Numerical Integration, I.1.4 and VI.3
    """

    p, error_order = 2, None

    def __init__(self, z: np.ndarray, way: Raveler):
        tree = way.tree
        if not isinstance(tree, (tuple, list)) or len(tree) != 2:
            raise ValueError(f"leapfrog is for a state z = (q, p), a tuple of two arrays or of two trees, not a {type(tree).__name__}; for two "
                             "numbers write (np.array(q), np.array(p)).")
        q, p = tree
        if is_container(q):
            check_same_structure(q, p)
        if [leaf.shape for leaf in leaves(q)] != [leaf.shape for leaf in leaves(p)]:
            raise ValueError(f"leapfrog is for a state z = (q, p) with q like p, not the shapes {[leaf.shape for leaf in leaves(q)]} and "
                             f"{[leaf.shape for leaf in leaves(p)]}.")
        self.n = z.size // 2
        self.k, self.k1, self.drift = (np.empty_like(z) for _ in range(3))
        self.memory = [self.k1]

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        """f at the start, and whether f has the form that the method needs: q and p are exchanged for states nearby, one after the other."""
        n = self.n
        f(z, t, self.k)
        for part, name, rule in ((slice(None, n), "q", "dq/dt may depend on p and t alone"),
                                 (slice(n, None), "p", "dp/dt may depend on q and t alone")):
            nearby = z.copy()
            nearby[part] = nearby[part] * 1.0009765625 + 2**-10
            f(nearby, t, self.k1)
            if np.all(np.isfinite(self.k1)) and not np.array_equal(self.k1[part], self.k[part]):
                raise ValueError(f"leapfrog is for dq/dt = v(p, t), dp/dt = g(q, t), but d{name}/dt changes with {name}: {rule}.")
        return self.k

    def try_step(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, None]:
        h, n = t1 - t, self.n
        z1 = z.copy()
        z1[n:] += h / 2 * self.k[n:]
        f(z1, t + h / 2, self.drift)
        z1[:n] += h * self.drift[:n]
        f(z1, t1, self.k1)
        z1[n:] += h / 2 * self.k1[n:]
        return z1, None

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> ParabolaStep:
        return ParabolaStep(t, t1, z, z1, None, f)

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        self.k[:] = self.k1


@dataclass(slots=True)
class ParabolaStep:
    """An accepted step from (t, z) to (t1, z1), and the parabola through both with the slope v at t (f there, if v is None): order 2."""

    t: float
    t1: float
    z: np.ndarray
    z1: np.ndarray
    v: np.ndarray | None
    f: Evaluate

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """The states at times (m,) inside the step, as (m, n); at its ends the states themselves."""
        at_end = times == self.t1
        if np.all(at_end):  # the interpolant may cost evaluations of its own
            return np.tile(self.z1, (len(times), 1))
        h = self.t1 - self.t
        x = ((times - self.t) / h)[:, None]
        hv = h * self.slope()
        z = self.z + x * (hv + x * (self.z1 - self.z - hv))
        z[at_end] = self.z1
        return z.astype(self.z.dtype, copy=False)

    def slope(self) -> np.ndarray:
        if self.v is None:
            self.v = np.empty_like(self.z)
            self.f(self.z, self.t, self.v)
        return self.v

    def keep(self) -> None:
        """What the next step would overwrite is copied."""
        self.v = self.slope().copy()
