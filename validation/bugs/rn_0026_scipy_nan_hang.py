"""scipy.integrate.solve_ivp: if fun is NaN at the start, the explicit methods never return."""

from scipy.integrate import solve_ivp

calls = []


def _f(t, y):
    calls.append(t)
    if len(calls) > 10000:
        raise RuntimeError("10000 evaluations")
    return [float("nan")]


try:
    got = f"status {solve_ivp(_f, (0.0, 1.0), [1.0]).status}"
except RuntimeError as error:
    got = f"RuntimeError: {error}"
expected = "status -1"
print("got", got, "expected", expected)
