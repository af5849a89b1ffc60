"""What an implementation is asked, and what may come back: Case, Unsupported, Refused, and the call of an adapter, ask().

An adapter is a class with run(case), which is called in this process, or it is Remote: then its reply comes from elsewhere (protocol/).
"""

from __future__ import annotations

import abc
import functools
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

CAPABILITIES = {
    "values": "z at the output times",
    "time:backward": "decreasing output times",
    "grad:z0": "dL/dz0",
    "grad:theta": "dL/dtheta",
    "grad:t": "dL/dt_i for every output time",
    "grad:second": "Hessian-vector products in (z0, theta)",
    "stats:nfe": "the number of evaluations of the dynamics, of a solve without gradients",
    "flow:log_prob": "log p(x) of a continuous normalizing flow",
    "flow:grad": "its gradients in x and theta",
    "flow:grad_t": "its gradients in the two times",
    "fixed:euler": "equal steps of Euler's method",
    "fixed:midpoint": "equal steps of the explicit midpoint rule",
    "fixed:rk4": "equal steps of a method of order 4 with four stages (the classic, or the 3/8 rule)",
    "fixed:dopri5": "equal steps of Dormand and Prince's method of order 5",
    "f32": "solutions in float32",
    "max_steps": "a cap on the number of steps of a solve",
}
MODES = ("adjoint", "direct", "none")
CALL_BUDGET = 100_000  # refnode needs 59,321 for a gradient of the longest vector, edge-fast-rotation, at rtol 1e-10


class Unsupported(Exception):
    """Raised by an adapter that cannot do what it is asked. The argument is the capability that is missing."""


class Refused(Exception):
    """Raised by an adapter when the implementation declined to answer. The argument is its message."""


class BudgetExceeded(Exception):
    """Raised by the dynamics when they were called more often than CALL_BUDGET allows: nothing loops for ever."""


class Ended(Exception):
    """Raised in place of an answer that an earlier process did not live to give (worker.py). The arguments are state and message."""


class HarnessError(Exception):
    """Raised by the dynamics when an adapter calls them with the wrong arguments."""


class Case:
    """One question. The attributes are all that an adapter may use; there are no expected values among them.

    z0 (D,), ts (N,) increasing or decreasing, theta (P,), weights (N, D): the loss is L = sum_i weights[i] . z(ts[i]).
    rtol, atol: the tolerances to solve with, forward and backward. wants: the keys of the answer.
    direction (D + P,): for second derivatives only.
    method, steps: None for adaptive steps of the adapter's own method. Else ts has two times, and z(ts[1]) is wanted after `steps` equal
    steps of the method (rtol and atol are not used). Asked only of adapters with the capability "fixed:" + method.
    dtype: "f64"; or "f32", then z0, theta and weights are float32, and so must the answer be. Only with the capability "f32".
    max_steps: None, or the cap on the number of steps of the solve. Only with the capability "max_steps".
    max_calls: how often the dynamics may be called; then they raise BudgetExceeded.
    Where density is True, the question is log p(x) of a flow, at x = z0: x is where the flow is at ts[0], and `base` holds at ts[1].
    """

    def __init__(
        self,
        task: Any,
        rtol: float,
        wants: tuple[str, ...],
        record: list | None = None,
        *,
        atol: float | None = None,
        method: str | None = None,
        steps: int | None = None,
        dtype: str = "f64",
        max_steps: int | None = None,
    ):
        precision = {"f64": np.float64, "f32": np.float32}[dtype]
        self.z0, self.theta, self.weights = (x.astype(precision) for x in (task.z0, task.problem.theta, task.weights))
        self.ts, self.direction = task.ts.copy(), task.direction.copy()
        self.rtol, self.atol, self.wants = rtol, rtol / 100 if atol is None else atol, tuple(wants)
        self.method, self.steps, self.dtype, self.max_steps = method, steps, dtype, max_steps
        self.density = any(key.startswith(("log p", "dlogp")) for key in wants)
        self.calls, self.max_calls, self.record = 0, CALL_BUDGET, record
        self._rhs, self._base = task.problem.rhs, task.problem.base

    def base(self, xp: Any) -> Callable[[Any], Any]:
        """log p_base(z) of one point z (D,), in the functions of the namespace xp."""
        assert self._base is not None
        return functools.partial(self._base.log_prob, xp)

    def dynamics(self, xp: Any) -> Callable[[Any, Any, Any], Any]:
        """f(z, t, theta) in the functions of the namespace xp (numpy, autograd.numpy, torch, jax.numpy). Calls are counted."""
        rhs, z_shape, theta_shape = self._rhs, self.z0.shape, self.theta.shape

        def f(z, t, theta):
            self.calls += 1
            if self.calls > self.max_calls:
                raise BudgetExceeded(_over_budget(self.max_calls))
            if _shape(z) != z_shape or _shape(theta) != theta_shape or _shape(t) != ():
                shapes = f"{_shape(z)}, {_shape(t)}, {_shape(theta)}"
                raise HarnessError(f"f(z, t, theta) was called with shapes {shapes}; expected {z_shape}, (), {theta_shape}")
            value = rhs(xp, z, t, theta)
            if self.record is not None:
                self.record.append([_numbers(x) for x in (z, t, theta, value)])
            return value

        return f


