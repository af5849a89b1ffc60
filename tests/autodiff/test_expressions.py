"""Dynamics as data: what is exported computes what f computes, its derivatives are f's, and what cannot be said is refused by name."""

import json

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from refnode_validation.ir.calculus import jacobian
from refnode_validation.ir.dynamics import evaluate, parse
from refnode_validation.ir.floats import FLOATS
from refnode_validation.ir.sharing import written
from refnode_validation.ir.source import function
from refnode_validation.problems.catalog import problems

import refnode as rn
from refnode.errors import TraceError
from refnode.models import nets
from refnode.tree import leaves
from tests import zoo
from tests.validation.ir.strategies import cases

RNG = np.random.default_rng(0)


def flat(tree):
    return np.concatenate([np.zeros(0), *(np.ravel(leaf) for leaf in leaves(tree) if isinstance(leaf, (float, np.ndarray)))])


def exported(f, z, t, theta):
    return parse(json.loads(json.dumps(rn.expressions(f, z, t, theta))))


def net(activation):
    """A net of refnode.models with t as one more input."""
    return lambda z, t, theta: nets.mlp(np.append(z, t), theta, activation)


def softplus(x):
    return np.logaddexp(x, 0.0)


def pair(z, t, theta):
    """A state and parameters that are trees, with a static leaf and one that is not used."""
    q, p = z["q"], z["p"]
    return {"p": [-q[0] * theta["k"], -np.sin(q[1])], "q": p * theta["rates"][0] ** theta["n"]}  # in another order than z


def filled(z, t, theta):
    """Arrays that are filled, in place and through views."""
    dz = np.zeros_like(z)
    dz[0], dz[1:] = z[1] * t, theta * z[:-1]
    dz[::2] *= 2.0
    x, y, w = dz
    return [x, y + w, float(np.pi) * w]


LAYERS = nets.mlp_init(RNG, (3, 4, 3, 2))
DYNAMICS = {
    "mlp": (zoo.mlp, RNG.normal(size=2), zoo.mlp_parameters(RNG, 2, 4)),
    "a batch": (zoo.mlp, RNG.normal(size=(3, 2)), zoo.mlp_parameters(RNG, 2, 4)),
    "autonomous": (zoo.autonomous_mlp, RNG.normal(size=2), tuple((W, b) for W, b in nets.mlp_init(RNG, (2, 5, 2)))),
    "linear": (zoo.linear, RNG.normal(size=3), RNG.normal(size=(3, 3))),
    "forced": (zoo.forced, RNG.normal(size=2), zoo.FORCED_THETA),
    "tanh": (net(np.tanh), RNG.normal(size=2), LAYERS),
    "sin": (net(np.sin), RNG.normal(size=2), LAYERS),
    "softplus": (net(softplus), RNG.normal(size=2), LAYERS),
    "sigmoid": (net(sp.expit), RNG.normal(size=2), LAYERS),
    "trees": (pair, {"q": np.array([0.3, -0.4]), "p": np.array([1.0, 0.5])}, {"k": 2.0, "n": 3, "rates": np.array([0.7, 9.0])}),
    "filled": (filled, RNG.normal(size=3), 0.3),
    "no parameters": (lambda z, t, theta: z * t, RNG.normal(size=3), ()),
}
T = 0.3


@pytest.mark.parametrize("name", DYNAMICS)
def test_the_expressions_compute_f(name):
    """Sums of at most six numbers of size 1, in whatever order: 1e-14."""
    f, z, theta = DYNAMICS[name]
    d = exported(f, z, T, theta)
    assert (d.dim, d.params) == (flat(z).size, flat(theta).size)
    expected = rn.tree.Raveler(z).conform(f(z, T, theta))
    np.testing.assert_allclose(evaluate(d, FLOATS, flat(z), T, flat(theta)), flat(expected), rtol=1e-14, atol=1e-14)
    moved = rn.tree.tree_map(lambda leaf: leaf * 1.5, z)  # it was not the values that were exported
    np.testing.assert_allclose(evaluate(d, FLOATS, flat(moved), 2 * T, flat(theta)),
                               flat(rn.tree.Raveler(z).conform(f(moved, 2 * T, theta))), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ["mlp", "a batch", "linear", "forced", "softplus", "sigmoid", "filled"])
