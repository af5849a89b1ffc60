"""The coefficients of the implicit Runge-Kutta methods, from the equations that define them; and what follows: L-stability.

ESDIRK methods as in test_tableaus, in exact arithmetic. Radau IIA in decimals of 60 digits, from the polynomial that its nodes are the zeros of.
"""

import math
from dataclasses import replace
from decimal import Decimal as D
from decimal import getcontext, localcontext
from fractions import Fraction as F

import numpy as np
import pytest

from refnode.ode import radau
from refnode.ode.esdirk_tableaus import ESDIRKS, EsdirkTableau, implicit_euler, kvaerno3, kvaerno5
from tests.ode.test_tableaus import MISSING, dense_residuals, residuals

# implicit_euler is rational. kvaerno3: gamma has 40 digits after the point, and the conditions are smooth in it: its derivatives are below 10.
# kvaerno5: the published decimals have 17 digits after the point; at most 7 x 4 terms: 10 x 28 x 1e-17 (DESIGN section 9).
ROUNDED = {"implicit_euler": 0, "kvaerno3": F("1e-39"), "kvaerno5": F("2.8e-15")}
EVERY = pytest.mark.parametrize("tableau", ESDIRKS.values(), ids=ESDIRKS)


@EVERY
def test_order(tableau):
    for weights, q in ((tableau.b, tableau.p), (tableau.b_hat, tableau.q_hat)):
        assert all(r <= ROUNDED[tableau.name] for p in range(1, q + 1) for r in residuals(weights, tableau.A, p))
        assert max(residuals(weights, tableau.A, q + 1)) > MISSING
    assert tableau.error_order == min(tableau.p, tableau.q_hat) + 1


@EVERY
def test_order_of_the_interpolant(tableau):
    assert all(r <= ROUNDED[tableau.name] for p in range(1, tableau.p_dense + 1) for r in dense_residuals(tableau.interpolant, tableau.A, p))
    assert max(dense_residuals(tableau.interpolant, tableau.A, tableau.p_dense + 1)) > MISSING
    assert tableau.p_dense == {"implicit_euler": 1, "kvaerno3": 3, "kvaerno5": 4}[tableau.name]


@EVERY
def test_the_interpolant_is_continuously_differentiable(tableau):
    s = len(tableau.A)
    assert tuple(map(sum, tableau.interpolant)) == tableau.b
    assert [row[0] for row in tableau.interpolant] == [1] + [0] * (s - 1)  # b_i(theta) = theta k_0 + O(theta^2)
    assert [sum(power * x for power, x in enumerate(row, start=1)) for row in tableau.interpolant] == [0] * (s - 1) + [1]


@EVERY
def test_the_prediction_is_exact_for_polynomials(tableau):
    """Of as low a degree as there are different nodes before; its first row is empty, the second Euler's."""
    c = tableau.c
    for i in range(1, len(c)):
        for power in range(len(set(c[:i]))):
            assert sum(weight * c[j] ** power for j, weight in enumerate(tableau.predictor[i])) == c[i] ** power
        assert len(tableau.predictor[i]) == i
    assert tableau.predictor[:2] == ((), (1,))


def test_kvaerno3_agrees_with_the_published_decimals():
    """Which have gamma = 0.4358665215, 10 digits, and 15 digits of what follows from it: 5e-11 times derivatives of up to 30."""
    gamma = F("0.4358665215")
    published = [[0], [gamma, gamma], ["0.490563388419108", "0.073570090080892", gamma],
                 ["0.308809969973036", "1.490563388254106", "-1.235239879727145", gamma]]
    assert all(abs(x - F(y)) < F("1.5e-9") for row, other in zip(kvaerno3.A, published, strict=True) for x, y in zip(row, other, strict=True))
    assert abs(6 * kvaerno3.gamma**3 - 18 * kvaerno3.gamma**2 + 9 * kvaerno3.gamma - 1) < F("1e-38")


def test_kvaerno5_agrees_with_the_published_column():
    """The first column of A follows from c, which has 15 digits."""
    published = ["0", "0.26", "0.13", "0.22371961478320505", "0.16648564323248321", "0.13855640231268224", "0.13659751177640291"]
    assert all(abs(row[0] - F(x)) <= F("5e-16") for row, x in zip(kvaerno5.A, published, strict=True))
    assert [float(c) for c in kvaerno5.c] == [0, 0.52, 1.230333209967908, 0.8957659843500759, 0.43639360985864756, 1, 1]


