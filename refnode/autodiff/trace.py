"""Traced values: how an ordinary NumPy function is overheard while it computes.

A `Traced` value stands for an array. NumPy itself hands every operation on it to us: ufuncs through `__array_ufunc__` (NEP 13), all
other functions through `__array_function__` (NEP 18). The operation is carried out, and its result remembers the function, its
arguments, and the call of `pullback` that it belongs to: a `Node`. There is no list that operations are appended to; what does not
contribute to the output is freed with its last reference.

Nested pullbacks. Each call of `pullback` opens a `Level`, numbered in the order of their opening. An operation strips exactly the
innermost level among its arguments, and calls the same function again on what is below: lower levels see it in turn.

Changing arrays in place. The nodes never change. A `Traced` is a handle to a node, and `x[0] = v`, `x += v` point the handle to a new
node: whoever used x before keeps the old one. A `View` looks through to the array that it was taken from, in both directions, as in NumPy.
Constants are copied when they are used, if they can be changed.

The verbs: `record`, `call` (NumPy's dispatch ends here), `plain` (the number below all levels), `lift` (object arrays).
"""

from __future__ import annotations

import itertools
import operator
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from refnode.autodiff.lowerings import CANONICAL, LOWERED, NOT_DIFFERENTIABLE, REMEDIES
from refnode.autodiff.rules import ELEMENTWISE, RULES
from refnode.autodiff.rules.linalg import LINALG
from refnode.autodiff.rules.primitives import Refused, assign, cast, pile
from refnode.autodiff.rules.special import special_rule
from refnode.autodiff.rules.structure import REARRANGEMENTS, places
from refnode.errors import TraceError
from refnode.tree import leaves

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
            kept_x = snapshot(x) if type(x) in CHANGEABLE else x
        below.append(x)
        kept.append(kept_x)
    rule = ELEMENTWISE.get(func) or RULES[func]
    if type(rule) is tuple:
        for position, _ in parents:
            if position >= len(rule) or type(rule[position]) is str:
                refuse(rule[position] if position < len(rule) else f"{name_of(func)} is not differentiated in its argument {position + 1}")
    value = func(*below, **kwargs)
    node = Node(value, level, func, kept, kwargs, parents)
    if func in VIEWS and shares(value, below[0]):
        source = args[0]
        return View(node, source, func, args[1:], kwargs) if source.owned or isinstance(source, View) else Traced(node, False)
    return Traced(node, True)


def innermost(values: Any) -> Level:
    level = None
    for x in values:
        if isinstance(x, Traced):
            its = x.node.level
            if level is None or its.number > level.number:
                level = its
    if level is None:
        refuse("traced values must be positional arguments of NumPy's functions, not keyword arguments")
    if not level.alive:
        refuse("a traced value is used after the call of grad or pullback that made it has ended; "
               "do not keep values of one call (in a cache, a global or an attribute) for the next")
    return level


