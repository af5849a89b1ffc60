"""The latent ODE against the linear-Gaussian model, in which the evidence and the posterior are known."""

import numpy as np
import pytest

import refnode as rn
from refnode.models.elbo import elbo, gaussian_log_prob, kl_sample, kl_to_standard_normal, reparametrised
from refnode.models.latent_ode import LatentODE, Parameters, Series, dynamics, latent_ode_init
from refnode.models.linear_gaussian import log_evidence, observation_matrix, posterior
from refnode.models.toy_data import observed, spirals

A = np.array([[-0.2, -1.5], [1.5, -0.2]])
C = np.eye(2)  # with it the posterior covariance is diagonal, so that it is among those that q can be
TS = np.array([0.25, 1.0, 1.25, 2.5])
SIGMA, M = 0.5, observation_matrix(A, C, TS)
TIGHT = {"rtol": 1e-12, "atol": 1e-14}
X = np.random.default_rng(3).normal(size=(4, 1, 2))


def linear_model(mean, log_variance, C=C):
    """The model of `linear_gaussian`, with a q that is given."""
    return LatentODE(SIGMA, f=lambda z, t, A: z @ A.T, recognise=lambda values, between, mask, theta: (mean, log_variance),
                     decode=lambda z, theta: z @ C.T, solver=TIGHT)


def series(values):
    return Series(np.broadcast_to(TS[:, None], values.shape[:2]), values, np.ones(values.shape[:2], bool))


THETA = Parameters(None, A, None)


def test_divergence_in_closed_form():
    """S59: the mean of log q - log p over 20,000 samples, within 4 standard errors; and 0 at q = p."""
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=3), rng.normal(size=3)
    samples = kl_sample(reparametrised(mean, log_variance, rng.standard_normal((20_000, 3))), mean, log_variance)
    assert abs(samples.mean() - kl_to_standard_normal(mean, log_variance)) < 4 * samples.std() / np.sqrt(20_000)
    assert kl_to_standard_normal(np.zeros(3), np.zeros(3)) == 0


def test_the_bound_is_the_evidence_at_the_exact_posterior():
    """S59: then log p(x|z) + log p(z) - log q(z) is log p(x) for every z: 1e-11 of values of about 10, the tolerance of the solves is 1e-12."""
    mean, S = posterior(X.ravel(), M, SIGMA)
    assert abs(S[0, 1]) < 1e-16
    model = linear_model(mean[None], np.log(np.diag(S))[None])
    for noise in np.random.default_rng(1).normal(size=(5, 1, 2)):
        assert abs(model.elbo(THETA, series(X), noise, analytic=False)[0] - log_evidence(X.ravel(), M, SIGMA)) < 1e-11


def test_both_forms_of_the_bound_below_the_evidence():
    """S59: with another q, both forms have the same mean, within 4 standard errors, and it is log p(x) - KL(q || posterior), below log p(x)."""
    rng, n = np.random.default_rng(2), 4000
    mean, log_variance = rng.normal(size=2), rng.normal(size=2)
    exact, S = posterior(X.ravel(), M, SIGMA)
    v = np.exp(log_variance)
    apart = 0.5 * np.sum(v / np.diag(S) + (mean - exact) ** 2 / np.diag(S) - 1 + np.log(np.diag(S)) - log_variance)
    model = linear_model(np.tile(mean, (n, 1)), np.tile(log_variance, (n, 1)))
    many, noise = series(np.tile(X, (1, n, 1))), rng.standard_normal((n, 2))
    for analytic in (True, False):
        bound = model.elbo(THETA, many, noise, analytic)
        assert abs(bound.mean() - (log_evidence(X.ravel(), M, SIGMA) - apart)) < 4 * bound.std() / np.sqrt(n)
    assert apart > 1


def test_weight_of_the_divergence():
    z, mean, log_variance = np.random.default_rng(4).normal(size=(3, 5, 2))
    assert np.array_equal(elbo(1.0, z, mean, log_variance, weight=0.0), np.ones(5))
    for analytic, divergence in ((True, kl_to_standard_normal(mean, log_variance)), (False, kl_sample(z, mean, log_variance))):
        assert np.array_equal(elbo(1.0, z, mean, log_variance, analytic, 0.5), 1.0 - 0.5 * divergence)


