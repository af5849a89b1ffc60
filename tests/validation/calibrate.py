"""How far the thresholds are from right and from wrong implementations: python -m tests.validation.calibrate

Writes validation/checks/calibration.json. For each check, "right" is the largest ratio of all its cases over refnode's gradient modes,
SciPy's RK45 and DOP853, and the reference without bugs; cases on refnode's list of expected failures are left out. "wrong" is the
smallest ratio of the bugs that are named for it (of each bug its worst case counts); where none is named for it, that of the bug that it
sees best. A bug seen by another state than "fail", or by an answer that is not finite, has the ratio "inf".
"""

import json
import math
from collections import defaultdict
from pathlib import Path

import refnode_validation
from refnode_validation.checks.catalog import all_checks, everything
from refnode_validation.checks.parts import is_required
from refnode_validation.impls.loading import load
from refnode_validation.outcomes import reason
from refnode_validation.problems.catalog import problems
from refnode_validation.relations.catalog import all_relations, by_themselves
from refnode_validation.relations.relation import Ask, verdict
from refnode_validation.runner import Plan, run
from refnode_validation.vectors.tasks import vectors

from .fakes import FirstForSecond
from .reference import BUGS, RELATION_BUGS, Reference
from .test_densities import BUGS as FLOW_BUGS
from .test_densities import RELATION_BUGS as FLOW_RELATION_BUGS
from .test_densities import Flow
from .test_mutants import PLAN

FILE = Path(refnode_validation.__file__).parent / "checks" / "calibration.json"
CHECKS, RELATIONS = tuple(all_checks().values()), all_relations()
FLOWS = Plan(tuple(check for check in CHECKS if check.id.startswith("flow.")), ("P18a", "P19", "P20", "P28"), rtols=(1e-5,))


def measure():
    """{check: {"right": {"ratio", "by", "case"}, "wrong": {"ratio", "bug"}}}"""
    rights, wrongs = right(), wrong()
    return {id: {"level": check.level, "right": rights[id], "wrong": wrongs[id]} for id, check in everything().items()}


def right():
    worst = defaultdict(lambda: {"ratio": -1.0})
    for adapter, plan, entries in implementations():
        for result in run(adapter, plan):
            ratio = result.verdict.ratio
            if ratio is not None and ratio > worst[result.check]["ratio"] and not reason(result, adapter.version, entries):
                worst[result.check] = {"ratio": ratio, "by": adapter.name, "case": result.id}
    return worst


def implementations():
    """(adapter, plan, expected failures) of all that are right."""
    posed = [id for id, vector in vectors().items() if vector["expected"] and is_required(id)]
    whole = Plan(CHECKS, (*problems(), *posed), relations=pairs(RELATIONS, range(4)), vector_rtols=(1e-7,))
    for word in ("refnode", "scipy"):
        group = load(word, asked=True)
        yield from ((adapter, whole, group.entries) for adapter in group.adapters)
    yield Reference(), PLAN, ()
    yield Flow(), FLOWS, ()
    seen = tuple((r, task) for r, task in pairs(RELATIONS) if not task.id.startswith("negative-"))  # fixed steps go across a pole
    yield Flow(), Plan((), (), relations=seen), ()


def wrong():
    """The ratio of the named bug that is closest to the threshold."""
    seen = defaultdict(dict)  # check: bug: its largest ratio
    for bug in BUGS:
        collect(seen, bug, Reference(bug), PLAN)
    for bug in FLOW_BUGS:
        collect(seen, bug, Flow(bug), FLOWS)
    for bug, killer in {**RELATION_BUGS, **FLOW_RELATION_BUGS}.items():
        adapter = Flow(bug) if bug in FLOW_RELATION_BUGS else Reference(bug)
        found = [verdict(relation, Ask(adapter), task) for relation, task in pairs([killer])]  # not by run(): the probe would see some
        seen[killer][bug] = max(map(seen_as, found))
    collect(seen, "first_for_second", FirstForSecond(problems()), Plan((all_checks()["grad.second"],), ("P01", "P10", "P14")))
    killers = {**BUGS, **FLOW_BUGS, **RELATION_BUGS, **FLOW_RELATION_BUGS}
    nearest = {}
    for id, ratios in seen.items():
        named = {bug: ratio for bug, ratio in ratios.items() if killers.get(bug) == id}
        bug = min(named, key=named.get) if named else max(ratios, key=ratios.get)
        nearest[id] = {"ratio": ratios[bug], "bug": bug}
    return nearest


def collect(seen, bug, adapter, plan):
    for result in run(adapter, plan):
        seen[result.check][bug] = max(seen_as(result.verdict), seen[result.check].get(bug, -1.0))


def seen_as(found):
    """The ratio of a verdict; infinite where there is none, and -1 where nothing was asked."""
    if found.state == "unsupported":
        return -1.0
    return math.inf if found.state not in ("pass", "fail") or math.isnan(found.ratio) else found.ratio


def pairs(ids, seeds=()):
    return tuple(by_themselves([RELATIONS[id] for id in ids], [f"draw-{seed}" for seed in seeds]))


def rounded(entry):
    """Two digits, and no infinity, for JSON has none."""
    if isinstance(entry, dict):
        return {key: rounded(value) for key, value in entry.items()}
    return entry if isinstance(entry, str) else float(f"{entry:.2g}") if math.isfinite(entry) else "inf"


if __name__ == "__main__":
    lines = [f'  "{id}": {json.dumps(rounded(entry))}' for id, entry in measure().items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
