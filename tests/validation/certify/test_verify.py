"""Certificates that are wrong by construction are rejected, each with its sentence."""

import dataclasses
import functools

import pytest

pytest.importorskip("flint")
from flint import arb, arb_mat, fmpq
from refnode_validation.certify.certificate import answer, ask, certify
from refnode_validation.certify.closed_forms import certify_closed_form
from refnode_validation.certify.density import certify_density
from refnode_validation.certify.enclosure import Rung, steps
from refnode_validation.certify.numbers import working
from refnode_validation.certify.taylor import expand
from refnode_validation.certify.trajectory import assembled
from refnode_validation.certify.verify import Rejected, verify
from refnode_validation.problems import scalar
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import forward

from .questions import CLOCK, NET, NET_COTANGENTS, NET_THETA, NET_Z0, catalog, numbers


@functools.cache
def good():
    return certify(CLOCK, ["1"], ["0", "0.5", "1"], [], [["0"], ["1"], ["2"]])


def tampered(i, n, **changes):
    """The certificate with step n of interval i changed, and all that follows from the steps concluded anew."""
    way = good().trajectory
    intervals = [list(interval) for interval in way.intervals]
    intervals[i][n] = dataclasses.replace(intervals[i][n], **changes)
    return concluded(dataclasses.replace(way, intervals=tuple(map(tuple, intervals))))


def concluded(way):
    """Grid values from the steps, as a dishonest certifier would."""
    again = assembled(way.dynamics, way.z[0], way.ts, way.theta, way.rung, way.intervals)
    return type(good()).conclude(good().question, again)


def halved(x):
    return arb(x.mid(), x.rad() / 2)


def rejected(certificate, message):
    with pytest.raises(Rejected, match=message):
        verify(certificate)


def test_honest_certificates_pass():
    verify(good())
    verify(certify(NET, NET_Z0, ["0", "0.125"], NET_THETA, NET_COTANGENTS[:2]))
    verify(certify_density(NET, NET_Z0, ["0", "0.0625"], NET_THETA))
    verify(answer(ask(CLOCK, ["0.1"], ["0.3", "0.3", "0"], [], [["1"]] * 3), Rung(160, 40)))
    verify(concluded(good().trajectory))
    task = forward(problems()["P06"])
    verify(certify_closed_form(scalar.p06, catalog("P06"), *numbers(task)))


@pytest.mark.parametrize(("i", "n"), [(0, 0), (0, -1), (1, 1)])
def test_remainder_omitted(i, n):
    """The sum of the series alone, with tails said to be zero; or true tails that were not added."""
    step = good().trajectory.intervals[i][n]
    with working(208):
        bare = tuple(expand(CLOCK, step.box.middle, step.t, step.h, [], step.terms).z)
    rejected(tampered(i, n, z=bare, tail=(arb(0),)), r"remainder: the tail of z\[0\] in the step at t = .* is smaller than r q\^K/\(1 - q\)")
    rejected(tampered(i, n, z=bare), r"remainder: the radius of z\[0\] after the step at t = .* is smaller than its tail and growth need")


@pytest.mark.parametrize(("i", "n"), [(0, 0), (0, -1), (1, -1)])
def test_radius_halved(i, n):
    step = good().trajectory.intervals[i][n]
    rejected(tampered(i, n, z=tuple(map(halved, step.z))), r"remainder: the radius of z\[0\] after the step")


def test_tail_and_radius_halved_together():
    step = good().trajectory.intervals[0][0]
    rejected(tampered(0, 0, z=tuple(map(halved, step.z)), tail=tuple(x / 2 for x in step.tail)), r"remainder: the tail of z\[0\]")


def test_box_not_verified():
    """Half as wide, or twice as long in time: the condition does not hold, whatever the rest says."""
    step = good().trajectory.intervals[0][0]
    narrow = tuple((R, tuple(r / 4 for r in radii)) for R, radii in step.box.levels)
    long = tuple((R * fmpq(16), radii) for R, radii in step.box.levels)
    for levels in (narrow, long):
        wrong = tampered(0, 0, box=dataclasses.replace(step.box, levels=levels))
        rejected(wrong, "box: the condition of the box does not hold for the step at t = 0")
    rejected(tampered(0, 0, box=dataclasses.replace(step.box, middle=(arb(2),))), "chain: the box of the step at t = 0 is not around the state there")
    rejected(tampered(0, 0, box=dataclasses.replace(step.box, rho=(arb(0),))), "box: ")


