"""The suite against adapters that misbehave in one way each."""

import numpy as np
import pytest
from refnode_validation import case as case_module
from refnode_validation.case import ask
from refnode_validation.checks.catalog import all_checks
from refnode_validation.checks.parts import PARTS, restart_task, task_for
from refnode_validation.checks.registry import Answer
from refnode_validation.plans import Options, plan
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import Task, forward
from refnode_validation.relations.catalog import all_relations
from refnode_validation.runner import Plan, Result, run, whole
from refnode_validation.verdicts import Verdict

from . import fakes

CHECKS = tuple(all_checks().values())
SMALL = Plan(CHECKS, ("P10",), rtols=(1e-4, 1e-7))


def states(adapter, plan=SMALL):
    """{check id: the set of its states}"""
    found: dict[str, set[str]] = {}
    for result in run(adapter, plan):
        found.setdefault(result.check, set()).add(result.verdict.state)
    return found


def test_always_exact_passes_everything():
    """All of the plan, at all problems and tolerances; solve.flow compares two solves, and both are exact."""
    plan = Plan(CHECKS, tuple(problems()))
    results = list(run(fakes.AlwaysExact(problems()), plan))
    assert {result.verdict.state for result in results} == {"pass"}
    assert {result.check for result in results} == set(all_checks())
    assert len(results) == len(plan.all_items())
    assert len({result.id for result in results}) == len(results)


def test_always_wrong_is_caught_by_the_probe():
    class AlwaysWrong(fakes.AlwaysExact):
        def run(self, case):
            return {key: value + 1 if key != "stats" else value for key, value in super().run(case).items()}

    assert set.union(*states(AlwaysWrong(problems())).values()) == {"harness-broken"}


@pytest.mark.parametrize(
    ("change", "state", "message"),
    [
        (fakes.raising(ZeroDivisionError("by zero\nsecond line")), "error", "ZeroDivisionError: by zero"),
        (fakes.raising(SystemExit(3)), "crash", "SystemExit: 3"),
        (fakes.raising(fakes.REFUSED), "refused", "no"),
        (fakes.raising(fakes.UNSUPPORTED), "fail", "declares what it then calls unsupported: grad:t"),
        (fakes.with_entry("dL/dz0", np.zeros(3)), "error", "dL/dz0 has shape (3,), expected (1,)"),
        (fakes.with_entry("dL/dz0", [None]), "error", "dL/dz0 is not an array of real numbers"),
        (fakes.with_entry("dL/dz0", [1j]), "error", "dL/dz0 is not an array of real numbers"),
        (fakes.with_entry("extra", 1.0), "error", "returned the keys"),
        (fakes.without_entry("dL/dt"), "error", "returned the keys"),
        (lambda case, answer: None, "error", "must return a dict, not NoneType"),
        (fakes.overwriting("ts"), "error", "changed its input ts"),
        (fakes.overwriting("theta"), "error", "changed its input theta"),
    ],
)
def test_misbehaviour(change, state, message):
    reply = ask(fakes.Changed(problems(), change), forward(problems()["P10"]), 1e-6, ("z", "dL/dz0", "dL/dtheta", "dL/dt"))
    assert reply.state == state
    assert message in reply.message
    assert "second line" not in reply.message
    found = states(fakes.Changed(problems(), change))
    assert found["grad.z0"] == found["grad.t"] == {state}
    assert found["solve.calls"] == {"pass"}  # no gradients asked for: the run goes on


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_fails(bad):
    found = states(fakes.Changed(problems(), fakes.with_entry("dL/dtheta", lambda x: x * bad)))
    assert found["grad.theta"] == {"fail"}
    assert found["grad.z0"] == {"pass"}


def test_infinite_loop_is_a_timeout_even_if_the_exception_is_swallowed(monkeypatch):
    monkeypatch.setattr(case_module, "CALL_BUDGET", 1000)
    found = states(fakes.Changed(problems(), fakes.calling_for_ever))
    assert found["grad.z0"] == {"timeout"}
    assert found["solve.output_times"] == {"pass"}


@pytest.mark.parametrize(("factor", "state"), [(0.99, "pass"), (1.01, "fail")])
@pytest.mark.parametrize("key", ["z", "dL/dz0", "dL/dtheta", "dL/dt"])
def test_threshold_from_both_sides(key, factor, state):
    """An answer that is off by factor times the allowed error, in one component."""
    rtol, task = 1e-4, forward(problems()["P10"])
    exact = {"z": task.values, **task.gradients}[key]
    answer = Answer(task, rtol, {}, {}, 0, "direct", False)
    allowed = answer.allowed_value(exact) if key == "z" else answer.allowed_gradient(exact)

    def change(case, got):
        off = np.zeros_like(got[key])
        off.flat[-1] = factor * allowed
        return {**got, key: got[key] + off} if len(case.ts) == len(task.ts) else got

    adapter = fakes.Changed(problems(), change)
    adapter.capabilities = adapter.capabilities - {"time:backward"}
    check = {"z": "solve.value", "dL/dz0": "grad.z0", "dL/dtheta": "grad.theta", "dL/dt": "grad.t"}[key]
    # The other checks are there so that dL/dz0 is asked for, which is where Changed changes something.
    plan = Plan(tuple(c for c in CHECKS if c.id in (check, "grad.z0")), ("P10",), rtols=(rtol,))
    assert states(adapter, plan)[check] == {state}


def test_adjoint_mode_is_allowed_the_growth_of_the_way_back():
    task = forward(problems()["P10"])
    direct = Answer(task, 1e-6, {}, {}, 0, "direct", True).allowed_gradient([1.0])
    adjoint = Answer(task, 1e-6, {}, {}, 0, "adjoint", True).allowed_gradient([1.0])
    assert adjoint / direct == pytest.approx(task.reconstruction_gamma)
    assert task.reconstruction_gamma > 1.5


