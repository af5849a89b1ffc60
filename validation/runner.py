"""The loop: every problem and vector, each direction of time, each tolerance; one solve serves all the checks that look at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import case
from .case import CAPABILITIES, Reply
from .checks.parts import PARTS, directions, may_refuse, problem_named, restart_task, task_for
from .checks.registry import GRADIENTS, NEEDS, Answer, Check
from .probe import probe
from .problems.catalog import problems
from .relations.posed import Posed
from .relations.relation import RTOL as RELATION_RTOL
from .relations.relation import Ask, Relation, verdict
from .verdicts import Verdict, judge

RTOLS = (1e-4, 1e-7, 1e-10)
KEYS = tuple(NEEDS)


@dataclass(frozen=True)
class Plan:
    """What is to be run: checks, the ids of problems and vectors, tolerances (loosest first), and the seed of the dummy times.

    vector_rtols are the tolerances for vectors; relations are pairs (relation, task), all run at relation_rtol.
    """

    checks: tuple[Check, ...]
    problem_ids: tuple[str, ...]
    rtols: tuple[float, ...] = RTOLS
    seed: int = 0
    relations: tuple[tuple[Relation, Posed], ...] = ()
    relation_rtol: float = RELATION_RTOL
    vector_rtols: tuple[float, ...] = RTOLS

    def rtols_of(self, name: str) -> tuple[float, ...]:
        """The tolerances at which a problem or vector is asked about."""
        return self.rtols if name in problems() else self.vector_rtols

    def items(self, name: str, direction: str) -> list[tuple[Check, float | None]]:
        """The (check, rtol) pairs of one problem in one direction; rtol None stands for all tolerances together."""
        items: list[tuple[Check, float | None]] = []
        rtols = self.rtols_of(name)
        for check in self.checks:
            if direction not in check.directions or not check.applies_to(problem_named(name)):
                continue
            if check.every_rtol:
                items += [(check, None)] if len(rtols) > 1 else []
            elif check.part == "main":
                items += [(check, rtol) for rtol in rtols]
            elif (check.part == "restart" and name in problems()) or task_for(name, direction, check.part, self.seed):
                items.append((check, middle(rtols)))
        return items

    def all_items(self) -> list[tuple[str, str, Check | Relation, float | None]]:
        """(problem, direction, check, rtol) for everything in the plan."""
        pairs = [(name, direction) for name in self.problem_ids for direction in directions(name)]
        items: list[Any] = [(*pair, check, rtol) for pair in pairs for check, rtol in self.items(*pair)]
        return items + [(task.id, _direction(task), relation, self.relation_rtol) for relation, task in self.relations]


def middle(rtols: tuple[float, ...]) -> float:
    """The tolerance of the parts that are asked once."""
    return rtols[len(rtols) // 2]


@dataclass(frozen=True)
class Result:
    """One check of one implementation on one case."""

    implementation: str
    check: str
    problem: str
    direction: str
    rtol: float | None
    verdict: Verdict
    calls: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The name of the case: check/problem/direction/rtol."""
        return f"{self.check}/{self.problem}/{self.direction}/{rtol_text(self.rtol)}"


def run(adapter: Any, plan: Plan) -> Iterator[Result]:
    """Probe the adapter, then run the plan; one Result for each of its items, as they come."""
    fault = probe(adapter)
    if fault:
        yield from whole(plan, adapter.name, Verdict("harness-broken", message=fault))
        return
    for name in plan.problem_ids:
        for direction in directions(name):
            yield from _Solves(adapter, plan, name, direction).results()
    for relation, task in plan.relations:
        ask, rtol = Ask(adapter), plan.relation_rtol
        found = as_good(task.id, verdict(relation, ask, task, rtol))
        yield Result(adapter.name, relation.id, task.id, _direction(task), rtol, found, ask.calls, tuple(sorted(ask.warnings)))


def whole(plan: Plan, name: str, verdict: Verdict) -> Iterator[Result]:
    """The same verdict for every item of the plan."""
    for problem_id, direction, check, rtol in plan.all_items():
        yield Result(name, check.id, problem_id, direction, rtol, verdict)


def rtol_text(rtol: float | None) -> str:
    """1e-07; all its digits where it has more; "all" for the tolerances together."""
    if rtol is None:
        return "all"
    return f"{rtol:.0e}" if float(f"{rtol:.0e}") == rtol else repr(rtol)


def as_good(name: str, verdict: Verdict) -> Verdict:
    """A refusal passes where the vector says that it is as good as an answer."""
    if verdict.state == "refused" and may_refuse(name):
        return Verdict("pass", message=f"refused, which is as good here ({may_refuse(name)}): {verdict.message}")
    return verdict


def _direction(task: Posed) -> str:
    return "forward" if task.ts[-1] > task.ts[0] else "reversed"


