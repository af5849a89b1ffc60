"""The ufuncs of scipy.special, by name: they are looked up when the first one arrives, so that SciPy is never imported here."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.elementwise import LN10, PI
from refnode.autodiff.formulas.primitives import nonzero

ROOT_PI, ROOT_2PI = PI**0.5, (2 * PI) ** 0.5


class _Special:
    """sp.psi is scipy.special.psi."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(importlib.import_module("scipy.special"), name)


sp = _Special()

SPECIAL: dict[str, tuple[Any, ...]] = {
    "expit": (lambda g, y, x: g * (y * (1 - y)),),
    "log_expit": (lambda g, y, x: g * sp.expit(-x),),
    "logit": (lambda g, y, x: g / (x * (1 - x)),),
    "softplus": (lambda g, y, x: g * sp.expit(x),),
    "erf": (lambda g, y, x: g * (2 / ROOT_PI * np.exp(-x * x)),),
    "erfc": (lambda g, y, x: g * (-2 / ROOT_PI * np.exp(-x * x)),),
    "erfcx": (lambda g, y, x: g * (2 * x * y - 2 / ROOT_PI),),
    "erfinv": (lambda g, y, x: g * (ROOT_PI / 2 * np.exp(y * y)),),
    "ndtr": (lambda g, y, x: g * (np.exp(-0.5 * x * x) / ROOT_2PI),),
    "log_ndtr": (lambda g, y, x: g * (np.exp(-0.5 * x * x - y) / ROOT_2PI),),
    "ndtri": (lambda g, y, x: g * (ROOT_2PI * np.exp(0.5 * y * y)),),
    "dawsn": (lambda g, y, x: g * (1 - 2 * x * y),),
    "gamma": (lambda g, y, x: g * (y * sp.psi(x)),),
    "gammaln": (lambda g, y, x: g * sp.psi(x),),
    "psi": (lambda g, y, x: g * sp.zeta(2.0, x),),
    "_zeta": ("scipy.special.zeta(s, q) is differentiated in q only", lambda g, y, s, q: g * (-s * sp.zeta(s + 1, q))),
    "beta": (lambda g, y, a, b: g * (y * (sp.psi(a) - sp.psi(a + b))), lambda g, y, a, b: g * (y * (sp.psi(b) - sp.psi(a + b)))),
    "betaln": (lambda g, y, a, b: g * (sp.psi(a) - sp.psi(a + b)), lambda g, y, a, b: g * (sp.psi(b) - sp.psi(a + b))),
    "entr": (lambda g, y, x: g * (-np.log(x) - 1),),
    "rel_entr": (lambda g, y, a, b: g * (np.log(a / b) + 1), lambda g, y, a, b: g * (-a / b)),
    "kl_div": (lambda g, y, a, b: g * np.log(a / b), lambda g, y, a, b: g * (1 - a / b)),
    "xlogy": (lambda g, y, a, b: g * np.log(nonzero(b)), lambda g, y, a, b: g * (a / nonzero(b))),
    "xlog1py": (lambda g, y, a, b: g * np.log1p(b), lambda g, y, a, b: g * (a / (1 + b))),
    "exp10": (lambda g, y, x: g * (y * LN10),),
    "cbrt": (lambda g, y, x: g / (3 * (y * y)),),
    "i0": (lambda g, y, x: g * sp.i1(x),),
    "i1": (lambda g, y, x: g * (sp.i0(x) - y / x),),
    "j0": (lambda g, y, x: -g * sp.j1(x),),
    "j1": (lambda g, y, x: g * (sp.j0(x) - y / x),),
}


def special_rule(function: Any) -> tuple[Any, ...] | None:
    """The rule of a ufunc of scipy.special, if it is one and has one."""
    name = getattr(function, "__name__", "")
    modules = [sys.modules.get(module) for module in ("scipy.special", "scipy.special._ufuncs")]
    return SPECIAL.get(name) if any(getattr(module, name, None) is function for module in modules) else None
