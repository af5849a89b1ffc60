"""gradient_report: its numbers are those of direct calls and closed forms, and its recommendation follows from them."""

import functools
from dataclasses import replace

import numpy as np
import pytest

import refnode as rn
from refnode.gradients.report import MethodReport, gradient_report, recommend
from refnode.gradients.select import GRADIENTS

MEMORY = 4e5  # bytes


def pendulum(z, t, theta):
    return np.stack([z[1], -theta[0] * np.sin(z[0]) - theta[1] * z[1]])


def follow(z, t, lam):
    return lam * (np.sin(t) - z)


def wave(s, t, c):
    q, p = s
    return p, c * c * (np.roll(q, 1) - 2 * q + np.roll(q, -1))


def decay(z, t, lam):
    return -lam * z


PENDULUM = (pendulum, np.array([1.2, 0.0]), [0.0, 0.7, 1.5], np.array([1.7, 0.2]))
FOLLOW = (follow, np.linspace(1, 2, 200), [0.0, 0.5, 1.0], 50.0)
WAVE = (wave, (np.exp(-(((np.arange(100) - 50) / 6) ** 2)), np.zeros(100)), [0.0, 30.0], 1.0)


@functools.cache
def report_of(problem):
    """A few steps; many steps along which differences shrink; many steps along which they do not. The same memory for all."""
    return gradient_report(*{"pendulum": PENDULUM, "follow": FOLLOW, "wave": WAVE}[problem], memory=MEMORY)


@pytest.mark.parametrize(("problem", "method", "because"), [
    ("pendulum", "discrete", "of adjoint, discrete, checkpointed, interpolating, quadrature, forward it needs the least work"),
    ("follow", "checkpointed", "it alone is right and fits; more than 0.38 MB for discrete, interpolating, quadrature; the adjoint is refused, as"),
    ("wave", "adjoint", "of adjoint, checkpointed it needs the least work"),
])
def test_three_problems_three_recommendations(problem, method, because):
    """By evaluations and memory alone, not by time; the peaks lie at least 1.5 times below or above the 400 kB."""
    report = report_of(problem)
    assert report.recommendation.startswith(f'Use gradient="{method}": {because}')
    assert all(max(m.peak / MEMORY, MEMORY / m.peak) > 1.5 for m in report.methods if m.gradient is not None and m.name != "reversible")


def test_the_contracting_problem_is_refused_where_it_must_be_found_again():
    report = report_of("follow")
    assert {m.name for m in report.methods if m.gradient is None} == {"adjoint", "forward", "reversible"}
    assert report["adjoint"].note.startswith("ReconstructionError: ")
    assert report["forward"].note.startswith("ValueError: gradient='forward' would solve for 40200 sensitivities")
    assert np.all(report.reconstruction > 1e9) and np.all(report.growth > 1e9)  # e^25 = 7e10
    assert np.all(report_of("wave").growth < 10) and np.all(report_of("pendulum").growth < 10)


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_numbers_are_those_of_a_direct_call(name):
    f, z0, ts, theta = PENDULUM
    stats, report = rn.Stats(), report_of("pendulum")
    value, gradient = rn.value_and_grad(lambda *x: np.sum(rn.odeint(f, *x, gradient=name, stats=stats) ** 2), (0, 1, 2))(z0, np.array(ts), theta)
    found = report[name]
    assert all(np.array_equal(x, y) for x, y in zip(found.gradient, gradient, strict=True))
    assert (found.forward_nfe, found.backward_nfe, found.nvjp) == (stats.forward.nfe, stats.backward.nfe, stats.forward.nvjp + stats.backward.nvjp)
    assert found.work == stats.forward.nfe + stats.backward.nfe + 2 * (stats.forward.nvjp + stats.backward.nvjp)
    assert found.seconds > 0 and found.peak > 0 and not found.note
    assert abs(report.value / value - 1) < 4 * 10 * 1e-6  # 2 z dz: twice kappa rtol for each, and Gamma < 2
    assert found.off < 40 * 2  # kappa = 40, as 0.7 lies inside a step, and Gamma < 2


