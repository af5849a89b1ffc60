"""Jacobians by differences, given, dense and sparse; and the linear algebra behind implicit steps."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from refnode.ode.jacobian import Jacobian, NotFinite, Singular, colouring, factorise, shifted
from refnode.ode.solution import SolveStats

EPS = 2.0**-52


def build(f, z, jac=None, sparsity=None, **keywords):
    """A Jacobian of f(z, t), and its stats."""
    stats = SolveStats()

    def evaluate(z, t, out):
        stats.nfe += 1
        out[:] = f(z, t)

    return Jacobian(evaluate, z, jac, sparsity, stats=stats, **keywords), stats


def robertson(z, t):
    a, b, c = 0.04 * z[0], 1e4 * z[1] * z[2], 3e7 * z[1] ** 2
    return np.array([b - a, a - b - c, c])


SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(1, 6))
def test_differences_of_a_linear_f(seed, n):
    """f = A z has no curvature: what is left are rounding errors. f is a sum of n products, so that each of the two values that are subtracted is
    off by at most n eps sum_j |A_ij| (|z_j| + h), and the difference is divided by h >= sqrt(eps) |z|, with |z| in [1, 2]."""
    rng = np.random.default_rng(seed)
    A, z = rng.normal(size=(n, n)), rng.uniform(1, 2, n)
    jacobian, stats = build(lambda z, t: A @ z, z)
    J = jacobian(z, 0.0, A @ z)
    bound = 2 * (n + 1) * EPS * (np.abs(A) @ (1.1 * z))[:, None] / (EPS**0.5 * z)
    assert np.all(np.abs(J - A) <= bound)
    assert stats.njev == 1 and n <= stats.nfe <= 2 * n


@given(SEEDS, st.integers(1, 6))
def test_differences_of_a_quadratic_f(seed, n):
    """f_i = sum_j A_ij z_j^2: the difference is off by h A_ij = sqrt(eps) |z_j| A_ij, beside the rounding errors above."""
    rng = np.random.default_rng(seed)
    A, z = rng.normal(size=(n, n)), rng.uniform(1, 2, n)
    J = build(lambda z, t: A @ z**2, z)[0](z, 0.0, A @ z**2)
    h = 1.01 * EPS**0.5 * z
    bound = np.abs(A) * h + 2 * (n + 2) * EPS * (np.abs(A) @ (1.1 * z**2))[:, None] / (0.99 * EPS**0.5 * z)
    assert np.all(np.abs(J - 2 * A * z) <= bound)


def test_differences_are_scipys():
    """To the last bit, with the factors that are kept from call to call."""
    num_jac = pytest.importorskip("scipy.integrate._ivp.common").num_jac
    jacobian, _ = build(robertson, np.zeros(3), threshold=1e-9)
    factor = None
    for z in ([1.0, 0, 0], [0.9, 1e-5, 0.1], [0.5, 2e-6, 0.5], [1e-7, 1e-13, 1.0]):
        z = np.array(z)
        f0 = robertson(z, 0.0)
        J, factor = num_jac(lambda t, zs: np.array([robertson(z, t) for z in zs.T]).T, 0.0, z, f0, 1e-9, factor)
        np.testing.assert_array_equal(jacobian(z, 0.0, f0), J)
        np.testing.assert_array_equal(jacobian.memory[0], factor)


def test_f_is_asked_where_the_solution_goes():
    """z' = -sqrt(z) lives in z >= 0, and goes down from z = 1; z' = 1 + sqrt(z) goes up from the border itself."""
    seen = []
    for f, z in ((lambda z, t: seen.append(z.item() - 1) or -np.sqrt(z), 1.0), (lambda z, t: seen.append(-z.item()) or 1 + np.sqrt(z), 0.0)):
        z = np.array([z])
        assert np.isfinite(build(f, z)[0](z, 0.0, f(z, 0.0))).all()
    assert max(seen) <= 0


@pytest.mark.parametrize("threshold", [0.0, 1e-300, np.zeros(2), 1e-6])
def test_there_is_a_step_even_at_zero(threshold):
    z = np.zeros(2)
    J = build(lambda z, t: np.array([3 * z[0] - z[1], z[1]]), z, threshold=threshold)[0](z, 0.0, z)
    np.testing.assert_allclose(J, [[3, -1], [0, 1]], rtol=1e-15)  # f(0) = 0: nothing cancels


def test_a_variable_that_f_does_not_use_costs_nothing_in_the_long_run():
    """Its step grows, but not for ever: SciPy's reaches infinity after some 300 calls, and J is NaN."""
    z = np.array([1.0, 2.0])
    jacobian, _ = build(lambda z, t: np.array([np.exp(z[0]), z[0]]), z)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(400):
            J = jacobian(z, 0.0, np.array([np.e, 1.0]))
    assert np.all(J[:, 1] == 0) and jacobian.memory[0].max() == 0.1


