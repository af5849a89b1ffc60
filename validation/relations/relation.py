"""What a relation is, and how an implementation is asked by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .. import case, verdicts
from ..case import Reply
from ..checks.registry import GRADIENTS, Level
from ..verdicts import Comparison, Verdict
from .posed import Posed

RTOL = 1e-6


class NoAnswer(Exception):
    """Raised inside a relation when the implementation did not answer one of its questions; carries the Reply."""

    def __init__(self, reply: Reply):
        super().__init__(reply.message)
        self.reply = reply


class Ask:
    """ask(task, rtol, wants, **request) -> Reply: one question to one implementation. NoAnswer if it is not answered.

    request, all optional: atol (rtol/100 if not given), method and steps (fixed steps), dtype ("f64" or "f32"), max_steps.
    calls adds up the evaluations of the dynamics over all questions.
    """

    def __init__(self, adapter: Any):
        self.adapter, self.calls = adapter, 0
        self.warnings: set[str] = set()

    def __call__(self, task: Posed, rtol: float, wants: tuple[str, ...] = ("z",), **request: Any) -> Reply:
        reply = self.reply(task, rtol, wants, **request)
        if reply.state != "answered":
            raise NoAnswer(reply)
        return reply

    def reply(self, task: Posed, rtol: float, wants: tuple[str, ...] = ("z",), **request: Any) -> Reply:
        """The same, whatever comes back."""
        reply = case.ask(self.adapter, task, rtol, wants, **request)
        self.calls += reply.calls
        self.warnings |= set(reply.warnings)
        return reply

    def has(self, capability: str) -> bool:
        """Does the implementation declare it?"""
        return capability in self.adapter.capabilities

    def gradients(self, *keys: str) -> tuple[str, ...]:
        """Those of the keys dL/dz0, dL/dtheta, dL/dt that the implementation can give."""
        return tuple(key for key in keys if self.has(GRADIENTS[key]))

    def allowed_value(self, task: Posed, rtol: float, largest: float | None = None) -> float:
        """What one solve may be off: kappa Gamma (atol + rtol max |z|), Gamma estimated."""
        return self._allowed(task.condition.values, rtol, task.condition.largest if largest is None else largest)

    def allowed_gradient(self, task: Posed, rtol: float, gradient: Any) -> float:
        """What a gradient may be off; an implementation that solves z backwards also gets the growth of that solve."""
        growth = task.condition.reconstruction if self.adapter.mode == "adjoint" else 1.0
        return self._allowed(task.condition.adjoint * growth * float(abs(task.weights).max()), rtol, float(abs(gradient).max(initial=0.0)))

    def _allowed(self, gamma: float, rtol: float, largest: float) -> float:
        return verdicts.kappa(self.adapter.interpolates) * gamma * (rtol / 100 + rtol * largest)


def exactly(quantity: str, got: Any, expected: Any) -> Comparison:
    """To the bit: the ratio is 0, or infinite."""
    comparison = verdicts.compare(quantity, got, expected, 1.0)
    return replace(comparison, ratio=0.0 if comparison.ratio == 0 else math.inf)


@dataclass(frozen=True)
class Relation:
    """One relation. judge(ask, task, rtol) asks for two or more solves and returns Comparisons of the answers with each other.

    needs: the capabilities without which it cannot be asked (time:backward is added where the grid decreases); "fixed" stands for any
    of those that begin with "fixed:".
    on: the ids of the problems that it runs on by itself. It can be asked about any other dynamics (drawn ones, a user's own) to which it
    applies: applies(task) is False where they say nothing about it.
    """

    id: str
    statements: tuple[str, ...]
    level: Level
    needs: tuple[str, ...]
    judge: Callable[[Ask, Posed, float], list[Comparison]]
    on: tuple[str, ...] = ()
    applies: Callable[[Posed], bool] = lambda task: True

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return (self.judge.__doc__ or "").strip().splitlines()[0]

    def missing(self, adapter: Any, task: Posed) -> str:
        """The capabilities that the implementation lacks, as one string; empty if there are none."""
        needs = dict.fromkeys(["values", *self.needs, *(["time:backward"] if task.ts[-1] < task.ts[0] else [])])
        return ", ".join(need for need in needs if not any(have == need or have.startswith(need + ":") for have in adapter.capabilities))


def verdict(relation: Relation, ask: Ask, task: Posed, rtol: float = RTOL) -> Verdict:
    """The verdict about one implementation on one problem; whatever the implementation does, a Verdict comes back."""
    missing = relation.missing(ask.adapter, task)
    if missing:
        return Verdict("unsupported", message=missing)
    try:
        return verdicts.judge(relation.judge(ask, task, rtol))
    except NoAnswer as error:
        return Verdict(error.reply.state, message=error.reply.message)
