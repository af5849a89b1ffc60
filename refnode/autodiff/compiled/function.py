"""compiled(f): f as a function that is traced once and from then on runs, and is differentiated, as straight-line NumPy code."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.arguments import checked_cotangent
from refnode.autodiff.compiled.names import Names
from refnode.autodiff.compiled.program import merged, trace, trace_pullback
from refnode.autodiff.compiled.scalars import on_scalars
from refnode.autodiff.compiled.source import Source
from refnode.autodiff.surface import plain
from refnode.autodiff.trace import Traced, lifted
from refnode.autodiff.transforms import differentiable, pullback
from refnode.errors import TraceError
from refnode.tree import Tree, leaves, tree_map

MOST = 64  # sources kept of one function
OTHER_BITS = ("{} cannot be compiled: asked again with the same arguments it gives other values. It uses random numbers, keeps a state, or makes "
              "text of its arguments; pass what changes as an argument.")


def compiled(f: Callable[..., Any], example: tuple[Tree, ...] | None = None) -> Compiled:
    """f, several times faster to differentiate, with the same bits (on one machine, with one NumPy and one number of threads).

        fast_f = rn.compiled(f);   rn.odeint(fast_f, z0, ts, theta, gradient="discrete")

    At its first call f is traced, and straight-line NumPy source for it is printed, compiled and kept: one for each combination of containers,
    shapes, memory orders and dtypes of the arguments, and of the values of their static leaves (integers, strings, None, functions, integer arrays).
    The pullback is a second such source, made when it is first asked for; its own pullback, of which Hessians are made, a third. Each is run once
    beside f and the engine when it is made, and must give their bits.

    example: arguments to trace with at once, so that .source and .vjp_source exist before the first call.
    .source, .vjp_source: the last sources as text; tracebacks show their lines. .consts: the constants that they captured, by name (c0, ... in the
    first, d0, ... in the second): what f reads besides its arguments is taken as it is when f is traced, and is not looked at again.
    Each source keeps up to 64 MiB of buffers for its next calls, and the last tuple of parameters that it saw.
    Raises TraceError, with the remedy, for what has no place in a program: branches on values (the inputs of `interpolate` look up their piece by
    value), shapes that depend on values, randomness, and values that are being differentiated but are not among the arguments. TypeError for complex
    arguments. Exceptions of f itself surface unchanged.
    """
    return Compiled(f, example)


class Compiled:
    """What `compiled` returns: a function with its own pullback."""

    def __init__(self, f: Callable[..., Any], example: tuple[Tree, ...] | None = None, of: Callable[..., Any] | None = None):
        """of: whose pullback f is, if it is one."""
        if not callable(f):
            raise TypeError(f"compiled takes a function, not a {type(f).__name__}.")
        functools.update_wrapper(self, f, updated=())
        self.f, self.of = f, of
        self._sources: tuple[Source, ...] = ()
        self._pullbacks: tuple[Source, ...] = ()
        self._traced = differentiable(self.__call__, self.pullback)
        self._traced.__name__ = self._name()
        if example is not None:
            if not isinstance(example, tuple):
                raise TypeError(f"example must be a tuple of f's arguments, example=(z0, t0, theta), not a {type(example).__name__}.")
            self(*example)
            self.pullback(*example)

    def __call__(self, *args: Any) -> Any:
        for source in self._sources:
            if source.fits(*args):
                return source.run(*args)
        args = tree_map(lifted, args)
        if any(isinstance(leaf, Traced) for leaf in leaves(args)):
            return self._traced(*args)
        value, source = self._source(args)
        self._sources = (source, *self._sources[:MOST - 1])
        return value

    def pullback(self, *args: Any) -> tuple[Tree, Callable[[Tree], tuple[Any, ...]]]:
        """(value, back), like rn.pullback(f, *args)."""
        for source in self._pullbacks:
            if source.fits(*args):
                return source.run(*args)
        args = tree_map(lifted, args)
        if any(isinstance(leaf, Traced) for leaf in leaves(args)):
            return self(*args), lambda g: self.vjp(*args, g)
        source = self._pullback_source(args)
        self._pullbacks = (source, *self._pullbacks[:MOST - 1])
        return source.run(*args)

    @functools.cached_property
    def vjp(self) -> Compiled:
        """vjp(*args, g) = pullback(f, *args)[1](g), itself compiled: the way back where it is differentiated again."""
        def vjp(*args_g: Any) -> Any:
            return pullback(self.f, *args_g[:-1])[1](args_g[-1])
        vjp.__name__ = f"{self._name()}_vjp"
        return Compiled(vjp, of=self.f)

    @property
    def source(self) -> str:
        return self._last(self._sources, "called").text

    @property
    def vjp_source(self) -> str:
        return self._last(self._pullbacks, "differentiated").text

    @property
    def consts(self) -> dict[str, Any]:
        return {name: value for source in (*self._sources[:1], *self._pullbacks[:1]) for name, value in source.consts.items()}

    def _last(self, sources: tuple[Source, ...], done: str) -> Source:
        if not sources:
            raise ValueError(f"{self._name()} has not been {done} yet, and its source depends on its arguments: give "
                             "compiled(f, example=(z0, t0, theta)).")
        return sources[0]

    def __repr__(self) -> str:
        return f"compiled({self.f!r})"

    def __reduce__(self) -> Any:
        return compiled, (self.f,)

    def _source(self, args: tuple[Tree, ...]) -> tuple[Tree, Source]:
        expected = self.f(*args)  # exceptions of f itself come first
        names = Names()
        source = Source(self._name(), self._parameters(args), on_scalars(merged(trace(self.f, args, names))))
        if not same_bits(source.run(*args), expected):
            raise TraceError(OTHER_BITS.format(self._name()))
        return expected, source

    def _pullback_source(self, args: tuple[Tree, ...]) -> Source:
        value, back = pullback(self.f, *args)
        names = Names()
        program = on_scalars(merged(trace_pullback(self.f, args, names)))

        def elsewhere(g: Tree, args: tuple[Tree, ...]) -> tuple[Tree, tuple[Any, ...] | None]:
            """A cotangent that the source was not made for: traced, of another kind of number or memory order, or wrong."""
            g = tree_map(lifted, g)
            if not any(isinstance(leaf, Traced) for leaf in leaves(g)):
                g = checked_cotangent(g, value)
                if source.fits_back(g):
                    return g, None
            return g, self.vjp(*args, g)

        source = Source(self._name(), self._parameters(args), program, elsewhere)
        rng = np.random.default_rng(0)
        g = tree_map(lambda leaf: rng.standard_normal(np.shape(leaf)).astype(getattr(leaf, "dtype", np.float64)), value)
        found, found_back = source.run(*args)
        if not same_bits((found, found_back(g)), (value, back(g))):
            raise TraceError(OTHER_BITS.format(f"the pullback of {self._name()}"))
        return source

    def _parameters(self, args: tuple[Tree, ...]) -> list[str]:
        return parameters(self.f, len(args)) if self.of is None else [*parameters(self.of, len(args) - 1), "cotangent"]

    def _name(self) -> str:
        name = getattr(self.f, "__name__", "")
        return name if name.isidentifier() else "f"


def parameters(f: Callable[..., Any], number: int) -> list[str]:
    """The names of f's positional parameters, as far as they are known."""
    try:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        names = [p.name for p in inspect.signature(f).parameters.values() if p.kind in kinds]
    except (TypeError, ValueError):
        names = []
    return [*names, *(f"arg{i}" for i in range(len(names), number))][:number]


def same_bits(x: Tree, y: Tree) -> bool:
    """Equal trees of equal numbers, 0.0 not being equal to -0.0, but NaN to NaN."""
    xs, ys = leaves(x), leaves(y)
    if len(xs) != len(ys) or repr(tree_map(lambda _: 0, x)) != repr(tree_map(lambda _: 0, y)):
        return False
    return all(map(_same_numbers, map(plain, xs), map(plain, ys)))


def _same_numbers(x: Any, y: Any) -> bool:
    a, b = np.asarray(x), np.asarray(y)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.tobytes() == b.tobytes():
        return True
    return a.dtype.kind == "f" and bool(np.all(np.where(np.isnan(a), np.isnan(b), (a == b) & (np.signbit(a) == np.signbit(b)))))