def call(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A NumPy function on arguments some of which are traced: by its rule, by its lowering, on plain values, or refused."""
    if kwargs:
        kwargs = checked_keywords(func, kwargs)
    args = [lift(x) if type(x) is np.ndarray and x.dtype == object else x for x in args]
    rewrite = CANONICAL.get(func) or LOWERED.get(func)
    if rewrite is not None:
        try:
            result = rewrite(*args, **kwargs)
        except Refused as refused:
            refuse(str(refused))
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise
            refuse(f"{name_of(func)} is not differentiated with these arguments ({str(error).partition('() ')[2]})")
        if func in LOWERED:
            return result
        args, kwargs = result
    elif isinstance(func, np.ufunc) and func not in ELEMENTWISE:
        rule = special_rule(func)
        if rule is not None:
            ELEMENTWISE[func] = rule
    if func in ELEMENTWISE or func in RULES:
        if kwargs and (isinstance(func, np.ufunc) or any(isinstance(x, Traced) for x in kwargs.values())):
            refuse(f"{name_of(func)} is not differentiated with the keywords {', '.join(kwargs)}; leave them out")
        return record(func, [operand(x, func) if type(x) in (list, tuple) else x for x in args], kwargs)
    if func in CREATION:
        return create(func, args, kwargs)
    if func in NOT_DIFFERENTIABLE:
        return func(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
    remedy = REMEDIES.get(func, "write it with functions that have one, or give f its own f.pullback")
    refuse(f"{name_of(func)} has no derivative rule; {remedy}")


def operand(x: Any, func: Any) -> Any:
    """A list of numbers as the array that it stands for; shapes, axes and indices as they are."""
    known = type(x) is list and (func in ELEMENTWISE or func in LINALG or func is np.interp)
    if known or isinstance(func, np.ufunc) or any(isinstance(leaf, Traced) for leaf in leaves(x)):
        return lift(np.array(x, dtype=object))
    return x


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


def create(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """np.zeros_like(z) and its relatives: an array that traced values may be assigned to. np.empty_like is filled with NaN."""
    like, *fill = args
    if not isinstance(like, Traced):
        refuse(f"{name_of(func)} of a plain array cannot be filled with a traced value; use zeros_like of a traced array")
    model, filling = plain(like), None
    if func is np.empty_like:
        array = np.full_like(model, np.nan, **kwargs)
    elif func is np.full_like:
        filling = kwargs.pop("fill_value", fill[0] if fill else None)
        array = np.full_like(model, plain(filling), **kwargs)
    else:
        array = func(model, *fill, **kwargs)
    if array.dtype.kind != "f":
        return array
    traced = Traced(Node(array, innermost([like])), True)
    if isinstance(filling, Traced):
        traced[...] = filling
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
    if all(isinstance(row, Traced) and row.node.func is operator.getitem and row.node.args[1] == i for i, row in enumerate(rows)):
        sources = {row.node.parents[0][1] for row in rows}
        if len(sources) == 1 and np.shape(plain((source := sources.pop()).value)) == array.shape:
            return Traced(source, False)
    return pile(0, *rows)


def plain(x: Any) -> Any:
    """The number, array, or container of them below all levels."""
    while isinstance(x, Traced):
        x = x.node.value
    if isinstance(x, (list, tuple)) and any(isinstance(child, (Traced, list, tuple)) for child in x):
        return list(map(plain, x)) if isinstance(x, list) else tuple(map(plain, x))
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
        if method in ("reduce", "accumulate"):
            return call(getattr(ufunc, method), inputs[:1], {"axis": inputs[1] if len(inputs) > 1 else 0, **kwargs})
        if method == "outer":
            a, b = inputs
            return call(ufunc, (np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b), kwargs)
        refuse(f"np.{ufunc.__name__}.{method} is not differentiated; write it with array operations")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(func, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        """np.array(y), np.asarray(y), and y as a row of np.array([x, y]): an object array of the entries, which `lift` recognizes.

        np.asarray(y) shares y's memory; this cannot, so from then on neither can be changed in place.
        """
        if dtype is not None and np.dtype(dtype).kind != "O":
            self._no_number()
        entries = np.empty(self.shape, object)
        for i in range(len(self) if self.shape else 0):
            entries[i] = self[i] if self.ndim == 1 else self[i].__array__(copy=True)
        if not self.shape:
            entries[()] = self
        elif copy is not True:
            self.freeze()
            entries.flags.writeable = False
        return entries

    def __array_namespace__(self, *, api_version: Any = None) -> Any:
        return np

    # what NumPy's attributes and Python's protocols tell about the plain value

    shape = property(lambda self: getattr(plain(self), "shape", ()))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape)))
    dtype = property(lambda self: getattr(plain(self), "dtype", np.dtype(np.float64)))
    real = property(lambda self: self)
    imag = property(lambda self: np.zeros(self.shape, self.dtype)[()])
    T = property(lambda self: np.transpose(self))
    mT = property(lambda self: np.swapaxes(self, -1, -2))
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

    def _no_number(self, *_: Any) -> NoReturn:
        refuse("a traced value cannot become a Python number; use NumPy's functions (np.sin, not math.sin), and collect "
               "results with np.array([...]), np.stack or np.zeros_like(z), not in np.zeros(n) or np.empty(n)")

    __float__ = __int__ = __index__ = __complex__ = item = tolist = _no_number

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingAttribute(f"a traced value has no .{name}{here()}; write it with NumPy's functions, or give f its own f.pullback.")

    def __rfloordiv__(self, other: Any) -> Any:
        return plain(lifted(other)) // plain(self)

    def conj(self) -> Any:
        return np.conjugate(self)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        refuse("a traced value cannot be pickled; save values outside of the function that is differentiated")

    def astype(self, dtype: Any, **_: Any) -> Any:
        return cast(self, np.dtype(dtype)) if np.dtype(dtype).kind == "f" else plain(self).astype(dtype)

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self, order: str = "C") -> Any:
        return np.copy(np.ravel(self, order))

    def __getitem__(self, index: Any) -> Any:
        return record(operator.getitem, (self, plain(index)), {})

    # changing in place

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self.owned:
            refuse("an argument of a function that is being differentiated cannot be changed in place, nor a read-only view, nor an array of "
                   "which np.asarray or np.array([...]) has been made; change a copy (z.copy()) or fill np.zeros_like(z)")
        if isinstance(value, (list, tuple)):
            value = np.array(value, dtype=object)
        self.write(assign(self, lifted(value), plain(index)))

    def write(self, new: Traced) -> None:
        self.node = new.node

    def freeze(self) -> None:
        self.owned = False

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1) -> None:
        self[...] = np.sort(self, axis)

    def _in_place(self, operation: Callable[..., Any], other: Any) -> Any:
        """x += y: on an array it changes the array, for all who hold it; on a number it makes a new one, as in Python."""
        result = _binary(operation, self, other)
        if not isinstance(plain(self), np.ndarray):
            return result
        self[...] = result
        return self


class View(Traced):
    """What slicing or reshaping an owned array gives: it shows the array's present content, and writing to it writes to the array."""

    __slots__ = ("args", "func", "kwargs", "own", "parent", "seen")

    def __init__(self, node: Node, parent: Traced, func: Any, args: Any, kwargs: Any):
        self.own, self.parent, self.func, self.args, self.kwargs = node, parent, func, args, kwargs
        self.seen = parent.node

    @property
    def owned(self) -> bool:  # type: ignore[override]
        return self.parent.owned and self.func not in (np.broadcast_to, np.diagonal)  # those are read-only in NumPy, too

    def freeze(self) -> None:
        self.parent.freeze()

    @property
    def node(self) -> Node:  # type: ignore[override]
        if self.parent.node is not self.seen:
            self.seen = self.parent.node
            self.own = record(self.func, (Traced(self.seen, False), *self.args), self.kwargs).node
        return self.own

    def write(self, new: Traced) -> None:
        shape = self.parent.shape
        where = places(self.func, shape, *self.args, **self.kwargs)
        whole = assign(np.reshape(Traced(self.parent.node, False), (-1,)), np.reshape(new, (-1,)), where.reshape(-1))
        self.parent.write(np.reshape(whole, shape))


VIEWS = {operator.getitem, np.reshape, np.transpose, np.broadcast_to, np.flip, *REARRANGEMENTS}  # as far as the results share memory
CHANGEABLE = {np.ndarray, tuple, list}


def shares(value: Any, source: Any) -> bool:
    if isinstance(value, Traced):
        return isinstance(value, View) or not value.owned
    return isinstance(value, np.ndarray) and isinstance(source, np.ndarray) and np.may_share_memory(value, source)


def snapshot(x: Any) -> Any:
    """A constant, as it is now: f may go on to change a plain array that it has used. A lower level's value, without the right to change it."""
    if type(x) is np.ndarray:
        return x.copy(order="K") if x.flags.writeable else x
    if isinstance(x, Traced):
        return Traced(x.node, False)
    return type(x)(map(snapshot, x)) if type(x) in CHANGEABLE else x


def _operators() -> None:
    """Python's operators, and methods for the elementwise functions (object arrays call those) and for what arrays have methods for."""
    for function in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul, operator.mod):
        name = function.__name__
        setattr(Traced, f"__{name}__", lambda self, other, function=function: _binary(function, self, other))
        setattr(Traced, f"__r{name}__", lambda self, other, function=function: _binary(function, other, self))
        setattr(Traced, f"__i{name}__", lambda self, other, function=function: self._in_place(function, other))
    for function in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.floordiv):
        setattr(Traced, f"__{function.__name__}__", lambda self, other, function=function: function(plain(self), plain(lifted(other))))
    for function in (operator.neg, operator.abs):
        setattr(Traced, f"__{function.__name__}__", lambda self, function=function: record(function, (self,), {}))
    Traced.__pos__ = lambda self: record(np.positive, (self,), {})
    for function in (*ELEMENTWISE, np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.cumsum, np.cumprod, np.dot, np.ravel, np.squeeze,
                     np.swapaxes, np.trace, np.diagonal, np.repeat, np.clip, np.take, np.copy, np.round, np.argmax, np.argmin, np.argsort, np.any,
                     np.all, np.nonzero, np.searchsorted, np.floor, np.ceil, np.rint, np.trunc, np.sign, np.logical_not):
        if getattr(function, "__module__", "numpy") == "numpy" and not hasattr(Traced, function.__name__):
            setattr(Traced, function.__name__, lambda self, *args, function=function, **kwargs: function(self, *args, **kwargs))


