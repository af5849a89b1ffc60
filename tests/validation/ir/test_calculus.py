"""Derivatives in the language: against complex steps, which are exact to rounding, autograd, refnode, and by hand."""

import cmath

import numpy as np
import pytest
from hypothesis import assume, given, settings
from refnode_validation.ir.build import cos, dynamics, exp, mlp, relu, sin, sqrt, tanh, traced, variables
from refnode_validation.ir.calculus import jacobian, trace, with_states, with_trace
from refnode_validation.ir.dynamics import evaluate, parse
from refnode_validation.ir.floats import FLOATS, complex_softplus
from refnode_validation.ir.sharing import written
from refnode_validation.ir.source import function
from refnode_validation.problems.catalog import problems

from .strategies import bounded, cases

STEP = 1e-30
COMPLEX = {
    "constant": complex,
    "pow": lambda x, n: np.prod([x] * n),
    **{name: getattr(cmath, name) for name in ("tanh", "sin", "cos", "exp", "log", "sqrt")},
    "softplus": lambda x: complex(complex_softplus(x)),  # cmath.log(1 + w) has not the digits of a small w
    "sigmoid": lambda x: 1 / (1 + cmath.exp(-x)),
}


def numbers(terms, dynamics, z, t, theta):
    """The values of an array of terms."""
    return np.array(evaluate(written(dynamics.dim, dynamics.params, terms.ravel()), FLOATS, z, t, theta), float).reshape(terms.shape)


@settings(max_examples=150, deadline=None)
@given(cases(smooth=True))
def test_jacobians_of_random_dynamics(case):
    """Im f(x + i h e)/h, h = 1e-30. Both follow the chain rule forward, with some more operations for complex numbers: five bounds."""
    dynamics, z, t, theta, _ = case
    sizes = {"z": len(z), "theta": len(theta), "t": 1}
    for by, size in sizes.items():
        J = jacobian(dynamics, by)
        assert J.shape == (dynamics.dim, size)
        for k in range(size):
            column = written(dynamics.dim, dynamics.params, J[:, k])
            bounds = bounded(column, z, t, theta)
            assume(bounds is not None)
            step = [1j * STEP * (by == name) for name in ("z", "t", "theta")]
            moved_z, moved_theta = ([x + s * (i == k) for i, x in enumerate(xs)] for xs, s in ((z, step[0]), (theta, step[2])))
            found = evaluate(dynamics, COMPLEX, moved_z, t + step[1], moved_theta)
            for value, bound in zip(found, bounds, strict=True):
                assert abs(value.imag / STEP - bound.value) <= 5 * bound.error


@pytest.mark.parametrize("activation", ["tanh", "softplus", "sin", "cos", "sigmoid", "exp"])
def test_nets_against_central_differences(activation):
    """Step h = 1e-5: the error is h^2 f'''/6 + 2^-53 |f|/h, at most 1e-9 for numbers of size 1 and third derivatives up to 10."""
    d = dynamics(*mlp((3, 4, 3), activation))
    rng, h = np.random.default_rng(1), 1e-5
    point = {"z": rng.normal(size=3) / 2, "t": 0.3, "theta": rng.normal(size=d.params) / 2}
    for by in point:
        J = numbers(jacobian(d, by), d, **point)
        for k in range(J.shape[1]):
            e = h if by == "t" else h * np.eye(J.shape[1])[k]
            up, down = (np.array(evaluate(d, FLOATS, **{**point, by: point[by] + s * e})) for s in (1, -1))
            np.testing.assert_allclose(J[:, k], (up - down) / (2 * h), rtol=0, atol=2e-9)


@pytest.mark.filterwarnings("ignore:Output seems independent of input")
@pytest.mark.parametrize("id", ["P18b", "P20", "P28", "P30"])
def test_the_catalog_against_autograd(id):
    autograd = pytest.importorskip("autograd")
    import autograd.numpy as anp

    problem = problems()[id]
    d, point = traced(problem.rhs, problem.z0.size, problem.theta.size), (problem.z0, 0.7, problem.theta)
    for k, by in enumerate(("z", "t", "theta")):
        expected = autograd.jacobian(lambda *a, problem=problem: problem.rhs(anp, *a), k)(*point)
        # some ten operations on numbers of size 1 to 10
        np.testing.assert_allclose(numbers(jacobian(d, by), d, *point), expected.reshape(problem.z0.size, -1), rtol=1e-13, atol=1e-14)


