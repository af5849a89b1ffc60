"""What a traced value shows of the array that it stands for: attributes, methods, Python's protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from refnode.autodiff.formulas.elementwise import ELEMENTWISE
from refnode.autodiff.formulas.primitives import cast
from refnode.autodiff.messages import MissingAttribute, here, refuse
from refnode.errors import TraceError


def plain(x: Any) -> Any:
    """The number, array, or container of them below all levels."""
    while isinstance(x, ArrayLike):
        x = x.node.value
    if isinstance(x, (list, tuple)) and any(isinstance(child, (ArrayLike, list, tuple)) for child in x):
        return list(map(plain, x)) if isinstance(x, list) else tuple(map(plain, x))
    return x


def undifferentiated(x: Any) -> Any:
    """x below all levels of differentiation: a number or an array, and while `compiled` traces the traced value of its program."""
    while isinstance(x, ArrayLike) and not x.node.level.stages:
        x = x.node.value
    if isinstance(x, (list, tuple)) and any(isinstance(child, (ArrayLike, list, tuple)) for child in x):
        return list(map(undifferentiated, x)) if isinstance(x, list) else tuple(map(undifferentiated, x))
    return x


class ArrayLike:
    """The part of `Traced` that is written in NumPy's own functions. Whatever is not here is refused."""

    __slots__ = ()

    node: Any
    owned: Any

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
        answer = undifferentiated(self)
        if isinstance(answer, ArrayLike):
            try:
                refuse("a compiled function cannot branch on the values of its arguments: one program stands for all of them; use np.where, "
                       "np.maximum, np.minimum or np.clip, or do not compile f")
            except TraceError as error:
                answer.node.level.failed = error
                raise
        return bool(answer)

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

    def conj(self) -> Any:
        return np.conjugate(self)

    def __copy__(self) -> Any:
        return np.copy(self)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.copy(self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        refuse("a traced value cannot be pickled; save values outside of the function that is differentiated")

    def __rfloordiv__(self, other: Any) -> Any:
        return np.floor_divide(other, self)

    def astype(self, dtype: Any, **_: Any) -> Any:
        wanted = np.dtype(dtype)
        if wanted.kind == "c":
            refuse("complex values are not differentiated; compute with the real and imaginary parts apart")
        if wanted.kind == "f":
            return cast(self, wanted)
        number = undifferentiated(self)
        return cast(number, wanted) if isinstance(number, ArrayLike) else number.astype(wanted)

    def reshape(self: Any, *shape: Any, order: Any = "C") -> Any:
        wanted: Any = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, wanted, order=order)

    def transpose(self: Any, *axes: Any) -> Any:
        return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)

    def flatten(self: Any, order: Any = "C") -> Any:
        return np.copy(np.ravel(self, order))

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

    def freeze(self) -> None:
        self.owned = False

    def fill(self, value: Any) -> None:
        self[...] = value

    def sort(self, axis: int = -1) -> None:
        self[...] = np.sort(self, axis)

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotImplementedError


# methods: what arrays have, and the elementwise functions, because object arrays of traced values call np.tanh by that name
for function in (*ELEMENTWISE, np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.cumsum, np.cumprod, np.dot, np.ravel, np.squeeze,
                 np.swapaxes, np.trace, np.diagonal, np.repeat, np.clip, np.take, np.copy, np.round, np.argmax, np.argmin, np.argsort, np.any,
                 np.all, np.nonzero, np.searchsorted, np.floor, np.ceil, np.rint, np.trunc, np.sign, np.logical_not):
    if getattr(function, "__module__", "numpy") == "numpy" and not hasattr(ArrayLike, function.__name__):
        setattr(ArrayLike, function.__name__, lambda self, *args, function=function, **kwargs: function(self, *args, **kwargs))

