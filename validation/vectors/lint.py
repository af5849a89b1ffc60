"""What must hold of the folder: each vector by itself (rules.py), and all of them with the manifest, the notes and the tombstones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import rules, store
from .text import text


def lint(root: Path = store.ROOT, progress: Callable[[Any], Any] = lambda files: files) -> list[str]:
    """Faults, one sentence each, with the id or the file first; empty if there are none. progress wraps the list of files."""
    import jsonschema

    validator = jsonschema.Draft202012Validator(store.schema("vector-1", root))
    notes = store.notes(root)
    faults, vectors = [], []
    for file in progress(store.files(root)):
        try:
            vector = store.read(file)
        except ValueError as error:
            faults.append(str(error))
            continue
        errors = sorted(validator.iter_errors(vector), key=lambda error: list(map(str, error.path)))
        if errors:
            place = "/".join(map(str, errors[0].path)) or "the top"
            faults.append(f"{file.stem}: schema: at {place}: {errors[0].message[:200]}")
            continue
        vectors.append(vector)
        if file.stem != vector["id"] or file.parent.name != vector["family"]:
            faults.append(f"{file.stem}: file: {file.parent.name}/{file.name} holds {vector['family']}/{vector['id']}")
        if file.read_text(encoding="utf-8") != text(vector):
            faults.append(f"{file.stem}: format: not written canonically; `vectors format` does it")
        faults += [f"{vector['id']}: {fault}" for fault in rules.faults(vector, notes)]
    return faults + _ids(vectors, store.tombstones(root)) + _manifest(root, [vector["id"] for vector in vectors]) + _notes(vectors, notes)


def _ids(vectors: list[dict[str, Any]], stones: list[dict[str, Any]]) -> list[str]:
    counts, removed = Counter(vector["id"] for vector in vectors), Counter(stone["id"] for stone in stones)
    faults = [f"{id}: ids: there are {n} vectors with this id" for id, n in counts.items() if n > 1]
    faults += [f"{id}: ids: was removed, and its id may not be used again" for id in counts if id in removed]
    faults += [f"{id}: ids: has {n} tombstones" for id, n in removed.items() if n > 1]
    faults += [f"{stone['id']}: ids: its tombstone gives no reason" for stone in stones if not stone["reason"].strip()]
    replaced = ((vector["id"], vector["supersedes"]) for vector in vectors if vector["supersedes"])
    return faults + [f"{id}: ids: supersedes {old}, which has no tombstone" for id, old in replaced if old not in removed]


def _manifest(root: Path, ids: list[str]) -> list[str]:
    """Both ways: every file is listed as it is, and everything that is listed is there."""
    file = root / "MANIFEST.json"
    if not file.exists():
        return ["MANIFEST.json: manifest: is missing"]
    have = store.read(file)
    listed = {entry["id"]: entry for entry in have["vectors"]}
    faults = [f"{id}: manifest: is listed, but there is no such vector" for id in listed if id not in ids]
    faults += [f"{id}: manifest: is not listed" for id in ids if id not in listed]
    if faults or len(ids) < len(store.files(root)):
        return faults
    want = store.manifest(root)
    faults += [f"{e['id']}: manifest: its entry is not that of its file" for e in want["vectors"] if listed[e["id"]] != e]
    if not faults and file.read_text(encoding="utf-8") != text(want):
        faults.append("MANIFEST.json: manifest: version, totals or form are not as they should be")
    return faults


def _notes(vectors: list[dict[str, Any]], notes: dict[str, Any]) -> list[str]:
    used = {"flags": {flag for v in vectors for flag in v["flags"]}, "bugs": {bug for v in vectors for bug in v["discriminates"]}}
    idle = [(kind, name) for kind in used for name in notes[kind] if name not in used[kind]]
    return [f"notes.json: {kind}: {name} is explained, but no vector has it" for kind, name in idle]
