"""Traced values: how an ordinary NumPy function is overheard while it computes.

A `Traced` value stands for an array. NumPy itself hands every operation on it to us: ufuncs through `__array_ufunc__` (NEP 13), all
other functions through `__array_function__` (NEP 18). The operation is carried out, and its result remembers the function, its
arguments, and the call of `pullback` that it belongs to: a `Node`. There is no list that operations are appended to; what does not
contribute to the output is freed with its last reference.

Nested pullbacks. Each call of `pullback` opens a `Level`, numbered in the order of their opening. An operation strips exactly the
innermost level among its arguments, and calls the same function again on what is below: lower levels see it in turn.

Changing arrays in place. The nodes never change. A `Traced` is a handle to a node, and `x[0] = v`, `x += v` point the handle to a new
node: whoever used x before keeps the old one. A `View` looks through to the array that it was taken from, in both directions, as in NumPy.

The verbs: `record`, `call` (NumPy's dispatch ends here), `plain` (the number below all levels), `lift` (object arrays).
"""

from __future__ import annotations

import itertools
import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff import lowerings
from refnode.autodiff.rules import ELEMENTWISE, RULES, assign, cast, pile
from refnode.errors import TraceError

_numbers = itertools.count()


class Level:
    """One call of `pullback`. It is alive while the function that is differentiated runs."""

    __slots__ = ("alive", "number")

    def __init__(self) -> None:
        self.alive = True
        self.number = next(_numbers)


class Node:
    """value = func(*args, **kwargs). `parents` are the arguments that belong to the same level: (position, node) pairs.

    `back`, where it is not None, replaces the rule of func: back(g) gives the parents' cotangents.
    """

    __slots__ = ("args", "back", "func", "kwargs", "level", "parents", "value")

    def __init__(self, value: Any, level: Level, func: Any = None, args: Any = (), kwargs: Any = None, parents: Any = (), back: Any = None):
        self.value, self.level, self.func = value, level, func
        self.args, self.kwargs, self.parents, self.back = args, kwargs, parents, back