def _binary(function: Any, a: Any, b: Any) -> Any:
    if isinstance(a, (list, tuple)):
        a = np.array(a, dtype=object)
    elif isinstance(b, (list, tuple)):
        b = np.array(b, dtype=object)
    return record(function, (lifted(a), lifted(b)), {})


def lifted(x: Any) -> Any:
    return lift(x) if type(x) is np.ndarray and x.dtype == object else x


class MissingAttribute(TraceError, AttributeError):
    """For hasattr and getattr with a default."""


def refuse(sentence: str) -> NoReturn:
    raise TraceError(f"{sentence}{here()}.")


def here() -> str:
    """ (file.py:12): the innermost line of the user's; empty where there is none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_users(frame):
        frame = frame.f_back
    return f" ({frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno})" if frame is not None else ""


def is_users(frame: FrameType) -> bool:
    package, _, rest = frame.f_globals.get("__name__", "").partition(".")
    if package == "refnode":
        return not rest.startswith(("autodiff", "gradients", "ode", "tree"))
    return package not in ("numpy", "scipy") and package not in sys.stdlib_module_names


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


def name_of(func: Any) -> str:
    module = (getattr(func, "__module__", None) or "numpy").replace("numpy", "np")
    name = getattr(func, "__name__", str(func))
    if name in ("reduce", "accumulate"):
        return f"np.{func.__self__.__name__}.{name}"
    return f"{module}.{name}" if not isinstance(func, np.ufunc) else name if getattr(np, name, None) is not func else f"np.{name}"


_operators()
