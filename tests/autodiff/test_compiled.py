"""compiled(f) is f, bit for bit: over the table of rules, the idioms, every gradient method; and it refuses what has no place in a program."""

import gc
import inspect
import linecache
import math
import pickle
import re
import sys
import threading
import traceback
from typing import NamedTuple

import numpy as np
import pytest

import refnode as rn
from refnode.autodiff.compiled.function import same_bits
from refnode.autodiff.compiled.layout import LARGE
from refnode.autodiff.transforms import differentiable
from refnode.tree import leaves, tree_map
from tests.autodiff.test_idioms import P0, RIGHT, Z0
from tests.autodiff.test_rules import CASES, as_function
from tests.zoo import FORCED_THETA, autonomous_mlp, forced, linear, mlp, mlp_parameters

REFUSED = {  # idioms that need the values of the arguments: the remedy that their TraceError names
    "max_and_min_builtin": "np.maximum", "boolean_indexing": "np.where(mask, x, 0)", "membership": "np.where", "branch": "np.where",
    "branch_on_norm": "np.where", "while_loop": "np.where", "numpy_questions": "np.where", "formatting": "makes text of its arguments",
    "scipy_softmax": "np.where",
}


def check_bits(f, args):
    """Value and pullback, each twice, equal those of f and the engine; nothing that is returned shares memory with anything else."""
    fast = rn.compiled(f)
    value, back = rn.pullback(f, *args)
    g = tree_map(lambda leaf: np.random.default_rng(1).standard_normal(np.shape(leaf)).astype(getattr(leaf, "dtype", float)), value)
    wanted = back(g)
    for _ in range(2):
        found, found_back = fast.pullback(*args)
        assert same_bits(fast(*args), f(*args))
        assert same_bits(found, value)
        for _ in range(2):
            cotangents = found_back(g)
            assert same_bits(cotangents, wanted)
            arrays = [x for x in leaves((found, cotangents)) if isinstance(x, np.ndarray)]
            given = [x for x in leaves((args, g)) if isinstance(x, np.ndarray)]
            for i, x in enumerate(arrays):
                assert x.flags.writeable
                assert not any(np.shares_memory(x, y) for y in (*arrays[:i], *given))
                x.fill(np.nan)  # what the caller does with it changes nothing
            value, back = rn.pullback(f, *args)
            found, found_back = fast.pullback(*args)
    return fast


@pytest.mark.parametrize(("function", "call"), CASES)
def test_bits_of_every_rule(function, call):
    f, args = as_function(function, call)
    if function is np.linalg.norm and any(isinstance(x, float) and math.isinf(x) for x in args):
        with pytest.raises(rn.TraceError, match="cannot branch"):
            rn.compiled(f)(*args)  # which norm it is would be an argument
        return
    check_bits(f, tuple(args))


@pytest.mark.parametrize("name", RIGHT)
def test_bits_of_every_idiom(name):
    f = RIGHT[name]
    if name in REFUSED:
        with pytest.raises(rn.TraceError, match=re.escape(REFUSED[name])):
            rn.compiled(f)(Z0, P0)
    else:
        check_bits(f, (Z0, P0))


def test_the_list_of_refused_idioms_is_true():
    assert set(REFUSED) <= set(RIGHT)


# ------------------------------------------------------------------------------------------------------------------- the zoo of dynamics

class Weights(NamedTuple):
    W: np.ndarray
    b: np.ndarray


def by_keys(z, t, theta):
    return np.sin(t) * np.tanh(z @ theta["layer"].W + theta["layer"].b) - theta["decay"] * z


def lotka_volterra(z, t, theta):
    x, y = z
    a, b, c, d = theta
    return [a * x - b * x * y, -c * y + d * x * y]


def lorenz(z, t, theta):
    x, y, w = z
    sigma, rho, beta = theta["sigma"], theta["rho"], theta["beta"]
    return np.array([sigma * (y - x), x * (rho - w) - y, x * y - beta * w])


def kepler(z, t, mu):
    x, y, u, v = z
    r3 = (x * x + y * y) ** 1.5
    return np.stack([u, v, -mu * x / r3, -mu[()] * y / r3])


def pendulum(z, t, theta):
    angle, speed = z
    return [speed, -theta[0] * np.sin(angle) - theta[1] * speed + np.where(t > 0.5, 1.0, 0.0)]


def filled(z, t, theta):
    dz = np.zeros_like(z)
    dz[0], dz[1] = z[1], -theta * np.sin(z[0])
    return dz


def pairs(z, t, theta):
    q, p = z
    return p, -theta * np.maximum(q, 0.1 * q)


def with_helper(z, t, theta):
    def dense(x, W, b):
        return np.tanh(x @ W + b)
    for W, b in theta:
        z = dense(z, W, b)
    return z


def running_trace(z, t, theta):
    """The augmented dynamics of a flow: a pullback inside of what is compiled."""
    x, _ = z
    value, back = rn.pullback(lambda x: mlp(x, t, theta), x)
    trace = sum(back(np.tile(e, (len(x), 1)))[0] @ e for e in np.eye(x.shape[1]))
    return value, -trace