def stability_function(tableau, weights):
    """P and Q with R = P / Q: Q = (1 - gamma x)^(s - 1), P = Q (1 + sum_k (b^T A^(k-1) 1) x^k), of degree s - 1."""
    s = len(tableau.A)
    powers, moments = [F(1)] * s, [F(1)]
    for _ in range(s - 1):
        moments.append(sum(w * x for w, x in zip(weights, powers, strict=True)))
        powers = [sum(a * x for a, x in zip(row, powers, strict=False)) for row in tableau.A]
    Q = [math.comb(s - 1, k) * (-tableau.gamma) ** k for k in range(s)]
    return [sum(Q[j] * moments[k - j] for j in range(k + 1)) for k in range(s)], Q


def on_the_imaginary_axis(P):
    """|P(iy)|^2 as coefficients of y^0, y^2, y^4, ..."""
    squared = [sum(P[j] * (-1) ** (k - j) * P[k - j] for j in range(max(0, k - len(P) + 1), min(k, len(P) - 1) + 1)) for k in range(2 * len(P) - 1)]
    return [(-1) ** (k // 2) * x for k, x in enumerate(squared) if k % 2 == 0]


@EVERY
def test_l_stability(tableau):
    """R is A-stable if its poles, 1 / gamma > 0, are to the right and |R(iy)| <= 1: |Q(iy)|^2 - |P(iy)|^2 is a polynomial in y^2. And R(inf) = 0:
    P has a lower degree than Q."""
    P, Q = stability_function(tableau, tableau.b)
    assert abs(P[-1]) <= ROUNDED[tableau.name]
    E = [q - p for p, q in zip(on_the_imaginary_axis(P), on_the_imaginary_axis(Q), strict=True)]
    assert_not_negative(E, tableau)


@pytest.mark.parametrize("tableau", [kvaerno3, kvaerno5], ids=lambda t: t.name)
def test_the_embedded_formula_is_a_stable(tableau):
    """|R(inf)| < 1: a stiff component does not blow up the estimate. (implicit_euler's is the trapezoidal rule with an explicit stage: it is not.)"""
    P, Q = stability_function(tableau, tableau.b_hat)
    assert abs(P[-1] / Q[-1]) < 1
    assert_not_negative([q - p for p, q in zip(on_the_imaginary_axis(P), on_the_imaginary_axis(Q), strict=True)], tableau)


def assert_not_negative(E, tableau):
    """What the order of the method makes 0 is 0 up to rounding; the rest is positive: for y^2 in steps of 1 % between 1e-6 and 1e6, and by its first
    and last coefficients beyond."""
    rounded = 100 * ROUNDED[tableau.name]  # |Q|^2 has up to 7 terms with binomial(6, 3)^2 gamma^6 < 1
    first = next(k for k, x in enumerate(E) if abs(x) > rounded)
    assert E[first] > 0 and E[-1] > 0
    values = np.array([float(x) for x in E[first:]])
    y2 = 1.01 ** np.arange(-1390, 1390)
    assert np.all(np.polyval(values[::-1], y2) > 0)


BAD = {
    "floats": (lambda: replace(implicit_euler, b_hat=(0.5, 0.5)), TypeError, "must be Fractions"),
    "a strictly lower row": (lambda: replace(implicit_euler, A=((F(0),), (F(1),))), ValueError, "row i of A must have i + 1 entries"),
    "one stage": (lambda: EsdirkTableau("x", ((F(1),),), 1, (F(1),), 1), ValueError, "for two stages or more"),
    "an implicit first stage": (lambda: replace(implicit_euler, A=((F(1),), (F(0), F(1)))), ValueError, "the diagonal of A must be 0, gamma"),
    "two gammas": (lambda: replace(kvaerno3, A=(*kvaerno3.A[:3], (*kvaerno3.A[3][:2], F(0), 1 - sum(kvaerno3.A[3][:2])))), ValueError, "gamma"),
    "a negative gamma": (lambda: replace(implicit_euler, A=((F(0),), (F(2), F(-1)))), ValueError, "gamma > 0"),
    "weights that do not sum to 1": (lambda: replace(implicit_euler, A=((F(0),), (F(1), F(1)))), ValueError, "must sum to 1"),
    "embedded weights that do not": (lambda: replace(kvaerno3, b_hat=(F(1), F(0), F(0), F(1))), ValueError, "must sum to 1"),
    "too few embedded weights": (lambda: replace(kvaerno3, b_hat=(F(1),)), ValueError, "must sum to 1"),
    "a negative node": (lambda: replace(kvaerno3, A=(*kvaerno3.A[:2], (F(-2), F(0), kvaerno3.gamma), kvaerno3.A[3])), ValueError, "negative c"),
    "weights d that do not sum to 0": (lambda: replace(implicit_euler, d=(F(1), F(0))), ValueError, "must sum to 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tableaus_are_refused(case):
    build, kind, words = BAD[case]
    with pytest.raises(kind) as caught:
        build()
    assert words in str(caught.value)


# Radau IIA, in 60 digits


@pytest.fixture(autouse=True)
def _sixty_digits():
    with localcontext():
        getcontext().prec = 60
        yield


TINY = D("1e-50")


def nodes():
    """The zeros of d^2/dx^2 (x^2 (x - 1)^3) = 2 (x - 1) (10 x^2 - 8 x + 1). HW: IV.5 (5.7)"""
    root = D(6).sqrt()
    return [(4 - root) / 10, (4 + root) / 10, D(1)]


def lagrange(points, i):
    """Coefficients of 1, x, x^2, ... of the polynomial that is 1 at points[i] and 0 at the others."""
    coefficients = [D(1)]
    for j, point in enumerate(points):
        if j != i:
            higher, lower = [D(0), *coefficients], [*coefficients, D(0)]
            coefficients = [(x - point * y) / (points[i] - point) for x, y in zip(higher, lower, strict=True)]
    return coefficients


def radau_A():
    """a_ij is the integral of the j-th Lagrange polynomial from 0 to c_i: collocation."""
    c = nodes()
    return [[sum(x * c[i] ** (k + 1) / (k + 1) for k, x in enumerate(lagrange(c, j))) for j in range(3)] for i in range(3)]


def solve(A, b):
    """Gauss's elimination, with entries of any field."""
    A = [[*row, x] for row, x in zip(A, b, strict=True)]
    for i in range(len(A)):
        pivot = max(range(i, len(A)), key=lambda r: abs(A[r][i]))
        A[i], A[pivot] = A[pivot], A[i]
        A = [row if r == i else [x - row[i] / A[i][i] * y for x, y in zip(row, A[i], strict=True)] for r, row in enumerate(A)]
    return [A[i][-1] / A[i][i] for i in range(len(A))]


def inverse(A):
    columns = [solve(A, [D(i == j) for i in range(len(A))]) for j in range(len(A))]
    return [list(row) for row in zip(*columns, strict=True)]


def close(found, wanted, ulps=1, largest=None):
    """To so many units in the last place, of each number itself, or of the largest one that the closed form adds."""
    return all(abs(D(float(x)) - y) <= ulps * D(math.ulp(largest or float(y))) for x, y in zip(np.ravel(found), wanted, strict=True))


def eigenvalues():
    """mu, alpha, beta: Cardano's mu = 3 + 9^(1/3) - 3^(1/3) is the real zero of the characteristic polynomial x^3 - 9 x^2 + 36 x - 60."""
    root = D(3) ** (D(1) / 3)
    mu = 3 + root**2 - root
    assert abs(mu**3 - 9 * mu**2 + 36 * mu - 60) < TINY
    alpha = (9 - mu) / 2  # the sum of all three is 9
    beta = (60 / mu - alpha**2).sqrt()  # their product is 60
    return mu, alpha, beta


def test_radau_nodes():
    assert close(radau.C, nodes(), 2, 1.0)  # sqrt, difference, quotient


def test_radau_eigenvalues():
    """A^-1 has the characteristic polynomial that the eigenvalues are taken from: its trace, its determinant, and their sum of products."""
    A_inverse = inverse(radau_A())
    mu, alpha, beta = eigenvalues()
    assert abs(sum(A_inverse[i][i] for i in range(3)) - 9) < TINY
    assert abs(sum(radau_A()[i][i] for i in range(3)) * 60 - 36) < TINY
    assert close([radau.MU, radau.MU_PAIR.real, -radau.MU_PAIR.imag], [mu, alpha, beta], 4)  # two powers, two sums


def transformation():
    """T = (v, Re w, Im w) for A^-1 v = mu v and A^-1 w = (alpha + i beta) w, with v_3 = w_3 = 1."""
    B = inverse(radau_A())
    mu, alpha, beta = eigenvalues()
    v = solve([[B[0][0] - mu, B[0][1]], [B[1][0], B[1][1] - mu]], [-B[0][2], -B[1][2]])
    a, b, c, d = B[0][0] - alpha, B[0][1], B[1][0], B[1][1] - alpha
    # (a - i beta) w_1 + b w_2 = -B_13, c w_1 + (d - i beta) w_2 = -B_23, as four real equations for (Re w_1, Re w_2, Im w_1, Im w_2)
    w = solve([[a, b, beta, D(0)], [c, d, D(0), beta], [-beta, D(0), a, b], [D(0), -beta, c, d]], [-B[0][2], -B[1][2], D(0), D(0)])
    return [[v[0], w[0], w[2]], [v[1], w[1], w[3]], [D(1), D(1), D(0)]]


def test_radau_transformation():
    T = transformation()
    assert close(radau.T, np.ravel(T))
    assert close(radau.T_INVERSE, np.ravel(inverse(T)))


def test_radau_transformation_separates_the_equations():
    """T^-1 A^-1 T = diag(mu, [[alpha, beta], [-beta, alpha]]), so that W_2 + i W_3 is multiplied by alpha - i beta = mu'."""
    T, B = transformation(), inverse(radau_A())
    mu, alpha, beta = eigenvalues()
    product = [[sum(B[i][k] * T[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    wanted = [[mu, D(0), D(0)], [D(0), alpha, beta], [D(0), -beta, alpha]]
    for i in range(3):
        for j in range(3):
            assert abs(product[i][j] - sum(T[i][k] * wanted[k][j] for k in range(3))) < TINY


def test_radau_error_weights():
    """f(z, t) + sum_i e_i Z_i / h is 0 for z = t, t^2 and t^3: 1 + sum e_i c_i = sum e_i c_i^2 = sum e_i c_i^3 = 0."""
    wanted = solve([[x**k for x in nodes()] for k in (1, 2, 3)], [D(-1), D(0), D(0)])
    assert close(radau.E, wanted, 2, 10.0)  # sqrt, product, sum, quotient: 4 halves of a unit of the largest entry


def test_radau_interpolant():
    """The polynomials that are 0 at 0, as coefficients of theta, theta^2, theta^3: 4 halves of a unit of the largest one."""
    for i in range(3):
        wanted = lagrange([D(0), *nodes()], i + 1)
        assert wanted[0] == 0
        assert close(radau.P[i], wanted[1:], 2, 26.0)


def test_radau_l_stability():
    """R = P / Q, Q = det(I - x A) = 1 - 3/5 x + 3/20 x^2 - 1/60 x^3 (its roots are the three eigenvalues), P = 1 + 2/5 x + 1/20 x^2:
    P has the lower degree, and |Q(iy)|^2 - |P(iy)|^2 = y^6 / 3600. The roots of Q have positive real parts."""
    P, Q = [F(1), F(2, 5), F(1, 20), F(0)], [F(1), F(-3, 5), F(3, 20), F(-1, 60)]
    assert [q - p for p, q in zip(on_the_imaginary_axis(P), on_the_imaginary_axis(Q), strict=True)] == [0, 0, 0, F(1, 3600)]
    exponential = [sum(Q[j] / math.factorial(k - j) for j in range(min(k, 3) + 1)) for k in range(6)]
    assert exponential == [*P[:3], 0, 0, 0]  # exp = P / Q + O(x^6), the approximant of Pade that order 5 leaves no choice of
    mu, alpha, _ = eigenvalues()
    assert min(mu, alpha) > 0
