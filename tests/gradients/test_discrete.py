"""gradient="discrete": the exact derivative of the discrete map, against the same map in complex arithmetic, closed forms and exact flows."""

import numpy as np
import pytest
from refnode_validation.problems.catalog import problems
from refnode_validation.problems.exact import backward, forward
from refnode_validation.verdicts import KAPPA_INTERPOLATED, KAPPA_STEP_END, allowed_error

import refnode as rn
from refnode.gradients import discrete
from refnode.ode.esdirk_tableaus import ESDIRKS
from refnode.ode.tableaus import TABLEAUS
from refnode.tree import leaves
from tests.zoo import FORCED_THETA, forced

Z0 = np.array([0.5, -0.4])
TS = np.array([0.3, 0.7, 0.7, 1.0, 1.6])
WEIGHTS = np.array([[0.3, 0.18], [-1.0, -1.4], [0.4, -0.2], [2.0, 1.2], [0.5, 0.7]])
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
DIRECTIONS = pytest.mark.parametrize("direction", [1, -1], ids=["forwards", "backwards"])


def odeint(f, z0, ts, theta=(), **keywords):
    return rn.odeint(f, z0, ts, theta, gradient="discrete", **keywords)


def gradients(f, z0, ts, theta, weights, **keywords):
    return rn.grad(lambda z0, ts, theta: np.sum(weights * odeint(f, z0, ts, theta, **keywords)), (0, 1, 2))(z0, ts, theta)


def explicit_stages(tableau, f, z, t, h, theta):
    K = []
    for row, c in zip(tableau.A, tableau.c, strict=True):
        K.append(f(z + h * sum((float(a) * k for a, k in zip(row, K, strict=True)), np.zeros_like(z)), t + float(c) * h, theta))
    return K


def discrete_loss(tableau, f, z, t, steps, theta, observed, weights, stages=explicit_stages):
    """The discrete map as one would write it first: every stage evaluated, nothing shared. observed: for each observation the number of its step and
    its fraction of it."""
    loss = sum(g @ z for (n, _), g in zip(observed, weights, strict=True) if n < 0)
    for n, h in enumerate(steps):
        K = stages(tableau, f, z, t, h, theta)
        for (number, fraction), g in zip(observed, weights, strict=True):
            if number == n:
                powers = fraction ** np.arange(1, len(tableau.interpolant[0]) + 1)
                b = [np.dot([float(x) for x in row], powers) for row in tableau.interpolant]
                loss = loss + g @ (z + h * sum(x * k for x, k in zip(b, K, strict=True)))
        z = z + h * sum(float(b) * k for b, k in zip(tableau.b, K, strict=False))
        t = t + h
    return loss


def by_complex_step(loss, x):
    """Im loss(x + i eps e_j) / eps: no difference is taken, so that only rounding errors remain."""
    found = np.empty(len(x))
    for j in range(len(x)):
        moved = x.astype(complex)
        moved[j] += 1e-30j
        found[j] = loss(moved).imag / 1e-30
    return found


def places(t_steps, ts):
    """(number of the step, fraction of it) for each time."""
    sign = np.sign(t_steps[-1] - t_steps[0])
    n = np.searchsorted(sign * t_steps, sign * ts) - 1
    return [(int(i), 0.0 if i < 0 else float((t - t_steps[i]) / (t_steps[i + 1] - t_steps[i]))) for i, t in zip(n, ts, strict=True)]


def cases():
    for name, tableau in TABLEAUS.items():
        yield name, {"steps": 7}
        if tableau.error_order is not None:
            yield name, {"rtol": 1e-5, "atol": 1e-6} if tableau.p > 2 else {"rtol": 1e-3, "atol": 1e-3}


