"""Relations between solutions: solve.*"""

from __future__ import annotations

import functools

import numpy as np

from ..case import Reply
from ..verdicts import Comparison, compare
from . import transforms
from .posed import Posed
from .relation import Ask, Relation, exactly


def restart(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """Going on from the computed state at an interior time gives the same end.

    Statement: S3, S15
    """
    middle = len(task.ts) // 2
    whole = ask(task, rtol).arrays["z"]
    rest = task.changed(z0=whole[middle], ts=task.ts[middle:], weights=task.weights[middle:])
    return [compare("z", ask(rest, rtol).arrays["z"][-1], whole[-1], 2 * ask.allowed_value(task, rtol))]


def autonomise(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The time as one more state, with derivative 1, gives the same solution.

    The clock is solved without error, but takes part in the mean of the error norm: D errors of (D + 1)/D the size may pass.

    Statement: S77
    """
    D = task.z0.size
    plain, clocked = ask(task, rtol).arrays["z"], ask(transforms.with_clock(task), rtol).arrays["z"]
    allowed = (1 + ((D + 1) / D) ** 0.5) * ask.allowed_value(task, rtol)
    return [compare("z", clocked[:, :D], plain, allowed), compare("clock", clocked[:, D], task.ts, 1e-9 * (1 + np.abs(task.ts).max()))]


def reverse(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """There and back: from the computed end, the solution over the decreasing grid ends where the first began.

    The error of the way there grows by |Phi(t0, t1)| on the way back, which adds its own.

    Statement: S37, S72
    """
    end = ask(task, rtol).arrays["z"][-1]
    back = ask(transforms.reversed_from(task, end), rtol).arrays["z"][-1]
    there = ask.allowed_value(task, rtol)
    return [compare("z0", back, task.z0, there * task.condition.back * (1 + 1 / task.condition.values))]


def linear(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """For linear dynamics the solution from z0 + w0 is the sum of those from z0 and from w0.

    Statement: S3
    """
    w0 = np.where(np.arange(task.z0.size) % 2 == 0, 0.5, -1.25)
    z, w, both = (ask(task.changed(z0=start), rtol).arrays["z"] for start in (task.z0, w0, task.z0 + w0))
    largest = [float(np.max(np.abs(x))) for x in (z, w, both)]
    return [compare("z + w", both, z + w, sum(ask.allowed_value(task, rtol, size) for size in largest))]


def refine(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """A tolerance a hundred times tighter changes the solution by no more than the first tolerance allows.

    Statement: S3
    """
    loose, tight = (ask(task, r).arrays["z"] for r in (rtol, rtol / 100))
    return [compare("z", loose, tight, ask.allowed_value(task, rtol) + ask.allowed_value(task, rtol / 100))]


def scale(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The state in another unit, 16 z with 16 atol: the same steps, so as many evaluations, and 16 times the solution to rounding.

    A power of two is a change of exponents only: every operation rounds as before.

    Statement: S20
    """
    c = 16.0
    plain, other = ask(task, rtol), ask(transforms.scaled(task, c), rtol, atol=c * rtol / 100)
    z = plain.arrays["z"]
    return [
        exactly("calls", other.calls, plain.calls),
        compare("z", other.arrays["z"] / c, z, 1e-12 * task.condition.values * float(np.abs(z).max())),
    ]


def shift(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """f(z, t - s, theta) on the grid ts + s has the solution of f(z, t, theta) on ts.

    Statement: S3
    """
    plain, later = ask(task, rtol), ask(transforms.shifted(task, SHIFT), rtol)
    return [compare("z", later.arrays["z"], plain.arrays["z"], 2 * ask.allowed_value(task, rtol))]


def purity(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """The same question again, after another one, gives the same bits; that the inputs are left alone is seen to at every question.

    Statement: S3
    """
    wants = ("z", *ask.gradients("dL/dz0", "dL/dtheta", "dL/dt"))
    first = ask(task, rtol, wants)
    ask(task.changed(z0=task.z0 / 2), rtol * 10)
    again = ask(task, rtol, wants)
    return [exactly(key, again.arrays[key], first.arrays[key]) for key in wants]


def batch(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """Three initial states solved as one state are solved as well as each of them alone.

    One error norm over all: of a root mean square over 3 D components, one state may have all, which is sqrt(3) times its own.

    Statement: S3
    """
    rows = _neighbours(task)
    joint = ask(transforms.together(task, [alone.z0 for alone in rows]), rtol).arrays["z"].reshape(len(task.ts), 3, -1)
    results = []
    for i, alone in enumerate(rows):
        allowed = ask.allowed_value(alone, rtol) * (1 + 3**0.5 * float(np.abs(joint).max()) / alone.condition.largest)
        results.append(compare("z", joint[:, i], ask(alone, rtol).arrays["z"], allowed))
    return results


def single(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """In float32 at rtol 1e-4 the solution is that of float64, within both tolerances.

    Statement: S3
    """
    low = ask(task, 1e-4, dtype="f32").arrays["z"]
    return [compare("z", low, ask(task, rtol).arrays["z"], ask.allowed_value(task, 1e-4) + ask.allowed_value(task, rtol))]


def evaluations(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """A tighter tolerance takes more evaluations of f. They are counted by the implementation: under jit, calls are traces.

    Statement: S4
    """
    loose, tight = (_nfe(ask(task, r)) for r in (rtol * 100, rtol / 100))
    return [exactly("nfe", tight, max(loose + 1, tight))]


def reverse_cost(ask: Ask, task: Posed, rtol: float) -> list[Comparison]:
    """A flow is solved backwards with at most twice, and at least half, the evaluations of the way there.

    Statement: S48
    """
    there = ask(task, rtol)
    back = ask(transforms.reversed_from(task, there.arrays["z"][-1]), rtol)
    return [compare("log2 of nfe back / nfe there", np.log2(_nfe(back) / _nfe(there)), 0.0, 1.0)]


@functools.lru_cache
def _neighbours(task: Posed) -> tuple[Posed, ...]:
    return (task, task.changed(z0=0.5 * task.z0), task.changed(z0=task.z0 + 0.125))


def _nfe(reply: Reply) -> float:
    return float(reply.stats.get("nfe", np.nan))


def is_flow(task: Posed) -> bool:
    """Does it start from a density?"""
    return task.base is not None


def is_linear(task: Posed) -> bool:
    """Are f(0) = 0 and f(2 z - 3 w) = 2 f(z) - 3 f(w), up to rounding, for random z and w at eleven times?

    The times are golden-ratio fractions of the span: on an equispaced grid a periodic forcing may be zero at every one.
    """
    rng = np.random.default_rng(0)
    for t in task.ts[0] + (task.ts[-1] - task.ts[0]) * (np.arange(1, 12) * 0.5 * (5**0.5 - 1) % 1):
        z, w = rng.standard_normal((2, task.z0.size))
        with np.errstate(all="ignore"):  # z and w may lie where f is not defined
            f_0, f_z, f_w, f_both = (np.asarray(task.rhs(np, x, float(t), task.theta)) for x in (0 * z, z, w, 2 * z - 3 * w))
            rounding = 1e-12 * (1 + np.abs(f_z).max() + np.abs(f_w).max())
            if not (np.abs(f_0).max() <= rounding and np.abs(f_both - (2 * f_z - 3 * f_w)).max() <= rounding):
                return False
    return True


SHIFT = 4.0  # dyadic: t - s rounds as little as t
BACK, NFE = ("time:backward",), ("stats:nfe",)

RELATIONS = [
    Relation("solve.restart", ("S3", "S15"), "required", (), restart, on=("P30",)),
    Relation("solve.autonomise", ("S77",), "required", (), autonomise, on=("P10", "P30")),
    Relation("solve.reverse", ("S37", "S72"), "required", BACK, reverse, on=("P30", "P28")),
    Relation("solve.linear", ("S3",), "required", (), linear, on=("P09", "P19"), applies=is_linear),
    Relation("solve.refine", ("S3",), "required", (), refine, on=("P30", "P28")),
    Relation("solve.scale", ("S20",), "required", (), scale, on=("P30", "P28")),
    Relation("solve.shift", ("S3",), "required", (), shift, on=("P30",)),
    Relation("solve.purity", ("S3",), "required", (), purity, on=("P30",)),
    Relation("solve.batch", ("S3",), "recommended", (), batch, on=("P28",)),
    Relation("solve.f32", ("S3",), "recommended", ("f32",), single, on=("P28",)),
    Relation("solve.evaluations", ("S4",), "recommended", NFE, evaluations, on=("P30",)),
    Relation("solve.reverse_cost", ("S48",), "informative", BACK + NFE, reverse_cost, on=("P18b",), applies=is_flow),
]
