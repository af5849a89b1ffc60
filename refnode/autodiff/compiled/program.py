"""A function as a program: the lines that the engine records when the function runs on traced arguments, once.

Nothing is known here of derivatives. `pullback` is run on the traced arguments like any other code, so that the rules and the sweep themselves
become lines: the derivative program is what the engine does, written down, and has its bits.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff.arguments import is_differentiable
from refnode.autodiff.compiled.names import Names
from refnode.autodiff.messages import explained, refuse
from refnode.autodiff.nodes import Node
from refnode.autodiff.stage import Stage
from refnode.autodiff.surface import plain
from refnode.autodiff.trace import Traced, lifted, snapshot
from refnode.autodiff.transforms import pullback
from refnode.errors import TraceError
from refnode.tree import Tree, is_container, leaves, tree_map


class Line:
    """func(*args, **kwargs); an input where func is None. args hold lines, constants, and containers of both.

    value: what it was when it was traced; of it only the kind matters, the shape, the dtype and whose memory it shows. name: what the function
    that was traced called it, "" where it has no name.
    """

    __slots__ = ("args", "buffer", "func", "into", "kwargs", "name", "number", "value")

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], value: Any, name: str = ""):
        self.func, self.args, self.kwargs, self.value, self.name = func, args, kwargs, value, name
        self.into: Line | None = None  # the operand whose array it writes into
        self.buffer: int | None = None
        self.number: int | None = None  # of its name, where that is v0, v1, ...

    def operands(self) -> Iterator[Line]:
        return lines_in((*self.args, *self.kwargs.values()))


class Program:
    """inputs: the arguments with lines in place of their numbers. lines: what `outputs`, a tree of lines and constants, is made of, in order."""

    def __init__(self, inputs: tuple[Tree, ...], lines: list[Line], outputs: Tree):
        self.inputs, self.lines, self.outputs = inputs, lines, outputs


def trace(f: Callable[..., Any], args: tuple[Tree, ...], names: Names) -> Program:
    """f as a program with the inputs args."""
    with Stage() as stage, names:
        traced = staged(args, stage)
        outputs = attempted(f, traced, args)
        return as_program(stage, (traced,), outputs, names)


def trace_pullback(f: Callable[..., Any], args: tuple[Tree, ...], names: Names) -> Program:
    """The pullback of f as a program: inputs (args, g), outputs (value, cotangents)."""
    with Stage() as stage, names:
        traced = staged(args, stage)
        value, back = attempted(lambda *traced: pullback(f, *traced), traced, args)
        g = staged(tree_map(lambda leaf: np.ones(np.shape(plain(leaf)), getattr(leaf, "dtype", np.float64)), value), stage)
        return as_program(stage, (traced, g), (value, back(g)), names)


def is_input(leaf: Any) -> bool:
    """Floating-point numbers and arrays are inputs of a program; everything else is static and belongs to it."""
    return is_differentiable(leaf)


def staged(tree: Tree, stage: Stage) -> Tree:
    return tree_map(lambda leaf: Traced(Node(snapshot(leaf), stage), False) if is_input(leaf) else leaf, tree)


def attempted(f: Callable[..., Any], traced: tuple[Tree, ...], args: tuple[Tree, ...]) -> Tree:
    """f on traced arguments. What goes wrong there, and not on plain ones, is a TraceError."""
    try:
        return tree_map(lifted, f(*traced))
    except TraceError:
        raise
    except Exception as error:
        because = explained(error)
        if because is error:
            because = TraceError(f"f cannot be compiled, because it fails where its arguments are traced ({type(error).__name__}: {error}); "
                                 "use NumPy's functions throughout, or do not compile it.")
        raise because from error


def as_program(stage: Stage, inputs: Tree, outputs: Tree, names: Names) -> Program:
    """The recorded nodes as lines; only those that the outputs need."""
    found: dict[Node, Any] = {}

    def of(node: Node) -> Any:
        if node not in found:  # an input, or an array that f made, such as np.zeros_like(z): a constant
            found[node] = Line(None, (), {}, node.value, names.of(node)) if node in is_given else node.value
        return found[node]

    def operand(x: Any) -> Any:
        if isinstance(x, Traced):
            if x.node.level is not stage:
                refuse("a compiled function uses a value that is being differentiated, but is not among its arguments; pass it in theta")
            return of(x.node)
        if type(x) in (tuple, list) or (is_container(x) and any(isinstance(leaf, Traced) for leaf in leaves(x))):
            return tree_map(operand, x)
        return x

    is_given = {leaf.node for leaf in leaves(inputs) if isinstance(leaf, Traced)}
    for node in stage.nodes:
        args = [operand(x) for x in node.args]
        for position, parent in node.parents:
            args[position] = of(parent)
        kwargs = {key: operand(x) for key, x in node.kwargs.items()}
        found[node] = Line(node.func, tuple(args), kwargs, node.value, names.of(node))
    lines = [line for node in stage.nodes if isinstance(line := found[node], Line)]
    wanted = tree_map(operand, outputs)
    return Program(tree_map(operand, inputs), needed(lines, wanted), wanted)


def needed(lines: Iterable[Line], outputs: Tree) -> list[Line]:
    """The lines that the outputs are made of."""
    alive = set(lines_in(outputs))
    kept = []
    for line in reversed(list(lines)):
        if line in alive:
            kept.append(line)
            alive.update(line.operands())
    return kept[::-1]


def lines_in(tree: Any) -> Iterator[Line]:
    if isinstance(tree, Line):
        yield tree
    elif isinstance(tree, (tuple, list)):
        for child in tree:
            yield from lines_in(child)
    elif isinstance(tree, dict):
        yield from lines_in(tuple(tree.values()))


def merged(program: Program) -> Program:
    """Each thing is computed once: of equal lines the first stays. (x * x has two equal cotangents, and a pullback asks again for what f computed.)

    What is not NumPy's or the engine's may be anything, and is called as often as f calls it.
    """
    first: dict[Any, Line] = {}
    instead: dict[Line, Line] = {}

    def replaced(x: Any) -> Any:
        if isinstance(x, Line):
            return instead.get(x, x)
        return tree_map(replaced, x) if type(x) in (tuple, list, dict) else x

    for line in program.lines:
        line.args, line.kwargs = tuple(map(replaced, line.args)), {key: replaced(x) for key, x in line.kwargs.items()}
        if is_pure(line.func):
            key = (line.func, key_of(line.args), key_of(line.kwargs))
            same = first.setdefault(key, line)
            if same is not line:
                instead[line] = same
                same.name = same.name or line.name
    outputs = replaced(program.outputs)
    return Program(program.inputs, needed((line for line in program.lines if line not in instead), outputs), outputs)


def is_pure(func: Any) -> bool:
    module = getattr(func, "__module__", None) or "numpy"  # ufuncs have none
    return module.startswith(("numpy", "scipy", "refnode.autodiff.formulas")) or func in OPERATORS


OPERATORS = {getattr(operator, name) for name in dir(operator) if not name.startswith("__")} - {operator.call}


def key_of(x: Any) -> Any:
    """Equal for equal operands; numbers of different types or signs of zero are different."""
    if isinstance(x, Line):
        return id(x)
    if isinstance(x, (tuple, list)):
        return (type(x), *map(key_of, x))
    if isinstance(x, dict):
        return (dict, *((key, key_of(child)) for key, child in x.items()))
    if isinstance(x, slice):
        return (slice, key_of(x.start), key_of(x.stop), key_of(x.step))
    if isinstance(x, np.ndarray) and x.dtype != object:
        return (np.ndarray, x.dtype, x.shape, x.strides, x.tobytes())
    if isinstance(x, (int, float, str, np.generic, type(None))):
        return (type(x), repr(x))
    return id(x)


def root(line: Line) -> Line:
    """Whose memory a line shows: itself, unless it is a view."""
    if isinstance(line.value, np.ndarray) and line.func is not None:
        for operand in line.operands():
            if isinstance(operand.value, np.ndarray) and np.may_share_memory(line.value, operand.value):
                return root(operand)
    return line
