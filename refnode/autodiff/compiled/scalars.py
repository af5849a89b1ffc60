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
    if any(isinstance(value := line.value, (np.ndarray, np.generic)) and value.dtype.kind == "f" and value.dtype != np.float64
           for line in (*program.lines, *lines_in(program.inputs))):
        return program
    lines = as_floats(entries_together(program.lines, program.outputs), program.outputs)
    outputs = tree_map(lambda x: number(x, lines), program.outputs)
    return Program(program.inputs, needed(lines, outputs), outputs)


def entries_together(lines: list[Line], outputs: Tree) -> list[Line]:
    """The cotangent of x from those of x[0] and x[1]: the sum of vectors with one entry each, as one array of numbers.

    Where a vector has no entry the sum adds 0.0, which makes 0.0 of -0.0 and changes nothing else.
    """
    reads: dict[Line, int] = {}
    for x in (*(x for line in lines for x in line.operands()), *lines_in(outputs)):
        reads[x] = reads.get(x, 0) + 1

    def entries(line: Any, whole: bool = False) -> list[list[Any]] | None:
        """For each entry of a vector the numbers that are added up in it; [] is 0.0. None: it is no such sum."""
        if not isinstance(line, Line) or not (whole or reads[line] == 1):
            return None
        if line.func is scatter and isinstance(i := line.args[1], (int, np.integer)) and len(line.args[2]) == 1 and line.args[2][0] <= FEW:
            return [[line.args[0]] if k == i % line.args[2][0] else [] for k in range(line.args[2][0])]
        if line.func is operator.add:
            left, right = (entries(x) for x in line.args)
            if left is not None and right is not None and len(left) == len(right):
                return [a + b for a, b in zip(left, right, strict=True)]
        return None

    found: list[Line] = []
    inner = {x for line in lines if line.func is operator.add and entries(line, True) for x in line.operands()}
    for line in lines:
        parts = entries(line, True) if line.func is operator.add and line not in inner else None
        if parts is None or any(len(numbers) > 1 for numbers in parts):
            found.append(line)
            continue
        ends = []
        for numbers in parts:
            ends.append(Line(operator.add, (numbers[0], 0.0), {}, np.float64(0.0)) if numbers else 0.0)
        found += [x for x in ends if isinstance(x, Line)]
        line.func, line.args, line.kwargs = pile, (0, *ends), {}
        found.append(line)
    return found


def as_floats(lines: list[Line], outputs: Tree) -> list[Line]:
    """Entries of small arrays as Python's floats, and what is computed of them. `value` becomes a float where the line will give one."""
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
            line.args, line.value = (lists[array], index[0] if isinstance(index, tuple) else index), float(line.value)
        elif line.func in EXACT and all(is_float(x) or type(x) is int for x in line.args):
            line.value = float(line.value)
        elif not takes_floats(line):
            line.args = tuple(tree_map(lambda x: number(x, found), line.args))
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
    return type(x.value if isinstance(x, Line) else x) is float


def takes_floats(line: Line) -> bool:
    """Whether a line gives the same with Python's floats: it puts them into an array, or computes with NumPy's arrays and functions."""
    if line.func in EXACT or line.func in (pile, scatter, assign):
        return True
    return isinstance(line.func, np.ufunc) and line.func.nin == 1


def number(x: Any, lines: list[Line]) -> Any:
    """NumPy's number of a float that the program computes, as one more line."""
    if not (isinstance(x, Line) and x.func is not None and is_float(x)):
        return x
    line = Line(np.float64, (x,), {}, np.float64(x.value))
    lines.append(line)
    return line
