"""The other side, for adapters written in Python: refnode serve ADAPTER"""

from __future__ import annotations

import json
import os
import platform
import queue
import sys
import threading
import time
from typing import IO, Any

import numpy as np

from ..case import Case, reply_of
from ..checks.registry import NEEDS
from ..impls.loading import KNOWN, load
from ..ir.dynamics import parse
from ..ir.source import function
from ..process import streams
from ..report.files import Parser
from .wire import PROTOCOL, case_from_json, number, plain, reply_to_json

DESCRIPTION = """Answer the requests of the conformance suite, lines of JSON, on stdin and stdout: the protocol of validation/PROTOCOL.md,
for an adapter written in Python. refnode validate --cmd 'refnode serve scipy.RK45' asks SciPy through it."""
GRACE = 60.0  # seconds after the end of stdin, for what has been asked before; whoever asked may be gone


def main(argv: list[str]) -> int:
    """Answer until `stop` or the end of stdin; the exit code is 2 if there is no such adapter (one sentence says so)."""
    parser = Parser(prog="refnode serve", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("adapter", help="its name in the tables, such as scipy.RK45, or file.py:Class, or module:Class")
    try:
        word = parser.parse_args(argv).adapter
    except ValueError as error:
        print(f"refnode serve: {error}", file=sys.stderr)
        return 2
    except SystemExit:  # argparse, after --help
        return 0
    requests, answers = streams()
    sys.path.insert(0, "")  # modules in the current folder, as `python -c` has them
    try:
        adapter = find(word)
    except ValueError as error:
        print(f"refnode serve: {error}", file=sys.stderr)
        return 2
    _serve(adapter, requests, answers)
    return 0


def find(word: str) -> Any:
    """The one adapter that a word names. ValueError if there is none, or several."""
    family = word.split(".")[0]
    if ":" in word or family not in KNOWN:
        group = load(word, True)
    else:
        group = load(family, True)
    if group.missing or group.broken:
        raise ValueError(f"cannot load {word!r}: {f'it needs the package {group.missing}' if group.missing else group.broken}")
    named = [adapter for adapter in group.adapters if adapter.name == word] or list(group.adapters)
    if len(named) > 1:
        raise ValueError(f"{word!r} is the name of no adapter: name one of {', '.join(adapter.name for adapter in named)}")
    return named[0]


def answer(adapter: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request. SystemExit if the adapter has tried to end its process."""
    command = request.get("cmd")
    if command == "start":
        return _introduction(adapter)
    seq = {"seq": request.get("seq")}
    try:
        if command == "probe":
            return seq | {"points": [{"f": f} for f in _values(request)]}
        if command != "run":
            return seq | {"errored": {"message": f"there is no request {command!r}: there are start, probe, run and stop"}}
        case = case_from_json(request["case"], [] if request.get("record") else None)
    except KeyError as key:
        return seq | {"errored": {"message": f"cannot read the request: it has no {key}"}}
    except Exception as error:  # whatever is wrong with a request, the next one may be right
        return seq | {"errored": {"message": f"cannot read the request: {type(error).__name__}: {error}"}}
    if lacking := [capability for capability in _needs(case) if capability not in adapter.capabilities]:
        return seq | {"unsupported": {"capability": ", ".join(lacking)}}
    reply = reply_of(adapter, case)
    if reply.state == "crash":
        raise SystemExit(reply.message)
    return seq | reply_to_json(reply) | _record(case)


def _serve(adapter: Any, requests: IO[str], answers: IO[str]) -> None:
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(requests, lines), daemon=True).start()
    while line := lines.get():
        try:
            request = json.loads(line)
            if request.get("cmd") == "stop":
                return
        except (ValueError, AttributeError):
            request = {"cmd": line.strip()[:80]}
        try:
            print(json.dumps(answer(adapter, request), allow_nan=False), file=answers, flush=True)
        except BrokenPipeError:
            return
        except SystemExit as end:
            print(end, file=sys.stderr, flush=True)
            os._exit(1)


def _listen(requests: IO[str], lines: queue.Queue[str]) -> None:
    for line in requests:
        lines.put(line)
    lines.put("")
    time.sleep(GRACE)
    os._exit(1)


def _introduction(adapter: Any) -> dict[str, Any]:
    from ..cli import about

    facts = about(adapter)
    python = {"language": "python", "language_version": platform.python_version()}
    return {
        "protocol": PROTOCOL,
        "implementation": {"name": facts["name"], "version": facts["version"], **python},
        **{name: facts[name] for name in ("capabilities", "mode", "interpolates")},
    }


def _needs(case: Case) -> list[str]:
    """The capabilities without which the suite does not ask such a question; others may."""
    needs = [NEEDS.get(want, want) for want in case.wants] + [f"fixed:{case.method}"] * (case.method is not None)
    needs += ["f32"] * (case.dtype == "f32") + ["max_steps"] * (case.max_steps is not None)
    return list(dict.fromkeys(needs))


def _values(request: dict[str, Any]) -> list[Any]:
    rhs = function(parse(request["dynamics"]))
    points = [[np.array(number(point[name])) for name in ("z", "t", "theta")] for point in request["points"]]
    return [plain(rhs(np, z, float(t), theta)) for z, t, theta in points]


def _record(case: Any) -> dict[str, Any]:
    """The first call of the dynamics whose arguments are numbers, as the probe wants it; nothing if there were only others (under jit)."""
    if case.record is None:
        return {}
    shown = [dict(zip(("z", "t", "theta", "f"), map(plain, call), strict=True)) for call in case.record if all(x is not None for x in call)]
    return {"record": shown[:1]} if shown or not case.record else {}
