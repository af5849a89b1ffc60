"""The suite's side: a command that speaks the protocol, as an adapter."""

from __future__ import annotations

import functools
import json
import os
import shlex
import threading
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np

from ..case import Case, Remote, Reply
from ..impls.loading import Loaded
from ..outcomes import Entry
from ..process import RESTARTS, START_LIMIT, Failed, Process, TimedOut, TooLong
from . import probing
from .wire import PROTOCOL, NotProtocol, case_to_json, decoded, number, reply_from_json

OVER = "the run has ended"
NUMBER = ': a number is a JSON number, a string such as "0x1.8p+1", or "NaN", "INF", "-INF"'
STOP_SECONDS = 2.0  # after "stop", until it is ended


class Command(Remote):
    """A process that is started by a command, and asked over stdin and stdout. Whoever makes one must close it.

    limit: seconds for one answer, start_limit for the first. A process that gives none, dies, or says what the protocol does not have, is
    ended: that case has its state, and a new process goes on with the next. After RESTARTS of them all is not-run.
    """

    def __init__(self, command: str, limit: float, start_limit: float = START_LIMIT):
        self.command, self.limit, self.start_limit = command, limit, start_limit
        self.process: Process | None = None
        self.starts, self.seq, self.closed, self.lock = 0, 0, False, threading.Lock()
        about = self._start()
        self.name, self.version = about["implementation"]["name"], about["implementation"]["version"]
        self.capabilities, self.mode, self.interpolates = frozenset(about["capabilities"]), about["mode"], about["interpolates"]

    def reply(self, case: Case) -> Reply:
        request = {"cmd": "run", "limit_s": self.limit, "record": case.record is not None, "case": case_to_json(case)}
        try:
            answer = self._ask(request, "run")
        except _Gone as gone:
            return Reply("not-run", message=str(gone))
        except Failed as failure:
            return Reply(_state(failure), message=str(failure))
        except NotProtocol as fault:
            return Reply("error", message=str(fault))
        if case.record is not None:
            case.record += _calls(answer)
        return reply_from_json(answer, case)

    def probe(self) -> str:
        try:
            return probing.fault(self._ask(probing.request(), "probe"))
        except (Failed, NotProtocol) as failure:
            return f"the probe of the dynamics ended as {_state(failure)}: {failure}"

    def close(self) -> None:
        """End the process: politely, unless it is busy."""
        with self.lock:
            self.closed, process = True, self.process
        if process:
            process.send({"cmd": "stop"})
            process.requests.put(b"")
            process.close(STOP_SECONDS)

    def _ask(self, request: dict[str, Any], kind: str) -> dict[str, Any]:
        """The answer, valid under the schema. A process that is no longer in step with us is ended."""
        if self.closed:
            raise _Gone(OVER)
        if self.process is None:
            try:
                self._start()
            except OSError as error:
                raise Failed(f"its command cannot be started again: {error}") from None
        assert self.process is not None
        self.seq += 1
        self.process.send(request | {"seq": self.seq})
        try:
            answer = decoded(self.process.line(self.limit))
            if answer.get("seq") != self.seq:
                raise NotProtocol(f"the answer has seq {json.dumps(answer.get('seq'))}, asked was {self.seq}")
        except (Failed, NotProtocol) as failure:
            raise self._ended(failure) from None
        check(answer, kind)
        return answer

    def _start(self) -> dict[str, Any]:
        """A new process, and how it introduces itself."""
        if self.starts > RESTARTS:
            raise _Gone(f"its process was started {self.starts} times, and ended each time")
        with self.lock:
            if self.closed:
                raise _Gone(OVER)
            self.process = Process(self.command if os.name == "nt" else shlex.split(self.command))
        self.starts += 1
        self.process.send({"cmd": "start", "protocol": PROTOCOL})
        try:
            answer = decoded(self.process.line(self.start_limit))
            if answer.get("protocol") != PROTOCOL:
                raise NotProtocol(f"it speaks protocol {json.dumps(answer.get('protocol'))}, the suite speaks {PROTOCOL}")
            check(answer, "start")
        except (Failed, NotProtocol) as failure:
            raise self._ended(failure) from None
        return answer

    def _ended(self, failure: Exception) -> Exception:
        """The failure with what was said on stderr, after the end of the process."""
        process, self.process = self.process, None
        if process:
            process.close()
            if (words := process.last_words()) and words not in str(failure):
                return type(failure)(f"{failure}; on stderr: {words}")
        return failure


def load(command: str, entries: tuple[Entry, ...], limit: float, start_limit: float) -> Loaded:
    """The command as --cmd has it. ValueError if there is no such command."""
    try:
        return Loaded(command, (Command(command, limit, start_limit),), entries, asked=True, option="--cmd")
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot start --cmd {command!r}: {error}") from error
    except (Failed, NotProtocol) as failure:
        broken = f"it does not start: {failure}"
        return Loaded(command, (), entries, broken=broken, asked=True, option="--cmd", state=_state(failure, "harness-broken"))


def check_names(file: str, entries: tuple[Entry, ...], loaded: list[Loaded]) -> None:
    """ValueError if no line of an --expected file is about an implementation that has started."""
    names = [adapter.name for group in loaded for adapter in group.adapters]
    if entries and names and not any(entry.implementation in names for entry in entries):
        others = sorted({entry.implementation for entry in entries})
        raise ValueError(f"--expected {file} is about {', '.join(others)}; --cmd started {', '.join(names)}")


def check(answer: dict[str, Any], kind: str) -> None:
    """NotProtocol, in one sentence, if the answer is not valid under answers.schema.json."""
    fault = jsonschema.exceptions.best_match(_validator(kind).iter_errors(answer))
    if fault is None:
        return
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault.absolute_path).lstrip(".")
    if fault.validator == "oneOf":
        raise NotProtocol(f"an answer has one of results (with calls), refused, errored, unsupported; this has {sorted(answer)}")
    hint = NUMBER if fault.validator in ("pattern", "type") else ""
    raise NotProtocol(f"{place + ': ' if place else ''}{fault.message[:200]}{hint}")


@functools.cache
def _validator(kind: str) -> Any:
    schema = json.loads(Path(__file__).with_name("answers.schema.json").read_text(encoding="ascii"))
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


class _Gone(Failed):
    """There is no process any more, and there will be none."""


def _state(failure: Exception, garbled: str = "error") -> str:
    if isinstance(failure, NotProtocol | TooLong):
        return garbled
    return "timeout" if isinstance(failure, TimedOut) else "crash"


def _calls(answer: dict[str, Any]) -> list[list[np.ndarray | None]]:
    """The calls of the dynamics that an answer shows. Without `record` there were some, of which nothing is known."""
    if "record" not in answer:
        return [[None] * 4]
    return [[np.array(number(call[name])) for name in ("z", "t", "theta", "f")] for call in answer["record"]]
