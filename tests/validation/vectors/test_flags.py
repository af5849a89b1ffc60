"""The flags that an author sets are true: each says something about the sensitivities, the dynamics or the solution."""

import json

import numpy as np
import pytest
from refnode_validation.vectors import facts, store
from refnode_validation.vectors.tasks import problem, task, vectors

POSITIVE = {id: vector for id, vector in vectors().items() if vector["expected"]}


def flagged(flag):
    return [id for id, vector in POSITIVE.items() if flag in vector["flags"]]


def _uses(operation):
    return lambda id: f'["{operation}"' in json.dumps(vectors()[id]["dynamics"])


def _jacobian(id, i):
    posed, z = problem(id), task(id).values[i]
    h = 1e-6
    f = [[posed.f(z + s * h * e, float(posed.ts[i]), posed.theta) for s in (1, -1)] for e in np.eye(len(z))]
    return np.array([(plus - minus) / (2 * h) for plus, minus in f]).T


def _not_normal(id):
    J = _jacobian(id, 0)
    return np.abs(J @ J.T - J.T @ J).max() > 0.1 * np.abs(J @ J.T).max()


TRUE = {
    "AtRest": lambda id: np.ptp(task(id).values, axis=0).max() == 0,
    "Chaotic": lambda id: task(id).value_gamma > 10,
    "Contracting": lambda id: np.linalg.svd(task(id).dz_dz0[-1])[1].min() < 0.01,
    "Decaying": lambda id: np.abs(np.linalg.det(task(id).dz_dz0[-1])) < 0.9,
    "Division": lambda id: _uses("div")(id),
    "ExtraState": lambda id: np.array_equal(task(id).dz_dz0[:, :, -1], np.tile(np.eye(len(problem(id).z0))[-1], (len(problem(id).ts), 1))),
    "Growing": lambda id: task(id).value_gamma > 3,
    "Invariant": lambda id: np.allclose(task(id).dz_dz0.sum(axis=1), 1, atol=1e-14) and np.allclose(task(id).dz_dtheta.sum(axis=1), 0, atol=1e-14),
    "Logarithm": lambda id: _uses("log")(id),
    "ManyUnits": lambda id: json.dumps(vectors()[id]["dynamics"]).count('"tanh"') >= 2,
    "Net": lambda id: len(problem(id).theta) >= 6,
    "NoFeedback": lambda id: np.array_equal(task(id).dz_dz0[-1], np.eye(len(problem(id).z0))),
    "NonNormal": _not_normal,
    "OddPowers": lambda id: '3]' in json.dumps(vectors()[id]["dynamics"]).replace(" ", "") or _uses("pow")(id),
    "ScaleSeparation": lambda id: np.abs(task(id).values).max(axis=0).max() > 1e4 * np.abs(task(id).values).max(axis=0).min(),
    "SharedParameter": lambda id: json.dumps(vectors()[id]["dynamics"]["let"] + vectors()[id]["dynamics"]["rhs"]).count('["theta", 0]') >= 2,
    "SquareRoot": lambda id: _uses("sqrt")(id),
    "TraceZero": lambda id: np.allclose(np.linalg.det(task(id).dz_dz0), 1, atol=1e-13),
}  # fmt: skip


def test_every_flag_is_a_fact_or_tested_here():
    assert set(store.notes()["flags"]) == {*facts.FACTS, *TRUE}


@pytest.mark.parametrize("flag", TRUE)
def test_the_flag_holds(flag):
    ids = flagged(flag)
    assert ids
    assert [id for id in ids if not TRUE[flag](id)] == []


@pytest.mark.parametrize("flag", ["AtRest", "NoFeedback", "TraceZero", "ExtraState", "Invariant"])
def test_the_flag_is_set_where_it_holds(flag):
    """Where it matters most, the other way round as well (a single component or time says nothing)."""
    several = [id for id in POSITIVE if len(problem(id).z0) > 1 and len(problem(id).ts) > 1]
    assert [id for id in several if TRUE[flag](id) and id not in flagged(flag)] == []


def test_facts():
    vector = vectors()["repeated-reversed"]
    assert facts.flags(vector) == {"NonAutonomous", "Reversed", "RepeatedTimes", "ObservedAtStart"}
    assert facts.flags(vectors()["edge-unused-parameter"]) >= {"UnusedParameter", "NonAutonomous"}
    assert facts.flags(vectors()["negative-nan-in-ts"]) == {"Negative"}