def zoo():
    rng = np.random.default_rng(7)
    layers = [(rng.normal(size=(n, n)) * 0.4, rng.normal(size=n) * 0.1) for n in (3, 3, 3)]
    big = (rng.normal(size=(300, 3)),)
    return {
        "mlp": (mlp, rng.normal(size=(5, 3)), mlp_parameters(rng, 3, 8)),
        "mlp, one point": (mlp, rng.normal(size=3), mlp_parameters(rng, 3, 8)),
        "mlp, large": (autonomous_mlp, *big, ((rng.normal(size=(3, 40)) * 0.3, np.zeros(40)), (rng.normal(size=(40, 3)) * 0.3, np.zeros(3)))),
        "mlp, float32": (autonomous_mlp, rng.normal(size=(4, 2)).astype(np.float32),
                         tree_map(np.float32, ((rng.normal(size=(2, 6)), np.zeros(6)), (rng.normal(size=(6, 2)), np.zeros(2))))),
        "linear": (linear, np.array([1.0, -0.5]), np.array([[-0.2, 1.0], [-1.0, -0.1]])),
        "forced": (forced, np.array([0.5, 0.1]), FORCED_THETA),
        "by keys": (by_keys, rng.normal(size=(4, 3)), {"decay": 0.3, "layer": Weights(rng.normal(size=(3, 3)), rng.normal(size=3)), "depth": 2}),
        "lotka-volterra": (lotka_volterra, np.array([1.0, 0.7]), (1.1, 0.4, 0.8, 0.3)),
        "lorenz": (lorenz, np.array([1.0, 1.0, 20.0]), {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}),
        "kepler": (kepler, np.array([1.0, 0.1, -0.1, 0.9]), np.array(1.2)),
        "pendulum": (pendulum, np.array([0.4, -1.0]), np.array([1.1, 0.2])),
        "filled": (filled, np.array([0.3, -0.2]), 1.3),
        "pairs": (pairs, (rng.normal(size=(3, 2)), rng.normal(size=(3, 2))), np.array(0.8)),
        "with a helper": (with_helper, rng.normal(size=(6, 3)), layers),
        "running trace": (running_trace, (rng.normal(size=(6, 3)), np.zeros(6)), mlp_parameters(rng, 3, 8)),
    }


ZOO = zoo()
assert LARGE < 300 * 40 * 8


@pytest.mark.parametrize("name", ZOO)
def test_bits_of_the_zoo(name):
    f, z, theta = ZOO[name]
    check_bits(f, (z, 0.4, theta))


def gradients(f, z0, theta, stats, **keywords):
    ts = [0.0, 0.3, 0.35, 0.8]
    zs, back = rn.pullback(lambda z0, ts, theta: rn.odeint(f, z0, ts, theta, rtol=1e-4, atol=1e-5, stats=stats, **keywords), z0, np.array(ts), theta)
    return zs, back(tree_map(lambda z: np.cos(np.arange(z.size)).reshape(z.shape).astype(z.dtype), zs))


@pytest.mark.filterwarnings("ignore::refnode.ReconstructionWarning")  # lorenz contracts: the numbers are bad, but the same
@pytest.mark.parametrize("gradient", ["adjoint", "discrete", "checkpointed", "interpolating", "quadrature", "forward", "reversible"])
@pytest.mark.parametrize("name", ZOO)
def test_every_gradient_method_gives_the_same_bits_by_the_same_steps(name, gradient):
    f, z0, theta = ZOO[name]
    z0 = tree_map(lambda z: z[:2], z0) if gradient == "forward" and np.ndim(leaves(z0)[0]) == 2 else z0  # at most 2000 sensitivities
    plain, fast = rn.Stats(), rn.Stats()
    wanted = gradients(f, z0, theta, plain, gradient=gradient)
    assert same_bits(gradients(rn.compiled(f), z0, theta, fast, gradient=gradient), wanted)
    for found, one in ((fast.forward, plain.forward), (fast.backward, plain.backward)):
        assert (found.accepted, found.rejected, found.nvjp) == (one.accepted, one.rejected, one.nvjp)
    assert fast.forward.nfe == plain.forward.nfe


@pytest.mark.parametrize("method", ["euler", "rk4", "bosh3", "dopri5", "tsit5", "dop853", "radau5", "kvaerno3", "implicit_euler"])
@pytest.mark.parametrize("jump_ts", [(), (0.3, 0.5)])
def test_discrete_with_stored_linearisations(method, jump_ts):
    """Explicit methods do not ask a compiled f again on the way back: not for shared stages, extra stages of the interpolant, nor behind jumps."""
    f, z0, theta = ZOO["forced"]
    steps = {"steps": 7} if method in ("euler", "rk4", "implicit_euler") else {}
    plain, fast = rn.Stats(), rn.Stats()
    wanted = gradients(f, z0, theta, plain, gradient="discrete", method=method, jump_ts=jump_ts, **steps)
    found = gradients(rn.compiled(f), z0, theta, fast, gradient="discrete", method=method, jump_ts=jump_ts, **steps)
    assert same_bits(found, wanted)
    assert fast.backward.nvjp == plain.backward.nvjp
    explicit = method in ("euler", "rk4", "bosh3", "dopri5", "tsit5", "dop853")
    assert fast.backward.nfe == (4 if explicit else plain.backward.nfe)  # one for each dL/dt_i


