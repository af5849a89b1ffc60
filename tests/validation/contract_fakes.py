"""Adapters that answer rightly but for one symptom, which the last digits of rtol choose: one process of them is enough for all symptoms."""

import warnings

import numpy as np
from refnode_validation.case import Refused, Unsupported
from scipy.integrate import solve_ivp


def solved(case, f=None):
    f = f or case.dynamics(np)
    solution = solve_ivp(lambda t, z: f(z, t, case.theta), case.ts[[0, -1]], case.z0, t_eval=case.ts, rtol=1e-8, atol=1e-10)
    return {"z": solution.y.T, "dL/dz0": np.zeros_like(case.z0), "stats": {"nfe": solution.nfev}}


def raising(error):
    def symptom(case, answer):
        raise error

    return symptom


def changed(key, value):
    return lambda case, answer: answer | {key: value(answer[key]) if callable(value) else value}


def overwriting(name):
    def symptom(case, answer):
        getattr(case, name)[...] = 0.5
        return answer

    return symptom


def calling_for_ever(case, answer):
    f = case.dynamics(np)
    while case.calls <= 4000:
        try:
            f(case.z0, 0.0, case.theta)
        except Exception:
            return answer


def warning(case, answer):
    warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
    np.float64(1.0) / np.zeros(1)
    return answer


def calling(*arguments):
    def symptom(case, answer):
        case.dynamics(np)(*(x(case) for x in arguments))

    return symptom


NOTHING = (lambda case, answer: answer)
SYMPTOMS = {  # name: the symptom, the state and the message of the reply
    "none": (NOTHING, "answered", ""),
    "raises": (raising(ZeroDivisionError("by zero\nsecond line")), "error", "ZeroDivisionError: by zero (contract_fakes.py:18)"),
    "refuses": (raising(Refused("too stiff")), "refused", "too stiff"),
    "unsupported": (raising(Unsupported("grad:z0")), "fail", "declares what it then calls unsupported: grad:z0"),
    "silent": (lambda case, answer: None, "error", "TypeError: run(case) must return a dict, not NoneType"),
    "shape": (changed("dL/dz0", np.zeros(3)), "error", "ValueError: dL/dz0 has shape (3,), expected (1,)"),
    "object": (changed("dL/dz0", [None]), "error", "ValueError: dL/dz0 is not an array of real numbers: dtype object"),
    "complex": (changed("dL/dz0", [1j]), "error", "ValueError: dL/dz0 is not an array of real numbers: dtype complex128"),
    "extra": (changed("dL/dt", 1.0), "error", "ValueError: run(case) returned the keys ['dL/dt', 'dL/dz0', 'z'], asked were ['dL/dz0', 'z']"),
    "missing": (lambda case, answer: {"z": answer["z"]}, "error", "ValueError: run(case) returned the keys ['z'], asked were ['dL/dz0', 'z']"),
    "overwrites": (overwriting("ts"), "error", "ValueError: the implementation changed its input ts"),
    "nan": (changed("z", lambda z: z * np.nan), "answered", ""),
    "inf": (changed("z", lambda z: -z / 0.0 * 1e300), "answered", ""),
    "integers": (changed("z", lambda z: np.ones(z.shape, int)), "answered", ""),
    "for ever": (calling_for_ever, "timeout", "the dynamics were called more than 3000 times"),
    "warns": (warning, "answered", ""),
    "arguments": (
        calling(lambda case: case.ts[0], lambda case: case.z0, lambda case: case.theta),
        "error",
        "HarnessError: f(z, t, theta) was called with shapes (), (1,), (3,); expected (1,), (), (3,)",
    ),
}


class Ill:
    name = "ill"
    version = "1.0"
    capabilities = frozenset({"values", "grad:z0", "f32"})
    mode = "direct"
    interpolates = False

    def run(self, case):
        answer = solved(case)
        number = round(case.rtol / 1e-9) - 1000  # 1e-6 and so many times 1e-9
        symptom = list(SYMPTOMS.values())[number][0] if 0 <= number < len(SYMPTOMS) else NOTHING
        answer = symptom(case, {key: answer[key] for key in (*case.wants, "stats")})
        return answer


class ThetaReversed(Ill):
    """In its first call only."""

    def run(self, case):
        case.dynamics(np)(case.z0, 0.0, case.theta[::-1])
        return {"z": solved(case)["z"]}


class NeverCalls(Ill):
    """The right answer, from another copy of the dynamics."""

    def run(self, case):
        rhs, theta = case._rhs, case.theta
        return {"z": solved(case, f=lambda z, t, _: rhs(np, z, float(t), theta))["z"]}


class Exiting(Ill):
    def run(self, case):
        raise SystemExit(3)
