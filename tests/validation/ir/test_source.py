"""Printed source in every language computes what the expressions say, within what rounding may do (see rounding.py)."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from refnode_validation.ir.build import dynamics, exp, mlp, relu, sigmoid, sin, softplus, tanh, traced
from refnode_validation.ir.calculus import jacobian, with_trace
from refnode_validation.ir.dynamics import evaluate, parse
from refnode_validation.ir.floats import FLOATS
from refnode_validation.ir.lanes import in_lanes
from refnode_validation.ir.sharing import written
from refnode_validation.ir.source import function, source
from refnode_validation.problems.catalog import problems

from .strategies import Choices, bounded, cases


def load(text):
    space = {}
    exec(text, space)
    return space["f"]


def check(values, bounds):
    for value, bound in zip(values, bounds, strict=True):
        assert abs(value - bound.value) <= 2 * bound.error


@settings(max_examples=100, deadline=None)
@given(cases())
def test_numpy(case):
    d, z, t, theta, bounds = case
    check(load(source(d, "numpy"))(z, t, theta), bounds)
    check(function(d)(np, np.array(z), t, np.array(theta)), bounds)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_arrays_and_floats_give_the_same_bits(case):
    """The fast way of `function` and the one for traced values: a 0-d t takes the second."""
    d, z, t, theta, _ = case
    rhs, z, theta = function(d), np.array(z), np.array(theta)
    np.testing.assert_array_equal(rhs(np, z, t, theta), rhs(np, z, np.array(t), theta))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_torch(case):
    torch = pytest.importorskip("torch")
    d, z, t, theta, bounds = case
    z, theta = (torch.tensor(x, dtype=torch.float64) for x in (z, theta))
    check(load(source(d, "torch"))(z, t, theta).tolist(), bounds)
    check(function(d)(torch, z, torch.tensor(t, dtype=torch.float64), theta).tolist(), bounds)


@settings(max_examples=8, deadline=None)
@given(cases())
def test_jax(case):
    jax = pytest.importorskip("jax")
    d, z, t, theta, bounds = case
    with jax.enable_x64(True):
        z, theta = jax.numpy.array(z), jax.numpy.array(theta)
        check(load(source(d, "jax"))(z, t, theta).tolist(), bounds)
        check(function(d)(jax.numpy, z, t, theta).tolist(), bounds)


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++")
def test_cpp(tmp_path):
    """Forty random dynamics and a net, compiled as one file."""
    rng, drawn = np.random.default_rng(0), []
    while len(drawn) < 40:
        d = case_of(Choices(rng.bytes(60)), Choices(rng.bytes(8)))
        if d is not None:
            drawn.append(d)
    net = dynamics(*mlp((2, 3, 2), "softplus"))
    point = ([0.5, -0.25], 0.75, list(rng.integers(-16, 17, net.params) / 16))
    drawn.append((net, *point, bounded(net, *point)))
    texts = [source(d, "cpp") for d, *_ in drawn]
    helpers = texts[0][: texts[0].index("// dz/dt")]
    functions = [re.sub(r"\bvoid f\(", f'extern "C" void f{k}(', text.removeprefix(helpers)) for k, text in enumerate(texts)]
    (tmp_path / "f.cpp").write_text(helpers + "".join(functions))
    subprocess.run(["g++", "-std=c++11", "-Wall", "-Wno-unused", "-Werror", "-shared", "-fPIC", "f.cpp", "-o", "f.so"], cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "f.so"))
    for k, (d, z, t, theta, bounds) in enumerate(drawn):
        z, dz, theta = (np.array(x, float) for x in (z, np.full(d.dim, np.nan), theta))
        pointers = [x.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for x in (z, theta, dz)]
        library[f"f{k}"](pointers[0], ctypes.c_double(t), *pointers[1:])
        check(dz, bounds)


def case_of(choices, points):
    d = parse(choices.program())
    point = [points.number() for _ in range(d.dim)], points.number(), [points.number() for _ in range(d.params)]
    bounds = bounded(d, *point)
    return None if bounds is None else (d, *point, bounds)


def test_the_text():
    """Readable: one line for each shared part, constants as short as doubles allow, parentheses where the order needs them."""
    d = dynamics(lambda z, t, th: [tanh(th[0] * z[0] + 0.6) - (z[1] - t), -tanh(th[0] * z[0] + 0.6) / (2 * z[1])], dim=2, params=1)
    assert source(d, "numpy") == '''import numpy as np


def f(z, t, theta):
    """dz/dt for z (2,) and theta (1,)."""
    v0 = np.tanh(theta[0] * z[0] + 0.6)
    return np.array([v0 - (z[1] - t), -v0 / (2.0 * z[1])])
'''
    assert '''
void f(const double* z, double t, const double* theta, double* dz) {
    const double v0 = std::tanh(theta[0] * z[0] + 0.6);
    dz[0] = v0 - (z[1] - t);
    dz[1] = -v0 / (2.0 * z[1]);
}
''' in source(d, "cpp")


def test_powers_are_products():
    d = dynamics(lambda z, t, th: [z[0] ** 7], dim=1)
    assert "    w0 = z[0] * z[0] * z[0]\n    return np.array([w0 * w0 * z[0]])" in source(d, "numpy")


def test_refused():
    d = dynamics(lambda z, t, th: [z[0]], dim=1)
    with pytest.raises(ValueError, match="unknown language 'julia'; there are numpy, torch, jax, cpp"):
        source(d, "julia")
    with pytest.raises(ValueError, match="the constant 1e999 is no finite double"):
        source(dynamics(lambda z, t, th: [z[0] * "1e999"], dim=1), "numpy")


# ---------------------------------------------------------------------------------------- the function for every array namespace

EVERYTHING = dynamics(
    lambda z, t, th: [softplus(z[0] * 2) - sin(t), sigmoid(-z[0]) * z[1] ** 5 / th[0], relu(z[1] - 0.5) + exp("0.5"), 2 * t], dim=4, params=1
)
NET = dynamics(*mlp((2, 3, 2), "tanh"))


def point(d, dtype=np.float64):
    rng = np.random.default_rng(3)
    return rng.normal(size=d.dim).astype(dtype), 0.3, rng.uniform(0.5, 1, size=d.params).astype(dtype)


def jacobians(d, z, t, theta):
    for J in (jacobian(d, "z"), jacobian(d, "theta")):
        yield np.reshape(evaluate(written(d.dim, d.params, J.ravel()), FLOATS, z, t, theta), J.shape)


SMOOTH = dynamics(
    lambda z, t, th: [softplus(z[0] * 2) - sin(t), sigmoid(-z[0]) * z[1] ** 5 / th[0], exp("0.5") + z[2] * 0, 2 * t], dim=4, params=1
)


@pytest.mark.parametrize("d", [SMOOTH, NET, with_trace(NET)], ids=["functions", "net", "trace"])
@pytest.mark.parametrize("namespace", ["refnode", "compiled", "autograd", "torch", "jax"])
def test_differentiable_everywhere(d, namespace):
    """Some thirty operations on numbers of size 1: 1e-13."""
    rhs, (z, t, theta) = function(d), point(d)
    for found, expected in zip(JACOBIANS[namespace](rhs, z, t, theta), jacobians(d, z, t, theta), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def by_refnode(rhs, z, t, theta, compiled=False):
    rn = pytest.importorskip("refnode")

    def f(z, t, theta):
        return rhs(np, z, t, theta)

    return rn.jacobian(rn.compiled(f) if compiled else f, (0, 2))(z, t, theta)


def by_compiled(rhs, z, t, theta):
    return by_refnode(rhs, z, t, theta, compiled=True)


def by_autograd(rhs, z, t, theta):
    autograd = pytest.importorskip("autograd")
    return [autograd.jacobian(lambda *a: rhs(autograd.numpy, *a), k)(z, t, theta) for k in (0, 2)]


def by_torch(rhs, z, t, theta):
    torch = pytest.importorskip("torch")
    z, t, theta = (torch.tensor(x, dtype=torch.float64) for x in (z, t, theta))
    return torch.autograd.functional.jacobian(lambda z, theta: rhs(torch, z, t, theta), (z, theta))


def by_jax(rhs, z, t, theta):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        return jax.jit(jax.jacobian(lambda *a: rhs(jax.numpy, *a), (0, 2)))(z, t, theta)


JACOBIANS = {"refnode": by_refnode, "compiled": by_compiled, "autograd": by_autograd, "torch": by_torch, "jax": by_jax}


@pytest.mark.parametrize("d", [EVERYTHING, NET], ids=["functions", "net"])
def test_float32_stays_float32(d):
    """The error is some tens of float32's units."""
    z, t, theta = point(d, np.float32)
    expected = evaluate(d, FLOATS, z.tolist(), t, theta.tolist())
    value = function(d)(np, z, t, theta)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    torch = pytest.importorskip("torch")
    value = function(d)(torch, torch.tensor(z), torch.tensor(t), torch.tensor(theta))
    assert value.dtype == torch.float32
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


