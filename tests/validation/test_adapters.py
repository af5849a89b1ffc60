"""The adapters of other libraries: all that they declare, on one problem; the full runs are the command's."""

import importlib

import numpy as np
import pytest
from refnode_validation.case import CAPABILITIES, ask
from refnode_validation.checks.catalog import all_checks
from refnode_validation.impls.loading import KNOWN, load
from refnode_validation.outcomes import outcome
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import backward, forward
from refnode_validation.runner import Plan, run

SLOW = pytest.mark.slow  # half a minute of compiling
WORDS = [pytest.param(word, marks=SLOW) if word in ("jax", "diffrax") else word for word in KNOWN]
PLAN = Plan(tuple(check for check in all_checks().values() if not check.every_rtol), ("P01",), rtols=(1e-4,))


@pytest.mark.parametrize("word", WORDS)
def test_every_outcome_on_one_problem_is_expected(word):
    if word != "refnode":
        pytest.importorskip(word)
    loaded = load(word, True)
    assert not loaded.missing and not loaded.broken
    for adapter in loaded.adapters:
        results = list(run(adapter, PLAN))
        outcomes = {result.id: outcome(result, adapter.version, loaded.entries, True) for result in results}
        assert set(outcomes.values()) <= {"ok", "xfail", "noted", "neutral"}, (adapter.name, outcomes)
        assert "ok" in outcomes.values()
        assert set(adapter.capabilities) <= set(CAPABILITIES)


@pytest.mark.parametrize("word", ["torchdiffeq", "torchode", "torchdyn"])
def test_the_base_of_the_torch_adapters_differentiates_what_it_is_given(word):
    """A solve by the closed form of z' = lam z in place of the library's: the answers are those of the closed form, to rounding."""
    torch = pytest.importorskip("torch")
    pytest.importorskip(word)

    class Exact(importlib.import_module("refnode_validation.impls.with_torch").Torch):
        name, version, capabilities, mode, interpolates = "exact", "1", CAPABILITIES, "direct", False

        def solve(self, f, z0, ts, theta, case):
            return z0 * torch.exp(theta * (ts - ts[0]))[:, None]

    task = forward(problems()["P01"])
    keys = ("z", "dL/dz0", "dL/dtheta", "dL/dt")
    reply = ask(Exact(), task, 1e-6, keys)
    for key, expected in {"z": task.values, **task.gradients}.items():
        np.testing.assert_allclose(reply.arrays[key], expected, rtol=1e-13, atol=1e-15)
    reply = ask(Exact(), task, 1e-6, ("d2L/dz0", "d2L/dtheta"))
    for key, expected in task.second_derivatives.items():
        np.testing.assert_allclose(reply.arrays[key], expected, rtol=1e-13)


@pytest.mark.slow
def test_what_jax_has_compiled_serves_the_other_direction_and_tolerance():
    """And not dynamics with other numbers in them."""
    jax = pytest.importorskip("jax")
    diffrax = pytest.importorskip("diffrax") and importlib.import_module("refnode_validation.impls.diffrax")
    from refnode_validation.impls.jax import Traced

    adapter, problem = diffrax.Checkpointed(), problems()["P10"]
    assert ask(adapter, forward(problem), 1e-4, ("z",)).state == "answered"
    with jax.log_compiles(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffrax.Checkpointed, "solve", lambda *_: pytest.fail("traced again"))
        for task, rtol in ((forward(problem), 1e-7), (backward(problem), 1e-4)):
            assert ask(adapter, task, rtol, ("z",)).state == "answered"
        patch.undo()
        patch.setattr(importlib.import_module("refnode_validation.impls.jax"), "KEPT", 1)
        for name in ("P01", "P10"):  # the oldest program goes, and is made again
            task = forward(problems()[name])
            assert np.abs(ask(adapter, task, 1e-7, ("z",)).arrays["z"] - task.values).max() < 1e-4
            assert len(adapter.programs) == 1
    assert Traced(lambda z: 2.0 * z, 1.0) == Traced(lambda z: 2.0 * z, 1.0)
    assert Traced(lambda z: 2.0 * z, 1.0) != Traced(lambda z: (2.0 + 1e-15) * z, 1.0)
    assert Traced(lambda z: np.array([1.0, 2.0]) * z, 1.0) != Traced(lambda z: np.array([1.0, 3.0]) * z, 1.0)
