"""The folder of the vectors: <family>/<id>.json, MANIFEST.json, TOMBSTONES.json, notes.json and the schemas. Reading needs JSON only."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from . import VERSION
from .text import text

ROOT = Path(__file__).parent
NO_FAMILY = ("schema", "families", "__pycache__")


def files(root: Path = ROOT) -> list[Path]:
    """The vectors' files, in the order of their names."""
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and folder.name not in NO_FAMILY]
    return [file for folder in folders for file in sorted(folder.glob("*.json"))]


def read(file: Path) -> Any:
    """The JSON of a file; ValueError, in one sentence, if it cannot be read or is not JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except (json.JSONDecodeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{file.name} is not JSON: {error}") from None
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None


def find(id: str, root: Path = ROOT) -> Path:
    """The file of a vector; ValueError if there is none."""
    found = [file for file in files(root) if file.stem == id]
    if not found:
        raise ValueError(f"there is no vector {id!r}{_tombstone(id, root)}")
    return found[0]


def path_of(vector: dict[str, Any], root: Path = ROOT) -> Path:
    """Where a vector belongs."""
    return root / vector["family"] / f"{vector['id']}.json"


def write(vectors: list[dict[str, Any]], root: Path = ROOT) -> None:
    """Write vectors and the manifest. All text is made before the first file is touched."""
    texts = {path_of(vector, root): text(vector) for vector in vectors}
    for file, content in texts.items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="ascii", newline="\n")
    write_manifest(root)


def remove(id: str, reason: str, root: Path = ROOT) -> None:
    """Delete a vector and write its tombstone: the id is never used again."""
    if not reason.strip():
        raise ValueError("a vector is removed for a reason: say which")
    file = find(id, root)
    stones = tombstones(root)
    stones.append({"id": id, "family": file.parent.name, "sha256": read(file)["sha256"], "reason": reason.strip(), "since": VERSION})
    file.unlink()
    _write(root / "TOMBSTONES.json", {"schema": "refnode-tombstones-1", "tombstones": stones})
    write_manifest(root)


def tombstones(root: Path = ROOT) -> list[dict[str, Any]]:
    """The vectors that were removed."""
    file = root / "TOMBSTONES.json"
    return read(file)["tombstones"] if file.exists() else []


def notes(root: Path = ROOT) -> dict[str, Any]:
    """What the flags and the bugs mean."""
    return read(root / "notes.json")


def schema(name: str, root: Path = ROOT) -> dict[str, Any]:
    """The schema "vector-1" or "request-1"."""
    return read(root / "schema" / f"{name}.json")


def manifest(root: Path = ROOT) -> dict[str, Any]:
    """The manifest that the files ask for: an entry a vector, and totals. file_sha256 is of the file, sha256 of the vector's content."""
    entries = []
    for file in files(root):
        vector, content = read(file), file.read_bytes()
        entries.append({
            "id": vector["id"], "family": vector["family"], "tier": vector["tier"], "result": vector["result"],
            "vectors_version": vector["vectors_version"], "bytes": len(content), "sha256": vector["sha256"],
            "file_sha256": hashlib.sha256(content).hexdigest(),
        })
    families = sorted({entry["family"] for entry in entries})
    totals = {"vectors": len(entries), "bytes": sum(entry["bytes"] for entry in entries)}
    totals |= {"families": {family: sum(entry["family"] == family for entry in entries) for family in families}}
    return {"schema": "refnode-manifest-1", "vectors_version": VERSION, "license": "CC0-1.0", "totals": totals, "vectors": entries}


def write_manifest(root: Path = ROOT) -> None:
    """MANIFEST.json, as the files ask for it."""
    _write(root / "MANIFEST.json", manifest(root))


def _write(file: Path, value: Any) -> None:
    file.write_text(text(value), encoding="ascii", newline="\n")


def _tombstone(id: str, root: Path) -> str:
    reasons = [stone["reason"] for stone in tombstones(root) if stone["id"] == id]
    return f": it was removed, because {reasons[0]}" if reasons else ""


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
