"""All checks of f, in the order in which they depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import character, contract, memory
from .character import Growth
from .finding import Finding
from .precision import precision
from .pullback import pullback
from .smooth import Roughness, smooth
from .subject import Malformed, Raised, Subject, Trajectory, points, solution

CHECKS = (
    "f.shape", "f.pure", "f.state", "f.finite", "f.precision", "f.smooth", "f.pullback", "f.time", "f.parameters", "f.rows", "f.stiffness",
)

SINGLE = 2.0**-23


@dataclass
class Examination:
    """What was found about f, and what the relations need to know of it. path is None where f could not be solved at all."""

    findings: list[Finding]
    path: Trajectory | None = None
    noise: float = 0.0
    rough: Roughness = field(default_factory=lambda: Roughness([], False, False))
    growth: Growth = field(default_factory=lambda: Growth(0.0, 0.0))
    autonomous: bool = False

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict == "FAIL"]

    def verdict(self, id: str) -> str:
        """That of one check; empty if it was not made."""
        return next((finding.verdict for finding in self.findings if finding.id == id), "")


def examine(f: Subject, seed: int = 0, tracer: Any = None) -> Examination:
    """Every f.* check that can be made. What depends on something that failed is not judged.

    tracer: (name, pullback) of an implementation that differentiates f by tracing.
    """
    rng = np.random.default_rng(seed)
    found = Examination([])
    before = memory.snapshot(f.f)
    if not _made(found, "f.shape", lambda: contract.signature(f)):
        return _with_the_rest(found)
    answers = memory.first_answers(f)
    if not _made(found, "f.pure", lambda: contract.pure(f), "f.shape") or not _made(found, "f.shape", lambda: contract.shape(f)):
        return _with_the_rest(found)
    start = f(f.z.vector, f.ts[0])
    if not np.all(np.isfinite(start)):
        found.findings.append(contract.finite(f, Trajectory([float(f.ts[0])], [f.z.vector]), []))
        return _with_the_rest(found)
    try:
        if _is_restless(f):
            still = [(f.z.vector, float(t)) for t in np.linspace(f.ts[0], f.ts[-1], 6)]
            _made(found, "f.state", lambda: memory.state(f, still, still, before, answers))
            return _with_the_rest(found)
        path = found.path = solution(f)
        answers += path.answers
        places = points(f, path, rng)
        trail = [(path.states[i], path.times[i]) for i in range(0, len(path.times), max(1, len(path.times) // 8))]
    except (Raised, Malformed) as error:
        id = "f.shape" if isinstance(error, Malformed) else "f.finite"
        found.findings = [finding for finding in found.findings if finding.id != id]
        found.findings.append(Finding(id, "FAIL", str(error), f"A solve cannot go on: {error}"))
        return _with_the_rest(found)
    steady = _made(found, "f.state", lambda: memory.state(f, places, trail, before, answers))
    if steady and _made(found, "f.finite", lambda: contract.finite(f, path, places)) and path.pieces:
        _made(found, "f.precision", lambda: _keep(found, "noise", precision(f, path, places, rng)))
        if found.verdict("f.precision") == "FAIL":
            found.noise = max(found.noise, SINGLE)  # so that its consequences are not counted as further defects
        _made(found, "f.smooth", lambda: _keep(found, "rough", smooth(f, path, found.noise)))
        _made(found, "f.pullback", lambda: pullback(f, path, places, rng, found.noise, tracer))
        _made(found, "f.time", lambda: _keep(found, "autonomous", character.time(f, places, found.rough)))
        _made(found, "f.parameters", lambda: character.parameters(f, places, rng))
        _made(found, "f.rows", lambda: character.rows(f, places[1]))
        _made(found, "f.stiffness", lambda: _keep(found, "growth", character.stiffness(f, path)))
        late = memory.at_the_end(f, before, answers)
        if late:  # then what the checks above compared was not one function: a jump may be the state's
            kept = [finding for finding in found.findings if finding.id in ("f.shape", "f.pure", "f.finite")]
            return _with_the_rest(Examination([*kept, late], path))
    return _with_the_rest(found)


def _is_restless(f: Subject) -> bool:
    """Does f answer differently at once? Then it is not even solved."""
    values = [f(f.z.vector, f.ts[0]) for _ in range(6)]
    size = 1e-12 * float(np.max(np.abs(values), initial=0.0))
    return any(np.max(np.abs(value - values[0]), initial=0.0) > size for value in values)


def _made(found: Examination, id: str, check: Callable[[], Finding | None], blamed: str = "") -> bool:
    """Make one check; False if it failed. f may raise in any of them, for which this check, or the one to be blamed, fails."""
    try:
        finding = check()
    except (Raised, Malformed) as error:
        finding = Finding(blamed or id, "FAIL", str(error), f"f fails where a solver may ask it: {error}")
    if finding is not None:
        found.findings.append(finding)
    return finding is None or finding.verdict != "FAIL"


def _keep(found: Examination, name: str, pair: tuple[Finding, Any]) -> Finding:
    setattr(found, name, pair[1])
    return pair[0]


def _with_the_rest(found: Examination) -> Examination:
    """The checks that were not made, as such."""
    made = {finding.id for finding in found.findings}
    first = found.failed[0].id if found.failed else ""
    if first:
        found.findings += [Finding(id, "not judged", f"before {first} is put right") for id in CHECKS if id not in made and id != "f.rows"]
    found.findings.sort(key=lambda finding: CHECKS.index(finding.id))
    return found
