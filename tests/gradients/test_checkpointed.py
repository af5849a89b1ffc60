"""gradient="checkpointed": the bits of "discrete", the fewest steps again, and memory for the states that were asked for."""

import functools
import gc
import tracemalloc

import numpy as np
import pytest

import refnode as rn
from refnode.gradients import checkpointed
from refnode.gradients.binomial import dropped, placed, split, steps_again
from refnode.ode.tableaus import TABLEAUS
from refnode.tree import leaves
from tests.gradients.test_discrete import DIRECTIONS, TS, WEIGHTS, Z0, cases
from tests.zoo import FORCED_THETA, forced


def gradients(gradient, ts=TS, weights=WEIGHTS, f=forced, theta=FORCED_THETA, **keywords):
    return rn.grad(lambda z0, ts, theta: np.sum(weights * rn.odeint(f, z0, ts, theta, gradient=gradient, **keywords)), (0, 1, 2))(Z0, ts, theta)


def same_bits(one, other):
    return all(np.array_equal(x, y) for x, y in zip(leaves(one), leaves(other), strict=True))


@functools.cache
def fewest(l, s):
    """The definition, by dynamic programming: to reverse l steps from the state in front of them, with s states, the last step being at hand.

    Steps are taken again to the next state that is kept, wherever that is best; without another one, from the first state for each step.
    """
    if l == 1:
        return 0
    if s == 1:
        return l * (l - 1) // 2
    return min(m + fewest(m, s) + fewest(l - m, s - 1) for m in range(1, l))


def test_the_schedule_is_optimal():
    """Griewank and Walther's formula, every split, and the states kept on the way forward, for up to 40 steps."""
    for l in range(1, 41):
        for s in range(1, 12):
            assert steps_again(l, s) == fewest(l, s)
            if l > 1 and s > 1:
                m = split(l, s)
                assert m + fewest(m, s) + fewest(l - m, s - 1) == fewest(l, s)
            kept = placed(l, s)
            assert len(kept) <= s
            assert kept[-1] + sum(fewest(b - a, s - i) for i, (a, b) in enumerate(zip(kept, [*kept[1:], l], strict=True))) == fewest(l, s)


def kept_online(c, longest):
    """The states that are kept when n steps have been taken, for n = 1, 2, ..."""
    kept = [0]
    for n in range(1, longest + 1):
        yield n, kept
        if len(kept) < c:
            kept = [*kept, n]
        elif (place := dropped(kept, n, c)) is not None:
            kept = [*kept[:place], *kept[place + 1:], n]


@pytest.mark.parametrize(("c", "mean", "worst"), [(2, 1.079, 1.375), (3, 1.042, 1.2), (4, 1.032, 1.137), (8, 1.011, 1.09)])
def test_steps_of_unknown_number(c, mean, worst):
    """What is kept on the way costs little more than the optimum: the mean over 2 ... 40 steps, and the worst up to 400."""
    ratios = []
    for n, kept in kept_online(c, 400):
        cost = kept[-1] + sum(steps_again(b - a, c - i) for i, (a, b) in enumerate(zip(kept, [*kept[1:], n], strict=True)))
        assert cost >= steps_again(n, c)
        if n > 1:
            ratios.append(cost / steps_again(n, c))
    assert np.mean(ratios[:39]) < mean
    assert max(ratios) < worst + 1e-9


@pytest.mark.parametrize("c", [1, 2, 3, 5, 8])
def test_steps_taken_again_on_a_fixed_grid(c):
    """N = 1 ... 40: the optimum, counted in evaluations of f, too (Euler: one a step)."""
    for n in range(1, 41):
        stats = rn.Stats()
        rn.grad(lambda z, n=n, stats=stats: rn.odeint(lambda z, t, _: -z * z, z, [0.0, 1.0], method="euler", steps=n, gradient="checkpointed",
                                                      checkpoints=c, stats=stats)[-1])(0.7)
        assert stats.backward.accepted == fewest(n, c)
        assert stats.backward.nfe == fewest(n, c) + n + 2  # a pullback of each step, and f for dL/dt_0 and dL/dt_1


def test_steps_taken_again_on_adaptive_steps():
    """As many as the states that were kept on the way say, for every number of steps that comes up."""
    seen = set()
    for rtol in np.logspace(-5, -10, 11):
        for c in (2, 3, 5):
            stats = rn.Stats()
            gradients("checkpointed", checkpoints=c, method="bosh3", rtol=rtol, atol=rtol, stats=stats)
            n = stats.forward.accepted
            kept = dict(kept_online(c, n))[n]
            expected = kept[-1] + sum(steps_again(b - a, c - i) for i, (a, b) in enumerate(zip(kept, [*kept[1:], n], strict=True)))
            assert stats.backward.accepted == expected
            seen.add(n)
    assert len(seen) == 11


def test_the_shared_stage_is_found_again():
    """bosh3, whose last stage is at z1: were it at z + h b K, 2000 numbers would differ in some last bits."""
    z0, theta = np.linspace(-1.0, 1.0, 2000), np.linspace(1.0, 3.0, 2000)
    both = [rn.grad(lambda z, theta, k=keywords: np.sum(rn.odeint(lambda z, t, theta: theta * np.cos(theta * z + t), z, [0.0, 1.0], theta, steps=40,
                                                                 method="bosh3", **k) ** 2), (0, 1))(z0, theta)
            for keywords in ({"gradient": "discrete"}, {"gradient": "checkpointed", "checkpoints": 4})]
    assert same_bits(*both)


