"""How far an expected value can be trusted: the levels, the highest first."""

from __future__ import annotations

LEVELS = {
    "closed-form": "a formula, evaluated in balls, and checked to solve the equation",
    "proved": "an enclosure by ball Taylor series, every remainder bounded over a verified box",
    "corroborated": "two independent methods agree, each at two precisions; the radius is ten times their disagreement",
    "asserted": "copied from the literature; it may inform, never decide a verdict",
    "argued": "there is no expected value: the vector is negative, and says why",
}


def decides(level: str) -> bool:
    """Whether values of this level may make an implementation fail. KeyError for a level that there is not."""
    return LEVELS[level] not in (LEVELS["asserted"], LEVELS["argued"])
