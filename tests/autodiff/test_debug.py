"""debug_nans names the operation and the line; it watches nothing else, and nobody else."""

import threading

import numpy as np
import pytest

import refnode as rn


def double_where(x):
    return np.sum(np.where(x > 0, np.sqrt(x), 0.0))


def test_the_operation_the_line_and_the_entry_are_named():
    x = np.array([4.0, 0.0])
    with np.errstate(all="ignore"):
        assert np.isnan(rn.grad(double_where)(x)[1])
        with rn.debug_nans(), pytest.raises(FloatingPointError, match=r"np.sqrt \(test_debug.py:12\) in its argument 0 is nan at entry \[1\]"):
            rn.grad(double_where)(x)


def test_an_infinite_slope_is_found_before_it_becomes_nan():
    with np.errstate(all="ignore"), rn.debug_nans(), pytest.raises(FloatingPointError, match=r"np.power|pow.*inf"):
        rn.grad(lambda x: np.sum(x**0.5))(np.array([0.0, 1.0]))


def test_inside_a_solve_and_in_second_derivatives():
    with np.errstate(all="ignore"), rn.debug_nans():
        with pytest.raises(FloatingPointError, match=r"np\.sqrt"):
            rn.grad(lambda z: np.sum(rn.ODESolve(z, lambda z, t, _: np.where(z > 0, np.sqrt(z), 0.0), 0.0, 1.0)))(np.array([1.0, 0.0]))
        with pytest.raises(FloatingPointError):
            rn.grad(rn.grad(lambda x: x**1.5))(0.0)


def test_sound_gradients_pass_unchanged():
    x = np.array([0.3, 0.7])
    f = lambda x: np.sum(np.tanh(x) * np.log(x))
    plain = rn.grad(f)(x)
    with rn.debug_nans():
        assert np.array_equal(rn.grad(f)(x), plain)


def test_a_value_that_is_nan_already_is_not_blamed_on_a_rule():
    with rn.debug_nans():
        assert np.isnan(rn.grad(lambda x: np.sum(x * np.nan))(np.ones(2))).all()


def test_other_threads_are_not_watched_and_the_block_ends():
    found = []
    with np.errstate(all="ignore"):
        with rn.debug_nans():
            thread = threading.Thread(target=lambda: found.append(rn.grad(double_where)(np.array([4.0, 0.0]))))
            thread.start()
            thread.join()
        assert np.isnan(found[0][1])
        assert np.isnan(rn.grad(double_where)(np.array([4.0, 0.0]))[1])
