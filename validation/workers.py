"""Running implementations in processes of their own: a library that hangs or dies takes nothing with it but the case it was asked.

Each word after --impl is loaded in a process of its own. Its adapters then run there one after the other, or beside it in further
processes of the same kind, as many at once as `jobs` says. A case that has no answer after `limit` seconds is a `timeout`, one in which the
process ends a `crash`; a new process goes on after it. After RESTARTS of them the other cases of the adapter are `not-run`. A Remote
adapter (protocol/client.py) has a process of its own already, by the same rules: here it only takes its turn.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from .case import Remote
from .impls.loading import Loaded
from .outcomes import Entry
from .process import RESTARTS, START_LIMIT, Failed, TimedOut, Worker
from .runner import Plan, Result, run, whole
from .verdicts import Comparison, Verdict


@dataclass
class Workers:
    """The processes of a run. jobs: how many work at once. limit: seconds for one case, start_limit for the imports. Whoever makes one must
    close it."""

    jobs: int
    limit: float
    start_limit: float = START_LIMIT
    spare: dict[str, list[Worker]] = field(default_factory=dict)  # by word: loaded, and doing nothing
    all: list[Worker] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)
    closed: bool = False

    def load(self, words: list[tuple[str, bool]]) -> list[Loaded]:
        """As impls.loading.load, for pairs (word, asked), several at once; ValueError for the first that is wrong."""
        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(lambda pair: self._load(*pair), words))

    def results(self, plan: Plan, argv: list[str], loaded: list[Loaded]) -> Iterator[tuple[Loaded, Result]]:
        """All results, in the order in which they come; those of one adapter are in the order of the plan."""
        found: queue.Queue[Any] = queue.Queue()
        units = [(group, adapter) for group in loaded for adapter in group.adapters]

        def work(group: Loaded, adapter: Any) -> None:
            try:
                for result in run(adapter, plan) if isinstance(adapter, Remote) else self._results(group, adapter.name, plan, argv):
                    found.put((group, result))
                found.put(None)
            except BaseException as error:  # of the suite itself: to be seen where the results are read
                found.put(error)

        pool = ThreadPoolExecutor(self.jobs)
        for unit in reversed(units):  # those that were added by name are the slow ones
            pool.submit(work, *unit)
        left = len(units)
        while left:
            item = found.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                left -= 1
            else:
                yield item

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        with self.lock:
            self.closed = True
            for worker in self.all:
                worker.close()

    def _load(self, word: str, asked: bool) -> Loaded:
        try:
            worker, reply = self._started(word, asked)
        except Failed as failure:
            return Loaded(word, (), (), broken=f"its import fails: {failure}", asked=asked, state=_state(failure))
        if "refused" in reply:
            raise ValueError(reply["refused"])
        self._put(word, worker)
        adapters = tuple(SimpleNamespace(**entry) for entry in reply["adapters"])
        return Loaded(word, adapters, tuple(Entry(**entry) for entry in reply["entries"]), reply["missing"], reply["broken"], asked)

    def _results(self, group: Loaded, name: str, plan: Plan, argv: list[str]) -> Iterator[Result]:
        answers: dict[str, Any] = {}
        done: set[str] = set()
        for _ in range(1 + RESTARTS):
            case, worker = "", None
            try:
                worker = self._get(group)
                worker.send({"do": "run", "name": name, "argv": argv, "answers": answers})
                while "end" not in (reply := worker.receive(self.limit)):
                    if "started" in reply:
                        case = reply["started"]
                    elif "answered" in reply:
                        answers[reply.pop("answered")] = reply
                    elif (result := _result(reply["result"])).id not in done:
                        done.add(result.id)
                        yield result
                self._put(group.word, worker)
                return
            except Failed as failure:
                answers[case] = {"ended": [_state(failure), str(failure)]}
                if worker:
                    worker.close()
        for result in whole(plan, name, Verdict("not-run", message=f"its process was started {1 + RESTARTS} times, and ended each time")):
            if result.id not in done:
                yield result

    def _get(self, group: Loaded) -> Worker:
        with self.lock:
            if self.spare.get(group.word):
                return self.spare[group.word].pop()
        return self._started(group.word, group.asked)[0]

    def _put(self, word: str, worker: Worker) -> None:
        with self.lock:
            self.spare.setdefault(word, []).append(worker)

    def _started(self, word: str, asked: bool) -> tuple[Worker, dict[str, Any]]:
        with self.lock:
            if self.closed:
                raise Failed("the run has ended")
            worker = Worker("worker")
            self.all.append(worker)
        try:
            return worker, worker.ask({"do": "load", "word": word, "asked": asked}, self.start_limit)
        except Failed:
            worker.close()
            raise


def _state(failure: Failed) -> str:
    return "timeout" if isinstance(failure, TimedOut) else "crash"


def _result(entry: dict[str, Any]) -> Result:
    verdict = entry["verdict"]
    worst = verdict["worst"] and Comparison(**{**verdict["worst"], "index": tuple(verdict["worst"]["index"])})
    return Result(**{**entry, "verdict": Verdict(**{**verdict, "worst": worst}), "warnings": tuple(entry["warnings"])})
