"""How far an expected value can be trusted: four levels, the highest first."""

from __future__ import annotations

LEVELS = {
    "closed-form": "a formula, evaluated in balls, and checked to solve the equation",
    "proved": "an enclosure by ball Taylor series, every remainder bounded over a verified box",
    "corroborated": "two independent methods agree, each at two precisions; the radius is ten times their disagreement",
    "asserted": "copied from the literature; it may inform, never decide a verdict",
}


def decides(level: str) -> bool:
    """Whether a vector of this level may make an implementation fail. KeyError for a level that there is not."""
    return LEVELS[level] is not LEVELS["asserted"]


def lowest(levels: list[str]) -> str:
    """The trust of what is made from several parts."""
    order = list(LEVELS)
    return max(levels, key=order.index)
