"""The one way in which a vector is written: numbers as decimal strings, JSON as text, and the sum over its content."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

WIDTH = 140
BITS = 8  # of an input: exact in float64, float32 and bfloat16, and in decimal
HASHED = ("dynamics", "flow", "inputs", "expected")
PLAIN = re.compile(r"-?(0|[1-9]\d*)(\.\d*[1-9])?")


def text(value: Any) -> str:
    """JSON in which every object or list that fits in a line of 140 characters is one line, and others have one entry a line."""
    return _text(value, 0, 0) + "\n"


def canonical(value: Any) -> bytes:
    """The canonical JSON that is hashed: keys sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def content_sum(vector: dict[str, Any]) -> str:
    """sha256 of what a vector says: its dynamics, flow, inputs and expected values."""
    return hashlib.sha256(canonical({key: vector[key] for key in HASHED})).hexdigest()


def dyadic(x: float | int | str) -> str:
    """The decimal string of a number with at most 8 significant bits; ValueError for others. "NaN", "INF" and "-INF" stay as they are."""
    if x in ("NaN", "INF", "-INF"):
        return str(x)
    number = Decimal(x)
    written = format(number, "f")
    written = written.rstrip("0").rstrip(".") if "." in written else written
    written = "0" if written == "-0" else written
    if fault := dyadic_fault(written):
        raise ValueError(f"the input {x!r} {fault}")
    return written


def dyadic_fault(word: str) -> str:
    """The empty string if word is the plain decimal of a number with at most 8 significant bits, else what is wrong."""
    if not PLAIN.fullmatch(word) or word == "-0":
        return "is not a plain decimal without superfluous zeros"
    number = abs(Fraction(word))
    if number.denominator & (number.denominator - 1):
        return "is not dyadic: write it as a multiple of a power of 1/2"
    odd = number.numerator
    while odd and odd % 2 == 0:
        odd //= 2
    return f"has {odd.bit_length()} significant bits, and {BITS} are allowed" if odd.bit_length() > BITS else ""


def _text(value: Any, indent: int, used: int) -> str:
    """used: the characters of the line before the value, and the comma after it."""
    line = json.dumps(value, ensure_ascii=True, allow_nan=False)
    if not isinstance(value, dict | list) or not value or indent + used + len(line) <= WIDTH:
        return line
    inner = indent + 1
    if isinstance(value, dict):
        rows = [f"{json.dumps(key)}: {_text(entry, inner, len(json.dumps(key)) + 3)}" for key, entry in value.items()]
        opening, closing = "{", "}"
    else:
        rows = [_text(entry, inner, 1) for entry in value]
        opening, closing = "[", "]"
    space = "\n" + " " * inner
    return opening + space + ("," + space).join(rows) + "\n" + " " * indent + closing