@pytest.mark.parametrize("name", GRADIENTS)
def test_off_is_the_distance_from_the_exact_gradient_in_tolerances(name):
    """L = z1^2, z1 = z0 e^(lam T): dL/dz0 = 2 z1 e^(lam T), dL/dlam = 2 T z1^2, dL/dt1 = 2 lam z1^2 = -dL/dt0. The reference is at a thousandth of
    the tolerance: kappa Gamma = 40 of those are 0.04 tolerances."""
    lam, z0, T, rtol, atol = -0.8, 1.5, 2.0, 1e-5, 1e-6
    report = gradient_report(lambda z, t, lam: lam * z, z0, [0.0, T], lam, loss=lambda zs: zs[-1] ** 2, gradients=[name], rtol=rtol, atol=atol)
    z1 = z0 * np.exp(lam * T)
    exact = 2 * z1 * np.exp(lam * T), 2 * lam * z1**2 * np.array([-1, 1]), 2 * T * z1**2
    units = [rtol * np.abs(part).max() + atol * 2 * z1 for part in exact]
    expected = max(np.abs(x - y).max() / unit for x, y, unit in zip(report[name].gradient, exact, units, strict=True))
    assert expected > 0.04
    assert abs(report[name].off - expected) < 0.04
    assert abs(report.value - z1**2) < 0.04 * rtol * z1**2


@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
def test_the_unit_of_the_loss_is_without_influence(unit):
    """Gradients and their tolerances are in it both; a power of two, so to the bit."""
    found, other = (gradient_report(decay, 1.3, [0.0, 1.0], 1.7, loss=lambda zs, c=c: c * zs[-1] ** 2, gradients=["discrete"]) for c in (1.0, unit))
    assert found["discrete"].off == other["discrete"].off > 0


def test_reconstruction_and_growth_of_fixed_steps_in_closed_form():
    """Euler, z' = -lam z, x = h lam: n steps forwards and n back multiply by (1 - x^2)^n, and a change of z by (1 + x)^n on the way back."""
    lam, T, steps, n, rtol, atol = 1.7, 2.0, 40, 10, 1e-5, 1e-7
    ts, x = np.linspace(0, T, 5), lam * T / steps
    report = gradient_report(decay, 1.3, ts, lam, method="euler", steps=steps, rtol=rtol, atol=atol, gradients="discrete")
    stored = 1.3 * (1 - x) ** (n * np.arange(4))
    assert np.array_equal(report.ts, ts[:-1])
    # rounding errors: 1e-16 against 1 - (1 - x^2)^n, which is above 1e-2; and against a change of 1e-6
    assert np.allclose(report.reconstruction, stored * (1 - (1 - x * x) ** n) / (atol + rtol * stored), rtol=1e-12, atol=0)
    assert np.allclose(report.growth, (1 + x) ** n, rtol=1e-8, atol=0)


@pytest.mark.parametrize("lam", [3.0, 0.5, -3.0])
def test_growth_is_that_of_the_flow(lam):
    """e^(lam dt) for z' = -lam z, contracting or not. Relative errors of 10 rtol = 1e-9 are 1e-3 of a change of 1e-6 of the largest z, and z is not
    below e^-9 of that."""
    ts = np.array([2.0, 1.1, 0.9, -1.0]) if lam < 0 else np.array([-1.0, 0.9, 1.1, 2.0])
    report = gradient_report(decay, 1.0, ts, lam, rtol=1e-10, atol=1e-14, gradients=["discrete"])
    assert np.allclose(report.growth, np.exp(lam * np.diff(ts)), rtol=2e-3)