def test_against_refnode():
    rn = pytest.importorskip("refnode")
    d = dynamics(*mlp((3, 5, 4, 3), "tanh"))
    rng, f = np.random.default_rng(2), function(d)
    z, t, theta = rng.normal(size=3), 0.3, rng.normal(size=d.params)
    for argument, by in enumerate(("z", "t", "theta")):
        expected = np.reshape(rn.jacobian(lambda *a: f(np, *a), argument)(z, t, theta), (3, -1))
        np.testing.assert_allclose(numbers(jacobian(d, by), d, z, t, theta), expected, rtol=1e-12, atol=1e-14)


def test_simplified():
    """No zeros, no ones: as one would write it."""
    d = dynamics(lambda z, t, th: [th[0] * z[0] - z[1], sin(z[1]) * t, 3 - z[2] / th[0]], dim=3, params=1)
    assert written(3, 1, jacobian(d).ravel()).rhs == (
        ("theta", 0), "-1", "0",
        "0", ("mul", ("cos", ("z", 1)), ("t",)), "0",
        "0", "0", ("neg", ("div", "1", ("theta", 0))),
    )  # fmt: skip
    assert written(3, 1, jacobian(d, "t").ravel()).rhs == ("0", ("sin", ("z", 1)), "0")
    assert written(1, 0, [trace(dynamics(lambda z, t, th: [exp(t)], dim=1))]).rhs == ("0",)
    assert written(1, 0, [trace(dynamics(lambda z, t, th: [0 * z[0] + sqrt(t)], dim=1))]).rhs == ("0",)


def test_the_trace_shares_what_the_dynamics_computed():
    d = with_trace(dynamics(lambda z, t, th: [tanh(th[0] * z[0])], dim=1, params=1))
    assert d.let == (("tanh", ("mul", ("theta", 0), ("z", 0))),)
    assert d.rhs == (("let", 0), ("neg", ("mul", ("theta", 0), ("sub", "1", ("mul", ("let", 0), ("let", 0))))))
    assert parse(d.to_json()) == d


def test_the_trace_of_linear_dynamics():
    """Of z' = A z it is tr A, and volume is preserved by (a p, b q) and by the oscillator."""
    traces = {}
    for id in ("P19", "P21", "P05a"):
        problem = problems()[id]
        traces[id] = with_trace(traced(problem.rhs, problem.z0.size, problem.theta.size)).rhs[-1]
    assert traces == {"P19": ("neg", ("add", ("theta", 0), ("theta", 4), ("theta", 8))), "P21": "0", "P05a": "0"}


@pytest.mark.parametrize("id", [id for id, problem in problems().items() if problem.log_det])
def test_log_p_along_the_flow(id):
    """d/dt of -log |det dz1/dz0| of the closed form, by a complex step in t1, is the last component of with_trace."""
    problem = problems()[id]
    d = with_trace(traced(problem.rhs, problem.z0.size, problem.theta.size))
    for t in problem.ts[1:]:
        z = problem.flow(problem.z0, problem.t0, t, problem.theta)
        expected = -problem.log_det(problem.z0, problem.t0, t + 1j * STEP, problem.theta).imag / STEP
        # z itself is good to some 10 units of rounding, in problems of condition at most 100
        assert evaluate(d, FLOATS, [*z, 0.0], t, problem.theta)[-1] == pytest.approx(expected, rel=1e-11, abs=1e-13)


def test_with_states():
    """The adjoint equation a' = -a df/dz written in the language, with the kinetic energy of the path as one state more."""
    d = dynamics(lambda z, t, th: [z[1], -th[0] * sin(z[0])], dim=2, params=1)
    z, _, _ = variables(5, 1)
    f = with_states(d, [*(-z[2:4] @ jacobian(d)), z[1] ** 2 / 2])
    assert (f.dim, f.params) == (5, 1)
    q, p, a, b = 0.5, -0.75, 2.0, 3.0
    expected = [p, -1.5 * np.sin(q), b * 1.5 * np.cos(q), -a, p * p / 2]
    np.testing.assert_allclose(evaluate(f, FLOATS, [q, p, a, b, 9.0], 0.0, [1.5]), expected, rtol=1e-15)


def test_refused():
    with pytest.raises(ValueError, match="relu has no derivative in the language: use softplus"):
        trace(dynamics(lambda z, t, th: [relu(z[0])], dim=1))
    assert written(1, 0, [trace(dynamics(lambda z, t, th: [relu(t) * z[0]], dim=1))]).rhs == (("relu", ("t",)),)
    with pytest.raises(ValueError, match="by is 'y'; it must be 'z', 'theta' or 't'"):
        jacobian(dynamics(lambda z, t, th: [cos(z[0])], dim=1), "y")