class _Solves:
    """The solves of one implementation on one problem in one direction."""

    def __init__(self, adapter: Any, plan: Plan, problem_id: str, direction: str):
        self.adapter, self.seed, self.problem_id, self.direction = adapter, plan.seed, problem_id, direction
        self.items, self.rtols = plan.items(problem_id, direction), plan.rtols_of(problem_id)
        self.can = {check.id for check, _ in self.items if self._supports(check)}
        self.main: dict[float, tuple[Reply, Answer | None]] = {}
        self.values: dict[float, tuple[Reply, Answer | None]] = {}  # the same; where that failed with its gradients, without them

    def results(self) -> Iterator[Result]:
        for check, rtol in self.items:
            if check.id not in self.can:
                yield self._result(check, rtol, Verdict("unsupported", message=self._missing(check)), None)
        needed = [(check, rtol) for check, rtol in self.items if check.id in self.can]
        parts = {check.part for check, _ in needed}
        for rtol in self.rtols:
            if "main" in parts or ("restart" in parts and rtol == middle(self.rtols)):
                self.main[rtol] = self._solve(self._task("main"), rtol, self._wants("main"))
                self.values[rtol] = self._values(*self.main[rtol], rtol)
                yield from self._judge("main", rtol, *self.main[rtol])
        yield from self._judge_series()
        for part in PARTS[1:]:
            if part in parts:
                yield from self._judge(part, middle(self.rtols), *self._solve_part(part))

    def _values(self, reply: Reply, answer: Answer | None, rtol: float) -> tuple[Reply, Answer | None]:
        """The solve of main for what looks at values only. Where it failed with its gradients, the values may yet be right."""
        if answer or self._wants("main") == ("z",):
            return reply, answer
        return self._solve(self._task("main"), rtol, ("z",))

    def _solve_part(self, part: str) -> tuple[Reply, Answer | None]:
        rtol = middle(self.rtols)
        if part != "restart":
            return self._solve(self._task(part), rtol, self._wants(part))
        reply, answer = self.values[rtol]
        if answer is None or not np.all(np.isfinite(answer.arrays["z"])):
            return Reply("fail" if answer else reply.state, message=f"the plain solve did not succeed. {reply.message}"), None
        return self._solve(restart_task(answer.task, answer.arrays["z"]), rtol, ("z",), answer)

    def _task(self, part: str) -> Any:
        return task_for(self.problem_id, self.direction, part, self.seed)

    def _solve(self, task: Any, rtol: float, wants: tuple[str, ...], main: Answer | None = None) -> tuple[Reply, Answer | None]:
        reply = case.ask(self.adapter, task, rtol, wants)
        if reply.state != "answered":
            return reply, None
        mode, interpolates = self.adapter.mode, self.adapter.interpolates
        return reply, Answer(task, rtol, reply.arrays, reply.stats, reply.calls, mode, interpolates, main)

    def _wants(self, part: str) -> tuple[str, ...]:
        """The keys that the checks of a part read, as far as the implementation has them; main always gives z."""
        keys = {"z"} if part == "main" else set()
        for check, _ in self.items:
            if check.part == part and check.id in self.can:
                keys |= set(check.wants) | {key for key in check.also if GRADIENTS[key] in self.adapter.capabilities}
        return tuple(key for key in KEYS if key in keys)

    def _judge(self, part: str, rtol: float, reply: Reply, answer: Answer | None) -> Iterator[Result]:
        """The verdicts about one solve."""
        values = self.values[rtol] if part == "main" else (reply, answer)
        for check, at in self.items:
            if check.part == part and check.id in self.can and not check.every_rtol and at == rtol:
                its_reply, its_answer = values if check.wants == ("z",) else (reply, answer)
                verdict = judge(check.judge(its_answer)) if its_answer else self._without_answer(its_reply)
                yield self._result(check, rtol, verdict, its_reply)

    def _without_answer(self, reply: Reply) -> Verdict:
        return as_good(self.problem_id, Verdict(reply.state, message=reply.message))

    def _judge_series(self) -> Iterator[Result]:
        for check, _ in self.items:
            if check.every_rtol and check.id in self.can:
                solves = (self.values if check.wants == ("z",) else self.main).values()
                answers = [answer for _, answer in solves if answer]
                failed = [reply for reply, answer in solves if not answer]
                verdict = self._without_answer(failed[0]) if failed else judge(check.judge(answers))
                yield self._result(check, None, verdict, None)

    def _supports(self, check: Check) -> bool:
        return not self._missing(check)

    def _missing(self, check: Check) -> str:
        needs = set(check.needs) | ({"time:backward"} if self.direction == "reversed" else set())
        return ", ".join(need for need in CAPABILITIES if need in needs and need not in self.adapter.capabilities)

    def _result(self, check: Check, rtol: float | None, verdict: Verdict, reply: Reply | None) -> Result:
        calls, warned = (reply.calls, reply.warnings) if reply else (0, ())
        return Result(self.adapter.name, check.id, self.problem_id, self.direction, rtol, verdict, calls, warned)
