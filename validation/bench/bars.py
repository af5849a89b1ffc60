"""What refnode has set itself, as data: ratios of times, workload by workload."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .measure import Row

DISCRETE, ADJOINT = "refnode discrete compiled", "refnode adjoint seminorm compiled"
HAND, HAND_ADJOINT = ("by hand: discrete", "by hand: discrete batched", "by hand: discrete stored"), ("by hand: adjoint",)
BACKPROP, TORCH_ADJOINT, TORCH = ("torchdiffeq backprop",), ("torchdiffeq adjoint",), ("torchdiffeq backprop", "torchdiffeq adjoint")
DIFFRAX, CHECKPOINTED, JAX = ("diffrax checkpointed", "diffrax backsolve"), ("diffrax checkpointed",), ("JAX odeint",)


@dataclass(frozen=True)
class Bar:
    """On `workload`, `what` of `upper` over that of `lower` must be at least, or at most, `value`.

    Each side is a group of implementations, of which the fastest counts. value None: shown, but no bar. hand: the versions that take
    refnode's place in the column "by hand", to see what can be reached.
    """

    workload: str
    upper: tuple[str, ...]
    lower: tuple[str, ...]
    sense: str
    value: float | None
    what: str = "gradient"
    hand: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A bar and what came out. verdict: ok, missed, missed by hand too, not measured, or nothing where there is no bar."""

    bar: Bar
    ratio: float | None
    by_hand: float | None
    verdict: str


def bars() -> list[Bar]:
    """All of them, in the order of the table."""
    networks = ("2x20", "2x512", "16x128", "64x256")
    table: list[Bar] = []
    for name in networks:
        table.append(Bar(name, (DISCRETE,), HAND, "at most", 1.25))
        table.append(Bar(name, (ADJOINT,), HAND_ADJOINT, "at most", 1.3))
    for name, against_discrete, against_adjoint, backprop, checkpointed in (
        ("2x20", 20, 10, 6, 2.1),
        ("2x512", 7, 3.5, 1.6, 1.6),
        ("16x128", 9, 4, 2.2, 1.3),
    ):
        table.append(Bar(name, TORCH_ADJOINT, (DISCRETE,), "at least", against_discrete, hand=HAND))
        table.append(Bar(name, TORCH_ADJOINT, (ADJOINT,), "at least", against_adjoint, hand=HAND_ADJOINT))
        table.append(Bar(name, BACKPROP, (DISCRETE,), "at least", backprop, hand=HAND))
        table.append(Bar(name, (DISCRETE,), CHECKPOINTED, "at most", checkpointed, hand=HAND))
    for name in networks[:3]:
        table.append(Bar(name, DIFFRAX, (DISCRETE,), "at least", 100, "first call", HAND))
        table.append(Bar(name, DIFFRAX, (DISCRETE,), "at least", 8, "start to first gradient", HAND))
        table.append(Bar(name, JAX, (DISCRETE,), "at least", 4, "start to first gradient", HAND))
    table.append(Bar("lotka-volterra", TORCH, (DISCRETE,), "at least", 10, hand=HAND))
    table.append(Bar("lotka-volterra", ("autograd + SciPy",), (DISCRETE,), "at least", 10, hand=HAND))
    table.append(Bar("lotka-volterra", (DISCRETE,), HAND, "at most", None))
    table.append(Bar("cnf", TORCH_ADJOINT, (ADJOINT,), "at least", 3))
    table.append(Bar("cnf", TORCH, (DISCRETE,), "at least", 3, hand=HAND))
    table.append(Bar("cnf", (DISCRETE,), HAND, "at most", None))
    return table


def findings(rows: Sequence[Row]) -> Iterator[Finding]:
    """The bars of the workloads that were run."""
    run = {row.workload for row in rows}
    for bar in bars():
        if bar.workload in run:
            yield _finding(bar, [row for row in rows if row.workload == bar.workload])


def _finding(bar: Bar, rows: Sequence[Row]) -> Finding:
    upper, lower, hand = (_best(names, bar.what, rows) for names in (bar.upper, bar.lower, bar.hand))
    if upper is None or lower is None:
        return Finding(bar, None, None, "not measured" if bar.value is not None else "")
    ratio = upper / lower
    by_hand = None
    if hand is not None:
        by_hand = hand / lower if _ours(bar.upper) else upper / hand
    if bar.value is None:
        return Finding(bar, ratio, by_hand, "")
    if _holds(bar, ratio):
        return Finding(bar, ratio, by_hand, "ok")
    return Finding(bar, ratio, by_hand, "missed" if by_hand is None or _holds(bar, by_hand) else "missed by hand too")


def _holds(bar: Bar, ratio: float) -> bool:
    assert bar.value is not None
    return ratio >= bar.value if bar.sense == "at least" else ratio <= bar.value


def _ours(names: tuple[str, ...]) -> bool:
    return names in ((DISCRETE,), (ADJOINT,))


def _best(names: tuple[str, ...], what: str, rows: Sequence[Row]) -> float | None:
    """The smallest of the times, among those that count."""
    found = [_time(row, what) for row in rows if row.implementation.name in names and row.counts]
    return min((time for time in found if time is not None), default=None)


def _time(row: Row, what: str) -> float | None:
    return {"gradient": row.processor, "first call": row.first, "start to first gradient": row.start}[what]
