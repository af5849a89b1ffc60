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

The verbs: `record`, `call` (NumPy's dispatch ends here), `lift` (object arrays), `plain` (the number below all levels; in surface.py).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.formulas.linalg import LINALG
from refnode.autodiff.formulas.primitives import Refused, assign, pile
from refnode.autodiff.formulas.special import special_rule
from refnode.autodiff.formulas.structure import REARRANGEMENTS, places
from refnode.autodiff.keywords import CREATION, checked_keywords
from refnode.autodiff.lowerings import ABOUT_SHAPES, CANONICAL, LOWERED, NOT_DIFFERENTIABLE, REMEDIES, SHAPED_BY_VALUES
from refnode.autodiff.messages import name_of, refuse
from refnode.autodiff.nodes import Level, Node
from refnode.autodiff.rules import ELEMENTWISE, RULES
from refnode.autodiff.surface import ArrayLike, plain, undifferentiated
from refnode.tree import leaves


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
            kept_x = x if type(x) in NUMBERS else snapshot(x)
        below.append(x)
        kept.append(kept_x)
    if func in PARTIAL:
        for position, _ in parents:
            if type(why := PARTIAL[func][position]) is str:
                refuse(why)
    if level.stages:
        below = plain(below)
    value = func(*below, **kwargs)
    node = Node(value, level, func, kept, kwargs, parents)
    if level.stages:
        level.nodes.append(node)
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
            if str in map(type, rule):
                PARTIAL[func] = rule
    if func in ELEMENTWISE or func in RULES:
        if kwargs and (isinstance(func, np.ufunc) or any(isinstance(x, Traced) for x in kwargs.values())):
            refuse(f"{name_of(func)} is not differentiated with the keywords {', '.join(kwargs)}; leave them out")
        return record(func, [operand(x, func) if type(x) in (list, tuple) else x for x in args], kwargs)
    if func in CREATION:
        return create(func, args, kwargs)
    if func in NOT_DIFFERENTIABLE:
        return answer(func, args, kwargs)
    remedy = REMEDIES.get(func, "write it with functions that have one, or give f its own f.pullback")
    refuse(f"{name_of(func)} has no derivative rule; {remedy}")


def answer(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """A function without a derivative: its answer on plain values; while `compiled` traces, one more line of the program."""
    numbers = [undifferentiated(x) for x in args]
    if func in ABOUT_SHAPES or not any(isinstance(x, Traced) for x in leaves(numbers)):
        return func(*map(plain, args), **{key: plain(value) for key, value in kwargs.items()})
    if func in SHAPED_BY_VALUES:
        refuse(f"{name_of(func)} has a shape that depends on values, which a compiled function cannot have; use np.where, or do not compile f")
    return record(func, numbers, kwargs)


def operand(x: Any, func: Any) -> Any:
    """A list of numbers as the array that it stands for; shapes, axes and indices as they are."""
    known = type(x) is list and (func in ELEMENTWISE or func in LINALG or func is np.interp)
    if known or isinstance(func, np.ufunc) or any(isinstance(leaf, Traced) for leaf in leaves(x)):
        return lift(np.array(x, dtype=object))
    return x


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
    if all(isinstance(row, Traced) and row.node.func is operator.getitem and type(row.node.args[1]) is int and row.node.args[1] == i
           for i, row in enumerate(rows)):
        sources = {row.node.parents[0][1] for row in rows}
        if len(sources) == 1 and np.shape(plain((source := sources.pop()).value)) == array.shape:
            return Traced(source, False)
    return pile(0, *rows)


class Traced(ArrayLike):
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

    def __getitem__(self, index: Any) -> Any:
        index = undifferentiated(index)
        if any(isinstance(part, Traced) and part.dtype == bool for part in (index if isinstance(index, tuple) else (index,))):
            refuse("x[mask] has a shape that depends on values, which a compiled function cannot have; use np.where(mask, x, 0), or do not "
                   "compile f")
        return record(operator.getitem, (self, index), {})

    # changing in place

    def __setitem__(self, index: Any, value: Any) -> None:
        if not self.owned:
            refuse("an argument of a function that is being differentiated cannot be changed in place, nor a read-only view, nor an array of "
                   "which np.asarray or np.array([...]) has been made; change a copy (z.copy()) or fill np.zeros_like(z)")
        if isinstance(value, (list, tuple)):
            value = np.array(value, dtype=object)
        self.write(assign(self, lifted(value), undifferentiated(index)))

    def write(self, new: Traced) -> None:
        self.node = new.node

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
    def owned(self) -> bool:
        return self.parent.owned and self.func not in (np.broadcast_to, np.diagonal)  # those are read-only in NumPy, too

    def freeze(self) -> None:
        self.parent.freeze()

    @property
    def node(self) -> Node:
        if self.parent.node is not self.seen:
            self.seen = self.parent.node
            self.own = record(self.func, (Traced(self.seen, False), *self.args), self.kwargs).node
        return self.own

    def write(self, new: Traced) -> None:
        shape = self.parent.shape
        where = places(self.func, shape, *self.args, **self.kwargs)
        whole = assign(np.reshape(Traced(self.parent.node, False), (-1,)), np.reshape(new, (-1,)), where.reshape(-1))
        self.parent.write(np.reshape(whole, shape))


PARTIAL = {func: rule for func, rule in RULES.items() if type(rule) is tuple and str in map(type, rule)}  # not differentiated in some arguments
VIEWS = {operator.getitem, np.reshape, np.transpose, np.broadcast_to, np.flip, *REARRANGEMENTS}  # as far as the results share memory
NUMBERS = {int, float, np.float64, slice}
COMPLEX = {complex, np.complex64, np.complex128}


def shares(value: Any, source: Any) -> bool:
    if isinstance(value, Traced):
        return isinstance(value, View) or not value.owned
    return isinstance(value, np.ndarray) and isinstance(source, np.ndarray) and np.may_share_memory(value, source)


def snapshot(x: Any) -> Any:
    """A constant, as it is now: f may go on to change a plain array that it has used. A lower level's value, without the right to change it."""
    if type(x) is np.ndarray and x.dtype.kind != "c":
        return x.copy(order="K") if x.flags.writeable else x
    if type(x) in COMPLEX or type(x) is np.ndarray:
        refuse("complex values are not differentiated; compute with the real and imaginary parts apart")
    if isinstance(x, np.ndarray) and type(x) is not np.memmap:
        refuse(f"a {type(x).__name__} may mean something else by * and by its slices than an array does; use np.asarray(x) first")
    if isinstance(x, Traced):
        return Traced(x.node, False)
    return type(x)(map(snapshot, x)) if type(x) in (tuple, list) else x


def _operators() -> None:
    for function in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.matmul, operator.mod):
        name = function.__name__
        setattr(Traced, f"__{name}__", lambda self, other, function=function: _binary(function, self, other))
        setattr(Traced, f"__r{name}__", lambda self, other, function=function: _binary(function, other, self))
        setattr(Traced, f"__i{name}__", lambda self, other, function=function: self._in_place(function, other))
    for function in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.floordiv, operator.and_, operator.or_,
                     operator.xor):
        setattr(Traced, f"__{function.__name__.strip('_')}__", lambda self, other, function=function: _compared(function, self, other))
    Traced.__invert__ = lambda self: _compared(operator.invert, self)
    for function in (operator.neg, operator.abs):
        setattr(Traced, f"__{function.__name__}__", lambda self, function=function: record(function, (self,), {}))
    Traced.__pos__ = lambda self: record(np.positive, (self,), {})


def _binary(function: Any, a: Any, b: Any) -> Any:
    if type(a) is not Traced or type(b) is not Traced:
        a, b = (lifted(np.array(x, dtype=object) if isinstance(x, (list, tuple)) else x) for x in (a, b))
    return record(function, (a, b), {})


def _compared(function: Any, *operands: Any) -> Any:
    numbers = [undifferentiated(lifted(x)) for x in operands]
    return record(function, numbers, {}) if any(isinstance(x, Traced) for x in numbers) else function(*numbers)


def lifted(x: Any) -> Any:
    return lift(x) if type(x) is np.ndarray and x.dtype == object else x


_operators()
