"""Tableaus against the order conditions of rooted trees, in exact arithmetic (HNW II.2, theorem 2.13).

A rooted tree is the sorted tuple of its branches; () is a single node. For a tree t = [t_1, ..., t_m]

    order(t) = 1 + sum order(t_j),  density(t) = order(t) prod density(t_j),  Phi(t)_i = prod_j sum_k A[i][k] Phi(t_j)_k

and a method has order p exactly if  sum_i b_i Phi(t)_i = 1 / density(t)  for all trees up to order p. Its continuation has order p_dense
exactly if  sum_i b_i(theta) Phi(t)_i = theta^order(t) / density(t)  as polynomials, for all trees up to order p_dense.
"""

import functools
import math
from dataclasses import replace
from fractions import Fraction as F

import numpy as np
import pytest
from scipy.integrate._ivp import dop853_coefficients

from refnode.ode.tableau import Tableau
from refnode.ode.tableaus import TABLEAUS, dop853, dopri5, dopri5_shampine, tsit5


@functools.cache
def trees(order):
    """All rooted trees with so many nodes."""
    def forests(nodes, largest):
        if nodes == 0:
            yield ()
        for size in range(min(nodes, largest), 0, -1):
            for tree in trees(size):
                for rest in forests(nodes - size, size):
                    yield (*rest, tree)
    return sorted({tuple(sorted(branches)) for branches in forests(order - 1, order - 1)})


def order(tree):
    return 1 + sum(map(order, tree))


def density(tree):
    return order(tree) * math.prod(map(density, tree))


@functools.cache
def phi(tree, A):
    """The elementary weight of each stage."""
    branches = [phi(branch, A) for branch in tree]
    return [math.prod((sum((a * x for a, x in zip(row, branch, strict=False)), F(0)) for branch in branches), start=F(1)) for row in A]


def residuals(weights, A, p):
    """What is missing in each tree of order p."""
    for tree in trees(p):
        yield abs(sum(b * x for b, x in zip(weights, phi(tree, A[:len(weights)]), strict=True)) - F(1, density(tree)))


def dense_residuals(interpolant, A, p):
    """The same for each coefficient of theta, theta^2, ... in each tree of order p."""
    for tree in trees(p):
        weights = phi(tree, A)
        columns = [*zip(*interpolant, strict=True), *[[F(0)] * len(A)] * p]
        for power, column in enumerate(columns, start=1):
            yield abs(sum(b * x for b, x in zip(column, weights, strict=True)) - (F(1, density(tree)) if power == order(tree) else 0))


# Published decimals satisfy the conditions within 10 units of their last digit times the number of terms (DESIGN section 9). All other tableaus
# are rational, and exact.
# tsit5: entries around 30, printed with 16 significant digits, have 14 after the point; at most 21 terms: 10 x 21 x 1e-14.
# dop853: A, b and the error weights have 27 digits after the point where they have fewest; at most 13 terms: 10 x 13 x 1e-27.
# Its interpolant: 25 digits (the last entry of D's first row); 16 stages: 10 x 16 x 1e-25.
ROUNDED = {"tsit5": F("2.1e-12"), "dop853": F("1.3e-25")}
ROUNDED_DENSE = {"tsit5": F("2.1e-12"), "dop853": F("1.6e-23")}
MISSING = F("1e-5")  # a condition that is not meant to hold is missed by more than this


EVERY = pytest.mark.parametrize("tableau", TABLEAUS.values(), ids=TABLEAUS)
EMBEDDED = pytest.mark.parametrize("tableau", [t for t in TABLEAUS.values() if t.b_hat], ids=lambda t: t.name)


def test_there_are_two_hundred_trees_up_to_order_eight():
    assert [len(trees(p)) for p in range(1, 10)] == [1, 1, 2, 4, 9, 20, 48, 115, 286]
    assert sum(len(trees(p)) for p in range(1, 9)) == 200