@dataclass
class Reply:
    """What came back: state "answered" and the arrays, or one of the result states and a message."""

    state: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    message: str = ""
    calls: int = 0
    warnings: tuple[str, ...] = ()


def ask(adapter: Any, task: Any, rtol: float, wants: tuple[str, ...], record: list | None = None, **request: Any) -> Reply:
    """Run one case; whatever the adapter does, a Reply comes back (only KeyboardInterrupt passes through).

    task is a Task, or has the attributes that a Case reads. Into record, if given, go z, t, theta and the value of every call of the
    dynamics. request: atol, method, steps, dtype, max_steps, as in Case.
    """
    case = Case(task, rtol, wants, record, **request)
    reply = adapter.reply(case) if isinstance(adapter, Remote) else reply_of(adapter, case)
    if reply.calls > case.max_calls:
        return Reply("timeout", message=_over_budget(case.max_calls), calls=reply.calls, warnings=reply.warnings)
    if reply.state == "unsupported":
        message = f"declares what it then calls unsupported: {reply.message}"
        return Reply("fail", message=message, calls=reply.calls, warnings=reply.warnings)
    return reply


class Remote(abc.ABC):
    """An adapter that is not asked in this process. It has the attributes of the others, without run."""

    @abc.abstractmethod
    def reply(self, case: Case) -> Reply:
        """What came back, checked by arrays_of, as reply_of has it."""

    @abc.abstractmethod
    def probe(self) -> str:
        """What the probe asks beside its easy cases: the empty string if all is in order, else one sentence."""


def reply_of(adapter: Any, case: Case) -> Reply:
    """What the adapter answers in this process; the state "unsupported" if it raises Unsupported."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reply = _reply_of(adapter, case)
    reply.calls = case.calls
    reply.warnings = tuple(sorted({w.category.__name__ for w in caught}))
    return reply


def _reply_of(adapter: Any, case: Case) -> Reply:
    given = {name: getattr(case, name).copy() for name in ("z0", "ts", "theta", "weights")}
    try:
        returned = adapter.run(case)
        arrays, stats = arrays_of(returned, case)
        for name, before in given.items():
            if not np.array_equal(getattr(case, name), before, equal_nan=True):
                raise ValueError(f"the implementation changed its input {name}")
    except Unsupported as error:
        return Reply("unsupported", message=str(error))
    except Refused as error:
        return Reply("refused", message=str(error))
    except Ended as error:
        return Reply(error.args[0], message=error.args[1])
    except KeyboardInterrupt:
        raise
    except Exception as error:  # whatever goes wrong in a library is its result
        return Reply("error", message=f"{type(error).__name__}: {_first_line(error)}{_place(error)}")
    except BaseException as error:  # SystemExit and the like: in a process of its own this would be its death
        return Reply("crash", message=f"{type(error).__name__}: {_first_line(error)}")
    return Reply("answered", arrays, stats)


def arrays_of(returned: Any, case: Case) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The answer as float64 arrays of the right shapes, and its stats; an exception with one sentence otherwise."""
    if not isinstance(returned, dict):
        raise TypeError(f"run(case) must return a dict, not {type(returned).__name__}")
    returned = dict(returned)
    stats = returned.pop("stats", {})
    if set(returned) != set(case.wants):
        raise ValueError(f"run(case) returned the keys {sorted(returned)}, asked were {sorted(case.wants)}")
    shapes = {
        "z": case.weights.shape,
        "dL/dz0": case.z0.shape,
        "dL/dtheta": case.theta.shape,
        "dL/dt": case.ts.shape,
        "d2L/dz0": case.z0.shape,
        "d2L/dtheta": case.theta.shape,
        "log p": (),
        "dlogp/dx": case.z0.shape,
        "dlogp/dtheta": case.theta.shape,
        "dlogp/dt": case.ts.shape,
    }
    arrays = {}
    for key, value in returned.items():
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{key} is not an array of real numbers: dtype {array.dtype}")
        if array.shape != shapes[key]:
            raise ValueError(f"{key} has shape {array.shape}, expected {shapes[key]}")
        wanted = np.dtype({"f64": np.float64, "f32": np.float32}[case.dtype])
        if array.dtype != wanted and (array.dtype.kind == "f" or case.dtype == "f32"):  # whole numbers are as good as float64
            raise ValueError(f"{key} has dtype {array.dtype}, expected {wanted}")
        arrays[key] = array.astype(np.float64)
    return arrays, stats


def _over_budget(calls: int) -> str:
    return f"the dynamics were called more than {calls} times"


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(getattr(x, "shape", ()))


def _numbers(x: Any) -> np.ndarray | None:
    """A copy as an array (solvers reuse buffers); None for what is not numbers: a tracer of jit, a box of autograd."""
    try:
        return np.array(x, dtype=np.float64)
    except Exception:  # every library has its own
        return None


def _place(error: BaseException) -> str:
    """Where it was raised: file and line, if that is not in the suite itself."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    inside = Path(last.filename).is_relative_to(Path(__file__).parent)
    return "" if inside else f" ({Path(last.filename).name}:{last.lineno})"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "no message").splitlines()[0][:300]
