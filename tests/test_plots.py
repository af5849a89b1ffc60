"""Pictures show what they are given: the data behind their lines and markers."""

import math

import numpy as np
import pytest

import refnode as rn

matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install -e '.[plots]'")
matplotlib.use("Agg")

from refnode.plots import draw_steps  # noqa: E402


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def peak(z, t, theta):
    return -2 * t * z * z


def points(panel, marker):
    """The places of all markers of one kind, in the order in which they were drawn."""
    return np.hstack([line.get_xydata().T for line in panel.lines if line.get_marker() == marker])


def curves(panel):
    return [line.get_xydata().T for line in panel.lines if line.get_marker() in ("None", "")]


@pytest.mark.parametrize("ts", [[-3, 3], [3, -3]])
def test_all_tries_are_drawn(ts):
    solution = rn.solve(peak, 1 / 9.01, ts, dense=True)
    tried = solution.attempts
    assert 0 < np.sum(~tried["accepted"]) < len(tried)
    state, sizes, ratios = draw_steps(solution).axes
    assert np.array_equal(points(state, "o"), [solution.t_steps, solution(solution.t_steps)])
    for these, marker in ((tried["accepted"], "o"), (~tried["accepted"], "x")):
        assert np.array_equal(points(sizes, marker), [tried["t"][these], abs(tried["h"][these])])
        assert np.array_equal(points(ratios, marker)[0], tried["t"][these])
        assert np.all((points(ratios, marker)[1] < 1) == (marker == "o"))
    drawn = np.vstack([segment for lines in sizes.collections for segment in lines.get_segments()]).reshape(-1, 4)
    expected = np.stack([tried["t"], abs(tried["h"]), tried["t"] + tried["h"], abs(tried["h"])], axis=1)
    assert np.array_equal(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    assert str(np.sum(tried["accepted"])) in state.get_title(loc="left") + state.get_title()


@pytest.mark.parametrize("ts", [[-3, 3], [3, -3]])
def test_the_curve_is_the_solution_and_covers_it(ts):
    solution = rn.solve(peak, 1 / 9.01, ts, dense=True)
    (t, z), = curves(draw_steps(solution).axes[0])
    assert [t[0], t[-1]] == ts and np.all(np.diff(t) * ts[1] >= 0)
    assert np.array_equal(z, solution(np.clip(t, -3, 3)))


def test_fixed_steps_have_no_ratios():
    solution = rn.solve(peak, 1.0, [0, 2], method="rk4", steps=7, dense=True)
    state, sizes = draw_steps(solution).axes
    assert np.array_equal(points(sizes, "o")[0], solution.t_steps[:-1])
    assert points(state, "o").shape == (2, 8)


def test_ratios_beyond_the_ends_of_the_axis_and_nan_are_drawn_there():
    empty = rn.solve(lambda z, t, theta: -np.sqrt(z), 1.0, [0, 3], throw=False, dense=True)  # NaN at every try beyond t = 2
    ratio = empty.attempts["ratio"]
    rejected = ratio[~empty.attempts["accepted"]]
    drawn = points(draw_steps(empty).axes[2], "x")[1]
    assert np.sum(np.isnan(rejected)) > 10 and np.sum(ratio < 1e-4) > 0
    assert np.array_equal(drawn, np.where(np.isnan(rejected), 1e4, np.clip(rejected, 1e-4, 1e4)))
    assert points(draw_steps(empty).axes[2], "o")[1].min() == 1e-4


def test_a_reset_is_a_jump_of_the_curve():
    """z' = 1 from 0, set back to 0 where it is 1: a sawtooth, which is t - floor(t) up to 1e-9 of a step behind each jump."""
    tooth = rn.Event(lambda z, t, theta: z - 1, reset=lambda z, t, theta: 0.0)
    solution = rn.solve(lambda z, t, theta: 1.0, 0.0, [0, 3.5], events=[tooth], dense=True)
    (t, z), = curves(draw_steps(solution).axes[0])
    for jump in (1.0, 2.0, 3.0):
        i = int(np.argmin(abs(t - jump)))
        i = i if z[i] > 0.5 else i - 1
        assert z[i] == pytest.approx(1, abs=1e-14)
        assert 0 <= z[i + 1] < 4e-9  # steps are shorter than the 3.5 of the whole solve


def test_each_component_of_a_tree_has_a_curve_and_complex_ones_two():
    f = lambda z, t, theta: {"a": -z["a"], "b": 1j * z["b"]}
    solution = rn.solve(f, {"a": np.ones((2, 2)), "b": np.array([1.0 + 0j])}, [0, 1], dense=True)
    (t, re), (_, im) = curves(draw_steps(solution).axes[0])[-2:]
    assert len(curves(draw_steps(solution).axes[0])) == 6
    assert np.allclose(re, np.cos(t), atol=1e-5) and np.allclose(im, np.sin(t), atol=1e-5)


def test_orders_are_drawn_where_they_vary():
    solution = rn.solve(peak, 1.0, [0, 2], dense=True)
    assert len(draw_steps(solution).axes) == 3
    solution._attempts = [(*attempt[:4], 1 + i % 3) for i, attempt in enumerate(solution._attempts)]
    orders = draw_steps(solution).axes[3].lines[0].get_ydata()
    assert np.array_equal(orders, solution.attempts["order"])


def test_steps_at_the_spacing_of_the_time_axis_are_drawn(tmp_path):
    pole = rn.solve(lambda z, t, theta: z * z, 1.0, [0, 1.5], throw=False, dense=True)
    assert pole.status == -1 and abs(pole.attempts["h"]).min() < 100 * math.ulp(1.0)
    figure = draw_steps(pole)
    figure.savefig(tmp_path / "steps.png")
    assert (tmp_path / "steps.png").read_bytes().startswith(b"\x89PNG")
    lowest, highest = figure.axes[1].get_ylim()
    assert lowest < abs(pole.attempts["h"]).min() and highest > abs(pole.attempts["h"]).max()


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(ValueError, match="dense=True"):
        draw_steps(rn.solve(peak, 1.0, [0, 1]))
    with pytest.raises(ValueError, match="tried no step"):
        draw_steps(rn.solve(peak, 1.0, [0.0], dense=True))
