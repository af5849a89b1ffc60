"""Small edits of a function's source, of the kinds that people get wrong: one edit at one place makes a mutant.

    sign        a + b  <->  a - b,   -a  ->  a
    factor      a * b  <->  a / b
    term        a + b  ->  a,   a - b  ->  a      (a term is dropped)
    constant    a number n  ->  n + 1;  a fraction x  ->  1.01 x
    index       x[k]  ->  x[k + 1]  for a constant k
    compare     <  <->  <=,   >  <->  >=,   ==  <->  !=
    condition   if c  ->  if not c      (also in conditional expressions and while)
    arguments   g(a, b)  ->  g(b, a)
    statement   an assignment with an operator (x += y), or a call whose value is not used, is left out

Messages (anything inside raise, warn or an f-string), docstrings, annotations and decorators are left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

SWAPPED = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
}


@dataclass(frozen=True)
class Edit:
    """One edit: the operator's name, and the text that replaces source[start:end] (offsets into the file)."""

    operator: str
    line: int
    column: int
    start: int
    end: int
    old: str
    new: str


def functions(source: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(qualified name, node) of every function and method of a file, nested ones as part of the function around them."""

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for node in body:
            if isinstance(node, ast.FunctionDef):
                yield prefix + node.name, node
            elif isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    yield from walk(ast.parse(source).body, "")


def edits(source: str, node: ast.AST) -> list[Edit]:
    """All edits inside a node of the file, in the order of the text."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))  # ASCII: columns are characters

    def span(part: ast.AST) -> tuple[int, int]:
        return starts[part.lineno - 1] + part.col_offset, starts[part.end_lineno - 1] + part.end_col_offset  # type: ignore[attr-defined]

    def text(part: ast.AST) -> str:
        return source[slice(*span(part))]

    found: list[Edit] = []

    def add(operator: str, part: ast.AST, new: str) -> None:
        start, end = span(part)
        found.append(Edit(operator, part.lineno, part.col_offset, start, end, source[start:end], new))  # type: ignore[attr-defined]

    for part in _code(node):
        if isinstance(part, ast.BinOp):
            left = text(part.left)
            between = source[span(part.left)[1]:span(part.right)[0]]
            for kind, symbol, other, operator in (
                (ast.Add, "+", "-", "sign"),
                (ast.Sub, "-", "+", "sign"),
                (ast.Mult, "*", "/", "factor"),
                (ast.Div, "/", "*", "factor"),
            ):
                if isinstance(part.op, kind) and between.strip(" ()\n") == symbol:
                    whole = text(part)
                    at = span(part.left)[1] - span(part)[0] + between.index(symbol)
                    add(operator, part, whole[:at] + other + whole[at + 1:])
                    if operator == "sign" and between.strip() == symbol:
                        add("term", part, left)
        elif isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub) and not isinstance(part.operand, ast.Constant):
            add("sign", part, text(part.operand))
        elif isinstance(part, ast.Constant) and type(part.value) is int:
            add("constant", part, str(part.value + 1))
        elif isinstance(part, ast.Constant) and type(part.value) is float:
            add("constant", part, repr(1.01 * part.value) if part.value else "0.01")
        elif isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant) and type(part.slice.value) is int:
            add("index", part.slice, str(part.slice.value + 1))
        elif isinstance(part, ast.Compare) and len(part.ops) == 1 and type(part.ops[0]) in SWAPPED:
            left, right = (f"({text(x)})" if isinstance(x, ast.NamedExpr) else text(x) for x in (part.left, part.comparators[0]))
            add("compare", part, f"{left} {SWAPPED[type(part.ops[0])]} {right}")
        elif isinstance(part, ast.If | ast.IfExp | ast.While):
            add("condition", part.test, f"(not ({text(part.test)}))")
        elif isinstance(part, ast.Call) and len(part.args) >= 2 and not any(isinstance(a, ast.Starred) for a in part.args[:2]):
            first, second = part.args[:2]
            if text(first) != text(second):
                whole, base = text(part), span(part)[0]
                (a, b), (c, d) = span(first), span(second)
                add("arguments", part, whole[:a - base] + text(second) + whole[b - base:c - base] + text(first) + whole[d - base:])
        elif isinstance(part, ast.AugAssign) or (isinstance(part, ast.Expr) and isinstance(part.value, ast.Call)):
            add("statement", part, "pass")
    return sorted(found, key=lambda edit: (edit.start, edit.end, edit.operator, edit.new))


def applied(source: str, edit: Edit) -> str:
    """The source with the edit made."""
    if source[edit.start:edit.end] != edit.old:
        raise ValueError(f"line {edit.line} no longer reads {edit.old!r}: draw the mutants again")
    return source[:edit.start] + edit.new + source[edit.end:]


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below, without messages, docstrings, annotations and decorators."""
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.Raise | ast.JoinedStr) or not isinstance(child, ast.AST):
                continue
            if isinstance(child, ast.Expr) and (isinstance(child.value, ast.Constant) or "warn" in ast.unparse(child.value)):
                continue
            yield child
            yield from _code(child)