@pytest.mark.parametrize("name", ["pairs", "lotka-volterra", "mlp"])
def test_an_own_pullback_is_asked_once_an_evaluation(name):
    """Also where the state is a tuple, and where f returns a list that has to be made an array."""
    f, z0, theta = ZOO[name]
    fast, asked, stats = rn.compiled(f), [], rn.Stats()

    def own(*args):
        asked.append(args)
        value, back = fast.pullback(*args)
        return value, lambda g: list(back(g))  # pullback makes a tuple of it

    def dynamics(z, t, theta):
        return fast(z, t, theta)

    dynamics.pullback = own
    found = gradients(dynamics, z0, theta, stats, gradient="discrete")
    assert len(asked) == stats.forward.nfe
    assert same_bits(found, gradients(f, z0, theta, rn.Stats(), gradient="discrete"))
    assert type(rn.pullback(dynamics, z0, 0.1, theta)[1](fast(z0, 0.1, theta))) is tuple


def test_hessians():
    f, z0, theta = ZOO["forced"]
    fast = rn.compiled(f)
    for g in ("adjoint", "discrete", "forward"):
        def loss(f, g=g):
            return lambda z0, theta: np.sum(rn.odeint(f, z0, [0.0, 0.5, 1.0], theta, gradient=g, rtol=1e-4, atol=1e-6) ** 2)
        v = (np.array([0.3, -1.0]), np.linspace(0, 1, 4))
        np.testing.assert_allclose(np.concatenate(rn.hvp(loss(fast), (z0, theta), v)), np.concatenate(rn.hvp(loss(f), (z0, theta), v)),
                                   rtol=1e-11)  # the sums are in another order
    rn.check_grads(rn.compiled(mlp), ZOO["mlp"][1], 0.3, ZOO["mlp"][2], order=3)
    np.testing.assert_allclose(rn.jvp(fast, (z0, 0.1, theta), (z0, 1.0, theta))[1], rn.jvp(f, (z0, 0.1, theta), (z0, 1.0, theta))[1], rtol=1e-13)


def test_augmented_dynamics_as_a_whole():
    """Algorithm 1's augmented dynamics are a function like another."""
    f, z0, theta = ZOO["mlp"]

    def aug_dynamics(s, t, theta):
        z, a, _ = s
        dz_dt, vjp = rn.pullback(f, z, t, theta, argnums=(0, 2))
        minus_a_dfdz, _, minus_a_dfdtheta = vjp(-a)
        return dz_dt, minus_a_dfdz, minus_a_dfdtheta

    s = (z0, np.ones_like(z0), tree_map(np.zeros_like, theta))
    check_bits(aug_dynamics, (s, 0.3, theta))
    wanted = rn.odeint(aug_dynamics, s, [1.0, 0.0], theta)
    assert same_bits(rn.odeint(rn.compiled(aug_dynamics), s, [1.0, 0.0], theta), wanted)
    z_back, a, dLdtheta = tree_map(lambda x: x[-1], wanted)
    assert same_bits(rn.adjoint(z0, np.ones_like(z0), f, 0.0, 1.0, theta), (z_back, a, dLdtheta))


def test_a_loss_that_solves():
    """odeint brings its own pullback: it is called in the program, and so is its way back."""
    f, z0, theta = ZOO["mlp"]

    def loss(z0, theta):
        zs = rn.odeint(f, z0, [0.0, 0.4, 1.0], theta, gradient="discrete")
        return np.sum(zs[1:] ** 2) + np.sum(theta[0][1] ** 2)

    fast = check_bits(loss, (z0, theta))
    assert "odeint(" in fast.source
    assert same_bits(rn.grad(fast, (0, 1))(z0, theta), rn.grad(loss, (0, 1))(z0, theta))


def test_functions_with_their_own_pullback_are_called():
    calls = []

    def cube_pullback(x):
        calls.append("pullback")
        return x**3, lambda g: (calls.append("back"), (3 * x * x * g,))[1]

    cube = differentiable(lambda x: x**3, cube_pullback)
    fast = rn.compiled(lambda z, theta: np.sum(cube(z) * theta))
    z, theta = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    fast.pullback(z, theta)
    calls.clear()
    value, back = fast.pullback(z, theta)
    assert value == -5.0
    np.testing.assert_array_equal(back(1.0)[1], z**3)
    assert calls == ["pullback", "back"]
    np.testing.assert_array_equal(back(np.array(1.0))[0], theta * 3 * z * z)
    np.testing.assert_allclose(rn.hvp(fast, (z, theta), (z, 0 * theta))[0], theta * 6 * z * z)
    inner = rn.compiled(np.tanh)
    assert "tanh(" in rn.compiled(lambda x: inner(x) * 2, example=(z,)).source
    check_bits(lambda x: inner(x) * 2, (z,))


