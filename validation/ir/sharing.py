"""From terms to a program: every shared subexpression is written once, in "let"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .dynamics import NARY, Dynamics, Expression
from .terms import Term

LEAVES = ("constant", "z", "theta", "t")
DEPTH = 16  # deeper expressions are cut by "let" as well: readers recurse, and Python's own parser takes at most 200 nested parentheses


def written(dim: int, params: int, components: Sequence[Term]) -> Dynamics:
    """The Dynamics with these right-hand sides, (D,). Operations that occur more than once, or deeper than DEPTH, become entries of "let".

    Equal subexpressions are found by value numbering: an operation's number belongs to its head and its operands' numbers.
    """
    nodes, outputs = _numbered(components)
    uses = [0] * len(nodes)
    for _, operands in nodes:
        for k in operands:
            uses[k] += 1
    for k in outputs:
        uses[k] += 1
    let: list[Expression] = []
    written: list[Expression] = []  # one for each node: in full, or the reference to its entry of let
    depths: list[int] = []
    for k, (head, operands) in enumerate(nodes):
        parts = [written[i] for i in operands]
        e = _expression(head, parts)
        depth = max((depths[i] + (j > 0 or not _continues(head[0], parts)) for j, i in enumerate(operands)), default=0)
        if head[0] not in LEAVES and (uses[k] > 1 or depth >= DEPTH):
            let.append(e)
            e, depth = ("let", len(let) - 1), 0
        written.append(e)
        depths.append(depth)
    return Dynamics(dim, params, tuple(let), tuple(written[k] for k in outputs))


def _expression(head: tuple, operands: list[Expression]) -> Expression:
    name, *rest = head
    if name == "constant":
        return rest[0]
    if _continues(name, operands[:1]):
        return (*operands[0], *operands[1:])
    return (name, *operands, *rest)


def _continues(name: str, operands: list[Expression]) -> bool:
    """Whether this is (a + b) + c or (a * b) * c, which is a + b + c or a * b * c in the order of evaluation."""
    return name in NARY and isinstance(operands[0], tuple) and operands[0][0] == name


def _numbered(components: Sequence[Term]) -> tuple[list[tuple[tuple, tuple[int, ...]]], list[int]]:
    """The different operations below the components, operands first, each as (head and data, numbers of its operands)."""
    numbers: dict[Any, int] = {}
    known: dict[int, int] = {}  # by identity of the term, all of which live as long as components do
    for node in _operands_first(components):
        operands = tuple(known[id(x)] for x in node.operands if isinstance(x, Term))
        head = (node.head, *(x for x in node.operands if not isinstance(x, Term)))
        known[id(node)] = numbers.setdefault((head, operands), len(numbers))
    return list(numbers), [known[id(x)] for x in components]


def _operands_first(components: Sequence[Term]) -> Iterator[Term]:
    """Every term below the components once. Without recursion: a chain of terms may be longer than Python's stack."""
    seen, stack = set(), [(x, False) for x in reversed(components)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in reversed(node.operands) if isinstance(x, Term))
