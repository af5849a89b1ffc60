"""Which gradient to trust: every method on the user's own problem, side by side."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from refnode.autodiff.transforms import grad, value_and_grad
from refnode.errors import ReconstructionWarning, SolverError, TraceError
from refnode.gradients import select
from refnode.gradients.algebra import at
from refnode.gradients.backward import OWN, WARN_ABOVE
from refnode.ode import arguments
from refnode.ode.control import error_ratio, norm_over
from refnode.ode.solution import Stats
from refnode.ode.solve import solve
from refnode.tree import Raveler, Tree, as_state, leaves, tree_map

QUICK = 0.2  # seconds: a gradient that takes longer is timed once
GROWTH_PROBE = 1e-6  # of the size of z: large against rounding errors, small against curvature
SOLVE_BACKWARDS = ("adjoint", "interpolating", "quadrature")  # these know backward_rtol and the like


@dataclass(frozen=True)
class MethodReport:
    """One method. gradient: (dL/dz0, dL/dts, dL/dtheta), None if it failed; off: its distance from the reference in tolerances, which are rtol times
    the largest entry of its part of the gradient, and atol times that of dL/dz(t_i); nfe: of f, forward and backward; nvjp: all cotangents pulled
    back; peak: bytes; note: a warning or the failure."""

    name: str
    gradient: Any
    off: float
    forward_nfe: int
    backward_nfe: int
    nvjp: int
    peak: int
    seconds: float
    note: str = ""

    @property
    def work(self) -> int:
        """Evaluations of f, and a cotangent counted as two."""
        return self.forward_nfe + self.backward_nfe + 2 * self.nvjp


@dataclass(frozen=True)
class GradientReport:
    """What `gradient_report` found.

    value: the loss. methods: a `MethodReport` for each. ts, reconstruction, growth: at each observation but the last, how far a backward solve from
    the next one comes back, in tolerances, and by how much such a solve enlarges a small change of z. recommendation: one sentence.
    """

    value: float
    methods: list[MethodReport]
    ts: np.ndarray
    reconstruction: np.ndarray
    growth: np.ndarray
    rtol: float
    recommendation: str

    def __getitem__(self, name: str) -> MethodReport:
        return next(method for method in self.methods if method.name == name)

    def __str__(self) -> str:
        lines = [f"loss {self.value:.10g}, rtol {self.rtol:g}; off: distance from a reference at rtol / 1000, in tolerances", "",
                 f"{'gradient':14} {'off':>9} {'nfe fwd':>8} {'nfe bwd':>8} {'nvjp':>8} {'peak':>9} {'time':>9}"]
        for m in self.methods:
            if m.gradient is None:
                lines.append(f"{m.name:14} {'-':>9}  {': '.join(m.note.split(': ')[:2])}")
                continue
            lines.append(f"{m.name:14} {m.off:9.2g} {m.forward_nfe:8} {m.backward_nfe:8} {m.nvjp:8} {m.peak / 2**20:6.2f} MB "
                         f"{1e3 * m.seconds:6.1f} ms  {m.note}".rstrip())
        if len(self.ts):
            worst = int(np.argmax(self.reconstruction))
            lines += ["", f"solved backwards, {_back(self.reconstruction)} (worst at ts[{worst}] = {self.ts[worst]:.6g}), and {_growth(self.growth)}"]
        lines += ["", self.recommendation]
        return "\n".join(lines)


def gradient_report(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree = (), *, loss: Callable[[Tree], Any] | None = None,
                    gradients: Sequence[str] | None = None, memory: float = 2.0**30, **solver: Any) -> GradientReport:
    """The gradient of loss(odeint(f, z0, ts, theta)) in z0, ts and theta by every method, and which of them to use here.

    loss: of the tree of observations, a number; the sum of squares if none is given. gradients: their names, all that there are if None. memory: the
    bytes that a gradient may take. solver: as for `odeint`; what only some methods know, such as backward_rtol or checkpoints, is given to those.
    The reference is the discrete gradient at rtol / 1000, in float64. Costs some ten gradients, one that is tight, and for each interval between
    observations three solves back; print(report) shows a table. Raises what `odeint` raises for wrong arguments, and `SolverError` if the tight solve
    fails: then there is nothing to compare with.
    """
    names = list(select.GRADIENTS) if gradients is None else [gradients] if isinstance(gradients, str) else list(gradients)
    if not names:
        raise ValueError(f"gradients is empty; name some of {', '.join(select.GRADIENTS)}, or leave it out.")
    for name in names:
        if name not in select.GRADIENTS:
            raise ValueError(f"there is no gradient method {name!r}; the methods are {', '.join(select.GRADIENTS)}.")
    if not (loss is None or callable(loss)):
        raise TypeError(f"loss must be a function of the observations that returns a number, not {loss!r}.")
    arguments.positive("memory", memory)
    own = [keyword for keywords in select.OF_ONE.values() for keyword in keywords]
    select.check_keywords(solver, (*select.FORWARD, *select.OWN, *own))
    loss = _sum_of_squares if loss is None else loss
    rtol = _smallest(solver.get("rtol", 1e-6))

    def gradient(name: str, z0: Tree, theta: Tree, stats: Stats | None = None, **keywords: Any) -> tuple[Any, Any]:
        return value_and_grad(lambda z0, ts, theta: loss(select.odeint(f, z0, ts, theta, gradient=name, stats=stats, **keywords)), (0, 1, 2))(
            z0, np.asarray(ts, float), theta)

    z0, tight = as_state(z0), _tight(solver)
    in_float64 = tree_map(_in_float64, z0), tree_map(_in_float64, theta)
    value, exact = gradient("discrete", *in_float64, **tight)
    dLdzs = grad(loss)(select.odeint(f, in_float64[0], ts, in_float64[1], gradient="discrete", **tight))
    units = [rtol * _largest(part) + _smallest(solver.get("atol", 1e-8)) * _largest(dLdzs) for part in exact]
    methods = []
    for name in names:
        unknown = [*(() if name in SOLVE_BACKWARDS else OWN), *(keyword for keyword in own if keyword not in select.OF_ONE.get(name, ()))]
        keywords = {keyword: given for keyword, given in solver.items() if keyword not in unknown}
        methods.append(_measure(name, partial(gradient, name, z0, theta, **keywords), exact, units))
    with np.errstate(all="ignore"):
        times, reconstruction, growth = _backwards(f, z0, ts, theta, solver)
    return GradientReport(float(value), methods, times, reconstruction, growth, rtol, recommend(methods, reconstruction, growth, memory))


def recommend(methods: list[MethodReport], reconstruction: np.ndarray, growth: np.ndarray, memory: float) -> str:
    """One sentence: of the methods that are right here and fit into memory, the one with the least work; and why not the others.

    Right: no warning, and off by at most 100 tolerances, or ten times as much as the best (where the problem itself enlarges errors, no method is
    within 100). "reversible" changes the forward solve, and is not recommended by itself.
    """
    done = [m for m in methods if m.gradient is not None and not m.note and m.name != "reversible"]
    right = [m for m in done if m.off <= max(WARN_ABOVE, 10 * min(m.off for m in done))]
    if not right:
        return "No method gives a gradient without a warning here: tighten rtol and atol, and look at what each of them says."
    small = [m for m in right if m.peak <= memory]
    if not small:
        best = min(right, key=lambda m: m.peak)
        return (f'Use gradient="{best.name}": nothing that is right here fits into {memory / 2**20:.2f} MB, and it comes nearest, with '
                f"{best.peak / 2**20:.2f} MB.")
    best = min(small, key=lambda m: m.work)
    others = ", ".join(m.name for m in small)
    why = [f"of {others} it needs the least work ({best.work} evaluations)" if len(small) > 1 else "it alone is right and fits"]
    if large := [m.name for m in right if m not in small]:
        why.append(f"more than {memory / 2**20:.2f} MB for {', '.join(large)}")
    if wrong := [m for m in done if m not in right]:
        why.append(f"{', '.join(f'{m.name} is {m.off:.2g} tolerances off' for m in wrong)}, {best.name} {best.off:.2g}")
    adjoint = next((m for m in methods if m.name == "adjoint"), best)
    if adjoint not in done:
        found = f"{_back(reconstruction)} when solved backwards, where {_growth(growth)}"
        if adjoint.gradient is not None:
            why.append(f"the adjoint warns, as {found}")
        elif adjoint.note.startswith("ReconstructionError"):
            why.append(f"the adjoint is refused, as {found}")
        else:
            why.append("the adjoint fails for another reason, which its note tells")
    if best.off > WARN_ABOVE:
        why.append(f"but it is {best.off:.2g} tolerances off, and none of the others ten times closer: the solve itself may not be accurate enough")
    return f'Use gradient="{best.name}": {"; ".join(why)}.'


def _back(reconstruction: np.ndarray) -> str:
    worst = float(np.max(reconstruction))
    return f"z comes back {worst:.2g} tolerances off" if math.isfinite(worst) else "z does not come back at all"


def _growth(growth: np.ndarray) -> str:
    worst = float(np.max(growth))
    return f"changes of z grow {worst:.2g} times between two observations" if math.isfinite(worst) else "changes of z grow beyond all bounds"


def _measure(name: str, gradient: Callable[..., Any], exact: Any, units: list[float]) -> MethodReport:
    stats, note, result, peak = Stats(), "", None, 0
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _, result = gradient(stats=stats)
        except (SolverError, TraceError, ValueError) as error:
            note = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - start
    if result is not None:
        note = "; ".join(str(w.message).partition(":")[0] for w in caught if issubclass(w.category, ReconstructionWarning))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if seconds < QUICK:
                seconds = float(np.median([_timed(gradient) for _ in range(3)]))
            import tracemalloc  # here, because it is slow to import

            tracemalloc.start()
            gradient()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    off = math.nan if result is None else max(_off(*parts) for parts in zip(result, exact, units, strict=True))
    return MethodReport(name, result, off, stats.forward.nfe, stats.backward.nfe, stats.backward.nvjp + stats.forward.nvjp, peak, seconds, note)


def _off(found: Tree, exact: Tree, unit: float) -> float:
    """The largest difference in units of the tolerance."""
    difference = max((float(np.abs(np.asarray(x) - y).max(initial=0.0)) for x, y in zip(leaves(found), leaves(exact), strict=True)), default=0.0)
    return difference / unit if difference else 0.0


def _largest(tree: Tree) -> float:
    return max((float(np.abs(leaf).max(initial=0.0)) for leaf in leaves(tree)), default=0.0)


def _smallest(tolerance: Tree) -> float:
    return min(float(np.min(leaf)) for leaf in leaves(tolerance))


def _backwards(f: Callable[..., Any], z0: Tree, ts: Any, theta: Tree, solver: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each interval between observations: how far z comes back, and the growth of a small change of z in two random directions."""
    forward = {name: value for name, value in solver.items() if name in select.FORWARD and name not in ("steps", "first_step")}
    if solver.get("steps") is not None:
        forward["step_size"] = abs(float(ts[-1]) - float(ts[0])) / solver["steps"] or 1.0
    zs = solve(f, z0, ts, theta, **forward).zs
    way, times = Raveler(at(zs, 0)), arguments.observation_times(ts)
    rtol, atol = arguments.tolerances(forward.get("rtol", 1e-6), forward.get("atol", 1e-8), way)
    norm, rng = norm_over(way.parts), np.random.default_rng(0)
    rows = np.array([way.ravel(at(zs, i)) for i in range(len(times))])
    largest = float(np.abs(rows).max(initial=0.0)) or 1.0
    reconstruction, growth = np.zeros(len(times) - 1), np.ones(len(times) - 1)

    def back(i: int, z: np.ndarray) -> np.ndarray:
        try:
            found = solve(f, way.unravel(z), [times[i + 1], times[i]], theta, **{"max_steps": 2_000} | forward, throw=False)
        except (ValueError, FloatingPointError, ZeroDivisionError, OverflowError):
            return np.full(way.size, np.nan)
        return way.ravel(at(found.zs, -1))

    for i in range(len(times) - 1):
        if times[i] == times[i + 1]:
            continue
        z = back(i, rows[i + 1])
        if not np.all(np.isfinite(z)):
            reconstruction[i] = growth[i] = math.inf
            continue
        ratio = error_ratio(z - rows[i], rows[i], rows[i], rtol, atol, norm)
        reconstruction[i] = ratio
        factors = []
        for _ in range(2):
            d = rng.standard_normal(way.size)
            d *= GROWTH_PROBE * largest / np.linalg.norm(d)
            factors.append(float(np.linalg.norm(back(i, rows[i + 1] + d) - z)) / (GROWTH_PROBE * largest))
        growth[i] = max(factors) if all(map(math.isfinite, factors)) else math.inf
    return np.array(times[:-1]), reconstruction, growth


def _tight(solver: dict[str, Any]) -> dict[str, Any]:
    """The same equation at a thousandth of the tolerance, by a method that has one."""
    rtol, atol = (1e-3 * _smallest(solver.get(name, default)) for name, default in (("rtol", 1e-6), ("atol", 1e-8)))
    method = "radau5" if arguments.is_implicit(solver.get("method", "dopri5")) else "dop853"
    kept = {name: solver[name] for name in ("jump_ts", "norm", "jac", "max_step") if name in solver}
    return kept | {"method": method, "rtol": max(rtol, 1e-12), "atol": atol}


def _in_float64(x: Any) -> Any:
    return np.float64(x) if isinstance(x, np.ndarray | np.floating) and np.issubdtype(x.dtype, np.float32) else x


def _timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _sum_of_squares(zs: Tree) -> Any:
    return sum((np.sum(leaf * leaf) for leaf in leaves(zs)), np.float64(0.0))
