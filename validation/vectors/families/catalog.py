"""All requests that the families author."""

from __future__ import annotations

import functools
from typing import Any

from . import contracting, detest, edges, flows, forced, integrals, linear, negative, nets, nonlinear, observations

MODULES = (linear, nonlinear, forced, detest, nets, contracting, flows, observations, integrals, edges, negative)


@functools.cache
def requests() -> dict[str, dict[str, Any]]:
    """The requests by id, in the order of the files."""
    entries = [request for module in MODULES for request in module.REQUESTS]
    found = {request["id"]: request for request in entries}
    if len(found) != len(entries):
        raise ValueError(f"two requests have the same id, among {sorted(request['id'] for request in entries)}")
    return found
