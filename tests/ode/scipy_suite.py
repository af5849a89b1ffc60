"""SciPy's own tests of solve_ivp, with refnode's solve_ivp in its place: a pytest plugin, loaded into the run of SciPy's test file.

    python -m pytest -p tests.ode.scipy_suite --report-to report.json path/to/scipy/integrate/_ivp/tests/test_ivp.py

The report: {"test name": {"outcome": "passed", "calls": {"RK45": 3, "LSODA": 2}}}, the calls of solve_ivp by method.
"""

import collections
import inspect
import json

import pytest

from refnode.ode import scipy_api

CALLS = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--report-to")


@pytest.fixture(autouse=True)
def _ours_in_the_place_of_scipys(request, monkeypatch):
    calls = request.node.stash[CALLS] = collections.Counter()

    def solve_ivp(fun, t_span, y0, method="RK45", *rest, **options):
        name = method.__name__ if inspect.isclass(method) else method
        calls[name] += 1
        return scipy_api.solve_ivp(fun, t_span, y0, method, *rest, **options)

    monkeypatch.setattr(request.module, "solve_ivp", solve_ivp)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" or report.outcome != "passed":
        found = item.config.stash.setdefault(CALLS, {})
        found[item.name] = {"outcome": report.outcome, "calls": dict(item.stash.get(CALLS, {})), "why": str(report.longrepr or "")}
    return report


def pytest_sessionfinish(session):
    with open(session.config.getoption("--report-to"), "w") as file:
        json.dump(session.config.stash.get(CALLS, {}), file)
