"""The relations against the reference with seeded bugs, and the parts that they are made of."""

import functools

import numpy as np
import pytest
from refnode_validation.relations.catalog import all_relations, by_themselves
from refnode_validation.relations.relation import Ask, verdict

from .reference import RELATION_BUGS, Reference
from .test_densities import RELATION_BUGS as FLOW_BUGS
from .test_densities import Flow


@functools.cache
def pairs(id):
    return by_themselves([all_relations()[id]], seeds=())


def states(adapter, id):
    return [verdict(relation, Ask(adapter), task).state for relation, task in pairs(id)]


@pytest.mark.parametrize("id", all_relations())
def test_the_reference_without_bugs_passes(id):
    assert set(states(Flow(), id)) == {"pass"}


@pytest.mark.parametrize(("bug", "killer"), RELATION_BUGS.items())
def test_bug_is_caught(bug, killer):
    assert "fail" in states(Reference(bug), killer)


@pytest.mark.parametrize(("bug", "killer"), FLOW_BUGS.items())
def test_bug_of_densities_is_caught(bug, killer):
    assert "fail" in states(Flow(bug), killer)


def test_every_relation_has_a_bug_that_is_named_for_it():
    assert set(RELATION_BUGS.values()) | set(FLOW_BUGS.values()) == set(all_relations())
