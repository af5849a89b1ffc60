"""The implementations that are timed, as data: nothing of them is imported here."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

IMPLS = "refnode_validation.impls"


@dataclass(frozen=True)
class Implementation:
    """name: as in the tables. place: module:Class or file.py:Class of the adapter. packages: those whose versions count, the library first.

    family: what shares a library. method: "adjoint" if z is solved backwards, "steps" if the solver's steps are differentiated.
    """

    name: str
    place: str
    family: str
    method: str
    packages: tuple[str, ...]


def implementations() -> dict[str, Implementation]:
    """All of them by name."""
    rows = (
        ("refnode adjoint", "refnode:Adjoint", "refnode", "adjoint", ("refnode", "numpy")),
        ("refnode adjoint compiled", "refnode:AdjointCompiled", "refnode", "adjoint", ("refnode", "numpy")),
        ("refnode adjoint seminorm", "refnode:AdjointSeminorm", "refnode", "adjoint", ("refnode", "numpy")),
        ("refnode adjoint seminorm compiled", "refnode:AdjointSeminormCompiled", "refnode", "adjoint", ("refnode", "numpy")),
        ("refnode discrete", "refnode:Discrete", "refnode", "steps", ("refnode", "numpy")),
        ("refnode discrete compiled", "refnode:DiscreteCompiled", "refnode", "steps", ("refnode", "numpy")),
        ("by hand: adjoint", "by_hand:Adjoint", "by hand", "adjoint", ("numpy",)),
        ("by hand: discrete", "by_hand:Discrete", "by hand", "steps", ("numpy",)),
        ("by hand: discrete batched", "by_hand:Batched", "by hand", "steps", ("numpy",)),
        ("by hand: discrete stored", "by_hand:Stored", "by hand", "steps", ("numpy",)),
        ("torchdiffeq adjoint", "torchdiffeq:Adjoint", "torchdiffeq", "adjoint", ("torchdiffeq", "torch")),
        ("torchdiffeq adjoint seminorm", "torchdiffeq:AdjointSeminorm", "torchdiffeq", "adjoint", ("torchdiffeq", "torch")),
        ("torchdiffeq backprop", "torchdiffeq:Backprop", "torchdiffeq", "steps", ("torchdiffeq", "torch")),
        ("torchode autodiff", "torchode:Autodiff", "torchode", "steps", ("torchode", "torch")),
        ("JAX odeint", "jax:Odeint", "JAX", "adjoint", ("jax", "jaxlib")),
        ("diffrax backsolve", "diffrax:Backsolve", "diffrax", "adjoint", ("diffrax", "jax", "jaxlib")),
        ("diffrax checkpointed", "diffrax:Checkpointed", "diffrax", "steps", ("diffrax", "jax", "jaxlib")),
        ("autograd + SciPy", "autograd:Autograd", "autograd", "adjoint", ("autograd", "scipy")),
    )
    return {name: Implementation(name, f"{IMPLS}.{place}", family, method, packages) for name, place, family, method, packages in rows}


def selected(words: list[str]) -> list[Implementation]:
    """What the words after --impl mean: names, families, patterns with * or ?, or places of adapters of your own. Without words: all."""
    known = implementations()
    if not words:
        return list(known.values())
    found: dict[str, Implementation] = {}
    for word in words:
        matching = [one for one in known.values() if word in (one.name, one.family)] or [
            one for one in known.values() if fnmatch.fnmatchcase(one.name, word)
        ]
        if not matching and ":" in word.strip(":") and not word.startswith("by hand"):
            matching = [Implementation(word.rpartition(":")[2], word, "yours", "steps", ())]
        if not matching:
            raise ValueError(
                f"unknown implementation {word!r}: known are {', '.join(known)}; your own is path/to/file.py:Class or package.module:Class"
            )
        found |= {one.name: one for one in matching}
    return list(found.values())
