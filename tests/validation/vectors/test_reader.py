"""The reader of the README, which uses json and math only, against SciPy; and the loader of the suite against the same files."""

import itertools
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from refnode_validation.vectors import store
from refnode_validation.vectors.tasks import alone, flow, problem, task, vectors
from scipy.integrate import solve_ivp

POSITIVE = [id for id, vector in vectors().items() if vector["expected"]]
SMOKE = [id for id in POSITIVE if vectors()[id]["tier"] == "smoke"]


def reader():
    """The code of the README, executed."""
    text = (store.ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 28
    space = {}
    exec(code, space)
    assert not {"numpy", "scipy", "np"} & set(space)
    return space


READER = reader()


def test_counts():
    assert len(vectors()) >= 100
    assert len({vector["family"] for vector in vectors().values()}) >= 12
    required = [vector for vector in vectors().values() if vector["result"] == "required" and not vector["negative"]]
    assert sum(vector["dynamics"]["dim"] >= 2 for vector in required) >= 0.8 * len(required)
    assert sum("NonAutonomous" in vector["flags"] for vector in required) >= 40


@pytest.mark.parametrize("id", SMOKE)
def test_a_reader_with_json_alone(id):
    """f of the README, DOP853, the verdict of the README at rtol 1e-9; and the cotangents posed anew from the sensitivities."""
    vector = json.loads(store.find(id).read_text())
    inputs, expected = vector["inputs"], vector["expected"]
    z0, theta, ts = ([float(x) for x in inputs[key]] for key in ("z0", "theta", "ts"))
    states = [z0]
    for span in itertools.pairwise(ts):
        solution = solve_ivp(lambda t, z: READER["f"](vector, z, t, theta), span, states[-1], method="DOP853", rtol=1e-11, atol=1e-11)
        states.append(solution.y[:, -1])
    answer = [x for state in states for x in state]
    gamma = float(vector["condition"]["value_gamma"])
    assert READER["passes"](answer, expected["z"], gamma, 1e-9, 10)
    for k in range(len(answer)):  # none of the components is idle
        wrong = [*answer[:k], answer[k] + 1e-3 * gamma * max(1, max(map(abs, answer))), *answer[k + 1 :]]
        assert not READER["passes"](wrong, expected["z"], gamma, 1e-9, 10)
    assert not READER["passes"]([float("nan"), *answer[1:]], expected["z"], gamma, 1e-9, 10)
    for name, sensitivities in (("dL_dz0", "dz_dz0"), ("dL_dtheta", "dz_dtheta")):
        for k, (mid, radius) in enumerate(expected[name]):
            total = sum(
                Fraction(g) * Fraction(expected[sensitivities][i][j][k][0])
                for i, row in enumerate(inputs["cotangents"]) for j, g in enumerate(row)
            )  # fmt: skip
            assert abs(total - Fraction(mid)) <= 1000 * Fraction(radius)


@pytest.mark.parametrize("id", POSITIVE)
def test_scipy_finds_the_values(id):
    """DOP853 at 1e-13, from observation to observation: errors of 1e-10 Gamma at most, of the scale of z."""
    posed, asked = problem(id), task(id)
    z, limit = posed.z0, 1e-10 * asked.value_gamma * max(1.0, np.abs(asked.values).max())
    for i in range(1, len(posed.ts)):
        t0, t1 = float(posed.ts[i - 1]), float(posed.ts[i])
        if t1 != t0:
            z = solve_ivp(lambda t, z: posed.rhs(np, z, float(t), posed.theta), (t0, t1), z, method="DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
        assert np.abs(z - asked.values[i]).max() <= limit


@pytest.mark.parametrize("id", POSITIVE)
def test_derived_tasks_add_up(id):
    """The loss is the sum of its observations, and so are the gradients: those from the sensitivities make up the stored ones."""
    whole = task(id)
    parts = [alone(whole, i) for i in range(len(whole.ts))]
    for key, expected in whole.gradients.items():
        total = sum(part.gradients[key] for part in parts)
        size = sum(np.abs(part.gradients[key]).max(initial=1.0) for part in parts)
        np.testing.assert_allclose(total, expected, rtol=0, atol=1e-13 * size)
    last = parts[-1].gradients["dL/dt"]
    if len(whole.ts) > 1:
        assert np.all(last[1:-1] == 0)


@pytest.mark.parametrize("id", [id for id in POSITIVE if vectors()[id]["flow"]])
def test_flows_have_their_density(id):
    vector, asked = vectors()[id], flow(id)
    assert asked.ts.tolist() == [float(vector["inputs"]["ts"][0]), float(vector["inputs"]["ts"][-1])]
    z = asked.values[-1]
    base = asked.problem.base.log_prob(np, z)
    assert asked.density.log_p == pytest.approx(base - float(vector["expected"]["int_minus_trace"][-1][0]), abs=1e-14)
    assert set(asked.density.gradients) == {"dlogp/dx", "dlogp/dtheta", "dlogp/dt"}
    # log |det dz/dx| is minus the integral of minus the trace
    assert np.linalg.slogdet(asked.dz_dz0[-1])[1] == pytest.approx(-float(vector["expected"]["int_minus_trace"][-1][0]), abs=1e-13)
    assert asked.density.value_condition[0] >= 1


def test_unused_parameters_have_gradients_that_are_exactly_zero():
    gradient = task("edge-unused-parameter").gradients["dL/dtheta"]
    assert gradient[[1, 3]].tolist() == [0, 0]
    assert np.abs(gradient[[0, 2]]).min() > 0.1


def test_autonomous_time_gradients_add_up_to_zero():
    found = [id for id in POSITIVE if problem(id).autonomous]
    assert len(found) >= 30
    for id in found:
        dt = task(id).gradients["dL/dt"]
        assert abs(dt.sum()) <= 1e-13 * max(1.0, np.abs(dt).sum())


def test_negative_ones_expect_nothing():
    found = [id for id, vector in vectors().items() if vector["negative"]]
    assert len(found) >= 8
    for id in found:
        with pytest.raises(ValueError, match="negative"):
            task(id)
    assert np.isnan(problem("negative-nan-in-z0").z0[0])


def test_required_answers_are_not_zero_and_not_alike():
    """Of dL/dz0, dL/dtheta and dL/dt together at most a tenth is zero or equals another, over all required vectors."""
    idle = total = 0
    for id in POSITIVE:
        if vectors()[id]["result"] == "required" and id != "edge-unused-parameter":
            numbers = np.concatenate(list(task(id).gradients.values()))
            idle += np.sum(np.abs(numbers) < 1e-12) + len(numbers) - len(np.unique(np.round(np.abs(numbers), 12)))
            total += len(numbers)
    assert idle <= 0.1 * total
