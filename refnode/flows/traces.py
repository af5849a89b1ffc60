"""tr(df/dz): exactly, as f declares it, or estimated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refnode.autodiff.surface import plain
from refnode.autodiff.transforms import conform, pullback
from refnode.ode.arguments import whole_number
from refnode.tree import Tree

Dynamics = Callable[[Any, Any, Any], Any]
Vjp = Callable[[Any], tuple[Any, ...]]
PROBES = ("rademacher", "gaussian")


def value_and_trace(f: Dynamics, z: Any, t: Any, theta: Tree, probes: Any = None) -> tuple[Any, Any]:
    """f(z, t, theta), like z, and tr(df/dz), one number for each point.

    With probes (m, *z.shape) the trace is estimated; else it is what f declares (`with_trace`); else it is found by `exact_trace`.
    """
    declared = getattr(f, "value_and_trace", None)
    if probes is None and declared is not None:
        dz_dt, trace = declared(z, t, theta)
        if np.shape(plain(trace)) != z.shape[:-1]:
            raise ValueError(f"the trace that f declares has shape {np.shape(plain(trace))}; it must be one number for each point, {z.shape[:-1]}.")
        return conform(dz_dt, z), trace
    dz_dt, vjp = pullback(f, z, t, theta, argnums=(0,), like=z)
    return dz_dt, exact_trace(vjp, z) if probes is None else hutchinson_trace(vjp, probes)


def exact_trace(vjp: Vjp, z: Any) -> Any:
    """sum_i (e_i^T df/dz)_i: one cotangent for each dimension, that of all points at once. Rows of z must not influence each other.

    vjp: back of `pullback(f, z, ...)`. Statement: S35
    """
    one_hot = np.eye(z.shape[-1], dtype=z.dtype)  # (copied below, since compiled code is made for one memory order)
    return sum((vjp(np.broadcast_to(e, z.shape).copy())[0][..., i] for i, e in enumerate(one_hot)), np.zeros(z.shape[:-1], z.dtype))


def hutchinson_trace(vjp: Vjp, probes: Any) -> Any:
    """(1/m) sum_k eps_k^T df/dz eps_k for probes eps_k of shape (m, *z.shape): each point has its own. Statement: E11"""
    return sum(np.sum(vjp(eps)[0] * eps, axis=-1) for eps in probes) / len(probes)


def with_trace(both: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Dynamics:
    """Dynamics that know their trace, from a function of (z, t, theta) that returns both, (dz/dt, tr(df/dz)): a decorator.

        @rn.with_trace
        def f(z, t, theta):
            h = np.tanh(z @ theta)
            return h, (1 - h * h) @ np.diag(theta)

    f(z, t, theta) is dz/dt alone; f.value_and_trace is the function that was given. The trace is one number for each point, in traceable NumPy,
    and is believed: compare it once with that of lambda z, t, theta: f(z, t, theta), which declares none.
    """
    def f(z: Any, t: Any, theta: Any) -> Any:
        return both(z, t, theta)[0]

    functools.update_wrapper(f, both)
    f.value_and_trace = both  # type: ignore[attr-defined]
    return f


def diagonal(f: Dynamics) -> Dynamics:
    """f, declared to act on each component of z alone: f_i(z, t, theta) depends on z_i. One cotangent is enough: sum_i (1^T df/dz)_i.

    A decorator, in the manner of `with_trace`, and believed like it: for other f this sums all the entries of the Jacobian.
    """
    def both(z: Any, t: Any, theta: Any) -> tuple[Any, Any]:
        dz_dt, vjp = pullback(f, z, t, theta, argnums=(0,), like=z)
        return dz_dt, np.sum(vjp(np.ones(z.shape, z.dtype))[0], axis=-1)

    return with_trace(functools.update_wrapper(both, f))


def hutchinson(m: int = 1, probes: str = "rademacher") -> Hutchinson:
    """The stochastic trace estimator of FFJORD as an argument: CNF(f, trace=hutchinson(m)).

        tr A = E[eps^T A eps],  E[eps eps^T] = I;   the mean over m probes for each point, drawn once for each solve from the caller's generator

    probes: "rademacher" (signs, exact where A is diagonal) or "gaussian". An estimate of log p is unbiased, that of p is not. Evaluate with
    trace="exact". Statement: E11
    """
    if probes not in PROBES:
        raise ValueError(f"there are no probes {probes!r}; they are {' or '.join(map(repr, PROBES))}.")
    return Hutchinson(whole_number("m", m), probes)


@dataclass(frozen=True)
class Hutchinson:
    """See `hutchinson`."""

    m: int
    probes: str

    def draw(self, rng: np.random.Generator, z: np.ndarray) -> np.ndarray:
        """m probes for each point of z: (m, *z.shape)."""
        shape = (self.m, *z.shape)
        eps = rng.integers(0, 2, shape) * 2.0 - 1.0 if self.probes == "rademacher" else rng.standard_normal(shape)
        return eps.astype(z.dtype)

    def variance(self, A: np.ndarray) -> float:
        """The variance of the estimate of tr A, for the symmetric part S of A (the other part does not enter).

            rademacher: 2 (|S|_F^2 - sum_i S_ii^2) / m;   gaussian: 2 |S|_F^2 / m
        """
        squares = ((A + A.T) / 2) ** 2
        return float(2 * (squares.sum() - (np.trace(squares) if self.probes == "rademacher" else 0.0)) / self.m)


def check_trace(trace: Any) -> None:
    if not isinstance(trace, Hutchinson) and not (isinstance(trace, str) and trace == "exact"):
        raise ValueError(f"trace must be 'exact' or hutchinson(m), not {trace!r}.")


def probes_of(trace: str | Hutchinson, rng: np.random.Generator | None, z: np.ndarray) -> np.ndarray | None:
    """The probes of one solve; None for the exact trace."""
    check_trace(trace)
    if not isinstance(trace, Hutchinson):
        return None
    if rng is None:
        raise ValueError("trace=hutchinson(m) draws random probes: give rng, a numpy.random.Generator, or evaluate with trace='exact'.")
    return trace.draw(generator(rng), plain(z))


def generator(rng: Any) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy.random.Generator, such as np.random.default_rng(0), not {rng!r}.")
    return rng