def test_lanes():
    """Equal expressions become one array expression where their indices go in equal steps, and only there."""
    np.testing.assert_array_equal(function(dynamics(lambda z, t, th: th[[0, 1, 3]] * z[0], dim=3, params=4))(np, *one_to_four()), [1, 2, 4])
    np.testing.assert_array_equal(function(dynamics(lambda z, t, th: th[[3, 1, 2]] * z[0], dim=3, params=4))(np, *one_to_four()), [4, 2, 3])
    lines, places = in_lanes(dynamics(*mlp((2, 3, 2), "tanh")))
    assert [(name, size) for name, size, _ in lines] == [("v0", 3), ("v1", 2)]
    assert lines[1].expression[1] == ("mul", ("part", "theta", "theta[12:16:3]"), ("part", "v0", "v0[0]"))
    assert places == [("v1", "v1[0]"), ("v1", "v1[1]")]


def one_to_four():
    """z, t as an array, so that floats are not taken, and theta."""
    return np.ones(3), np.array(0.0), np.arange(1.0, 5.0)


def test_softplus_of_torch():
    """torch's own is x from 20 on, which is 5e-10 from log(1 + e^x) at 21.4."""
    torch = pytest.importorskip("torch")
    d, z = dynamics(lambda z, t, th: [softplus(z[0])], dim=1), torch.tensor([21.4], dtype=torch.float64)
    expected = FLOATS["softplus"](21.4)
    assert load(source(d, "torch"))(z, 0.0, z).item() == pytest.approx(expected, rel=1e-15, abs=0)
    assert function(d)(torch, z, 0.0, z).item() == pytest.approx(expected, rel=1e-15, abs=0)


