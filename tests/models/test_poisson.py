"""Poisson processes on a latent state: the closed form P25, gradients, simulation, and what tells a right rate from a wrong one."""

import numpy as np
import pytest
from scipy.integrate import quad

import refnode as rn
from refnode.models.elbo import gaussian_log_prob
from refnode.models.poisson import homogeneous_log_prob, ks_exponential, latent_and_intensity, poisson_log_prob, rescaled_gaps, thinned

TIGHT = {"rtol": 1e-12, "atol": 1e-14, "method": "dop853"}
EVENTS, T, A0, B = np.array([0.25, 0.5, 1.75, 2.0]), 2.5, -0.5, 0.75


def drift(z, t, theta):
    """P25: z' = b, lambda = e^z, so that lambda(t) = e^{a + b t}."""
    return np.zeros_like(z) + theta


def first(z, theta):
    return z[..., 0]


def closed_form(a, b, events, T):
    return np.sum(a + b * events) - (np.exp(a + b * T) - np.exp(a)) / b


def oscillator(z, t, theta):
    omega, _, _ = theta
    return omega * (z @ np.array([[0.0, 1.0], [-1.0, 0.0]]))


def log_rate(z, theta):
    _, a, c = theta
    return a + c * z[..., 0]


THETA, Z0 = (np.array(1.3), np.array(0.2), np.array(1.0)), np.array([0.6, -0.8])


def exact_rate(t):
    """z_1(t) = 0.6 cos(1.3 t) + 0.8 sin(1.3 t)."""
    return np.exp(0.2 + 0.6 * np.cos(1.3 * t) + 0.8 * np.sin(1.3 * t))


@pytest.mark.parametrize("gradient", ["adjoint", "discrete"])
def test_the_closed_form_and_its_gradients(gradient):
    """S61, S63: P25: the value; da = N - (e^{a+bT} - e^a)/b, db, dt_i = b (d log lambda/dz . f), dT = -lambda(T), dt0 = lambda(t0). 1e-9."""
    def log_p(z0, events, t0, t1, b):
        return poisson_log_prob(drift, first, z0, events, t0, t1, b, gradient=gradient, **TIGHT)

    value, back = rn.pullback(log_p, np.array([A0]), EVENTS, np.array(0.0), np.array(T), np.array(B))
    assert value == pytest.approx(closed_form(A0, B, EVENTS, T), rel=1e-11)
    dz0, devents, dt0, dt1, db = back(1.0)
    E, E0 = np.exp(A0 + B * T), np.exp(A0)
    assert dz0[0] == pytest.approx(4 - (E - E0) / B, rel=1e-9)
    assert db == pytest.approx(EVENTS.sum() - (T * E / B - (E - E0) / B**2), rel=1e-9)
    assert np.allclose(devents, B, rtol=1e-9, atol=0)
    assert dt1 == pytest.approx(-E, rel=1e-9)
    # a later start with the same z0: the rate is e^{a + b (t - t0)}, each event has a log rate that is lower by b, and the integral is shorter
    assert dt0 == pytest.approx(-4 * B + E, rel=1e-9)


def test_one_solve_and_the_quadrature_of_the_rate():
    """S62: z and Lambda come from one solve; Lambda is the integral of the rate. 1e-10: solve at 1e-12, quadrature at 1e-11."""
    stats, ts = rn.Stats(), np.array([0.0, 0.5, 1.75, 4.0])
    zs, Lambdas = latent_and_intensity(oscillator, log_rate, Z0, ts, THETA, stats=stats, **TIGHT)
    assert np.abs(np.exp(log_rate(zs, THETA)) - exact_rate(ts)).max() < 1e-10
    assert np.abs(Lambdas - [quad(exact_rate, 0, t, epsabs=1e-11)[0] for t in ts]).max() < 1e-10
    alone = rn.Stats()
    rn.odeint(oscillator, Z0, ts, THETA, stats=alone, **TIGHT)
    assert stats.forward.nfe < 2 * alone.forward.nfe
    batch, per_row = latent_and_intensity(oscillator, log_rate, np.stack([Z0, -Z0]), ts, THETA, **TIGHT)
    assert np.abs(batch[:, 0] - zs).max() < 1e-10
    assert np.abs(per_row[:, 0] - Lambdas).max() < 1e-10


