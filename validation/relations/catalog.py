"""The list of all relations, and the problems that they can be asked about by name."""

from __future__ import annotations

import functools

from ..problems.catalog import problems
from . import solutions
from .posed import Posed, posed
from .relation import Relation


@functools.cache
def all_relations() -> dict[str, Relation]:
    """Every relation by id, in the order of the tables."""
    return {relation.id: relation for relation in [*solutions.RELATIONS]}


@functools.cache
def task_named(name: str) -> Posed:
    """The Posed of a problem of the catalog."""
    return posed(problems()[name])