@pytest.mark.parametrize("d", [SMOOTH, with_trace(NET)], ids=["functions", "trace"])
def test_complex_steps(d):
    """Im f(z + ih e)/h is the derivative, and Re f the value, to rounding: some thirty operations on numbers of size 1."""
    rhs, (z, t, theta), h = function(d), point(d), 1e-30
    by_z = [rhs(np, z + 1j * h * e, t, theta) for e in np.eye(z.size)]
    by_theta = [rhs(np, z, t, theta + 1j * h * e) for e in np.eye(theta.size)]
    for columns, expected in zip((by_z, by_theta), jacobians(d, z, t, theta), strict=True):
        np.testing.assert_allclose(np.imag(columns).T / h, expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(np.real(columns), [rhs(np, z, t, theta)] * len(columns), rtol=1e-13, atol=1e-13)
    by_t = rhs(np, z, t + 1j * h, theta).imag / h
    np.testing.assert_allclose(by_t, (rhs(np, z, t + 1e-5, theta) - rhs(np, z, t - 1e-5, theta)) / 2e-5, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("x", [-1e4, -700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0, 1e4])
def test_complex_softplus_and_sigmoid(x):
    """Value and slope at both ends, with relative accuracy; the value of exp(-s) has the error of s, so 1e-13 at s = 700."""
    rhs, h = function(dynamics(lambda z, t, th: [softplus(z[0]), sigmoid(z[1])], dim=2)), 1e-30
    with np.errstate(all="raise", under="ignore"):
        found = rhs(np, np.full(2, x + 1j * h), 0.0, np.zeros(0))
    s, c = FLOATS["sigmoid"](x), FLOATS["sigmoid"](-x)
    np.testing.assert_allclose(found.real, [FLOATS["softplus"](x), s], rtol=2e-13)
    np.testing.assert_allclose(found.imag / h, [s, s * c], rtol=2e-13, atol=1e-290)


def test_complex64_stays_complex64():
    d, (z, t, theta) = NET, point(NET, np.complex64)
    assert function(d)(np, z, t, theta).dtype == np.complex64
    assert function(SMOOTH)(np, *(x.astype(np.complex64) if isinstance(x, np.ndarray) else x for x in point(SMOOTH))).dtype == np.complex64


def test_stable_far_out():
    """softplus(x) = x and sigmoid(x) = 1 far to the right, both 0 far to the left; derivatives too."""
    autograd = pytest.importorskip("autograd")
    rhs = function(dynamics(lambda z, t, th: [softplus(z[0]), sigmoid(z[1])], dim=2))
    for x, value, slope in ((1e4, [1e4, 1], [1, 0]), (-1e4, [0, 0], [0, 0])):
        z = np.full(2, x)
        with np.errstate(all="raise", under="ignore"):
            np.testing.assert_array_equal(rhs(np, z, 0.0, np.zeros(0)), value)
            np.testing.assert_array_equal(np.diag(autograd.jacobian(lambda z: rhs(autograd.numpy, z, 0.0, np.zeros(0)))(z)), slope)


def test_division_by_zero_is_numpy_s():
    rhs = function(dynamics(lambda z, t, th: [1 / z[0], (z[0] - z[0]) / z[0]], dim=2))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(rhs(np, np.zeros(2), 0.0, np.zeros(0)), [np.inf, np.nan])


@pytest.mark.parametrize("id", problems())
def test_the_catalog(id):
    """rhs by way of the language is the problem's own, to the last bit, but for products of matrices (see test_build.py)."""
    problem = problems()[id]
    d = traced(problem.rhs, problem.z0.size, problem.theta.size)
    atol = 3 * 2.0**-53 * np.abs(problem.theta).sum() * np.abs(problem.z0).max() if id in ("P03", "P04", "P19") else 0
    for t in (0.3, np.array(0.3)):
        np.testing.assert_allclose(function(d)(np, problem.z0, t, problem.theta), problem.f(problem.z0, 0.3, problem.theta), rtol=0, atol=atol)


def test_wide_sums_compile():
    """Compilers recurse: sums and products of a thousand are written in pieces."""
    d = dynamics(lambda z, t, th: [sum(z[0] * k for k in range(1000)), np.prod(np.array([z[0] - k / 4096 for k in range(1000)]))], dim=2)
    expected = evaluate(d, FLOATS, [1.0, 0.0], 0.0, [])
    assert expected[0] == 999 * 500
    np.testing.assert_array_equal(function(d)(np, np.array([1.0, 0.0]), 0.0, np.zeros(0)), expected)
    np.testing.assert_array_equal(load(source(d, "numpy"))([1.0, 0.0], 0.0, []), expected)