def record(func: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Traced:
    """func(*args, **kwargs), where some of args are traced and func has a rule, as a new traced value."""
    level = innermost(args)
    below, parents, kept = [], [], []
    for position, x in enumerate(args):
        if isinstance(x, Traced):
            node = x.node
            if node.level is level:
                parents.append((position, node))
                x = kept_x = node.value
            else:
                kept_x = Traced(node, False)
        else:
            kept_x = _snapshot(x)
        below.append(x)
        kept.append(kept_x)
    value = func(*below, **kwargs)
    node = Node(value, level, func, kept, kwargs, parents)
    if func in VIEWS and args[0].owned and (isinstance(value, View) or _shares_memory(value, below[0])):
        return View(node, args[0], func, args[1:])
    return Traced(node, True)


def innermost(values: Any) -> Level:
    level = None
    for x in values:
        if isinstance(x, Traced):
            its = x.node.level
            if level is None or its.number > level.number:
                level = its
    if level is None:
        raise TraceError("no argument is traced.")
    if not level.alive:
        raise TraceError(f"a traced value is used after the call of grad or pullback that made it has ended{here()}; "
                         "do not keep values of one call (in a cache, a global or an attribute) for the next.")
    return level


def call(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A NumPy function on arguments some of which are traced: by its rule, by its lowering, on plain values, or refused."""
    if kwargs:
        for name in ("out", "dtype", "where", "initial", "casting", "like"):
            if kwargs.get(name) is not None and not (name == "dtype" and func in CREATION):
                raise TraceError(f"{_name(func)}(..., {name}=...) cannot be differentiated{here()}; {_KEYWORD_REMEDY.get(name, 'leave it out')}.")
        kwargs = {key: value for key, value in kwargs.items() if key not in ("out", "where", "initial", "casting", "like")}
    args = [lift(x) if type(x) is np.ndarray and x.dtype == object else x for x in args]
    try:
        if func in lowerings.CANONICAL:
            args, kwargs = lowerings.CANONICAL[func](*args, **kwargs)
        if func in ELEMENTWISE or func in RULES:
            return record(func, args, kwargs)
        if func in lowerings.LOWERED:
            return lowerings.LOWERED[func](*args, **kwargs)
    except TraceError:
        raise
    except (TypeError, ValueError) as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is not None and "lowerings" in _file(error):
            raise TraceError(f"{error} ({_name(func)}{here()})") from error
        raise
    if func in CREATION:
        return create(func, args, kwargs)
    if func in lowerings.NOT_DIFFERENTIABLE:
        return func(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
    raise TraceError(f"{_name(func)} has no derivative rule{here()}; write it with functions that have one, or give f its own f.pullback.")


CREATION = {np.zeros_like, np.ones_like, np.empty_like, np.full_like}


def create(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """np.zeros_like(z) and its relatives: an array that traced values may be assigned to. np.empty_like is filled with NaN."""
    like, *fill = args
    if not isinstance(like, Traced):
        raise TraceError(f"{_name(func)} of a plain array cannot be filled with a traced value{here()}; use zeros_like of a traced array.")
    model = plain(like)
    if func is np.empty_like:
        array = np.full_like(model, np.nan, **kwargs)
    elif func is np.full_like:
        fill = kwargs.pop("fill_value", fill[0] if fill else None)
        array = np.full_like(model, plain(fill), **kwargs)
    else:
        array = func(model, **kwargs)
    if array.dtype.kind != "f":
        return array
    traced = Traced(Node(array, innermost([like])), True)
    if func is np.full_like and isinstance(fill, Traced):
        traced[...] = fill
    return traced


def lift(array: np.ndarray) -> Any:
    """An object array of traced values, such as np.array([x, y]) makes, as one traced value.

    A full sweep of the entries of one traced array, such as np.asarray(z) makes, is that array itself.
    """
    if array.ndim == 0:
        return array.item()
    if array.size == 0:
        return array.astype(np.float64)
    rows = [lift(row) if isinstance(row, np.ndarray) else row for row in array]
    if not any(isinstance(row, Traced) for row in rows):
        return np.array(rows)
    sources = {id(row.node.args[0]) if isinstance(row, Traced) and row.node.func is operator.getitem else None for row in rows}
    if len(sources) == 1 and None not in sources:
        node = rows[0].node.parents[0][1] if rows[0].node.parents else None
        if node is not None and np.shape(plain(node.value)) == array.shape and [row.node.args[1] for row in rows] == list(range(len(rows))):
            return Traced(node, False)
    return pile(0, *rows)


def plain(x: Any) -> Any:
    """The number, array, or container of them below all levels."""
    while isinstance(x, Traced):
        x = x.node.value
    if isinstance(x, (list, tuple)) and any(isinstance(child, (Traced, list, tuple)) for child in x):
        return type(x)(map(plain, x))
    return x


class Traced:
    """A value that is being differentiated. It behaves as the NumPy array that it stands for, or it refuses and says what to write.

    owned: whether the function that is differentiated made the array itself, and so may change it; its arguments are read-only.
    """

    __slots__ = ("__weakref__", "node", "owned")

    def __init__(self, node: Node, owned: bool):
        self.node = node
        self.owned = owned

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__":
            return call(ufunc, inputs, kwargs)
        if method == "reduce":
            return call(ufunc.reduce, inputs[:1], {"axis": inputs[1] if len(inputs) > 1 else 0, **kwargs})
        raise TraceError(f"np.{ufunc.__name__}.{method} cannot be differentiated{here()}; write it with array operations.")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(func, args, kwargs)

    # what NumPy's attributes and Python's protocols tell about the plain value

    shape = property(lambda self: getattr(plain(self), "shape", ()))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape)))
    dtype = property(lambda self: getattr(plain(self), "dtype", np.dtype(np.float64)))
    real = property(lambda self: self)
    T = property(lambda self: np.transpose(self))
    flat = property(lambda self: iter(np.ravel(self)))

    def __len__(self) -> int:
        return len(plain(self))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(plain(self))

    def __repr__(self) -> str:
        return f"Traced({plain(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(plain(self), spec) if spec else repr(self)

    def __hash__(self) -> int:
        return id(self)

    def _refuse_number(self, *_: Any) -> Any:
        raise TraceError(f"a traced value cannot become a Python number{here()}; use NumPy's functions (np.sin, not math.sin), and collect "
                         "results with np.array([...]), np.stack or np.zeros_like(z), not in np.zeros(n) or np.empty(n).")

    __float__ = __int__ = __index__ = __complex__ = item = tolist = _refuse_number

    def astype(self, dtype: Any, **_: Any) -> Any:
        return cast(self, np.dtype(dtype)) if np.dtype(dtype).kind == "f" else plain(self).astype(dtype)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self) -> Any:
        return np.copy(np.ravel(self))

    def fill(self, value: Any) -> None:
        self[...] = value

    def __getitem__(self, index: Any) -> Any:
        return record(operator.getitem, (self, plain(index)), {})

    # changing in place

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self.owned:
            raise TraceError(f"an argument of a function that is being differentiated cannot be changed in place{here()}; "
                             "change a copy (z.copy()) or fill np.zeros_like(z).")
        if (type(value) is np.ndarray and value.dtype == object) or isinstance(value, (list, tuple)):
            value = lift(np.array(value, dtype=object))
        self.write(assign(self, value, plain(index)))

    def write(self, new: Traced) -> None:
        self.node = new.node

    def _in_place(self, operation: Callable[..., Any], other: Any) -> Any:
        """x += y: on an array it changes the array, for all who hold it; on a number it makes a new one, as in Python."""
        if not isinstance(plain(self), np.ndarray):
            return operation(self, other)
        self[...] = operation(self, other)
        return self


class View(Traced):
    """What slicing or reshaping an owned array gives: it shows the array's present content, and writing to it writes to the array."""

    __slots__ = ("args", "func", "own", "parent", "seen")

    def __init__(self, node: Node, parent: Traced, func: Any, args: Any):
        self.own, self.parent, self.func, self.args = node, parent, func, args
        self.seen = parent.node
        self.owned = func is not np.broadcast_to

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self.parent.node is not self.seen:
            self.seen = self.parent.node
            self.own = record(self.func, (Traced(self.seen, False), *self.args), {}).node
        return self.own

    def write(self, new: Traced) -> None:
        shape = self.parent.shape
        places = self.func(np.arange(self.parent.size).reshape(shape), *self.args)
        whole = np.reshape(assign(np.reshape(Traced(self.parent.node, False), (-1,)), np.reshape(new, (-1,)), places.reshape(-1)), shape)
        self.parent.write(whole)


VIEWS = {operator.getitem, np.reshape, np.transpose, np.broadcast_to}


def _shares_memory(value: Any, source: Any) -> bool:
    return isinstance(value, np.ndarray) and isinstance(source, np.ndarray) and np.may_share_memory(value, source)


def _snapshot(x: Any) -> Any:
    """A constant argument, as it is now: f may go on to change a plain array that it has used."""
    if type(x) is np.ndarray and x.flags.writeable:
        return x.copy(order="K")
    return tuple(map(_snapshot, x)) if type(x) is tuple else x


def _operators() -> None:
    """Python's operators, and methods for the elementwise functions (object arrays call those) and the reductions."""
    for name, function in {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
                           "pow": operator.pow, "matmul": operator.matmul}.items():
        setattr(Traced, f"__{name}__", lambda self, other, function=function: _binary(function, self, other))
        setattr(Traced, f"__r{name}__", lambda self, other, function=function: _binary(function, other, self))
        setattr(Traced, f"__i{name}__", lambda self, other, function=function: self._in_place(function, other))
    for name, function in {"neg": operator.neg, "abs": operator.abs}.items():
        setattr(Traced, f"__{name}__", lambda self, function=function: record(function, (self,), {}))
    Traced.__pos__ = lambda self: self
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        function = getattr(operator, f"__{name}__")
        setattr(Traced, f"__{name}__", lambda self, other, function=function: function(plain(self), plain(_lifted(other))))
    for function in (operator.floordiv, operator.mod):
        name = {"floordiv": "floordiv", "mod": "mod"}[function.__name__]
        ufunc = {"floordiv": np.floor_divide, "mod": np.remainder}[name]
        setattr(Traced, f"__{name}__", lambda self, other, ufunc=ufunc: ufunc(self, other))
        setattr(Traced, f"__r{name}__", lambda self, other, ufunc=ufunc: ufunc(other, self))
    for function in ELEMENTWISE:
        if isinstance(function, np.ufunc) and not hasattr(Traced, function.__name__):
            setattr(Traced, function.__name__, lambda self, *others, function=function: function(self, *others))
    for function in (np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.cumsum, np.dot, np.ravel, np.squeeze, np.swapaxes, np.trace,
                     np.diagonal, np.repeat, np.clip, np.take, np.copy, np.round, np.argmax, np.argmin, np.argsort, np.any, np.all):
        setattr(Traced, function.__name__, lambda self, *args, function=function, **kwargs: function(self, *args, **kwargs))


def _binary(function: Any, a: Any, b: Any) -> Any:
    a, b = _lifted(a), _lifted(b)
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        a, b = (lift(np.array(x, dtype=object)) if isinstance(x, (list, tuple)) else x for x in (a, b))
    return record(function, (a, b), {})


def _lifted(x: Any) -> Any:
    return lift(x) if type(x) is np.ndarray and x.dtype == object else x


_operators()

_KEYWORD_REMEDY = {"out": "assign the result instead (x = x + y; a plain array cannot hold traced values)", "where": "use np.where",
                   "dtype": "use x.astype(dtype)"}


def _name(func: Any) -> str:
    module = (getattr(func, "__module__", None) or "numpy").replace("numpy", "np")
    name = getattr(func, "__name__", str(func))
    if name == "reduce":
        return f"np.{func.__self__.__name__}.reduce"
    return f"{module}.{name}" if not isinstance(func, np.ufunc) else f"np.{name}"


def here() -> str:
    """ (file.py:12): the innermost line outside refnode and NumPy; empty where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(("refnode.", "numpy")):
            return f" ({frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno})"
        frame = frame.f_back
    return ""


def _file(error: BaseException) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename if traceback else ""
