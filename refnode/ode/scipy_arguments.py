"""The arguments of solve_ivp, checked as SciPy checks them, with SciPy's messages."""

from __future__ import annotations

import difflib
import inspect
import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from refnode.ode.arguments import whole_number
from refnode.ode.control import Control, rms

METHODS = {"RK23": "bosh3", "RK45": "dopri5", "DOP853": "dop853", "Radau": "radau5", "BDF": "bdf", "LSODA": "lsoda"}  # SciPy's names and ours
OPTIONS = ("first_step", "max_step", "rtol", "atol", "max_steps")
OPTIONS_OF = {"Radau": ("jac", "jac_sparsity"), "BDF": ("jac", "jac_sparsity"), "LSODA": ("jac", "lband", "uband", "min_step")}
REAL_ONLY = ("Radau", "LSODA")
MAX_STEPS = 10**7
EPS = float(np.finfo(float).eps)


def method_named(method: Any) -> Any:
    """The name of one of `METHODS`, or a class of solvers that is not SciPy's own."""
    import scipy.integrate

    for name in METHODS:
        if method is getattr(scipy.integrate, name) or (isinstance(method, str) and method == name):
            return name
    if inspect.isclass(method) and issubclass(method, scipy.integrate.OdeSolver):
        return method
    raise ValueError(f"`method` must be one of {', '.join(METHODS)}, or a class that derives from scipy.integrate.OdeSolver, not {method!r}.")


def interval(t_span: Sequence[float]) -> tuple[float, float]:
    t0, t1 = map(float, t_span)
    if not math.isfinite(t0) or math.isnan(t1):
        raise ValueError(f"`t_span` must start at a finite time and end at a time or at infinity, not {t_span!r}.")
    return t0, t1


def initial_state(y0: Any, method: Any) -> np.ndarray:
    given = np.asarray(y0)
    y0 = np.array(given, complex if given.dtype.kind == "c" else float)
    if y0.dtype.kind == "c" and method in REAL_ONLY:
        raise ValueError("`y0` is complex, but the chosen solver does not support integration in a complex domain: take BDF.")
    if y0.ndim != 1:
        raise ValueError("`y0` must be 1-dimensional.")
    if not np.all(np.isfinite(y0)):
        raise ValueError("All components of the initial state `y0` must be finite.")
    return y0


def unpacked(args: Any) -> tuple[Any, ...]:
    try:
        return () if args is None else tuple(args)
    except TypeError as error:
        raise TypeError(f"Supplied 'args' cannot be unpacked. Please supply `args` as a tuple (e.g. `args=({args},)`)") from error


def output_times(t_eval: Any, t0: float, t1: float) -> np.ndarray:
    times = np.asarray(t_eval)
    if times.ndim != 1:
        raise ValueError("`t_eval` must be 1-dimensional.")
    if not np.all((times >= min(t0, t1)) & (times <= max(t0, t1))):
        raise ValueError("Values in `t_eval` are not within `t_span`.")
    if np.any(np.diff(times) <= 0) if t1 > t0 else t1 < t0 and np.any(np.diff(times) >= 0):
        raise ValueError("Values in `t_eval` are not properly sorted.")
    return times


def control(method: str, length: float, n: int, options: dict[str, Any]) -> tuple[Control, int]:
    """What the options ask of the steps, and max_steps."""
    known = (*OPTIONS, *OPTIONS_OF.get(method, ()))
    _warn_of_unknown([name for name in options if name not in known], known)
    first_step, max_step, min_step = options.get("first_step"), options.get("max_step", math.inf), options.get("min_step", 0.0)
    if not max_step > 0:
        raise ValueError(f"`max_step` must be positive, not {max_step!r}.")
    if first_step is not None and not first_step > 0:
        raise ValueError(f"`first_step` must be positive, not {first_step!r}.")
    if first_step is not None and first_step > length:
        raise ValueError(f"`first_step` exceeds bounds: {first_step!r} is longer than the interval, {length!r}.")
    if not min_step >= 0:
        raise ValueError(f"`min_step` must be nonnegative, not {min_step!r}.")
    rtol, atol = _tolerance("rtol", options.get("rtol", 1e-3), n), _tolerance("atol", options.get("atol", 1e-6), n)
    if np.any(rtol < 100 * EPS):
        warnings.warn(f"At least one element of `rtol` is too small. Setting `rtol = np.maximum(rtol, {100 * EPS})`.", stacklevel=4)
        rtol = np.maximum(rtol, 100 * EPS)
    if np.any(atol < 0):
        raise ValueError("`atol` must be positive.")
    first_step = None if first_step is None else float(first_step)
    return (Control(rtol, atol, rms, first_step, float(min_step) if "min_step" in known else 0.0, float(max_step)),
            whole_number("max_steps", options.get("max_steps", MAX_STEPS)))


def _tolerance(name: str, value: Any, n: int) -> np.ndarray:
    tolerance = np.asarray(value, float)
    if tolerance.ndim > 0 and tolerance.shape != (n,):
        raise ValueError(f"`{name}` has wrong shape: {tolerance.shape}; it must be a number or of y's shape, ({n},).")
    if np.any(np.isnan(tolerance)):
        raise ValueError(f"`{name}` must not be NaN.")
    return tolerance


def _warn_of_unknown(names: list[str], known: Sequence[str]) -> None:
    if names:
        others = {name for options in OPTIONS_OF.values() for name in options}
        meant = [near[0] for name in names if name not in others and (near := difflib.get_close_matches(name, known, 1))]
        warnings.warn(f"The following arguments have no effect for a chosen solver: {', '.join(f'`{name}`' for name in names)}."
                      + (f" Did you mean {', '.join(f'`{name}`' for name in meant)}?" if meant else ""), stacklevel=5)


def jacobian(method: str, n: int, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
    """jac and jac_sparsity as `jacobian.Jacobian` takes them: jac(y, t), a matrix, or None; never both."""
    from scipy.sparse import dia_array

    given, lower, upper = options.get("jac"), options.get("lband"), options.get("uband")
    of_state: Any = (lambda y, t: given(t, y.copy(), *args)) if callable(given) else given
    if method != "LSODA" or (lower is None and upper is None):
        return of_state, None if given is not None else options.get("jac_sparsity")
    lower, upper = (_bandwidth(*band, n) for band in (("lband", lower), ("uband", upper)))
    rows = lower + upper + 1

    def banded(packed: Any) -> Any:
        """The matrix whose entry (i, j) is packed[uband + i - j, j]."""
        packed = np.asarray(packed)
        if packed.shape != (rows, n):
            raise ValueError(f"with `lband` and `uband`, `jac` must have shape ({rows}, {n}), one row for each diagonal, not {packed.shape}.")
        return dia_array((packed, upper - np.arange(rows)), shape=(n, n)).tocsc()

    if given is None:
        return None, banded(np.ones((rows, n)))
    return (lambda y, t: banded(of_state(y, t))) if callable(given) else banded(given), None


def _bandwidth(name: str, value: Any, n: int) -> int:
    if value is None:
        return 0
    if not isinstance(value, (int, np.integer)) or not 0 <= value < n:
        raise ValueError(f"`{name}` must be a whole number from 0 to {n - 1}, the number of diagonals on that side, not {value!r}.")
    return int(value)