def close(found, expected):
    """1e-12 of the largest entry: N = 50 steps of up to 16 stages lose at most some hundred eps."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * max(1.0, np.abs(expected).max()))


@DIRECTIONS
@pytest.mark.parametrize(("method", "keywords"), list(cases()), ids=str)
def test_the_derivative_of_the_discrete_map_by_complex_step(method, keywords, direction):
    """z0, theta and every h_n, for observations inside of steps, at their ends, repeated, and at the start."""
    ts, tableau = TS[::direction], TABLEAUS[method]
    t_steps = rn.solve(forced, Z0, ts, FORCED_THETA, method=method, **keywords).t_steps
    h, observed = np.diff(t_steps), places(t_steps, ts)

    def loss(z0=Z0, theta=FORCED_THETA, h=h):
        return discrete_loss(tableau, forced, z0, ts[0], h, theta, observed, WEIGHTS)

    dz0, _, dtheta = gradients(forced, Z0, ts, FORCED_THETA, WEIGHTS, method=method, **keywords)
    close(dz0, by_complex_step(lambda z: loss(z0=z), Z0))
    close(dtheta, by_complex_step(lambda theta: loss(theta=theta), FORCED_THETA))
    sizes, dh = discrete.step_size_cotangents(forced, Z0, ts, FORCED_THETA, WEIGHTS, method=method, **keywords)
    assert np.array_equal(sizes, h)
    close(dh, by_complex_step(lambda h: loss(h=h), h))


def pendulum(z, t, theta):
    return np.stack([theta[0] * z[1], -theta[1] * np.sin(z[0]) - theta[2] * z[1] * z[1] + np.cos(t)])


def pendulum_jacobian(z, theta):
    return np.array([[0 * z[0], theta[0]], [-theta[1] * np.cos(z[0]), -2 * theta[2] * z[1]]])


def implicit_stages(tableau, f, z, t, h, theta):
    """All stages at once, by Newton's method in complex arithmetic. Its fourth step is below rounding errors already."""
    A = np.array([[float(a) for a in row] + [0.0] * (len(tableau.A) - len(row)) for row in tableau.A])
    s, n = len(A), len(z)
    K = np.array([f(z, t, theta)] * s)
    for _ in range(8):
        Y = z + h * A @ K
        residual = np.array([f(y, t + float(c) * h, theta) for y, c in zip(Y, tableau.c, strict=True)]) - K
        matrix = np.eye(s * n) - h * np.einsum("iab,ij->iajb", np.array([pendulum_jacobian(y, theta) for y in Y]), A).reshape(s * n, s * n)
        K = K + np.linalg.solve(matrix, residual.reshape(-1)).reshape(s, n)
    return list(K)


class Radau:
    """Radau IIA of order 5 from its definition: collocation at c."""

    c = np.array([(4 - 6**0.5) / 10, (4 + 6**0.5) / 10, 1.0])
    interpolant = np.linalg.inv(np.vander(c, increasing=True)).T / [1, 2, 3]  # integrals of Lagrange's polynomials
    A = np.power.outer(c, [1, 2, 3]) @ interpolant.T
    b = A[-1]


@DIRECTIONS
@pytest.mark.parametrize("method", ["implicit_euler", "kvaerno3", "kvaerno5", "radau5"])
def test_implicit_methods_by_complex_step(method, direction):
    """Fixed steps: the stages are solved to rounding errors."""
    ts, theta, tableau = TS[::direction], np.array([1.1, 1.7, 0.3]), Radau if method == "radau5" else ESDIRKS[method]
    keywords = {"method": method, "steps": 7}
    t_steps = rn.solve(pendulum, Z0, ts, theta, **keywords).t_steps
    h, observed = np.diff(t_steps), places(t_steps, ts)

    def loss(z0=Z0, theta=theta, h=h):
        return discrete_loss(tableau, pendulum, z0, ts[0], h, theta, observed, WEIGHTS, implicit_stages)

    dz0, _, dtheta = gradients(pendulum, Z0, ts, theta, WEIGHTS, **keywords)
    close(dz0, by_complex_step(lambda z: loss(z0=z), Z0))
    close(dtheta, by_complex_step(lambda theta: loss(theta=theta), theta))
    close(discrete.step_size_cotangents(pendulum, Z0, ts, theta, WEIGHTS, **keywords)[1], by_complex_step(lambda h: loss(h=h), h))


R = {"euler": [1, 1], "midpoint": [1, 1, 1 / 2], "heun": [1, 1, 1 / 2], "rk4": [1, 1, 1 / 2, 1 / 6, 1 / 24]}


