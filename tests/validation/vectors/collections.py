"""Small collections of vectors in temporary folders, to be spoilt."""

import json
import shutil

from refnode_validation.vectors import store
from refnode_validation.vectors.text import content_sum, text

IDS = ("linear-spiral", "flow-planar-1", "negative-blow-up")


def collection(root, ids=IDS):
    """A collection of these vectors, with notes for them alone, that passes the lint."""
    shutil.copytree(store.ROOT / "schema", root / "schema")
    vectors = [store.read(store.find(id)) for id in ids]
    notes = store.notes()
    flags = {flag for vector in vectors for flag in vector["flags"]}
    bugs = {bug for vector in vectors for bug in vector["discriminates"]}
    kept = {"flags": {name: notes["flags"][name] for name in sorted(flags)}, "bugs": {name: notes["bugs"][name] for name in sorted(bugs)}}
    (root / "notes.json").write_text(text(kept))
    (root / "TOMBSTONES.json").write_text(text({"schema": "refnode-tombstones-1", "tombstones": []}))
    store.write(vectors, root)
    return root


def spoil(root, id, change, honest=True):
    """Change a vector in its file; with honest=True sums and manifest are made to agree, so that only the change itself is wrong."""
    file = store.find(id, root)
    vector = json.loads(file.read_text())
    change(vector)
    if honest:
        vector["sha256"] = content_sum(vector)
    file.write_text(text(vector))
    if honest:
        store.write_manifest(root)