def test_a_step_that_is_lost_in_rounding_errors_is_tried_again():
    """1e12 + z: a difference of 1.5e-8 disappears in units of 1.2e-4."""
    z = np.array([1.0])
    jacobian, stats = build(lambda z, t: 1e12 + z, z)
    for _ in range(9):
        J = jacobian(z, 0.0, 1e12 + z)
    assert stats.nfe > 9 and abs(J.item() - 1) < 1e-2  # h = 0.1 at last: 1.2e-4 / 0.1


def test_complex():
    """f = A z^2, holomorphic: as above with complex numbers, |f| <= sum |A_ij| |z_j|^2, errors of products 3 times larger."""
    rng = np.random.default_rng(5)
    A, z = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)), rng.uniform(1, 2, 3) + 1j * rng.uniform(1, 2, 3)
    J = build(lambda z, t: A @ z**2, z)[0](z, 0.0, A @ z**2)
    assert J.dtype == np.complex128
    h = 1.01 * EPS**0.5 * np.abs(z)
    assert np.all(np.abs(J - 2 * A * z) <= np.abs(A) * h + 30 * EPS * (np.abs(A) @ np.abs(z) ** 2)[:, None] / h)


def test_single_precision():
    z = np.array([1.0, 2.0], np.float32)
    J = build(lambda z, t: z**2, z)[0](z, 0.0, z**2)
    assert J.dtype == np.float32
    np.testing.assert_allclose(J, np.diag(2 * z), rtol=4 * 2**-11.5)  # sqrt(eps) of curvature, and 2 roundings / sqrt(eps)


PATTERNS = st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n))


@given(PATTERNS)
def test_columns_of_one_colour_have_no_row_in_common(pattern):
    pattern = np.array(pattern)
    colours = colouring(sp.csc_array(pattern))
    for colour in range(colours.max() + 1):
        assert pattern[:, colours == colour].sum(axis=1).max(initial=0) <= 1


def test_numbers_of_colours():
    n = 40
    assert colouring(sp.eye_array(n, format="csc")).max() == 0
    assert colouring(sp.csc_array(np.ones((5, 5)))).tolist() == [0, 1, 2, 3, 4]
    for width in (1, 2, 5):  # a band takes as many as it is wide, which is the least possible
        band = sp.csc_array(sum(np.eye(n, k=k) for k in range(-width, width + 1)))
        assert colouring(band).max() + 1 == 2 * width + 1


@settings(max_examples=40)
@given(PATTERNS, SEEDS)
def test_sparse_differences_are_the_dense_ones(pattern, seed):
    """The same steps, and no column disturbs another: the same entries, to the rounding errors of f, whose sums are the same here. The pattern
    decides what is looked at, so that both ask for steps of the same size: with a diagonal that is large in f, each column's largest entry."""
    pattern, rng = np.array(pattern), np.random.default_rng(seed)
    n = len(pattern)
    A = np.where(pattern, rng.uniform(-1, 1, (n, n)), 0.0) + 10 * np.eye(n)
    z = rng.uniform(1, 2, n)
    rows = [np.flatnonzero(row) for row in A]

    def f(z, t):
        return np.array([np.sum(A[i, j] * np.sin(z[j])) for i, j in enumerate(rows)])

    dense, stats = build(f, z)
    sparse, sparse_stats = build(f, z, sparsity=pattern)
    J, S = dense(z, 0.0, f(z, 0.0)), sparse(z, 0.0, f(z, 0.0))
    assert sp.issparse(S) and S.format == "csc"
    np.testing.assert_array_equal(S.toarray(), J)
    assert sparse_stats.nfe <= stats.nfe and sparse_stats.njev == 1


def test_a_band_costs_as_many_evaluations_as_it_is_wide():
    n = 50
    z = np.linspace(1, 2, n)
    jacobian, stats = build(lambda z, t: -2 * z + np.roll(z, 1) * (np.arange(n) > 0), z, sparsity=sp.csr_array(np.eye(n) + np.eye(n, k=-1)))
    J = jacobian(z, 0.0, -2 * z + np.roll(z, 1) * (np.arange(n) > 0))
    assert stats.nfe == 2
    assert J.nnz == 2 * n - 1
    np.testing.assert_allclose(J.toarray(), -2 * np.eye(n) + np.eye(n, k=-1), atol=4 * 4 * EPS / EPS**0.5)  # |f| <= 4, h >= sqrt(eps)


