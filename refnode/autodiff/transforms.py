"""pullback, and what follows from it: grad, value_and_grad, jvp, jacobian, hvp.

All of reverse mode is `pullback` and `sweep`. Everything else calls pullback, and since the rules are traced like any other NumPy code,
each of these functions can be applied to the result of another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from refnode.autodiff.arguments import as_output, checked_cotangent, chosen_arguments, finished_cotangent, handed_out, is_differentiable, promoted
from refnode.autodiff.debug import check_contributions
from refnode.autodiff.formulas.primitives import cast, sum_to
from refnode.autodiff.messages import explained
from refnode.autodiff.nodes import Level, Node
from refnode.autodiff.rules import ELEMENTWISE, RULES
from refnode.autodiff.stage import called, is_staged
from refnode.autodiff.surface import plain
from refnode.autodiff.trace import Traced, innermost, lifted, snapshot
from refnode.errors import TraceError
from refnode.tree import Raveler, Tree, is_container, leaves, rebuild, tree_map


def pullback(f: Callable[..., Any], *args: Tree, argnums: Any = None, like: Tree = None) -> tuple[Tree, Callable[[Tree], tuple[Any, ...]]]:
    """f(*args) and the function that carries a cotangent of the value back to the arguments.

        value, back = pullback(f, *args);   back(g) = (g^T df/dargs[0], g^T df/dargs[1], ...)

    args are trees; each floating-point leaf is differentiated. Leaves that are int, bool, str, None, callable, or integer or boolean arrays
    are static: f receives them as they are, and their place in the cotangent holds None. g has the structure and shapes of
    the value; back returns a tuple with one cotangent tree per argument, always a tuple, each leaf with its argument's shape and dtype.
    It can be called any number of times.

    argnums: the arguments to differentiate (default: all); the others hold None.
    like: a tree of arrays; the value is brought to its structure (a list of numbers is an array where `like` has one) and shapes.

    A function that has an attribute `f.pullback`, itself (*args) -> (value, back), is not traced: its own pullback is used.
    Raises TraceError for idioms that cannot be differentiated. Paper: the vector-Jacobian products of Algorithm 1. Statement: S10
    """
    own = getattr(f, "pullback", None)
    if own is not None:
        value, own_back = called(own, args, {}) if is_staged(args) else own(*args)
        if like is None or _has_form(value, like):
            return value, lambda g: tuple(own_back(g))
        conformed, unform = pullback(lambda value: conform(value, like), value)
        return conformed, lambda g: tuple(own_back(unform(g)[0]))
    level = Level()
    inputs: list[tuple[Any, Node | None]] = []

    def traced(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray) and leaf.dtype == object and any(isinstance(x, Traced) for x in leaf.flat):
            leaf = lifted(leaf)
        node = Node(leaf := snapshot(leaf), level) if is_differentiable(leaf) else None
        inputs.append((leaf, node))
        return leaf if node is None else Traced(node, False)

    chosen = range(len(args)) if argnums is None else chosen_arguments(args, argnums)
    try:
        output = f(*(tree_map(traced, arg) if i in chosen else arg for i, arg in enumerate(args)))
        output = tree_map(as_output, output) if like is None else conform(output, like)
        value = tree_map(lambda leaf: handed_out(leaf.node.value) if _belongs(leaf, level) else leaf, output)
        roots = [leaf.node if _belongs(leaf, level) else None for leaf in leaves(output)]
    except TraceError:
        raise
    except Exception as error:
        because = explained(error)
        if because is error:
            raise
        raise because from None
    finally:
        level.alive = False

    def back(g: Tree) -> tuple[Any, ...]:
        cotangents: dict[Node, Any] = {}
        for root, gi in zip(roots, leaves(checked_cotangent(g, value)), strict=True):
            if root is not None:
                cotangents[root] = cotangents[root] + gi if root in cotangents else gi
        sweep(cotangents)
        found = iter(None if node is None else finished_cotangent(cotangents.get(node), leaf) for leaf, node in inputs)
        return tuple(rebuild(arg, found) if i in chosen else None for i, arg in enumerate(args))

    return value, back


def sweep(cotangents: dict[Node, Any]) -> None:
    """The reverse pass: cotangents of output nodes are carried to all nodes without parents, in the same dictionary.

    A node is processed when all nodes that used it have been: first the uses are counted, then the references are followed.
    """
    uses: dict[Node, int] = dict.fromkeys(cotangents, 0)
    pending = list(cotangents)
    while pending:
        for _, parent in pending.pop().parents:
            if parent in uses:
                uses[parent] += 1
            else:
                uses[parent] = 1
                pending.append(parent)
    ready = [node for node in cotangents if uses[node] == 0]
    while ready:
        node = ready.pop()
        if not node.parents:
            continue
        g = cotangents.pop(node, None)
        contributions = _contributions(node, g) if g is not None else [None] * len(node.parents)
        if node.level.watched and node.back is None and g is not None:
            check_contributions(node, g, contributions)
        for (_, parent), contribution in zip(node.parents, contributions):  # noqa: B905 (as many, and strict costs a tenth of the sweep)
            if contribution is not None:
                cotangents[parent] = cotangents[parent] + contribution if parent in cotangents else contribution
            uses[parent] -= 1
            if uses[parent] == 0:
                ready.append(parent)


def _contributions(node: Node, g: Any) -> list[Any]:
    """The cotangents of a node's parents, by the rule of the node's function; None where the derivative is zero."""
    if node.back is not None:
        return node.back(g)
    func, y, args, kwargs, parents = node.func, node.value, node.args, node.kwargs, node.parents
    elementwise = ELEMENTWISE.get(func)
    if elementwise is not None:
        return [None if (vjp := elementwise[position]) is None else sum_to(vjp(g, y, *args, **kwargs), getattr(parent.value, "shape", ()))
                for position, parent in parents]
    rule = RULES[func]
    if callable(rule):
        return [rule(position, g, y, *args, **kwargs) for position, _ in parents]
    return [None if (vjp := rule[position]) is None else vjp(g, y, *args, **kwargs) for position, _ in parents]


def grad(f: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """The gradient of a function with one real value: grad(f)(*args) is df/dargs[argnums], a tree like the argument.

    argnums: an int gives one tree, a tuple of ints a tuple of trees. Integers in the arguments named by argnums are promoted to float64.
    """
    both = value_and_grad(f, argnums)

    def gradient(*args: Any) -> Any:
        return both(*args)[1]

    return gradient


def value_and_grad(f: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Like `grad`, returning (value, gradient). With has_aux f returns (value, aux), and ((value, aux), gradient) is returned."""

    def both(*args: Any) -> tuple[Any, Any]:
        args = promoted(args, argnums)
        aux = []

        def value_only(*traced_args: Any) -> Any:
            if not has_aux:
                return f(*traced_args)
            value, extra = f(*traced_args)
            aux.append(tree_map(plain, extra))
            return value

        value, back = pullback(f if not has_aux else value_only, *args, argnums=argnums)
        if value is None:
            raise TypeError("grad needs a function with one real value, but it returned None; is its return statement missing?")
        if is_container(value) or np.size(plain(value)) != 1:
            shape = f"{len(value)} entries" if is_container(value) else f"shape {np.shape(plain(value))}"
            raise TypeError(f"grad needs a function with one real value, but it returned {shape}; sum it to a loss, or use jacobian or pullback.")
        cotangents = back(np.ones(np.shape(plain(value)), getattr(value, "dtype", np.float64)))
        gradient = cotangents[argnums] if isinstance(argnums, int) else tuple(cotangents[i] for i in argnums)
        return ((value, aux[0]) if has_aux else value), gradient

    return both