def test_keywords_reach_the_methods_that_know_them():
    f, z0, ts, theta = PENDULUM
    keywords = {"backward_rtol": 1e-9, "backward_norm": "seminorm", "checkpoints": 1, "damping": 0.0, "rtol": 1e-5}
    report = gradient_report(*PENDULUM, gradients=["adjoint", "discrete", "checkpointed", "reversible"], **keywords)
    known = {"adjoint": ("backward_rtol", "backward_norm"), "discrete": (), "checkpointed": ("checkpoints",), "reversible": ("damping",)}
    for name, own in known.items():
        chosen = {key: keywords[key] for key in own}
        gradient = rn.grad(lambda z0: np.sum(rn.odeint(f, z0, ts, theta, gradient=name, rtol=1e-5, **chosen) ** 2))(z0)
        assert np.array_equal(report[name].gradient[0], gradient)


def test_trees_inputs_float32_and_time_that_stands_still():
    def driven(z, t, theta):
        return {"x": theta["u"](t) - theta["k"] * z["x"]}

    theta = {"k": np.float32(0.4), "u": rn.interpolate([0.0, 0.5, 1.0], [1.0, -1.0, 1.0], kind="constant"), "name": "x", "none": None}
    z0 = {"x": np.ones(3, np.float32)}
    names = ["adjoint", "discrete"]
    report = gradient_report(driven, z0, [0.0, 0.4, 1.0], theta, gradients=names, rtol=1e-4, atol=1e-5)
    for name in names:
        _, _, dtheta = report[name].gradient
        assert dtheta["name"] is None and dtheta["u"].knots.shape == (3,)
        assert report[name].off < 100
    for ts in ([1.0], [1.0, 1.0], [0.0, 0.5, 0.5, 1.0]):
        still = gradient_report(decay, 1.0, ts, 2.0, gradients=names)
        assert len(still.ts) == len(still.growth) == len(still.reconstruction) == len(ts) - 1
        assert np.all(still.growth[np.diff(ts) == 0] == 1) and not np.any(still.reconstruction[np.diff(ts) == 0])
        assert str(still).endswith(still.recommendation)
    assert gradient_report(decay, 1.0, [1.0, 1.0], 2.0, gradients=names, method="euler", steps=3)["adjoint"].off == 0


def test_whole_numbers_are_numbers():
    """In z0, ts and theta, as in `grad`."""
    report, same = (gradient_report(decay, *x, gradients=["adjoint", "forward"]) for x in ((1, [0, 1], 2), (1.0, [0.0, 1.0], 2.0)))
    assert [m.gradient[2] for m in report.methods] == [m.gradient[2] for m in same.methods]
    assert [m.off for m in report.methods] == [m.off for m in same.methods]


def test_the_table_holds_the_numbers():
    lines = str(report_of("follow")).splitlines()
    assert lines[0].startswith("loss ") and "rtol 1e-06" in lines[0]
    assert [line.split()[0] for line in lines[3:10]] == list(GRADIENTS)
    discrete = report_of("follow")["discrete"]
    assert [int(word) for word in lines[4].split()[2:5]] == [discrete.forward_nfe, discrete.backward_nfe, discrete.nvjp]
    assert lines[3].split()[1:3] == ["-", "ReconstructionError:"] and "add observation times" not in lines[3]
    assert lines[-3].startswith("solved backwards, z comes back ") and lines[-1] == report_of("follow").recommendation


@pytest.mark.parametrize(("wrong", "message"), [
    ({"gradients": ["adjont"]}, "there is no gradient method 'adjont'; the methods are adjoint, "),
    ({"gradients": []}, "gradients is empty; name some of adjoint, "),
    ({"loss": "mse"}, "loss must be a function of the observations that returns a number, not 'mse'"),
    ({"memory": -1}, "memory must be a positive number, not -1"),
    ({"rtoll": 1e-3}, "there is no argument 'rtoll'; did you mean 'rtol'?"),
    ({"gradient": "adjoint"}, "there is no argument 'gradient'; "),
    ({"rtol": -1e-3}, "rtol"),
    ({"method": "dopri"}, "dopri"),
])
def test_wrong_calls(wrong, message):
    with pytest.raises((TypeError, ValueError), match=message.replace("?", r"\?")):
        gradient_report(decay, 1.0, [0.0, 1.0], 2.0, **wrong)


