"""What a vector claims to discriminate it does: an implementation with that bug, and with no other fault, fails on it."""

import pytest
from refnode_validation.vectors import store
from refnode_validation.vectors.tasks import vectors

from .mutants import DENSITIES, GRADIENTS, SOFTWARE, VALUES, ratio

POSITIVE = {id: vector for id, vector in vectors().items() if vector["expected"]}
CLAIMS = [(id, bug) for id, vector in POSITIVE.items() for bug in vector["discriminates"] if bug not in SOFTWARE]
SMOKE = {id for id, vector in POSITIVE.items() if vector["tier"] == "smoke"}


def test_every_bug_is_known():
    assert set(store.notes()["bugs"]) == {*GRADIENTS, *VALUES, *DENSITIES, *SOFTWARE}


def _quick(id):
    return id if id in SMOKE else pytest.param(id, marks=pytest.mark.slow)


@pytest.mark.parametrize("id", [_quick(id) for id in POSITIVE])
def test_without_bugs_it_passes(id):
    assert ratio(id, None) < 0.1


@pytest.mark.parametrize(("id", "bug"), [pytest.param(*claim, marks=[] if claim[0] in SMOKE else pytest.mark.slow) for claim in CLAIMS])
def test_the_claim_holds(id, bug):
    assert ratio(id, bug) > 1
