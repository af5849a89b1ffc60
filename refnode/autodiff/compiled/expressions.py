"""expressions(f, z0, t0, theta): dynamics as data, in the language that the conformance suite reads (validation/ir/dynamics.py).

    expression = "0.75" | ["z", i] | ["theta", j] | ["t"] | ["let", k] | [operation, expression, ...]

f is traced like a function that is compiled. The lines of its program are then carried out by NumPy on arrays of symbols.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff.compiled.function import Compiled
from refnode.autodiff.compiled.names import Names
from refnode.autodiff.compiled.program import Line, trace
from refnode.autodiff.compiled.symbols import Symbol, Writer
from refnode.autodiff.formulas.primitives import cast, euclidean
from refnode.autodiff.messages import name_of
from refnode.errors import TraceError
from refnode.tree import Raveler, Tree, as_state, is_container, leaves


def expressions(f: Callable[..., Any], z0: Tree, t0: float = 0.0, theta: Tree = ()) -> dict[str, Any]:
    """The dynamics f(z, t, theta) at the shapes of z0 and theta, number by number: {"dim": D, "params": P, "let": [...], "rhs": [...]}.

    z and theta are the D and P floating-point numbers of their trees, leaf by leaf from left to right, each in C order; other leaves of theta
    (integers, strings, None) and what f reads elsewhere are constants. "let" holds what is used more than once; dz_i/dt is rhs[i]. The operations
    are add, mul, sub, div, neg, pow (integers from 2), tanh, sin, cos, exp, log, sqrt, softplus, sigmoid, relu; what can be said with these is:
    sums, means, products of matrices, einsum, norms, other powers, sinh, cosh, tan, expm1, log1p, logaddexp, abs, maximum, clip and the like.
    Numbers are exact decimals; at (z0, t0, theta) the expressions are compared with f.

    Raises TraceError for what the language does not have (comparisons, np.where of values, arctan, solve), and like `compiled` for what has no place
    in a program.
    """
    f = f.f if isinstance(f, Compiled) else f
    z0, t0 = as_state(z0), float(t0)
    state = Raveler(z0)
    if state.dtype.kind == "c":
        raise TypeError("complex dynamics are not expressed; write the real and imaginary parts apart.")
    expected = state.ravel(state.conform(f(z0, t0, theta)))
    program = trace(f, (z0, t0, theta), Names())
    writer = Writer()
    symbols: dict[Line, Any] = {}
    z, t, parameters = ([x for x in leaves(tree) if isinstance(x, Line)] for tree in program.inputs[0])
    for head, inputs in (("z", z), ("t", t), ("theta", parameters)):
        i = 0
        for line in inputs:
            numbers = [writer.symbol(x, head, *([] if head == "t" else [i + k])) for k, x in enumerate(np.ravel(line.value))]
            symbols[line] = shaped(numbers, np.shape(line.value))
            i += len(numbers)
    with np.errstate(all="ignore"):
        for line in program.lines:
            symbols[line] = carried_out(line, symbols, writer)
        found = [x for leaf in in_order(program.outputs, z0) for x in np.ravel(symbolic(leaf, symbols, writer))]
        agree(found, expected)
    size = sum(np.size(line.value) for line in parameters)
    return {"dim": state.size, "params": size, **writer.written([writer.number(x) for x in found])}


def carried_out(line: Line, symbols: dict[Line, Any], writer: Writer) -> Any:
    """The line's function on arrays of symbols."""
    args = [symbolic(x, symbols, writer) for x in line.args]
    kwargs = {key: symbolic(x, symbols, writer) for key, x in line.kwargs.items()}
    function = SPELLED.get(line.func, line.func)
    if isinstance(function, np.ufunc) and (function in COMPARING or "O" not in "".join(function.types)):
        function = elementwise(function.__name__, writer)
    try:
        return as_symbols(function(*args, **kwargs), writer)
    except TraceError:
        raise
    except Exception as error:  # NumPy's functions refuse arrays of objects in many ways
        name = name_of(line.func).removeprefix("_")
        raise TraceError(f"f uses {name}, for which the language of expressions has no words; its functions are {WORDS}, and what is made of "
                         "them.") from error


WORDS = "tanh, sin, cos, exp, log, sqrt, softplus, sigmoid, relu"


def elementwise(name: str, writer: Writer) -> Callable[..., Any]:
    """Symbol's method of this name, number by number."""
    return lambda *args: np.frompyfunc(lambda *numbers: getattr(Symbol, name)(*map(writer.number, numbers)), len(args), 1)(*args)


def fold(name: str) -> Callable[..., Any]:
    """A reduction by one of Symbol's methods of two numbers."""
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return np.frompyfunc(getattr(Symbol, name), 2, 1).reduce(x, axis=axis, keepdims=keepdims)
    return reduce


COMPARING = {np.maximum, np.minimum, np.fmax, np.fmin}  # what NumPy does with objects
SPELLED: dict[Any, Any] = {
    cast: lambda x, dtype: x,
    np.copy: lambda x: np.array(x),
    euclidean: lambda x, axis, keepdims: np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=keepdims)),
    np.maximum.reduce: fold("maximum"),
    np.minimum.reduce: fold("minimum"),
    np.logaddexp.reduce: fold("logaddexp"),
    operator.abs: np.fabs,
}


def symbolic(x: Any, symbols: dict[Line, Any], writer: Writer) -> Any:
    """An operand: lines and floating-point arrays as arrays of symbols; indices, axes and shapes as they are."""
    if isinstance(x, Line):
        return symbols[x] if x in symbols else as_symbols(x.value, writer)
    if type(x) in (tuple, list):
        return type(x)(symbolic(part, symbols, writer) for part in x)
    return as_symbols(x, writer) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def as_symbols(x: Any, writer: Writer) -> Any:
    if isinstance(x, np.ndarray):
        return shaped([writer.number(number) for number in x.ravel().tolist()], x.shape)
    return writer.number(x)


def shaped(numbers: list[Symbol], shape: tuple[int, ...]) -> Any:
    if not shape:
        return numbers[0]
    array = np.empty(len(numbers), dtype=object)
    array[:] = numbers
    return array.reshape(shape)


def in_order(out: Tree, like: Tree) -> Iterator[Any]:
    """What f returned, in the order of the state's leaves; a list of numbers may stand for an array."""
    if not is_container(like):
        yield from leaves(out)
    else:
        for key in like if isinstance(like, dict) else range(len(like)):
            yield from in_order(out[key], like[key])


def agree(found: list[Any], expected: np.ndarray) -> None:
    """Up to rounding, also float32's. It would not be so if f used random numbers, or a function that takes objects for something else."""
    values = np.array([x.value if isinstance(x, Symbol) else float(x) for x in found])
    scale = np.max(np.abs(expected), initial=1.0)
    same = (np.abs(values - expected) <= 1e-3 * scale) | (values == expected) | (np.isnan(values) & np.isnan(expected))
    if not np.all(same):
        raise TraceError("f cannot be expressed: at (z0, t0, theta) its expressions give other values than it does itself; it uses random numbers or "
                         "keeps a state.")
