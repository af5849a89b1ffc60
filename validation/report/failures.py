"""Failures, gathered: the cases of one check that one implementation does not pass, which statements they speak against, and where."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..checks.catalog import all_checks, everything
from ..outcomes import UNEXPECTED
from ..runner import rtol_text
from ..statements import checks_of, statements
from .cells import Row, badness, by_check, component, level, main_state, shown

OF_COMPONENT = {"dL/dt[0]": "S79"}  # the start time has a formula of its own
OF_QUANTITY = {"dL/dz0": "S8", "dL/dtheta": "S9"}
MANY = 6  # problems that are listed by name
SLIGHT = 1000.0  # what is so many times less off than the worst is told after it


@dataclass(frozen=True)
class Group:
    """What one implementation does not pass of one check: bad, those of the main state first, and the worst of these; asked, all its
    rows that were asked.

    statements are the ids that the check speaks of, those first of whose checks the largest share fails.
    """

    implementation: str
    check: str
    bad: tuple[Row, ...]
    asked: tuple[Row, ...]
    statements: tuple[str, ...]

    @property
    def unexpected(self) -> bool:
        """Does one of the cases decide about the exit code?"""
        return any(row["outcome"] in UNEXPECTED for row in self.bad)

    @property
    def worst(self) -> float:
        """The largest ratio; inf where something did not answer."""
        return max(badness(row) for row in self.bad)

    @property
    def everywhere(self) -> bool:
        """Does it fail in nine cases of ten, and in more than one?"""
        return 10 * len(self.bad) >= 9 * len(self.asked) > 9  # (more than one)

    @property
    def where(self) -> list[str]:
        """What the failing cases have in common, in few words each: problems, directions, tolerances, the component."""
        words = [_named("problem", self.bad, self.asked)]
        if len({row["direction"] for row in self.asked}) > 1:
            words.append(_named("direction", self.bad, self.asked))
        words.append(_named("rtol", self.bad, self.asked))
        return [*words, *_components(self.bad)]


def first(mine: list[Group], room: int) -> list[Group]:
    """Those of one implementation's groups that say most.

    First the simplest check; then those that fail everywhere, and among them first those of a statement that few checks speak of;
    relations, which see many things at once, last. No two begin with the same statement.
    """

    def order(group: Group) -> tuple[bool, float]:
        return group.check not in all_checks(), _checks_of(group.statements) if group.everywhere else math.inf

    chosen: list[Group] = []
    for group in [*mine[:1], *sorted(mine[1:], key=order)]:
        if len(chosen) < room and group.statements[:1] not in [other.statements[:1] for other in chosen if other.statements]:
            chosen.append(group)
    return chosen


def groups(rows: Iterable[Row]) -> list[Group]:
    """All groups: by implementation, unexpected ones first, those that are slightly off beside others last; then in the order of the
    catalog (simple checks before those built on them)."""
    rows = list(rows)
    found = []
    failing: dict[str, set[str]] = defaultdict(set)
    ran: dict[str, set[str]] = defaultdict(set)
    for check, of in by_check(rows).items():
        for name, mine in of.items():
            bad = [row for row in mine if shown(row)]
            if bad or any(row["state"] != "unsupported" for row in mine):
                ran[name].add(check)
            if bad:
                state = main_state(bad)
                bad.sort(key=lambda row: (row["state"] != state, -badness(row)))
                failing[name].add(check)
                found.append((name, check, bad, [row for row in mine if row["state"] != "unsupported"]))
    made = [Group(name, check, tuple(bad), tuple(asked), _statements(check, bad, failing[name], ran[name]))
            for name, check, bad, asked in found]
    order = list(dict.fromkeys(row["implementation"] for row in rows))

    largest: dict[str, float] = defaultdict(float)
    for group in made:
        largest[group.implementation] = max(largest[group.implementation], group.worst)

    def key(group: Group) -> tuple[int, bool, bool, bool]:
        slight = SLIGHT * group.worst < largest[group.implementation] < math.inf
        return order.index(group.implementation), not group.unexpected, slight, level(group.check) != "required"

    return sorted(made, key=key)


def _statements(check: str, bad: list[Row], failing: set[str], ran: set[str]) -> tuple[str, ...]:
    """The statements of a check, the most suspect first: the one that speaks of the component which is always the worst; then by the share
    of the checks of a statement that fail, of those that ran; then the one of the quantity that is the worst most often; and those with
    few checks before others."""
    quantities = Counter(OF_QUANTITY.get(row["worst"]["quantity"]) for row in bad if row.get("worst"))
    spoken = {OF_COMPONENT.get(component(row)) for row in bad}
    mine = everything()[check].statements if check in everything() else ()
    of = {id: [other for other in checks_of(statements()[id]) if other in ran] for id in mine}

    def key(id: str) -> tuple[bool, float, int, int]:
        return spoken != {id}, -sum(other in failing for other in of[id]) / len(of[id]), -quantities[id], len(of[id])

    return tuple(sorted(mine, key=key))


def _checks_of(ids: tuple[str, ...]) -> float:
    """The number of checks of the first statement: the fewer, the more a failure says of it."""
    return len(checks_of(statements()[ids[0]])) if ids else math.inf


def _named(field: str, bad: tuple[Row, ...], asked: tuple[Row, ...]) -> str:
    values, possible = ({row[field]: None for row in rows} for rows in (bad, asked))
    words = [rtol_text(value) if field == "rtol" else value for value in possible if value in values]
    if field == "rtol" and words == ["all"]:
        return "all rtol together"
    if len(values) == len(possible) > 1:
        return f"every {field}"
    if field == "problem" and len(words) > MANY and len(possible) - len(values) <= 2:
        return f"every problem but {' '.join(value for value in possible if value not in values)}"
    if field == "problem" and len(words) > MANY:
        return f"{len(words)} of {len(possible)} problems: {' '.join(words[:MANY])} ..."
    return f"{'only ' if len(words) < len(possible) else ''}{field} {' '.join(words)}"


def _components(bad: tuple[Row, ...]) -> list[str]:
    """The component that is the worst in most cases."""
    most = Counter(component(row) for row in bad if component(row)).most_common(1)
    if not most:
        return []
    name, n = most[0]
    if n == len(bad):
        return [f"worst in {name}" if n == 1 else f"always worst in {name}"]
    return [f"worst in {name} {n} times of {len(bad)}"] if 2 * n > len(bad) else []