@EVERY
def test_order(tableau):
    for p in range(1, tableau.p + 1):
        assert max(residuals(tableau.b, tableau.A, p)) <= ROUNDED.get(tableau.name, 0)
    assert max(residuals(tableau.b, tableau.A, tableau.p + 1)) > MISSING


@EMBEDDED
def test_order_of_the_embedded_formulas(tableau):
    """dop853's second one, of order 3, is rational but uses the decimal stages."""
    for weights, q in ((tableau.b_hat, tableau.q_hat), (tableau.b_check, tableau.q_check)):
        if weights is not None:
            for p in range(1, q + 1):
                assert max(residuals(weights, tableau.A, p)) <= ROUNDED.get(tableau.name, 0)
            assert max(residuals(weights, tableau.A, q + 1)) > MISSING


@EVERY
def test_order_of_the_continuation(tableau):
    """With all stages, those for the continuation alone included."""
    for p in range(1, tableau.p_dense + 1):
        assert max(dense_residuals(tableau.interpolant, tableau.A, p)) <= ROUNDED_DENSE.get(tableau.name, 0)
    assert max(dense_residuals(tableau.interpolant, tableau.A, tableau.p_dense + 1)) > MISSING


@EVERY
def test_the_continuation_ends_in_b_and_starts_with_the_first_stage(tableau):
    extra = len(tableau.A) - len(tableau.b)
    assert tuple(sum(row) for row in tableau.interpolant) == tableau.b + (0,) * extra
    assert [row[0] for row in tableau.interpolant] == [1] + [0] * (len(tableau.A) - 1)  # b_i(theta) = theta k_1 + O(theta^2)


def test_the_error_that_is_measured():
    """k of O(h^k): one more than the order of the embedded formula; dop853's e_hat^2 / e_check is O(h^(6 + 6 - 4))."""
    assert {name: tableau.error_order for name, tableau in TABLEAUS.items() if tableau.error_order} == {
        "heun": 2, "bosh3": 3, "dopri5": 5, "dopri5_shampine": 5, "tsit5": 5, "dop853": 8}


@EVERY
def test_where_first_same_as_last_the_continuation_is_continuously_differentiable(tableau):
    """d/dtheta b_i(1) = 1 for the last stage alone: the slope at the end of a step is the slope at the start of the next."""
    if tableau.fsal:
        slopes = [sum(power * x for power, x in enumerate(row, start=1)) for row in tableau.interpolant]
        wanted = [0] * (len(tableau.b) - 1) + [1] + [0] * (len(tableau.A) - len(tableau.b))
        assert all(abs(slope - w) <= ROUNDED_DENSE.get(tableau.name, 0) for slope, w in zip(slopes, wanted, strict=True))


def test_first_same_as_last_is_derived():
    assert {name for name, tableau in TABLEAUS.items() if tableau.fsal} == {"bosh3", "dopri5", "dopri5_shampine", "tsit5", "dop853"}


def test_nodes():
    assert list(map(str, dopri5.c)) == ["0", "1/5", "3/10", "4/5", "8/9", "1", "1"]
    assert [float(c) for c in tsit5.c] == [0, 0.161, 0.327, 0.9, 0.9800255409045097, 1, 1]
    assert [[float(c) for c in TABLEAUS[name].c] for name in ("euler", "midpoint", "heun", "rk4")] == [[0], [0, 0.5], [0, 1], [0, 0.5, 0.5, 1]]


def test_entries_that_follow_from_others_agree_with_the_published_decimals():
    """10 units of the last printed digit for each of at most 6 terms that were summed."""
    found = [row[0] for row in tsit5.A[1:]] + [tsit5.b_hat[0]] + [row[2] for row in tsit5.interpolant]
    printed = ["0.161", "-0.008480655492356989", "2.8971530571054935", "5.325864828439257", "5.86145544294642", "0.09646076681806523",
               "0.09824077787029123",
               "2.9132554618219126", "-0.2234", "-5.941033872131505", "30.33818863028232", "-88.1789048947664", "65.09189467479366", "-4"]
    assert all(abs(x - F(y)) <= 6 * F("1e-13") for x, y in zip(found, printed, strict=True))


