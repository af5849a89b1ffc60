"""refnode's flows against the closed forms of the conformance suite, in every gradient mode: P18a-c, P19, P20, P21, P28."""

import pytest
from refnode_validation.checks.flows import CHECKS
from refnode_validation.impls.refnode import ADAPTERS
from refnode_validation.problems.catalog import problems
from refnode_validation.runner import Plan, run

FLOWS = tuple(id for id, problem in problems().items() if problem.log_det)


def test_the_problems_are_there():
    assert FLOWS == ("P18a", "P18b", "P18c", "P19", "P20", "P21", "P28")


@pytest.mark.parametrize("adapter", ADAPTERS, ids=[adapter.gradient for adapter in ADAPTERS])
@pytest.mark.parametrize("rtol", [1e-4, pytest.param(1e-7, marks=pytest.mark.slow)])  # the second by `refnode validate` as well
def test_log_p_and_its_gradients(adapter, rtol):
    """S35, S38-S40, S43, S47, S49, S52, S53: log p and its gradients in x, theta, t0, t1, both directions of time, within the allowed error."""
    results = list(run(adapter(), Plan(tuple(CHECKS), FLOWS, (rtol,))))
    assert len(results) == 2 * len(FLOWS) * len(CHECKS)
    assert {result.id: result.verdict.ratio for result in results if result.verdict.state != "pass"} == {}