def test_second_derivatives_that_are_wrong_are_caught():
    """The first derivative instead of the second: the mutant of grad.second."""

    found = states(fakes.FirstForSecond(problems()))
    assert found["grad.second"] == {"fail"}
    assert {name for name, kinds in found.items() if kinds != {"pass"}} == {"grad.second"}


@pytest.mark.parametrize("claimed", ["time:backward", "grad:z0", "grad:theta", "grad:t", "grad:second"])
def test_a_lie_about_a_capability_fails_every_check_that_needs_it(claimed):
    """What is asked in the same question fails with it: a question is answered whole, or not."""
    results = list(run(fakes.Lying(problems(), claimed), SMALL))
    failed = {(result.check, result.direction) for result in results if result.verdict.state == "fail"}
    needing = {(check.id, way) for check in CHECKS for way in check.directions if claimed in check.needs}
    assert {(result.check, result.direction) for result in results} & needing <= failed
    assert all("declares what it then calls unsupported" in result.verdict.message for result in results if result.verdict.state == "fail")
    assert ("solve.value", "forward") not in failed


def test_hard_coded_answers_are_caught_by_relations_and_by_another_seed():
    """It has all questions about P10 and P28 in a table, and passes. Elsewhere z is constant, which is a flow, too: of the relations only
    those see it that know a solution, such as the clock of solve.autonomise."""
    names, seeds = ("P10", "P28"), (0, 1)
    parts = [(name, way, part) for name in names for way in ("forward", "reversed") for part in PARTS if part != "restart"]
    tasks = [task for where in parts if (task := task_for(*where, 0))]
    mains = [task_for(name, way, "main", 0) for name in names for way in ("forward", "reversed")]
    tasks += [restart_task(main, main.values) for main in mains]
    for p in map(problems().get, ("P04", "P10")):  # what the probe asks
        tasks.append(Task(p, p.z0, np.array([p.t0, 0.9 * p.t0 + 0.1 * p.t1]), p.weights[:2]))
    adapter = fakes.HardcodesVectors(problems(), tasks)
    adapter.capabilities = frozenset({"values", "time:backward", "grad:z0", "grad:theta", "grad:t"})
    plans = {seed: Plan(CHECKS, names, rtols=(1e-4,), seed=seed) for seed in seeds}
    found = {seed: {r.check for r in run(adapter, made) if r.verdict.state == "fail"} for seed, made in plans.items()}
    assert found == {0: set(), 1: {"solve.output_times", "grad.split", "grad.split_t"}}
    drawn = run(adapter, plan(Options(only=tuple(all_relations()), problem=("draw-0", "draw-1"))))
    assert {result.check for result in drawn if result.verdict.state == "fail"} == {"solve.autonomise"}


def test_undeclared_capabilities_are_not_asked_for():
    class ValuesOnly(fakes.AlwaysExact):
        capabilities = frozenset({"values"})

        def run(self, case):
            assert case.wants == ("z",)
            assert case.ts[-1] > case.ts[0]
            return super().run(case)

    results = list(run(ValuesOnly(problems()), SMALL))
    assert {result.verdict.state for result in results} == {"pass", "unsupported"}
    missing = {(result.check, result.direction): result.verdict.message for result in results if result.verdict.state == "unsupported"}
    assert missing["grad.z0", "forward"] == "grad:z0"
    assert missing["solve.reversed", "reversed"] == "time:backward"
    assert missing["grad.shift_sum", "forward"] == "grad:t" if ("grad.shift_sum", "forward") in missing else True
    assert len(results) == len(SMALL.all_items())


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("capabilities", {"values", "grad:y0"}, "unknown capabilities ['grad:y0']"),
        ("capabilities", {"grad:z0"}, '"values" is missing'),
        ("mode", "backsolve", "mode is 'backsolve'"),
    ],
)
def test_attributes_are_probed(attribute, value, message):
    adapter = fakes.AlwaysExact(problems())
    setattr(adapter, attribute, value)
    results = list(run(adapter, SMALL))
    assert {result.verdict.state for result in results} == {"harness-broken"}
    assert message in results[0].verdict.message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, case: f(case.ts[0], case.z0, case.theta), "f(z, t, theta) was called with shapes"),
        (lambda f, case: f(case.z0.astype(np.float32), float(case.ts[0]), case.theta.astype(np.float32)), "theta"),
        (lambda f, case: f(case.z0, float(case.ts[0]), case.theta[::-1]), "the dynamics got theta"),
        (lambda f, case: None, "never called"),
    ],
)
def test_the_probe_looks_at_the_call_of_the_dynamics(call, message):
    class Calling(fakes.AlwaysExact):
        def run(self, case):
            call(case.dynamics(np), case)
            task = fakes.task_of(case, self.problems)
            return {"z": task.values}

    results = list(run(Calling(problems()), SMALL))
    assert {result.verdict.state for result in results} == {"harness-broken"}
    assert message in results[0].verdict.message


def test_flow_needs_the_plain_solve():
    """Where the plain solve does not succeed, solve.flow has the same state and says so."""

    class Failing(fakes.AlwaysExact):
        def run(self, case):
            if len(case.ts) == 4:
                raise RuntimeError("step size became zero")
            return super().run(case)

    results = [result for result in run(Failing(problems()), SMALL) if result.check == "solve.flow"]
    assert {result.verdict.state for result in results} == {"error"}
    assert "plain solve did not succeed" in results[0].verdict.message


def test_whole_gives_every_item_once():
    results = list(whole(SMALL, "absent", Verdict("skipped")))
    assert len(results) == len(SMALL.all_items())
    assert all(isinstance(result, Result) and result.verdict.state == "skipped" for result in results)