def test_derivatives_of_the_expressions_are_the_pullback(name):
    """For a random cotangent g: g df/dz and g df/dtheta, from the calculus of the language and from the engine."""
    f, z, theta = DYNAMICS[name]
    d, raveler = exported(f, z, T, theta), rn.tree.Raveler(z)
    g = np.random.default_rng(1).normal(size=d.dim)
    _, back = rn.pullback(lambda z, theta: np.stack(f(z, T, theta)), z, theta)
    for cotangent, by in zip(back(raveler.unravel(g)), ("z", "theta"), strict=True):
        J = jacobian(d, by)
        numbers = np.reshape(evaluate(written(d.dim, d.params, J.ravel()), FLOATS, flat(z), T, flat(theta)), J.shape)
        np.testing.assert_allclose(flat(cotangent), g @ numbers, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("id", problems())
def test_the_catalog(id):
    problem = problems()[id]
    d = exported(problem.f, problem.z0, problem.t0, problem.theta)
    for t in problem.ts:
        z = problem.flow(problem.z0, problem.t0, t, problem.theta)
        np.testing.assert_allclose(evaluate(d, FLOATS, z, t, problem.theta), problem.f(z, t, problem.theta), rtol=1e-14, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_out_of_the_language_and_back(case):
    """Random expressions printed as NumPy, traced and exported: the same numbers."""
    d, z, t, theta, bounds = case
    rhs = function(d)
    back = exported(lambda z, t, theta: rhs(np, z, t, theta), np.array(z), t, np.array(theta))
    for value, bound in zip(evaluate(back, FLOATS, z, t, theta), bounds, strict=True):
        assert abs(value - bound.value) <= 4 * bound.error  # what is spelled, such as the sigmoid, has some operations more


def test_the_form():
    assert rn.expressions(lambda z, t, theta: np.tanh(theta @ z) * 0.5 - z, np.ones(2), 0.0, np.ones((2, 2))) == {
        "dim": 2,
        "params": 4,
        "let": [],
        "rhs": [
            ["sub", ["mul", ["tanh", ["add", ["mul", ["theta", 0], ["z", 0]], ["mul", ["theta", 1], ["z", 1]]]], "0.5"], ["z", 0]],
            ["sub", ["mul", ["tanh", ["add", ["mul", ["theta", 2], ["z", 0]], ["mul", ["theta", 3], ["z", 1]]]], "0.5"], ["z", 1]],
        ],
    }


def test_shared_parts_and_zeros():
    """What is used twice is in let; products with 0 and 1 leave nothing behind."""
    A = np.array([[0.0, 1.0], [-1.0, 0.0]])
    d = rn.expressions(lambda z, t, theta: A @ np.exp(z) + np.sum(np.exp(z)), np.ones(2))
    assert d["let"] == [["exp", ["z", 0]], ["exp", ["z", 1]], ["add", ["let", 0], ["let", 1]]]
    assert d["rhs"] == [["add", ["let", 1], ["let", 2]], ["add", ["mul", "-1", ["let", 0]], ["let", 2]]]


def test_deep_programs():
    """A chain of a thousand operations is cut into entries that a recursive reader can take."""
    def f(z, t, theta):
        for _ in range(1000):
            z = np.sin(z) + t
        return z

    d = exported(f, np.array([0.4]), 0.1, ())
    assert evaluate(d, FLOATS, [0.4], 0.1, []) == pytest.approx(f(np.array([0.4]), 0.1, ()), abs=1e-12)  # a contraction: errors do not grow


def test_compiled_functions_and_functions_with_their_own_pullback():
    f, z, theta = DYNAMICS["forced"]
    assert rn.expressions(rn.compiled(f), z, T, theta) == rn.expressions(f, z, T, theta)
    own = rn.differentiable(np.sin, lambda x: (np.sin(x), lambda g: (g * np.cos(x),)))
    assert rn.expressions(lambda z, t, theta: own(z), np.ones(1))["rhs"] == [["sin", ["z", 0]]]


WORDS = {
    "sinh": np.sinh, "cosh": np.cosh, "tan": np.tan, "expm1": np.expm1, "exp2": np.exp2, "square": np.square, "abs": np.abs, "fabs": np.fabs,
    "negative": np.negative, "positive": np.positive, "reciprocal": np.reciprocal, "expit": sp.expit, "log_expit": sp.log_expit,
    "log1p": lambda x: np.log1p(x * x), "log2": lambda x: np.log2(x * x), "log10": lambda x: np.log10(x * x),
    "log1p of exp": lambda x: np.log1p(np.exp(x)), "logaddexp": lambda x: np.logaddexp(x, 2 * x), "logaddexp 0": lambda x: np.logaddexp(0.0, x),
    "hypot": lambda x: np.hypot(x, 2.0), "maximum": lambda x: np.maximum(x, 0.25), "minimum": lambda x: np.minimum(x, 0.25),
    "relu": lambda x: np.maximum(0.0, x), "minimum 0": lambda x: np.minimum(x, 0.0), "clip": lambda x: np.clip(x, -0.5, 1.0),
    "max": lambda x: np.max(x) * x, "min": lambda x: np.min(x) * x, "logsumexp": lambda x: np.logaddexp.reduce(x) * x,
    "x**3": lambda x: x**3, "x**-2": lambda x: x**-2.0, "x**0": lambda x: x**0 * x, "x**0.5": lambda x: (x * x) ** 0.5,
    "x**1.3": lambda x: abs(x) ** 1.3, "2**x": lambda x: 2.0**x, "x**y": lambda x: abs(x) ** x[0], "powers": lambda x: x ** np.array([1, 2, 3, 4]),
    "sum": lambda x: np.sum(x) * x, "mean": lambda x: x - np.mean(x), "var": lambda x: np.var(x) * x, "norm": lambda x: x / np.linalg.norm(x),
    "prod": lambda x: np.prod(x) * x, "cumsum": np.cumsum, "diff": lambda x: np.diff(x, append=0.0), "roll": lambda x: np.roll(x, 1) - x,
    "outer": lambda x: np.outer(x, x) @ x, "einsum": lambda x: np.einsum("i,j,j->i", x, x, x), "dot": lambda x: np.dot(x, x) * x,
    "vecdot": lambda x: np.vecdot(x, x) * x, "convolve": lambda x: np.convolve(x, [1.0, -2.0, 1.0], "same"),
    "trace": lambda x: np.trace(np.outer(x, x)) * x,
    "where": lambda x: np.where([True, False, True, False], x, 1.0), "take": lambda x: x[[2, 2, 0, 1]], "pad": lambda x: np.pad(x[1:3], 1),
    "stack": lambda x: np.stack([x[1], x[0], 2.0, x[2]]), "concatenate": lambda x: np.concatenate([x[2:], [1.0, 3.0]]),
    "sort of a constant": lambda x: x * np.sort([3.0, 1.0, 2.0, 0.5]),
}  # fmt: skip


@pytest.mark.parametrize("name", WORDS)
def test_what_can_be_said(name):
    """Some ten operations on numbers of size 1 to 10."""
    x = np.array([0.7, -1.3, 1.9, 0.2])
    d = exported(lambda z, t, theta: WORDS[name](z), x, 0.0, ())
    np.testing.assert_allclose(evaluate(d, FLOATS, x, 0.0, []), WORDS[name](x), rtol=2e-14, atol=2e-15)
    y = np.array([-0.3, 0.9, 0.4, -2.1])
    np.testing.assert_allclose(evaluate(d, FLOATS, y, 0.0, []), WORDS[name](y), rtol=2e-14, atol=2e-15)


def test_no_digits_are_lost_near_0():
    """expm1 and sinh of 1e-12 to the last digits, where e^x - 1 would keep four of them; softplus far out, where e^x has no value."""
    d = exported(lambda z, t, theta: np.stack([np.expm1(z[0]), np.sinh(z[0]), np.log1p(np.exp(z[1])), np.logaddexp(0.0, z[1])]), np.ones(4), 0.0, ())
    *small, x, y = evaluate(d, FLOATS, [1e-12, 1e4, 0, 0], 0.0, [])
    assert small == pytest.approx([np.expm1(1e-12), np.sinh(1e-12)], rel=1e-15, abs=0)
    assert [x, y] == [1e4, 1e4]


REFUSED = {
    "arctan": (lambda z: np.arctan(z), "f uses np.arctan, for which the language of expressions has no words; its functions are tanh, sin"),
    "a comparison": (lambda z: z * (z > 0), "f uses operator.gt"),
    "where": (lambda z: np.where(np.greater(z, 0), z, 0.0), "f uses np.greater"),
    "sign": (lambda z: np.sign(z), "f uses np.sign"),
    "floor": (lambda z: np.floor(z) * z, "f uses np.floor"),
    "sort": (lambda z: np.sort(z), "f uses np.argsort"),
    "remainder": (lambda z: z % 1.0, "f uses operator.mod"),
    "gamma": (lambda z: sp.gamma(z), "f uses gamma"),
    "solve": (lambda z: np.linalg.solve(np.diag(z), z), "f uses np.linalg.solve"),
    "isfinite": (lambda z: np.where(np.isfinite(z), z, 0.0), "f uses np.isfinite"),
    "an infinite constant": (lambda z: z * np.array([np.inf, 1.0]), "f uses the constant inf, which is no number"),
    "a branch": (lambda z: z if z[0] > 0 else -z, "cannot branch"),
    "randomness": (lambda z: z * RNG.normal(), "its expressions give other values than it does itself"),
    "float": (lambda z: z * float(z[0]), "np.sin"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    f, message = REFUSED[name]
    with pytest.raises(TraceError) as caught:
        rn.expressions(lambda z, t, theta: f(z), np.array([0.3, 1.2]))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_float32():
    """Numbers of any width are the same numbers; they are compared with f within float32's rounding."""
    z, theta = np.array([0.5, -0.25], np.float32), np.array([2.0, 1.0], np.float32)
    d = exported(lambda z, t, theta: np.tanh(z * theta).astype(np.float64).astype(np.float32), z, 0.0, theta)
    np.testing.assert_allclose(evaluate(d, FLOATS, [0.5, -0.25], 0.0, [2.0, 1.0]), np.tanh([1.0, -0.25]), rtol=1e-15)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="f returned shape"):
        rn.expressions(lambda z, t, theta: z[:1], np.ones(2))
    with pytest.raises(TypeError, match="complex dynamics are not expressed"):
        rn.expressions(lambda z, t, theta: z, np.ones(2) * 1j)
    with pytest.raises(ZeroDivisionError):
        rn.expressions(lambda z, t, theta: z / (1 // 0), np.ones(2))
