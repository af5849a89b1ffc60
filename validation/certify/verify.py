"""Checking a certificate without believing it.

Of a certificate are taken: what was asked, where the steps begin and end, and the boxes. Everything else is proved again, with more bits
and more terms than the certificate has, and with the derivatives of a step from series over the whole ball of its starts, not by Cauchy's
estimate:

    chain        the steps of an interval lead from one time of the grid to the next, each from where the one before ended
    box          every box satisfies its condition, around the state that the step starts from
    remainder    the recorded tails are at least r q^K/(1 - q), and the recorded radii at least what tail and growth need
    enclosure    state and derivatives as recorded after a step contain what is proved again from the recorded state before it
    conclusion   values, sensitivities, gradients and condition numbers contain those that follow from the steps

A closed form is linted and evaluated again. The demand on the radii finds a ball that is too small by its own proof, even where it happens
to contain the solution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flint import arb, arb_mat, fmpq

from ..ir.dynamics import Dynamics
from .box import holds
from .certificate import Certificate, Question, trajectory_components
from .closed_forms import ClosedTrajectory, evaluated
from .density import DensityCertificate
from .enclosure import Step, tails
from .numbers import number, working
from .taylor import expand
from .trajectory import Trajectory, assembled

MORE_BITS, MORE_TERMS = 64, 8
BOX_BITS = 128


class Rejected(ValueError):
    """A certificate that does not prove what it says; the message names the place and what is wrong with it."""


def verify(certificate: Certificate | DensityCertificate) -> None:
    """Nothing, if every part of the certificate is proved again; else Rejected."""
    question, way = certificate.question, certificate.trajectory
    if isinstance(way, ClosedTrajectory):
        again = evaluated(way.exact, question, way.rung)
    else:
        _verify_chain(question, way)
        again = assembled(way.dynamics, way.z[0], way.ts, way.theta, way.rung, way.intervals)
    _conclusion(trajectory_components(way), trajectory_components(again))
    concluded = type(certificate).conclude(question, way)
    _conclusion(certificate.components(), concluded.components())
    _conclusion(_gammas(certificate), _gammas(concluded))


def _verify_chain(question: Question, way: Trajectory) -> None:
    exact = [*question.z0, *question.theta]
    if way.dynamics != question.dynamics or way.ts != question.ts or len(way.intervals) != len(way.ts) - 1:
        raise Rejected("chain: the trajectory is not about the dynamics and times of the question")
    if not all(_contains(x, q, way.rung.bits) for x, q in zip((*way.z[0], *way.theta), exact, strict=True)):
        raise Rejected("chain: the trajectory does not begin with the z0 and theta of the question")
    z = way.z[0]
    for i, interval in enumerate(way.intervals):
        t = way.ts[i]
        for step in interval:
            where = f"step at t = {number(step.t):.6g}"
            if step.t != t:
                raise Rejected(f"chain: the {where} should be at t = {number(t):.6g}")
            _verify_step(way.dynamics, z, step, way.theta, way.rung.bits, where)
            z, t = step.z, step.t + step.h
        if t != way.ts[i + 1]:
            raise Rejected(f"chain: the steps end at t = {number(t):.6g}, not at ts[{i + 1}] = {number(way.ts[i + 1]):.6g}")


def _verify_step(dynamics: Dynamics, z: Sequence[arb], step: Step, theta: Sequence[arb], bits: int, where: str) -> None:
    box, h, K = step.box, step.h, step.terms
    D, P = dynamics.dim, dynamics.params
    with working(bits + MORE_BITS):
        delta = [x.rad() for x in z]
        if box.t != step.t or not all(m.is_exact() and x.mid() == m for x, m in zip(z, box.middle, strict=True)):
            raise Rejected(f"chain: the box of the {where} is not around the state there")
        if not (all(2 * d <= rho for d, rho in zip(delta, box.rho, strict=True)) and abs(h) < box.R):
            raise Rejected(f"box: the {where} or its starts leave the box")
        if not holds(dynamics, box, theta, BOX_BITS):
            raise Rejected(f"box: the condition of the box does not hold for the {where}")
        for i, (claimed, needed) in enumerate(zip(step.tail, tails(box, h, K), strict=True)):
            if not claimed.upper() >= needed.lower():
                raise Rejected(f"remainder: the tail of z[{i}] in the {where} is smaller than r q^K/(1 - q)")
        for i in range(D):
            growth = sum((abs(step.dz0[i, j]).lower() * delta[j] for j in range(D)), arb(0))
            if not step.z[i].rad() >= (step.tail[i] + growth).lower():
                raise Rejected(f"remainder: the radius of z[{i}] after the {where} is smaller than its tail and growth need")
        # Proved again. The starts are within rho/2 of the middle, so their own polydiscs of radius rho/2 lie in the box.
        tail = tails(box, h, K + MORE_TERMS)
        middle, whole = (expand(dynamics, start, step.t, h, theta, K + MORE_TERMS) for start in (box.middle, z))
        A = arb_mat(D, D, [_ball(whole.dz0[i, j], 2 * tail[i] / box.rho[j]) for i in range(D) for j in range(D)])
        B = arb_mat(D, P, [_ball(whole.dtheta[i, j], 2 * tail[i] / box.sigma[j]) for i in range(D) for j in range(P)])
        shift = (A * arb_mat(D, 1, [x - m for x, m in zip(z, box.middle, strict=True)])).entries()
        end = [_ball(middle.z[i], tail[i]) + shift[i] for i in range(D)]
        parts = (("z", step.z, end), ("dz1/dz0", step.dz0.entries(), A.entries()), ("dz1/dtheta", step.dtheta.entries(), B.entries()))
        for name, recorded, proved in parts:
            for i, (outer, inner) in enumerate(zip(recorded, proved, strict=True)):
                if not outer.contains(inner):
                    raise Rejected(f"enclosure: component {i} of {name} after the {where} does not contain what is proved")


def _conclusion(recorded: Iterator[tuple[str, arb]], follows: Iterator[tuple[str, arb]]) -> None:
    for (name, outer), (_, inner) in zip(recorded, follows, strict=True):
        if not outer.contains(inner):
            raise Rejected(f"conclusion: {name} does not contain what follows from the steps")


def _contains(x: arb, q: fmpq, bits: int) -> bool:
    with working(bits + MORE_BITS):
        return bool((x * q.q - q.p).contains(0))


def _gammas(certificate: Certificate | DensityCertificate) -> Iterator[tuple[str, arb]]:
    for name in ("value_gamma", "gradient_gamma", "reconstruction_gamma"):
        yield name, getattr(certificate, name)


def _ball(x: arb, radius: arb) -> arb:
    return arb(x, radius.abs_upper())
