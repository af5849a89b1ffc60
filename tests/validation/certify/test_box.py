"""The a-priori box: its condition, and what it says about the complex solution."""

import cmath
import dataclasses

import numpy as np
import pytest

pytest.importorskip("flint")
from flint import arb, fmpq
from refnode_validation.certify.box import NoBox, find, holds
from refnode_validation.certify.numbers import number

from .questions import DECAY, LORENZ, NET, NET_THETA, RAMP, SQUARE


def box_of(dynamics, z0, t=0, theta=(), R=8.0):
    theta = [arb(x) for x in theta]
    return find(dynamics, [arb(x) for x in z0], fmpq(t), theta, R), theta


@pytest.mark.parametrize(
    ("dynamics", "z0", "theta"), [(DECAY, [1], [1]), (SQUARE, [1], []), (NET, [0.5, -0.25], NET_THETA), (LORENZ, [1, 1, 1], [10, 28, 2.5])]
)
def test_what_is_found_holds_at_every_precision(dynamics, z0, theta):
    box, theta = box_of(dynamics, z0, theta=theta)
    assert all(holds(dynamics, box, theta, bits) for bits in (64, 128, 300))


def test_boxes_that_are_too_small_do_not_hold():
    box, theta = box_of(SQUARE, [1])
    assert holds(SQUARE, box, theta)
    for factor in (0.5, 0.9):
        smaller = [(R, tuple(r * factor for r in radii)) for R, radii in box.levels]
        assert not holds(SQUARE, dataclasses.replace(box, levels=tuple(smaller)), theta)
    longer = [(R * fmpq(2), radii) for R, radii in box.levels]
    assert not holds(SQUARE, dataclasses.replace(box, levels=tuple(longer)), theta)
    assert not holds(SQUARE, dataclasses.replace(box, levels=()), theta)
    assert not holds(SQUARE, dataclasses.replace(box, levels=box.levels[:3] + box.levels[6:]), theta)
    assert not holds(SQUARE, dataclasses.replace(box, levels=box.levels[::-1]), theta)
    assert not holds(SQUARE, dataclasses.replace(box, rho=(arb(0),)), theta)


def test_the_complex_solution_stays_inside():
    """z' = z^2 from x: z(s) = x/(1 - x s), for complex s with |s| < R and x within rho of 1; and R is a good part of the distance 1 to the pole."""
    box, _ = box_of(SQUARE, [1])
    R, rho = number(box.R), float(box.rho[0])
    assert 0.3 < R < 1
    for R_j, radii in box.levels:
        for angle in np.linspace(0, 2 * np.pi, 9):
            s = number(R_j) * cmath.exp(1j * angle)
            x = 1 + rho * cmath.exp(2.3j * angle)
            assert abs(x / (1 - x * s) - 1) < float(radii[0])


def test_entire_solutions_have_large_boxes():
    """For z' = -z a single level could not have R above 1."""
    box, _ = box_of(DECAY, [1], theta=[1], R=8.0)
    assert number(box.R) > 2


def test_no_box_at_a_kink_or_a_pole():
    with pytest.raises(NoBox, match=r"no box found at t = 3: .*relu has no Taylor series"):
        box_of(RAMP, [0], t=3)
    box, _ = box_of(RAMP, [-1])
    assert number(box.R) < 1  # the kink is reached at t = 1
    assert number(box_of(SQUARE, [2.0**20])[0].R) < 2.0**-20
    with pytest.raises(NoBox, match=r"no box found at t = 0: .* may blow up"):
        box_of(SQUARE, [2.0**40])
