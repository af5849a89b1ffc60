"""Refusals: one sentence with the remedy, and the user's file and line."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from refnode.errors import TraceError, here, is_users


def refuse(sentence: str) -> NoReturn:
    raise TraceError(f"{sentence}{here()}.")


def explained(error: Exception) -> Exception:
    """The TraceError behind an exception of f, if there is one: NumPy wraps ours, and others complain of our type or of object arrays."""
    if isinstance(error.__cause__, TraceError):
        return error.__cause__
    sentence, traceback, place = str(error), error.__traceback__, ""
    if not isinstance(error, (TypeError, ValueError)) or not any(mark in sentence for mark in OBJECT_MARKS):
        return error
    while traceback is not None:
        if is_users(traceback.tb_frame):
            place = f" ({traceback.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return TraceError(f"{sentence.rstrip('.')}{place}; a traced value, or an object array of them as np.array([...]) and np.asarray(z) make, was "
                      "given to something that is not NumPy's own array code: use NumPy's functions, np.stack instead of np.array, and "
                      "np.logaddexp.reduce instead of logsumexp.")


OBJECT_MARKS = ("Traced", "not supported for the input types", "loop of ufunc does not support", "object arrays are not supported",
                "unsupported data types in input", "holds references", "dtype('O')")


class MissingAttribute(TraceError, AttributeError):
    """For hasattr and getattr with a default."""


def name_of(func: Any) -> str:
    module = (getattr(func, "__module__", None) or "numpy").replace("numpy", "np")
    name = getattr(func, "__name__", str(func))
    if name in ("reduce", "accumulate"):
        return f"np.{func.__self__.__name__}.{name}"
    return f"{module}.{name}" if not isinstance(func, np.ufunc) else name if getattr(np, name, None) is not func else f"np.{name}"
