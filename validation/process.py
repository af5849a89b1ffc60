"""Another process as seen from this side: started, asked in lines with a time limit, ended. And the streams of the other side."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO, Any

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NPROC"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
START_LIMIT = 300.0  # seconds, for the imports; those of torchdyn took more than 120 s on a busy machine
RESTARTS = 5  # of a process that hangs or dies; then there is no further one
LINE_LIMIT = 4_000_000  # bytes
ERRORS_KEPT = 10_000  # the last bytes of stderr
POLL = 0.5  # seconds
UNREAD = 1000  # lines; a process that says more waits until they are read


class Failed(Exception):
    """The process did not answer as asked. The argument says what happened instead."""


class TimedOut(Failed):
    """It did not answer in time."""


class TooLong(Failed):
    """It said a line that is longer than LINE_LIMIT."""


class Process:
    """A process that is asked and answers in lines. Whoever makes one must close it. OSError if the command cannot be started.

    Three threads take what it says, keep the end of what it says on stderr, and hand over what it is asked: nothing that it does, or
    fails to do, makes this side wait for more than the time it gives.
    """

    def __init__(self, command: str | Sequence[str]):
        self.started = time.time()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | ONE_THREAD,
            start_new_session=True,  # Ctrl-C is for the process that prints the tables
        )
        self.lines: queue.Queue[bytes | Failed] = queue.Queue(UNREAD)
        self.requests: queue.Queue[bytes] = queue.Queue()
        self.errors, self.closed = b"", False
        self.reader = threading.Thread(target=self._keep_errors, daemon=True)
        for thread in (self.reader, *(threading.Thread(target=target, daemon=True) for target in (self._listen, self._hand_over))):
            thread.start()

    def send(self, request: dict[str, Any]) -> None:
        """Hand over a request, and do not wait. A process that has ended is noticed by line."""
        self.requests.put(json.dumps(request).encode("ascii") + b"\n")

    def line(self, seconds: float) -> bytes:
        """The next line that it says; Failed if the process ends or the line is too long, TimedOut after so many seconds."""
        end = time.monotonic() + seconds
        while True:
            over = self.process.poll() is not None  # though a process of its own may keep the stream open
            try:
                line = self.lines.get(timeout=POLL if over else max(0.0, min(POLL, end - time.monotonic())))
                break
            except queue.Empty:
                if over:
                    line = b""
                    break
                if time.monotonic() >= end:
                    raise TimedOut(f"no answer within {seconds:.0f} s") from None
        if isinstance(line, Failed):
            raise line
        if not line.endswith(b"\n"):
            raise Failed(self._end(line))
        return line

    def last_words(self) -> str:
        """The last line on stderr so far, the beginning of it; empty if there is none."""
        said = self.errors.decode("utf-8", "replace").strip().splitlines()
        return said[-1].strip()[:200] if said else ""

    def close(self, patience: float = 0.0) -> None:
        """End the process, whatever it is doing; if it is to end by itself, after so many seconds."""
        self.closed = True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        self.process.kill()
        self.process.wait()
        self.requests.put(b"")

    def _listen(self) -> None:
        """Take the lines; what is left of one when the stream ends, perhaps nothing, comes last."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while (line := stream.readline(LINE_LIMIT + 1)).endswith(b"\n"):
                self._put(line)
        self._put(TooLong(f"a line of more than {LINE_LIMIT:,} bytes") if len(line) > LINE_LIMIT else line)

    def _put(self, line: bytes | Failed) -> None:
        while not self.closed:
            with contextlib.suppress(queue.Full):
                return self.lines.put(line, timeout=1.0)

    def _keep_errors(self) -> None:
        stream: Any = self.process.stderr
        with stream:
            while chunk := stream.read1(65536):
                self.errors = (self.errors + chunk)[-ERRORS_KEPT:]

    def _hand_over(self) -> None:
        stream = self.process.stdin
        assert stream is not None
        while request := self.requests.get():
            with contextlib.suppress(OSError, ValueError):
                stream.write(request)
                stream.flush()
        with contextlib.suppress(OSError):
            stream.close()

    def _end(self, rest: bytes) -> str:
        try:
            code = self.process.wait(POLL)
        except subprocess.TimeoutExpired:
            return "it closed its stdout"
        self.reader.join(1.0)  # unless a process of its own keeps that stream open
        where, words = " in the middle of a line" if rest else "", self.last_words()
        return f"its process ended with code {code}{where}" + (f": {words}" if words else "")


class Worker(Process):
    """A process that runs a module of this package, whose lines are JSON."""

    def __init__(self, module: str, *arguments: str):
        super().__init__([sys.executable, "-m", f"refnode_validation.{module}", *arguments])

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The reply; Failed after so many seconds, or if the process ends."""
        self.send(request)
        return self.receive(seconds)

    def receive(self, seconds: float) -> dict[str, Any]:
        """The next reply; Failed if the process ends, TimedOut after so many seconds."""
        return json.loads(self.line(seconds))


def streams() -> tuple[IO[str], IO[str]]:
    """The two ends of the conversation, on the side that answers: (requests, replies). After this call, what anything in this process
    prints goes to stderr, and what it reads from stdin is empty."""
    requests, replies = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, replies