def test_step_beyond_its_box():
    step = good().trajectory.intervals[0][0]
    rejected(tampered(0, 0, h=step.box.R * fmpq(2)), "box: the step at t = 0 or its starts leave the box")


def test_step_left_out():
    way = good().trajectory
    for n in (0, 1, -1):
        fewer = list(way.intervals[0])
        del fewer[n]
        rejected(concluded(dataclasses.replace(way, intervals=(tuple(fewer), way.intervals[1]))), r"chain: ")


def test_step_at_another_time():
    """Every step is proved, but the first is the flow of a quarter later: cos(t) is another number there."""
    way = good().trajectory
    with working(208):
        first = steps(CLOCK, way.z[0], fmpq(1, 4), fmpq(1), [], way.rung)[0]
        rest = steps(CLOCK, first.z, first.h, fmpq(1, 2), [], way.rung)
        last = steps(CLOCK, rest[-1].z, fmpq(1, 2), fmpq(1), [], way.rung)
    wrong = concluded(dataclasses.replace(way, intervals=((first, *rest), tuple(last))))
    rejected(wrong, "chain: the step at t = 0.25 should be at t = 0")


def test_wrong_node():
    """The state of the second node at a time that the question does not ask for, and one from another start."""
    way, question = good().trajectory, good().question
    moved = dataclasses.replace(question, ts=(fmpq(0), fmpq(1, 2), fmpq(3, 4)))
    rejected(dataclasses.replace(good(), question=moved), "chain: the trajectory is not about")
    elsewhere = dataclasses.replace(good(), question=moved, trajectory=dataclasses.replace(way, ts=moved.ts))
    rejected(elsewhere, r"chain: the steps end at t = 1, not at ts\[2\] = 0.75")
    rejected(dataclasses.replace(good(), question=dataclasses.replace(question, z0=(fmpq(2),))), "chain: the trajectory does not begin with the z0")


def test_values_that_are_not_the_solution():
    step = good().trajectory.intervals[0][0]
    with working(208):
        away = arb(step.z[0].mid() + 4 * step.z[0].rad(), step.z[0].rad())
        slope = step.dz0[0, 0]
        wrong = arb_mat([[arb(slope.mid() + 4 * slope.rad(), slope.rad())]])
    rejected(tampered(0, 0, z=(away,)), "(enclosure: component 0 of z after the step at t = 0 does not contain)|(chain: the box of the step)")
    rejected(tampered(0, 0, dz0=wrong), "enclosure: component 0 of dz1/dz0 after the step at t = 0 does not contain what is proved")


@pytest.mark.parametrize("name", ["value_gamma", "gradient_gamma", "reconstruction_gamma"])
def test_wrong_condition_numbers(name):
    rejected(dataclasses.replace(good(), **{name: getattr(good(), name) / 2}), f"conclusion: {name}")


def test_conclusions_that_do_not_follow():
    gradients = good().gradients
    wrong = dataclasses.replace(gradients, dts=(-gradients.dts[0], *gradients.dts[1:]))
    rejected(dataclasses.replace(good(), gradients=wrong), r"conclusion: dL_dts\[0\] does not contain what follows from the steps")
    halves = dataclasses.replace(gradients, dz0=tuple(map(halved, gradients.dz0)))
    rejected(dataclasses.replace(good(), gradients=halves), r"conclusion: dL_dz0\[0\]")
    way = good().trajectory
    S = arb_mat([[halved(way.dz0[2][0, 0])]])
    rejected(dataclasses.replace(good(), trajectory=dataclasses.replace(way, dz0=(*way.dz0[:2], S))), r"conclusion: dz_dz0\[2\]\[0\]\[0\]")


def test_closed_forms_that_are_wrong():
    task = forward(problems()["P06"])
    formula = certify_closed_form(scalar.p06, catalog("P06"), *numbers(task))
    way = formula.trajectory
    narrow = dataclasses.replace(way, z=(*way.z[:3], (halved(way.z[3][0]),)))
    moved = dataclasses.replace(way, z=(*way.z[:3], (way.z[3][0] + 1,)))
    for wrong in (moved, narrow):
        rejected(dataclasses.replace(formula, trajectory=wrong), r"conclusion: z\[3\]\[0\] does not contain")
