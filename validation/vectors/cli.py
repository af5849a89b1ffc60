"""The tool: python -m refnode_validation.vectors COMMAND [options]. It needs refnode[validation], and to certify refnode[certify]."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from . import store
from .families.catalog import requests
from .text import text

EXIT_FINE, EXIT_FAULTS, EXIT_USAGE = 0, 1, 2
COMMAND = "refnode vectors"


def main(argv: list[str]) -> int:
    """Run a command; the exit code is 0 if all is well, 1 if there are faults or differences, 2 for wrong arguments or refused requests."""
    try:
        options = _parse(argv)
        root = Path(options.root)
        if not (root / "notes.json").exists():
            raise ValueError(f"--root {root}: there is no collection of vectors (no notes.json)")
        return options.run(options, root)
    except ModuleNotFoundError as error:
        extra = "certify" if error.name == "flint" else "validation"
        print(f"{COMMAND}: this needs the package {error.name}: pip install -e '.[{extra}]'", file=sys.stderr)
    except (ValueError, OSError) as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
    except SystemExit:  # argparse, after --help
        return EXIT_FINE
    return EXIT_USAGE


def add(options: argparse.Namespace, root: Path) -> int:
    """Certify the request in FILE, and write its vector and the manifest; after a failure nothing is written."""
    from . import generate

    request = store.read(Path(options.file))
    id = request.get("id") if isinstance(request, dict) else None
    if any(file.stem == id for file in store.files(root)):
        raise ValueError(f"there is a vector {id!r} already: an id is never used twice")
    if any(stone["id"] == id for stone in store.tombstones(root)):
        raise ValueError(f"{id!r} was removed, and its id may not be used again: choose another")
    made = generate.vector(request, root)
    store.write([made], root)
    print(f"{store.path_of(made, root).relative_to(root)} written")
    return EXIT_FINE


def format_(options: argparse.Namespace, root: Path) -> int:
    """Write every vector and the manifest canonically; the names of files that change are printed."""
    changed = {file: text(store.read(file)) for file in store.files(root)}
    changed = {file: content for file, content in changed.items() if file.read_text(encoding="utf-8") != content}
    for file, content in changed.items():
        file.write_text(content, encoding="ascii", newline="\n")
        print(file.relative_to(root))
    store.write_manifest(root)
    return EXIT_FINE


def lint(options: argparse.Namespace, root: Path) -> int:
    """Check everything that can be checked without certifying again; faults are printed one a line."""
    from .lint import lint as faults_of

    faults = faults_of(root, _bar)
    for fault in faults:
        print(fault)
    print(f"{len(store.files(root))} vectors, {len(faults)} faults")
    return EXIT_FAULTS if faults else EXIT_FINE


def certify(options: argparse.Namespace, root: Path) -> int:
    """Make vectors again from nothing but their requests, and show how the files differ.

    With --write, new vectors are written, and old ones whose words alone have changed.
    """
    from . import generate

    written, authored = {file.stem: store.read(file) for file in store.files(root)}, requests()
    ids = options.id or list(dict.fromkeys([*authored, *written]))
    if unknown := [id for id in ids if id not in written and id not in authored]:
        raise ValueError(f"there is no vector {unknown[0]!r}, and no family authors it")
    removed = {stone["id"] for stone in store.tombstones(root)}
    new, different = [], 0
    for id in _bar([id for id in ids if id not in removed]):
        old = written.get(id)
        words = {"version": old["vectors_version"]} if old else {}
        made = generate.vector(dict(authored[id]) if id in authored else generate.request_of(old), root, **words)
        if old == made and store.path_of(made, root).read_text(encoding="utf-8") == text(made):
            continue
        if old and old["sha256"] != made["sha256"] and options.write:
            raise ValueError(f"{id} would get other content: remove it, and add the new one under a new id")
        different += 1
        new.append(made)
        if not options.write:
            print(_difference(id, old, made))
    if options.write:
        store.write(new, root)
        print(f"{len(new)} vectors written")
        return EXIT_FINE
    print(f"{len(ids)} vectors certified, {different} differ")
    return EXIT_FAULTS if different else EXIT_FINE


def show(options: argparse.Namespace, root: Path) -> int:
    """Print a vector: what it is, its inputs and the middles of the expected values."""
    made = store.read(store.find(options.id, root))
    print(f"{made['id']}: {made['title']}")
    words = ("family", "result", "tier", "difficulty", "statements", "discriminates", "negative", "acceptable_if", "provenance")
    for key in (*words, "condition"):
        print(f"  {key:<16}{_plain(made[key])}")
    for flag, meaning in made["notes"].items():
        print(f"  {flag:<16}{meaning}")
    for key in ("z0", "theta", "ts", "cotangents"):
        print(f"  {key:<16}{_plain(made['inputs'][key])}")
    for key, balls in (made["expected"] or {}).items():
        print(f"  {key:<16}{_plain(_middles(balls))}")
    return EXIT_FINE


def remove(options: argparse.Namespace, root: Path) -> int:
    """Delete a vector and write its tombstone."""
    store.remove(options.id, options.reason, root)
    print(f"{options.id} removed; its id is not used again")
    return EXIT_FINE


def _difference(id: str, old: dict[str, Any] | None, made: dict[str, Any]) -> str:
    before = text(old).splitlines() if old else []
    return "\n".join(difflib.unified_diff(before, text(made).splitlines(), f"{id} in its file", f"{id} made again", lineterm="", n=0))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        inner = [_plain(entry) for entry in value]
        return f"[{', '.join(inner)}]" if any(isinstance(entry, list) for entry in value) else " ".join(inner)
    return "-" if value is None else str(value)


def _middles(balls: Any) -> Any:
    if balls and isinstance(balls[0], str):
        return f"{float(balls[0]):.17g}"
    return [_middles(entry) for entry in balls]


def _bar(entries: Iterable[Any]) -> Iterator[Any]:
    """The entries, with a progress bar if somebody is looking."""
    entries = list(entries)
    try:
        from rich.progress import track
    except ModuleNotFoundError:
        return iter(entries)
    return iter(track(entries, "", transient=True)) if sys.stdout.isatty() else iter(entries)


class _Parser(argparse.ArgumentParser):
    """argparse that raises its complaint instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see --help)")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog=COMMAND, description="The test vectors: add, check, certify again, show, remove.", allow_abbrev=False)
    parser.add_argument("--root", default=str(store.ROOT), metavar="FOLDER", help="another collection than the installed one")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: Callable[[argparse.Namespace, Path], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=(run.__doc__ or "").splitlines()[0], description=run.__doc__, allow_abbrev=False)
        added.set_defaults(run=run)
        return added

    command("add", add).add_argument("file", metavar="FILE", help="a request: JSON as schema/request-1.json says")
    command("format", format_)
    command("lint", lint)
    again = command("certify", certify)
    again.add_argument("id", nargs="*", metavar="ID", help="these vectors only")
    again.add_argument("--write", action="store_true", help="write new vectors, and old ones whose words alone have changed")
    command("show", show).add_argument("id", metavar="ID")
    gone = command("remove", remove)
    gone.add_argument("id", metavar="ID")
    gone.add_argument("--reason", required=True)
    return parser.parse_args(argv)
