"""What the experiments share: claims and their verdicts, parts that are computed once, and the bar over a training."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import refnode as rn
from refnode.flows.guards import Guards
from refnode.flows.training import State, last, saved_training


class Claim(NamedTuple):
    """A claim of the paper beside what was found.

    statement: its number, "S45"; "-" for what the paper does not say. says: the claim, in our words. paper, ours: the numbers, as text; "-" where
    the paper gives none. rule: when a case counts as right, with its bound. cases: for each case whether the rule holds there, found from the
    numbers that `ours` shows.
    """

    statement: str
    says: str
    paper: str
    ours: str
    rule: str
    cases: tuple[bool, ...]

    @property
    def verdict(self) -> str:
        """holds: in all cases; in part: in some; not here: in none."""
        if not self.cases:
            raise ValueError(f"the claim of {self.statement}, {self.says!r}, has no case, so there is no verdict.")
        return "holds" if all(self.cases) else "in part" if any(self.cases) else "not here"


def claim(statement: str, says: str, paper: str, ours: str, rule: str, cases: Iterable[Any]) -> Claim:
    return Claim(statement, says, paper, ours, rule, tuple(bool(case) for case in cases))


class Outcome(NamedTuple):
    """What an experiment's `run` returns: lines of text (its tables), its claims, its pictures, and where its numbers are."""

    lines: list[str]
    claims: list[Claim]
    pictures: list[Path]
    results: Results


class OtherSettings(ValueError):
    """A folder with results of other settings."""


@dataclass
class Results:
    """The metrics of an experiment, part by part, in folder/name.json; written after each part.

    settings: numbers that define the experiment; a file with other ones is refused, since its parts must not be mixed with new ones.
    seconds: processor time of each part, in the call that finished it.
    """

    folder: Path
    name: str
    settings: dict[str, Any]
    parts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            stored = json.loads(self.path.read_text())
            if stored["settings"] != json.loads(json.dumps(self.settings)):
                raise OtherSettings(f"{self.path} holds results of other settings; remove it and {self.name}-*.npz, or give another --output.")
            self.parts, self.seconds = stored["parts"], stored.get("processor seconds", {})
            known = f"{len(self.parts)} part{'s' * (len(self.parts) != 1)}"
            print(f"{self.name}: {known} of it from {self.path}; to compute again, give another --output.", file=sys.stderr)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.json"

    def checkpoint(self, part: str) -> Path:
        return self.folder / f"{self.name}-{part}.npz"

    def part(self, part: str, compute: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        """The metrics of a part: those that are stored, or compute(*args), stored."""
        if part not in self.parts:
            began = time.process_time()
            found = compute(*args)
            self.parts[part], self.seconds[part] = found, round(time.process_time() - began, 3)
            unfinished = self.path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps({"experiment": self.name, "settings": self.settings, "parts": self.parts,
                                              "processor seconds": self.seconds}, indent=1))
            unfinished.replace(self.path)
        return self.parts[part]

    def trained(self, part: str, loss: Any, state: State, steps: int, **keywords: Any) -> State:
        """The state after `steps`, from the part's checkpoint where there is one, under a bar."""
        return last(with_bar(saved_training(self.checkpoint(part), loss, state, steps, **keywords), steps, f"{self.name} {part}"))


def with_bar(states: Iterable[State], steps: int, what: str) -> Iterator[State]:
    from tqdm import tqdm

    with tqdm(total=steps, desc=what, unit="step", leave=False, disable=None) as bar:
        for state in states:
            bar.update(len(state.losses) - bar.n)
            bar.set_postfix_str(f"loss {state.losses[-1]:.3f}", refresh=False)
            yield state


def compiled(f: Any) -> Any:
    """Dynamics that declare their trace, compiled together with it."""
    return rn.with_trace(rn.compiled(f.value_and_trace))


def cosine(rate: float, steps: int) -> Callable[[int], float]:
    """A learning rate that falls from `rate` to 0 along half a cosine."""
    return lambda k: rate * 0.5 * (1 + np.cos(np.pi * k / steps))


def as_json(table: Guards) -> dict[str, Any]:
    """The guards as numbers: {name: [value, holds]}; NaN, of a solve that failed, as None."""
    return {guard.name: [guard.value if np.isfinite(guard.value) else None, bool(guard.passed)] for guard in table.table}


def verdict(tables: Iterable[dict[str, Any]]) -> str:
    """How many guards hold, and how many of which do not."""
    tables = list(tables)
    missed = [name for table in tables for name, (_, holds) in table.items() if not holds]
    total = sum(len(table) for table in tables)
    which = ", ".join(f"{name} ({missed.count(name)})" for name in dict.fromkeys(missed))
    return f"{total - len(missed)} of {total} hold" + (f"; not: {which}" if missed else "")
