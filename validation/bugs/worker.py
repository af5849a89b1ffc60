"""Runs the reproducers named on the command line and prints got and expected of each, one JSON line after the word RESULT.

A script, not a module of the package: it runs where neither refnode nor this package needs to be importable.
"""

import json
import runpy
import sys
from pathlib import Path


def text(value: object) -> str:
    """Numbers to six digits, lists and tuples number by number, all else as str gives it."""
    if isinstance(value, list | tuple):
        return " ".join(map(text, value))
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        return " ".join(str(value).split())
    return f"{float(value):.6g}"


def main() -> None:
    """Runs them all; an exception in one does not end the others."""
    for path in sys.argv[1:]:
        answer = {"file": Path(path).name}
        try:
            names = runpy.run_path(path)
            answer |= {"got": text(names["got"]), "expected": text(names["expected"])}
        except Exception as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        print("\nRESULT", json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
