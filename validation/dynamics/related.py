"""The relations of the suite, asked about a user's own f: solves and gradients compared with each other, without an expected value."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..case import BudgetExceeded
from ..relations.catalog import all_relations
from ..relations.posed import Posed
from ..relations.relation import RTOL, Ask, NoAnswer, Relation
from ..verdicts import Verdict, judge
from . import differences
from .character import Growth
from .form import Form
from .smooth import Roughness, is_knots
from .subject import Malformed, Raised, Subject, Trajectory

ABOUT_F = (  # the others are about implementations, or start from another z0, where f may not be defined
    "solve.restart", "solve.autonomise", "solve.reverse", "solve.linear", "solve.refine", "solve.scale", "solve.shift",
    "grad.differences", "grad.dual", "grad.theta_state", "grad.time_state", "grad.cut", "grad.clock_shift",
)
ONE_SECONDS, ALL_SECONDS, FEW_SECONDS = 2.0, 8.0, 2.0  # of processor time; few if f has a defect that explains failures
LARGEST = 64  # numbers of the state: the condition is solved with its square
MOST_STEPS = 150
DIGITS_OF_ADJOINT, DIGITS_BACK = 2.5, 5.0


@dataclass(frozen=True)
class Grid:
    """Where the relations are asked: the times, a phrase where they are not all of ts, and what is known of f there."""

    ts: np.ndarray
    growth: Growth
    rough: Roughness
    why: str = ""


def cannot(f: Subject, path: Trajectory) -> str:
    """Why no relation can be asked about f, or nothing."""
    if any(leaf.eps > 1e-12 for leaf in f.z.leaves):
        return "the state is float32, and the tolerances of the relations are those of float64"
    if f.z.size > LARGEST:
        return f"the state has {f.z.size} numbers, and its condition is only estimated up to {LARGEST}; give a smaller batch as z0"
    if f.z.size == 0 or not path.pieces:
        return "there is no solution to look at"
    return ""


def fewer_rows(f: Subject) -> Subject | None:
    """f on the first rows of a batch, as many as can be asked about; None where z is no batch, or f needs all of it."""
    if len(f.z.leaves) != 1 or f.z.leaves[0].value.ndim < 2:
        return None
    z0 = f.z.leaves[0].value
    few = LARGEST // 4 // (z0.size // len(z0))
    if few < 1 or few >= len(z0):
        return None
    smaller = Subject(f.name, f.f, z0[:few], f.ts, f.theta.given)
    try:
        got, expected = smaller(smaller.z.vector, f.ts[0]), f(f.z.vector, f.ts[0])[:smaller.z.size]
    except (Raised, Malformed):
        return None
    return smaller if np.allclose(got, expected, rtol=1e-9, atol=1e-9 * float(np.max(np.abs(expected)))) else None


def grid(f: Subject, path: Trajectory, growth: Growth, rough: Roughness) -> Grid:
    """ts, or eleven times; only up to the first jump of f in t, and only as far as RK45 goes in 150 steps."""
    end, why = path.times[-1], ""
    if len(path.pieces) > MOST_STEPS:
        end, why = path.times[MOST_STEPS], f"up to t = {path.times[MOST_STEPS]:.4g}, the first {MOST_STEPS} steps"
    first = next((t for t in rough.jumps if abs(t - f.ts[0]) > 1e-3 * abs(f.span)), None)
    if first is not None and abs(first - f.ts[0]) < abs(end - f.ts[0]):
        end, why = first - 1e-9 * f.span, f"up to the first jump, at t = {first:.6g}"
    if not why and 3 <= f.ts.size <= 33 and path.complete:
        return Grid(f.ts, growth, rough)
    return Grid(np.linspace(f.ts[0], end, 11), growth, rough, why)


def asked(f: Subject, adapters: list[Any], where: Grid, seconds: float = ALL_SECONDS) -> Iterator[tuple[Relation, Any, Verdict]]:
    """Every relation that applies, for every implementation: those that need no gradient for the first of each package only."""
    deadline = time.process_time() + seconds
    shared = _posed(f, None, where)  # one, so that its condition is estimated once
    own = getattr(f.f, "pullback", None) is not None
    asks = [(Ask(adapter), _posed(f, adapter, where) if own and hasattr(adapter, "differentiable") else shared) for adapter in adapters]
    for relation in relations(f):
        packages: set[str] = set()
        for ask, (task, clock) in asks:
            package = ask.adapter.name.split(".")[0]
            if not any(need.startswith("grad") for need in relation.needs):
                if package in packages:
                    continue
                packages.add(package)
            yield relation, ask.adapter, _one(f, relation, ask, task, clock, where, deadline)


def relations(f: Subject) -> list[Relation]:
    """Those that say something about a right-hand side."""
    movable = np.ones(max(1, f.theta.size), bool)
    for leaf in f.theta.leaves:
        movable[leaf.part] = not is_knots(leaf)
    known = {**all_relations(), "grad.differences": differences.relation(movable)}
    return [known[id] for id in ABOUT_F]


def _one(f: Subject, relation: Relation, ask: Ask, task: Posed, clock: list[float], where: Grid, deadline: float) -> Verdict:
    reason = _out_of_place(f, relation, ask, where)
    if reason:
        return Verdict("skipped", message=reason)
    if time.process_time() > deadline:
        return Verdict("not-run", message="there was no time left")
    clock[0] = time.process_time() + ONE_SECONDS
    try:
        if not relation.applies(task):
            return Verdict("unsupported", message="does not apply to f")
        missing = relation.missing(ask.adapter, task)
        return Verdict("unsupported", message=missing) if missing else judge(relation.judge(ask, task, RTOL))
    except NoAnswer as error:
        reply = error.reply
        if "TraceError" in reply.message:
            return Verdict("skipped", message="f cannot be traced (int(t), math.sin(t)?), which no solve needs")
        return Verdict("timeout" if "BudgetExceeded" in reply.message else reply.state, message=reply.message)
    except BudgetExceeded as error:
        return Verdict("timeout", message=str(error))
    except np.linalg.LinAlgError:
        return Verdict("skipped", message="f contracts so much that the condition of the way back cannot be estimated: see f.stiffness")
    except Exception as error:  # the condition and the differences ask f at further places, where it may fail in any way
        return Verdict("skipped", message=f"no expected error could be found: {type(error).__name__}: {error}"[:200])


def _out_of_place(f: Subject, relation: Relation, ask: Ask, where: Grid) -> str:
    """Why a relation would say nothing about f, or nothing."""
    of_gradients = any(need.startswith("grad") for need in relation.needs)
    if of_gradients and any(leaf.value.dtype.kind == "c" for leaf in f.z.leaves):
        return "complex states are not differentiated"
    longer = max(1.0, float(np.max(np.abs(np.diff(where.ts))) / np.max(np.abs(np.diff(f.ts)))))
    if of_gradients and ask.adapter.mode == "adjoint" and where.growth.between * longer > DIGITS_OF_ADJOINT * math.log(10):
        return "solving z backwards loses too many digits here: see f.stiffness"
    share = abs((where.ts[-1] - where.ts[0]) / f.span)
    if relation.id.startswith("solve.reverse") and where.growth.whole * share > DIGITS_BACK * math.log(10):
        return "the way back amplifies errors too much: see f.stiffness"
    if relation.id == "grad.dual" and (where.rough.kinks or where.rough.jumps_in_z):
        return "across kinks of f the variational equation is not smooth enough"
    return ""


def _posed(f: Subject, adapter: Any, where: Grid) -> tuple[Posed, list[float]]:
    """f as a Posed, with z in a unit in which it is about 1, and the time after which f refuses to be called.

    With an adapter, f's own pullback is used, in the way that the adapter has for it.
    """
    size = float(np.max(np.abs(f.z.vector), initial=0.0))
    unit = 2.0 ** round(math.log2(size)) if size > 0 else 1.0
    clock = [math.inf]
    real = all(leaf.value.dtype == np.float64 for leaf in f.z.leaves)
    call = adapter.differentiable(f.f, f.f.pullback) if adapter else f.f

    def rhs(xp: Any, z: Any, t: Any, theta: Any) -> Any:
        if time.process_time() > clock[0]:
            raise BudgetExceeded(f"took more than {ONE_SECONDS:.0f} s")
        out = call(f.z.tree(z * unit), t, f.theta.tree(theta))
        return (_flat(f.z, out) if real else f.z.value(out)) / unit

    theta = f.theta.vector if f.theta.size else np.zeros(1)
    weights = np.random.default_rng(5).uniform(-1, 1, (where.ts.size, f.z.size))
    return Posed(f.name, rhs, theta, f.z.vector / unit, where.ts, weights), clock


def _flat(form: Form, out: Any) -> Any:
    """The vector of f's value, by operations that can be differentiated."""
    parts = [np.stack(x) if isinstance(x, (list, tuple)) else x for x in form.leaves_of(out)]
    return np.concatenate([np.reshape(x, (-1,)) for x in parts])


