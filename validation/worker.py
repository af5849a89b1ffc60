"""The adapters of one word after --impl, in a process of their own: python -m refnode_validation.worker

Requests and replies are lines of JSON, on stdin and stdout:

    {"do": "load", "word": WORD, "asked": BOOL}     what impls.loading.load makes of the word: one reply
    {"do": "run", "name": NAME, "argv": WORDS,      the plan of a command line, for the adapter of that name: many replies,
     "answers": {CASE: ...}}                        {"started": CASE}, {"answered": CASE, ...}, {"result": ...}, and {"end": true}

CASE is the number of a question, with a digest of it. `answers` is what an earlier process has said of the same plan before it died:
these cases are not asked again. What a library prints goes to stderr, and what it reads from stdin is empty.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from . import case as cases
from .impls.loading import Loaded, load
from .process import streams
from .runner import run

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Answer until the end of stdin, which is the end of the process that asks."""
    requests, replies = streams()
    sys.path.insert(0, "")  # modules in the current folder, as `python -c` has them

    def say(reply: dict[str, Any]) -> None:
        print(json.dumps(reply), file=replies, flush=True)

    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(requests, lines), daemon=True).start()
    loaded = Loaded("", (), ())
    while True:
        request = json.loads(lines.get())
        if request["do"] == "load":
            try:
                loaded = load(request["word"], request["asked"])
                say(_described(loaded))
            except ValueError as error:
                say({"refused": str(error)})
        else:
            adapter = next(adapter for adapter in loaded.adapters if adapter.name == request["name"])
            _run(adapter, request["argv"], request["answers"], say)


def _listen(requests: Any, lines: queue.Queue[str]) -> None:
    for line in requests:
        lines.put(line)
    os._exit(0)  # whatever the adapter is doing: nobody is there to read it


def _run(adapter: Any, argv: list[str], answers: dict[str, Any], say: Say) -> None:
    from .arguments import parse, plan_of

    for result in run(Remembering(adapter, answers, say), plan_of(parse(argv))):
        say({"result": dataclasses.asdict(result)})
    say({"end": True})


class Remembering:
    """The adapter, which says what it is asked and what it answers, and does not ask again what has been answered before."""

    def __init__(self, adapter: Any, answers: dict[str, Any], say: Say):
        self.adapter, self.answers, self.say, self.asked = adapter, answers, say, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.adapter, name)

    def run(self, case: Any) -> Any:
        self.asked += 1  # a plan is asked in the same order in every process
        key = f"{self.asked}:{_digest(case)}"
        if key in self.answers:
            return _again(case, self.answers[key])
        self.say({"started": key})
        try:
            returned = self.adapter.run(case)
        except cases.BudgetExceeded as error:
            self.say({"answered": key, "ended": ["timeout", str(error)]})
            raise
        if case.record is None and (plain := _plain(returned)) is not None:
            self.say({"answered": key, "calls": case.calls, "returned": plain})
        return returned


def _again(case: Any, answer: dict[str, Any]) -> Any:
    """What was answered before."""
    if "ended" in answer:
        raise cases.Ended(*answer["ended"])
    case.calls = answer["calls"]
    return {key: value if key == "stats" else np.asarray(value[1], value[0]) for key, value in answer["returned"].items()}


def _plain(returned: Any) -> dict[str, Any] | None:
    """An answer as JSON: stats, and the others as pairs (dtype, lists); None if it is not of that form, and then it is asked again."""
    try:
        arrays = {key: np.asarray(value) for key, value in returned.items() if key != "stats"}
        plain = {key: (x.dtype.str, x.tolist()) for key, x in arrays.items()} | {key: returned[key] for key in returned if key == "stats"}
        json.dumps(plain)
    except Exception:  # whatever it is, the suite says so
        return None
    return plain


def _digest(case: Any) -> str:
    """The same for the same question, in every process."""
    public = {name: value for name, value in vars(case).items() if not name.startswith("_") and name not in ("calls", "record")}
    plain = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in public.items()}
    text = json.dumps([case._rhs.__name__, plain], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _described(loaded: Loaded) -> dict[str, Any]:
    from .cli import about

    entries = [dataclasses.asdict(entry) for entry in loaded.entries]
    adapters = [about(adapter) for adapter in loaded.adapters]
    return {"adapters": adapters, "entries": entries, "missing": loaded.missing, "broken": loaded.broken}


if __name__ == "__main__":
    main()
