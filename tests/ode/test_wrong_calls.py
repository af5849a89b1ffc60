"""Wrong calls: each has its type of exception, and one sentence that names what was wrong, its value, and the remedy."""

import functools
import math

import numpy as np
import pytest

import refnode as rn
from refnode.ode.solve import solve

Z0, TS = np.array([1.0, -0.5]), [0.0, 0.5, 1.0]
NAN, INF = math.nan, math.inf


def f(z, t, theta):
    return -z


class Method:
    def __call__(self, t, z, theta):
        return -z


# what is wrong: (the arguments that differ from solve(f, Z0, TS)), exception, words of its sentence
CALLS = {
    "f is no function": ({"f": 3}, TypeError, "f must be a function f(z, t, theta), not a int"),
    "f is None": ({"f": None}, TypeError, "not a NoneType"),
    "f takes one argument": ({"f": lambda z: z}, TypeError, "f must take three arguments, f(z, t, theta), but its signature is (z)"),
    "f takes two arguments": ({"f": lambda z, t: z}, TypeError, "theta may be unused"),
    "f takes four arguments": ({"f": lambda z, t, theta, more: z}, TypeError, "but its signature is (z, t, theta, more)"),
    "f takes a keyword": ({"f": lambda z, t, theta, *, key: z}, TypeError, "f must take three arguments"),
    "f in SciPy's order": ({"f": lambda t, y, theta: y}, ValueError, "its first parameters are (t, y), the order of other libraries; exchange"),
    "f in torchdiffeq's order": ({"f": lambda t, z, _: z}, ValueError, "first parameters are (t, z)"),
    "f in another order": ({"f": lambda s, x, _: x}, ValueError, "first parameters are (s, x)"),
    "a callable in SciPy's order": ({"f": Method()}, ValueError, "first parameters are (t, z)"),
    "a partial function in SciPy's order": ({"f": functools.partial(lambda t, h, p, q: h, q=1)}, ValueError, "first parameters are (t, h)"),
    "z0 is None": ({"z0": None}, TypeError, "a state cannot be None"),
    "z0 is a string": ({"z0": "abc"}, TypeError, "the dtype <U3 is not supported; use float64"),
    "z0 is float16": ({"z0": Z0.astype(np.float16)}, TypeError, "the dtype float16 is not supported"),
    "z0 is longdouble": ({"z0": Z0.astype(np.longdouble)}, TypeError, "is not supported; use float64"),
    "z0 holds objects": ({"z0": np.array([1, None])}, TypeError, "the dtype object is not supported"),
    "z0 is masked": ({"z0": np.ma.masked_array(Z0, [True, False])}, TypeError, "masked arrays are not supported"),
    "a masked leaf": ({"z0": (np.ma.masked_array(Z0, [True, False]),)}, TypeError, "masked arrays are not supported"),
    "z0 holds a function": ({"z0": (Z0, f)}, TypeError, "the dtype object is not supported"),
    "z0 is NaN": ({"z0": [1.0, NAN]}, ValueError, "z0 must be finite"),
    "z0 is infinite": ({"z0": {"a": Z0, "b": INF}}, ValueError, "z0 must be finite"),
    "a date": ({"z0": np.array(["2020-01-01"], "datetime64[D]")}, TypeError, "is not supported"),
    "no times": ({"ts": []}, ValueError, "ts must be a one-dimensional array of at least one real time, not shape (0,)"),
    "ts is a number": ({"ts": 1.0}, ValueError, "not shape ()"),
    "ts is None": ({"ts": None}, ValueError, "ts must be a one-dimensional array"),
    "ts has two axes": ({"ts": [[0.0, 1.0]]}, ValueError, "not shape (1, 2)"),
    "ragged ts": ({"ts": [[0.0], [1.0, 2.0]]}, ValueError, "ts must be a one-dimensional array"),
    "complex ts": ({"ts": [0j, 1j]}, ValueError, "dtype complex128"),
    "boolean ts": ({"ts": [False, True]}, ValueError, "dtype bool"),
    "ts of strings": ({"ts": ["0", "1"]}, ValueError, "ts must be a one-dimensional array"),
    "NaN in ts": ({"ts": [0.0, NAN, 1.0]}, ValueError, "ts must be finite, but ts[1] = nan"),
    "ts infinite": ({"ts": [0.0, INF]}, ValueError, "ts must be finite, but ts[1] = inf"),
    "unsorted inside": ({"ts": [0.0, 0.5, 0.2, 1.0]}, ValueError, "but ts[1:3] = [0.5, 0.2] goes the other way; sort it"),
    "unsorted at the end": ({"ts": [0.0, 1.0, 0.5]}, ValueError, "ts[1:3] = [1.0, 0.5]"),
    "unsorted backwards": ({"ts": [1.0, 0.2, 0.5, 0.0]}, ValueError, "ts[1:3] = [0.2, 0.5]"),
    "there and back": ({"ts": [0.0, 1.0, 0.0]}, ValueError, "ts[1:3] = [1.0, 0.0]"),
    "unsorted by very little": ({"ts": [0.0, 2e-300, 1e-300, 3e-300]}, ValueError, "sort it"),
    "unknown method": ({"method": "RK45"}, ValueError, "there is no method 'RK45': what others call so is 'dopri5' here."),
    "method is None": ({"method": None}, ValueError, "there is no method None"),
    "method is a list": ({"method": ["dopri5"]}, ValueError, "there is no method ['dopri5']"),
    "neither steps nor step_size": ({"method": "rk4"}, ValueError, "rk4 has no error estimate: give steps=n (over the whole of ts) or step_size=h"),
    "steps and step_size": ({"steps": 3, "step_size": 0.1}, ValueError, "give steps or step_size, not both"),
    "no steps": ({"steps": 0}, ValueError, "steps must be a positive whole number, not 0"),
    "half a step": ({"steps": 2.5}, ValueError, "steps must be a positive whole number, not 2.5"),
    "steps is true": ({"steps": True}, ValueError, "steps must be a positive whole number, not True"),
    "negative step_size": ({"step_size": -0.1}, ValueError, "step_size must be a positive number, not -0.1"),
    "step_size is NaN": ({"step_size": NAN}, ValueError, "step_size must be a positive number, not nan"),
    "too many steps": ({"steps": 200_000}, ValueError, "these are 200000 steps, more than max_steps = 100000; take larger steps or raise max_steps"),
    "tiny step_size": ({"step_size": 1e-300}, ValueError, "more than max_steps = 100000"),
    "rtol negative": ({"rtol": -1e-3}, ValueError, "rtol must be finite and not negative, not -0.001"),
    "rtol NaN": ({"rtol": NAN}, ValueError, "rtol must be finite and not negative, not nan"),
    "rtol infinite": ({"rtol": INF}, ValueError, "rtol must be finite and not negative, not inf"),
    "rtol too small": ({"rtol": 1e-15}, ValueError, "rtol = 1e-15 is below 100 eps = 2.2e-14"),
    "rtol a string": ({"rtol": "1e-6"}, ValueError, "rtol must be a number or a tree like z0 whose leaves broadcast to z0's, not '1e-6'"),
    "rtol None": ({"rtol": None}, ValueError, "rtol must be a number"),
    "rtol true": ({"rtol": True}, ValueError, "rtol must be a number"),
    "rtol complex": ({"rtol": 1e-3j}, ValueError, "rtol must be a number"),
    "atol negative": ({"atol": [1e-6, -1e-6]}, ValueError, "atol must be finite and not negative"),
    "atol NaN": ({"atol": np.array([NAN, 1.0])}, ValueError, "atol must be finite and not negative"),
    "atol of a wrong length": ({"atol": np.ones(3)}, ValueError, "atol must be a number or a tree like z0"),
    "atol of another structure": ({"z0": (Z0, Z0), "atol": (1e-6, 1e-6, 1e-6)}, ValueError, "atol must be a number or a tree like z0"),
    "no tolerance": ({"rtol": 0, "atol": 0}, ValueError, "rtol and atol are both 0"),
    "no tolerance for one component": ({"rtol": 0, "atol": [0, 1e-6]}, ValueError, "rtol and atol are both 0"),
    "first_step zero": ({"first_step": 0}, ValueError, "first_step must be a positive number, not 0"),
    "first_step negative": ({"ts": TS[::-1], "first_step": -0.1}, ValueError, "first_step must be a positive number, not -0.1"),
    "first_step an array": ({"first_step": np.array([0.1])}, ValueError, "first_step must be a positive number"),
    "max_step zero": ({"max_step": 0.0}, ValueError, "max_step must be a positive number, not 0.0"),
    "max_step None": ({"max_step": None}, ValueError, "max_step must be a positive number, not None"),
    "min_step negative": ({"min_step": -1.0}, ValueError, "min_step must be a positive number, not -1.0"),
    "min_step a string": ({"min_step": "small"}, ValueError, "min_step must be a positive number, not 'small'"),
    "min_step above max_step": ({"min_step": 0.2, "max_step": 0.1}, ValueError, "min_step = 0.2 must be below max_step = 0.1"),
    "max_steps zero": ({"max_steps": 0}, ValueError, "max_steps must be a positive whole number, not 0"),
    "max_steps infinite": ({"max_steps": INF}, ValueError, "max_steps must be a positive whole number, not inf"),
    "unknown norm": ({"norm": "seminorm"}, ValueError, "norm must be 'rms', 'max' or a function of the flat error, not 'seminorm'"),
    "a norm of several numbers": ({"norm": np.abs}, ValueError, "norm must return a number that is not negative"),
    "a negative norm": ({"norm": lambda x: -1.0}, ValueError, "norm must return a number that is not negative, not -1.0"),
    "a norm that is None": ({"norm": lambda x: None}, ValueError, "norm must return a number that is not negative, not None"),
    "unknown controller": ({"controller": "pi"}, ValueError, "there is no controller 'pi'; the controllers are I, PI, PID."),
    "controller is None": ({"controller": None}, ValueError, "there is no controller None"),
    "controller is a list": ({"controller": ["I"]}, ValueError, "there is no controller ['I']"),
    "a jump is a number": ({"jump_ts": 0.5}, ValueError, "jump_ts must be a list or a one-dimensional array of times, not shape ()"),
    "a jump is NaN": ({"jump_ts": [0.5, NAN]}, ValueError, "jump_ts must be finite, but it holds nan"),
    "a jump is infinite": ({"jump_ts": [INF]}, ValueError, "jump_ts must be finite, but it holds inf"),
    "jumps with two axes": ({"jump_ts": np.ones((2, 2))}, ValueError, "not shape (2, 2) and dtype float64"),
    "ragged jumps": ({"jump_ts": [[1.0], [1.0, 2.0]]}, ValueError, "one-dimensional"),
    "complex jumps": ({"jump_ts": [0.5j]}, ValueError, "dtype complex128"),
    "jumps of strings": ({"jump_ts": "0.5"}, ValueError, "jump_ts must be"),
    "jumps None": ({"jump_ts": None}, ValueError, "jump_ts must be"),
    "leapfrog for an array": ({"method": "leapfrog", "steps": 9}, ValueError, "is for a state z = (q, p), a tuple of two arrays or of two trees"),
    "leapfrog without steps": ({"method": "leapfrog"}, ValueError, "leapfrog has no error estimate: give steps=n"),
    "unknown keyword": ({"tol": 1e-3}, TypeError, "'tol'"),
    "torchdiffeq's options": ({"options": {"norm": max}}, TypeError, "'options'"),
}


