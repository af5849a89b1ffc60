"""A solve step by step: the same steps as `solve`, and after saving and resuming the same bits."""

import io
import math

import numpy as np
import pytest

import refnode as rn

METHODS = ["euler", "heun", "bosh3", "dopri5", "tsit5", "dop853", "alf", "reversible_heun", "implicit_euler", "kvaerno3", "kvaerno5", "radau5",
           "bdf", "adams"]


def f(z, t, theta):
    return np.array([z[1], -np.sin(z[0]) + 0.2 * np.cos(t)])


def keywords(method):
    return {"method": method, "steps": 30} if method == "euler" else {"method": method, "rtol": 1e-4}


def taken(stepper):
    return [(step.t, step.t1, step.z1.tobytes()) for step in stepper]


@pytest.mark.parametrize("span", [(0.0, 6.0), (6.0, 0.0)], ids=["forwards", "backwards"])
@pytest.mark.parametrize("jump_ts", [(), (1.5, 3.0)], ids=["smooth", "jumps"])
@pytest.mark.parametrize("method", METHODS)
def test_saved_and_resumed_to_the_same_bits(method, jump_ts, span):
    how = keywords(method) | {"jump_ts": jump_ts}
    whole = rn.Stepper(f, [1.0, 0.0], *span, **how)
    steps = taken(whole)
    reference = rn.solve(f, [1.0, 0.0], span, dense=True, **how)
    assert [t1 for _, t1, _ in steps] == reference.t_steps[1:].tolist()
    assert steps[-1][2] == reference.zs[-1].tobytes()
    for cut in {0, 1, 2, 5, len(steps) // 2, len(steps)}:
        first = rn.Stepper(f, [1.0, 0.0], *span, **how)
        before = [(step.t, step.t1, step.z1.tobytes()) for step in (first.step() for _ in range(cut))]
        file = io.BytesIO()
        np.savez(file, **first.state())
        file.seek(0)
        second = rn.Stepper(f, [1.0, 0.0], *span, state=np.load(file), **how)
        assert second.t == first.t and second.z.tobytes() == first.z.tobytes()
        assert before + taken(second) == steps, cut
        assert second.is_done and (second.stats.nfe, second.stats.accepted, second.stats.rejected) == (
            whole.stats.nfe, whole.stats.accepted, whole.stats.rejected)


@pytest.mark.parametrize("controller", ["I", "PI", "PID"])
def test_the_controllers_memory_is_saved(controller):
    how = {"controller": controller, "rtol": 1e-3}
    steps = taken(rn.Stepper(f, [1.0, 0.0], 0.0, 20.0, **how))
    for cut in range(0, len(steps), 7):
        first = rn.Stepper(f, [1.0, 0.0], 0.0, 20.0, **how)
        for _ in range(cut):
            first.step()
        assert taken(rn.Stepper(f, [1.0, 0.0], 0.0, 20.0, state=first.state(), **how)) == steps[cut:]


def test_a_later_end_goes_on():
    first = rn.Stepper(f, [1.0, 0.0], 0.0, 2.0)
    taken(first)
    on = rn.Stepper(f, [1.0, 0.0], 0.0, 4.0, state=first.state())
    taken(on)
    np.testing.assert_allclose(on.z, rn.solve(f, [1.0, 0.0], [0.0, 4.0]).zs[-1], rtol=1e-5)
    assert on.t == 4.0 and on.is_done


def test_steps_are_kept_and_interpolate():
    """Steps of a list stay what they were; their interpolants are the dense solution."""
    steps = list(rn.Stepper(f, [1.0, 0.0], 0.0, 5.0))
    sol = rn.solve(f, [1.0, 0.0], [0.0, 5.0], dense=True)
    for step in steps:
        times = np.linspace(step.t, step.t1, 5)
        np.testing.assert_array_equal(step(times)[1:], sol(times)[1:])
        np.testing.assert_array_equal(step(step.t1), step.z1)
    with pytest.raises(ValueError, match="t must lie in the step"):
        steps[0](steps[0].t1 + 1.0)
    assert repr(steps[0]).startswith("StepTaken(t=0, t1=")


def test_trees_and_attributes():
    stepper = rn.Stepper(lambda z, t, theta: {"q": z["p"], "p": -theta * z["q"]}, {"q": np.ones(2), "p": np.zeros(2)}, 0.0, 1.0, 2.0)
    step = stepper.step()
    assert set(step.z1) == {"q", "p"} and stepper.t == step.t1 and stepper.stats.accepted == 1 and not stepper.is_done
    np.testing.assert_array_equal(stepper.z["q"], step.z1["q"])


def test_a_failure_leaves_the_stepper_where_it_was():
    stepper = rn.Stepper(lambda z, t, theta: z * z, 1.0, 0.0, 2.0)
    with pytest.raises(rn.SolverError) as caught:
        taken(stepper)
    assert stepper.t < 1.001
    assert caught.value.t == stepper.t == pytest.approx(1.0, abs=1e-3)
    assert math.isfinite(float(caught.value.z)) and caught.value.stats is stepper.stats


@pytest.mark.parametrize(("state", "words"), [
    ({}, "state does not belong"), ({"t": 0.0}, "state does not belong"), (3.0, "state does not belong"),
    (rn.Stepper(f, [1.0, 0.0], 0.0, 1.0, method="alf").state(), "state does not belong"),
    (rn.Stepper(lambda z, t, theta: z, [1.0, 0.0, 2.0], 0.0, 1.0).state(), "state does not belong")])
def test_wrong_states(state, words):
    with pytest.raises(ValueError, match=words):
        rn.Stepper(f, [1.0, 0.0], 0.0, 1.0, state=state)


def test_a_state_from_beyond_the_end_is_refused():
    done = rn.Stepper(f, [1.0, 0.0], 0.0, 1.0)
    taken(done)
    with pytest.raises(ValueError, match=r"taken at t = 1\.0, beyond the end 0\.5"):
        rn.Stepper(f, [1.0, 0.0], 0.0, 0.5, state=done.state())


@pytest.mark.parametrize(("keywords", "words"), [
    ({"tol": 1e-3}, "there is no argument 'tol'"), ({"events": []}, "events is an argument of rn.solve")])
def test_wrong_keywords(keywords, words):
    with pytest.raises(TypeError, match=words):
        rn.Stepper(f, [1.0, 0.0], 0.0, 1.0, **keywords)
    with pytest.raises(ValueError, match="t1 must be a finite number"):
        rn.Stepper(f, [1.0, 0.0], 0.0, math.inf)
