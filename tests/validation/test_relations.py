"""The relations against the reference with seeded bugs, and the parts that they are made of."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refnode_validation.case import Case
from refnode_validation.impls import refnode
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import backward, forward
from refnode_validation.relations.catalog import all_relations, by_themselves, task_named
from refnode_validation.relations.draw import draw, seed_of
from refnode_validation.relations.posed import Posed, posed
from refnode_validation.relations.relation import Ask, verdict
from refnode_validation.relations.solutions import is_linear
from refnode_validation.relations.transforms import with_sensitivity

from . import fakes
from .reference import RELATION_BUGS, Reference
from .test_densities import RELATION_BUGS as FLOW_BUGS
from .test_densities import Flow


@functools.cache
def pairs(id):
    """Each relation on its own problems, without those negative vectors that fixed steps cannot see: they step across a pole."""
    made = by_themselves([all_relations()[id]])
    return [(relation, task) for relation, task in made if id != "solve.negative" or not task.id.startswith("negative-")]


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


@pytest.mark.parametrize("name", ["P01", "P10", "P18b", "P28", "P30"])
@pytest.mark.parametrize("pose", [forward, backward])
def test_the_estimated_condition_is_the_exact_one(name, pose):
    task = pose(problems()[name])
    estimated = posed(task).condition
    assert estimated.values == pytest.approx(task.value_gamma, rel=1e-4)
    assert estimated.adjoint * np.abs(task.weights).max() == pytest.approx(task.gradient_gamma, rel=1e-4)
    assert estimated.reconstruction == pytest.approx(task.reconstruction_gamma, rel=1e-4)
    assert estimated.largest == pytest.approx(np.abs(task.values).max(), rel=1e-6)
    np.testing.assert_allclose(estimated.end, task.values[-1], rtol=1e-6)


def test_the_condition_of_a_function_that_drops_imaginary_parts_comes_from_differences():
    """Complex steps through it would give zero, without an exception if the function converts its argument itself."""
    task = posed(problems()["P30"])
    dropping = task.changed(rhs=lambda xp, z, t, theta: task.rhs(np, np.real(z), t, theta))
    assert dropping.condition.values == pytest.approx(task.condition.values, rel=1e-4)


def test_back_is_the_growth_of_the_way_back():
    task = posed(problems()["P27"])
    assert task.condition.back == pytest.approx(np.exp(6 * (task.ts[-1] - task.ts[0])), rel=1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_drawn_problems_are_tame_and_always_the_same(seed):
    task, again = draw(seed), draw.__wrapped__(seed)
    assert task.id == f"draw-{seed}"
    for field in ("theta", "z0", "ts", "weights"):
        np.testing.assert_array_equal(getattr(task, field), getattr(again, field))
    assert np.all(np.diff(task.ts) * (task.ts[-1] - task.ts[0]) > 0)
    assert np.any(np.all(task.weights == 0, axis=1))
    assert np.any(task.weights != 0)
    assert task.condition.values < 30
    assert task.condition.back < 100
    assert task.condition.largest < 10


def test_drawn_problems_are_of_all_kinds():
    tasks = [draw(seed) for seed in range(24)]
    assert {task.z0.size for task in tasks} == {1, 2, 3}
    assert {bool(task.ts[-1] > task.ts[0]) for task in tasks} == {True, False}
    assert {bool(task.ts[0] == 0) for task in tasks} == {True, False}
    assert sum(is_linear(task) for task in tasks) == 6


@pytest.mark.parametrize(("name", "seed"), [("draw-7", 7), ("draw-0", 0), ("draw-", None), ("draw-x", None), ("P10", None), ("draw-1.5", None)])
def test_names_of_draws(name, seed):
    assert seed_of(name) == seed


VALUES = [r for r in all_relations().values() if r.id.startswith("solve.") and r.id not in ("solve.negative", "solve.order", "solve.richardson")]
GRADIENTS = [r for r in all_relations().values() if r.id.startswith("grad.")]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(100, 10**6), relation=st.sampled_from([r for r in VALUES if r.level == "required"]))
def test_refnode_satisfies_relations_of_solutions_on_drawn_dynamics(seed, relation):
    task = draw(seed)
    if relation.applies(task):
        assert verdict(relation, Ask(refnode.Adjoint()), task).state == "pass"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(100, 10**6), relation=st.sampled_from(GRADIENTS), adapter=st.sampled_from(refnode.ADAPTERS))
def test_refnode_satisfies_relations_of_gradients_on_drawn_dynamics(seed, relation, adapter):
    assert verdict(relation, Ask(adapter()), draw(seed)).state == "pass"


@pytest.mark.slow
@pytest.mark.parametrize("adapter", refnode.ADAPTERS)
@pytest.mark.parametrize("relation", [*VALUES, *GRADIENTS], ids=lambda relation: relation.id)
def test_refnode_satisfies_every_relation_on_forty_draws(relation, adapter):
    for seed in range(2000, 2040):
        if relation.applies(draw(seed)):
            assert verdict(relation, Ask(adapter()), draw(seed)).state == "pass", f"draw-{seed}"


def test_a_user_function_in_numpy_that_ignores_xp():
    def rhs(xp, z, t, theta):
        return np.array([z[1], -theta[0] * np.sin(z[0]) + np.cos(t)])

    task = Posed("mine", rhs, np.array([2.0]), np.array([0.5, 0.0]), np.array([0.0, 0.4, 1.0]), np.ones((3, 2)))
    for relation in [*VALUES, *GRADIENTS]:
        if relation.applies(task):
            assert verdict(relation, Ask(refnode.Discrete()), task).state == "pass", relation.id


def test_what_is_not_declared_is_not_asked():
    class Nothing:
        name, version, mode, interpolates, capabilities = "nothing", "1", "none", False, frozenset({"values"})

        def run(self, case):
            raise AssertionError("was asked")

    for id, lacks in (("grad.dual", "grad:z0"), ("solve.richardson", "fixed"), ("solve.f32", "f32"), ("solve.reverse", "time:backward")):
        relation, task = pairs(id)[0]
        found = verdict(relation, Ask(Nothing()), task)
        assert (found.state, found.message) == ("unsupported", lacks)
    backwards = next(draw(seed) for seed in range(20) if draw(seed).ts[-1] < draw(seed).ts[0])
    assert verdict(all_relations()["solve.refine"], Ask(Nothing()), backwards).message == "time:backward"


@pytest.mark.parametrize(
    ("run", "state"),
    [
        (lambda case: {"z": np.full(case.weights.shape, np.nan)}, "pass"),
        (lambda case: {"z": np.ones(case.weights.shape)}, "fail"),
        (fakes.raising(fakes.REFUSED), "pass"),
        (fakes.raising(ZeroDivisionError()), "pass"),
        (fakes.raising(SystemExit()), "crash"),
    ],
)
def test_questions_without_an_answer(run, state):
    class Fake(Reference):
        def run(self, case):
            return run(case) if run.__name__ == "<lambda>" else run(case, None)

    assert set(states(Fake(), "solve.negative")) == {state}


def test_a_case_in_float32_and_with_fixed_steps():
    task = pairs("solve.f32")[0][1]
    case = Case(task, 1e-4, ("z",), dtype="f32", method="euler", steps=7, atol=0.5)
    assert {x.dtype.name for x in (case.z0, case.theta, case.weights)} == {"float32"}
    assert case.ts.dtype == np.float64
    assert (case.method, case.steps, case.atol) == ("euler", 7, 0.5)
    plain = Case(task, 1e-4, ("z",))
    assert (plain.method, plain.steps, plain.dtype, plain.atol) == (None, None, "f64", 1e-6)


def test_an_answer_in_float64_to_a_question_in_float32_is_an_error():
    class Wide(Reference):
        def run(self, case):
            return {key: np.asarray(value, float) for key, value in super().run(case).items() if key != "stats"}

    relation, task = pairs("solve.f32")[0]
    found = verdict(relation, Ask(Wide()), task)
    assert found.state == "error"
    assert "z has dtype float64, expected float32" in found.message


@pytest.mark.parametrize("name", ["P30", "P28", "draw-0", "draw-3"])
def test_the_variational_equation_by_differences_is_exact_to_1e_11(name):
    """Against complex steps. h^4 = 1e-12, and rounding is some 1e-16/h = 1e-13."""
    task = task_named(name)
    D, rng = task.z0.size, np.random.default_rng(0)
    for t in np.linspace(task.ts[0], task.ts[-1], 5):
        z, w = task.z0 * rng.uniform(0.5, 1.5, D), rng.uniform(-1, 1, D)
        got = with_sensitivity(task).rhs(np, np.concatenate([z, w]), t, task.theta)
        exact = np.imag(task.rhs(np, z + 1e-30j * w, t, task.theta)) / 1e-30
        np.testing.assert_allclose(got, np.concatenate([task.rhs(np, z, t, task.theta), exact]), rtol=0, atol=1e-11 * (1 + np.abs(exact).max()))
