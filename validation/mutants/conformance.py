"""The questions that a mutant is asked: few that see much."""

from __future__ import annotations

import warnings
from typing import Any

from .. import plans
from ..runner import Plan, run
from .ways import LOW_ORDER, RTOLS, ways

PROBLEMS = ("P10", "P18b", "P20", "P27", "repeated-start", "edge-unused-parameter", "edge-scales", "contracting-few",
            "negative-step-limit")
FEW = ("P10", "edge-scales", "negative-step-limit")  # for other methods than dopri5
ONE = ("P20",)  # where signs as probes are exact


def plan(way: Any) -> Plan:
    """What one way in is asked: the checks on a few problems; the relations, or every second one, on problems of their own."""
    rtols = getattr(way, "rtols", RTOLS)
    problems = ONE if hasattr(way, "one_dimension") else FEW if hasattr(way, "few") else PROBLEMS
    asked = plans.plan(plans.Options(problem=problems, rtol=rtols))
    own = plans.plan(plans.Options(draws=0)).relations
    related = asked.relations if problems is ONE else own if problems is PROBLEMS else own[::2]
    loose = 1e-4 if rtols is LOW_ORDER else 1e-6
    return Plan(asked.checks, asked.problem_ids, rtols, relations=related, relation_rtol=loose, vector_rtols=rtols[:1])


def failing(name: str) -> set[str]:
    """check|way|case for each that is asked and does not pass; "probe" for a way that does not solve the two easy problems."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = list(run(ways()[name], plan(ways()[name])))
    if results[0].verdict.state == "harness-broken":
        return {f"probe|{name}|{results[0].verdict.message}"}
    return {f"{r.check}|{name}|{r.id}" for r in results if r.verdict.state not in ("pass", "unsupported")}