@DIRECTIONS
@pytest.mark.parametrize(("method", "keywords"), [case for case in cases() if "rtol" not in case[1] or TABLEAUS[case[0]].p > 2], ids=str)
def test_the_bits_of_discrete(method, keywords, direction):
    """Interpolated observations, those at the start and at the end, repeated ones; stages that two steps share."""
    expected = gradients("discrete", TS[::direction], method=method, **keywords)
    for checkpoints in (1, 2, 3, 5, "auto"):
        assert same_bits(gradients("checkpointed", TS[::direction], method=method, checkpoints=checkpoints, **keywords), expected)


@DIRECTIONS
@pytest.mark.parametrize("solver", [{"method": "bosh3", "steps": 23}, {"method": "dopri5"}, {"method": "dop853"}], ids=str)
def test_the_bits_of_discrete_across_jumps(solver, direction):
    """Behind a jump there is no shared stage, and f is asked beside it; a tree of parameters with an input in it."""
    u = rn.interpolate([-0.1, 0.4, 0.9, 1.3, 1.7], np.array([0.3, -1.2, 0.8, 2.0, -0.4]), "constant")
    theta = {"u": u, "b": [FORCED_THETA, 3, "name"], "unused": np.ones(2)}

    def f(z, t, theta):
        assert t not in theta["u"].knots
        return forced(z, t, theta["b"][0]) * theta["u"](t)

    both = [gradients(gradient, TS[::direction], f=f, theta=theta, **solver, **keywords)
            for gradient, keywords in (("discrete", {}), ("checkpointed", {"checkpoints": 3}))]
    assert same_bits(*both)
    assert not both[0][2]["unused"].any()


def test_going_back_again():
    """The stored states are used up by the first way back; the second begins at z0 and gives the same bits."""
    stats = rn.Stats()
    _, back = rn.pullback(lambda z0, theta: rn.odeint(forced, z0, TS, theta, method="rk4", steps=20, gradient="checkpointed", checkpoints=3,
                                                      stats=stats), Z0, FORCED_THETA)
    first = back(WEIGHTS)
    again = stats.backward.accepted
    assert same_bits(back(WEIGHTS), first)
    assert again == fewest(20, 3)
    assert stats.backward.accepted == again + fewest(20, 3) + 20


def test_equal_times():
    for ts in (np.array([0.3]), np.array([0.3, 0.3])):
        assert same_bits(*(gradients(gradient, ts, WEIGHTS[:len(ts)]) for gradient in ("discrete", "checkpointed")))


@pytest.mark.parametrize("gradient", ["discrete", "checkpointed"])
def test_many_gradients_leave_nothing_behind(gradient):
    """Also without the collector of cycles: each of 50 gradients leaves less than a tenth of a state (closures that call themselves)."""
    once = long_run(10_000, gradient, method="rk4", steps=3)
    once()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            once()
        left = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()
    assert left / 50 < 8000


def test_statistics_count_every_call():
    seen, stats = [], rn.Stats()

    def f(z, t, theta):
        seen.append(t)
        return forced(z, t, theta)

    gradients("checkpointed", f=f, checkpoints=3, stats=stats)
    assert stats.forward.nfe + stats.backward.nfe == len(seen)
    assert min(seen) >= TS[0]
    assert max(seen) <= TS[-1]


def test_second_derivatives_are_those_of_discrete():
    products = [rn.hvp(lambda z, g=g: np.sum(np.sin(rn.odeint(forced, z, TS, FORCED_THETA, gradient=g))), (Z0,), (np.ones(2),))
                for g in ("discrete", "checkpointed")]
    assert same_bits(*products)


def peak(function):
    function()
    tracemalloc.start()
    function()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def long_run(n, gradient="checkpointed", **keywords):
    """A gradient by z0 with a state of n numbers."""
    z0 = np.linspace(-1.0, 1.0, n)
    return lambda: rn.grad(lambda z: np.sum(rn.odeint(lambda z, t, _: np.cos(t) * z, z, [0.0, 1.0], gradient=gradient, **keywords)))(z0)


@pytest.mark.parametrize("solver", [{"method": "dopri5", "steps": 80}, {"method": "bosh3", "steps": 80}, {"rtol": 1e-12, "max_step": 0.01}], ids=str)
def test_memory_is_one_state_a_checkpoint(solver):
    """The slope of the peak over c in {4, 8, 16, 32}, by least squares: at most 1.1 states."""
    n, c = 10_000, [4, 8, 16, 32]
    peaks = [peak(long_run(n, checkpoints=k, **solver)) / (8 * n) for k in c]
    assert 0.9 < np.polyfit(c, peaks, 1)[0] <= 1.1


def test_memory_is_flat_in_the_number_of_steps():
    """50 times more steps: within 1.2; the ends of the steps are numbers. "discrete" keeps everything."""
    assert peak(long_run(5_000, checkpoints=4, method="rk4", steps=500)) <= 1.2 * peak(long_run(5_000, checkpoints=4, method="rk4", steps=10))
    assert peak(long_run(5_000, "discrete", method="rk4", steps=500)) > 10 * peak(long_run(5_000, "discrete", method="rk4", steps=10))


def test_wrong_calls():
    for wrong in (0, -1, 2.0, True, "many"):
        with pytest.raises(ValueError, match="checkpoints must be a positive whole number"):
            rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="checkpointed", checkpoints=wrong)
    with pytest.raises(TypeError, match="checkpoints"):
        rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="discrete", checkpoints=3)
    with pytest.raises(ValueError, match="take gradient='discrete' for an implicit one"):
        gradients("checkpointed", method="kvaerno5")
    with pytest.raises(ValueError, match="backward_atol is for a backward solve"):
        rn.odeint(forced, Z0, TS, FORCED_THETA, gradient="checkpointed", backward_atol=1e-3)
    assert checkpointed.AUTO == 32