@pytest.mark.parametrize("method", list(R))
def test_closed_forms_of_the_test_equation(method):
    """P29: z_N = R(h lam)^N z0, dz_N/dlam = N h R' R^(N-1) z0, and its second derivative N h^2 (R'' R + (N-1) R'^2) R^(N-2) z0."""
    r = np.polynomial.Polynomial(R[method])
    lam, z0, N, h = -1.7, 0.8, 10, 0.1
    x = h * lam

    def z_N(z0, lam):
        return odeint(lambda z, t, lam: lam * z, z0, [0.0, 1.0], lam, method=method, steps=N)[-1]

    value, slopes = z_N(z0, lam), rn.grad(z_N, (0, 1))(z0, lam)
    close(np.array([value, *slopes]), np.array([r(x) ** N * z0, r(x) ** N, N * h * r.deriv()(x) * r(x) ** (N - 1) * z0]))
    second = N * h**2 * (r.deriv(2)(x) * r(x) + (N - 1) * r.deriv()(x) ** 2) * r(x) ** (N - 2) * z0
    close(rn.grad(rn.grad(z_N, 1), 1)(z0, lam), second)
    close(rn.grad(rn.grad(z_N, 1), 0)(z0, lam), slopes[1] / z0)
    third = rn.grad(rn.grad(rn.grad(lambda lam: z_N(z0, lam))))(lam)
    whole = r**N
    close(third, h**3 * whole.deriv(3)(x) * z0)


def test_coarse_steps_have_a_gradient_too():
    """E2: ten Euler steps for z' = lam z, lam = -1.7: dz_N/dlam = N h (1 + h lam)^(N-1) = 0.18694. The adjoint finds z(0) 25 % off, and refuses."""
    def z1(lam, gradient):
        return rn.odeint(lambda z, t, lam: lam * z, 1.0, [0.0, 1.0], lam, method="euler", steps=10, gradient=gradient)[-1]

    assert rn.grad(lambda lam: z1(lam, "discrete"))(-1.7) == pytest.approx(10 * 0.1 * 0.83**9, rel=1e-13)
    with pytest.raises(rn.ReconstructionError):
        rn.grad(lambda lam: z1(lam, "adjoint"))(-1.7)


@pytest.mark.parametrize("method", list(TABLEAUS))
def test_the_gradient_converges_with_the_order_of_the_method(method):
    """P28, one observation at the end: the slope of log error over log h, errors in [1e-11, 1e-3], is at least p - 0.15 (p - 0.4 from order 5)."""
    problem, p = problems()["P28"], TABLEAUS[method].p
    flow = problem.exact(problem.z0, 0.0, 1.0, problem.theta)
    g = np.array([0.7, -0.4])
    exact = np.concatenate([flow.dz0.T @ g, flow.dtheta.T @ g])
    sizes, errors = [], []
    for n in (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256):
        dz0, _, dtheta = gradients(problem.f, problem.z0, np.array([0.0, 1.0]), problem.theta, np.array([[0, 0], g]), method=method, steps=n)
        error = np.abs(np.concatenate([dz0, dtheta]) - exact).max() / np.abs(exact).max()
        if 1e-11 < error < 1e-3 or (p == 1 and n >= 64):
            sizes.append(1 / n)
            errors.append(error)
    assert len(sizes) >= 3
    assert np.polyfit(np.log(sizes[-5:]), np.log(errors[-5:]), 1)[0] >= p - (0.15 if p < 5 else 0.4)


def ratio(task, rtol, kappa, **keywords):
    """The worst of dL/dz0, dL/dt and dL/dtheta: error / allowed error."""
    found = gradients(task.problem.f, task.z0, task.ts, task.problem.theta, task.weights, rtol=rtol, atol=rtol / 100, **keywords)
    exact = [task.gradients[key] for key in ("dL/dz0", "dL/dt", "dL/dtheta")]
    return max(np.abs(got - expected).max() / allowed_error(expected, rtol, rtol / 100, task.gradient_gamma, kappa)
               for got, expected in zip(found, exact, strict=True))


BEYOND = {("P09", forward, 1e-10)}  # the frequency of a forcing: the interpolant's error is differentiated, too, and grows by it


@pytest.mark.parametrize("task", [forward, backward])
@pytest.mark.parametrize("name", list(problems()))
def test_all_problems_within_the_allowed_error(name, task):
    """Four observations, the first included. kappa = 40 where they are read off interpolants, 10 where steps end on them."""
    posed = task(problems()[name])
    for rtol in (1e-4, 1e-7, 1e-10):
        assert (ratio(posed, rtol, KAPPA_INTERPOLATED) <= 1) == ((name, task, rtol) not in BEYOND)
        assert ratio(posed, rtol, KAPPA_STEP_END, jump_ts=posed.ts[1:-1]) <= 1


