"""A worker as seen from the other side: started, asked with a time limit, ended."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}


class Failed(Exception):
    """The worker did not answer as asked. The argument says what happened instead."""


class TimedOut(Failed):
    """It did not answer in time."""


class Worker:
    """A process that runs a module of this package, asked and answering in lines of JSON. Whoever makes one must close it."""

    def __init__(self, module: str, *arguments: str):
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        self.started = time.time()
        command = [sys.executable, "-m", f"refnode_validation.{module}", *arguments]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | ONE_THREAD,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the process that prints the tables
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The reply; Failed after so many seconds, or if the process ends."""
        self.send(request)
        return self.receive(seconds)

    def send(self, request: dict[str, Any]) -> None:
        """Hand over a request. A process that has ended is noticed by receive."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next line that it says; Failed if the process ends, TimedOut after so many seconds."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            if self.process.poll() is None:
                raise TimedOut(f"no answer within {seconds:.0f} s") from None
            line = ""  # ended, though a process of its own keeps the stream open
        if line:
            return json.loads(line)
        raise Failed(self._end())

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.errors):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def _listen(self) -> None:
        """Hand on the lines of the reply stream; an empty one when it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _end(self) -> str:
        code = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"its process ended with code {code}" + (f": {said[-1][:200]}" if said else "")
