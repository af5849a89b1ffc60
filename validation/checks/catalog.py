"""The list of all checks."""

from __future__ import annotations

import functools

from ..relations.catalog import all_relations
from ..relations.relation import Relation
from . import flows, gradients, values
from .registry import Check


@functools.cache
def all_checks() -> dict[str, Check]:
    """Every check by id, in the order of the tables."""
    return {check.id: check for check in [*values.CHECKS, *gradients.CHECKS, *flows.CHECKS]}


@functools.cache
def everything() -> dict[str, Check | Relation]:
    """Checks with expected values, then relations, by id."""
    return {**all_checks(), **all_relations()}
