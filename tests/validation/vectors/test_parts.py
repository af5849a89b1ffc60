"""The vectors as the runner asks for them."""

import numpy as np
import pytest
from refnode_validation.checks.parts import OBSERVED, directions, is_required, may_refuse, task_for
from refnode_validation.vectors.tasks import flow, task, vectors

POSED = [id for id, vector in vectors().items() if vector["expected"]]


@pytest.mark.parametrize("id", POSED)
def test_each_vector_is_asked_in_its_own_direction_for_what_it_has(id):
    (direction,) = directions(id)
    whole, ts = task(id), task(id).ts
    assert direction == ("reversed" if ts[-1] < ts[0] else "forward")
    assert task_for(id, direction, "main", 0) is whole
    assert (task_for(id, direction, "flow", 0) is None) == (vectors()[id]["flow"] is None)
    assert all(task_for(id, direction, part, 0) is None for part in ("split", "dense", "second", "reset"))
    alone = task_for(id, direction, "alone", 0)
    assert (alone is None) == (len(ts) <= OBSERVED + 1)
    if alone:
        others = np.arange(len(ts)) != OBSERVED
        assert not alone.weights[others].any()
        np.testing.assert_array_equal(alone.weights[OBSERVED], whole.weights[OBSERVED])
        np.testing.assert_allclose(alone.gradients["dL/dz0"], whole.weights[OBSERVED] @ whole.dz_dz0[OBSERVED], rtol=1e-13, atol=1e-300)


def test_a_flow_has_its_two_times():
    found = task_for("flow-linear", directions("flow-linear")[0], "flow", 0)
    assert found is flow("flow-linear")
    assert len(found.ts) == 2


def test_levels_and_refusals_are_those_of_the_files():
    assert is_required("linear-spiral") and not is_required("edge-at-rest") and is_required("P10")
    assert may_refuse("contracting-few") and not may_refuse("linear-spiral") and not may_refuse("P10")