@pytest.mark.parametrize("name", ["P03", "P06", "P10", "P27", "P28", "P30"])
def test_hessian_vector_products_of_problems(name):
    """Against the exact second derivatives, at rtol 1e-9, to 1e-6 of their size: the discrete map's are a thousand times closer."""
    task = forward(problems()[name])
    D = task.z0.size
    v = (task.direction[:D], task.direction[D:])
    product = rn.hvp(lambda z0, theta: np.sum(task.weights * odeint(task.problem.f, z0, task.ts, theta, rtol=1e-9, atol=1e-11)),
                     (task.z0, task.problem.theta), v)
    for got, expected in zip(product, task.second_derivatives.values(), strict=True):
        assert np.abs(got - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max()) * task.gradient_gamma


@DIRECTIONS
def test_second_derivatives_are_those_of_the_discrete_map(direction):
    """Fixed steps: hvp against central differences of the gradient of the same map, and jvp against the derivative along v.

    Their error is h^4 / 30 times a fifth derivative of order one, and eps / h: below 1e-10 for h = 1e-3.
    """
    ts, v = TS[::direction], (np.array([0.3, -0.7]), np.array([0.2, 0.1, -0.5, 0.4]))
    solver = {"method": "bosh3", "steps": 9}

    def zs(z0, theta):
        return odeint(forced, z0, ts, theta, **solver)

    def along(s, function):
        return function(Z0 + s * v[0], FORCED_THETA + s * v[1])

    def difference(function, h=1e-3):
        return (8 * (along(h, function) - along(-h, function)) - (along(2 * h, function) - along(-2 * h, function))) / (12 * h)

    loss = lambda z0, theta: np.sum(WEIGHTS * np.sin(zs(z0, theta)))
    for i, product in enumerate(rn.hvp(loss, (Z0, FORCED_THETA), v)):
        assert np.abs(product - difference(lambda z0, theta, i=i: rn.grad(loss, (0, 1))(z0, theta)[i])).max() < 1e-10
    assert np.abs(rn.jvp(zs, (Z0, FORCED_THETA), v)[1] - difference(zs)).max() < 1e-10
    linear = lambda z0: np.sum(zs(z0, FORCED_THETA)[2] ** 2)  # dL/dz is zero where z is: its derivative is not
    assert np.abs(rn.jacobian(rn.grad(linear))(0 * Z0) - rn.jacobian(rn.grad(linear))(0 * Z0).T).max() < 1e-13


def test_derivatives_by_the_times_are_differentiated_again():
    """z' = lam z: dz_1/dt_1 = lam z_1, and d/dt_1 of that by lam, with z_1 of the discrete map, (1 + T lam) z_1."""
    slope = rn.grad(lambda t1, lam: odeint(lambda z, t, lam: lam * z, 0.7, np.stack([0.2, t1]), lam, **TIGHT)[-1])
    z1 = 0.7 * np.exp(-1.3 * 1.5)
    assert slope(1.7, -1.3) == pytest.approx(-1.3 * z1, rel=1e-9)
    assert rn.grad(slope, 1)(1.7, -1.3) == pytest.approx((1 - 1.3 * 1.5) * z1, rel=1e-8)
    assert rn.grad(slope, 0)(1.7, -1.3) == pytest.approx(1.69 * z1, rel=1e-8)
    assert rn.grad(rn.grad(slope, 0), 0)(1.7, -1.3) == pytest.approx(-(1.3**3) * z1, rel=1e-8)


@DIRECTIONS
def test_the_whole_hessian_as_the_adjoint_has_it(direction):
    """By z0, ts and theta, mixed: both solve to 1e-10, with second derivatives of the order of 10."""
    args, v = (Z0, TS[::direction], FORCED_THETA), (np.array([0.3, -0.7]), np.array([0.5, -0.2, 0.4, 0.1, -0.3]), np.array([0.2, 0.1, -0.5, 0.4]))
    one, other = (rn.hvp(lambda z0, ts, theta, g=g: np.sum(WEIGHTS * np.sin(rn.odeint(forced, z0, ts, theta, gradient=g, **TIGHT))), args, v)
                  for g in ("discrete", "adjoint"))
    for x, y in zip(one, other, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-7)


def contracting_observed(lam, ts):
    """z' = lam (sin t - z) from z(0) = 1: p sin t - q cos t + (1 + q) e^(-lam t), p = lam^2 / (1 + lam^2), q = lam / (1 + lam^2)."""
    p, q = lam * lam / (1 + lam * lam), lam / (1 + lam * lam)
    return p * np.sin(ts) - q * np.cos(ts) + (1 + q) * np.exp(-lam * ts)


