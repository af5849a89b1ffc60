"""What a check of f says: its id, a verdict, one line with numbers, and, where something is wrong, a diagnosis with the remedy."""

from __future__ import annotations

from dataclasses import dataclass

VERDICTS = {
    "ok": "as it must be",
    "note": "a property worth knowing",
    "warn": "costs accuracy or time, but is no fault of the contract",
    "FAIL": "breaks the contract of f: numbers computed with it are wrong, or none can be",
    "not judged": "something else has to be put right first",
}


@dataclass(frozen=True)
class Finding:
    """One answer. text is the line in the table; diagnosis, for warn and FAIL, is the sentence with the remedy. ratio: error / allowed."""

    id: str
    verdict: str
    text: str
    diagnosis: str = ""
    ratio: float | None = None
