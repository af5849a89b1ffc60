"""What a check is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ..verdicts import Comparison, allowed_error, kappa

Level = Literal["required", "recommended", "informative"]
FLOWS = {"log p": "flow:log_prob", "dlogp/dx": "flow:grad", "dlogp/dtheta": "flow:grad", "dlogp/dt": "flow:grad_t"}
GRADIENTS = {"dL/dz0": "grad:z0", "dL/dtheta": "grad:theta", "dL/dt": "grad:t"}
NEEDS = {"z": "values", **GRADIENTS, "d2L/dz0": "grad:second", "d2L/dtheta": "grad:second", **FLOWS}  # the capability of each want


@dataclass(frozen=True)
class Answer:
    """An answered case: the task, the tolerances, the arrays that came back, and who answered.

    task is a problems.exact.Task, or has its attributes (vectors.tasks.VectorTask).
    main is the answer to the plain solve of the same problem, direction and tolerance, where a check compares two solves.
    """

    task: Any
    rtol: float
    arrays: dict[str, Any]
    stats: dict[str, Any]
    calls: int
    mode: str
    interpolates: bool
    main: Answer | None = None

    def allowed_value(self, expected) -> float:
        """The allowed error of values z."""
        return allowed_error(expected, self.rtol, self.rtol / 100, self.task.value_gamma, kappa(self.interpolates))

    def allowed_gradient(self, expected) -> float:
        """The allowed error of gradients; an implementation that solves z backwards also gets the growth of that solve."""
        gamma = self.task.gradient_gamma * (self.task.reconstruction_gamma if self.mode == "adjoint" else 1.0)
        return allowed_error(expected, self.rtol, self.rtol / 100, gamma, kappa(self.interpolates))

    def allowed_log_p(self) -> float:
        """The allowed error of log p(x)."""
        gamma, largest = self.task.density.value_condition
        return allowed_error(largest, self.rtol, self.rtol / 100, gamma, kappa(self.interpolates))

    def allowed_log_p_gradient(self, expected) -> float:
        """The allowed error of its gradients, with the growth of the solve back where there is one."""
        density = self.task.density
        gamma = density.gradient_gamma * (density.reconstruction_gamma if self.mode == "adjoint" else 1.0)
        return allowed_error(expected, self.rtol, self.rtol / 100, gamma, kappa(self.interpolates))


@dataclass(frozen=True)
class Check:
    """One check. part says on which solve it looks (checks/parts.py); wants which keys of the answer it reads; needs which capabilities.

    judge takes an Answer and returns Comparisons. With every_rtol it takes the list of Answers for all tolerances, loosest first.
    Wants in `also` are read where the implementation has them.
    """

    id: str
    statements: tuple[str, ...]
    level: Level
    part: str
    directions: tuple[str, ...]
    wants: tuple[str, ...]
    needs: tuple[str, ...]
    also: tuple[str, ...]
    every_rtol: bool
    judge: Callable[[Any], list[Comparison]]

    @property
    def title(self) -> str:
        """The first line of the docstring."""
        return (self.judge.__doc__ or "").strip().splitlines()[0]

    def applies_to(self, problem) -> bool:
        """False where the problem says nothing about the statement."""
        return not (self.id == "grad.shift_sum" and not problem.autonomous)


def check(
    id: str,
    judge: Callable[[Any], list[Comparison]],
    statements: str,
    level: Level = "required",
    part: str = "main",
    directions: tuple[str, ...] = ("forward",),
    wants: tuple[str, ...] = ("z",),
    also: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    every_rtol: bool = False,
) -> Check:
    """A Check whose needs follow from its wants: the capability of each, and time:backward if it runs backward only."""
    derived = {NEEDS[want] for want in wants} | {"values"} | set(needs)
    if directions == ("reversed",):
        derived.add("time:backward")
    return Check(id, tuple(statements.split()), level, part, directions, wants, tuple(sorted(derived)), also, every_rtol, judge)
