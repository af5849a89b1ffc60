"""debug_nans: which operation, on which line, a NaN in a gradient came from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from refnode.autodiff.messages import name_of
from refnode.autodiff.surface import plain

WATCHING: ContextVar[bool] = ContextVar("refnode.debug_nans", default=False)


@contextlib.contextmanager
def debug_nans() -> Iterator[None]:
    """Inside `with rn.debug_nans():` a gradient stops where its first NaN or infinity is made, and says by what.

    The reverse pass raises FloatingPointError at the first operation that turns finite values and a finite cotangent into a cotangent that is
    not: its name, the user's file and line, and the entry of its argument. Nothing is watched outside the block; inside, each operation costs
    some microseconds more. Values that f itself makes NaN are not looked for: NumPy does that, with np.errstate(all="raise").
    """
    token = WATCHING.set(True)
    try:
        yield
    finally:
        WATCHING.reset(token)


def check_contributions(node: Any, g: Any, contributions: list[Any]) -> None:
    """FloatingPointError if the rule of a node made NaN or infinity out of finite numbers."""
    if not (_finite(g) and all(map(_finite, node.args))):
        return
    for (position, parent), contribution in zip(node.parents, contributions, strict=True):
        if contribution is not None and not _finite(contribution):
            bad, argument = np.asarray(plain(contribution)), np.asarray(plain(parent.value))
            entry = tuple(int(i) for i in np.argwhere(~np.isfinite(bad))[0])
            at = f"[{', '.join(map(str, entry))}]" if entry else ""
            value = argument[entry] if argument.shape == bad.shape else argument
            raise FloatingPointError(f"the derivative of {name_of(node.func)}{node.place} in its argument {position} is {bad[entry]} at entry "
                                     f"{at or '()'}, where the argument is {value}; keep the argument away from there (np.where on the argument "
                                     "itself, before the function is applied).")


def _finite(x: Any) -> bool:
    x = plain(x)
    if isinstance(x, (float, np.generic, np.ndarray)):
        kind = np.asarray(x)
        return kind.dtype.kind not in "fc" or bool(np.all(np.isfinite(kind)))
    return True