def test_samples_have_the_marginals_of_the_model():
    """S55: x of the generative model is N(0, M M^T + sigma^2 I): each entry of the covariance of 4,000 samples within 4.5 standard errors (64
    entries), where Var(x_i x_j) = S_ii S_jj + S_ij^2."""
    n = 4000
    C = np.array([[1.0, 0.5], [0.0, 2.0]])
    _, x = linear_model(None, None, C).sample(THETA, np.random.default_rng(5), TS, n, 2)
    M = observation_matrix(A, C, TS)
    S = M @ M.T + SIGMA**2 * np.eye(8)
    flat = x.transpose(1, 0, 2).reshape(n, 8)
    error = np.sqrt((np.outer(np.diag(S), np.diag(S)) + S * S) / n)
    assert np.all(np.abs(flat.T @ flat / n - S) < 4.5 * error)
    assert np.all(np.abs(flat.mean(axis=0)) < 4.5 * np.sqrt(np.diag(S) / n))


def test_the_evidence_by_bayes_rule():
    """S59: log p(x) = log p(x|z) + log p(z) - log p(z|x) for any z, the three from other formulas; a decoder that is not square."""
    C = np.array([[1.0, -0.5], [0.25, 2.0], [0.0, 1.0]])
    rng, M = np.random.default_rng(6), observation_matrix(A, C, TS, t0=0.5)
    x, z = rng.normal(size=12), rng.normal(size=2)
    mean, S = posterior(x, M, SIGMA)
    log_posterior = rn.normal(mean, S).log_prob(z)
    joint = gaussian_log_prob(x, M @ z, 2 * np.log(SIGMA)).sum() + gaussian_log_prob(z, 0.0, 0.0).sum()
    assert joint - log_posterior == pytest.approx(log_evidence(x, M, SIGMA), abs=1e-11)


MODEL = LatentODE(0.1, solver=TIGHT)
NET = latent_ode_init(np.random.default_rng(7), 2)
Z0 = np.random.default_rng(8).normal(size=(3, 4))


def test_any_state_determines_the_trajectory():
    """S56: from z(t_i) to z(t_j) for all pairs, forwards and backwards; and where t0 is has no influence. 1e-9: solves at 1e-12."""
    ts = np.array([0.0, 0.5, 1.25, 2.0])
    zs = MODEL.latent(NET, Z0, ts)
    for i, t in enumerate(ts):
        assert np.abs(LatentODE(0.1, t0=t, solver=TIGHT).latent(NET, zs[i], ts) - zs).max() < 1e-9
    assert np.abs(LatentODE(0.1, t0=7.0, solver=TIGHT).latent(NET, Z0, ts + 7) - zs).max() < 1e-9


def test_what_is_asked_for_together_has_no_influence():
    """S57: each time alone, and all together, twice and in any order, before and after t0."""
    ts = np.array([0.5, -1.0, 0.0, 2.0, 0.5, -0.25])
    zs = MODEL.latent(NET, Z0, ts)
    for t, z in zip(ts, zs, strict=True):
        assert np.abs(MODEL.latent(NET, Z0, [t])[0] - z).max() < 1e-9
    assert np.array_equal(zs[0], zs[4])
    assert np.array_equal(zs[2], Z0)


def test_close_starts_stay_close():
    """S66: |z(t; z0) - z(t; z0')| <= e^{L t} |z0 - z0'| (Gronwall), L the product of the spectral norms of the layers."""
    L = np.prod([np.linalg.norm(W, 2) for W, _ in NET.dynamics])
    ts = np.linspace(0, 2, 9)
    other = Z0 + 0.01 * np.random.default_rng(9).normal(size=Z0.shape)
    apart = np.linalg.norm(MODEL.latent(NET, Z0, ts) - MODEL.latent(NET, other, ts), axis=-1)
    assert np.all(apart <= np.exp(L * ts)[:, None] * apart[0] * (1 + 1e-9))


def irregular():
    rng = np.random.default_rng(10)
    times = np.sort(rng.uniform(0, 2, (5, 3)), axis=0)
    mask = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    return Series(times, rng.normal(size=(5, 3, 2)), mask)


def test_a_batch_is_its_series():
    """S57: the bound of a batch over the union of times, and of each series alone with the rows that it has."""
    x, noise = irregular(), np.random.default_rng(11).normal(size=(3, 4))
    together = MODEL.elbo(NET, x, noise)
    for b in range(3):
        rows = x.mask[:, b]
        alone = Series(*(part[rows][:, [b]] for part in x))
        assert MODEL.elbo(NET, alone, noise[[b]])[0] == pytest.approx(together[b], rel=1e-9)


