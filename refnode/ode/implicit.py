"""Adaptive steps of implicit one-step methods, and the simplified Newton method that solves their equations. For stiff equations.

The Jacobian J is evaluated only where Newton's method has become slow; the factors of the matrices belong to J and h, and serve as long as both
stay: a new size less than 20 % larger is not taken. HW (Hairer and Wanner, Solving Ordinary Differential Equations II) IV.8
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csc_array, issparse

from refnode.errors import NonFiniteDynamics, StepSizeUnderflow
from refnode.ode.control import MAX_FACTOR, MIN_FACTOR, SAFETY, Control, error_ratio, max_norm
from refnode.ode.jacobian import Jacobian, Matrix, NotFinite, Singular, Solve
from refnode.ode.runge_kutta import Evaluate
from refnode.ode.solution import SolveStats
from refnode.ode.stepping import MAX_NOT_FINITE, Failure, Step, Steps, initial_step, spacing, towards, underflow

NEWTON_ITERATIONS = 6
ROUNDOFF_ITERATIONS = 50
HOLD = 1.2  # a step that may not grow by more than this keeps its size, and its factors
SLOW = 1e-3  # Newton's method with more than two iterations and a larger rate asks for a new J
MAX_FAILURES = 40  # of Newton's method in a row, each of which shortens the step to a tenth: near t = 0 the time axis has no smallest step
NO_STEP = (math.nan, math.nan)

Increment = Callable[[np.ndarray], np.ndarray]


class NotSolved(Exception):
    """Newton's method does not converge (ratio: infinity), or f is not finite (NaN): the step is too long."""

    def __init__(self, ratio: float):
        self.ratio = ratio


def newton(increment: Increment, x: np.ndarray, size: Callable[[np.ndarray], float], tolerance: float, roundoff: float) -> tuple[int, float]:
    """x <- x + increment(x) until the remaining error, rate / (1 - rate) |increment|, is below the tolerance. Returns (iterations, rate).

    Increments below roundoff are rounding errors, whose rate says nothing: they end it, too.
    Given up as soon as that would not be reached in time, at the rate seen. x is changed in place. HW: IV.8 (8.10), (8.11)
    """
    before = rate = 0.0
    for m in range(NEWTON_ITERATIONS):
        dx = increment(x)
        norm = size(dx)
        if not math.isfinite(norm):
            raise NotSolved(math.nan)
        if m:
            rate = norm / before
            if rate >= 1 or rate ** (NEWTON_ITERATIONS - m) / (1 - rate) * norm > tolerance:
                break
        x += dx
        if norm <= roundoff or (m and rate / (1 - rate) * norm < tolerance):
            return m + 1, rate
        before = norm
    raise NotSolved(math.inf)


def newton_to_roundoff(increment: Increment, x: np.ndarray, size: Callable[[np.ndarray], float], eps: float) -> tuple[int, float]:
    """The same until the increments, in units of the solution, are nothing but rounding errors: below eps, or small and no longer decreasing."""
    before = math.inf
    for m in range(ROUNDOFF_ITERATIONS):
        dx = increment(x)
        norm = size(dx)
        if not math.isfinite(norm):
            raise NotSolved(math.nan)
        if norm >= before and before < math.sqrt(eps):
            return m + 1, 0.0
        x += dx
        if norm < eps / 8:
            return m + 1, 0.0
        before = norm
    raise NotSolved(math.inf)


def predicted_factor(ratio: float, k: int, h: float, before: tuple[float, ...]) -> float:
    """h_{n+1} / h_n = r_n^(-1/k) min(1, h_n / h_{n-1} (r_{n-1} / r_n)^(1/k)), which expects the error constant to go on changing as it did.

    before: (h_{n-1}, r_{n-1}) of the accepted step before, or NaN. Gustafsson 1994 (ACM TOMS 20). HW: IV.8 (8.25)
    """
    if ratio == 0:
        return math.inf
    h_before, ratio_before = before
    trend = h / h_before * (ratio_before / ratio) ** (1 / k)
    return ratio ** (-1 / k) * (trend if trend < 1 else 1.0)