def test_the_constant_rate():
    """S61: N log lambda - lambda T; without events -lambda T; the best constant rate is N / T, of all realisations together."""
    def log_p(log_lambda, events, **more):
        return poisson_log_prob(lambda z, t, theta: 0.0 * z, first, np.array([log_lambda]), events, 0.0, T, (), **more)

    assert log_p(0.3, EVENTS) == pytest.approx(4 * 0.3 - np.exp(0.3) * T, rel=1e-12)
    assert log_p(0.3, np.zeros(0)) == pytest.approx(-np.exp(0.3) * T, rel=1e-12)
    best = np.log(4 / (3 * T))
    assert log_p(best, EVENTS, realisations=3) == pytest.approx(homogeneous_log_prob(4, T, 3), rel=1e-12)
    for other in (best - 0.01, best + 0.01):
        assert log_p(other, EVENTS, realisations=3) < homogeneous_log_prob(4, T, 3)
    assert homogeneous_log_prob(0, T) == 0


def test_events_of_two_realisations():
    """S61: independent realisations in one list: the sum of their log-likelihoods."""
    two = np.array([0.5, 2.25])
    parts = [poisson_log_prob(oscillator, log_rate, Z0, events, 0.0, T, THETA, **TIGHT) for events in (EVENTS, two)]
    both = poisson_log_prob(oscillator, log_rate, Z0, np.sort(np.concatenate([EVENTS, two])), 0.0, T, THETA, realisations=2, **TIGHT)
    assert both == pytest.approx(sum(parts), rel=1e-11)


def test_several_latent_states():
    """S61: (B, D): one value for each state, under the same events."""
    both = poisson_log_prob(oscillator, log_rate, np.stack([Z0, -Z0]), EVENTS, 0.0, T, THETA, **TIGHT)
    for z0, value in zip((Z0, -Z0), both, strict=True):
        assert value == pytest.approx(poisson_log_prob(oscillator, log_rate, z0, EVENTS, 0.0, T, THETA, **TIGHT), rel=1e-11)


def test_data_beside_events():
    """S64: log-likelihoods of data and events add, and so do their gradients, whether z and Lambda come from one solve or from two."""
    data_times, x = np.array([1.0, 2.25]), np.array([0.3, -0.4])
    union = np.concatenate([[0.0], np.sort(np.concatenate([EVENTS, data_times])), [T]])

    def events_term(z0, theta):
        return poisson_log_prob(oscillator, log_rate, z0, EVENTS, 0.0, T, theta, **TIGHT)

    def data_term(z0, theta):
        zs = rn.odeint(oscillator, z0, np.concatenate([[0.0], data_times]), theta, **TIGHT)
        return np.sum(gaussian_log_prob(x, zs[1:, 0], 2 * np.log(0.2)))

    def joint(z0, theta):
        zs, Lambdas = latent_and_intensity(oscillator, log_rate, z0, union, theta, **TIGHT)
        at_events, at_data = zs[np.searchsorted(union, EVENTS)], zs[np.searchsorted(union, data_times)]
        return np.sum(log_rate(at_events, theta)) - Lambdas[-1] + np.sum(gaussian_log_prob(x, at_data[:, 0], 2 * np.log(0.2)))

    pairs = [rn.value_and_grad(term)(THETA[0] * Z0, THETA) for term in (joint, events_term, data_term)]
    (together, g), (events, g_events), (data, g_data) = pairs
    assert together == pytest.approx(events + data, rel=1e-10)
    assert np.abs(g - (g_events + g_data)).max() < 1e-8 * np.abs(g).max()


def test_gradients_to_all_arguments():
    """S63: the oscillator, by differences; event times too."""
    rn.check_grads(lambda z0, events, theta: poisson_log_prob(rn.compiled(oscillator), log_rate, z0, events, 0.0, T, theta, gradient="discrete",
                                                              rtol=1e-10, atol=1e-12), Z0, EVENTS, THETA, order=1)


