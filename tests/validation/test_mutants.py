"""The suite against a small neural ODE with seeded bugs: each must be caught, by the check that is named for it."""

import functools

import pytest
from refnode_validation.checks.catalog import all_checks
from refnode_validation.runner import Plan, run

from .reference import BUGS, Reference

PLAN = Plan(tuple(all_checks().values()), ("P05a", "P10", "P27", "P30"), rtols=(1e-4, 1e-6))


@functools.cache
def failed(bug):
    """The ids of the checks that a mutant does not pass."""
    results = list(run(Reference(bug), PLAN))
    assert {result.verdict.state for result in results} <= {"pass", "fail", "unsupported"}
    return {result.check for result in results if result.verdict.state == "fail"}


def test_the_reference_without_bugs_passes():
    assert failed(None) == set()


@pytest.mark.parametrize(("bug", "killer"), BUGS.items())
def test_bug_is_caught(bug, killer):
    assert killer in failed(bug)


def test_every_check_catches_something():
    """No check is idle (grad.second and flow.* are not offered by the reference; theirs are in test_fakes.py and test_densities.py)."""
    caught = set().union(*(failed(bug) for bug in BUGS))
    assert caught == {id for id in all_checks() if id != "grad.second" and not id.startswith("flow.")}
