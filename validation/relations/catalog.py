"""The list of all relations, and the problems that they can be asked about by name."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from ..problems.catalog import problems
from . import fixed, flows, gradients, negative, solutions
from .draw import draw, seed_of
from .posed import Posed, posed
from .relation import Relation


@functools.cache
def all_relations() -> dict[str, Relation]:
    """Every relation by id, in the order of the tables."""
    families = (solutions, fixed, negative, gradients, flows)
    return {relation.id: relation for family in families for relation in family.RELATIONS}


def by_themselves(relations: Iterable[Relation], seeds: Iterable[int] = ()) -> list[tuple[Relation, Posed]]:
    """The pairs that are run where no problem is named: each relation on its own problems, and on draws."""
    drawn = [f"draw-{seed}" for seed in seeds]
    pairs = [(r, task_named(name)) for r in relations for name in (*r.on, *drawn)]
    return [(r, task) for r, task in pairs if r.applies(task)]


def on(relations: Iterable[Relation], tasks: Iterable[Posed]) -> list[tuple[Relation, Posed]]:
    """The pairs that are run on given tasks: the relations that apply to each. On a task of OWN, only those that it belongs to."""
    return [(r, task) for r in relations for task in tasks if r.applies(task) and (task.id in r.on or task.id not in OWN)]


def is_known(name: str) -> bool:
    """Is there a problem of this name?"""
    return name in OWN or name in problems() or seed_of(name) is not None


@functools.cache
def task_named(name: str) -> Posed:
    """A problem of the catalog, one that a relation has of its own, or draw-<seed>. KeyError for other names."""
    seed = seed_of(name)
    if seed is not None:
        return draw(seed)
    return OWN[name] if name in OWN else posed(problems()[name])


OWN = {task.id: task for task in (fixed.RESNET, fixed.FORCED, *negative.CASES)}
