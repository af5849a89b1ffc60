"""The command `refnode`, also `python -m refnode`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

USAGE = """usage: refnode COMMAND [options]

  refnode validate [--impl NAME ...]   check refnode, and other implementations, against closed forms
  refnode validate --dynamics MODULE:f your own f(z, t, theta): hidden state, float32 inside, a wrong pullback, and more
  refnode validate --cmd COMMAND       an implementation in any language: see validation/PROTOCOL.md
  refnode serve ADAPTER                answer that protocol for an adapter written in Python
  refnode vectors COMMAND              the test vectors: lint, show, certify again, add, remove
  refnode bench [--quick]              the time of a gradient: refnode, other libraries, and written by hand
  refnode demo [--output FILE.png]     train a small neural ODE, and draw it
  refnode plot work-precision          error against evaluations and time, refnode and SciPy, on DETEST problems
  refnode paper [X1 ...] [--quick]     the paper's experiments: numbers, pictures, and a report with a verdict on each claim
  refnode errata [C1 ...]              errors of the paper, its code and an article on it, each with the numbers that show it
  refnode doctor MODULE:f              every gradient method on your own dynamics, and which to use
  refnode show [--json] MODULE:f       the NumPy source that rn.compiled makes of your dynamics and of their pullback; or the dynamics as data
  refnode --version                    the version

`refnode COMMAND --help` tells a command's options.
"""


def validate(argv: list[str]) -> int:
    try:
        from refnode_validation.cli import main as run
    except ModuleNotFoundError as error:
        print(f'refnode validate needs the package {error.name}; install it with: pip install -e ".[validation]"', file=sys.stderr)
        return 2
    return run(argv)


def serve(argv: list[str]) -> int:
    from refnode_validation.protocol.serve import main as run
    return run(argv)


def vectors(argv: list[str]) -> int:
    from refnode_validation.vectors.cli import main as run
    return run(argv)


def bench(argv: list[str]) -> int:
    try:
        from refnode_validation.bench.cli import main as run
    except ModuleNotFoundError as error:
        print(f'refnode bench needs the package {error.name}; install it with: pip install -e ".[validation]"', file=sys.stderr)
        return 2
    return run(argv)


def demo(argv: list[str]) -> int:
    try:
        from refnode.experiments.demo import run
        return run(argv)
    except ModuleNotFoundError as error:
        print(f'refnode demo needs the package {error.name}; install it with: pip install -e ".[experiments]"', file=sys.stderr)
        return 2


def plot(argv: list[str]) -> int:
    if not argv or argv[0] != "work-precision":
        wanted = f"there is no picture {argv[0]!r}" if argv else "which picture?"
        print(f"refnode plot: {wanted}; the pictures are: work-precision.", file=sys.stderr)
        return 2
    try:
        from refnode_validation.detest.catalog import PROBLEMS, solution
        from refnode_validation.detest.problem import TS

        from refnode.experiments.work_precision import run
        return run(argv[1:], PROBLEMS, TS, solution)
    except ModuleNotFoundError as error:
        print(f'refnode plot needs the package {error.name}; install it with: pip install -e ".[experiments]"', file=sys.stderr)
        return 2


def paper(argv: list[str]) -> int:
    try:
        from refnode.experiments.paper.run import run
        return run(argv)
    except ModuleNotFoundError as error:
        package = {"sklearn": "scikit-learn"}.get(error.name or "", error.name)
        print(f'refnode paper needs the package {package}; install it with: pip install -e ".[experiments]"', file=sys.stderr)
        return 2


def errata(argv: list[str]) -> int:
    from refnode.experiments.errata.run import run
    return run(argv)


def doctor(argv: list[str]) -> int:
    from refnode.experiments.doctor import run
    return run(argv)


def show(argv: list[str]) -> int:
    from refnode.experiments.show import run
    return run(argv)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "validate": validate, "serve": serve, "vectors": vectors, "bench": bench, "demo": demo, "plot": plot, "paper": paper, "errata": errata,
    "doctor": doctor, "show": show}


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0 if argv else 2
    if argv[0] in ("--version", "-V"):
        from refnode.version import __version__
        print(f"refnode {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        print(f"refnode: there is no command {argv[0]!r}; the commands are: {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    try:
        code = COMMANDS[argv[0]](argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # refnode ... | head: whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


