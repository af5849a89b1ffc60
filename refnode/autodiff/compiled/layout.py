"""Where the numbers of a program live: which lines belong to which function, which arrays are reused, what everything is called."""

from __future__ import annotations

import builtins
import heapq
import itertools
import keyword
import operator
import re
from typing import Any

import numpy as np

from refnode.autodiff.compiled.program import Line, Program, is_pure, lines_in, needed, root
from refnode.autodiff.formulas.primitives import assign, is_basic, pile, scatter
from refnode.tree import Tree, tree_map

LARGE = 2**16  # bytes: below, a fresh array costs less than the bookkeeping; above, the kernel hands out its pages one by one
UFUNCS = {operator.add: np.add, operator.sub: np.subtract, operator.mul: np.multiply, operator.truediv: np.divide, operator.neg: np.negative,
          operator.abs: np.absolute, operator.matmul: np.matmul}


class Phase:
    """The body of one function: its lines, what it returns, and the arrays that it reuses from call to call.

    later: the lines that a function inside of this one uses; these stay as they are. A line that computes with a ufunc writes into an operand that is
    read there for the last time, if that is an array of its shape, dtype and memory order (`line.into`). Else, if it is large, it writes into one of
    `buffers`, which are taken in turn: when a line has been read for the last time, the next one of its kind takes its place.
    """

    def __init__(self, lines: list[Line], outputs: Tree, later: set[Line]):
        self.lines, self.inside, self.later = lines, set(lines), later
        self.last = last_uses(lines, outputs, later)
        self.buffers: list[np.ndarray] = []  # models
        roots = [root(line) for line in lines_in(outputs)]
        self._take_over()
        self._place({*roots} - {root(line) for line in later})
        mine = self.inside - {root(line) for line in self.later} - {line for line in lines if line.buffer is not None or is_foreign(line)}
        self.outputs = tree_map(lambda x: Copied(x) if must_be_copied(x, mine, roots) else x, outputs)

    def _take_over(self) -> None:
        for i, line in enumerate(self.lines):
            if not is_elementwise(line):
                continue
            for x in line.operands():
                if x in self.inside and self.last[x] == i and is_new(x) and kind(x) == kind(line):
                    line.into = x
                    break

    def _place(self, returned: set[Line]) -> None:
        """Each large line into a buffer, but for what is returned as it is. An operand that is read for the last time makes room first, but not for a
        product of matrices."""
        free: dict[Any, list[int]] = {}
        for i, line in enumerate(self.lines):
            if UFUNCS.get(line.func, line.func) is not np.matmul:
                self._release(i, line, free)
            if line.into is not None:
                line.buffer = line.into.buffer
            elif is_large(line) and line not in returned and not self._ends_in(line, returned):
                if not free.get(kind(line)):
                    free.setdefault(kind(line), []).append(len(self.buffers))
                    self.buffers.append(line.value)
                line.buffer = free[kind(line)].pop()
            if UFUNCS.get(line.func, line.func) is np.matmul:
                self._release(i, line, free)

    def _release(self, i: int, line: Line, free: dict[Any, list[int]]) -> None:
        for operand in {root(x) for x in line.operands()}:
            if operand.buffer is not None and self.last.get(operand) == i and operand in self.inside and line.into is not operand:
                free.setdefault(kind(operand), []).append(operand.buffer)

    def _ends_in(self, line: Line, returned: set[Line]) -> bool:
        """Whether what is returned is written into the line in the end."""
        return any(x.into is line and (x in returned or self._ends_in(x, returned)) for x in self.lines)


class Copied:
    """An output that must not be handed out as it is."""

    def __init__(self, x: Any):
        self.x = x


def phases(program: Program, split: bool) -> list[Phase]:
    """One function; or two, for a pullback: what the value needs, and, inside of it, what the cotangents need beyond that."""
    if not split:
        return [Phase(program.lines, program.outputs, set())]
    value, cotangents = program.outputs
    forward = needed(program.lines, value)
    done = set(forward)
    behind = [line for line in program.lines if line not in done]
    used = {x for line in behind for x in line.operands()} | set(lines_in(cotangents))
    first = Phase(forward, value, used & done)
    return [first, Phase(behind, cotangents, set())]


def last_uses(lines: list[Line], outputs: Tree, later: set[Line]) -> dict[Line, int]:
    """The number of the line that reads a line last, or its memory; those that are returned or used later are read at the end."""
    last: dict[Line, int] = {}
    for i, line in enumerate(lines):
        last[line] = i
        for operand in line.operands():
            last[operand] = last[root(operand)] = i
    for line in (*lines_in(outputs), *later):
        last[line] = last[root(line)] = len(lines)
    return last


def is_large(line: Line) -> bool:
    """Whether a line may write its result into an array that is there already: a ufunc's, large, without gaps."""
    func, value = UFUNCS.get(line.func, line.func), line.value
    return (isinstance(func, np.ufunc) and func.nout == 1 and isinstance(value, np.ndarray) and value.nbytes > LARGE
            and np.empty_like(value).strides == value.strides)


def is_elementwise(line: Line) -> bool:
    func = UFUNCS.get(line.func, line.func)
    return isinstance(func, np.ufunc) and func is not np.matmul and func.nout == 1 and type(line.value) is np.ndarray and not line.kwargs