# -------------------------------------------------------------------------------------------------------------------------- the source

def f_of_readme(z, t, theta):
    (W1, b1), (W2, b2) = theta
    h = np.tanh((z * z * z) @ W1 + b1)
    return h @ W2 + b2


def net(B, D=2, H=50):
    rng = np.random.default_rng(0)
    return rng.normal(size=(B, D)), 0.0, ((rng.normal(size=(D, H)), np.zeros(H)), (rng.normal(size=(H, D)), np.zeros(D)))


def test_the_source_reads_like_the_function():
    fast = rn.compiled(f_of_readme, example=net(20))
    assert fast.source == """\
def f_of_readme(z, t, theta):
    (W1, b1), (W2, b2) = theta
    v0 = z * z
    v0 *= z
    v1 = v0.dot(W1)
    v1 += b1
    h = tanh(v1, out=v1)
    v0 = h.dot(W2)
    v0 += b2
    return v0
"""
    body = fast.vjp_source
    assert "h_bar = g.dot(W2.T)" in body
    assert re.search(r"return \(z_bar, zero, \(\(W1_bar, b1_bar\), \(W2_bar, b2_bar\)\)\)", body)
    assert fast.consts == {}
    fast.vjp(*net(20), np.ones((20, 2)))
    assert "def f_of_readme_vjp(z, t, theta, cotangent):" in fast.vjp.source
    assert inspect.signature(fast) == inspect.signature(f_of_readme)
    assert fast.__name__ == "f_of_readme"


def test_small_systems_compute_with_pythons_floats():
    fast = rn.compiled(lotka_volterra, example=(np.array([1.0, 0.5]), 0.0, np.array([1.1, 0.4, 0.8, 0.3])))
    assert "z.tolist()" in fast.source
    assert "zeros" not in fast.vjp_source  # the entries of theta_bar are put together at once


@pytest.mark.parametrize("z", [[0.0, 1.0], [-0.0, 0.0], [np.inf, 1.0], [1e200, 1e200], [np.nan, -0.0]])
def test_floats_at_their_limits(z):
    """Python raises where NumPy is infinite; -0.0 and sums with nothing keep their signs."""
    def f(z):
        x, y = z
        return np.array([x * y, y / x, -x, x - y, 1.0 / (x * y), x ** y, x % 2.0]), x * x * y, -y, [x, -x]

    with np.errstate(all="ignore"):
        check_bits(f, (np.array(z),))


def test_signs_of_zero_in_sums_of_entries():
    """0.0 + -0.0 is 0.0: an entry to which nothing but zeros is added loses its sign, and a vector with one entry keeps it."""
    z, g = np.array([1.0, 2.0, 3.0]), np.array([-0.0, -0.0])
    for f in (lambda z: np.array([z[0] * 1.0, z[1] * 1.0]), lambda z: np.array([z[2] * 1.0, 0.0 * z[2]])):
        for back in (rn.pullback(f, z)[1], rn.compiled(f).pullback(z)[1]):
            found = back(g)[0]
            assert not np.signbit(found[[0, 1]]).any()
        assert same_bits(found, rn.pullback(f, z)[1](g)[0])
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    assert same_bits(np.array([np.nan, -0.0]), np.array([-np.nan, -0.0]))


def test_names_of_dicts_named_tuples_and_of_arguments_without_names():
    source = rn.compiled(by_keys, example=(ZOO["by keys"][1], 0.1, ZOO["by keys"][2])).source
    assert "W, b = theta['layer']" in source
    assert "theta_decay" in source
    source = rn.compiled(lambda *args: args[0] + args[1], example=(Z0, Z0)).source
    assert "arg0 + arg1" in source


def test_names_of_variables_do_not_hide_functions():
    def f(z, t, tanh):
        array = np.tanh(z) * tanh
        zeros = np.zeros_like(z)
        zeros[0] = array[1]
        return zeros + np.array([t, 1.0, z[0]])
    check_bits(f, (Z0, 0.5, 2.0))

    def back(x):
        return np.exp(x)

    def g(v0, c0, d0):
        v1 = np.array([1.0, 2.0, 3.0]) * v0
        c1 = v1 + np.array([0.5, 0.0, -0.5]) * d0
        zero, buffer1_0, frame1 = np.sin(c1), c0 * v0, c1 * v1
        len, type = zero * frame1, buffer1_0 / (1 + c1 * c1)
        return len + type + zeros_of(v0) + array_of(v0)

    back = differentiable(back, lambda x: (np.exp(x), lambda g: (g * np.exp(x),)))
    zeros_of, array_of = rn.compiled(lambda z: z * 2), rn.compiled(lambda z: z * 3)
    zeros_of.f.__name__, array_of.f.__name__ = "zeros", "array"
    check_bits(g, (Z0, 0.5, P0[0]))
    check_bits(lambda z: back(z) + z, (Z0,))