def test_the_table_is_long_enough():
    assert len(CALLS) >= 40


@pytest.mark.parametrize("entry", [solve, rn.solve, rn.odeint], ids=["ode.solve", "rn.solve", "rn.odeint"])
@pytest.mark.parametrize("case", CALLS)
def test_wrong_calls(case, entry):
    arguments, kind, words = CALLS[case]
    arguments = {"f": f, "z0": Z0, "ts": TS} | arguments
    with pytest.raises((ValueError, TypeError)) as caught:
        entry(arguments.pop("f"), arguments.pop("z0"), arguments.pop("ts"), **arguments)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert words in message
    assert "\n" not in message and len(message) < 300


def test_right_calls_that_look_wrong():
    """Signatures that cannot be read, more parameters with defaults, methods, callables, parameters of any other name."""
    class Field:
        def __call__(self, z, t, theta):
            return -z

        def method(self, z, t, theta):
            return -z

    wanted = solve(f, Z0, TS).zs
    for g in (Field(), Field().method, lambda *args: -args[0], lambda z, t, theta, k=1.0: -z, lambda u, s, p: -u, lambda _, __, ___: -_,
              functools.partial(lambda k, z, t, theta: -k * z, 1.0), lambda z, *rest: -z, lambda z, t, theta, *, k=2: -z):
        np.testing.assert_array_equal(solve(g, Z0, TS).zs, wanted)
    np.testing.assert_array_equal(solve(np.subtract, Z0, [0.0, 0.0]).zs, [Z0, Z0])  # a ufunc has no signature to read


@pytest.mark.parametrize("setting", [
    {"rtol": np.float32(1e-3)}, {"rtol": 0, "atol": 1e-6}, {"atol": 0}, {"atol": np.float64(1e-6)}, {"rtol": [1e-6, 1e-5]}, {"rtol": np.array(1e-5)},
    {"first_step": np.float64(0.1)}, {"first_step": 1}, {"max_step": math.inf}, {"min_step": 0}, {"max_steps": np.int64(50)}, {"steps": np.int32(5)},
    {"step_size": 1}, {"norm": lambda x: np.abs(x).max()}, {"norm": lambda x: np.array(0.0)}, {"norm": np.linalg.norm}],
    ids=lambda setting: "-".join(setting))
def test_numbers_of_every_kind(setting):
    assert solve(f, Z0, TS, **setting).status == 0


@pytest.mark.parametrize("ts", [(0, 1), np.arange(3), np.array([0, 1], np.float32), range(4), [np.float64(0), 1]], ids=repr)
def test_times_of_every_kind(ts):
    seen = []
    sol = solve(lambda z, t, _: seen.append(type(t)) or -z, Z0, ts)
    assert set(seen) == {float} and sol.ts.dtype == np.float64 and len(sol.ts) == len(ts)