@pytest.mark.parametrize("method", ["dopri5", "tsit5", "kvaerno5", "radau5"])
@pytest.mark.parametrize("n", [101, 11, 2])
def test_contracting_dynamics(n, method):
    """lam = 50, T = 10, rtol = atol = 1e-6: within 1e-3 of the exact dL/dlam, where the adjoint gives no number or is warned about."""
    ts, weights = np.linspace(0, 10, n), np.cos(7 * np.arange(n))
    exact = rn.grad(lambda lam: weights @ contracting_observed(lam, ts))(50.0)
    found = rn.grad(lambda lam: weights @ odeint(lambda z, t, lam: lam * (np.sin(t) - z), 1.0, ts, lam, method=method, rtol=1e-6, atol=1e-6))(50.0)
    assert abs(found - exact) < 1e-3 * abs(exact)


def test_a_shared_stage_is_pulled_back_once():
    """dopri5 with observations at step ends only: 6 pullbacks a step, as many as rk4 with its 4 stages has 4; one f for each dL/dt_i."""
    for method, stages in (("dopri5", 6), ("bosh3", 3), ("tsit5", 6), ("dop853", 12), ("rk4", 4), ("euler", 1)):
        stats, seen = rn.Stats(), []

        def f(z, t, theta, seen=seen):
            seen.append(t)
            return forced(z, t, theta)

        gradients(f, Z0, np.array([0.0, 1.0]), FORCED_THETA, WEIGHTS[:2], method=method, steps=10, stats=stats)
        assert (stats.backward.nvjp, stats.backward.nfe) == (10 * stages, 10 * stages + 2)
        assert stats.forward.nfe + stats.backward.nfe == len(seen)
        assert min(seen) >= 0.0
        assert max(seen) <= 1.0


def test_zero_cotangents_are_not_pulled_back():
    """Behind the last observation that counts nothing is done; in a step that only an interpolated one needs, one stage more."""
    def nvjp(weights, ts=(0.0, 0.45, 1.0)):
        stats = rn.Stats()
        gradients(forced, Z0, np.array(ts), FORCED_THETA, np.outer(weights, [1.0, 2.0]), steps=10, stats=stats)
        return stats.backward.nvjp

    assert nvjp([1, 0, 0]) == 0
    assert nvjp([0, 1, 0]) == 5 * 6 + 1
    assert nvjp([0, 0, 1]) == 10 * 6
    assert nvjp([0, 1, 1]) == 10 * 6


def test_extra_stages_of_dop853_only_where_there_are_observations():
    """12 evaluations a step, and 3 in each of the two steps with observations inside; all of them are pulled back."""
    stats = rn.Stats()
    gradients(forced, Z0, np.array([0.0, 0.33, 0.38, 0.75, 1.0]), FORCED_THETA, WEIGHTS, method="dop853", steps=10, stats=stats)
    assert stats.forward.nfe == 1 + 10 * 12 + 2 * 3
    assert stats.backward.nvjp == 10 * 12 + 2 * 3


def test_the_values_are_the_solver_s():
    plain = rn.solve(forced, Z0, TS, FORCED_THETA, method="dop853").zs
    assert np.array_equal(odeint(forced, Z0, TS, FORCED_THETA, method="dop853"), plain)
    assert np.array_equal(rn.pullback(lambda z: odeint(forced, z, TS, FORCED_THETA, method="dop853"), Z0)[0], plain)


@DIRECTIONS
def test_jumps_and_knots_of_constant_inputs(direction):
    """z' = -u(t) z: ln z1 = ln z0 - integral of u: dL/dtau_k = u_{k-1} - u_k for a knot inside. Observations at knots, repeated, and between."""
    knots, values = np.array([-0.1, 0.4, 0.9, 1.3, 1.7, 2.3]), np.array([0.3, -1.2, 0.8, 2.0, -0.4, 0.7])
    u = rn.interpolate(knots, values, "constant")
    for between in ([], [1.0], [0.9], [0.9, 0.9, 1.1]):
        ts = np.array(sorted([0.0, *between, 2.0], reverse=direction < 0))
        loss = lambda u, ts: np.log(odeint(lambda z, t, u: -u(t) * z, 1.5, ts, u, **TIGHT))[-1]
        by_u, by_ts = rn.grad(loss, (0, 1))(u, ts)
        np.testing.assert_allclose(by_u.knots, -direction * np.array([0, *(values[:-1] - values[1:])[:-1], 0]), rtol=0, atol=2e-9)
        np.testing.assert_allclose(by_u.values, -direction * np.diff(np.clip(knots, 0, 2), append=2.0), rtol=0, atol=2e-9)
        wanted = np.zeros(len(ts))
        wanted[0], wanted[-1] = u(ts[0]), -u(ts[-1])
        np.testing.assert_allclose(by_ts, wanted, rtol=0, atol=2e-9)


