"""The keywords of NumPy's functions that have no place in a derivative, and what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np

from refnode.autodiff.messages import name_of, refuse


def checked_keywords(func: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keywords without those that only say the default."""
    for name, remedy in KEYWORD_REMEDIES.items():
        if kwargs.get(name) is not None and kwargs[name] is not np._NoValue:
            if not (name == "dtype" and func in CREATION) and not (name in ("where", "subok") and kwargs[name] is True):
                refuse(f"{name_of(func)}(..., {name}=...) is not differentiated; {remedy}")
    return {key: value for key, value in kwargs.items() if value is not np._NoValue and (key not in KEYWORD_REMEDIES or func in CREATION)}


KEYWORD_REMEDIES = {"out": "assign the result instead (x = x + y), since a plain array cannot hold traced values", "where": "use np.where",
                    "dtype": "use x.astype(dtype)", "initial": "combine it with np.maximum, np.minimum or +", "casting": "leave it out",
                    "like": "leave it out", "subok": "leave it out"}
CREATION = {np.zeros_like, np.ones_like, np.empty_like, np.full_like}