def test_dop853_is_scipys():
    """Each coefficient, to the last bit; sums of the rows, from which c and the first entries follow here, may round in another way there."""
    def rows(found, columns):
        return np.array([[float(x) for x in row] + [0.0] * (columns - len(row)) for row in found])

    np.testing.assert_array_equal(rows(dop853.A, 16), dop853_coefficients.A)
    np.testing.assert_array_equal(rows([dop853.c], 16)[0], dop853_coefficients.C)
    np.testing.assert_allclose(rows([dop853.b[:12]], 12)[0], dop853_coefficients.B, rtol=4.5e-16)
    for weights, theirs in ((dop853.b_hat, dop853_coefficients.E5), (dop853.b_check, dop853_coefficients.E3)):
        np.testing.assert_allclose([float(b - x) for b, x in zip(dop853.b, weights, strict=True)], theirs, rtol=0, atol=2.2e-16 * 7)  # |b| < 7


def test_the_dense_output_of_dop853_is_scipys():
    """contd8 of HNW II.6, written out: nested factors theta and 1 - theta over F_0 ... F_6, with D as SciPy has it.

    The coefficients of powers are sums of up to 7 products of D's entries, up to 530, with binomials up to 6: 1e4 eps.
    """
    theta = np.linspace(0.0, 1.0, 23)
    weights = np.eye(16)
    b = np.array([float(x) for x in dop853.b] + [0.0] * 3)
    F0, first, last = b, weights[0], weights[12]
    levels = [F0, first - F0, 2 * F0 - (last + first), *dop853_coefficients.D]
    y = np.zeros((len(theta), 16))
    for i, level in enumerate(reversed(levels)):
        y = (y + level) * (theta if i % 2 == 0 else 1 - theta)[:, None]
    P = np.array([[float(x) for x in row] for row in dop853.interpolant])
    np.testing.assert_allclose(theta[:, None] ** np.arange(1, 8) @ P.T, y, rtol=0, atol=1e4 * 2.2e-16)


def test_shampines_error_weights_are_two_thirds():
    e, e_shampine = ([b - b_hat for b, b_hat in zip(t.b, t.b_hat, strict=True)] for t in (dopri5, dopri5_shampine))
    assert [F(2, 3) * x for x in e] == e_shampine


def test_contd5_is_shampines_quartic():
    """HNW II.6: u(theta) = z + theta (r2 + (1 - theta) (r3 + theta (r4 + (1 - theta) r5))), with r in units of h k_i."""
    d = [F(-12715105075, 11282082432), F(0), F(87487479700, 32700410799), F(-10690763975, 1880347072), F(701980252875, 199316789632),
         F(-1453857185, 822651844), F(69997945, 29380423)]
    for i in range(7):
        first, last = F(i == 0), F(i == 6)
        r2 = dopri5.b[i]
        r3 = first - r2
        r4 = r2 - last - r3
        r5 = d[i]
        # theta r2 + (theta - theta^2) r3 + (theta^2 - theta^3) r4 + (theta^2 - 2 theta^3 + theta^4) r5
        assert dopri5.interpolant[i] == (r2 + r3, -r3 + r4 + r5, -r4 - 2 * r5, r5)


def test_the_middle_of_dopri5_is_shampines_midpoint():
    """The weights that torchdiffeq, JAX and diffrax interpolate with (Shampine 1986): the same polynomial."""
    middle = [F(6025192743, 30085553152), F(0), F(51252292925, 65400821598), F(-2691868925, 45128329728), F(187940372067, 1594534317056),
              F(-1776094331, 19743644256), F(11237099, 235043384)]
    assert [2 * sum(x / 2**power for power, x in enumerate(row, start=1)) for row in dopri5.interpolant] == middle