def test_what_is_masked_may_be_nan():
    """Value and gradients have the same bits, whatever stands where nothing was observed."""
    x, noise = irregular(), np.random.default_rng(11).normal(size=(3, 4))
    holes = Series(np.where(x.mask, x.times, np.nan), np.where(x.mask[..., None], x.values, np.nan), x.mask)
    loose = LatentODE(0.1, solver={"gradient": "discrete"})
    (value, gradient), (other, same) = (rn.value_and_grad(lambda theta, x: np.sum(loose.elbo(theta, x, noise)))(NET, x) for x in (x, holes))
    assert value == other
    assert np.array_equal(gradient.recognition.W_x, same.recognition.W_x)
    assert np.array_equal(gradient.dynamics[0][0], same.dynamics[0][0])


def test_wrong_arguments_of_the_bound():
    for sigma in (0, -1.0, np.inf, np.nan, "0.1", np.array([0.1, 0.2])):
        with pytest.raises(ValueError, match="sigma must be a positive, finite standard deviation, not "):
            LatentODE(sigma)
    with pytest.raises(ValueError, match="t0 must be a finite time, not nan"):
        LatentODE(0.1, t0=np.nan)
    with pytest.raises(ValueError, match=r"noise must have the shape \(3, 4\) of the latent states, not \(1, 4\)"):
        MODEL.elbo(NET, irregular(), np.zeros((1, 4)))
    x = irregular()
    with pytest.raises(ValueError, match="an observed value is not finite: set the mask to False"):
        MODEL.encode(NET, x._replace(values=np.where(x.mask[..., None], np.nan, x.values)))
    with pytest.raises(ValueError, match=r"values must have a shape \(n, B, D\) and the mask \(n, B\)"):
        MODEL.encode(NET, x._replace(mask=x.mask.T))


@pytest.mark.parametrize("ts", [[0.0, np.nan], [np.nan, 0.0, 1.0], [], [[0.0, 1.0]], [np.inf]])
def test_times_that_are_none(ts):
    """A NaN is on neither side of t0: it would vanish, and the rows behind it move up."""
    for ask in (lambda: MODEL.predict(NET, np.zeros((1, 4)), ts), lambda: MODEL.sample(NET, np.random.default_rng(0), ts, 1, 4)):
        with pytest.raises(ValueError, match="ts must be at least one finite time, in one dimension"):
            ask()


@pytest.mark.parametrize("gradient", ["adjoint", "discrete"])
def test_gradients_of_the_bound(gradient):
    """S60: with the noise held fixed, to the parameters of the recognition network, of f and of the decoder, through the solve."""
    model = LatentODE(0.5, f=rn.compiled(dynamics), solver={"rtol": 1e-10, "atol": 1e-12, "gradient": gradient})
    small = latent_ode_init(np.random.default_rng(12), 2, latent=2, hidden=3, recognition=3)
    x, noise = irregular(), np.random.default_rng(13).normal(size=(3, 2))
    rn.check_grads(lambda theta: np.sum(model.elbo(theta, x, noise)), small, order=1)


def test_spirals_solve_their_equation():
    """x' = A x with A of each direction, by sixth-order differences; half of them in each direction; noise where it was asked for."""
    h = 1e-2
    fine = spirals(np.random.default_rng(0), 6, h * np.arange(-3, 4) + 1.0)
    slope = np.tensordot([-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60], fine.x, 1) / h
    for b, d in enumerate(fine.direction):
        assert np.abs(slope[b] - np.array([[-0.1, -1.2 * d], [1.2 * d, -0.1]]) @ fine.x[3, b]).max() < 1e-10
    assert fine.direction.sum() == 0


def test_observed_parts_of_spirals():
    ts = np.linspace(0, 3, 10)
    whole = spirals(np.random.default_rng(0), 200, ts)
    x = observed(np.random.default_rng(1), ts, whole.x, 4, 0.1)
    assert x.times.shape == (4, 200)
    assert np.all(np.diff(x.times, axis=0) > 0)
    rows = np.searchsorted(ts, x.times - 1e-12)
    noise = x.values - whole.x[rows, np.arange(200)]
    assert abs(noise.std() - 0.1) < 4 * 0.1 / np.sqrt(2 * noise.size)
    counts = np.bincount(rows.ravel(), minlength=10)
    assert np.all(np.abs(counts - 80) < 4.5 * np.sqrt(200 * 0.4 * 0.6))
    for n in (0, 11):
        with pytest.raises(ValueError, match=r"n must be one of 1, \.\.\., 10"):
            observed(np.random.default_rng(1), ts, whole.x, n, 0.1)