class ImplicitMethod:
    """An implicit method at work: J, the factors, and what Newton's method has told about both.

    control: the tolerances that Newton's method serves; without it (fixed steps) the equations are solved to rounding errors, with a J of
    each step's own, so that a step depends on nothing but its start and size.
    """

    p: int
    error_order: int

    def __init__(self, z: np.ndarray, jac: Jacobian, control: Control | None):
        self.jac, self.control, self.eps = jac, control, float(np.finfo(z.dtype).eps)
        self.memory = [*jac.memory]
        self.renewals = 6 if control is None and jac.memory else 1  # differences get better: each time their steps may grow tenfold
        self.forget()
        if control is not None:
            accuracy = float(np.max(control.rtol)) or float(np.max(control.atol))
            self.tolerance = max(10 * self.eps / accuracy, min(0.03, accuracy**0.5))  # in units of the tolerance; not below rounding errors

    def forget(self) -> None:
        self.J: Matrix | None = None
        self.factors: tuple[Solve, ...] = ()
        self.h_factors = math.nan
        self.fresh = 0  # how many J were found in this step
        self.iterations, self.rate = 0, 0.0

    def go_on(self, f: Evaluate, z: np.ndarray, t: float) -> None:
        """The next step begins; if Newton's method was slow, with a new J."""
        self.fresh = 0
        if self.slow or self.control is None:
            self.J = None

    @property
    def slow(self) -> bool:
        return not self.jac.constant and self.iterations > 2 and self.rate > SLOW

    @property
    def safety(self) -> float:
        """The more iterations a step took, the smaller the next one. HW: IV.8 (8.21)"""
        return SAFETY * (2 * NEWTON_ITERATIONS + 1) / (2 * NEWTON_ITERATIONS + self.iterations)

    def try_step(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        """z(t1) and the error estimate, for fixed steps."""
        try:
            return self.attempt(f, z, t, t1)
        except NotSolved as failed:
            if math.isnan(failed.ratio):
                raise Failure(NonFiniteDynamics, f"f or its Jacobian is not finite in the step from t = {t} to {t1}; take smaller steps.",
                              t1 - t) from None
            raise Failure(StepSizeUnderflow, f"Newton's method does not converge in the step from t = {t} to {t1}; take smaller steps.",
                          t1 - t) from None

    def attempt(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        """z(t1) and the error estimate. Raises `NotSolved`, if J is of this step; otherwise J is to blame, and replaced."""
        while True:
            if self.J is None:
                self.J = self.jac(z, math.nextafter(t, t1), self.slope(f, z, t))  # just inside: t may be a jump
                self.fresh, self.factors = self.fresh + 1, ()
            try:
                if not self.factors or not math.isclose(t1 - t, self.h_factors, rel_tol=1e-8):
                    self.h_factors = t1 - t
                    self.factors = self.factorised(self.h_factors, self.jac.stats)
                return self.solved(f, z, t, t1)
            except Singular as error:
                failed = NotSolved(math.nan if isinstance(error, NotFinite) else math.inf)
            except NotSolved as error:
                failed = error
            if self.jac.constant or self.fresh >= self.renewals:
                raise failed
            self.J = None

    def start(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        """f at the start."""
        raise NotImplementedError

    def slope(self, f: Evaluate, z: np.ndarray, t: float) -> np.ndarray:
        """f at the start of the step, for the differences of J."""
        raise NotImplementedError

    def factorised(self, h: float, stats: SolveStats) -> tuple[Solve, ...]:
        raise NotImplementedError

    def solved(self, f: Evaluate, z: np.ndarray, t: float, t1: float) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def second_look(self, f: Evaluate, z: np.ndarray, t: float, t1: float, error: np.ndarray) -> np.ndarray:
        """Another estimate of the error, for a step that was rejected twice."""
        return error

    def step(self, f: Evaluate, z: np.ndarray, t: float, z1: np.ndarray, t1: float) -> Step:
        raise NotImplementedError

    def size(self, z: np.ndarray, h: float, slope: np.ndarray) -> Callable[[np.ndarray], float]:
        """The norm of Newton's increments (n,) or (stages, n): in units of the tolerance, or of the solution."""
        if self.control is None:
            scale = np.abs(z) + np.abs(h * slope)
            scale += self.eps * scale.max(initial=0.0) + np.finfo(z.dtype).tiny
            return lambda dx: max_norm(dx / scale)
        norm, scale = self.control.norm, self.control.atol + self.control.rtol * np.abs(z)
        return lambda dx: norm(dx / scale) if dx.ndim == 1 else math.sqrt(sum(norm(row / scale) ** 2 for row in dx) / len(dx))

    def solve_for(self, increment: Increment, x: np.ndarray, z: np.ndarray, size: Callable[[np.ndarray], float]) -> tuple[int, float]:
        if self.control is None:
            return newton_to_roundoff(increment, x, size, self.eps)
        return newton(increment, x, size, self.tolerance, 10 * self.eps * size(z))

    def progress(self) -> dict[str, Any]:
        """J and the size that the factors belong to: they are found again."""
        found: dict[str, Any] = {"h_factors": self.h_factors if self.factors else math.nan, "iterations": self.iterations, "rate": self.rate}
        if self.J is not None:
            found |= {"J": self.J.data, "J_rows": self.J.indices, "J_starts": self.J.indptr} if issparse(self.J) else {"J": self.J}
        return found

    def resume(self, progress: Any) -> None:
        self.iterations, self.rate = int(progress["iterations"]), float(progress["rate"])
        if "J" in progress:
            n, J = self.jac.n, np.array(progress["J"])
            self.J = csc_array((J, progress["J_rows"], progress["J_starts"]), (n, n)) if "J_rows" in progress else J
            if not math.isnan(progress["h_factors"]):
                self.h_factors = float(progress["h_factors"])
                self.factors = self.factorised(self.h_factors, SolveStats())  # they were counted when they were made


class ImplicitSteps(Steps):
    """Steps whose size the error estimate controls, with the predictive controller: for the implicit method of the subclass."""

    def __init__(self, f: Evaluate, z: np.ndarray, t: float, t_end: float, jumps: Sequence[float], stats: SolveStats, max_steps: int,
                 control: Control, jac: Jacobian):
        self.control, self.h, self.not_finite = control, control.first_step, 0
        super().__init__(f, self.at_work(z, jac, control), z, t, t_end, jumps, stats, max_steps)

    @classmethod
    def at_work(cls, z: np.ndarray, jac: Jacobian, control: Control | None) -> ImplicitMethod:
        """The method; without control for `FixedSteps`."""
        raise NotImplementedError

    def restart(self, t: float, z: np.ndarray) -> None:
        super().restart(t, z)
        self.earlier = NO_STEP  # (h, ratio) of the accepted step before
        self.method.forget()

    def _step(self) -> Step:
        self._begin_step()
        t, z, stop, sign, method, f, stats, control = self.t, self.z, self.stop, self.sign, self.method, self.f_here, self.stats, self.control
        smallest = max(spacing(t), control.min_step)
        assert self.h is not None
        h = min(max(self.h, smallest), control.max_step)
        earlier = self.earlier if h == self.h else NO_STEP
        rejected, failures, ratio = False, 0, 0.0
        while self.left:
            if h < smallest or failures > MAX_FAILURES:
                raise self._too_small(sign * h, ratio)
            self.left -= 1
            tried, t1 = h, towards(stop, t, sign * h)
            length = abs(t1 - t)
            try:
                z1, error = method.attempt(f, z, t, t1)
                ratio = error_ratio(error, z, z1, control.rtol, control.atol, control.norm)
                if rejected and ratio >= 1:
                    error = method.second_look(f, z, t, t1, error)
                    ratio = error_ratio(error, z, z1, control.rtol, control.atol, control.norm)
                if not math.isfinite(ratio):
                    raise NotSolved(math.nan)
                factor = max(MIN_FACTOR, min(MAX_FACTOR, method.safety * predicted_factor(ratio, method.error_order, length, earlier)))
            except NotSolved as failed:
                failures += 1
                ratio = math.nan if math.isnan(ratio) else failed.ratio  # NaN is what there is to say, even if a shorter step failed otherwise
                factor = max(0.5**failures, 0.1)
            if self.attempts is not None:
                self.attempts.append((t, t1 - t, ratio, ratio < 1, method.p))
            if ratio < 1:
                h = length if factor < HOLD and not method.slow else length * factor
                stats.accepted += 1
                stats.next_h = self.h = max(h, tried) if t1 == stop else h  # a step that was cut short says nothing against the size that was cut
                self.t, self.z, self.earlier = t1, z1, (length, ratio)
                return method.step(f, z, t, z1, t1)
            h = length * factor
            rejected = rejected or math.isfinite(ratio)
            stats.rejected += 1
            self.not_finite += math.isnan(ratio)
            if self.not_finite > MAX_NOT_FINITE:
                raise Failure(NonFiniteDynamics, f"{self.not_finite} trial steps up to t = {t} (of {self.t_end}) ended in NaN or infinity: "
                              "the solution runs along the border of the domain of f.", sign * h)
        raise self._too_many(sign * h)

    def _too_small(self, h: float, ratio: float) -> Failure:
        if ratio == math.inf:
            return Failure(StepSizeUnderflow, f"Newton's method does not converge at t = {self.t} (on the way to {self.t_end}), not even for a step "
                           f"of {abs(h):.1e}; f may be discontinuous there, or jac wrong.", h)
        if math.isnan(ratio):
            return Failure(NonFiniteDynamics, f"f or its Jacobian returned NaN or infinity just after t = {self.t}, however small the step "
                           f"(on the way to {self.t_end}); the solution leaves the domain of f there.", h)
        return underflow(self.t, h, ratio, self.t_end)

    def _first_size(self, f0: np.ndarray) -> None:
        if self.h is None:
            self.h = initial_step(self.f_here, self.z, self.t, self.stop, f0, self.method.error_order, self.control)

    def progress(self) -> dict[str, Any]:
        found = super().progress() | {"h": math.nan if self.h is None else self.h, "not_finite": self.not_finite,
                                      "njev": self.stats.njev, "nlu": self.stats.nlu}
        return found | self.method.progress()

    def resume(self, progress: Any) -> None:
        super().resume(progress)
        self.h = None if math.isnan(progress["h"]) else float(progress["h"])
        self.not_finite, self.stats.njev, self.stats.nlu = (int(progress[name]) for name in ("not_finite", "njev", "nlu"))
        if self.begun:
            self.method.resume(progress)
