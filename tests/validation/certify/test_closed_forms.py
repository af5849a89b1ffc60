"""Closed forms: the lint finds what is wrong; Bessel functions and a non-normal matrix against the series."""

import numpy as np
import pytest

pytest.importorskip("flint")
from flint import arb, fmpq
from refnode_validation.certify.certificate import ask, certify
from refnode_validation.certify.closed_forms import certify_closed_form, linear, lint
from refnode_validation.certify.formulas import Number, objects, plain
from refnode_validation.certify.numbers import working
from refnode_validation.ir.build import dynamics
from refnode_validation.problems import forced, scalar
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import forward

from .questions import REACTION, catalog, numbers


def question(name):
    return ask(catalog(name), *numbers(forward(problems()[name])))


WRONG = {
    "z1": lambda flow: flow._replace(z1=flow.z1 * (1 + 1e-15)),
    "dz1/dz0": lambda flow: flow._replace(dz0=flow.dz0 * (1 + 1e-15)),
    "dz1/dtheta": lambda flow: flow._replace(dtheta=flow.dtheta * (1 + 1e-15)),
    "dz1/dt0": lambda flow: flow._replace(dt0=-flow.dt0),
    "dz1/dt1": lambda flow: flow._replace(dt1=-flow.dt1),
}


@pytest.mark.parametrize("part", WRONG)
def test_lint_finds_small_errors(part):
    lint(forced.p10, question("P10"))
    with pytest.raises(ValueError, match=f"the closed form is wrong: {part} "):
        lint(lambda *args: WRONG[part](forced.p10(*args)), question("P10"))


def test_lint_finds_wrong_formulas():
    with pytest.raises(ValueError, match="z1 does not solve"):
        lint(scalar.p02, ask(dynamics(lambda z, t, theta: [theta[0] * z[0] - theta[1]], 1, 2), *numbers(forward(problems()["P02"]))))
    with pytest.raises(ValueError, match="z1 does not solve"):  # its dual vectors are floats, so wrong by 1e-17
        lint(problems()["P18c"].exact, question("P18c"))
    task = forward(problems()["P14"])
    with pytest.raises(ValueError, match="the closed form is wrong"):
        certify_closed_form(scalar.p08c, catalog("P14"), *numbers(task))


def test_bessel():
    """B3: z2 = u'/u, u'' = e^-t u, so u = K1(2) I0(s) + I1(2) K0(s) with s = 2 e^{-t/2}."""
    proof = certify(REACTION, ["1", "0", "0"], ["0", "0.5", "2"], [], [["1", "1", "1"]] * 3)
    with working(208):
        i1, k1 = arb(2).bessel_i(1), arb(2).bessel_k(1)
        for t, z in zip((fmpq(0), fmpq(1, 2), fmpq(2)), proof.z, strict=True):
            s = 2 * (-arb(t) / 2).exp()
            u, v = k1 * s.bessel_i(0) + i1 * s.bessel_k(0), k1 * s.bessel_i(1) - i1 * s.bessel_k(1)
            z2 = -s / 2 * v / u
            assert z[0].overlaps((-arb(t)).exp())
            assert z[1].overlaps(z2)
            assert z[2].overlaps(1 - (-arb(t)).exp() - z2)


def test_non_normal():
    """[[-1, 64], [0, -2]] grows twentyfold before it decays: value_gamma is |Phi|_inf at its largest on the grid."""
    d = dynamics(lambda z, t, theta: np.reshape(theta, (2, 2)) @ z, 2, 4)
    args = (d, ["1", "0.5"], ["0", "0.75", "1.5"], ["-1", "64", "0", "-2"], [["0", "0"], ["1", "0"], ["0", "1"]])
    series, formula = certify(*args), certify_closed_form(linear, *args)
    assert all(x.overlaps(y) for (_, x), (_, y) in zip(series.components(), formula.components(), strict=True))
    with working(208):
        e = (-arb("0.75")).exp()
        assert series.value_gamma.overlaps(e + 64 * (e - e * e))
    assert series.value_gamma.overlaps(formula.value_gamma)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "cos", "tanh", "sinh", "cosh", "arctanh", "arcsinh"])
def test_numpy_functions_of_balls(name):
    with working(200):
        x = getattr(np, name)(Number(arb(0.375)))
        reference = getattr(arb, {"arctanh": "atanh", "arcsinh": "asinh"}.get(name, name))(arb(0.375))
    assert x.value.overlaps(reference)
    assert x.value.rad() < 1e-55


def test_arithmetic_of_balls():
    x = Number(arb(0.375))
    for got, expected in ((1 - x, 0.625), (x - 1, -0.625), (3 / x, 8.0), (x / 3, 0.125), (x**2, 0.140625), (x**-1, 8 / 3), (-x, -0.375), (x**0, 1.0)):
        assert float(got.value) == pytest.approx(expected, rel=1e-15)
    assert float(((4 * x) ** -1.5).value) == pytest.approx(1.5**-1.5, rel=1e-15)
    assert [float(y) for y in plain(np.array([1.0, 2.0]) * x)] == [0.375, 0.75]
    assert [float(y) for y in plain(x + objects([x, x], (2,)))] == [0.75, 0.75]