def is_new(line: Line) -> bool:
    """Whether a line makes an array that nobody else has."""
    func = UFUNCS.get(line.func, line.func)
    return isinstance(func, np.ufunc) and func.nout == 1 and type(line.value) is np.ndarray and line.value.flags.owndata


def is_foreign(line: Line) -> bool:
    """Whether an array comes from a function that is not NumPy's, and may be anybody's."""
    holder = line.args[0].value if line.func is operator.getitem and isinstance(line.args[0], Line) else None
    return not is_pure(line.func) or isinstance(holder, (tuple, list, dict))


def kind(line: Line) -> Any:
    """What arrays must have in common to take each other's place."""
    value = line.value
    return (value.shape, value.strides, value.dtype) if isinstance(value, np.ndarray) else None


def must_be_copied(x: Any, mine: set[Line], roots: list[Line]) -> bool:
    """An argument, a constant, a buffer, what the way back reads or a called function returned, a read-only view, one of two outputs of one array."""
    value = x.value if isinstance(x, Line) else x
    if not isinstance(value, np.ndarray):
        return False
    if not isinstance(x, Line):
        return True
    return root(x) not in mine or roots.count(root(x)) > 1 or not value.flags.writeable


# ---------------------------------------------------------------------------------------------------------------------------------- names

LOCALS = {"g", "back", "cotangents", "frame", "frame1", "frame2"}
RESERVED = {*keyword.kwlist, *dir(builtins), *LOCALS}
GENERATED = re.compile(r"[cdvx]\d+|zero|buffer\w*|pool\d*|new\d*|seen_\w*|fits_back|elsewhere|Frame|array|ndarray")


def name_all(program: Program, phases: list[Phase], parameters: list[str], taken: set[str]) -> None:
    """A name for each line. Those of the traced function's variables stay; arguments are called by their place, theta_0_1, where they have none.

    All others are v0, v1, ...: the number of a line that has been read for the last time is given to a later one, so that its array is freed.
    """
    used = RESERVED | taken | set(parameters)

    def unique(name: str) -> str:
        name = own(name)
        name = name if name not in used else next(candidate for i in itertools.count(1) if (candidate := f"{name}_{i}") not in used)
        used.add(name)
        return name

    for parameter, arg in zip(parameters, program.inputs[0], strict=True):
        if isinstance(arg, Line):
            arg.name = parameter
            continue
        for place, line in placed(arg, parameter):
            line.name = unique(line.name or place)
    for place, line in placed(program.inputs[1], "g") if len(program.inputs) > 1 else ():
        line.name = place if place == "g" else unique(place)
    if len(phases) > 1:
        for arg, cotangent in zip(program.inputs[0], program.outputs[1], strict=True):
            name_cotangents(arg, cotangent)
    numbers = (number for number in itertools.count() if f"v{number}" not in used)
    for phase in phases:
        free: list[int] = []
        ends: dict[int, list[int]] = {}
        taken_over = {line.into for line in phase.lines if line.into is not None and not line.name}
        for i, line in enumerate(phase.lines):
            for number in ends.pop(i - 1, ()):
                heapq.heappush(free, number)
            if is_written_into(line, phase, i):
                line.name = line.args[0].name
            elif line.into is not None and not line.name and line.into.number is not None:
                line.name, line.number = line.into.name, line.into.number
                if phase.last[line] < len(phase.lines) and line not in taken_over:
                    ends.setdefault(phase.last[line], []).append(line.number)
            elif line.name:
                line.name = unique(line.name)
            else:
                line.number = heapq.heappop(free) if free else next(numbers)
                line.name = f"v{line.number}"
                used.add(line.name)
                if phase.last[line] < len(phase.lines) and not may_be_written_into(line) and line not in taken_over:
                    ends.setdefault(phase.last[line], []).append(line.number)


def own(name: str) -> str:
    """The name of a user's variable, unless it is one of those that are given here."""
    return f"{name}_" if GENERATED.fullmatch(name) else name


def placed(tree: Tree, place: str) -> list[tuple[str, Line]]:
    """The lines of an argument, with their places in it."""
    if isinstance(tree, dict):
        return [found for key, child in tree.items() for found in placed(child, f"{place}_{key}" if str(key).isidentifier() else f"{place}_key")]
    if isinstance(tree, (tuple, list)):
        return [found for i, child in enumerate(tree) for found in placed(child, f"{place}_{i}")]
    return [(place, tree)] if isinstance(tree, Line) else []


def name_cotangents(arg: Tree, cotangent: Tree) -> None:
    """What is returned for W1 is called W1_bar."""
    if isinstance(arg, Line):
        if isinstance(cotangent, Line) and cotangent.func is not None:
            cotangent.name = f"{arg.name}_bar"
    elif isinstance(arg, dict):
        for key in arg:
            name_cotangents(arg[key], cotangent[key])
    elif isinstance(arg, (tuple, list)):
        for child, its in zip(arg, cotangent, strict=True):
            name_cotangents(child, its)


def may_be_written_into(line: Line) -> bool:
    return line.func is assign or line.func is pile or (line.func is scatter and is_basic(line.args[1]))


def is_written_into(line: Line, phase: Phase, i: int) -> bool:
    """x[index] = value in place: where nobody reads the old x again, and nobody else sees its memory."""
    if line.func is not assign or not isinstance(line.args[0], Line):
        return False
    x = line.args[0]
    return x in phase.inside and x not in phase.later and may_be_written_into(x) and phase.last[x] == i and isinstance(x.value, np.ndarray)
