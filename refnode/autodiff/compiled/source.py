"""Programs as Python source, and the source as functions."""

from __future__ import annotations

import itertools
import linecache
import math
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff.compiled.layout import UFUNCS, Copied, Phase, is_written_into, name_all, phases
from refnode.autodiff.compiled.program import Line, Program
from refnode.autodiff.formulas.primitives import assign, cast, gather, is_basic, join, pile, scatter
from refnode.tree import CONTAINERS, Tree, is_container, leaves

SYMBOLS = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//", operator.mod: "%",
           operator.pow: "**", operator.matmul: "@", operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=",
           operator.eq: "==", operator.ne: "!=", operator.and_: "&", operator.or_: "|", operator.xor: "^"}
SIGNS = {operator.neg: "-", operator.invert: "~"}
WIDTH = 110
_files = itertools.count(1)


class Source:
    """The text of a function, and the constants that it names.

    fits(*args): whether it was made for arguments like these: the same containers, shapes, memory orders and dtypes, and equal static leaves.
    """

    def __init__(self, name: str, parameters: list[str], program: Program, elsewhere: Callable[..., Any] | None = None):
        """elsewhere(g, args) -> (g, None) or (g, cotangents): what the way back does with a g that is not like the one it was made for: g, brought to
        that form, or, where it cannot be, the cotangents. None: there is no way back."""
        self.globals: dict[str, Any] = {"ndarray": np.ndarray, "array": np.array}
        self.consts: dict[str, Any] = {}
        self._numbers = itertools.count()
        functions = [self.bound(line.func) for line in program.lines if line.func not in SYMBOLS]
        self.phases = phases(program, elsewhere is not None)
        name_all(program, self.phases, parameters, {*functions, *parameters})
        arguments = program.inputs[0]
        guard = [f"def {name}({', '.join(parameters)}):", *indented(self.guard(parameters, arguments)), "    return True"]
        body = [*self.unpacked(parameters, arguments), *self.body(self.phases[0])]
        if elsewhere is None:
            body += self.returned(self.phases[0], self.phases[0].outputs)
        else:
            body += self.way_back(program, parameters, elsewhere)
        self.text = "\n".join([f"def {name}({', '.join(parameters)}):", *indented(body)]) + "\n"
        self.run = self.made(name, self.text)
        self.fits = self.made(name, "\n".join(guard) + "\n")

    def made(self, name: str, text: str) -> Callable[..., Any]:
        """The function that the text defines. Tracebacks and `inspect.getsource` show its lines for as long as it lives."""
        file = f"<refnode {name} {next(_files)}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        weakref.finalize(self, linecache.cache.pop, file, None)
        defined: dict[str, Any] = {}
        exec(compile(text, file, "exec"), self.globals, defined)
        return defined[name]

    # ------------------------------------------------------------------------------------------------------------------------ statements

    def body(self, phase: Phase) -> Iterator[str]:
        """One line of text for each line of the program; a value without a name that only the next line reads is written into that line."""
        if phase.buffers:
            yield from self.buffers(phase)
        inside: dict[Line, str] = {}
        for i, line in enumerate(phase.lines):
            following = phase.lines[i + 1] if i + 1 < len(phase.lines) else None
            if line.func is scatter and is_basic(line.args[1]):
                shape, dtype = self.text_of(line.args[2], inside), line.value.dtype
                self.globals["zeros"] = np.zeros
                yield f"{line.name} = zeros({shape}{'' if dtype == np.float64 else ', ' + self.text_of(dtype, inside)})"
                yield f"{line.name}[{self.index(line.args[1], inside)}] = {self.text_of(line.args[0], inside)}"
            elif line.func is assign:
                x, value, index = line.args
                if not is_written_into(line, phase, i):
                    yield f"{line.name} = array({self.text_of(x, inside)})"
                yield f"{line.name}[{self.index(index, inside)}] = {self.text_of(value, inside)}"
            else:
                text = self.expression(line, inside)
                if following is not None and self.is_only_for(line, following, phase, i) and len(text) < WIDTH / 2:
                    inside[line] = text if line.func not in SYMBOLS and line.func not in SIGNS else f"({text})"
                else:
                    yield f"{line.name} = {text}"

    @staticmethod
    def is_only_for(line: Line, following: Line, phase: Phase, i: int) -> bool:
        by_chance = line.name.startswith("v") and line.name[1:].isdigit()
        once = [x for x in following.operands() if x is line] == [line]
        return by_chance and line.buffer is None and phase.last[line] == i + 1 and once and following.func is not assign and following.func is not scatter

    def buffers(self, phase: Phase) -> Iterator[str]:
        """Arrays that are used again in the next call: taken from a pool, so that a call inside of a call, or in another thread, has its own."""
        number = f"{self.phases.index(phase) + 1}" if len(self.phases) > 1 else ""
        models, pool = phase.buffers, []
        self.globals[f"pool{number}"], self.globals["Frame"] = pool, Frame
        self.globals[f"new{number}"] = lambda: tuple(np.empty_like(model) for model in models)
        names = ", ".join(f"buffer{number}_{i}" for i in range(len(models))) + ("," if len(models) == 1 else "")
        yield f"frame{number} = Frame(pool{number}, new{number})"
        yield f"{names} = frame{number}.arrays"

    def returned(self, phase: Phase, outputs: Tree) -> Iterator[str]:
        yield f"return {self.text_of(outputs, {})}"

    def way_back(self, program: Program, parameters: list[str], elsewhere: Callable[..., Any]) -> Iterator[str]:
        g = program.inputs[1]
        self.globals["elsewhere"] = elsewhere
        first, second = self.phases
        again = f"elsewhere(g, ({', '.join(parameters)}{',' if len(parameters) == 1 else ''}))"  # back itself would be a cycle, and keep all alive
        inner = ["if not fits_back(g):", f"    g, cotangents = {again}", "    if cotangents:", "        return cotangents"]
        inner += self.unpacked(["g"], (g,))
        if first.buffers:
            inner.append("frame1  # whose arrays are read below")
        inner += self.body(second)
        inner += self.returned(second, second.outputs)
        guard = ["def fits_back(g):", *indented(self.guard(["g"], (g,))), "    return True"]
        self.globals["fits_back"] = self.made("fits_back", "\n".join(guard) + "\n")
        yield ""
        yield "def back(g):"
        yield from indented(inner)
        yield ""
        yield f"return {self.text_of(first.outputs, {})}, back"

    # ------------------------------------------------------------------------------------------------------------------------- arguments

    def unpacked(self, parameters: list[str], arguments: tuple[Tree, ...]) -> Iterator[str]:
        """(W1, b1), (W2, b2) = theta"""
        for parameter, arg in zip(parameters, arguments, strict=True):
            if not isinstance(arg, Line) and any(isinstance(leaf, Line) for leaf in leaves(arg)):
                yield from self.pattern(arg, parameter)

    def pattern(self, tree: Tree, source: str) -> Iterator[str]:
        if not has_dict(tree):
            yield f"{self.targets(tree)[1:-1]} = {source}"
            return
        keys = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, child in keys:
            place = f"{source}[{self.text_of(key, {})}]"
            if isinstance(child, Line):
                yield f"{child.name} = {place}"
            elif any(isinstance(leaf, Line) for leaf in leaves(child)):
                yield from self.pattern(child, place)

    def targets(self, tree: Tree) -> str:
        if isinstance(tree, Line):
            return tree.name
        if not is_container(tree) or not any(isinstance(leaf, Line) for leaf in leaves(tree)):
            return "_"
        return f"({', '.join(map(self.targets, tree))}{',' if len(tree) == 1 else ''})"

    def guard(self, parameters: list[str], arguments: tuple[Tree, ...]) -> Iterator[str]:
        for parameter, arg in zip(parameters, arguments, strict=True):
            yield from self.checks(arg, parameter)

    def checks(self, tree: Tree, place: str) -> Iterator[str]:
        """Return False unless what stands at a place is like the tree."""
        value = tree.value if isinstance(tree, Line) else tree
        if is_container(value):
            kind = self.text_of(type(value), {})
            again = f"{place}.keys() == {self.const(dict.fromkeys(value)).strip()}.keys()" if isinstance(value, dict) else f"len({place}) == {len(value)}"
            yield f"if not (type({place}) is {kind} and {again}): return False"
            for key, child in value.items() if isinstance(value, dict) else enumerate(value):
                if is_container(child):
                    name = f"x{next(self._numbers)}"
                    yield f"{name} = {place}[{self.text_of(key, {})}]"
                    yield from self.checks(child, name)
                else:
                    yield from self.checks(child, f"{place}[{self.text_of(key, {})}]")
        elif isinstance(value, np.ndarray):
            name = f"x{next(self._numbers)}"
            yield f"{name} = {place}"
            same = [f"type({name}) is {self.text_of(type(value), {})}", f"{name}.shape == {value.shape}", f"{name}.strides == {value.strides}",
                    f"{name}.dtype is {self.text_of(value.dtype, {})}"]
            if not isinstance(tree, Line):
                same.append(f"{name}.tobytes() == {self.const(value.tobytes())}")
            yield f"if not ({' and '.join(same)}): return False"
        elif isinstance(tree, Line):
            yield f"if type({place}) is not {self.text_of(type(value), {})}: return False"
        elif value is None or callable(value):
            yield f"if {place} is not {self.text_of(value, {})}: return False"
        else:
            yield f"if not (type({place}) is {self.text_of(type(value), {})} and {place} == {self.text_of(value, {})}): return False"

    # ----------------------------------------------------------------------------------------------------------------------- expressions

    def expression(self, line: Line, inside: dict[Line, str]) -> str:
        func, args, kwargs = line.func, line.args, line.kwargs
        x = args[0] if args else None
        array = isinstance(x, Line) and isinstance(x.value, np.ndarray)

        def text(x: Any) -> str:
            return self.text_of(x, inside)

        if line.buffer is not None:
            number = f"{1 + next(i for i, phase in enumerate(self.phases) if line in phase.lines)}" if len(self.phases) > 1 else ""
            return f"{self.bound(UFUNCS.get(func, func))}({', '.join(map(text, args))}, buffer{number}_{line.buffer})"
        if func in (operator.matmul, np.matmul) and is_matrix_product(args):
            return f"{text(x)}.dot({text(args[1])})"  # the same call of BLAS, and half a microsecond less around it
        if func in SYMBOLS:
            return f"{text(x)} {SYMBOLS[func]} {text(args[1])}"
        if func in SIGNS:
            return f"{SIGNS[func]}{text(x)}"
        if func in (operator.getitem, gather):
            return f"{text(x)}[{self.index(args[1], inside)}]"
        if func is operator.call:
            return f"{text(x)}({', '.join(map(text, args[1:]))})"
        if func is np.reshape and array and not kwargs:
            return f"{text(x)}.reshape({text(args[1])})"
        if func is np.transpose and array:
            return f"{text(x)}.T" if args[1] is None else f"{text(x)}.transpose({text(args[1])})"
        if func is cast and array:
            return f"{text(x)}.astype({text(args[1])})"
        if func is join:
            return f"{self.bound(np.concatenate)}({text(args[1:])}, {text(x)})"
        if func is pile:
            numbers = x == 0 and all(np.ndim(y.value if isinstance(y, Line) else y) == 0 for y in args[1:])
            return f"array({text(args[1:])})" if numbers else f"{self.bound(np.stack)}({text(args[1:])}, {text(x)})"
        kwargs = {key: value for key, value in kwargs.items() if (key, value) not in (("keepdims", False), ("optimize", False))}
        if type(axis := kwargs.get("axis")) is tuple and len(axis) == 1:
            kwargs["axis"] = axis[0]
        return f"{self.bound(func)}({', '.join([*map(text, args), *(f'{key}={text(value)}' for key, value in kwargs.items())])})"

    def index(self, index: Any, inside: dict[Line, str]) -> str:
        if isinstance(index, tuple) and index:
            return ", ".join(self.index(part, inside) for part in index) + ("," if len(index) == 1 else "")
        if isinstance(index, slice):
            return ":".join("" if x is None else self.text_of(x, inside) for x in (index.start, index.stop, *([index.step] if index.step is not None else [])))
        return self.text_of(index, inside)

    def text_of(self, x: Any, inside: dict[Line, str]) -> str:
        if isinstance(x, Line):
            return inside.get(x) or x.name
        if isinstance(x, Copied):
            return f"array({self.text_of(x.x, inside)})"
        if x is None or x is Ellipsis or type(x) in (bool, str, range) or (type(x) is int and x >= 0) or (type(x) is float and 0 < x < math.inf):
            return "..." if x is Ellipsis else repr(x)
        if type(x) is int or (type(x) is float and math.isfinite(x)):
            return f"({x!r})"
        if type(x) is slice:
            return f"slice({', '.join(self.text_of(part, inside) for part in (x.start, x.stop, x.step))})"
        if isinstance(x, CONTAINERS):
            return self.container(x, inside)
        if isinstance(x, (np.dtype, type)) or callable(x):
            return self.bound(x)
        return self.const(x)

    def container(self, x: Any, inside: dict[Line, str]) -> str:
        if isinstance(x, dict):
            inner = "{" + ", ".join(f"{self.text_of(key, inside)}: {self.text_of(child, inside)}" for key, child in x.items()) + "}"
            return inner if type(x) is dict else f"{self.bound(_like_dict)}({self.const(x)}, {inner})"
        inner = ", ".join(self.text_of(child, inside) for child in x)
        if hasattr(x, "_fields"):
            return f"{self.bound(type(x))}({inner})"
        return f"[{inner}]" if isinstance(x, list) else f"({inner}{',' if len(x) == 1 else ''})"

    def bound(self, x: Any) -> str:
        """The global name of a function, a class or a dtype."""
        name = getattr(x, "__name__", None) or getattr(x, "name", None) or type(x).__name__
        if name in ("reduce", "accumulate"):
            name = f"{x.__self__.__name__}_{name}"
        if isinstance(x, np.dtype):
            name = f"dtype_{name}"
        name = "".join(c if c.isalnum() or c == "_" else "" for c in name) or "function"
        for candidate in itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1))):
            if self.globals.setdefault(candidate, x) == x:  # np.add.reduce is a new object each time
                return candidate
        raise AssertionError

    def const(self, x: Any) -> str:
        for name, known in self.consts.items():
            if known is x:
                return name
        name = f"c{len(self.consts)}"
        self.consts[name] = self.globals[name] = x
        return name


class Frame:
    """Buffers, for as long as somebody may read them; then they go back to the pool."""

    __slots__ = ("arrays", "pool")

    def __init__(self, pool: list[Any], new: Callable[[], Any]):
        self.pool = pool
        try:
            self.arrays = pool.pop()
        except IndexError:
            self.arrays = new()

    def __del__(self) -> None:
        if len(self.pool) < 4:
            self.pool.append(self.arrays)


def is_matrix_product(args: Any) -> bool:
    """Two matrices without gaps, of two rows and columns at least: there np.dot and np.matmul make the same call of BLAS."""
    return all(isinstance(x, Line) and type(x.value) is np.ndarray and x.value.ndim == 2 and min(x.value.shape) > 1 and x.value.dtype.char in "df"
               and (x.value.flags.c_contiguous or x.value.flags.f_contiguous) for x in args) and args[0].value.dtype == args[1].value.dtype


def has_dict(tree: Tree) -> bool:
    return isinstance(tree, dict) or (is_container(tree) and any(map(has_dict, tree)))


def indented(lines: Any) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _like_dict(model: Any, children: Any) -> Any:
    import copy

    new = copy.copy(model)
    new.update(children)
    return new
