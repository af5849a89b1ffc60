"""What runs in the tree of a mutant, in a process of its own: each line of FILE is one thing that was found, as it is found.

    python -m refnode_validation.mutants.asking base FILE [NAME...]         refnode itself: what fails, what is called, how long it takes
    python -m refnode_validation.mutants.asking mutant FILE BASE NAME...    a mutant, by the ways named, until one of them kills it
    python -m refnode_validation.mutants.asking answers FILE NAME...        a digest of the answers to all vectors

A way may take twice the processor time that it takes without a mutant and with its calls recorded, which is about five times that
without, and ten seconds; then the system ends the process (SIGPROF). Clocks of the wall are not looked at: other work on the machine
kills no mutant. POSIX alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


def base(path: Path, names: list[str]) -> None:
    """Every way (or those named) by a process of its own, so that none finds full caches. What the file has is not done again."""
    seen: set[CodeType] = set()

    def trace(frame: FrameType, event: str, arg: Any) -> None:
        seen.add(frame.f_code)

    sys.settrace(trace)  # before refnode is imported: what is called then, every way comes to
    from .conformance import failing
    from .ways import ways

    done = {row["way"] for row in _read(path)}
    for name in [name for name in names or ways() if name not in done]:
        child = os.fork()
        if child == 0:
            begun = time.process_time()
            failed = sorted(failing(name))
            sys.settrace(None)
            called = [(code.co_filename.rpartition("/refnode/"), code.co_firstlineno) for code in seen]
            reached = sorted({(path, line) for (_, folder, path), line in called if folder})
            _say(path, {"way": name, "failing": failed, "seconds": time.process_time() - begun, "reached": reached})
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            raise RuntimeError(f"the way {name!r} ended without its answers")


def mutant(path: Path, known: Path, names: list[str]) -> None:
    """The usual first test, then the ways, each against what fails without a mutant."""
    limits = {row["way"]: row for row in _read(known)}
    _limit(20.0)
    _say(path, {"naive": _naive()})
    from .conformance import failing

    for name in names:
        _limit(10.0 + 2.0 * limits[name]["seconds"])
        cases = sorted(failing(name) - set(limits[name]["failing"]))
        _say(path, {"way": name, "cases": cases})
        if cases:
            break
    signal.setitimer(signal.ITIMER_PROF, 0.0)
    _say(path, {"end": True})


def answers(path: Path, names: list[str]) -> None:
    """z and the gradients of every vector that has an answer, at 1e-4, and log p of the flows among them."""
    import numpy as np

    from ..case import ask
    from ..checks.parts import task_for
    from ..vectors.tasks import vectors
    from .ways import ways

    for name in names:
        way, digest = ways()[name], hashlib.sha256()
        gradients = tuple(key for key in ("dL/dz0", "dL/dtheta", "dL/dt") if "grad:theta" in way.capabilities)
        for part, wants in (("main", ("z", *gradients)), ("flow", ("log p",))):
            for id, vector in vectors().items():
                task = task_for(id, "", part, 0) if vector["expected"] is not None else None
                if task and (part == "main" or "flow:log_prob" in way.capabilities):
                    reply = ask(way, task, 1e-4, wants)
                    digest.update(f"{id} {reply.state}".encode())
                    for key in sorted(reply.arrays):
                        digest.update(np.ascontiguousarray(reply.arrays[key]).tobytes())
        _say(path, {"way": name, "digest": digest.hexdigest()})


def _naive() -> bool:
    try:
        from .naive import passes

        return passes()
    except Exception:  # whatever it is, the first test has seen it
        return False


def _limit(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _say(path: Path, found: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        print(json.dumps(found), file=file, flush=True)


if __name__ == "__main__":
    what, file, *rest = sys.argv[1:]
    if what == "base":
        base(Path(file), rest)
    elif what == "mutant":
        mutant(Path(file), Path(rest[0]), rest[1:])
    else:
        answers(Path(file), rest)