@DIRECTIONS
def test_an_observation_on_a_jump_comes_before_it(direction):
    """z' = -u(t) z, L = z(tau), tau a jump: dL/dtau = -u z(tau) with the u before it, dL/dt_0 = u z(tau) with the u behind t_0. Twice, too."""
    u = rn.interpolate([0.0, 0.9, 2.0, 3.0], np.array([0.3, -1.2, 0.8, 0.1]), "constant")
    ts = np.array([0.0, 0.9, 2.0])[::direction]
    before, behind = (0.3, 0.3) if direction > 0 else (-1.2, -1.2)
    z = lambda ts: odeint(lambda z, t, u: -u(t) * z, 1.5, ts, u, **TIGHT)[1]
    tau = 1.5 * np.exp(-0.3 * 0.9 if direction > 0 else 1.2 * -1.1)
    np.testing.assert_allclose(rn.grad(z)(ts), [behind * tau, -before * tau, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(rn.jacobian(rn.grad(z))(ts)[:2, :2], tau * before**2 * np.array([[1, -1], [-1, 1]]), rtol=0, atol=1e-8)


@DIRECTIONS
@pytest.mark.parametrize("method", ["dopri5", "dop853", "rk4", "kvaerno5"])
@pytest.mark.parametrize("kind", ["constant", "linear", "cubic"])
def test_inputs_as_the_adjoint_has_them(kind, method, direction):
    """Values, knots and slopes. Both solve to 1e-10 (rk4: 400 steps, h^4 = 7e-10 times constants): they agree to 1e-7."""
    rng = np.random.default_rng(5)
    u = rn.interpolate([-0.1, 0.4, 0.9, 1.3, 1.7, 2.3], rng.normal(size=6), kind)
    theta = {"W": rng.normal(size=(2, 2)), "u": u}
    f = lambda z, t, theta: np.tanh(theta["W"] @ z) * theta["u"](t) - 0.3 * z + np.cos(t)
    ts = np.array([0.0, 0.7, 0.9, 1.4, 2.0])[::direction]
    solver = {"method": method} | ({"steps": 400} if method == "rk4" else TIGHT)
    one, other = (rn.grad(lambda theta, g=g, k=k: np.sum(np.sin(rn.odeint(f, Z0, ts, theta, gradient=g, **k))))(theta)
                  for g, k in (("discrete", solver), ("adjoint", TIGHT)))
    for x, y in zip(leaves(one), leaves(other), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=1e-7)


def test_a_switch_in_f_itself():
    """z' = -a z before t = 1, -b z behind; jump_ts tells where. Also differentiated twice: d2 z1 / da db = 2 z1."""
    def f(z, t, theta):
        return -(theta["a"] if t < 1 else theta["b"]) * z

    z1 = lambda theta: odeint(f, 2.0, [0.0, 3.0], theta, jump_ts=[1.0], **TIGHT)[-1]
    theta, exact = {"a": np.array(0.7), "b": np.array(-0.4)}, 2 * np.exp(-0.7 + 0.8)
    found = rn.grad(z1)(theta)
    assert found["a"] == pytest.approx(-exact, rel=1e-8)
    assert found["b"] == pytest.approx(-2 * exact, rel=1e-8)
    assert rn.grad(lambda theta: rn.grad(z1)(theta)["a"])(theta)["b"] == pytest.approx(2 * exact, rel=1e-8)


def test_second_derivatives_across_knots():
    """z' = -u(t) z: d z1 / dtau = -(u_0 - u_1) z1 at the knot tau between them, and d2 z1 / dtau2 = (u_0 - u_1)^2 z1."""
    def z1(tau):
        u = rn.interpolate(np.stack([0.0, tau]), np.array([0.3, -0.2]), "constant")
        return odeint(lambda z, t, u: -u(t) * z, 1.0, [0.0, 2.0], u, **TIGHT)[-1]

    exact = np.exp(-(0.3 * 0.5 - 0.2 * 1.5))
    assert rn.grad(z1)(0.5) == pytest.approx(-0.5 * exact, rel=1e-8)
    assert rn.grad(rn.grad(z1))(0.5) == pytest.approx(0.25 * exact, rel=1e-8)


def test_trees_static_leaves_and_unused_parameters():
    def f(z, t, theta):
        rate = theta["A"] if theta["kind"] == "linear" else 0.0
        return {"x": rate @ z["x"], "y": (theta["rates"][0] * z["y"][0],)}

    theta = {"A": np.array([[0.0, 1.0], [-1.0, -0.1]]), "rates": [-0.5, 3.0], "kind": "linear", "unused": np.ones((2, 3)), "count": 7, "none": None,
             "index": np.array([0, 1]), "call": np.sin}
    z0 = {"x": Z0, "y": (np.array(2.0),)}
    zs, back = rn.pullback(lambda z0, theta: odeint(f, z0, TS, theta, **TIGHT), z0, theta)
    assert zs["x"].shape == (5, 2)
    assert zs["y"][0].shape == (5,)
    for _ in range(2):  # back may be called again
        dz0, dtheta = back({"x": WEIGHTS, "y": (np.array([0.0, 0.0, 0.0, 0.0, 1.0]),)})
        T = TS[-1] - TS[0]
        assert abs(dz0["y"][0] - np.exp(-0.5 * T)) < 1e-9
        assert abs(dtheta["rates"][0] - T * 2 * np.exp(-0.5 * T)) < 1e-9
        assert dtheta["rates"][1] == 0
        assert np.array_equal(dtheta["unused"], np.zeros((2, 3)))
        assert all(dtheta[key] is None for key in ("kind", "count", "none", "index", "call"))


def test_hvp_of_a_tree():
    """z = (x, y) with x' = A x, y' = lam y, L = y(1)^2 / 2: d2L / dlam2 = 2 y1^2."""
    f = lambda z, t, theta: (theta["A"] @ z[0], theta["lam"] * z[1])
    loss = lambda theta: odeint(f, (Z0, np.array(0.7)), [0.0, 1.0], theta, **TIGHT)[1][-1] ** 2 / 2
    theta = {"A": np.eye(2), "lam": -0.3, "name": "decay"}
    (product,) = rn.hvp(loss, (theta,), ({"A": np.ones((2, 2)), "lam": 1.0, "name": None},))
    assert product["lam"] == pytest.approx(2 * 0.49 * np.exp(-0.6), rel=1e-8)
    assert not product["A"].any()


def test_lists_of_numbers_are_arrays_and_get_lists_back():
    gradient = rn.grad(lambda z0: np.sum(WEIGHTS * odeint(forced, z0, list(TS), FORCED_THETA)))([0.5, -0.4])
    assert isinstance(gradient, list)
    assert np.array_equal(gradient, gradients(forced, Z0, TS, FORCED_THETA, WEIGHTS)[0])
    hessian = rn.hvp(lambda z0: np.sum(np.sin(odeint(forced, z0, TS, FORCED_THETA))), ([0.5, -0.4],), ([1.0, 0.0],))[0]
    assert np.array_equal(hessian, rn.hvp(lambda z0: np.sum(np.sin(odeint(forced, z0, TS, FORCED_THETA))), (Z0,), (np.array([1.0, 0.0]),))[0])


def test_float32():
    z0, theta = Z0.astype(np.float32), FORCED_THETA.astype(np.float32)
    value, found = rn.value_and_grad(lambda z, theta: np.sum(np.square(odeint(forced, z, TS, theta, rtol=1e-4, atol=1e-6))), (0, 1))(z0, theta)
    assert value.dtype == found[0].dtype == found[1].dtype == np.float32
    tight = rn.grad(lambda z, theta: np.sum(np.square(odeint(forced, z, TS, theta, **TIGHT))), (0, 1))(Z0, FORCED_THETA)
    for one, other in zip(found, tight, strict=True):
        assert np.abs(one - other).max() < 1e-2  # rtol 1e-4, Gamma < 10, sum of ten


def test_one_time_and_equal_times():
    for ts in (np.array([0.3]), np.array([0.3, 0.3, 0.3])):
        weights = np.arange(1.0, 1 + 2 * len(ts)).reshape(-1, 2)
        dz0, dts, dtheta = gradients(forced, Z0, ts, FORCED_THETA, weights)
        assert np.array_equal(dz0, weights.sum(0))
        assert not dtheta.any()
        assert abs(dts.sum()) < 1e-12  # dL/dt_0 = -(g_1 + g_2) . f, and dL/dt_i = g_i . f at the same point
        (product,) = rn.hvp(lambda z, ts=ts: np.sum(np.sin(odeint(forced, z, ts, FORCED_THETA))), (Z0,), (np.ones(2),))
        assert np.abs(product + len(ts) * np.sin(Z0)).max() < 1e-14


def test_an_observation_at_the_start_enters_dLdz0_only():
    dz0, dts, dtheta = gradients(forced, Z0, TS, FORCED_THETA, WEIGHTS * np.array([[1.0], [0.0], [0.0], [0.0], [0.0]]))
    assert np.array_equal(dz0, WEIGHTS[0])
    assert not dts.any()
    assert not dtheta.any()


def test_scaling_the_loss_scales_the_gradient():
    """c a power of two: to the bit."""
    plain = gradients(forced, Z0, TS, FORCED_THETA, WEIGHTS)
    for c in (2.0**40, 2.0**-40):
        assert all(np.array_equal(x / c, y) for x, y in zip(gradients(forced, Z0, TS, FORCED_THETA, c * WEIGHTS), plain, strict=True))


def test_a_dynamics_with_its_own_pullback_is_not_traced():
    def f(z, t, lam):
        assert isinstance(z, np.ndarray)
        return lam * z

    f.pullback = lambda z, t, lam: (lam * z, lambda g: (lam * g, 0.0, np.sum(g * z)))  # in traceable NumPy
    assert rn.grad(lambda lam: np.sum(odeint(f, Z0, [0.0, 1.0], lam, **TIGHT)[-1]))(-0.7) == pytest.approx(np.sum(Z0) * np.exp(-0.7), rel=1e-9)
    second = rn.grad(rn.grad(lambda lam: np.sum(odeint(f, Z0, [0.0, 1.0], lam, **TIGHT)[-1])))(-0.7)
    assert second == pytest.approx(np.sum(Z0) * np.exp(-0.7), rel=1e-9)


def test_wrong_calls():
    with pytest.raises(rn.TraceError, match="pass that value in theta"):
        rn.grad(lambda A: np.sum(odeint(lambda z, t, _: A @ z, Z0, [0.0, 1.0])))(np.eye(2))
    with pytest.raises(ValueError, match="backward_rtol is for a backward solve"):
        odeint(forced, Z0, TS, FORCED_THETA, backward_rtol=1e-3)
    for method in ("alf", "adams", "bdf"):
        with pytest.raises(ValueError, match="reverses the steps of Runge-Kutta methods"):
            gradients(forced, Z0, TS, FORCED_THETA, WEIGHTS, method=method, **({"steps": 10} if method == "alf" else {}))
    for method in ("implicit_euler", "kvaerno3", "kvaerno5", "radau5"):
        with pytest.raises(rn.TraceError, match="first derivatives only"):
            rn.hvp(lambda z, method=method: np.sum(odeint(forced, z, TS, FORCED_THETA, method=method)), (Z0,), (Z0,))
    with pytest.raises(TypeError, match="complex"):
        rn.grad(lambda lam: np.sum(odeint(lambda z, t, lam: lam * z, Z0 + 1j, TS, lam)))(0.3)


def test_a_failure_holds_the_part_that_is_right():
    """z' = z^2 from 1 blows up at t = 1; z(0.5) = 2."""
    with pytest.raises(rn.SolverError) as failure:
        rn.grad(lambda z: np.sum(odeint(lambda z, t, _: z * z, z, [0.0, 0.5, 2.0])))(1.0)
    times, zs = failure.value.partial
    assert times.tolist() == [0.0, 0.5]
    assert zs[1] == pytest.approx(2.0, rel=1e-5)


def test_nan_where_only_the_interpolant_asks():
    """dop853 asks for its interpolant at t + h / 10: one step, NaN there, and an observation inside."""
    def f(z, t, theta):
        return z * (np.nan if abs(t - 0.1) < 1e-12 else 1.0)

    assert np.isfinite(rn.grad(lambda z: odeint(f, z, [0.0, 1.0], method="dop853", steps=1)[-1])(1.0))
    with pytest.raises(rn.NonFiniteDynamics, match="interpolant"):
        rn.grad(lambda z: odeint(f, z, [0.0, 0.5, 1.0], method="dop853", steps=1)[-1])(1.0)
