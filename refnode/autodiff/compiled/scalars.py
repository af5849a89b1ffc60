"""Small systems: where f takes an array apart into numbers, the program computes with Python's floats, at half the price of NumPy's.

Only where the bits are the same: sums, differences, products and changes of sign of float64. What divides, takes powers or compares gets NumPy's
numbers back (Python's raise where NumPy's are infinite).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from refnode.autodiff.compiled.program import Line, Program, lines_in, needed
from refnode.autodiff.formulas.primitives import assign, pile, scatter
from refnode.tree import Tree, tree_map

FEW = 16  # numbers of an array that is taken apart
EXACT = {operator.add, operator.sub, operator.mul, operator.neg}


def on_scalars(program: Program) -> Program:
    """The program with its small arrays taken apart by `tolist`, and sums of single entries put together at once."""
    inputs = list(lines_in(program.inputs))
    if any(is_narrow(x) for line in (*program.lines, *inputs) for x in (line, *line.args)):
        return program
    floats: set[Line] = set()
    lines = as_floats(entries_together(program.lines, program.outputs), floats)
    outputs = tree_map(lambda x: number(x, floats, lines), program.outputs)
    return Program(program.inputs, needed(lines, outputs), outputs)


def is_narrow(x: Any) -> bool:
    """Whether float64 and Python's floats are not the same beside it."""
    value = x.value if isinstance(x, Line) else x
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f" and value.dtype != np.float64


def entries_together(lines: list[Line], outputs: Tree) -> list[Line]:
    """The cotangent of x from those of x[0] and x[1]: the sum of vectors with one entry each, as one array of numbers.

    Where a vector has no entry the sum adds 0.0, which makes 0.0 of -0.0 and changes nothing else.
    """
    reads: dict[Line, int] = {}
    for x in (*(x for line in lines for x in line.operands()), *lines_in(outputs)):
        reads[x] = reads.get(x, 0) + 1

    entries: dict[Line, list[list[Any]]] = {}  # of sums of vectors with one entry: for each entry the numbers that are added up in it; [] is 0.0
    inner: set[Line] = set()
    for line in lines:
        if line.func is scatter and isinstance(i := line.args[1], (int, np.integer)) and len(shape := line.args[2]) == 1 and shape[0] <= FEW:
            entries[line] = [[line.args[0]] if k == i % shape[0] else [] for k in range(shape[0])]
        elif line.func is operator.add and all(x in entries and reads[x] == 1 for x in line.args):
            left, right = (entries[x] for x in line.args)
            if len(left) == len(right) and all(len(a) + len(b) <= 1 for a, b in zip(left, right, strict=True)):
                entries[line] = [a + b for a, b in zip(left, right, strict=True)]
                inner.update(line.args)

    found: list[Line] = []
    for line in lines:
        if line.func is operator.add and line in entries and line not in inner:
            ends = [Line(operator.add, (numbers[0], 0.0), {}, np.float64(0.0)) if numbers else 0.0 for numbers in entries[line]]
            found += [x for x in ends if isinstance(x, Line)]
            line.func, line.args, line.kwargs = pile, (0, *ends), {}
        found.append(line)
    return found


def as_floats(lines: list[Line], floats: set[Line]) -> list[Line]:
    """Entries of small arrays as Python's floats, and what is computed of them: they are added to `floats`."""
    taken: dict[Line, int] = {}
    for line in lines:
        if is_entry(line):
            taken[line.args[0]] = taken.get(line.args[0], 0) + 1
    lists: dict[Line, Line] = {}
    found: list[Line] = []
    for line in lines:
        if is_entry(line) and taken[line.args[0]] > 1:
            array = line.args[0]
            if array not in lists:
                lists[array] = Line(np.ndarray.tolist, (array,), {}, array.value.tolist())
                found.append(lists[array])
            index = line.args[1]
            line.args = (lists[array], index[0] if isinstance(index, tuple) else index)
            floats.add(line)
        elif line.func in EXACT and all(x in floats if isinstance(x, Line) and type(x.value) is np.float64 else is_float(x) for x in line.args):
            if type(line.value) is np.float64:
                floats.add(line)
        elif not takes_floats(line):
            line.args = tuple(tree_map(lambda x: number(x, floats, found), line.args))
        found.append(line)
    return found


def is_entry(line: Line) -> bool:
    """x[i], of a vector of a few numbers."""
    if line.func is not operator.getitem or not isinstance(line.args[0], Line) or type(line.value) is not np.float64:
        return False
    array, index = line.args
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    return isinstance(array.value, np.ndarray) and array.value.ndim == 1 and array.value.size <= FEW and type(index) is int


def is_float(x: Any) -> bool:
    return type(x.value if isinstance(x, Line) else x) in (float, int)


def takes_floats(line: Line) -> bool:
    """Whether a line gives the same with Python's floats: it puts them into an array, or computes with NumPy's arrays and functions."""
    if line.func in EXACT or line.func in (pile, scatter, assign):
        return True
    return isinstance(line.func, np.ufunc) and line.func.nin == 1


def number(x: Any, floats: set[Line], lines: list[Line]) -> Any:
    """NumPy's number of a float that stands for one, as one more line."""
    if not (isinstance(x, Line) and x in floats):
        return x
    line = Line(np.float64, (x,), {}, np.float64(x.value))
    lines.append(line)
    return line