ONE = MethodReport("adjoint", (1.0, 1.0, 1.0), 2.0, 100, 100, 100, 2**20, 0.1)
ONCE, NOWHERE = np.ones(1), np.array([np.inf])


def test_recommended_is_the_least_work_among_what_is_right_and_fits():
    cheap = replace(ONE, name="discrete", nvjp=50, peak=2**22)
    assert recommend([ONE, cheap], ONCE, ONCE, 2**30) == 'Use gradient="discrete": of adjoint, discrete it needs the least work (300 evaluations).'
    assert recommend([ONE, cheap], ONCE, ONCE, 2**21) == 'Use gradient="adjoint": it alone is right and fits; more than 2.00 MB for discrete.'
    assert recommend([ONE, cheap], ONCE, ONCE, 2**19) == (
        'Use gradient="adjoint": nothing that is right here fits into 0.50 MB, and it comes nearest, with 1.00 MB.')
    assert recommend([ONE, replace(cheap, off=101.0)], ONCE, ONCE, 2**30) == (
        'Use gradient="adjoint": it alone is right and fits; discrete is 1e+02 tolerances off, adjoint 2.')
    assert '"discrete"' in recommend([replace(ONE, off=150.0), replace(cheap, off=1400.0)], ONCE, ONCE, 2**30)  # within ten times the best
    assert '"adjoint"' in recommend([replace(ONE, off=150.0), replace(cheap, off=1600.0)], ONCE, ONCE, 2**30)
    assert "it is 1.4e+03 tolerances off, and none" in recommend([replace(ONE, off=150.0), replace(cheap, off=1400.0)], ONCE, ONCE, 2**30)
    assert '"adjoint"' in recommend([ONE, replace(cheap, name="reversible")], ONCE, ONCE, 2**30)


def test_an_adjoint_that_warns_or_fails_is_not_recommended():
    other = replace(ONE, name="discrete", nvjp=500)
    warned = recommend([replace(ONE, note="came back"), other], 200 * ONCE, 3 * ONCE, 2**30)
    assert warned == ('Use gradient="discrete": it alone is right and fits; the adjoint warns, as z comes back 2e+02 tolerances off when solved '
                      "backwards, where changes of z grow 3 times between two observations.")
    refused = recommend([replace(ONE, note="ReconstructionError: x", gradient=None, off=np.nan), other], NOWHERE, NOWHERE, 2**30)
    assert refused.endswith("the adjoint is refused, as z does not come back at all when solved backwards, where changes of z grow beyond all "
                            "bounds.")
    failed = recommend([replace(ONE, note="ValueError: x", gradient=None, off=np.nan), other], ONCE, ONCE, 2**30)
    assert failed.endswith("the adjoint fails for another reason, which its note tells.")
    assert recommend([replace(ONE, note="came back")], ONCE, ONCE, 2**30).startswith("No method gives a gradient without a warning here")


def test_the_picture_shows_the_numbers():
    matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install -e '.[plots]'")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from refnode.plots import draw_gradient_report

    report = report_of("follow")
    left, right = draw_gradient_report(report).axes
    points = [tuple(line.get_xydata()[0]) for line in left.lines if line.get_marker() == "o"]
    done = [m for m in report.methods if m.gradient is not None]
    assert sorted(points) == sorted((m.work, max(m.off, 1e-3)) for m in done)
    assert {text.get_text() for text in left.texts} == {m.name for m in done}
    assert "failed: adjoint, forward, reversible" in left.get_title()
    assert np.array_equal(right.lines[0].get_xydata().T, [report.ts, report.reconstruction])
    assert np.array_equal(right.lines[1].get_xydata().T, [report.ts, report.growth])
    plt.close("all")
