"""Every line of the table of rules, by the dot test and by comparison with NumPy and autograd. Statement: S10"""

import numpy as np
import pytest
import scipy.special as sp
from autograd import make_vjp as autograd_vjp
from autograd import numpy as anp
from autograd.scipy import special as asp

from refnode.autodiff.formulas.special import SPECIAL
from refnode.autodiff.lowerings import CANONICAL, LOWERED
from refnode.autodiff.messages import name_of
from refnode.autodiff.rules import ELEMENTWISE, RULES
from refnode.autodiff.transforms import differentiable, pullback
from refnode.tree import leaves, rebuild, tree_map
from tests.autodiff.examples import EXAMPLES, SPECIAL_EXAMPLES, Static

EPS = float(np.finfo(float).eps)
CASES = [pytest.param(function, call, id=f"{name_of(function)}-{i}") for function, calls in EXAMPLES.items() for i, call in enumerate(calls)]


def test_every_rule_has_an_example():
    known = [*ELEMENTWISE, *RULES, *LOWERED, *CANONICAL]
    assert [name_of(function) for function in known if function not in EXAMPLES] == []
    assert set(SPECIAL) == set(SPECIAL_EXAMPLES)


def as_function(function, call):
    """The call as a function of its float arguments alone, and those arguments."""
    function = call.as_used or function

    def is_free(x):
        return isinstance(x, (float, np.ndarray)) and np.asarray(x).dtype.kind == "f"

    free = [x for x in leaves(list(call.args)) if is_free(x)]
    assert free

    def f(*values):
        values = iter(values)
        args = tree_map(lambda x: x.x if isinstance(x, Static) else next(values) if is_free(x) else x, list(call.args))
        return function(*args, **call.kwargs)

    return f, free


def floats(value):
    return [np.asarray(leaf, float) for leaf in leaves(value)]


def inner(a, b):
    return sum(float(np.sum(x * y)) for x, y in zip(a, b, strict=True))


def check_dot(f, args, seed=0):
    """<g, J v> = <J^T g, v>, J v by central differences of fourth order.

    Three step sizes: the spread of the three results bounds their truncation error, and rounding adds EPS |<g, f>| / h. The tolerance is
    their sum, with a factor for safety; it must itself be small, or the test would say nothing.
    """
    rng = np.random.default_rng(seed)
    value, back = pullback(f, *args)
    g = [rng.standard_normal(x.shape) for x in floats(value)]
    v = [rng.standard_normal(np.shape(x)) for x in args]
    g_tree = rebuild(value, iter(g))
    pulled = back(g_tree)

    def along(h):
        return inner(g, floats(f(*[x + h * d for x, d in zip(args, v, strict=True)])))

    steps = (4e-3, 2e-3, 1e-3)
    found = [(8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h) for h in steps]
    size = inner([abs(x) for x in g], [abs(x) for x in floats(value)])
    scale = max(inner([abs(x) for x in floats(pulled)], [abs(x) for x in v]), 1.0)
    tolerance = abs(found[2] - found[1]) + 30 * EPS * size / steps[2] + 1e-11 * scale
    assert tolerance < 1e-5 * (scale + size), "the differences are too noisy to judge"
    assert abs(found[2] - inner(floats(pulled), v)) <= tolerance
    return value, back, g_tree


@pytest.mark.parametrize(("function", "call"), CASES)
def test_derivative(function, call):
    """The dot test, linearity in g, and the same bits as NumPy."""
    f, args = as_function(function, call)
    value, back, g = check_dot(f, args)
    expected = f(*args)
    assert len(leaves(value)) == len(leaves(expected))
    for x, y in zip(leaves(value), leaves(expected), strict=True):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(x, y, strict=True)
    other = tree_map(lambda x: np.random.default_rng(1).standard_normal(np.shape(x)), value)
    combined = back(tree_map(lambda a, b: 2 * a - 3 * b, g, other))
    for c, a, b in zip(combined, back(g), back(other), strict=True):
        np.testing.assert_allclose(c, 2 * a - 3 * b, rtol=1e-10, atol=1e-11 * (1 + np.max(np.abs(a), initial=0) + np.max(np.abs(b), initial=0)))


@pytest.mark.parametrize(("function", "call"), CASES)
def test_second_derivative(function, call):
    """Rules use only functions that have rules: the dot test of the pullback itself."""
    f, args = as_function(function, call)
    g = [np.random.default_rng(2).standard_normal(x.shape) for x in floats(f(*args))]

    def pulled(*both):
        value, back = pullback(f, *both[len(g):])
        return back(rebuild(value, iter(both)))

    check_dot(pulled, [*g, *args], seed=3)


@pytest.mark.parametrize(("function", "call"), CASES)
def test_float32(function, call):
    """float32 in, float32 out, in the value as NumPy has it and in each cotangent on its way."""
    f, args = as_function(function, call)
    args = [x.astype(np.float32) if isinstance(x, np.ndarray) else x for x in args]
    seen = []

    @lambda identity: differentiable(identity, lambda x: (x, lambda g: (seen.append(g.dtype), (g,))[1]))
    def watched(x):
        return x

    value, back = pullback(lambda *xs: f(*(watched(x * 1) if isinstance(a, np.ndarray) else x for x, a in zip(xs, args, strict=True))), *args)
    expected = f(*[x * 1 for x in args])
    for x, y in zip(leaves(value), leaves(expected), strict=True):
        np.testing.assert_array_equal(x, y, strict=True)
    found = back(value)
    assert all(x.dtype == np.float32 for x, a in zip(found, args, strict=True) if isinstance(a, np.ndarray))
    if all(np.asarray(y).dtype == np.float32 for y in leaves(expected)):
        assert set(seen) <= {np.dtype(np.float32)}


AUTOGRAD_DIFFERS = {np.linalg.cholesky, np.dstack, np.block}  # it spreads the cotangent over both triangles; it loses the other two


def in_autograd(function):
    if function in AUTOGRAD_DIFFERS:
        return None
    name = getattr(function, "__name__", "")
    for ours, theirs in ((np, anp), (np.linalg, anp.linalg), (sp, asp)):
        if getattr(ours, name, None) is function and hasattr(theirs, name):
            return getattr(theirs, name)
    return None


@pytest.mark.parametrize(("function", "call"), [case for case in CASES if in_autograd(case.values[0]) and case.values[1].as_used is None])
def test_agreement_with_autograd(function, call):
    theirs = in_autograd(function)
    f, args = as_function(function, call)
    same, _ = as_function(theirs, call)
    value, back = pullback(f, *args)
    try:
        parts = [autograd_vjp(lambda x, i=i: same(*[x if j == i else a for j, a in enumerate(args)]))(args[i]) for i in range(len(args))]
        g = tree_map(lambda x: np.random.default_rng(4).standard_normal(np.shape(x)), value)
        expected = [vjp(g if isinstance(g, np.ndarray) else float(g)) for vjp, _ in parts]
    except Exception as error:  # autograd does not have this case, or has it wrong
        pytest.skip(f"autograd: {type(error).__name__}")
    if any(np.shape(other) != np.shape(x) or np.any(np.isnan(other)) for x, other in zip(args, expected, strict=True)):
        pytest.skip("autograd's result has a wrong shape, or NaN at a singular point")
    for ours, other in zip(back(g), expected, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-10, atol=1e-11)
