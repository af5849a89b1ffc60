"""Inputs that vary with time, given by their values at knots: `interpolate` makes a function of t that can stand in theta."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refnode.tree import is_traced

KINDS = ("constant", "linear", "cubic")


def interpolate(knots: Any, values: Any, kind: str = "linear", slopes: Any = None) -> Interpolant:
    """The function u with u(knots[i]) = values[i], to be called as u(t) inside of dynamics.

        u = rn.interpolate(ts, xs)
        f = lambda z, t, theta: np.tanh(theta["W"] @ z + theta["u"](t))
        zs = rn.odeint(f, z0, ts, {"W": W, "u": u})

    A solve finds u in theta, and no step of it crosses a knot: an input that is not in theta has its knots given as jump_ts.
    knots: (n,) times, strictly increasing; n >= 2, or 1 for a constant. values: (n, ...), one for each knot. u(t) has their trailing shape and dtype.
    kind: "constant": the value of the last knot at or before t; after the last knot its value is held.
          "linear":   continuous, with kinks at the knots. Steps of a solve end on the knots of a u in theta; for any other u give jump_ts=u.knots.
          "cubic":    continuous with its first derivative, which at the knots is `slopes`, in the shape of values. Without slopes it is that of the
                      parabola through the knot and its two neighbours, at the ends through the nearest three knots.
    Integers become float64, float32 stays. At a knot, the piece that begins there counts, at the last one the piece that ends there. Outside of
    [knots[0], knots[-1]], beyond a rounding error, u raises ValueError, except for a constant after the last knot.

    In a gradient with respect to u its knots, values and slopes are independent; default slopes follow the values where u is made inside of the
    function that is differentiated. An optimiser's step on the leaves of u is not checked: it must leave the knots in order.

    A cubic at t reads the values at two knots before and two after t. An online model must not know the future: with the slopes

        d = np.diff(values, axis=0) / np.diff(knots)[:, None];  slopes = np.concatenate([d[:1], d])

    (backward differences, for values of shape (n, d)) it reads nothing beyond the knot that follows t.
    """
    if not (isinstance(kind, str) and kind in KINDS):
        raise ValueError(f"there is no kind of interpolation {kind!r}; the kinds are {', '.join(KINDS)}.")
    knots, values = _real("knots", knots), _real("values", values)
    least = 1 if kind == "constant" else 2
    if knots.ndim != 1 or len(knots) < least:
        raise ValueError(f"knots must be a one-dimensional array of length {least} or more for kind={kind!r}, not of shape {knots.shape}.")
    if not np.all(later := knots[1:] > knots[:-1]):
        i = int(np.argmin(later))
        raise ValueError(f"knots must increase strictly, but knots[{i}:{i + 2}] = [{knots[i]:.16g}, {knots[i + 1]:.16g}]; sort them with "
                         "their values, and give each time once.")
    if values.shape[:1] != knots.shape:
        raise ValueError(f"values must have one entry for each of the {len(knots)} knots along the first axis, but its shape is {values.shape}.")
    if slopes is None:
        return Interpolant(knots, values, three_point_slopes(knots, values) if kind == "cubic" else None, kind)
    if kind != "cubic":
        raise ValueError(f"slopes belong to kind='cubic', not to kind={kind!r}; leave them out.")
    slopes = _real("slopes", slopes)
    if slopes.shape != values.shape:
        raise ValueError(f"slopes must have the shape of values, {values.shape}, not {slopes.shape}.")
    return Interpolant(knots, values, slopes.astype(values.dtype), kind)


class Interpolant(NamedTuple):
    """A function of t as a tree: its arrays are parameters like others, kind is static. Made by `interpolate`, which checks them."""

    knots: Any
    values: Any
    slopes: Any  # None, unless it is cubic
    kind: str

    def __call__(self, t: Any) -> Any:
        """u(t) for a number t. With theta = (t - knots[i]) / h in the piece from knots[i] to knots[i + 1], of length h, the cubic is

            (1 - theta) u_0 + theta u_1 + theta (theta - 1) ((1 - 2 theta) (u_1 - u_0) + h ((theta - 1) u'_0 + theta u'_1))

        and its first two terms are the linear interpolant. HNW: II.6 (6.7)
        """
        knots, values, slopes, kind = self
        i = _piece(knots, t, kind)
        if kind == "constant":
            return values[i]
        h = knots[i + 1] - knots[i]
        theta = (t - knots[i]) / h
        if theta.dtype != values.dtype:
            h, theta = h.astype(values.dtype), theta.astype(values.dtype)
        u0, u1 = values[i], values[i + 1]
        linear = (1 - theta) * u0 + theta * u1  # in this form the ends are exact
        if kind == "linear":
            return linear
        return linear + theta * (theta - 1) * ((1 - 2 * theta) * (u1 - u0) + h * ((theta - 1) * slopes[i] + theta * slopes[i + 1]))


def inputs_in(theta: Any) -> list[Interpolant]:
    """The interpolants among the parameters, in the order of the leaves."""
    if isinstance(theta, Interpolant):
        return [theta]
    children = theta.values() if isinstance(theta, dict) else theta if isinstance(theta, (tuple, list)) else ()
    return [u for child in children for u in inputs_in(child)]


def three_point_slopes(knots: Any, values: Any) -> Any:
    """At each knot the derivative of the parabola through it and its neighbours, at the ends of the nearest parabola; of the line if there are two.

        u'_i = d_{i-1} + h_{i-1} c_i = d_i - h_i c_i,   d_i = (u_{i+1} - u_i) / h_i,   c_i = (d_i - d_{i-1}) / (h_{i-1} + h_i)
    """
    h = np.reshape(np.diff(knots), (-1,) + (1,) * (values.ndim - 1))
    d = np.diff(values, axis=0) / h
    if len(d) == 1:
        return np.concatenate([d, d]).astype(values.dtype)
    c = np.diff(d, axis=0) / (h[:-1] + h[1:])
    return np.concatenate([d[:1] - h[:1] * c[:1], d[:-1] + h[:-1] * c, d[-1:] + h[-1:] * c[-1:]]).astype(values.dtype)


def _piece(knots: Any, t: Any, kind: str) -> int:
    """The last i with knots[i] <= t, and at the last knot the piece that ends there (a constant has one that begins there)."""
    if not isinstance(t, float) and not (np.shape(t) == () and (is_traced(t) or np.asarray(t).dtype.kind in "fiu")):
        what = f"with shape {np.shape(t)}; write np.stack([u(t) for t in ts])" if np.shape(t) else f"with a {type(t).__name__}"
        raise ValueError(f"an interpolant is called with one real number t, not {what}.")
    i = int(knots.searchsorted(t, "right")) - 1  # the method: three times as fast as the function. Neither is traced
    if 0 <= i < len(knots) - 1:
        return i
    first, last = knots[0], knots[-1]
    rounding = np.finfo(knots.dtype).eps * max(abs(first), abs(last))
    if kind == "constant":
        if not t >= first - rounding:
            raise ValueError(f"a constant interpolant begins at t = {first:.16g}, but was called at t = {t:.16g}; add a knot before that.")
        return max(i, 0)
    i = min(max(i, 0), len(knots) - 2)
    rounding = min(rounding, knots[i + 1] - knots[i])  # no piece is continued by more than its length
    if not first - rounding <= t <= last + rounding:
        raise ValueError(f"an interpolant with knots from {first:.16g} to {last:.16g} was called at t = {t:.16g}; "
                         "give it knots over the whole solve.")
    return i


def _real(name: str, x: Any) -> Any:
    """x as a read-only floating-point array of its own, or as a traced one."""
    if is_traced(x):
        return x
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be masked; leave the missing entries out.")
    try:
        array = np.array(x)
    except ValueError:
        raise ValueError(f"{name} must be an array of real numbers, not a ragged {type(x).__name__}.") from None
    if array.dtype == object and any(map(is_traced, array.flat)):
        return np.reshape(np.stack(list(array.flat)), array.shape)
    if array.dtype.kind in "iu":
        array = array.astype(np.float64)
    if array.dtype not in (np.float64, np.float32):
        raise TypeError(f"{name} must hold real numbers (float64, float32 or integers), not {array.dtype}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, but {np.count_nonzero(~np.isfinite(array))} of {array.size} entries are NaN or infinite; "
                         "leave out the knots whose values are missing.")
    array.flags.writeable = False
    return array
