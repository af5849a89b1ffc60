"""What an implementation can do and does not declare: refnode validate --undeclared."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from .case import CAPABILITIES
from .plans import Options, plan
from .runner import Plan, Result, run

ASKED = Options(problem=("P10", "P18b", "P20", "negative-step-limit", "resnet", "van_der_pol"), rtol=(1e-4,))


def working(adapter: Any) -> dict[str, list[str]]:
    """{capability: the checks that need it}, of those that are not declared and with which all these checks pass.

    Each is declared for the adapter by itself, beside what it declares, and what needs it is asked on a few problems. An adapter that does
    not compute it says so (Unsupported), or fails. What works there may still not work on others: --tier full, when it is declared, tells.
    """
    found = {}
    for capability in CAPABILITIES:
        if capability not in adapter.capabilities:
            bold = copy.copy(adapter)
            bold.capabilities = frozenset(adapter.capabilities) | {capability}
            results = [result for result in run(bold, _about(capability)) if result.verdict.state != "unsupported"]
            if results and all(_passes(result) for result in results):
                found[capability] = sorted({result.check for result in results})
    return found


def sentences(adapter: Any) -> list[str]:
    """One for each of them."""
    return [f'{adapter.name}: "{capability}" works, and is not declared ({CAPABILITIES[capability]}): it passes {", ".join(checks)}'
            for capability, checks in working(adapter).items()]


def _about(capability: str) -> Plan:
    """What needs the capability, of all that is asked about these problems."""
    whole = plan(ASKED)
    checks = tuple(check for check in whole.checks if capability in check.needs and not check.every_rtol)
    family = capability.partition(":")[0]  # relations need "fixed" for any method with equal steps
    return replace(whole, checks=checks, relations=tuple(pair for pair in whole.relations if {capability, family} & set(pair[0].needs)))


def _passes(result: Result) -> bool:
    return result.verdict.state == "pass"
