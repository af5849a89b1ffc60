"""From the options of the command to what is run: which checks, on which problems, vectors and draws, at which tolerances.

    tier      problems      vectors                   relations
    smoke     one, at one   smoke, at one tolerance   on questions without an answer
              tolerance
    default   all, three    smoke and default, at one on their own problems and on a few draws
    full      all, three    all, three                on every problem, vector and draw to which they apply
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .checks.catalog import all_checks, everything
from .problems.catalog import problems
from .relations import catalog as relations
from .relations.draw import seed_of
from .runner import RTOLS, Plan, middle
from .vectors.tasks import vectors

TIERS = ("smoke", "default", "full")
SMOKE = ("P10",)
DRAWS = {"smoke": 0, "default": 2, "full": 20}


@dataclass(frozen=True)
class Options:
    """only: globs of check ids; problem: names; both empty for all. rtol: tolerances, () for the usual ones. draws: None for the tier's."""

    tier: str = "default"
    only: tuple[str, ...] = ()
    problem: tuple[str, ...] = ()
    rtol: tuple[float, ...] = ()
    seed: int = 0
    draws: int | None = None


def plan(options: Options) -> Plan:
    """The plan. ValueError, in one sentence, for names that do not exist and for an empty plan."""
    _check(options)
    named, rtols = options.problem, tuple(sorted(set(options.rtol), reverse=True)) or RTOLS
    draws = DRAWS[options.tier] if options.draws is None else options.draws
    chosen, related = _chosen(all_checks().values(), options.only), _chosen(relations.all_relations().values(), options.only)
    drawn = [f"draw-{seed}" for seed in range(options.seed, options.seed + draws)]
    if named:
        pairs = relations.on(related, [relations.task_named(name) for name in named])
    elif options.tier == "full":
        everywhere = dict.fromkeys([*relations.OWN, *problems(), *_vectors("full"), *drawn])  # the negative vectors are among OWN, too
        pairs = relations.on(related, [relations.task_named(name) for name in everywhere])
    elif options.tier == "smoke":
        refusals = relations.by_themselves(relation for relation in related if relation.id == "solve.negative")
        pairs = [(relation, task) for relation, task in refusals if task.id in _vectors("smoke")]
    else:
        pairs = relations.by_themselves(related, drawn)
    one = (middle(rtols),)
    whole = bool(options.rtol or named)
    made = Plan(
        checks=chosen,
        problem_ids=tuple(name for name in named or _subjects(options.tier) if name in problems() or _is_posed(name)),
        rtols=one if options.tier == "smoke" and not whole else rtols,
        seed=options.seed,
        relations=tuple(pairs),
        vector_rtols=rtols if options.tier == "full" or whole else one,
        **({"relation_rtol": middle(rtols)} if options.rtol else {}),
    )
    if not made.all_items():
        raise ValueError("nothing to run: no check of --only applies to the problems and tolerances given")
    return made


def draws_in(made: Plan) -> int:
    """How many drawn problems there are."""
    return len({task.id for _, task in made.relations if seed_of(task.id) is not None})


def _check(options: Options) -> None:
    for pattern in options.only:
        if not fnmatch.filter(everything(), pattern):
            raise ValueError(f"no check matches {pattern!r}: the checks are {', '.join(everything())}")
    for name in options.problem:
        if not relations.is_known(name):
            near = difflib.get_close_matches(name, [*relations.OWN, *problems(), *vectors()], 1)
            remedy = f", did you mean {near[0]}?" if near else ": see refnode validate --list, or give draw-N"
            raise ValueError(f"unknown problem {name!r}{remedy}")
    if (options.draws or 0) < 0 or options.seed < 0:
        raise ValueError(f"--draws and --seed are numbers from 0 on, not {options.draws} and {options.seed}")
    for rtol in options.rtol:
        if not 1e-12 <= rtol <= 1e-2:
            raise ValueError(f"rtol {rtol:g} is outside [1e-12, 1e-2], where float64 can be judged")


def _chosen(checks: Iterable[Any], patterns: Sequence[str]) -> tuple[Any, ...]:
    return tuple(check for check in checks if not patterns or any(fnmatch.fnmatchcase(check.id, pattern) for pattern in patterns))


def _subjects(tier: str) -> list[str]:
    return [*(SMOKE if tier == "smoke" else problems()), *_vectors(tier)]


def _vectors(tier: str) -> list[str]:
    """Those of a tier and of the smaller ones."""
    return [id for id, vector in vectors().items() if TIERS.index(vector["tier"]) <= TIERS.index(tier)]


def _is_posed(name: str) -> bool:
    """A vector of which values are expected."""
    return name in vectors() and vectors()[name]["expected"] is not None
