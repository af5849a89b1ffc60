"""pullback, grad, jvp, jacobian, hvp: nesting, trees, arguments, failures, memory. check_grads: catches and declines."""

import collections
import contextlib
import gc
import operator
import re
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnode.autodiff.check import check_grads
from refnode.autodiff.rules import ELEMENTWISE, RULES
from refnode.autodiff.trace import Traced
from refnode.autodiff.transforms import differentiable, grad, hvp, jacobian, jvp, pullback, value_and_grad
from refnode.errors import TraceError

X = np.array([0.3, -1.2, 0.8])
M = np.array([[1.0, 0.4, -0.3], [0.2, 1.5, 0.1], [-0.6, 0.3, 0.9]])


# ------------------------------------------------------------------------------------------------------ singular points

@pytest.mark.parametrize(("f", "x", "expected"), [
    (np.max, [1.0, 1.0, 0.0], [0.5, 0.5, 0.0]), (np.min, [2.0, 1.0, 1.0], [0.0, 0.5, 0.5]), (lambda x: np.maximum(x, 1.0), 1.0, 0.5),
    (lambda x: np.clip(x, 0.0, 1.0), 1.0, 0.5), (np.abs, 0.0, 0.0), (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.linalg.norm(x) ** 2, [0.0, 0.0], [0.0, 0.0]),
    (lambda x: np.hypot(x, 0.0), 0.0, 0.0), (lambda x: np.arctan2(x, 0.0), 0.0, 0.0), (np.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
    (np.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
    (lambda x: x**2, 0.0, 0.0), (lambda x: x**2.5, 0.0, 0.0), (lambda x: x**1, 0.0, 1.0), (lambda x: x**0, 0.0, 0.0),
    (lambda p: np.power(0.0, p), 2.0, 0.0),
    (lambda x: np.sum(x ** np.array([0.0, 1.0, 2.0])), [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]), (np.logaddexp.reduce, [1000.0, 0.0], [1.0, 0.0]),
    (lambda x: np.where(x > 0, np.sqrt(np.where(x > 0, x, 1.0)), 0.0).sum(), [0.0, 4.0], [0.0, 0.25]),
    (lambda x: np.fmax(x, 1.0).sum(), [np.nan, 2.0], [0.0, 1.0]),
    (grad(np.sinc), 0.0, -np.pi**2 / 3), (grad(grad(grad(np.sinc))), 0.0, np.pi**4 / 5),
    (lambda x: np.nan_to_num(x).sum(), [np.nan, 2.0], [0.0, 1.0]),
])
def test_conventions_at_singular_points(f, x, expected):
    """As the docstring of rules.py has them."""
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(grad(f)(np.array(x) if isinstance(x, list) else x), expected, rtol=1e-14, atol=0)


# -------------------------------------------------------------------------------------------------------------- nesting

def test_no_perturbation_confusion():
    """d/dx [x d/dy (x + y)] = d/dx [x] = 1: the inner derivative must not see the outer x (Siskind and Pearlmutter 2005)."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(3.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert grad(lambda x: grad(lambda y: x * y * y)(x))(3.0) == 12.0  # d/dx 2 x^2
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6.0


def test_three_levels():
    """d3/dx3 of x^5 is 60 x^2, by nesting on one variable and on three."""
    assert grad(grad(grad(lambda x: x**5)))(2.0) == 240.0
    value = grad(lambda x: grad(lambda y: grad(lambda w: w**2 * y**3 * x**2)(y))(x))(2.0)
    assert value == 40 * 2.0**4  # d/dw at w = y: 2 y^4 x^2; d/dy at y = x: 8 x^5; d/dx: 40 x^4


def test_mixed_derivatives():
    """d2/dxdy sin(x y) = cos(xy) - xy sin(xy), in both orders."""
    def f(x, y):
        return np.sin(x * y)
    expected = np.cos(0.6) - 0.6 * np.sin(0.6)
    assert grad(lambda x: grad(f, 1)(x, 0.2))(3.0) == pytest.approx(expected, rel=1e-14)
    assert grad(lambda y: grad(f, 0)(3.0, y))(0.2) == pytest.approx(expected, rel=1e-14)


def test_pullback_of_back():
    """back is linear in its cotangent: its own pullback is J, and its derivative in the point is the second derivative."""
    _, back = pullback(lambda x: np.sin(x) * x[0], X)
    J = jacobian(lambda x: np.sin(x) * x[0])(X)
    _, forth = pullback(back, np.zeros(3))
    for v in np.eye(3):
        np.testing.assert_allclose(forth((v,))[0], J @ v, rtol=1e-15)


def test_pullback_inside_the_function_used_outside():
    """A back made under an outer level can be called there, several times."""
    def f(x):
        back = pullback(lambda y: np.sum(y * y * x), x)[1]
        return np.sum(back(1.0)[0] + back(2.0)[0])  # 3 * 2 x^2
    np.testing.assert_allclose(grad(f)(X), 12 * X, rtol=1e-14)


# ---------------------------------------------------------------------------------------------------------------- trees

Point = collections.namedtuple("Point", "x y")


def test_trees():
    tree = {"a": [X, (2.0, None)], "p": Point(np.float32(3.0), M), "static": (4, True, "name", np.arange(3), np.sin)}

    def f(tree, scale):
        assert tree["static"][0] == 4
        assert tree["static"][4] is np.sin
        return {"out": (np.sum(tree["a"][0] * tree["p"].y, axis=1) * tree["a"][1][0], tree["p"].x * scale), "n": tree["static"][3]}

    value, back = pullback(f, tree, 2.0)
    assert set(value) == {"out", "n"}
    g, g_scale = back({"out": (np.ones(3), 1.0), "n": np.zeros(3)})
    np.testing.assert_allclose(g["a"][0], 2 * M.sum(0))
    assert g["a"][1] == (pytest.approx(np.sum(M @ X)), None)
    assert isinstance(g["p"], Point)
    assert g["p"].x == 2.0
    assert g["p"].x.dtype == np.float32
    assert g["static"] == (None,) * 5
    assert g_scale == 3.0


def test_the_value_is_plain():
    value, _ = pullback(lambda x: [x, x[0], 2.0, np.float32(1.0)], X)
    assert [type(v) for v in value] == [np.ndarray, np.float64, float, np.float32]


def test_unused_arguments_get_exact_zeros():
    back = pullback(lambda a, b, c: a * 2, X, M, 1.0)[1]
    _, gb, gc_ = back(np.ones(3))
    np.testing.assert_array_equal(gb, np.zeros((3, 3)), strict=True)
    assert gc_ == 0.0
    np.testing.assert_array_equal(grad(lambda x: 1.0)(X), np.zeros(3))
    np.testing.assert_array_equal(grad(lambda x: np.floor(x).sum())(X), np.zeros(3))


@pytest.mark.parametrize(("argnums", "expected"), [(0, 2.0), (1, 6.0), (-1, 6.0), ((0, 1), (2.0, 6.0)), ((1, 0), (6.0, 2.0)), ((-1,), (6.0,)),
                                                  ((), ())])
def test_argnums(argnums, expected):
    assert grad(lambda a, b: 2 * a + b * b, argnums)(1.0, 3.0) == expected


@pytest.mark.parametrize("argnums", [2, -3, (0, 2), "a", 1.0])
def test_wrong_argnums(argnums):
    for transform in (grad, jacobian, lambda f, argnums: lambda *args: pullback(f, *args, argnums=argnums)):
        with pytest.raises((ValueError, TypeError)):
            transform(lambda a, b: a + b, argnums)(1.0, 2.0)


def test_value_and_grad_with_aux():
    (value, aux), gradient = value_and_grad(lambda x: (np.sum(x * x), {"twice": 2 * x, "name": "n"}), has_aux=True)(X)
    assert value == np.sum(X * X)
    np.testing.assert_array_equal(aux["twice"], 2 * X)
    np.testing.assert_array_equal(gradient, 2 * X)
    with pytest.raises(TypeError, match="one real value"):
        grad(lambda x: x)(X)
    with pytest.raises(TypeError, match="one real value"):
        grad(lambda x: (x, x))(X)
    with pytest.raises(TypeError, match="return statement"):
        grad(lambda x: None)(X)


def test_integers_are_promoted():
    assert grad(lambda x: x**2)(3) == 6.0
    np.testing.assert_array_equal(grad(lambda x: np.sum(x * x))(np.array([1, 2])), [2.0, 4.0])
    assert hvp(lambda x: x**3, (2,), (1.0,)) == (12.0,)


@pytest.mark.parametrize("x", [1j, np.array([1j]), np.float16(1), np.longdouble(1), np.ones(2, np.complex64), np.array([1, "a"], object),
                               np.ma.masked_array([1.0, 2.0], [True, False]), np.ones(2, object), np.asmatrix(np.eye(2))])
def test_unusual_numbers_are_refused(x):
    with pytest.raises(TypeError) as caught:
        pullback(lambda x: x * 1, x)
    assert str(caught.value).endswith(".")


def test_complex_intermediate_values_are_refused():
    with pytest.raises(TypeError, match="complex"):
        grad(lambda x: np.abs(np.sum(x * 1j)))(X)


def test_closed_forms():
    """f(x) = sin(M x): J = diag(cos Mx) M. q(x) = x.Mx / 2: gradient (M + M^T) x / 2, Hessian (M + M^T) / 2. Statement: S21"""
    J = np.cos(M @ X)[:, None] * M
    f = lambda x: np.sin(M @ x)
    np.testing.assert_allclose(jacobian(f)(X), J, rtol=1e-14)
    value, tangent = jvp(f, (X,), (np.ones(3),))
    np.testing.assert_array_equal(value, f(X))
    np.testing.assert_allclose(tangent, J.sum(1), rtol=1e-14)
    q = lambda x: 0.5 * (x @ M @ x)
    np.testing.assert_allclose(grad(q)(X), (M + M.T) @ X / 2, rtol=1e-14)
    np.testing.assert_allclose(hvp(q, (X,), (np.ones(3),))[0], ((M + M.T) / 2).sum(1), rtol=1e-14)
    np.testing.assert_allclose(jacobian(grad(q))(X), (M + M.T) / 2, rtol=1e-14)
    ja, jb = jacobian(lambda a, b: np.outer(a, b), (0, 1))(X, X[:2])
    np.testing.assert_allclose(ja, np.einsum("ik,j->ijk", np.eye(3), X[:2]))
    np.testing.assert_allclose(jb, np.einsum("i,jk->ijk", X, np.eye(2)))


def test_hvp_with_several_arguments_and_static_leaves():
    f = lambda theta, x: np.sum(theta["W"] @ x * theta["k"]) ** 2
    (h, hx) = hvp(f, ({"W": M, "k": 2}, X), ({"W": np.zeros((3, 3)), "k": None}, np.ones(3)))
    v = 2 * M.sum(0)
    np.testing.assert_allclose(hx, 2 * v * v.sum(), rtol=1e-13)
    assert h["k"] is None


def test_jvp_of_trees_with_static_leaves():
    value, tangent = jvp(lambda theta, x: theta[0] * x**theta[1], ((2.0, 3), 5.0), ((1.0, None), 0.5))
    assert (value, tangent) == (250.0, 125.0 + 0.5 * 150.0)


# ------------------------------------------------------------------------------------------------- graphs and own pullbacks

def test_diamond():
    def f(x):
        a = np.sin(x)
        b, c = a * x, a + x
        return b * c + a * b
    def df(x):
        s, k = np.sin(x), np.cos(x)
        return (k * x + s) * (s + x) + s * x * (k + 1) + 2 * s * k * x + s * s
    assert grad(f)(0.7) == pytest.approx(df(0.7), rel=1e-14)
    assert grad(lambda x: (y := x + x) * y)(3.0) == 24.0  # micrograd#2: a node used twice


def test_outputs_that_are_intermediates_of_others():
    def f(x):
        y = np.exp(x)
        w = y * y
        return y, w, w, x
    _, back = pullback(f, 0.5)
    e = np.exp(0.5)
    assert back((1.0, 10.0, 100.0, 1000.0))[0] == pytest.approx(e + 110 * 2 * e * e + 1000, rel=1e-14)


def test_back_can_be_called_again_and_accumulates_nothing():
    _, back = pullback(lambda x: np.sin(x) * x[0], X)
    first = back(np.ones(3))[0]
    np.testing.assert_array_equal(back(np.ones(3))[0], first)
    np.testing.assert_allclose(back(2 * np.ones(3))[0], 2 * first)


def test_results_may_be_changed_by_the_caller():
    """What the caller does with arguments, value, cotangent and gradient afterwards does not reach what back reads."""
    x, g = X.copy(), np.ones(3)
    value, back = pullback(lambda x: np.tanh(x) * x, x)
    expected = back(g)[0].copy()
    back(g)[0][:] = 0
    value[:] = 0
    x[:] = 0
    np.testing.assert_array_equal(back(g)[0], expected)
    same, same_back = pullback(lambda x: x, X)
    out = same_back(g)[0]
    out[:] = 5
    assert np.all(g == 1)
    assert not np.shares_memory(same, X)


def test_nested_results_may_be_changed_too():
    def f(x):
        value, back = pullback(np.tanh, x)
        expected = back(np.ones(3))[0]
        value *= 3
        return np.sum(back(np.ones(3))[0] - expected) + np.sum(value)
    np.testing.assert_allclose(grad(f)(X), 3 * (1 - np.tanh(X) ** 2), rtol=1e-14)


def test_wrong_cotangent():
    back = pullback(lambda x: (x, x[0]), X)[1]
    for g in ((np.ones(2), 1.0), (np.ones(3), np.ones(3)), (np.ones(3),), np.ones(3), {"a": 1}):
        with pytest.raises(ValueError, match=r"\.$"):
            back(g)


def test_own_pullback():
    calls = []

    def own(x, k):
        calls.append(k)
        y = np.exp(k * x)
        return y, lambda g: (g * k * y, None)

    f = differentiable(lambda x, k: np.exp(k * x), own)
    assert f(1.0, 2) == np.exp(2.0)
    assert calls == []
    assert grad(lambda x: 3 * f(x, 2))(0.5) == pytest.approx(6 * np.e, rel=1e-15)
    assert grad(grad(lambda x: f(x, 2)))(0.5) == pytest.approx(4 * np.e, rel=1e-15)
    assert grad(lambda x: x * grad(lambda y: f(x + y, 2))(0.0))(0.5) == pytest.approx(2 * np.e + 0.5 * 4 * np.e, rel=1e-14)
    value, back = pullback(f, 0.5, 2)
    assert (value, back(1.0)) == (pytest.approx(np.e), (pytest.approx(2 * np.e), None))


def test_own_pullback_of_trees():
    def own(tree, A):
        value = {"u": tree["x"] @ A, "s": tree["y"] * 2}
        return value, lambda g: ({"x": A @ g["u"], "y": 2 * g["s"], "n": None}, np.outer(tree["x"], g["u"]))

    f = differentiable(lambda tree, A: own(tree, A)[0], own)
    tree = {"x": X, "y": 0.4, "n": 3}

    def loss(f, tree, A):
        out = f(tree, A)
        return np.sum(out["u"] ** 2) * out["s"]

    ours, traced = (grad(lambda tree, A, f=f: loss(f, tree, A), (0, 1))(tree, M) for f in (f, lambda tree, A: own(tree, A)[0]))
    np.testing.assert_allclose(ours[0]["x"], traced[0]["x"], rtol=1e-14)
    np.testing.assert_allclose(ours[1], traced[1], rtol=1e-14)
    assert ours[0]["y"] == pytest.approx(traced[0]["y"])
    check_grads(lambda tree, A: loss(f, tree, A), tree, M)


# ----------------------------------------------------------------------------------------------------- failures, threads

class Mine(Exception):
    pass


@pytest.mark.parametrize("error", [Mine("x"), KeyboardInterrupt(), TypeError("my own"), ValueError("my own"), ZeroDivisionError()])
def test_exceptions_surface_unchanged_and_leave_the_engine_clean(error):
    def f(x):
        y = np.sin(x)
        grad(lambda w: np.sum(w * w))(y)
        raise error
    with pytest.raises(type(error)) as caught:
        pullback(f, X)
    assert caught.value is error
    np.testing.assert_allclose(grad(lambda x: np.sum(x**2))(X), 2 * X)


def test_exceptions_in_an_inner_function_leave_the_outer_level_alone():
    def f(x):
        with contextlib.suppress(KeyError):
            grad(lambda y: {}["missing"])(x)
        return np.sum(x * x)
    np.testing.assert_allclose(grad(f)(X), 2 * X)


def test_a_value_that_outlives_its_call_is_refused():
    kept = []

    def f(x):
        kept.append(x * 2)
        return np.sum(kept[0] * x)

    np.testing.assert_allclose(grad(f)(X), 4 * X)
    with pytest.raises(TraceError, match=r"has ended; .* \(test_transforms\.py:\d+\)"):
        grad(f)(X)
    with pytest.raises(TraceError, match="has ended"):
        f(X)
    with pytest.raises(TraceError, match="has ended"):
        pullback(lambda x: kept[0], X)


def test_threads():
    """Levels belong to the values, not to the thread or to a global stack: two threads nest at once."""
    barrier, results = threading.Barrier(2), {}

    def work(k):
        def inner(y, x):
            barrier.wait(5)
            return np.sum(np.sin(y) * x * k)

        def outer(x):
            barrier.wait(5)
            g = grad(inner)(x, x)
            barrier.wait(5)
            return np.sum(g * g)

        for _ in range(20):
            results[k] = grad(outer)(X)

    threads = [threading.Thread(target=work, args=(k,)) for k in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = 2 * (np.cos(X) * X) * (np.cos(X) - X * np.sin(X))
    np.testing.assert_allclose(results[1.0], expected, rtol=1e-13)
    np.testing.assert_allclose(results[2.0], 4 * expected, rtol=1e-13)


# ---------------------------------------------------------------------------------------------------------- size, memory

def test_a_chain_of_100_000_operations():
    """No recursion, neither in the sweep nor in the freeing; linear time."""
    n = 100_000

    def f(x):
        for _ in range(n):
            x = x * 1.00001
        return x

    start = time.perf_counter()
    value, back = pullback(f, 1.0)
    assert back(1.0)[0] == pytest.approx(1.00001**n, rel=1e-9)
    del back
    assert value == f(1.0)
    assert time.perf_counter() - start < 10  # about 0.5 s on the machine of 2026


def test_memory_is_freed_by_reference_counting():
    class Watched(np.ndarray):
        pass

    freed = []
    gc.disable()
    try:
        def f(x):
            y = np.tanh(x)
            weakref.finalize(y, freed.append, "handle")
            weakref.finalize(y.node.value, freed.append, "value")
            unused = np.exp(x)
            weakref.finalize(unused.node.value, freed.append, "unused")
            del unused
            assert freed == ["unused"]
            return np.sum(y * y)
        back = pullback(f, X)[1]
        assert freed == ["unused", "handle"]
        back(1.0)
        back(1.0)
        del back
        assert freed == ["unused", "handle", "value"]
        grad(grad(lambda x: x**3))(2.0)
        with pytest.raises(Mine):
            pullback(lambda x: (_ for _ in ()).throw(Mine()), X)
    finally:
        gc.enable()


def test_memory_does_not_grow():
    big = np.ones(100_000)
    grad(lambda x: np.sum(np.sin(x) * x))(big)
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(5):
            grad(lambda x: np.sum(np.sin(x) * x))(big)
        assert tracemalloc.get_traced_memory()[0] < 2 * big.nbytes
    finally:
        tracemalloc.stop()
        gc.enable()


# ----------------------------------------------------------------------------------------------------------- check_grads

WRONG_BY_A_THOUSANDTH = {
    np.sin: np.sin, np.exp: np.exp, np.tanh: np.tanh, np.multiply: lambda x: np.multiply(x, x), np.divide: lambda x: np.divide(x, 2 + x),
    np.add.reduce: lambda x: np.sum(x), operator.matmul: lambda x: x @ M, operator.getitem: lambda x: x[1:],
    np.linalg.inv: lambda x: np.linalg.inv(M + np.diag(x)),
    np.arctan2: lambda x: np.arctan2(x, 2.0), np.sqrt: lambda x: np.sqrt(x * x + 1),
}


@pytest.mark.parametrize("function", WRONG_BY_A_THOUSANDTH, ids=lambda function: function.__name__)
def test_check_grads_catches_wrong_rules(function, monkeypatch):
    f = WRONG_BY_A_THOUSANDTH[function]
    check_grads(f, X)
    table = ELEMENTWISE if function in ELEMENTWISE else RULES
    wrong = tuple(lambda *args, rule=rule, **kwargs: 1.001 * rule(*args, **kwargs) if callable(rule) else rule for rule in table[function])
    monkeypatch.setitem(table, function, wrong)
    with pytest.raises(AssertionError, match="the pullback of"):
        check_grads(f, X)


def test_check_grads_catches_a_wrong_second_derivative():
    f = differentiable(np.sin, lambda x: (np.sin(x), lambda g: (g * np.asarray(np.cos(np.array(x.tolist() if isinstance(x, np.ndarray) else 0.0))),)))
    check_grads(f, X, order=1)
    constant = differentiable(np.sin, lambda x: (np.sin(x), lambda g: (g * 1.001 * np.cos(x),)))
    with pytest.raises(AssertionError):
        check_grads(constant, X)


def test_check_grads_declines_on_rough_functions():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="disagree"):
        check_grads(lambda x: np.sum(x) + 1e-6 * rng.standard_normal(), X)
    with pytest.raises(ValueError, match="disagree"):
        check_grads(lambda x: np.sum(np.abs(x)), np.array([1e-4, 1.0]))


# ------------------------------------------------------------------------------------------------------------ properties

UNARY = [np.sin, np.cos, np.exp, np.tanh, np.arctan, lambda x: np.sqrt(x * x + 1), lambda x: 1 / (x * x + 2), lambda x: x**3, lambda x: -x,
         lambda x: x[::-1], lambda x: np.cumsum(x), lambda x: M @ x, lambda x: np.concatenate([x[1:], x[:1]]), lambda x: np.sum(x) * x]
BINARY = [operator.add, operator.sub, operator.mul, lambda a, b: a / (b * b + 2), lambda a, b: np.stack([a, b])[1] * a, lambda a, b: np.dot(a, b) * b]


@st.composite
def programs(draw):
    """A random straight-line program of x: each step uses earlier values."""
    steps, n = [], 1
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.booleans()):
            steps.append((draw(st.sampled_from(UNARY)), (draw(st.integers(0, n - 1)),)))
        else:
            steps.append((draw(st.sampled_from(BINARY)), (draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1)))))
        n += 1
    return steps


def run(steps, x):
    values = [0.3 * x]
    for function, sources in steps:
        y = function(*(values[i] for i in sources))
        values.append(y / (1 + 0.1 * y * y))
    return values[-1]


@settings(max_examples=150, deadline=None)
@given(programs(), st.integers(0, 2**32 - 1))
def test_random_programs_against_the_complex_step(steps, seed):
    """J v = Im f(x + i h v) / h with h = 1e-30 has no truncation error and no cancellation: agreement to rounding."""
    rng = np.random.default_rng(seed)
    x, v, g = rng.standard_normal((3, 3))
    value, back = pullback(lambda x: run(steps, x), x)
    np.testing.assert_array_equal(value, run(steps, x))
    stepped = np.imag(run(steps, x + 1e-30j * v)) / 1e-30
    pulled = back(g)[0]
    scale = np.sum(np.abs(g * stepped)) + np.sum(np.abs(pulled * v))
    cancelled = 1e-15 * np.sum(np.abs(g)) * np.sum(np.abs(v))  # (of terms that cancel altogether, as in y - y, the roundings are left)
    assert abs(g @ stepped - pulled @ v) <= 1e-12 * scale + cancelled  # a program has about 50 operations of condition below 100


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=3), st.lists(st.integers(0, 3), max_size=3),
       st.sampled_from([np.add, np.multiply, np.subtract, np.arctan2]))
def test_broadcasting(shape_a, shape_b, function):
    """The cotangent has the argument's shape, whatever was broadcast, and is that of the arguments written out."""
    try:
        shape = np.broadcast_shapes(tuple(shape_a), tuple(shape_b))
    except ValueError:
        return
    rng = np.random.default_rng(0)
    a, b, g = rng.standard_normal(shape_a) + 3, rng.standard_normal(shape_b) + 3, rng.standard_normal(shape)
    ga, gb = pullback(function, a, b)[1](g)
    fa, fb = pullback(function, np.broadcast_to(a, shape), np.broadcast_to(b, shape))[1](g)
    for ours, full, x in ((ga, fa, a), (gb, fb, b)):
        assert np.shape(ours) == np.shape(x)
        np.testing.assert_allclose(np.sum(ours), np.sum(full), rtol=1e-12, atol=1e-12)


def test_traced_values_are_not_arrays():
    pullback(lambda x: (isinstance(x, Traced) or pytest.fail("not traced"), x)[1], X)


def test_concatenating_with_a_plain_list():
    """The list comes first: the place of the array depends on its length."""
    found = grad(lambda z: np.sum(np.concatenate([[0.5, 2.0], z, [1.0]]) * np.arange(6)))(np.ones(3))
    assert found.tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("shape", [(1,), (1, 2), (), (3,)])
def test_a_value_of_another_shape_than_it_must_have(shape):
    with pytest.raises(ValueError, match=rf"^f returned shape {re.escape(str(shape))} where the state has shape \(2,\); nothing is broadcast"):
        pullback(lambda z: np.sum(z) * np.ones(shape), np.ones(2), like=np.ones(2))