def test_thinning():
    """S61: the number of events is Poisson with mean Lambda(T), over 500 realisations within 4 standard errors; gaps of rescaled times pass the
    test of Kolmogorov and Smirnov; for a rate that is constant, which has as many events, they do not."""
    rng, T, n = np.random.default_rng(0), 4.0, 500
    sequences = [thinned(rng, exact_rate, 0.0, T, np.exp(1.2)) for _ in range(n)]
    total = quad(exact_rate, 0, T)[0]
    counts = np.array([len(events) for events in sequences])
    assert abs(counts.mean() - total) < 4 * np.sqrt(total / n)
    fine = np.linspace(0, T, 2001)
    steps = np.concatenate([[0.0], np.cumsum((exact_rate(fine[:-1]) + exact_rate(fine[1:])) / 2)]) * fine[1]
    Lambdas = [np.interp(events, fine, steps) for events in sequences[:100]]
    assert ks_exponential(rescaled_gaps(Lambdas, total)) > 1e-3
    assert ks_exponential(rescaled_gaps([total * events / T for events in sequences[:100]], total)) < 1e-3


def test_gaps_of_short_realisations():
    """S61: rate 1 on [0, 0.5], 4,000 times, about half of them without an event: gaps along the common axis are Exp(1)."""
    rng = np.random.default_rng(1)
    sequences = [thinned(rng, np.ones_like, 0.0, 0.5, 1.0) for _ in range(4000)]
    gaps = rescaled_gaps(sequences, 0.5)
    assert len(gaps) == sum(map(len, sequences))
    assert ks_exponential(gaps) > 1e-3


@pytest.mark.parametrize(("events", "t0", "t1"), [
    (EVENTS[::-1], 0.0, T), (EVENTS, 0.0, 1.0), (EVENTS, 0.4, T), (np.array([0.5, np.nan]), 0.0, T), (EVENTS[::-1], T, 0.0),
])
def test_events_that_are_not_within_the_interval_are_refused(events, t0, t1):
    with pytest.raises(ValueError, match="events must be finite, in increasing order and within"):
        poisson_log_prob(oscillator, log_rate, Z0, events, t0, t1, THETA)


@pytest.mark.parametrize("z0", [Z0, np.stack([Z0, -Z0])])
def test_the_first_component_of_states_is_not_their_first_row(z0):
    """z[0] for z[..., 0] has the right shape where there are as many events (or states) as components, and would give another number."""
    for events in ([], EVENTS[:2], EVENTS):
        with pytest.raises(ValueError, match=r"the first component of states \(\.\.\., D\) is z\[\.\.\., 0\]"):
            poisson_log_prob(oscillator, lambda z, theta: z[0], z0, events, 0.0, T, THETA)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"events must be times \(N,\), of one realisation or of all in one list, not of the shape \(2, 1\)"):
        poisson_log_prob(oscillator, log_rate, Z0, [[0.1], [0.2]], 0.0, T, THETA)
    with pytest.raises(ValueError, match=r"log_rate must return one number for each state, shape \(1,\) for states \(1, 2\), not shape \(\)"):
        poisson_log_prob(oscillator, lambda z, theta: np.sum(z), Z0, EVENTS, 0.0, T, THETA)
    with pytest.raises(ValueError, match=r"z0 must be a state \(D,\) or states \(B, D\), not the number 0\.3"):
        poisson_log_prob(oscillator, log_rate, 0.3, EVENTS, 0.0, T, THETA)
    with pytest.raises(ValueError, match="t1 must not be before t0"):
        thinned(np.random.default_rng(0), np.ones_like, 1.0, 0.0, 2.0)
    with pytest.raises(ValueError, match="without events there is no gap"):
        ks_exponential(np.zeros(0))
    with pytest.raises(ValueError, match="realisations must be a positive whole number"):
        poisson_log_prob(oscillator, log_rate, Z0, EVENTS, 0.0, T, THETA, realisations=0)
    with pytest.raises(ValueError, match=r"must lie between 0 and the bound 0\.5 everywhere"):
        thinned(np.random.default_rng(0), exact_rate, 0.0, 40.0, 0.5)
