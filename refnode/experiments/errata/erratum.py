"""One erratum: what is printed, what is right, and a measurement that tells the two apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[], tuple[float, float]]


@dataclass(frozen=True)
class Erratum:
    """where, printed, correct: sentences. check: gives the measured number of what is printed, and that of what is correct.

    quantity: what the two numbers are. The printed one is above `apart`, and the correct one below. Without a check (None), quantity says why
    there is nothing to measure: a slip of the pen, or a matter of words.
    """

    id: str
    where: str
    printed: str
    correct: str
    quantity: str
    apart: float = 0.0
    check: Check | None = None


def erratum(into: list[Erratum], where: str, *, printed: str, correct: str, quantity: str, apart: float) -> Callable[[Check], Check]:
    """Put the decorated check, whose name is the erratum's id in small letters, into a list."""
    def add(check: Check) -> Check:
        into.append(Erratum(check.__name__.upper(), where, printed, correct, quantity, apart, check))
        return check
    return add


def words(into: list[Erratum], id: str, where: str, *, printed: str, correct: str, quantity: str = "words") -> None:
    """An erratum that no number shows."""
    into.append(Erratum(id, where, printed, correct, quantity))
