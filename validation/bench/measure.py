"""One workload, all implementations: a process each, and in each round every one of them in turn while the others wait."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..process import Failed, Worker
from .catalog import Implementation
from .reference import error, reference
from .workloads import Workload

START_LIMIT, CALL_LIMIT = 60.0, 60.0  # seconds, from the start of a process to its first gradient, and for each request after that
BUDGET = 20.0  # seconds for the rounds of one implementation
SHORT, BATCH = 2e-3, 5e-3  # a call shorter than SHORT is repeated until BATCH is over
WRONG, OUTLIER = 1e-3, 100.0  # an error above WRONG, or OUTLIER times the median one, does not count
OK, BAD, FAILED = "ok", "wrong", "failed"
KINDS = {"ModuleNotFoundError": ("missing", "needs the package {}"), "Unsupported": ("unsupported", "{}")}  # else: FAILED
Tick = Callable[[str], None]


@dataclass
class Row:
    """What was found out about one implementation on one workload. Times in seconds, memory in MiB; None: not measured.

    rounds: by the clock. processor_rounds: what the processor worked meanwhile, in all threads. With one thread on an idle machine they are
    the same; on a busy one the latter still mean something, and they are what is compared.

    state: ok, wrong, failed, missing (a package) or unsupported; note says why, or what else one should know.
    """

    workload: str
    implementation: Implementation
    state: str = OK
    note: str = ""
    rounds: list[float] = field(default_factory=list)
    processor_rounds: list[float] = field(default_factory=list)
    first: float | None = None
    import_time: float | None = None
    start: float | None = None  # from the start of the process to the first gradient
    peak_mb: float | None = None
    error: float | None = None

    @property
    def counts(self) -> bool:
        """Whether its time may be compared with others."""
        return self.state == OK and bool(self.rounds)

    @property
    def median(self) -> float | None:
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def processor(self) -> float | None:
        return statistics.median(self.processor_rounds) if self.processor_rounds else None

    @property
    def threads(self) -> float | None:
        return sum(self.processor_rounds) / sum(self.rounds) if self.rounds else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        if not self.rounds:
            return None
        q = statistics.quantiles(self.rounds, n=4, method="inclusive") if len(self.rounds) > 1 else [self.rounds[0]] * 3
        return q[0], q[2]


def measure(workload: Workload, chosen: Sequence[Implementation], rounds: int, tick: Tick) -> list[Row]:
    """One row for each implementation, in their order. tick is told what goes on: len(chosen) (1 + rounds) times, if nothing fails."""
    expected = reference(workload)
    rows = [Row(workload.name, one) for one in chosen]
    workers: list[tuple[Row, Worker]] = []
    try:
        for row in rows:
            tick(f"{workload.name}: {row.implementation.name}")
            worker = Worker("bench.worker", row.implementation.place)
            workers.append((row, worker))
            _begin(row, worker, expected)
        repetitions = {row.implementation.name: _warm_up(row, worker) for row, worker in workers}
        for _ in range(rounds):
            for row, worker in workers:
                tick(f"{workload.name}: {row.implementation.name}")
                _round(row, worker, repetitions[row.implementation.name])
    finally:
        for _, worker in workers:
            worker.close()
    for row in rows:
        _annotate(row, rounds)
    judge(rows)
    return rows


def warm_disk(chosen: Sequence[Implementation], tick: Tick) -> None:
    """Import each library once, so that the first workload finds its files in memory, too."""
    for one in {one.family: one for one in chosen}.values():
        tick(f"import: {one.family}")
        worker = Worker("bench.worker", one.place)
        try:
            worker.ask({"do": "import"}, START_LIMIT)
        except Failed:
            pass  # its rows will say so
        finally:
            worker.close()


def judge(rows: Sequence[Row]) -> None:
    """A fast wrong number does not count."""
    errors = [row.error for row in rows if row.state == OK and row.error is not None]
    limit = min(WRONG, OUTLIER * statistics.median(errors)) if errors else WRONG
    for row in rows:
        if row.state == OK and row.error is not None and not row.error <= limit:
            row.state = BAD
            row.note = f"wrong: the error is above {limit:.1e}"


def _begin(row: Row, worker: Worker, expected: Sequence[Any]) -> None:
    reply = _asked(row, worker, {"do": "begin", "workload": row.workload}, START_LIMIT)
    if row.state != OK:
        return
    row.first, row.import_time, row.start = reply["first_seconds"], reply["import_seconds"], reply["finished"] - worker.started
    try:
        row.error = error(reply["gradient"], expected)
    except ValueError as mismatch:
        row.state, row.note = BAD, f"wrong: {mismatch}"


def _warm_up(row: Row, worker: Worker) -> int:
    """One call that does not count, unless the first one was so slow that nothing is to be warmed up; how often a round repeats it."""
    if row.state != OK or row.first is None or row.first > BUDGET / 4:
        return 1
    reply = _asked(row, worker, {"do": "run", "times": 1}, CALL_LIMIT)
    seconds = reply.get("seconds", 1.0)
    return 1 if seconds >= SHORT else max(1, math.ceil(BATCH / max(seconds, 1e-5)))


def _round(row: Row, worker: Worker, times: int) -> None:
    if row.state != OK or sum(row.rounds) * times >= BUDGET:
        return
    reply = _asked(row, worker, {"do": "run", "times": times}, CALL_LIMIT)
    if row.state == OK:
        row.rounds.append(reply["seconds"])
        row.processor_rounds.append(reply["cpu_seconds"])


def _asked(row: Row, worker: Worker, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The reply; where it is a failure, row.state and row.note say which."""
    try:
        reply = worker.ask(request, seconds)
    except Failed as failure:
        row.state, row.note = FAILED, str(failure)
        worker.close()
        return {}
    if reply["ok"]:
        row.peak_mb = reply["peak_mb"]
        return reply
    row.state, note = KINDS.get(reply["kind"], (FAILED, f"{reply['kind']}: {{}}"))
    row.note = note.format(reply["message"])
    return {}


def _annotate(row: Row, rounds: int) -> None:
    """What one should know of a time that was measured otherwise than the others."""
    if row.state != OK:
        return
    if len(row.rounds) < rounds:
        row.note = f"cut off after {len(row.rounds)} of {rounds} rounds"
    if row.threads is not None and row.threads > 1.2:
        row.note = f"used {row.threads:.1f} threads"


def load_average() -> float | None:
    """Of the last minute, where the system knows it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