@pytest.mark.parametrize("kind", [np.array, sp.csr_array, sp.csc_matrix, lambda A: A.tolist(), lambda A: A.astype(int)])
def test_given(kind):
    A, z = np.array([[-3.0, 1], [0, 2]]), np.array([1.0, 2.0])
    jacobian, stats = build(lambda z, t: A @ z, z, lambda z, t: kind(A * z[0] * t))
    J = jacobian(2 * z, 3.0, z)
    np.testing.assert_array_equal(J.toarray() if sp.issparse(J) else J, 6 * A)
    assert J.dtype == float and (stats.njev, stats.nfe, jacobian.constant) == (1, 0, False)
    jacobian, stats = build(lambda z, t: A @ z, z, kind(A))
    J = jacobian(z, 0.0, z)
    np.testing.assert_array_equal(J.toarray() if sp.issparse(J) else J, A)
    assert J.dtype == float and (stats.njev, stats.nfe, jacobian.constant) == (0, 0, True)


@pytest.mark.parametrize(("keywords", "kind", "words"), [
    ({"jac": np.eye(3)}, ValueError, "jac must have shape (2, 2), one row and one column for each number of the state, not (3, 3)"),
    ({"jac": lambda z, t: z}, ValueError, "jac must have shape (2, 2), one row and one column for each number of the state, not (2,)"),
    ({"jac": 1j * np.eye(2)}, TypeError, "jac has dtype complex128 where the state is float64"),
    ({"sparsity": np.ones(2)}, ValueError, "jac_sparsity must have shape (2, 2)"),
    ({"jac": np.eye(2), "sparsity": np.eye(2)}, ValueError, "jac and jac_sparsity are both given"),
])
def test_wrong(keywords, kind, words):
    z = np.ones(2)
    with pytest.raises(kind) as caught:
        build(lambda z, t: z, z, **keywords)[0](z, 0.0, z)
    assert words in str(caught.value)


def test_what_is_carried_on_is_in_memory():
    z, jacobian = np.array([1.0, 1e-5, 0.5]), build(robertson, np.zeros(3))[0]
    jacobian(z, 0.0, robertson(z, 0.0))
    saved = [array.copy() for array in jacobian.memory]
    other = build(robertson, np.zeros(3))[0]
    for array, value in zip(other.memory, saved, strict=True):
        array[...] = value
    np.testing.assert_array_equal(other(2 * z, 0.0, robertson(2 * z, 0.0)), jacobian(2 * z, 0.0, robertson(2 * z, 0.0)))


DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
SPARSE = pytest.mark.parametrize("sparse", [False, True])


@DTYPES
@SPARSE
def test_factorise(dtype, sparse):
    """Backward stable: |A x - b| <= growth n eps |A| |x|, growth below 10 for 6 x 6 of this kind."""
    rng = np.random.default_rng(2)
    stats = SolveStats()
    J, b = rng.normal(size=(6, 6)).astype(dtype), rng.normal(size=6).astype(dtype)
    A = shifted(sp.csc_array(J) if sparse else J, 2.5)
    assert A.dtype == dtype and sp.issparse(A) is sparse
    np.testing.assert_array_equal(A.toarray() if sparse else A, 2.5 * np.eye(6, dtype=dtype) - J)
    x = factorise(A, stats)(b)
    assert x.dtype == dtype and stats.nlu == 1
    assert np.all(np.abs(A @ x - b) <= 10 * 6 * np.finfo(dtype).eps * (abs(A) @ np.abs(x)))
    pair = shifted(sp.csc_array(J) if sparse else J, 2.5 + 1j)
    assert pair.dtype == np.result_type(dtype, np.complex64)
    y = factorise(pair, stats)(b.astype(pair.dtype))
    assert np.all(np.abs(pair @ y - b) <= 30 * 6 * np.finfo(dtype).eps * (abs(pair) @ np.abs(y))) and stats.nlu == 2


@SPARSE
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("A", [np.ones((2, 2)), np.zeros((2, 2)), np.array([[1, np.nan], [0, 1]]), np.array([[np.inf, 0], [0, 1.0]])])
def test_what_cannot_be_factorised_has_a_name(A, sparse):
    A = sp.csc_array(A) if sparse else A
    with pytest.raises(Singular if np.all(np.isfinite(A.toarray() if sparse else A)) else NotFinite):
        factorise(A, SolveStats())


def test_a_state_without_numbers():
    z = np.zeros(0)
    J = build(lambda z, t: z, z)[0](z, 0.0, z)
    assert J.shape == (0, 0) and factorise(shifted(J, 1.0), SolveStats())(z).shape == (0,)
