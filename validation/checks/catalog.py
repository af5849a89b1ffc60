"""The list of all checks."""

from __future__ import annotations

import functools

from . import flows, gradients, values
from .registry import Check


@functools.cache
def all_checks() -> dict[str, Check]:
    """Every check by id, in the order of the tables."""
    return {check.id: check for check in [*values.CHECKS, *gradients.CHECKS, *flows.CHECKS]}
