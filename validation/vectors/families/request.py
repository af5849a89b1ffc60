"""What the author of a vector says, as the JSON object that `vectors add` takes as well: all but the expected values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.build import dynamics
from ..text import dyadic
from .tiers import tier

GRADIENTS = "S3 S6 S8 S9 S12 S13 S14 S78 S79 S81"  # values, dL/dz0, dL/dtheta, dL/dt with several observations
FLOW = f"{GRADIENTS} S35 S47 S52"


def request(
    family: str,
    author: str,
    id: str,
    title: str,
    f: Callable[[Any, Any, Any], Any],
    z0: Sequence[float],
    theta: Sequence[float],
    ts: Sequence[float],
    cotangents: Sequence[Sequence[float]] | None = None,
    flags: str = "",
    discriminates: str = "",
    statements: str = GRADIENTS,
    difficulty: str = "average",
    result: str = "required",
    may_refuse: str = "",
    negative: dict[str, Any] | None = None,
    flow: bool = False,
    closed_form: str | None = None,
) -> dict[str, Any]:
    """The request for the vector `id`: dz/dt = f(z, t, theta), in the language of ir.build, with z0 (D,), theta (P,), ts (N,).

    cotangents (N, D) are the weights of the loss, spread() if none are given. flags, discriminates and statements are words with spaces
    between them; may_refuse is the reason why a refusal is as good as the right numbers; closed_form names the formula, if there is one
    (generate.closed_form).
    """
    g = spread(len(ts), len(z0)) if cotangents is None else cotangents
    return {
        "id": id,
        "title": title,
        "family": family,
        "statements": statements.split(),
        "flags": flags.split(),
        "difficulty": difficulty,
        "tier": tier(id),
        "result": result,
        "acceptable_if": {"outcome": "refused", "why": may_refuse} if may_refuse else None,
        "negative": negative,
        "discriminates": discriminates.split(),
        "dynamics": dynamics(f, len(z0), len(theta)).to_json(),
        "flow": {"base": "standard_normal"} if flow else None,
        "inputs": {"z0": _words(z0), "theta": _words(theta), "ts": _words(ts), "cotangents": [_words(row) for row in g]},
        "closed_form": closed_form,
        "authored_by": author,
        "supersedes": None,
    }


def spread(n: int, dim: int) -> list[list[float]]:
    """Weights (n, dim) of both signs, of different sizes, in every row and column: none hides behind another."""
    values = (1, -0.5, 0.75, 0.375, -1.25, 0.625, -0.875, 1.5, -0.25, 0.5, -1.125)
    return [[values[(i * dim + j + i // 3) % len(values)] for j in range(dim)] for i in range(n)]


def parameters(n: int, start: int = 0) -> list[float]:
    """n different-looking multiples of 1/16 in [-15/16, 15/16], none of them zero: the weights of a net."""
    values = [((37 * k + 11) % 31 - 15) / 16 for k in range(start, start + 31)]
    values = [x for x in values if x]
    return [values[k % len(values)] for k in range(n)]


def _words(numbers: Sequence[float]) -> list[str]:
    return [dyadic(x) for x in numbers]
