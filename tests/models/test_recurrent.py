"""The recurrent networks: what is consumed first, what has no influence, and that the loops are differentiated."""

import numpy as np
import pytest

import refnode as rn
from refnode.models.recurrent import gaps, predict_next, recognise, rnn_init, rnn_output, rnn_step

RNG = np.random.default_rng(0)
THETA = rnn_init(RNG, 3, 5, 4)
TIMES = np.array([[0.5, 0.0], [0.75, 1.0], [2.0, 1.5]])
MASK = np.ones((3, 2), bool)
VALUES = RNG.normal(size=(3, 2, 2))


def test_gaps_add_up_to_the_times():
    """Each difference leads to the observation before, the first to t0; where there is none it is 0."""
    assert np.array_equal(np.cumsum(gaps(TIMES, MASK, -0.5), axis=0) - 0.5, TIMES)
    holes = np.array([[True, False], [False, True], [True, True]])
    assert np.array_equal(gaps(np.where(holes, TIMES, np.nan), holes, 0.0), [[0.5, 0.0], [0.0, 1.0], [1.5, 0.5]])


def test_times_out_of_order_are_refused():
    with pytest.raises(ValueError, match=r"must be finite and increase from t0 = 0\.0 on; there is a step of -"):
        gaps(TIMES[[1, 0, 2]], MASK, 0.0)
    with pytest.raises(ValueError, match="must be finite"):
        gaps(np.full((3, 2), np.nan), MASK, 0.0)
    with pytest.raises(ValueError, match=r"from t0 = 0\.6 on; there is a step of -0\.6"):
        gaps(TIMES, MASK, 0.6)


def test_masks_that_are_none():
    for wrong in (2.0, -1):
        with pytest.raises(ValueError, match=f"a mask holds True and False, not .*{wrong}"):
            gaps(TIMES, MASK * wrong, 0.0)
    with pytest.raises(ValueError, match=r"must both have a shape \(n, B\), of n times and B series; they have \(3, 2\) and \(2, 3\)"):
        gaps(TIMES, MASK.T, 0.0)
    assert np.array_equal(gaps(TIMES, MASK.astype(float), 0.0), gaps(TIMES, MASK, 0.0))


def test_the_recognition_network_reads_backwards():
    """S58: by its recursion, written out: the last observation is consumed first, and the first last."""
    between = gaps(TIMES, MASK, 0.0)
    x = np.concatenate([VALUES, between[..., None]], axis=-1)
    out = rnn_output(rnn_step(rnn_step(rnn_step(np.zeros((2, 5)), x[2], THETA), x[1], THETA), x[0], THETA), THETA)
    mean, log_variance = recognise(VALUES, between, MASK, THETA)
    assert np.array_equal(mean, out[:, :2])
    assert np.array_equal(log_variance, out[:, 2:])
    assert np.abs(recognise(VALUES[::-1], between, MASK, THETA)[0] - mean).max() > 0.01


def test_what_is_masked_has_no_influence():
    """S58: a series among longer ones is encoded as if it were alone, bit for bit, whatever stands in the rows that are masked."""
    holes = np.array([[True, True], [False, True], [True, True]])
    values = np.where(holes[..., None], VALUES, 1e6)
    together = recognise(values, gaps(TIMES, holes, 0.0), holes, THETA)
    alone = [0, 2]
    expected = recognise(VALUES[alone], gaps(TIMES[alone], MASK[alone], 0.0), MASK[alone], THETA)
    for found, one in zip(together, expected, strict=True):
        assert np.array_equal(found[0], one[0])
    gradient = rn.grad(lambda values: np.sum(recognise(values, gaps(TIMES, holes, 0.0), holes, THETA)[0]))(values)
    assert not gradient[1, 0].any()
    assert np.all(gradient[holes] != 0)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_of_the_scans(compiled):
    encode, predict = (rn.compiled(recognise), rn.compiled(predict_next)) if compiled else (recognise, predict_next)
    between = gaps(TIMES, MASK, 0.0)
    rn.check_grads(lambda values, theta: sum(np.sum(np.sin(out)) for out in encode(values, between, MASK, theta)), VALUES, THETA)
    rn.check_grads(lambda inputs, theta: np.sum(np.sin(predict(inputs, theta))), RNG.normal(size=(4, 2, 3)), THETA)


def test_predictions_do_not_see_the_future():
    inputs = RNG.normal(size=(4, 2, 3))
    changed = inputs.copy()
    changed[2:] += 1
    assert np.array_equal(predict_next(inputs, THETA)[:2], predict_next(changed, THETA)[:2])
    assert np.all(predict_next(inputs, THETA)[2:] != predict_next(changed, THETA)[2:])


def test_initial_weights():
    with pytest.raises(ValueError, match="hidden must be a positive whole number, not 0"):
        rnn_init(RNG, 3, 0, 4)
    assert np.allclose(THETA.W_h @ THETA.W_h.T, np.eye(5), atol=1e-14)
    assert not THETA.b.any()
    assert not THETA.b_o.any()