def jvp(f: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """f(*primals) and its directional derivative along `tangents`, trees like the primals (None at static leaves).

    back is linear in its cotangent, so that its own pullback is the Jacobian times a vector. This costs two pullbacks: about three times
    what a forward mode would.
    """
    _check_tuples("jvp(f, primals, tangents)", primals, tangents)
    value, back = pullback(f, *primals)
    zero = tree_map(lambda leaf: np.zeros(np.shape(plain(leaf)), getattr(leaf, "dtype", np.float64)), value)
    _, back_of_back = pullback(back, zero)
    return value, back_of_back(tuple(tangents))[0]


def jacobian(f: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """jacobian(f)(*args): for each leaf of the argument an array of shape value.shape + leaf.shape. One pullback, one sweep per entry of f."""

    def rows(*args: Any) -> Any:
        args = promoted(args, argnums)
        value, back = pullback(f, *args, argnums=argnums)
        if is_container(value):
            raise TypeError("jacobian needs a function that returns one array; concatenate the outputs.")
        shape = np.shape(plain(value))
        basis = np.eye(int(np.prod(shape)), dtype=getattr(value, "dtype", np.float64)).reshape(-1, *shape)
        found = [back(e) for e in basis]
        whole = [tree_map(lambda *g: np.reshape(np.stack(g), shape + g[0].shape), *(row[i] for row in found)) if found else None
                 for i in ((argnums,) if isinstance(argnums, int) else argnums)]
        return whole[0] if isinstance(argnums, int) else tuple(whole)

    return rows


def hvp(f: Callable[..., Any], args: tuple[Any, ...], vectors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hessian-vector products of a function with one real value: (sum_j d2f/dargs[i]dargs[j] vectors[j]) for each argument i. Statement: S21"""
    _check_tuples("hvp(f, args, vectors)", args, vectors)
    args = promoted(args, tuple(range(len(args))))
    gradient = grad(f, tuple(range(len(args))))
    _, back = pullback(gradient, *args)
    return back(tuple(vectors))  # the Hessian is symmetric


def _check_tuples(call: str, args: Any, directions: Any) -> None:
    if not (isinstance(args, (tuple, list)) and isinstance(directions, (tuple, list)) and len(args) == len(directions)):
        raise TypeError(f"{call} takes two tuples of the same length, with one entry for each argument of f, also where there is only one: (x,).")


def differentiable(f: Callable[..., Any], own_pullback: Callable[..., Any]) -> Callable[..., Any]:
    """f with its own pullback, used wherever it is called with traced arguments, inside other functions too.

    (A mere attribute f.pullback is used where f itself is differentiated or solved; a call inside another function would be traced.)

        own_pullback(*args, **kwargs) -> (value, back),  back(g) -> one cotangent tree per positional argument

    Both in traceable NumPy. A call with traced arguments strips the innermost level among them and uses own_pullback on what is below.
    """

    def intercepted(*args: Any, **kwargs: Any) -> Any:
        args = tree_map(lifted, args)
        operands = leaves(args)
        if not any(isinstance(x, Traced) for x in operands):
            return f(*args, **kwargs)
        level = innermost(operands)
        if level.stages:
            return called(intercepted, args, kwargs)
        below = tree_map(lambda x: x.node.value if _belongs(x, level) else x, args)
        value, back = called(own_pullback, below, kwargs) if is_staged(below) else own_pullback(*below, **kwargs)
        parents = tuple((i, x.node) for i, x in enumerate(operands) if _belongs(x, level))

        def carried(g: Tree) -> list[Any]:
            found = [c for arg, cotangent in zip(args, back(g), strict=True) for c in _padded(arg, cotangent)]
            return [found[i] for i, _ in parents]

        if isinstance(value, (np.ndarray, Traced)):
            return Traced(Node(value, level, parents=parents, back=lambda g: carried(g if g.dtype == value.dtype else cast(g, value.dtype))), True)
        way = Raveler(tree_map(plain, value))
        flat = Node(_flat(value), level, parents=parents, back=lambda g: carried(_split(g, value, way)))
        return _split(Traced(flat, True), value, way)

    functools.update_wrapper(intercepted, f)
    intercepted.pullback = own_pullback  # type: ignore[attr-defined]
    return intercepted


def conform(output: Tree, like: Tree) -> Tree:
    """What f returned, traced or not, in the state's structure, shapes and dtypes; a list of numbers is an array where `like` has one."""
    if is_container(like):
        try:
            return tree_map(lambda model, x: conform(x, model), like, output)
        except ValueError as error:
            raise ValueError(f"f must return the structure of the state: {error}") from None
    if is_container(output):
        output = np.array(output, dtype=object)
    if output is None:
        raise TypeError(f"f returned None; it must return an array of the state's shape {np.shape(plain(like))}.")
    output = as_output(output)
    shape, dtype = np.shape(plain(like)), getattr(plain(like), "dtype", np.dtype(np.float64))
    if np.shape(plain(output)) != shape:
        raise ValueError(f"f returned shape {np.shape(plain(output))} where the state has shape {shape}; nothing is broadcast.")
    if not isinstance(output, Traced):
        return np.asarray(output, dtype)
    return output if output.dtype == dtype else cast(output, dtype)


def _has_form(x: Tree, like: Tree) -> bool:
    """Whether x is what `conform` would make of it."""
    if type(x) is np.ndarray and type(like) is np.ndarray:
        return x.shape == like.shape and x.dtype == like.dtype
    if not is_container(like):
        if like is None or is_container(x):
            return x is like
        return getattr(plain(x), "dtype", np.float64) == getattr(plain(like), "dtype", np.float64) and np.shape(plain(x)) == np.shape(plain(like))
    if isinstance(like, dict):
        return isinstance(x, dict) and x.keys() == like.keys() and all(_has_form(x[key], like[key]) for key in like)
    return is_container(x) and not isinstance(x, dict) and len(x) == len(like) and all(map(_has_form, x, like))


def _flat(tree: Tree) -> Any:
    """All leaves, one after the other, in one vector."""
    return np.concatenate([np.reshape(leaf, (-1,)) for leaf in leaves(tree)])


def _split(vector: Any, tree: Tree, way: Raveler) -> Tree:
    """The inverse of `_flat`."""
    def leaf(part: slice, shape: tuple[int, ...], dtype: Any) -> Any:
        piece = np.reshape(vector[part], shape)
        return piece if piece.dtype == dtype else cast(piece, dtype)
    return rebuild(tree, (leaf(*place) for place in zip(way.parts, way.shapes, way.dtypes, strict=True)))


def _padded(arg: Tree, cotangent: Tree) -> list[Any]:
    """One cotangent per leaf of `arg`, None where there is none."""
    if cotangent is None:
        return [None] * len(leaves(arg))
    if not is_container(arg):
        return [cotangent] if arg is not None else []
    pairs = ((arg[key], cotangent[key]) for key in arg) if isinstance(arg, dict) else zip(arg, cotangent, strict=True)
    return [c for child, its in pairs for c in _padded(child, its)]


def _belongs(x: Any, level: Level) -> bool:
    return isinstance(x, Traced) and x.node.level is level