def test_what_a_called_function_returns_is_not_handed_on():
    """It may be its own argument."""
    same = differentiable(lambda x: x, lambda x: (x, lambda g: (g,)))
    check_bits(lambda z: same(z), (Z0,))
    check_bits(lambda z: (same(z)[:2], same(z)), (Z0,))


def test_large_temporaries_are_reused():
    """No fresh array above 64 KiB is made but for what is returned: the program's buffers are the same from call to call."""
    z, t, theta = net(512, H=64)
    fast = rn.compiled(f_of_readme, example=(z, t, theta))
    assert "buffer1_0" in fast.vjp_source
    kept = fast.pullback(z, t, theta)[1]  # the way back of one call still works after others
    wanted = rn.pullback(f_of_readme, z, t, theta)[1](z)
    for _ in range(3):
        fast.pullback(2 * z, t, theta)[1](z)
        fast(3 * z, t, theta)
    assert same_bits(kept(z), wanted)
    import tracemalloc

    fast(z, t, theta)
    tracemalloc.start()
    fast(z, t, theta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 512 * 64 * 8  # one such array


def test_buffers_kept_for_the_next_call_are_bounded():
    x = np.ones(2**20)  # 8 MiB
    fast = rn.compiled(lambda x: np.sum(np.exp(np.sin(x)) * x))
    backs = [fast.pullback(x)[1] for _ in range(12)]
    del backs
    source = fast._pullbacks[0]
    kept = sum(array.nbytes for arrays in source.names.globals["pool1"] for array in arrays)
    assert 2**25 < kept <= 2**26


def test_memory_order():
    """A transposed argument has a program of its own; a buffer has the memory order that NumPy would have given."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 200))

    def f(x):
        y = np.exp(x * 0.1) * 2.0
        return np.sum(y), np.sum(y, axis=0), y.T @ y

    for argument in (x, x.T, np.asfortranarray(x), rng.normal(size=(600, 200))[::2]):
        check_bits(f, (argument,))
    fast = rn.compiled(f)
    for argument in (x, np.asfortranarray(x)):
        assert same_bits(fast(argument), f(argument))


def test_tracebacks_show_the_line():
    fast = rn.compiled(lambda a, b: np.linalg.solve(a, b))
    a, b = np.eye(2), np.ones(2)
    fast(a, b)
    with pytest.raises(np.linalg.LinAlgError) as caught:
        fast(0 * a, b)
    assert "solve(a, b)" in "".join(traceback.format_exception(caught.value))
    files = [file for file in linecache.cache if file.startswith("<refnode")]
    del fast, caught
    gc.collect()
    assert len([file for file in linecache.cache if file.startswith("<refnode")]) < len(files)


def test_no_cycles():
    """What a way back keeps is freed with it, at once: large arrays do not wait for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        fast = rn.compiled(f_of_readme, example=net(512))
        z, t, theta = net(512)
        gc.collect()
        for gradient in ("discrete", "adjoint"):
            rn.grad(lambda z, gradient=gradient: np.sum(rn.odeint(fast, z, [0.0, 0.1], theta, gradient=gradient, rtol=1e-3)))(z)
        fast.pullback(z, t, theta)[1](z)
        assert not [x for x in gc.get_objects() if type(x).__name__ == "Frame"]
    finally:
        gc.enable()


# -------------------------------------------------------------------------------------------------------------- one program for one kind

def test_one_source_for_each_kind_of_argument():
    fast = rn.compiled(lambda z, n, theta: z**n * theta["p"])
    traced = []

    def count(z, n, theta):
        traced.append(type(z))
        return z**n * theta["p"]

    fast = rn.compiled(count)
    for _ in range(3):
        fast(Z0, 2, {"p": 1.5})
    first = len(traced)
    assert first == 2  # once as it is, once traced
    for args in ((Z0, 3, {"p": 1.5}), (Z0[:2], 2, {"p": 1.5}), (Z0.astype(np.float32), 2, {"p": 1.5}), (Z0, 2, {"p": np.float64(1.5)}),
                 (Z0, 2, {"p": np.full(3, 1.5)}), (Z0, 2, {"p": 1.5, "q": None})):
        before = len(traced)
        assert same_bits(fast(*args), count(*args))
        assert len(traced) == before + 3
    fast(Z0, 2, {"p": 2.5})  # another number of the same kind
    assert len(traced) == first + 6 * 3


def test_static_leaves_are_compared_by_value():
    index = np.array([2, 0])
    fast = rn.compiled(lambda z, i: z[i] * 2)
    np.testing.assert_array_equal(fast(Z0, index), Z0[[2, 0]] * 2)
    index[0] = 1
    np.testing.assert_array_equal(fast(Z0, index), Z0[[1, 0]] * 2)
    assert fast.pullback(Z0, index)[1](np.ones(2))[1] is None
    fast = rn.compiled(lambda z, flag: z if flag else -z)
    assert fast(1.0, True) == 1.0
    assert fast(1.0, False) == -1.0
    assert fast(1.0, 1) == 1.0


def test_a_tuple_seen_before_may_hold_other_numbers():
    z, t, theta = net(20)
    fast = rn.compiled(f_of_readme)
    fast(z, t, theta)
    theta[0][0][:] = 0.1
    assert same_bits(fast(z, t, theta), f_of_readme(z, t, theta))
    other = net(20, H=7)[2]
    assert same_bits(fast(z, t, other), f_of_readme(z, t, other))
    assert same_bits(fast(z, t, theta), f_of_readme(z, t, theta))


def test_branches_on_shapes_and_static_leaves_are_allowed():
    def f(z, depth):
        if z.ndim == 1 and len(z) == 3 and z.dtype == np.float64:
            for _ in range(depth):
                z = np.sin(z)
        return z
    check_bits(f, (Z0, 4))


def test_captured_constants_are_listed_and_stay():
    A = np.array([[1.0, 2.0], [3.0, 4.0]])
    fast = rn.compiled(lambda z: A @ z + A @ (2 * z), example=(np.ones(2),))
    assert list(fast.consts) == ["c0", "d0", "d1"]  # in f; in its pullback, which also has A.T
    np.testing.assert_array_equal(fast.consts["c0"], A)
    A[0, 0] = 100.0
    np.testing.assert_array_equal(fast(np.ones(2)), [9.0, 21.0])


# ---------------------------------------------------------------------------------------------------------------------------- refusals

def test_what_is_refused():
    rng = np.random.default_rng(0)
    state = []

    def keeps_state(z):
        state.append(0)
        return z * len(state)

    for f, remedy in (
        (lambda z: z * rng.normal(), "random numbers"),
        (keeps_state, "keeps a state"),
        (lambda z: z if z[0] > 0 else -z, r"use np.where.*\(test_compiled.py:\d+\)"),
        (lambda z: z * float(z[0]), r"np.sin, not math.sin.*\(test_compiled.py:\d+\)"),
        (lambda z: z[: int(np.argmax(z))], r"Python number.*\(test_compiled.py:\d+\)"),
        (lambda z: z[np.flatnonzero(z > 0)], "shape that depends on values"),
        (lambda z: np.arange(3.0)[np.argsort(z)], "fails where its arguments are traced"),
    ):
        with pytest.raises(rn.TraceError, match=remedy):
            rn.compiled(f)(Z0)


def test_a_value_that_is_being_differentiated_but_is_no_argument():
    def loss(p):
        fast = rn.compiled(lambda z, t, theta: -p * z)
        return np.sum(rn.odeint(fast, np.ones(2), [0.0, 1.0]))
    with pytest.raises(rn.TraceError, match="pass it in theta"):
        rn.grad(loss)(0.5)


def test_errors_of_f_surface_unchanged():
    class Mine(Exception):
        pass

    def f(z):
        raise Mine("from f")

    with pytest.raises(Mine, match="from f"):
        rn.compiled(f)(Z0)
    with pytest.raises(Mine, match="from f"):
        rn.compiled(f).pullback(Z0)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'theta'"):
        rn.compiled(mlp)(Z0, 0.0)
    fast = rn.compiled(mlp, example=(ZOO["mlp"][1], 0.0, ZOO["mlp"][2]))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'theta'"):
        fast(Z0, 0.0)
    with pytest.raises(ValueError, match=r"matmul|shapes"):
        fast(np.ones((2, 7)), 0.0, ZOO["mlp"][2])


def test_wrong_calls():
    with pytest.raises(TypeError, match="compiled takes a function, not a int"):
        rn.compiled(3)
    with pytest.raises(TypeError, match=r"example must be a tuple"):
        rn.compiled(mlp, example=Z0)
    with pytest.raises(ValueError, match=r"mlp has not been called yet.*example="):
        rn.compiled(mlp).source
    with pytest.raises(ValueError, match=r"mlp has not been differentiated yet"):
        rn.compiled(mlp).vjp_source
    _, back = rn.compiled(mlp).pullback(ZOO["mlp"][1], 0.0, ZOO["mlp"][2])
    with pytest.raises(ValueError, match=r"the cotangent has shape \(2,\) where the value has shape \(5, 3\)"):
        back(np.ones(2))
    assert same_bits(back(np.ones((5, 3), int)), back(np.ones((5, 3))))
    assert same_bits(back(np.asfortranarray(np.ones((5, 3)))), back(np.ones((5, 3))))


def test_masked_and_complex_arguments_are_refused():
    for z in (np.ma.array([1.0, 2.0]), np.array([1j, 2.0])):
        with pytest.raises(TypeError):
            rn.compiled(lambda z: 2 * z).pullback(z)


# --------------------------------------------------------------------------------------------------------- what an attentive user found

def test_the_way_back_does_not_see_later_changes_of_the_arguments():
    fast = rn.compiled(lambda z, theta: np.sin(z * z) * theta["k"])
    for x in (np.array([1.0, 2.0, 3.0]), np.arange(12.0).reshape(3, 4)[:, 1], np.ones(20_000)):
        theta = {"k": np.array(2.0)}
        wanted = rn.pullback(fast.f, x.copy(), {"k": np.array(2.0)})[1](np.ones(x.shape))
        _, back = fast.pullback(x, theta)
        x += 1  # an optimiser's step, say
        theta["k"] -= 1
        assert same_bits(back(np.ones(x.shape)), wanted)
        assert same_bits(back(np.ones((2, *x.shape))[0]), wanted)
        np.testing.assert_array_equal(rn.jvp(back, (np.ones(x.shape),), (np.ones(x.shape),))[1][0], wanted[0])  # the way back is linear


def test_the_first_call_returns_copies_too():
    A = np.ones(3)
    fast = rn.compiled(lambda z: (z[::2], A))
    x = Z0.copy()
    for part in fast(x):
        part[:] = 9
    np.testing.assert_array_equal(x, Z0)
    np.testing.assert_array_equal(A, 1)


def test_a_caught_exception_is_a_branch():
    def fallback(A):
        try:
            return np.sum(np.linalg.cholesky(A))
        except np.linalg.LinAlgError:
            return np.sum(A) * 1.0

    def swallowed(z):
        try:
            if z[0] > 0:
                return z * 2
        except Exception:
            pass
        return z * 3

    for f, x in ((fallback, -np.eye(2)), (swallowed, Z0)):
        with pytest.raises(rn.TraceError, match="cannot branch on whether an operation fails, and f catches an exception"):
            rn.compiled(f)(x)


def test_static_arguments_do_not_change_unseen():
    class Parameters:
        k = 2.0

    for argument in (Parameters(), {1.0, 2.0}, object()):
        with pytest.raises(rn.TraceError, match=f"an argument of type {type(argument).__name__} cannot be compiled"):
            rn.compiled(lambda z, p: z * 2)(Z0, argument)


def test_pythons_numbers_stay_pythons():
    fast = rn.compiled(lambda x: 1.0 / (x * 2.0))
    assert type(fast(1.0)) is float
    with pytest.raises(ZeroDivisionError):
        fast(0.0)
    with pytest.raises(OverflowError):
        rn.compiled(lambda x: (x * 1.0) ** 2, example=(1.0,))(1e200)
    value, back = rn.compiled(lambda x: x * 2).pullback(2.0)
    assert (type(value), type(back(1.0)[0])) == (float, np.float64)
    for x, kind in ((np.array(2.0), np.ndarray), (2.0, np.float64)):
        for f in (lambda x: x * 2, lambda x: x):
            assert type(rn.compiled(f).pullback(x)[1](1.0)[0]) is type(rn.pullback(f, x)[1](1.0)[0]) is kind


def test_arities_keywords_and_methods():
    def f(z, k=2.0, *rest):
        return z * k + sum(rest)

    fast = rn.compiled(f)
    for args in ((Z0,), (Z0, 3.0), (Z0, 3.0, 1.0), (Z0,)):
        assert same_bits(fast(*args), f(*args))
        assert same_bits(fast.pullback(*args)[0], f(*args))
    assert same_bits(fast(Z0, k=3.0), f(Z0, 3.0))
    with pytest.raises(TypeError, match="k can only be given by name"):
        rn.compiled(lambda z, *, k: z)(Z0, k=1.0)

    class Net:
        @rn.compiled
        def f(self, z):
            return z

    with pytest.raises(rn.TraceError, match="an argument of type Net cannot be compiled"):
        Net().f(Z0)


@pytest.mark.parametrize("names",
                         ["g", "back", "cotangents", "cotangent", "type", "len", "list", "v0", "c0", "args", "held", "x0, x0_", "arg1, *rest",
                                   "zero, zero_"])
def test_any_names_of_parameters(names):
    f = eval(f"lambda z, {names}: np.sin(z) * {names.split(',')[0]} + z[0] * z[1]")
    args = (Z0, *([2.0] * len(names.split(","))))
    fast = check_bits(f, args)
    assert same_bits(rn.hvp(lambda z: np.sum(fast(z, *args[1:])), (Z0,), (Z0,)), rn.hvp(lambda z: np.sum(f(z, *args[1:])), (Z0,), (Z0,)))


def test_variables_named_like_ufuncs_in_large_programs():
    def f(z):
        multiply = (z * 2 + 1) / (z - 3)
        add = multiply * z - abs(multiply) @ np.ones((100, 100))
        return np.sum(np.exp(-add * multiply / add) + add)
    check_bits(f, (np.random.default_rng(0).normal(size=(200, 100)),))
    odd = differentiable(lambda x: x * 2, lambda x: (x * 2, lambda g: (2 * g,)))
    odd.__name__ = "c0"
    check_bits(lambda z: odd(z) + np.array([1.0, 2.0, 3.0]), (Z0,))


def test_arrays_with_gaps_are_traced_once():
    base, W = np.random.default_rng(0).normal(size=(64, 8)), np.random.default_rng(0).normal(size=(2, 50))
    for z in (base[:, :2], base[::-1, :2], base[::3, 1:3], base[:, :2].astype(">f8")):
        fast = check_bits(lambda z, t, W: np.tanh(z @ W) @ W.T, (z, 0.0, W)) if z.dtype.isnative else rn.compiled(lambda z: z * 2)
        args = (z, 0.0, W) if z.dtype.isnative else (z,)
        for _ in range(3):
            fast(*args)
            fast.pullback(*args)
        assert len(fast._sources) == len(fast._pullbacks) == 1
    check_bits(lambda z: z @ z.T, (np.random.default_rng(0).normal(size=(60, 120))[:, ::2],))
    fixed = base[:, :2]
    fixed.flags.writeable = False
    check_bits(lambda z, W: np.tanh(z @ W) @ W.T, (fixed, W))


def test_long_programs():
    def waves(z):
        for _ in range(900):
            z = np.sin(z)
        return np.sum(z)

    def drift(z, theta):
        for _ in range(300):
            z = z + 0.01 * theta[0] * z - theta[1]
        for _ in range(200):
            z = z[...]
        return np.sum(z)

    found = rn.compiled(waves).pullback(np.ones((200, 100)))
    assert found[0] == waves(np.ones((200, 100)))
    rn.compiled(drift).pullback(Z0, np.array([0.1, 0.2]))
    knot = {}
    knot["me"] = knot

    def local(z):
        me = knot
        return z * len(me)
    assert same_bits(rn.compiled(local)(Z0), Z0)


def test_a_source_keeps_no_values_of_its_trace():
    import tracemalloc

    def f(x):
        return np.sum(sum(np.sin(x * k) for k in range(10)))

    fast = rn.compiled(f)
    tracemalloc.start()
    fast.pullback(np.ones(2**17))  # 1 MiB each
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 2**20 * 25  # the buffers of one call: ten cosines' arguments, and what sums them


def test_forgetting():
    fast = rn.compiled(lambda z, k: z * k)
    for k in range(64):
        fast(Z0, k)
    with pytest.warns(RuntimeWarning, match="compiled for more than 64 kinds of arguments"):
        fast(Z0, 64)
    assert len(fast._sources) == 64

    class Net:
        def act(self, z):
            return np.tanh(z)

    net, calls = Net(), rn.compiled(lambda z, act: act(z))
    for _ in range(3):
        calls(Z0, net.act)  # a new bound method each time, but an equal one
    assert len(calls._sources) == 1


def test_constants_of_less_precision():
    c = np.float32(0.1)
    check_bits(lambda z: np.array([z[0] * c * z[1], z[1] * z[0] + c]), (Z0,))
    check_bits(lambda z: np.arange(3, dtype=np.float32) * z[0] + z[1], (Z0,))


def test_what_f_may_return():
    for value in ((x for x in range(3)), {1, 2}, "text"):
        with pytest.raises(rn.TraceError, match=f"f returned a {type(value).__name__}"):
            rn.compiled(lambda z, value=value: value)(Z0)


# ------------------------------------------------------------------------------------------------------------------------------ company

def test_threads():
    z, t, theta = net(512, H=64)
    fast = rn.compiled(f_of_readme)
    wanted = {scale: rn.pullback(f_of_readme, scale * z, t, theta)[1](z) for scale in (1.0, 2.0)}
    wrong = []

    def work(scale):
        for _ in range(20):
            _, back = fast.pullback(scale * z, t, theta)
            if not same_bits(back(z), wanted[scale]):
                wrong.append(scale)

    threads = [threading.Thread(target=work, args=(scale,)) for scale in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_profiler_at_work_is_left_alone():
    seen = []

    def profiler(frame, event, arg):
        seen.append(event)

    sys.setprofile(profiler)
    try:
        fast = rn.compiled(f_of_readme, example=net(4))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert seen
    assert "theta_0_0" in fast.source
    assert sys.getprofile() is None
    rn.compiled(f_of_readme, example=net(4))
    assert sys.getprofile() is None


def test_pickle_and_repr():
    fast = pickle.loads(pickle.dumps(rn.compiled(mlp)))
    assert same_bits(fast(ZOO["mlp"][1], 0.2, ZOO["mlp"][2]), mlp(ZOO["mlp"][1], 0.2, ZOO["mlp"][2]))
    assert repr(fast).startswith("compiled(<function mlp")


def test_check_dynamics_takes_it():
    f, z0, theta = ZOO["mlp"]
    assert str(rn.check_dynamics(rn.compiled(f), z0, 0.0, theta)) == str(rn.check_dynamics(f, z0, 0.0, theta))
