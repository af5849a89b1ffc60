"""One implementation in a process of its own: python -m refnode_validation.bench.worker MODULE:CLASS

Requests and replies are lines of JSON, on stdin and stdout:

    {"do": "import"}                    import the adapter, and nothing else
    {"do": "begin", "workload": NAME}   the same, make its bench(workload) and call it once
    {"do": "run", "times": N}           call it N times
    {"do": "end"}

A reply has "ok": true and the numbers, or "ok": false with "kind", the name of an exception, and "message". Before the first request
nothing is imported but parts of the standard library, so that the time of the import is that of the adapter. What a library prints goes to
stderr.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any


def main(place: str) -> None:
    """Answer until the end of stdin."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, "")  # modules in the current folder, as `python -c` has them
    session = Session(place)
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "end":
            return
        print(json.dumps(session.answer(request)), file=replies, flush=True)


class Session:
    """What is kept from request to request: the function that is timed."""

    def __init__(self, place: str):
        self.place = place
        self.function: Callable[[], list[Any]] = list

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request; whatever the implementation raises is one, too."""
        try:
            match request["do"]:
                case "import":
                    loaded(self.place)
                    reply = {}
                case "begin":
                    reply = self.begin(request["workload"])
                case _:
                    reply = self.run(request["times"])
        except Exception as error:
            message = (error.name or "").split(".")[0] if isinstance(error, ModuleNotFoundError) else str(error).strip() or "no message"
            return {"ok": False, "kind": type(error).__name__, "message": message.splitlines()[0][:300]}
        return {"ok": True, **reply, "peak_mb": peak_memory() / 2**20}

    def begin(self, workload: str) -> dict[str, Any]:
        """Import, prepare, and the first call, each with its time; the gradient as lists of numbers."""
        start = time.perf_counter()
        adapter = loaded(self.place)()
        imported = time.perf_counter()

        from .workloads import workloads

        work = workloads()[workload]
        prepare = time.perf_counter()
        self.function = adapter.bench(work)
        call = time.perf_counter()
        gradient = self.function()
        end, clock = time.perf_counter(), time.time()
        return {
            "import_seconds": imported - start,
            "prepare_seconds": call - prepare,
            "first_seconds": end - call,
            "finished": clock,
            "gradient": [leaf.ravel().tolist() for leaf in gradient],
        }

    def run(self, times: int) -> dict[str, Any]:
        """The mean time of a call, by the clock and of the processor (all threads)."""
        cpu, start = time.process_time(), time.perf_counter()
        for _ in range(times):
            self.function()
        seconds = time.perf_counter() - start
        return {"seconds": seconds / times, "cpu_seconds": (time.process_time() - cpu) / times}


def loaded(place: str) -> Any:
    """The class behind module:Class or file.py:Class."""
    module, _, name = place.rpartition(":")
    if not module.endswith(".py"):
        return getattr(importlib.import_module(module), name)
    spec = importlib.util.spec_from_file_location("refnode_validation_user", module)
    if spec is None or spec.loader is None or not os.path.exists(module):
        raise FileNotFoundError(f"no such file: {module}")
    loading = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loading
    spec.loader.exec_module(loading)
    return getattr(loading, name)


def peak_memory() -> float:
    """Bytes. ru_maxrss may count the process that started this one, so the system's own high-water mark comes first, where there is one."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024.0 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


if __name__ == "__main__":
    main(sys.argv[1])