@EVERY
def test_floating_point_is_the_nearest(tableau):
    for dtype, real in ((np.float64, np.float64), (np.float32, np.float32), (np.complex128, np.float64), (np.complex64, np.float32)):
        cast = tableau.cast(np.dtype(dtype))
        assert cast is tableau.cast(np.dtype(dtype))
        assert cast.b.dtype == cast.P.dtype == real and all(type(c) is float for c in cast.c)
        np.testing.assert_array_equal(cast.b, np.array([float(x) for x in tableau.b], real))
        assert cast.P.tolist() == [[real(float(x)) for x in row] for row in tableau.interpolant]
        assert (cast.e is None) == (tableau.b_hat is None)
        assert [len(row) for row in cast.A] == list(range(len(tableau.A)))
        for found, row in zip(cast.A, tableau.A, strict=True):
            np.testing.assert_array_equal(found, np.array([float(x) for x in row], real))
        for found, weights in zip(np.atleast_2d(cast.e) if tableau.b_hat else [], [tableau.b_hat, tableau.b_check], strict=False):
            np.testing.assert_array_equal(found, np.array([float(b - x) for b, x in zip(tableau.b, weights, strict=True)], real))
        assert (cast.e is not None and cast.e.ndim == 2) == (tableau.b_check is not None)
        assert cast.c == tuple(map(float, tableau.c)) and cast.fsal == tableau.fsal


BAD = {
    "weights that do not sum to 1": (lambda: replace(dopri5, b=(F(1, 2), *dopri5.b[1:])), ValueError, "the weights must sum to 1"),
    "embedded weights that do not sum to 1": (lambda: replace(dopri5, b_hat=(F(1), *dopri5.b_hat[1:])), ValueError, "the weights must sum to 1"),
    "too few embedded weights": (lambda: replace(dopri5, b_hat=(F(1),)), ValueError, "the weights must sum to 1"),
    "embedded weights without an order": (lambda: replace(dopri5, q_hat=None), ValueError, "come together"),
    "an order without embedded weights": (lambda: replace(TABLEAUS["rk4"], q_hat=3), ValueError, "come together"),
    "a second estimate without an order": (lambda: replace(dop853, q_check=None), ValueError, "b_hat, q_hat; b_check, q_check"),
    "a second estimate without the first": (lambda: replace(dop853, b_hat=None, q_hat=None), ValueError, "b_hat is missing"),
    "a second estimate that does not sum to 1": (lambda: replace(dop853, b_check=(F(2), *dop853.b_check[1:])), ValueError, "the weights must sum"),
    "a continuation without its extra stages": (lambda: replace(dop853, interpolant=dop853.interpolant[:13]), ValueError, "must end in b"),
    "an implicit row": (lambda: Tableau("x", ((F(1),),), (F(1),), 1, ((F(1),),), 1), ValueError, "row i of A must have i entries"),
    "a missing row": (lambda: replace(TABLEAUS["midpoint"], A=((),)), ValueError, "for 2 stages"),
    "a continuation that ends elsewhere": (lambda: replace(TABLEAUS["midpoint"], interpolant=((F(1),), (F(0),))), ValueError, "must end in b"),
    "a continuation of too few stages": (lambda: replace(TABLEAUS["midpoint"], interpolant=((F(0),),)), ValueError, "must end in b"),
    "ragged rows of the continuation": (lambda: replace(TABLEAUS["midpoint"], interpolant=((F(0),), (F(0), F(1)))), ValueError, "one row of coeff"),
    "a node beyond the step": (lambda: replace(TABLEAUS["heun"], A=((), (F(3, 2),))), ValueError, "outside [0, 1]"),
    "floats": (lambda: Tableau("x", ((),), (1.0,), 1, ((F(1),),), 1), TypeError, "must be Fractions"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tableaus_are_refused(case):
    build, kind, words = BAD[case]
    with pytest.raises(kind) as caught:
        build()
    assert words in str(caught.value)
