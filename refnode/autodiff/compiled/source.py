"""Programs as Python source, and the source as functions."""

from __future__ import annotations

import itertools
import linecache
import operator
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from refnode.autodiff.compiled.guard import guarded, indented, unpacked
from refnode.autodiff.compiled.layout import UFUNCS, Phase, is_written_into, name_all, own, phases
from refnode.autodiff.compiled.program import Line, Program
from refnode.autodiff.compiled.text import Text
from refnode.autodiff.formulas.primitives import assign, cast, gather, is_basic, join, pile, scatter
from refnode.tree import Tree

SYMBOLS = {operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//", operator.mod: "%",
           operator.pow: "**", operator.matmul: "@", operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=",
           operator.eq: "==", operator.ne: "!=", operator.and_: "&", operator.or_: "|", operator.xor: "^"}
SIGNS = {operator.neg: "-", operator.invert: "~"}
WIDTH = 110
KEPT = 2**26  # bytes of buffers that a function keeps for its next calls
_files = itertools.count(1)


class Source:
    """The text of a function, and the constants that it names.

    fits(*args): whether it was made for arguments like these: the same containers, shapes, memory orders and dtypes, and equal static leaves.
    """

    def __init__(self, name: str, parameters: list[str], program: Program, elsewhere: Callable[..., Any] | None = None):
        """elsewhere(g, args) -> (g, None) or (g, cotangents): what the way back does with a g that is not like the one it was made for: g, brought to
        that form, or, where it cannot be, the cotangents. None: there is no way back."""
        parameters = [own(name) for name in parameters]
        self.names = Text(parameters, "c" if elsewhere is None else "d")
        self.consts = self.names.consts
        functions = map(self.names.bound, [np.zeros, np.stack, np.concatenate, *(line.func for line in program.lines if line.func not in SYMBOLS)])
        self.phases = phases(program, elsewhere is not None)
        name_all(program, self.phases, parameters, {*functions, *parameters})
        arguments = program.inputs[0]
        body = [*unpacked(self.names, parameters, arguments), *self.body(self.phases[0])]
        if elsewhere is None:
            body += self.returned(self.phases[0], self.phases[0].outputs)
        else:
            body += self.way_back(program, parameters, elsewhere)
        self.text = "\n".join([f"def {name}({', '.join(parameters)}):", *indented(body)]) + "\n"
        self.run = self.made(name, self.text)
        self.fits = self.made(name, guarded(self.names, name, parameters, arguments))

    def made(self, name: str, text: str) -> Callable[..., Any]:
        """The function that the text defines. Tracebacks and `inspect.getsource` show its lines for as long as it lives."""
        file = f"<refnode {name} {next(_files)}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        weakref.finalize(self, linecache.cache.pop, file, None)
        defined: dict[str, Any] = {}
        exec(compile(text, file, "exec"), self.names.globals, defined)
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
                shape, dtype = self.names.of(line.args[2], inside), line.value.dtype
                yield f"{line.name} = {self.names.bound(np.zeros)}({shape}{'' if dtype == np.float64 else ', ' + self.names.of(dtype, inside)})"
                yield f"{line.name}[{self.names.index(line.args[1], inside)}] = {self.names.of(line.args[0], inside)}"
            elif line.func is assign:
                x, value, index = line.args
                if not is_written_into(line, phase, i):
                    yield f"{line.name} = array({self.names.of(x, inside)})"
                yield f"{line.name}[{self.names.index(index, inside)}] = {self.names.of(value, inside)}"
            elif line.into is not None and line.name == line.into.name and (text := self.update(line, inside)):
                yield text
            else:
                text = self.expression(line, inside)
                if following is not None and self.is_only_for(line, following, phase, i) and len(text) < WIDTH / 2:
                    inside[line] = text if line.func not in SYMBOLS and line.func not in SIGNS else f"({text})"
                else:
                    yield f"{line.name} = {text}"

    @staticmethod
    def is_only_for(line: Line, following: Line, phase: Phase, i: int) -> bool:
        once = [x for x in following.operands() if x is line] == [line]
        free = line.number is not None and line.buffer is None and line.into is None and following.into is not line
        return free and phase.last[line] == i + 1 and once and following.func is not assign and following.func is not scatter

    def buffers(self, phase: Phase) -> Iterator[str]:
        """Arrays that are used again in the next call: taken from a pool, so that a call inside of a call, or in another thread, has its own."""
        number = f"{self.phases.index(phase) + 1}" if len(self.phases) > 1 else ""
        models = phase.buffers
        pool: list[tuple[np.ndarray, ...]] = []
        self.names.globals[f"pool{number}"], self.names.globals["Frame"] = pool, Frame
        self.names.globals[f"new{number}"] = lambda: tuple(np.empty_like(model) for model in models)
        names = ", ".join(f"buffer{number}_{i}" for i in range(len(models))) + ("," if len(models) == 1 else "")
        yield f"frame{number} = Frame(pool{number}, new{number})"
        yield f"{names} = frame{number}.arrays"

    def returned(self, phase: Phase, outputs: Tree) -> Iterator[str]:
        yield f"return {self.names.of(outputs, {})}"

    def way_back(self, program: Program, parameters: list[str], elsewhere: Callable[..., Any]) -> Iterator[str]:
        g = program.inputs[1]
        self.names.globals["elsewhere"] = elsewhere
        first, second = self.phases
        again = f"elsewhere(g, ({', '.join(parameters)}{',' if len(parameters) == 1 else ''}))"  # back itself would be a cycle, and keep all alive
        inner = ["if not fits_back(g):", f"    g, cotangents = {again}", "    if cotangents:", "        return cotangents"]
        inner += unpacked(self.names, ["g"], (g,))
        if first.buffers:
            inner.append("frame1  # whose arrays are read below")
        inner += self.body(second)
        inner += self.returned(second, second.outputs)
        self.fits_back = self.names.globals["fits_back"] = self.made("fits_back", guarded(self.names, "fits_back", ["g"], (g,)))
        yield ""
        yield "def back(g):"
        yield from indented(inner)
        yield ""
        yield f"return {self.names.of(first.outputs, {})}, back"

    # ----------------------------------------------------------------------------------------------------------------------- expressions

    def expression(self, line: Line, inside: dict[Line, str]) -> str:
        func, args, kwargs = line.func, line.args, line.kwargs
        x = args[0] if args else None
        array = isinstance(x, Line) and isinstance(x.value, np.ndarray)

        def text(x: Any) -> str:
            return self.names.of(x, inside)

        if line.into is not None:
            return f"{self.names.bound(UFUNCS.get(func, func))}({', '.join(map(text, args))}, out={text(line.into)})"
        if line.buffer is not None:
            number = f"{1 + next(i for i, phase in enumerate(self.phases) if line in phase.lines)}" if len(self.phases) > 1 else ""
            return f"{self.names.bound(UFUNCS.get(func, func))}({', '.join(map(text, args))}, out=buffer{number}_{line.buffer})"
        if func in (operator.matmul, np.matmul) and is_matrix_product(args):
            return f"{text(x)}.dot({text(args[1])})"  # the same call of BLAS, and half a microsecond less around it
        if func in SYMBOLS:
            return f"{text(x)} {SYMBOLS[func]} {text(args[1])}"
        if func in SIGNS:
            return f"{SIGNS[func]}{text(x)}"
        if func in (operator.getitem, gather):
            return f"{text(x)}[{self.names.index(args[1], inside)}]"
        if func is np.ndarray.tolist:
            return f"{text(x)}.tolist()"
        if func is operator.call:
            return f"{text(x)}({', '.join(map(text, args[1:]))})"
        if func is np.reshape and array and not kwargs:
            return f"{text(x)}.reshape({text(args[1])})"
        if func is np.transpose and array:
            return f"{text(x)}.T" if args[1] is None else f"{text(x)}.transpose({text(args[1])})"
        if func is cast and array:
            return f"{text(x)}.astype({text(args[1])})"
        if func is join:
            return f"{self.names.bound(np.concatenate)}({text(args[1:])}, {text(x)})"
        if func is pile:
            numbers = x == 0 and all(np.ndim(y.value if isinstance(y, Line) else y) == 0 for y in args[1:])
            return f"array({text(args[1:])})" if numbers else f"{self.names.bound(np.stack)}({text(args[1:])}, {text(x)})"
        kwargs = {key: value for key, value in kwargs.items() if (key, value) not in (("keepdims", False), ("optimize", False))}
        if type(axis := kwargs.get("axis")) is tuple and len(axis) == 1:
            kwargs["axis"] = axis[0]
        return f"{self.names.bound(func)}({', '.join([*map(text, args), *(f'{key}={text(value)}' for key, value in kwargs.items())])})"

    def update(self, line: Line, inside: dict[Line, str]) -> str:
        """x += y, for x + y written into x; "" for what has no such form."""
        if line.func in (operator.add, operator.mul) or (line.func in (operator.sub, operator.truediv) and line.args[0] is line.into):
            others = [x for x in line.args if x is not line.into]
            return f"{line.name} {SYMBOLS[line.func]}= {self.names.of(others[0] if others else line.into, inside)}"
        return ""

class Frame:
    """Buffers, for as long as somebody may read them; then they go back to the pool."""

    __slots__ = ("arrays", "pool")

    def __init__(self, pool: list[Any], new: Callable[[], Any]):
        self.pool = pool
        try:
            self.arrays = pool.pop()
        except IndexError:
            self.arrays = new()

    def __del__(self, kept: int = KEPT) -> None:  # bound here: at the end of the process the module's names are gone
        if (len(self.pool) + 1) * sum(array.nbytes for array in self.arrays) <= kept:
            self.pool.append(self.arrays)


def is_matrix_product(args: Any) -> bool:
    """Two matrices without gaps, of two rows and columns at least: there np.dot and np.matmul make the same call of BLAS."""
    return all(isinstance(x, Line) and type(x.value) is np.ndarray and x.value.ndim == 2 and min(x.value.shape) > 1 and x.value.dtype.char in "df"
               and (x.value.flags.c_contiguous or x.value.flags.f_contiguous) for x in args) and args[0].value.dtype == args[1].value.dtype
