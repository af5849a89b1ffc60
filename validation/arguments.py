"""The options of refnode validate: read, checked, and turned into a plan."""

from __future__ import annotations

import argparse
import os

from . import __version__
from .impls.loading import DEFAULT, KNOWN
from .plans import TIERS, Options, plan
from .process import START_LIMIT
from .report import files
from .runner import RTOLS, Plan

COMMAND = "refnode validate"
DESCRIPTION = """Run the conformance suite against refnode and other implementations. `refnode validate report A.jsonl` shows the report of
an earlier run, or makes files of it; `refnode validate compare A.jsonl B.jsonl` tells what changed; both have a --help of their own."""


def parse(argv: list[str]) -> argparse.Namespace:
    """The options. ValueError, in one sentence, for wrong ones; SystemExit after --help and --version."""
    parser = files.Parser(prog=COMMAND, description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    known = ", ".join(KNOWN)
    add("--impl", action="append", default=[], metavar="A,B", help=f"more implementations: {known}, file.py:Class, module:Class; or one of "
        "several that a library has, such as diffrax.DirectAdjoint")
    add("--cmd", action="append", default=[], metavar="COMMAND", help="one in any language: a command that speaks PROTOCOL.md")
    add("--expected", action="append", default=[], metavar="FILE", help="with --cmd: its list of expected failures")
    add("--alone", action="store_true", help=f"only those named by --impl and --cmd, without the usual {', '.join(DEFAULT)}")
    add("--tier", choices=TIERS, help="how much is run: see validation/README.md (default: default)")
    add("--only", action="append", default=[], metavar="GLOB", help="only the checks whose id matches, such as 'grad.*'")
    add("--problem", action="append", default=[], metavar="P,Q", help="only these problems, vectors and draws")
    add("--rtol", action="append", default=[], metavar="R,S", help=f"these tolerances instead of {', '.join(f'{r:.0e}' for r in RTOLS)}")
    add("--seed", type=int, default=0, help="seed of the random output times, and of the first drawn problem (default 0)")
    add("--draws", type=int, metavar="N", help="relations on N drawn problems, draw-SEED and on (default: by tier)")
    add("--dynamics", metavar="MODULE:f", help="examine your own f(z, t, theta): mymodel:f or path/to/mymodel.py:f")
    add("--z0", metavar="NAME", help="with --dynamics: a name in the module, or numbers such as --z0=1,0.5 (default: z0)")
    add("--ts", metavar="NAME", help="with --dynamics: a name, numbers, or start:end:count (default: ts, or 0:1:5)")
    add("--theta", metavar="NAME", help="with --dynamics: a name, or numbers (default: theta, or ())")
    add("--json", metavar="FILE", help="write the report as JSON lines, from which `report` makes the others and `compare` the changes")
    files.add_arguments(parser)
    add("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="N", help="processes that work at once (default %(default)s)")
    add("--limit", type=float, default=120.0, metavar="S", help="seconds that one case may take (default %(default)s)")
    add("--start-limit", type=float, default=START_LIMIT, metavar="S", help="seconds from the start of a process on (default %(default)s)")
    add("--in-process", action="store_true", help="everything in this process, one after the other, without a limit of time: to debug")
    add("--undeclared", action="store_true", help="say what the implementations can do without declaring it, and end")
    add("--list", action="store_true", help="list checks, problems, vectors and implementations, and end")
    add("--version", action="version", version=f"suite {__version__}")
    options = parser.parse_args(argv)
    _check_idle(options)
    options.tier = options.tier or "default"
    if options.jobs < 1 or not options.limit > 0 or not options.start_limit > 0:
        limits = f"{options.limit:g} and {options.start_limit:g}"
        raise ValueError(f"--jobs is a number from 1 on, --limit and --start-limit are above 0, not {options.jobs}, {limits}")
    return options


def _check_idle(options: argparse.Namespace) -> None:
    """ValueError for an option that would have no effect."""
    for name in ("impl", "cmd", "expected", "only", "problem", "rtol"):
        for value in getattr(options, name):
            if not split([value]):
                raise ValueError(f"--{name} {value!r} names nothing: give a name, or leave it out")
    for name in ("z0", "ts", "theta"):
        if getattr(options, name) is not None and not options.dynamics:
            raise ValueError(f"--{name} is about your own f: it needs --dynamics MODULE:f")
    if options.expected and not options.cmd:
        raise ValueError("--expected is the list of a --cmd: those of --impl are found beside the adapters")
    for name in ("impl", "cmd", "alone", "tier", "only", "problem", "rtol", "draws", *files.TEXTS, "picture"):
        value = getattr(options, name)
        if options.dynamics and value is not None and value is not False and value != []:  # (--draws 0 is given, too)
            raise ValueError(f"--{name} is about implementations; --dynamics takes --z0, --ts, --theta, --seed and --json")
    for name in ("tier", "only", "problem", "rtol", "draws", "dynamics", "json", *files.TEXTS, "picture"):
        if options.undeclared and getattr(options, name) not in (None, []):
            raise ValueError(f"--undeclared asks questions of its own and ends: it goes without --{name}")


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options ask for. ValueError for names that do not exist, and where nothing is left to run."""
    try:
        rtols = tuple(float(word) for word in split(options.rtol))
    except ValueError:
        raise ValueError(f"--rtol takes numbers, not {','.join(options.rtol)!r}") from None
    names = tuple(dict.fromkeys(split(options.problem)))
    return plan(Options(options.tier, tuple(split(options.only)), names, rtols, options.seed, options.draws))


def words(options: argparse.Namespace) -> list[tuple[str, bool]]:
    """The implementations to load, and whether each was asked for by name."""
    asked = split(options.impl)
    if options.alone and not asked and not options.cmd:
        raise ValueError("--alone needs --impl or --cmd")
    chosen = asked if options.alone else [*DEFAULT, *asked]
    return [(word, word in asked) for word in dict.fromkeys(chosen)]


def is_whole(options: argparse.Namespace) -> bool:
    """Whether everything is run that lists of expected failures speak of."""
    return options.tier == "full" and not (options.only or options.problem or options.rtol)


def split(words: list[str]) -> list[str]:
    """The parts between commas."""
    return [part.strip() for word in words for part in word.split(",") if part.strip()]
